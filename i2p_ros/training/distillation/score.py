# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Score distillation on the control side: how well the depth at a pose explains the image, by a frozen teacher.

The teacher removes noise from the query image, conditioned on the depth of the cloud at the predicted pose. The loss is
its error. It is differentiated by the depth, through the ControlNet, and so by the pose and the matches. The published
code applies the error itself to the depth, without this derivative.
"""

from __future__ import annotations

import torch
from torch import Tensor

from i2p_ros.networks.base import Tensors
from i2p_ros.training.distillation.depth import share_in_view, soft_inverse_depth
from i2p_ros.training.distillation.teacher import Teacher

TIMES = 0.02, 0.98  # range of the drawn times, as shares of those of the scheduler
LEAST_IN_VIEW = 0.3  # share of the points that the camera at the pose must see


def distillation_loss(
    teacher: Teacher, batch: Tensors, poses: Tensor, usable: Tensor, guidance: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:  # fmt: skip
    """Scalar mean over usable poses T_camera_input (B, 3, 4) of the teacher's error, weighted by 1 - abar of the time.

    0 where no pose is usable, or none sees enough of the points. `guidance` above 1 exaggerates the condition.
    """
    points, camera = batch["points"].to(poses), batch["camera"].to(poses)
    size = batch["image"].shape[2], batch["image"].shape[3]
    chosen = usable & (share_in_view(points, poses.detach(), camera, size) >= LEAST_IN_VIEW)
    if not chosen.any():
        return poses.sum() * 0.0
    raster = teacher.raster(*size)
    nearness = soft_inverse_depth(points[chosen], poses[chosen], camera[chosen], size, raster)
    latents = teacher.latents(colours(batch["image"][chosen]), raster)
    return denoising_error(teacher, latents, nearness.to(latents), guidance, generator).mean().to(poses)


def colours(image: Tensor) -> Tensor:
    """Colours -1..1 (B, 3, H, W) of a network's image (B, 5, H, W), whose brightness and contrast are normalized."""
    return (0.5 * image[:, :3]).clamp(-1.0, 1.0)


def denoising_error(
    teacher: Teacher, latents: Tensor, nearness: Tensor, guidance: float = 1.0,
    generator: torch.Generator | None = None, weighted: bool = True,
) -> Tensor:  # fmt: skip
    """(B,) half the mean squared error of the noise that the teacher sees, at a random time, weighted by 1 - abar."""
    steps = teacher.scheduler.config.num_train_timesteps
    low, high = (round(share * steps) for share in TIMES)
    time = torch.randint(low, high + 1, (len(latents),), generator=generator).to(latents.device)
    noise = torch.randn(latents.shape, generator=generator, dtype=latents.dtype).to(latents.device)
    noisy = teacher.scheduler.add_noise(latents, noise, time)
    found = teacher.noise(noisy, time, nearness, guidance)
    weight = 1.0 - teacher.scheduler.alphas_cumprod.to(latents)[time] if weighted else 1.0
    return 0.5 * weight * (found - noise).square().flatten(1).mean(1)
