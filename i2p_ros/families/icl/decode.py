# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From the outputs of the ICL++ network to a pose with its covariance: probabilistic PnP over the soft matches.

The regressed pose is the start, so there is no search over samples of matches, and the time is always the same.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Array, Pose, from_camera_axes, so3_exp
from i2p_ros.core.types import Correspondences, Prediction, Prior
from i2p_ros.networks.base import Tensors
from i2p_ros.pnp.probabilistic import Poses, Problems, normal_equations, sample, solve

LEAST_MATCHES = 6  # valid ones, without which there is no pose
STEPS = 8  # of Levenberg-Marquardt, from the regressed pose
MIN_ESS = 50.0  # effective samples below which the covariance is that of the linearised problem
FINEST_STD = np.array([1e-3] * 3 + [1e-5] * 3)  # m, rad: a covariance must be positive definite


def decoded(outputs: Tensors, T_input_lidar: Pose, camera: Camera, network_camera: Camera) -> Prediction:
    """The posterior mean of T_camera_lidar with its covariance, and the matches that it follows from.

    The outputs have points of the frame `input` and pixels of the `network_camera`, the prediction has pixels of the
    original `camera`. There is no pose where fewer than LEAST_MATCHES queries are valid.
    """
    last = {name: outputs[name][0, -1].cpu().double() for name in ("pixels", "points", "valid", "poses")}
    weights, valid = outputs["weights"][0].cpu().double(), last["valid"] > 0.5
    matches = _matches(last["pixels"], last["points"], weights, T_input_lidar, camera, network_camera)
    seen = matches.selected(valid.numpy() & np.isfinite(matches.pixels).all(axis=1))
    if len(seen) < LEAST_MATCHES:
        return Prediction((seen,))
    start = Pose.from_matrix(last["poses"].numpy())
    problems = Problems(
        last["pixels"][None] - torch.tensor([network_camera.cx, network_camera.cy]),
        torch.from_numpy(start.apply(last["points"].numpy()))[None],
        weights[None],
        torch.tensor([[network_camera.fx, network_camera.fy]]),
    )
    T_camera_input, covariance = posterior_pose(problems, start)
    T_camera_lidar = T_camera_input @ T_input_lidar
    return Prediction((seen,), pose=Prior(T_camera_lidar, from_camera_axes(T_camera_lidar, covariance)))


def posterior_pose(problems: Problems, start: Pose) -> tuple[Pose, Array]:
    """Mean pose, and covariance (6, 6) about the camera along its axes, of the posterior of one problem, whose points
    are in the frame of the camera at `start`. The same problem always gives the same answer."""
    found = solve(problems, STEPS)
    about = problems.in_camera_of(found)
    samples = sample(about, torch.Generator().manual_seed(0))
    mean, covariance = (moment[0].numpy() for moment in samples.moments())
    if samples.effective[0] < MIN_ESS:
        information = normal_equations(about, Poses.identity(about.points))[0][0].numpy()
        mean, covariance = np.zeros(6), np.linalg.inv(information + np.diag(FINEST_STD**2))
    pose = Pose(so3_exp(mean[3:]), mean[:3]) @ _pose(found) @ start
    return pose, 0.5 * (covariance + covariance.T) + np.diag(FINEST_STD**2)


def _pose(found: Poses) -> Pose:
    return Pose(found.rotation[0, 0].numpy(), found.translation[0, 0].numpy())


def _matches(
    pixels: Tensor, points: Tensor, weights: Tensor, T_input_lidar: Pose, camera: Camera, network_camera: Camera
) -> Correspondences:
    """All queries as matches of original pixels and points of the lidar frame, with weights of at most 1."""
    flat = camera.undistorted
    scale = np.array([flat.width / network_camera.width, flat.height / network_camera.height])
    original = camera.distorted((pixels.numpy() + 0.5) * scale - 0.5)
    mean = weights.mean(1)
    relative = (mean / mean.max().clamp(min=1e-9)).numpy()
    return Correspondences(original, T_input_lidar.inverse().apply(points.numpy()), relative)
