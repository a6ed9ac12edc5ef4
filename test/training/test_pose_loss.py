# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Choices are drawn by their logits and differentiable; the pose loss knows the truth and teaches all it should."""

import math

import pytest
import torch
from helpers.networks import TINY
from torch import Tensor

from i2p_ros.core.config import MatchingSettings, SyntheticSettings
from i2p_ros.families.vp2p import VP2P
from i2p_ros.pnp.probabilistic import pose_losses
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.training.data import TrainingSet
from i2p_ros.training.pose_loss import (
    AGREEING,
    START_SCALE,
    PoseLoss,
    drawn_points,
    in_camera,
    pixel_centres,
    straight_through,
)
from i2p_ros.training.vp2p import cells

SIZES = TINY.model_copy(update={"max_points": 1500, "image_width": 160})
WORLD = SyntheticSettings(width=256, height=80, beams=24, points=6000)
CELLS = (24, 80)
Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def batch() -> Tensors:
    data = TrainingSet(VP2P(SIZES, MatchingSettings()), [(SyntheticSource(WORLD, 5, 3), 1.0)], {"vp2p": 1.0}, 1, 4)
    return torch.utils.data.default_collate([data[0], data[1]])


def knowing(batch: Tensors, error_px: float = 0.0) -> Tensors:
    """Outputs of a network that knows each point's pixel, but for an error, and that believes all points in view."""
    torch.manual_seed(0)
    pixels = torch.nn.functional.normalize(torch.randn(2, 64, *CELLS), dim=1)
    cell = cells(batch["uv"] + error_px * torch.randn_like(batch["uv"]), batch["image"], pixels)
    points = pixels.flatten(2).mT.take_along_dim(cell[..., None], 1)
    zeros = torch.zeros(2, *CELLS)
    out = {
        "pixels": pixels,
        "points": points,
        "pixel_scores": zeros,
        "point_scores": torch.zeros_like(batch["uv"][..., 0]),
    }
    return {k: v.clone().requires_grad_() for k, v in out.items()}


def confused(out: Tensors, share: float) -> Tensors:
    """Outputs whose points look like others, as those of a network that has learned a little."""
    noise = torch.randn_like(out["points"]) * share
    return {**out, "points": torch.nn.functional.normalize(out["points"] + noise, dim=2).detach().requires_grad_()}


def test_choices_are_one_hot_and_drawn_by_the_softmax() -> None:
    logits = torch.tensor([0.0, 1.0, 2.0, -torch.inf])
    drawn = straight_through(logits.expand(20000, 4), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.sort(1).values, torch.tensor([0.0, 0, 0, 1]).expand(20000, 4))
    torch.testing.assert_close(drawn.mean(0), logits.softmax(0), atol=0.015, rtol=0)


def test_choices_have_the_gradient_of_the_softmax_of_their_temperature() -> None:
    logits, values = torch.randn(5, 7, dtype=torch.float64, requires_grad=True), torch.randn(7, dtype=torch.float64)
    (slope,) = torch.autograd.grad(
        (straight_through(logits, 0.5, torch.Generator().manual_seed(0)) @ values).sum(), logits
    )
    uniform = torch.rand(5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noisy = ((logits.detach() - (-uniform.log()).log()) / 0.5).requires_grad_()
    (expected,) = torch.autograd.grad((noisy.softmax(1) @ values).sum(), noisy)
    torch.testing.assert_close(slope, expected / 0.5)


def test_masked_choices_have_no_gradient_and_no_nan() -> None:
    logits = torch.tensor([[0.0, 1.0, -torch.inf], [-torch.inf] * 3], requires_grad=True)
    (straight_through(logits) @ torch.arange(3.0)).sum().backward()
    assert logits.grad is not None and logits.grad.isfinite().all()
    assert (logits.grad[1] == 0).all() and logits.grad[0, 2] == 0 and logits.grad[0, 0] != 0


def test_pixel_centres_lie_in_their_cells() -> None:
    image, pixels = torch.zeros(1, 3, 32, 64), torch.zeros(1, 8, 16, 32)
    assert torch.equal(cells(pixel_centres(pixels, image)[None], image, pixels)[0], torch.arange(16 * 32))


def test_drawn_points_are_of_the_kinds_that_are_asked_for(batch: Tensors) -> None:
    out, points = knowing(batch), in_camera(batch)
    rows, right = drawn_points(batch, out, points)
    visible = batch["visible"].gather(1, rows)
    assert right[:, :AGREEING].sum(1).min() > 40
    assert visible[:, :AGREEING][right[:, :AGREEING]].all() and not visible[:, AGREEING:].any()
    for b in range(2):
        assert len(set(rows[b, right[b]].tolist())) == int(right[b].sum())


def test_a_network_that_knows_all_finds_the_true_pose(batch: Tensors) -> None:
    torch.manual_seed(0)
    out = knowing(batch)
    out["point_scores"] = torch.where(batch["visible"], 9.0, -9.0)
    problems, agreeing = PoseLoss().problems(batch, out)
    losses = pose_losses(problems, beta=0.01)
    assert agreeing.min() > 40 and losses.translation.max() < 0.3 and losses.rotation.max() < 1 - math.cos(0.02)
    assert problems.weights.mean((1, 2)).tolist() == pytest.approx([START_SCALE] * 2, rel=1e-3)


def test_the_loss_teaches_descriptors_scores_and_scale(batch: Tensors) -> None:
    torch.manual_seed(0)
    loss, out = PoseLoss(), confused(knowing(batch), 0.05)
    loss(batch, out).backward()
    for value in (*out.values(), loss.log_scale):
        assert value.grad is not None and value.grad.isfinite().all() and (value.grad != 0).any()


def test_the_loss_is_higher_the_larger_the_errors(batch: Tensors) -> None:
    losses = [float(PoseLoss()(batch, knowing(batch, error)).detach()) for error in (0.0, 1.5, 3.0)]
    assert losses[0] < losses[1] < losses[2]


@pytest.mark.parametrize("change", ["nothing in view", "all behind", "no belief"])
def test_the_loss_stays_finite(batch: Tensors, change: str) -> None:
    out, batch = knowing(batch), dict(batch)
    if change == "nothing in view":
        batch["visible"] = torch.zeros_like(batch["visible"])
    elif change == "all behind":
        batch["T_camera_lidar"] = torch.diag(torch.tensor([1.0, 1, -1, 1])).double() @ batch["T_camera_lidar"]
    else:
        out["point_scores"] = torch.full_like(out["point_scores"], -1e4).requires_grad_()
    loss = PoseLoss()
    value = loss(batch, out)
    value.backward()
    assert value.isfinite() and (change != "nothing in view" or value == 0)
    assert all(v.grad is None or v.grad.isfinite().all() for v in (*out.values(), loss.log_scale))
    assert loss.log_scale.grad is not None  # several processes wait for every gradient
