# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Errors of a calibration, by scipy."""

from dataclasses import replace

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Status
from i2p_ros.evaluation.calibration_errors import calibration_errors, calibration_quality
from i2p_ros.evaluation.definitions import CALIBRATION
from i2p_ros.evaluation.metrics import Draw, Score, numbers

TRUE = Pose.from_rotvec([1.2, -1.2, 1.2], [0.1, -0.2, 0.3])


def scored(degrees: list[float], cm: list[float]) -> Score:
    """Score of a pose that is off by these intrinsic Euler angles about x, y, z, and by this translation."""
    off = Pose(Rotation.from_euler("XYZ", degrees, degrees=True).as_matrix(), np.array(cm) / 100.0)
    draw = Draw(1, 0, numbers(Pose.identity()), numbers(TRUE))
    return Score("a", Status.OK, T_estimated=numbers(off @ TRUE), draw=draw)


@hypothesis.given(
    st.lists(st.floats(-80, 80), min_size=3, max_size=3), st.lists(st.floats(-50, 50), min_size=3, max_size=3)
)
def test_angles_and_lengths_are_those_of_the_error(degrees: list[float], cm: list[float]) -> None:
    off = Pose(Rotation.from_euler("XYZ", degrees, degrees=True).as_matrix(), np.array(cm) / 100.0)
    found = calibration_errors(off @ TRUE, TRUE)
    np.testing.assert_allclose(found[0], np.abs(degrees), atol=1e-6)
    np.testing.assert_allclose(found[1], np.abs(cm), atol=1e-6)


def test_quality_is_over_poses_and_levels_are_over_all_pairs() -> None:
    near, far = scored([0.3, 0.4, 0.0], [1.0, 0.0, -2.0]), scored([0.0, 1.5, 0.0], [0.0, 4.0, 0.0])
    missed = replace(near, status=Status.UNCERTAIN, T_estimated=None)
    found = calibration_quality([near, far, missed, missed])
    assert set(found) == set(CALIBRATION)
    assert found["rotation_rmse_deg"] == pytest.approx((0.5 + 1.5) / 2)
    assert found["rotation_mae_deg"] == pytest.approx((0.7 + 1.5) / 6)
    assert found["translation_rmse_cm"] == pytest.approx((np.sqrt(5.0) + 4.0) / 2)
    assert found["translation_mae_cm"] == pytest.approx((3.0 + 4.0) / 6)
    assert (found["l1"], found["l2"]) == (0.25, 0.5)


def test_without_a_pose_nothing_is_stated() -> None:
    assert set(calibration_quality([Score("a", Status.UNCERTAIN)]).values()) == {None}
