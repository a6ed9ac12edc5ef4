# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The search for a pose: hypotheses from matches, scored by the likelihood of descriptors, selected and judged."""

from i2p_ros.search.selection import PassResult, PoseSearch

__all__ = ["PassResult", "PoseSearch"]
