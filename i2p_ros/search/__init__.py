# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pose that descriptors of an image and a cloud speak for."""

from i2p_ros.search.agreement import Look, best_of, locate, propose

__all__ = ["Look", "best_of", "locate", "propose"]
