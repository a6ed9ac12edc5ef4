# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Both sides of a pair for alignment: the image pyramid, sampled where the points of the cloud project."""

from __future__ import annotations

from dataclasses import dataclass

from i2p_ros.alignment.patches import PatchedCloud, seen_from
from i2p_ros.alignment.pyramid import ImagePyramid, plain_pyramid
from i2p_ros.alignment.signals import PointsInView
from i2p_ros.core.config import RefinementSettings
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair


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
        return PairSignals.of_points(seen_from(pair.cloud, nominal, pyramid.camera, settings), settings, pyramid)

    @staticmethod
    def of_points(points: PointsInView, settings: RefinementSettings, pyramid: ImagePyramid) -> PairSignals:
        """The signals of points in view of the camera of a pyramid."""
        cell = pyramid.camera.width / settings.columns
        return PairSignals(pyramid, PatchedCloud.of(points, cell, settings, pyramid.signals))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to compare: too few points, or no signal that varies."""
        return not any(self.cloud.basis[self.cloud.row_of(signal)].any() for signal in self.pyramid.signals)
