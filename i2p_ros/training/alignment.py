# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `networks.signals` learns from: of many poses of a pair the true one is to be the likeliest by what image and
cloud say of each other (InfoNCE, van den Oord et al. 2018, eq. 4, over poses)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from i2p_ros.alignment.pair import TEMPER
from i2p_ros.alignment.signal import NOISE, SIGNALS, Floats, Frame, observed, view_of
from i2p_ros.core.config import RefinementSettings
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Sample
from i2p_ros.networks.signals import resized, signal_channels

ASPECT = 3.2  # width to height of training images: a batch needs equal sizes, whatever the cameras
SPREAD = np.array([0.5, 0.35, 0.5, *np.radians([1.15, 1.15, 1.15])])  # deviations of first poses, m and rad
SCALES = 0.4, 1.4  # of them
NEARER = 1.0, 0.5, 0.2, 0.08  # how far poses are off, of the first pose's deviations; as many of each:
POSES = 8
POINTS = 3000
COLUMNS, PATCHES = 16, 128  # of cells; more than there are, of which the last is for no points


def alignment_example(sample: Sample, width: int, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """`channels` (5, h, width) of the image; `spots` (K, N, 2) where K poses, the true one first, see N points: x, y
    from -1 to 1; `basis` (7, N) and `patch` (N,) as those of `Frame`, filled up with points of no patch."""
    channels, frame, drifts = hypotheses(sample, width, rng)
    at, (_, h, w) = frame.pixels(np.zeros(3), drifts), channels.shape
    spots = np.stack([(2.0 * one.T + 1.0) / size - 1.0 for one, size in zip(at, (w, h), strict=True)], axis=-1)
    missing = POINTS - len(frame.patch)
    return {
        "channels": channels,
        "spots": np.pad(spots, ((0, 0), (0, missing), (0, 0))).astype(np.float32),
        "basis": np.pad(frame.basis, ((0, 0), (0, missing))),
        "patch": np.pad(frame.patch, (0, missing), constant_values=PATCHES - 1),
    }


def hypotheses(sample: Sample, width: int, rng: np.random.Generator) -> tuple[Floats, Frame, Array]:
    """The channels (5, h, width) of a sample, its frame from about a first pose, and drifts (K, 6) from there: to the
    true pose first, then to wrong ones, about the first pose and ever nearer to the true one."""
    assert sample.T_camera_lidar is not None
    pair, true = sample.pair, sample.T_camera_lidar
    camera = pair.camera.undistorted.resized(width, 16 * round(width / ASPECT / 16))
    image = resized(pair, camera)
    deviations = SPREAD * rng.uniform(*SCALES)
    start = Pose.identity().retract(deviations * rng.standard_normal(6)) @ true
    channels = signal_channels(image)
    seen = replace(pair, image=image, camera=camera, cloud=pair.cloud.transformed(start))
    settings = RefinementSettings(max_points=POINTS, columns=COLUMNS)
    frame = observed(seen, Pose.identity(), settings, view_of(camera, channels[-2:]))
    right = Pose.identity().local(true @ start.inverse())
    wrong = rng.standard_normal((len(NEARER) * POSES, 6)) * deviations * np.repeat(NEARER, POSES)[:, None]
    wrong[POSES:] += right
    return channels, frame, np.vstack([right, wrong])


def alignment_loss(view: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """Scalar cross-entropy of the true pose among those of `alignment_example`, seen in images (B, C, H, W)."""
    nats = shared_information(view, batch["spots"], batch["basis"], batch["patch"])
    return -torch.log_softmax(nats / TEMPER, 1)[:, 0].mean()


def shared_information(view: Tensor, spots: Tensor, basis: Tensor, patch: Tensor) -> Tensor:
    """(B, K) nats at each pose, as `alignment.signal.information` tells them, with gradients for the view."""
    b, c, k, n = len(view), view.shape[1], spots.shape[1], spots.shape[2]
    seen = F.grid_sample(view, spots, padding_mode="border", align_corners=False)  # (B, C, K, N)
    index = patch[:, None, None]

    def summed(values: Tensor) -> Tensor:
        of = values.new_zeros(*values.shape[:-1], PATCHES)
        return of.scatter_add(-1, index.expand_as(values), values)[..., :-1]

    count = summed(torch.ones_like(seen[:, :1, :1])).clamp(min=1.0)
    mean = F.pad(summed(seen) / count, (0, 1))
    rest = seen - mean.gather(-1, index.expand(b, c, k, n))
    total = []
    for signal, (row, rows) in enumerate(SIGNALS):
        value = rest[:, signal : signal + 1]
        explained = sum(summed(value * basis[:, None, None, one]).square() for one in range(1, rows))
        floor = count * NOISE**2
        energy = (summed(value.square()) - explained).clamp(min=0.0) + floor
        left = torch.maximum(energy - summed(value * basis[:, None, None, row]).square(), floor)
        total.append(0.5 * (count * (energy / left).log()).sum((1, 3)))
    return torch.stack(total).sum(0)
