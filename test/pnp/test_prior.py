# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses of matches with a prior, against sampling and against the fusion of two Gaussians."""

import numpy as np
import pytest
from helpers.matches import CAMERA, matches_of, moved, nees, prior_about, rays, stds, synthetic_matches

from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Correspondences, Prior, Status
from i2p_ros.pnp import solve

LOOSE, TIGHT = np.array([0.5] * 3 + [0.05] * 3), np.array([0.02] * 3 + [0.002] * 3)


def far(seed: int) -> tuple[Correspondences, Pose]:
    rng = np.random.default_rng(seed)
    return matches_of(rays(rng, 300) * rng.uniform(8e3, 12e3, (300, 1)), rng, 1.0)


def near(seed: int) -> tuple[Correspondences, Pose]:
    matches, truth = synthetic_matches(seed, 4.0, 0.3, 60)
    weights = np.random.default_rng(seed).uniform(0.01, 1.0, 60)
    return Correspondences(matches.pixels, matches.points, weights), truth


@pytest.mark.parametrize("origin", [0.0, 30.0])
@pytest.mark.parametrize("std", [LOOSE, TIGHT], ids=["loose", "tight"])
@pytest.mark.parametrize("scene", [near, far])
def test_the_covariance_with_a_prior_agrees_with_the_errors(scene, std, origin):
    values = []
    for seed in range(40):
        matches, truth = moved(*scene(seed), np.array([origin, 0.0, 0.0]))
        estimate = solve(matches, CAMERA, prior=prior_about(truth, std, np.random.default_rng([seed, 1])))
        values.append(nees(estimate, truth))
        assert (stds(estimate) <= 1.001 * std).all()
    assert 4.5 < np.mean(values) < 8.0  # 40 draws: the mean of a true NEES strays by 0.55


def test_a_prior_fixes_the_axes_that_matches_do_not_fix_and_no_others():
    matches, truth = far(0)
    assert solve(matches, CAMERA).status is Status.DEGENERATE
    std = stds(solve(matches, CAMERA, prior=prior_about(truth, LOOSE, np.random.default_rng(0))))
    np.testing.assert_allclose(std[:3], LOOSE[:3], rtol=0.02)
    assert (std[3:] < 1e-3).all()


def test_the_same_as_fusing_two_gaussians():
    matches, truth = synthetic_matches(3, 3.0, n=300)
    prior = prior_about(truth, np.array([0.04] * 3 + [0.003] * 3), np.random.default_rng(2))
    alone, both = solve(matches, CAMERA), solve(matches, CAMERA, prior=prior)
    assert alone.pose is not None and both.pose is not None and alone.covariance is not None
    information = np.linalg.inv(alone.covariance) + np.linalg.inv(prior.covariance)
    fused = np.linalg.solve(information, np.linalg.solve(prior.covariance, alone.pose.local(prior.pose)))
    off = both.pose.local(alone.pose.retract(fused))
    assert off @ information @ off < 0.3**2  # standard deviations: Huber's weights follow the pose
    scale = np.sqrt(np.diag(np.linalg.inv(information)))
    np.testing.assert_allclose(
        both.covariance / np.outer(scale, scale), np.linalg.inv(information) / np.outer(scale, scale), atol=0.15
    )


def test_small_weights_do_not_strengthen_a_prior():
    """One match has the weight 1, all others 0.05. Weights are relative, so the result is near that of equal ones."""
    values = []
    for seed in range(25):
        matches, truth = synthetic_matches(seed, 3.0, n=300)
        weighted = Correspondences(matches.pixels, matches.points, np.r_[np.full(299, 0.05), 1.0])
        prior = prior_about(truth, np.array([0.1] * 3 + [0.01] * 3), np.random.default_rng([seed, 3]))
        values.append(nees(solve(weighted, CAMERA, prior=prior), truth))
    assert 4.0 < np.mean(values) < 8.5


def test_a_prior_chooses_between_two_equal_poses():
    other = Pose.from_rotvec([0.0, 0.3, 0.0], [3.0, 0.0, 1.0])
    for seed in range(6):
        matches, truth = synthetic_matches(seed, 1.0)
        second = other @ truth
        points = np.r_[matches.points[:300], second.inverse().apply(truth.apply(matches.points[300:]))]
        both = Correspondences(matches.pixels, points, matches.weights)
        assert solve(both, CAMERA).status is Status.UNCERTAIN
        for right in (truth, second):
            prior = prior_about(right, LOOSE, np.random.default_rng(seed))
            assert nees(solve(both, CAMERA, prior=prior), right) < 30


@pytest.mark.parametrize("off", [[5.0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0.4, 0], [0.3, 0, 0, 0, 0, 0]])
def test_row_57_matches_that_contradict_the_prior_leave_the_pose_uncertain(off):
    matches, truth = synthetic_matches(0, 1.0, 0.3)
    covariance = np.diag([0.04**2] * 3 + [0.01**2] * 3)
    wrong = Prior(truth.retract(off), covariance)
    estimate = solve(matches, CAMERA, prior=wrong)
    assert estimate.status is Status.UNCERTAIN and "contradict the prior" in estimate.reason
    assert estimate.withheld is not None and np.abs(estimate.withheld.local(truth)).max() < 0.05
    assert solve(matches, CAMERA, prior=Prior(truth, covariance)).status is Status.OK


def test_a_prior_without_matches_that_agree_gives_no_pose():
    matches, truth = synthetic_matches(0, 1.0, 1.0)
    assert solve(matches, CAMERA, prior=Prior(truth, np.diag(TIGHT**2))).status is Status.NO_CONSENSUS
