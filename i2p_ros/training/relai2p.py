# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training of RelaI2P: the losses of VP2P, a circular cross-entropy of the heading, and InfoNCE of the relation.

The published relation loss is not known (its code is absent). Ours follows from the true pose: a pixel and the cell of
the panorama that show the same point should have the most similar tokens (van den Oord et al. 2018, eq. 4).
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from i2p_ros.core.both import Lazy
from i2p_ros.core.config import TrainingSettings
from i2p_ros.networks.base import FamilyNetwork, Tensors
from i2p_ros.networks.cylinder import COLUMNS, HIGH, LOG_RANGE, LOW, directions, headings, level_cameras
from i2p_ros.pnp.probabilistic import Poses
from i2p_ros.training.vp2p import DENSE_SCALE, MIN_VISIBLE, SAMPLED, VP2PLearner, cells

SIGMA = math.radians(5.0)  # of the heading that is learned: the camera is not where the panorama is seen from
NEAR_M = 10.0  # from the eye of the panorama to the camera: farther away the panorama does not show what the image does
TAUGHT = 2000  # samples whose fusion takes the true heading, or a tenth of a shorter run
RIGHT = math.radians(10.0)
SAME_RANGE = 0.03  # of the channel of the range: a tenth of it
LEVELS = ("high", "low")


class RelaI2PLearner(VP2PLearner):
    """Learns what VP2P learns, and headings and the relation. The example is that of VP2P, with a panorama."""

    seen: Tensor

    def __init__(self, net: FamilyNetwork, settings: TrainingSettings) -> None:
        super().__init__(net, settings)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))  # samples of this process

    def matching(self, batch: Tensors, encoded: Lazy[Any]) -> Tensors:
        """As `losses`. The fusion takes the true heading of the first samples, and later those that are found."""
        taught = {"taught": headings(batch["T_camera_lidar"]).float()} if self.is_taught else {}
        self.seen += len(batch["T_camera_lidar"])
        return super().matching(batch | taught, encoded)

    def losses(self, batch: Tensors, out: Tensors) -> Tensors:
        """As of VP2P; where the network has a panorama also `heading`, `relation` and `heading_right`."""
        losses, s = super().losses(batch, out), self.settings
        if "headings" in out:
            losses |= heading_losses(batch, out) | {"relation": relation_loss(batch, out)}
            of_panorama = s.heading_weight * losses["heading"] + s.relation_weight * losses["relation"]
            losses["loss"] = losses["loss"] + of_panorama
        return losses

    def start(self, batch: Tensors, out: Tensors) -> Poses | None:
        """Level cameras at the eye of the panorama that look in the found headings, never the true poses."""
        if "headings" not in out:
            return super().start(batch, out)
        T_start_input = level_cameras(out["headings"].argmax(1).double() * (2.0 * math.pi / COLUMNS))
        T = T_start_input @ torch.linalg.inv(batch["T_camera_lidar"].double())
        return Poses(T[:, None, :3, :3], T[:, None, :3, 3])

    @property
    def is_taught(self) -> bool:
        """Whether the fusion takes the true heading. All processes agree, since they are in the same step."""
        s, group = self.settings, torch.distributed
        processes = group.get_world_size() if group.is_initialized() else 1
        done = int(self.seen) * processes // s.batch * s.batch
        return self.training and done < min(TAUGHT, s.samples / 10)


def heading_losses(batch: Tensors, out: Tensors) -> Tensors:
    """Scalars `heading`, the cross-entropy of the heading with a von Mises distribution about the true one, and
    `heading_right`, the share of headings within RIGHT; both over images whose camera is near the eye."""
    T = batch["T_camera_lidar"].double()
    truth, centre = headings(T), -(T[:, :3, :3].mT @ T[:, :3, 3:])[:, :2, 0]
    steps = torch.arange(COLUMNS, device=T.device) * (2.0 * math.pi / COLUMNS)
    apart = steps - truth[:, None]
    target = ((apart.cos() - 1.0) / SIGMA**2).exp()
    target = (target / target.sum(1, keepdim=True)).to(out["headings"].dtype)
    near = (centre.norm(dim=1) < NEAR_M).to(target.dtype)
    count = near.sum().clamp(min=1.0)
    entropy = -(target * out["headings"].log_softmax(1)).sum(1)
    best = apart.gather(1, out["headings"].argmax(1, keepdim=True))[:, 0]
    right = (best.cos() > math.cos(RIGHT)).to(target.dtype)
    return {"heading": (near * entropy).sum() / count, "heading_right": (near * right).sum() / count}


def relation_loss(batch: Tensors, out: Tensors) -> Tensor:
    """Scalar: InfoNCE of the tokens of pixels and of cells of the panorama that show the same point, in both directions
    and at both levels. Points that are hidden in the panorama are left out."""
    azimuth, elevation = directions(batch["points"])
    shown = batch["visible"] & is_shown(batch["panorama"], batch["points"])
    terms = []
    for level in LEVELS:
        image, around = out[f"image_{level}"], out[f"panorama_{level}"]
        of_image, of_panorama = cells(batch["uv"], batch["image"], image), panorama_cells(azimuth, elevation, around)
        for b in range(len(shown)):
            rows = shown[b].nonzero()[:, 0]
            if len(rows) >= MIN_VISIBLE:
                rows = rows[torch.randperm(len(rows), device=rows.device)[:SAMPLED]]
                one, other = image[b].flatten(1), around[b].flatten(1)
                i, j = of_image[b, rows], of_panorama[b, rows]
                terms.append(F.cross_entropy(DENSE_SCALE * one[:, i].T @ other, j))
                terms.append(F.cross_entropy(DENSE_SCALE * other[:, j].T @ one, i))
    return torch.stack(terms).mean() if terms else out["headings"].sum() * 0.0


def panorama_cells(azimuth: Tensor, elevation: Tensor, panorama: Tensor) -> Tensor:
    """(B, N) flat index of the cell of a map (B, C, h, w) at azimuths and elevations (B, N) in rad; the outermost for
    elevations above and below."""
    h, w = panorama.shape[2:]
    column = (torch.remainder(azimuth, 2.0 * math.pi) * (w / (2.0 * math.pi))).long().clamp(max=w - 1)
    row = ((HIGH - elevation) * (h / (HIGH - LOW))).long().clamp(0, h - 1)
    return row * w + column


def is_shown(panorama: Tensor, points: Tensor) -> Tensor:
    """(B, N) whether points (B, N, 3) are the ones that a panorama (B, 8, h, w) shows, rather than hidden behind them,
    or above or below."""
    azimuth, elevation = directions(points)
    cell = panorama_cells(azimuth, elevation, panorama)
    there, reach = (panorama[:, k].flatten(1).gather(1, cell) for k in (0, 1))
    own = points.norm(dim=2).clamp(min=1.0).log() / LOG_RANGE
    inside = (elevation > LOW) & (elevation < HIGH)
    return inside & (there > 0.5) & ((own - reach).abs() < SAME_RANGE)
