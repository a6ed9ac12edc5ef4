# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drawings of clouds and matches in images. `pictures` adds colour bar, scale and error ellipse."""

from i2p_ros.viz.overlays import draw_matches, overlay

__all__ = ["draw_matches", "overlay"]
