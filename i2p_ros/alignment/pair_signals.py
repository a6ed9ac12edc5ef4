# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Both sides of a pair for alignment: the image pyramid, sampled where the points of the cloud project."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from i2p_ros.alignment.patches import Ints, PatchedCloud, seen_from
from i2p_ros.alignment.pyramid import ImagePyramid, plain_pyramid
from i2p_ros.alignment.signals import PointsInView
from i2p_ros.core.config import RefinementSettings
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair


@dataclass(frozen=True, slots=True, eq=False)
class PairSignals:
    """The signals of the image and of the cloud of one pair, for drifts about a nominal calibration.

    Of each of C signals, `rows` (C,) are the row of the basis, and `regressed` (C,) the number of terms that are
    regressed out, as the kernels take them.
    """

    pyramid: ImagePyramid
    cloud: PatchedCloud
    rows: Ints = field(init=False)
    regressed: Ints = field(init=False)

    def __post_init__(self) -> None:
        signals = self.pyramid.signals
        object.__setattr__(self, "rows", np.array([self.cloud.row_of(signal) for signal in signals]))
        object.__setattr__(self, "regressed", np.array([len(signal.regressed) for signal in signals]))

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
        return not self.cloud.basis[self.rows].any()
