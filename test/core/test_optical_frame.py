# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of cameras whose x axis is forward."""

import numpy as np
import pytest

from i2p_ros.core.config import SyntheticSettings
from i2p_ros.core.geometry import Pose
from i2p_ros.core.optical_frame import T_OPTICAL_BODY, optical_doubt
from i2p_ros.synthetic import SyntheticSource


@pytest.mark.parametrize("seed", [3, 4])
def test_a_body_frame_is_named_and_an_optical_frame_is_not(seed):
    sample = SyntheticSource(SyntheticSettings(), seed, 1)[0]
    assert optical_doubt(sample.pair, sample.T_camera_lidar) == ""
    T_body_lidar = T_OPTICAL_BODY.inverse() @ sample.T_camera_lidar
    text = optical_doubt(sample.pair, T_body_lidar, "camera_link")
    assert "'camera_link' of the image is no optical frame" in text


def test_a_camera_that_sees_no_points_is_no_doubt():
    sample = SyntheticSource(SyntheticSettings(), 3, 1)[0]
    far = Pose(np.eye(3), np.array([0.0, 0.0, -1e4]))
    assert optical_doubt(sample.pair, far) == ""
