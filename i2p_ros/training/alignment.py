# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training of the signals that `networks.signals` predicts.

The loss is the cross-entropy of the true pose among wrong ones, with the mutual information as the log likelihood
(InfoNCE, van den Oord et al. 2018, eq. 4, over poses). Signals with a scale are also compared with the points that the
image shows, as they are at the true pose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from i2p_ros.alignment.mutual_information import NOISE_STD
from i2p_ros.alignment.pair import NATS_PER_MEASUREMENT
from i2p_ros.alignment.patches import PatchedCloud, seen_from
from i2p_ros.alignment.signals import LIDAR, Floats, SignalSet, basis_names
from i2p_ros.core.camera import Camera
from i2p_ros.core.config import RefinementSettings
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Sample
from i2p_ros.families.base import START_STD
from i2p_ros.networks.signals import GAIN, resized, signal_channels
from i2p_ros.training.visibility import shown

ASPECT = 3.2  # width to height of training images unless the settings say otherwise: a batch needs equal sizes
STD_SCALES = 0.4, 1.4  # range of the factor on the deviations of start poses about the true one
DISTANCES = 1.0, 0.5, 0.2, 0.08  # of wrong poses, as shares of the start's deviations
N_PER_DISTANCE = 8
MAX_POINTS = 3000
COLUMNS, MAX_PATCHES = 16, 128  # columns of cells of signals of a lidar; more patches than cells, the last for padding


@dataclass(frozen=True, slots=True, eq=False)
class Hypotheses:
    """Poses of a sample, the true one first.

    `channels` (5, h, w) are the inputs of the network, from the image of `camera`. `cloud` is seen from a start pose.
    `drifts` (K, 6) lead from there to the true pose, to poses about the start, and ever nearer to the true one.
    """

    channels: Floats
    camera: Camera
    cloud: PatchedCloud
    drifts: Array


def hypotheses(
    sample: Sample, width: int, rng: np.random.Generator, aspect: float = ASPECT,
    start_std: tuple[float, ...] = START_STD, signals: SignalSet = LIDAR,
) -> Hypotheses:  # fmt: skip
    """Random hypotheses of a sample with a true pose, for an image of this width, px, and about this aspect.

    `start_std` is as in `Family`.
    """
    assert sample.T_camera_lidar is not None
    pair, true = sample.pair, sample.T_camera_lidar
    camera = pair.camera.undistorted.resized(width, 16 * round(width / aspect / 16))
    deviations = np.array(start_std) * rng.uniform(*STD_SCALES)
    start = Pose.identity().retract(deviations * rng.standard_normal(6)) @ true
    settings = signals.adapted(RefinementSettings(max_points=MAX_POINTS, columns=COLUMNS))
    points = seen_from(pair.cloud, start, camera, settings, about_camera=True)
    cloud = PatchedCloud.of(points, camera.width / settings.columns, settings, signals.signals)
    to_true = Pose.identity().local(true @ start.inverse())
    shares = np.repeat(DISTANCES, N_PER_DISTANCE)
    wrong = rng.standard_normal((len(shares), 6)) * deviations * shares[:, None]
    wrong[N_PER_DISTANCE:] += to_true
    return Hypotheses(signal_channels(resized(pair, camera)), camera, cloud, np.vstack([to_true, wrong]))


def alignment_example(
    sample: Sample, width: int, rng: np.random.Generator, aspect: float = ASPECT,
    start_std: tuple[float, ...] = START_STD, signals: SignalSet = LIDAR,
) -> dict[str, NDArray[Any]]:  # fmt: skip
    """Arrays of K hypotheses of a sample, padded to N = MAX_POINTS points: those of the last patch are padding.

    `channels` (5, h, width) are the inputs of the network. `spots` (K, N, 2) are the pixels x, y of the points at each
    pose, from -1 to 1. `basis` (R, N) and `patch` (N,) are those of `PatchedCloud`. Where signals have a scale, there
    are `surface_spots` (N, 2) and `surface` (C, N) too, see `surface_example`.
    """
    given = hypotheses(sample, width, rng, aspect, start_std, signals)
    cloud = given.cloud
    u, v = cloud.project(given.camera, cloud.motions(given.drifts))
    spots, missing = _spots(u.T, v.T, given.camera), MAX_POINTS - len(cloud)
    made: dict[str, NDArray[Any]] = {
        "channels": given.channels,
        "spots": np.pad(spots, ((0, 0), (0, missing), (0, 0))),
        "basis": np.pad(cloud.basis, ((0, 0), (0, missing))),
        "patch": np.pad(cloud.patch, (0, missing), constant_values=MAX_PATCHES - 1),
    }
    has_scales = all(signal.grey_levels for signal in signals.signals)
    return made | (surface_example(sample, given.camera, signals) if has_scales else {})


def surface_example(sample: Sample, camera: Camera, signals: SignalSet) -> dict[str, NDArray[Any]]:
    """What the channels of an image of `camera` should be where it shows points of the cloud, by the true pose.

    `surface_spots` (N, 2) are the pixels x, y of N = MAX_POINTS points, from -1 to 1, and `surface` (C, N) the channels
    there, in grey levels; NaN where there are fewer points.
    """
    true, cloud = sample.T_camera_lidar, sample.pair.cloud
    assert true is not None
    points = seen_from(cloud, true, camera, RefinementSettings(), about_camera=True)
    seen = np.flatnonzero(shown(points.rays.astype(np.float64), Pose.identity(), cloud.finite().xyz, true, camera))
    seen = seen[np.linspace(0, len(seen), min(len(seen), MAX_POINTS), endpoint=False).astype(np.int64)]
    missing = MAX_POINTS - len(seen)
    values = [(signal.grey_levels or 0.0) * signal.of_points(points)[seen] for signal in signals.signals]
    return {
        "surface_spots": np.pad(_spots(points.pixels[seen, 0], points.pixels[seen, 1], camera), ((0, missing), (0, 0))),
        "surface": np.pad(np.stack(values), ((0, 0), (0, missing)), constant_values=np.nan).astype(np.float32),
    }


def _spots(u: NDArray[Any], v: NDArray[Any], camera: Camera) -> Floats:
    """(..., 2) pixels u, v (...) of a camera as x, y from -1 to 1."""
    x, y = ((2.0 * one + 1.0) / size - 1.0 for one, size in ((u, camera.width), (v, camera.height)))
    return np.stack([x, y], axis=-1).astype(np.float32)


def alignment_losses(predicted: Tensor, batch: dict[str, Tensor], signals: SignalSet = LIDAR) -> dict[str, Tensor]:
    """Losses (scalars) of predicted channels (B, C, H, W) of signals, for batches of `alignment_example`.

    `alignment` is the cross-entropy of the true poses. `surface` is the mean error of signals that have a scale, in
    units of GAIN grey levels.
    """
    nats = shared_information(predicted, batch["spots"], batch["basis"], batch["patch"], signals)
    losses = {"alignment": -torch.log_softmax(nats / NATS_PER_MEASUREMENT, 1)[:, 0].mean()}
    if "surface" in batch:
        found = F.grid_sample(predicted, batch["surface_spots"][:, None], padding_mode="border", align_corners=False)
        known = batch["surface"].isfinite()
        errors = torch.where(known, found[:, :, 0] - batch["surface"], 0.0).abs() / GAIN
        losses["surface"] = errors.sum() / known.sum().clamp(min=1)
    return losses


def shared_information(
    predicted: Tensor, spots: Tensor, basis: Tensor, patch: Tensor, signals: SignalSet = LIDAR
) -> Tensor:
    """(B, K) mutual information of predicted channels (B, C, H, W) and points at K poses, nats, differentiable.

    The same as `alignment.mutual_information`, for batches of `alignment_example`.
    """
    b, c, k, n = len(predicted), predicted.shape[1], spots.shape[1], spots.shape[2]
    samples = F.grid_sample(predicted, spots, padding_mode="border", align_corners=False)  # (B, C, K, N)
    index = patch[:, None, None]

    def summed(values: Tensor) -> Tensor:
        sums = values.new_zeros(*values.shape[:-1], MAX_PATCHES)
        return sums.scatter_add(-1, index.expand_as(values), values)[..., :-1]

    count = summed(torch.ones_like(samples[:, :1, :1])).clamp(min=1.0)
    mean = F.pad(summed(samples) / count, (0, 1))
    rest = samples - mean.gather(
        -1, index.expand(b, c, k, n)
    )  # the constant, the first nuisance term, is regressed out
    total, rows = [], basis_names(signals.signals)
    for channel, signal in enumerate(signals.signals):
        value = rest[:, channel : channel + 1]
        nuisance = range(1, len(signal.regressed))
        explained = sum(summed(value * basis[:, None, None, row]).square() for row in nuisance)
        floor = count * NOISE_STD**2
        energy = (summed(value.square()) - explained).clamp(min=0.0) + floor
        shared = summed(value * basis[:, None, None, rows.index(signal.name)]).square()
        total.append(0.5 * (count * (energy / torch.maximum(energy - shared, floor)).log()).sum((1, 3)))
    return torch.stack(total).sum(0)
