# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From the outputs of the ICL++ network to a pose with its covariance: probabilistic PnP over the soft matches.

The regressed poses are the starts, so there is no search over samples of matches, and the time is always the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Array, Pose, from_camera_axes, so3_exp
from i2p_ros.core.types import Correspondences, Prediction, Prior
from i2p_ros.families.branches.inputs import original_pixels
from i2p_ros.networks.base import Tensors
from i2p_ros.pnp.probabilistic import Poses, Problems, cost, normal_equations, sample, solve

LEAST_IN_VIEW = 16  # points
LEAST_MATCHES = 6  # valid ones, without which there is no pose
STEPS = 8  # of Levenberg-Marquardt, from each regressed pose
MIN_ESS = 50.0  # effective samples below which the covariance is that of the linearised problem
FINEST_STD = np.array([1e-3] * 3 + [1e-5] * 3)  # m, rad: a covariance must be positive definite


def decoded(
    xyz: NDArray[np.float32], outputs: Tensors, T_input_lidar: Pose, camera: Camera, network_camera: Camera
) -> Prediction:
    """The posterior mean of T_camera_lidar with its covariance, and the matches that it follows from.

    The outputs have points of the frame `input` and pixels of the `network_camera`, the prediction has pixels of the
    original `camera`. There is no pose where fewer than LEAST_MATCHES queries are valid.
    """
    last = {name: outputs[name][0, -1].cpu().double() for name in ("match_pixels", "match_points", "valid")}
    weights, valid = outputs["weights"][0].cpu().double(), last["valid"] > 0.5
    matches = _matches(last["match_pixels"], last["match_points"], weights, T_input_lidar, camera, network_camera)
    seen = matches.selected(valid.numpy() & np.isfinite(matches.pixels).all(axis=1))
    if len(seen) < LEAST_MATCHES:
        return Prediction((seen,))
    starts = [Pose.from_matrix(T) for T in outputs["poses"][0].cpu().double().numpy()]
    problems = Problems(
        (last["match_pixels"] - torch.tensor([network_camera.cx, network_camera.cy])).expand(len(starts), -1, -1),
        torch.from_numpy(np.stack([start.apply(last["match_points"].numpy()) for start in starts])),
        weights.expand(len(starts), -1, -1),
        torch.tensor([[network_camera.fx, network_camera.fy]]).expand(len(starts), -1),
    )
    T_camera_input, covariance = posterior_pose(problems, starts)
    T_camera_lidar = T_camera_input @ T_input_lidar
    support = mean_similarity(xyz, outputs, T_camera_input, network_camera)
    pose = Prior(T_camera_lidar, from_camera_axes(T_camera_lidar, covariance))
    return Prediction((seen,), pose=pose, support=support)


def posterior_pose(problems: Problems, starts: Sequence[Pose]) -> tuple[Pose, Array]:
    """Mean pose, and covariance (6, 6) about the camera along its axes, of the posterior of one problem.

    It is given once for each of `starts`, with the points in the frame of the camera there. The least cost wins, so the
    same problem always gives the same answer.
    """
    found = solve(problems, STEPS)
    best = int(cost(problems, found)[:, 0].argmin())
    found = Poses(found.rotation[best : best + 1], found.translation[best : best + 1])
    one = replace(problems, **{n: getattr(problems, n)[best : best + 1] for n in ("uv", "points", "weights", "focal")})
    about = one.in_camera_of(found)
    samples = sample(about, torch.Generator().manual_seed(0))
    mean, covariance = (moment[0].numpy() for moment in samples.moments())
    if samples.effective[0] < MIN_ESS:
        information = normal_equations(about, Poses.identity(about.points))[0][0].numpy()
        mean, covariance = np.zeros(6), np.linalg.inv(information + np.diag(FINEST_STD**2))
    pose = Pose(so3_exp(mean[3:]), mean[:3]) @ _pose(found) @ starts[best]
    return pose, 0.5 * (covariance + covariance.T) + np.diag(FINEST_STD**2)


def _pose(found: Poses) -> Pose:
    return Pose(found.rotation[0, 0].numpy(), found.translation[0, 0].numpy())


def mean_similarity(xyz: NDArray[np.float32], outputs: Tensors, T_camera_input: Pose, network_camera: Camera) -> float:
    """Mean similarity, -1..1, of those of the points (N, 3) in view of a pose to the pixels there; 0 for too few.

    It tells a right pose from a wrong one, whose matches may agree as well.
    """
    uv, visible = network_camera.project(T_camera_input.apply(xyz))
    row = np.flatnonzero(visible)
    if len(row) < LEAST_IN_VIEW:
        return 0.0
    points, pixels = outputs["points"][0], outputs["pixels"][0]
    size = np.array([pixels.shape[2], pixels.shape[1]])
    cells = (uv[row] + 0.5) * size / [network_camera.width, network_camera.height] - 0.5
    x, y = torch.from_numpy(cells.round().astype(np.int64).clip(0, size - 1).T).to(pixels.device)
    return float((points[torch.from_numpy(row).to(points.device)].float() * pixels[:, y, x].T.float()).sum(1).mean())


def _matches(
    pixels: Tensor, points: Tensor, weights: Tensor, T_input_lidar: Pose, camera: Camera, network_camera: Camera
) -> Correspondences:
    """All queries as matches of original pixels and points of the lidar frame, with weights of at most 1."""
    original = original_pixels(pixels.numpy(), network_camera.width, network_camera.height, camera)
    mean = weights.mean(1)
    relative = (mean / mean.max().clamp(min=1e-9)).numpy()
    return Correspondences(original, T_input_lidar.inverse().apply(points.numpy()), relative)
