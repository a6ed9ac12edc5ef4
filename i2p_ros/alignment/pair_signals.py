# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Both sides of a pair for alignment: the image pyramid, sampled where the points of the cloud project."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2p_ros.alignment.patches import PatchedCloud, intrinsics, tangents
from i2p_ros.alignment.pyramid import ImagePyramid, plain_pyramid
from i2p_ros.alignment.signals import Floats
from i2p_ros.core.config import RefinementSettings
from i2p_ros.core.geometry import Array, Pose, so3_exp
from i2p_ros.core.types import Pair

SAMPLE_ROWS = 7  # of a channel: its values, and their derivatives by the six axes of the drift


@dataclass(frozen=True, slots=True, eq=False)
class PairSignals:
    """The signals of the image and of the cloud of one pair, for drifts about a nominal calibration."""

    pyramid: ImagePyramid
    cloud: PatchedCloud

    @staticmethod
    def of(pair: Pair, nominal: Pose, settings: RefinementSettings, pyramid: ImagePyramid | None = None) -> PairSignals:
        """The signals of a pair at the nominal T_camera_lidar, with its plain pyramid unless another one is given.

        A cloud without intensity, or without the order of its scan, lacks one of the signals.
        """
        pyramid = pyramid or plain_pyramid(pair, settings)
        return PairSignals(pyramid, PatchedCloud.of(pair.cloud, nominal, pyramid.camera, settings, pyramid.signals))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to compare: too few points, or no signal that varies."""
        return not any(self.cloud.basis[self.cloud.row_of(signal)].any() for signal in self.pyramid.signals)

    def linearized(self, drift: Array, level: int) -> list[Floats]:
        """For each channel the rows (7, N): its values at the points, and their derivatives by the drift (6,)."""
        fx, fy, cx, cy = intrinsics(self.pyramid.camera_at(level))
        turned = so3_exp(drift[3:]).astype(np.float32) @ self.cloud.rays
        x, y, depth = tangents(turned + (self.cloud.translation + drift[:3]).astype(np.float32)[:, None])
        rows: list[Floats] = []
        for value, by_u, by_v in _bilinear(self.pyramid.levels[level], x * fx + cx, y * fy + cy):
            dx, dy = by_u * fx / depth, by_v * fy / depth
            dz = -(dx * x + dy * y)
            a, b, c = turned
            rows.append(np.stack([value, dx, dy, dz, b * dz - c * dy, c * dx - a * dz, a * dy - b * dx]))
        return rows


def _bilinear(image: Floats, u: Floats, v: Floats) -> list[tuple[Floats, Floats, Floats]]:
    """For each channel of an image (C, H, W) its values (N,) at u, v, and their derivatives by u and v.

    Pixels outside of the image have the value of its border.
    """
    channels, height, width = image.shape
    u, v = np.clip(u, 0.0, width - 1.01), np.clip(v, 0.0, height - 1.01)
    left, top = u.astype(np.int64), v.astype(np.int64)
    a, b = (u - left).astype(np.float32), (v - top).astype(np.float32)
    at = top * width + left
    found: list[tuple[Floats, Floats, Floats]] = []
    for flat in image.reshape(channels, -1):
        corner, right, below, opposite = flat[at], flat[at + 1], flat[at + width], flat[at + width + 1]
        across, down = right - corner, below - corner
        twist = opposite - below - across
        by_v = down + a * twist
        found.append((corner + a * across + b * by_v, across + b * twist, by_v))
    return found
