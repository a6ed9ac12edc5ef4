# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lidars: where their rays go, and what comes back of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from i2p_ros.core.geometry import Array
from i2p_ros.synthetic.casting import Rays, Windows
from i2p_ros.synthetic.dice import hashed, normal, uniform
from i2p_ros.synthetic.solids import Solids
from i2p_ros.synthetic.surfaces import Hits, Surface
from i2p_ros.synthetic.windows import lidar_windows

_FULL_TURN = 6.28  # rad, but for rounding
RETURN_SHARE = 0.9  # of the rays of a sensor give a return, about
_LOST, _MIXED, _NOISE, _KEPT, _SPECKLE, _DOWN, _ALONG, _BETWEEN = range(8)  # what random numbers are for
# beams, elevations of the top and bottom beam (deg), how much denser beams are in the middle, 0..1
_SPINNING = (
    (64, 2.0, -24.8, 0.0), (16, 15.0, -15.0, 0.0), (32, 10.7, -30.7, 0.0), (32, 15.0, -25.0, 0.8),
    (40, 7.0, -16.0, 0.8), (64, 22.5, -22.5, 0.0), (64, 15.0, -25.0, 0.6), (128, 15.0, -25.0, 0.7),
    (128, 22.5, -22.5, 0.0), (32, 16.6, -16.6, 0.0), (16, 2.0, -24.0, 0.0),
)  # fmt: skip
# rows, top, bottom and width (deg) of patterns that do not repeat
_SOLID_STATE = ((60, 12.5, -12.5, 120.0), (80, 35.0, -35.0, 70.0), (60, 50.0, -7.0, 360.0), (40, 12.0, -13.0, 81.0))


@dataclass(frozen=True, slots=True, eq=False)
class Lidar:
    """A sensor: a grid of beams and azimuths, its ranges and its faults.

    `elevations` (B,) fall, `first` azimuth and `step`, rad, `columns` of them; `jitter`: share of a grid cell in which
    rays are scattered, 0 for a spinning sensor. `points`: most returns. `nearest`, `farthest`, `noise`: of ranges, m.
    `lost`: share of returns that get lost anyhow; `mixed`: share of returns at edges that lie between what is near and
    what is far. `gain`, `offset`: of the intensity. `seed` of what is random, int32.
    """

    elevations: Array
    first: float
    step: float
    columns: int
    jitter: float
    points: int
    nearest: float
    farthest: float
    noise: float
    lost: float
    mixed: float
    gain: float
    offset: float
    seed: int

    @staticmethod
    def standard(beams: int, points: int, rng: np.random.Generator) -> Lidar:
        """One like the HDL-64E: its two blocks of 64 beams, or so many evenly over the same angles."""
        fine, coarse = 2.0 - np.arange(32) / 3.0, -8.83 - 0.515 * np.arange(32)
        degrees = np.concatenate([fine, coarse]) if beams == 64 else np.linspace(2.0, -24.8, beams)
        columns = math.ceil(points / beams / RETURN_SHARE)
        return Lidar(
            np.radians(degrees), rng.uniform(0.0, 1e-2) - math.pi, 2.0 * math.pi / columns, columns, 0.0, points,
            1.5, 80.0, 0.02, 0.02, 0.1, rng.uniform(1.1, 1.6), rng.uniform(-0.05, 0.0),
            int(rng.integers(-(2**31), 2**31)),
        )  # fmt: skip

    @staticmethod
    def random(points: int, rng: np.random.Generator) -> Lidar:
        """Any of 16 to 128 beams, or a solid-state one; between a quarter and all of so many points."""
        points = round(points * rng.uniform(0.25, 1.0))
        spins = rng.random() < 0.8
        if spins:
            beams, top, bottom, dense = _SPINNING[rng.integers(len(_SPINNING))]
            width = 360.0
        else:
            beams, top, bottom, width = _SOLID_STATE[rng.integers(len(_SOLID_STATE))]
            dense = 0.0
        t = np.linspace(1.0, -1.0, beams)
        shape = (1.0 - dense) * t + dense * t**3
        degrees = 0.5 * (top + bottom) + 0.5 * (top - bottom) * shape + rng.uniform(-1.0, 1.0)
        columns = math.ceil(points / beams / RETURN_SHARE)
        extent = math.radians(width)
        return Lidar(
            np.radians(degrees), -0.5 * extent, extent / columns, columns, 0.0 if spins else 1.0, points,
            rng.uniform(0.3, 2.5), rng.uniform(50.0, 120.0), rng.uniform(0.005, 0.04), rng.uniform(0.0, 0.1),
            rng.uniform(0.0, 0.4), rng.uniform(0.4, 2.2), rng.uniform(0.0, 0.15),
            int(rng.integers(-(2**31), 2**31)),
        )  # fmt: skip


class Beams:
    """The rays of P lidars, padded to R rays a place, and which of them are real: `real` (P, R)."""

    def __init__(self, lidars: Sequence[Lidar], T_world_lidar: Tensor) -> None:
        device = T_world_lidar.device
        self.lidars = lidars
        most = max(len(lidar.elevations) for lidar in lidars)
        rows = [np.pad(lidar.elevations, (0, most - len(lidar.elevations)), constant_values=-np.pi) for lidar in lidars]
        self.elevations = torch.tensor(np.stack(rows), dtype=torch.float32).to(device)
        self.azimuth = torch.tensor([[x.first, x.step] for x in lidars], dtype=torch.float32).T.contiguous().to(device)
        self.columns = torch.tensor([lidar.columns for lidar in lidars]).to(device)
        spread = [(_widest(lidar.elevations), lidar.step) for lidar in lidars]
        share = torch.tensor([lidar.jitter for lidar in lidars])
        self.jitter = (torch.tensor(spread, dtype=torch.float32).T * share).to(device)
        size = max(len(lidar.elevations) * lidar.columns for lidar in lidars)
        index = torch.arange(size, device=device)
        row, column = index // self.columns[:, None], index % self.columns[:, None]
        count = torch.tensor([[len(lidar.elevations)] for lidar in lidars]).to(device)
        self.real = row < count
        turns = torch.tensor([[x.step * x.columns > _FULL_TURN] for x in lidars]).to(device)
        back = torch.where(turns, self.columns[:, None] - 1, 0)  # to the first ray of the row, or nowhere
        self._next = torch.where(column + 1 == self.columns[:, None], index - back, index + 1).clamp(max=size - 1)
        self.bits = hashed(
            index.to(torch.int32), torch.tensor([[x.seed] for x in lidars], dtype=torch.int32).to(device)
        )
        up, around = (uniform(hashed(self.bits, use)) - 0.5 for use in (_DOWN, _ALONG))
        elevation = torch.gather(self.elevations, 1, row.clamp(max=most - 1)) + up * self.jitter[0][:, None]
        first, step = self.azimuth[:, :, None]
        azimuth = first + step * column + around * self.jitter[1][:, None]
        flat = torch.cos(elevation)
        self.directions = torch.stack([flat * torch.cos(azimuth), flat * torch.sin(azimuth), torch.sin(elevation)])
        turned = torch.einsum("pij,jpr->ipr", T_world_lidar[:, :, :3], self.directions)
        self.rays = Rays(T_world_lidar[:, :, 3].T[:, :, None].contiguous(), turned.contiguous(), self.columns)

    def windows(self, solids: Solids, T_lidar_world: Tensor) -> Windows:
        """Where in the grids the solids may be hit."""
        return lidar_windows(solids, T_lidar_world, self.elevations, self.azimuth, self.columns, self.jitter)

    def returns(self, hits: Hits, found: Surface) -> list[Tensor]:
        """(N, 4) of each place: points x, y, z in the lidar frame, m, and intensities 0..1."""
        nearest, farthest, noise, lost, mixed, gain, offset = torch.tensor(
            [[x.nearest, x.farthest, x.noise, x.lost, x.mixed, x.gain, x.offset] for x in self.lidars]
        ).T[:, :, None].to(self.real.device)  # fmt: skip
        distance = hits.distance
        facing = (found.normal * self.rays.directions).sum(0).abs()
        reflectance = found.albedo.mean(0) * found.gain
        step = torch.nan_to_num(torch.gather(distance, 1, self._next) - distance, posinf=0.0, neginf=0.0)
        edge = (step.abs() > 0.3) & (step.abs() < 4.0) & (self._uniform(_MIXED) < mixed)
        measured = distance + step * self._uniform(_BETWEEN) * edge + noise * normal(hashed(self.bits, _NOISE))
        signal = reflectance * (0.25 + 0.75 * facing) * (farthest / distance) ** 2
        risk = lost + 0.7 * found.glass + (1.0 - signal * 10.0).clamp_(0.0, 0.95)
        kept = self.real & (measured > nearest) & (measured < farthest) & (self._uniform(_LOST) > risk)
        kept = self._at_most(kept)
        level = gain * reflectance * (0.6 + 0.4 * facing) * torch.exp(distance * (-1.0 / 150.0)) + offset
        level = (level + 0.06 * (self._uniform(_SPECKLE) - 0.5)).clamp_(0.0, 1.0)
        clouds = torch.cat([self.directions * measured, level[None]])
        parts = zip(clouds.unbind(1), kept, self.lidars, strict=True)
        return [cloud[:, mask][:, : lidar.points].T.contiguous() for cloud, mask, lidar in parts]

    def _uniform(self, use: int) -> Tensor:
        return uniform(hashed(self.bits, use))

    def _at_most(self, kept: Tensor) -> Tensor:
        """(P, R) hardly ever more than each sensor's number of points, any of them."""
        most = torch.tensor([[x.points - 3.0 * x.points**0.5] for x in self.lidars], device=kept.device)
        return kept & (self._uniform(_KEPT) < most / kept.sum(1, keepdim=True))


def _widest(elevations: Array) -> float:
    """The widest gap between beams, rad."""
    return float(-np.diff(elevations).min()) if len(elevations) > 1 else 0.0
