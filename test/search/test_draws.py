# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses drawn about a viewpoint, in worlds whose matches are all wrong."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.descriptors import planted
from helpers.matches import CAMERA

from i2p_ros.core.config import PnpSettings
from i2p_ros.core.geometry import Pose, are_within, from_camera_axes
from i2p_ros.core.types import Prior
from i2p_ros.pnp import Calibration
from i2p_ros.search import PoseSearch
from i2p_ros.search.draws import MOST, drawn_poses
from i2p_ros.search.likelihood import SEARCH_STD, DescriptorLikelihood

STD = np.array([1.0, 0.5, 1.0, 0.05, 0.2, 0.05])  # m, rad


def about(pose: Pose, rng: np.random.Generator) -> Prior:
    """A viewpoint that is off by a draw from its own distribution."""
    off = STD * rng.standard_normal(6)
    away = Pose.from_rotvec(off[3:], off[:3]) @ pose
    return Prior(away, from_camera_axes(away, np.diag(STD**2)))


@pytest.mark.parametrize("seed", range(4))
def test_a_pose_is_proposed_that_no_match_supports(seed: int) -> None:
    world = planted(seed)
    bare = replace(world.prediction, candidates=(world.impostor,))
    drawn = replace(bare, viewpoint=about(world.truth, np.random.default_rng(seed)))
    search = PoseSearch(CAMERA, PnpSettings(), Calibration())
    far, near = (search.propose(prediction)[0] for prediction in (bare, drawn))
    assert are_within(near, world.truth, 1.0, 0.05) and not are_within(far, world.truth, 1.0, 0.05)


def test_drawn_poses_are_few_different_and_in_the_order_of_their_likelihood() -> None:
    world = planted(1)
    likelihood = DescriptorLikelihood(world.prediction.similarity, 120.0)
    poses = drawn_poses(likelihood, about(world.truth, np.random.default_rng(0)))
    logs = likelihood.log_posteriors(poses)
    assert 1 < len(poses) <= MOST and (np.diff(logs) <= 0.0).all()
    alike = 2.0 * SEARCH_STD[0], 2.0 * SEARCH_STD[3]
    assert not any(are_within(a, b, *alike) for k, a in enumerate(poses) for b in poses[:k])
