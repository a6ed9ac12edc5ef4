# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Estimates that are refined, and those that stay as they are."""

from dataclasses import replace

import numpy as np
import pytest

from i2p_ros.alignment.estimate import refine_estimate
from i2p_ros.alignment.pyramid import plain_pyramid
from i2p_ros.core.config import PnpSettings, RefinementSettings, SyntheticSettings
from i2p_ros.core.consistency import camera_error
from i2p_ros.core.geometry import Pose, from_camera_axes, to_camera_axes
from i2p_ros.core.place import LidarPlace
from i2p_ros.core.types import Correspondences, Evidence, Pair, PointCloud, PoseEstimate, Status
from i2p_ros.pnp import Calibration
from i2p_ros.pnp.error_model import ErrorModel
from i2p_ros.synthetic import SyntheticSource

SETTINGS, REFINEMENT = PnpSettings(), RefinementSettings()
SPREAD = np.diag(np.array([0.3, 0.1, 0.5, *np.radians([0.3, 0.9, 0.5])]) ** 2)
CALIBRATION = Calibration(
    std_scale=(1.5,) * 6,
    aligned_errors=ErrorModel(scale=(2.0,) * 6, degrees_of_freedom=6.0),
    aligned_weights=(-3.0, 0, 0, 0, 0, 0, 0, 1.0, 0, 0),
)
OFF = np.array([0.3, -0.1, 0.4, *np.radians([0.3, -0.8, 0.4])])


@pytest.fixture(scope="module")
def placed() -> tuple[Pair, Pose]:
    """A pair whose cloud is in a frame far from the lidar, and its true pose."""
    sample = SyntheticSource(SyntheticSettings(), 22, 1)[0]
    assert sample.T_camera_lidar is not None
    away = Pose.from_rotvec([0.0, 0.0, 2.0], [30.0, -20.0, 1.0])
    return replace(sample.pair, cloud=sample.pair.cloud.transformed(away)), sample.T_camera_lidar @ away.inverse()


def estimate(pair: Pair, pose: Pose) -> PoseEstimate:
    """An estimate with an offset pose, and with true and some wrong matches."""
    camera, rng = pair.camera, np.random.default_rng(0)
    pixels, _ = camera.project(pose.apply(pair.cloud.xyz))
    inside = np.flatnonzero((pixels > 0).all(1) & (pixels < [camera.width, camera.height]).all(1))[::50]
    wrong = rng.permutation(inside)[:20]
    matches = Correspondences(
        np.concatenate([pixels[inside], pixels[rng.permutation(wrong)]]),
        pair.cloud.xyz[np.concatenate([inside, wrong])].astype(float),
        np.ones(len(inside) + 20),
    )
    off = Pose.identity().retract(OFF) @ pose
    return PoseEstimate(
        Status.OK, pose=off, covariance=from_camera_axes(off, CALIBRATION.scaled(SPREAD)), correspondences=matches,
        inliers=np.ones(len(matches), bool), residual_px=9.0, confidence=0.97, evidence=Evidence(100, 120),
    )  # fmt: skip


def test_the_place_of_the_lidar_is_evidence_and_a_wrong_one_does_no_harm(placed: tuple[Pair, Pose]) -> None:
    pair, true = placed
    given = estimate(pair, true), pair, plain_pyramid(pair, REFINEMENT), SETTINGS, REFINEMENT, CALIBRATION
    alone = refine_estimate(*given)
    at_camera = refine_estimate(*given, place=LidarPlace(true.inverse().translation, 0.1))
    aside = refine_estimate(*given, place=LidarPlace(true.inverse().translation + np.array([0.0, 0.0, 30.0]), 0.1))
    logs = [one.evidence.log_place for one in (alone, at_camera, aside) if one.evidence]
    assert logs[0] == 0.0 and -2.0 < logs[1] < 0.0 and logs[2] < -20.0
    errors = [np.linalg.norm(one.pose.local(true)) for one in (alone, at_camera, aside) if one.pose]
    assert len(errors) == 3 and max(errors) < 0.2


def test_the_pose_is_refined_and_the_rest_follows_it(placed: tuple[Pair, Pose]) -> None:
    pair, true = placed
    before = estimate(pair, true)
    after = refine_estimate(before, pair, plain_pyramid(pair, REFINEMENT), SETTINGS, REFINEMENT, CALIBRATION)
    assert after.pose is not None
    assert after.covariance is not None
    error, covariance = camera_error(after.pose, after.covariance, true)
    assert np.linalg.norm(error[:3]) < 0.1 < np.linalg.norm(OFF[:3])
    assert np.linalg.norm(error[3:]) < np.radians(0.4) < np.linalg.norm(OFF[3:])
    assert error @ np.linalg.solve(covariance, error) < 20.0
    assert np.trace(covariance) < 0.3 * np.trace(SPREAD)
    assert after.n_inliers < before.n_inliers, "the wrong matches are inliers no more"
    assert after.residual_px < before.residual_px
    assert after.evidence is not None
    known = after.evidence.refinement
    assert known is not None
    assert known.standout > 4.0
    assert 0.05 <= known.steepness <= 1.0 and known.moved > 0.1 and known.points > 1000
    assert known.information > 10.0 and 0.0 < known.std_m < 0.3
    assert replace(after.evidence, refinement=None) == before.evidence
    assert (before.degrees_of_freedom, after.degrees_of_freedom) == (np.inf, 6.0)
    assert after.confidence == CALIBRATION.confidence(after.evidence)


def test_the_inflation_bounds_how_far_the_pose_moves(placed: tuple[Pair, Pose]) -> None:
    """A family that states its errors well needs none: a wide search finds local maxima that are far away."""
    pair, true = placed
    before = estimate(pair, true)
    moved = []
    for inflation in (0.02, 2.5):
        after = refine_estimate(
            before, pair, plain_pyramid(pair, REFINEMENT), SETTINGS, REFINEMENT, CALIBRATION, inflation=inflation
        )
        assert after.pose is not None and before.pose is not None
        moved.append(np.linalg.norm(after.pose.inverse().translation - before.pose.inverse().translation))
    assert moved[0] < 0.06 < 0.3 < moved[1]


def test_the_covariance_is_scaled_by_what_was_fitted(placed: tuple[Pair, Pose]) -> None:
    pair, true = placed
    plain = replace(estimate(pair, true), covariance=from_camera_axes(Pose.identity().retract(OFF) @ true, SPREAD))
    one = refine_estimate(plain, pair, plain_pyramid(pair, REFINEMENT), SETTINGS, REFINEMENT, Calibration())
    two = refine_estimate(
        estimate(pair, true), pair, plain_pyramid(pair, REFINEMENT), SETTINGS, REFINEMENT, CALIBRATION
    )
    assert one.pose is not None
    assert two.pose is not None
    assert one.covariance is not None
    assert two.covariance is not None
    assert np.allclose(one.pose.matrix, two.pose.matrix)
    wide = [to_camera_axes(one.pose, e.covariance) for e in (one, two) if e.covariance is not None]
    assert np.allclose(4.0 * 1.5 * wide[0], wide[1]), "2 squared, and nu / (nu - 2) of 6 degrees of freedom"
    assert (one.degrees_of_freedom, two.degrees_of_freedom) == (np.inf, 6.0)


def test_what_cannot_be_refined_stays(placed: tuple[Pair, Pose]) -> None:
    pair, true = placed
    none = PoseEstimate(Status.NO_CONSENSUS, "nothing agrees")
    assert refine_estimate(none, pair, plain_pyramid(pair, REFINEMENT), SETTINGS, REFINEMENT, CALIBRATION) is none
    before = estimate(pair, true)
    dull = replace(pair, cloud=PointCloud(np.random.default_rng(0).permutation(pair.cloud.xyz)[::20]))
    assert refine_estimate(before, dull, plain_pyramid(dull, REFINEMENT), SETTINGS, REFINEMENT, CALIBRATION) is before
    strict = SETTINGS.model_copy(update={"min_inliers": 10**6})
    assert refine_estimate(before, pair, plain_pyramid(pair, REFINEMENT), strict, REFINEMENT, CALIBRATION) is before
