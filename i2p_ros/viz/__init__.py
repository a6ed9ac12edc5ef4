# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drawings of clouds and matches in images."""

from i2p_ros.viz.overlays import before_after, draw_matches, overlay

__all__ = ["before_after", "draw_matches", "overlay"]
