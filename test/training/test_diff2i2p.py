# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Diff2I2P learns one pair by heart, and the folder of that run is localized, evaluated and exported. Its losses.

Tests with a `b` and a number are of faults of published codes, which the training must not have.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.diff2i2p import FAMILY
from helpers.learned import Overfitted, apart, assert_turns_with_the_cloud

import i2p_ros as i2p
from i2p_ros.core.config import load_settings
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import PointCloud, Sample, Status
from i2p_ros.evaluation.runner import evaluate
from i2p_ros.localizer import Localizer
from i2p_ros.networks.base import Tensors
from i2p_ros.networks.patches import ImagePatches
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.training.circle_loss import circle_loss
from i2p_ros.training.diff2i2p import (
    Diff2I2PLearner,
    depth_loss,
    normals_loss,
    pair_labels,
    patch_overlaps,
    tuning_loss,
    tuning_targets,
)
from i2p_ros.training.families import learner_of
from i2p_ros.training.matched_pose import matched_poses, pose_loss

RUN = Overfitted(FAMILY, samples=1200, validate_every=80)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `i2p train --family diff2i2p --overfit` with a little network, which found its pair."""
    return RUN.folder(tmp_path_factory)


@pytest.fixture(scope="module")
def localizer(folder: Path) -> Localizer:
    return i2p.load(str(folder), load_settings(overrides=["device=cpu"]))


@pytest.fixture(scope="module")
def learned() -> Sample:
    """The pair of that run."""
    return RUN.pair()


@pytest.fixture(scope="module")
def batch(learned: Sample) -> Tensors:
    """The pair over the whole cloud, and near a prior."""
    return RUN.batch(learned)


def losses_and_learner(batch: Tensors, *overrides: str) -> tuple[Tensors, Diff2I2PLearner]:
    torch.manual_seed(0)
    settings = load_settings(overrides=["training.parts=matching", *overrides])
    learner = learner_of(FAMILY, FAMILY.network(), settings.training)
    assert isinstance(learner, Diff2I2PLearner)
    return learner(batch), learner


def test_the_pair_is_localized_with_a_covariance(localizer: Localizer, learned: Sample) -> None:
    assert learned.T_camera_lidar is not None
    estimate = localizer.localize_pair(learned.pair, refined=False)
    assert estimate.status is Status.OK and estimate.pose is not None and estimate.covariance is not None
    assert apart(estimate.pose, learned.T_camera_lidar)[0] < 2.0
    assert np.linalg.eigvalsh(estimate.covariance).min() > 0.0


@pytest.mark.parametrize("yaw", np.random.default_rng(0).uniform(-np.pi, np.pi, 4))
def test_the_pose_turns_with_the_given_cloud(localizer: Localizer, learned: Sample, yaw: float) -> None:
    assert_turns_with_the_cloud(localizer, learned, yaw)


@pytest.mark.parametrize("yaw", np.random.default_rng(1).uniform(-np.pi, np.pi, 4))
@pytest.mark.parametrize("near", [False, True])
def test_labels_do_not_depend_on_the_frame_of_the_cloud(learned: Sample, yaw: float, near: bool) -> None:
    one, other = RUN.labels_in_two_frames(learned, yaw, near)
    assert float((one["visible"] != other["visible"]).float().mean()) < 2e-3  # of points at the edge of a cell
    both = one["visible"] & other["visible"]
    torch.testing.assert_close(one["uv"][both], other["uv"][both], atol=0.05, rtol=0.0)


def test_the_folder_is_evaluated(localizer: Localizer) -> None:
    source = SyntheticSource(load_settings(overrides=RUN.overrides).synthetic, 5, 2)
    report = evaluate(localizer, source, "prior", 0)
    assert len(report.rows) == 2 and report.summary["n"] == 2


def test_a_pair_that_lacks_what_it_needs_has_a_named_status(localizer: Localizer, learned: Sample) -> None:
    pair = learned.pair
    for given, says in (
        (replace(pair, cloud=PointCloud(pair.cloud.xyz[:20])), "20 finite points"),
        (replace(pair, image=np.zeros_like(pair.image)), "equally bright"),
    ):
        estimate = localizer.localize_pair(given)
        assert estimate.status is Status.BAD_INPUT and says in estimate.reason


def test_onnx_runtime_answers_as_pytorch(localizer: Localizer, learned: Sample, tmp_path: Path) -> None:
    RUN.assert_onnx_agrees(
        localizer,
        learned,
        tmp_path,
        {"encode", "decode", "depth", "normal", "pixel_descriptor", "point_descriptor", "tokens", "tuning"},
    )


def test_every_weight_has_a_gradient(batch: Tensors) -> None:
    losses, learner = losses_and_learner(batch, "training.pose_weight=1")
    losses["loss"].backward()
    named = dict(learner.net.named_parameters())
    assert all(value.grad is not None and bool(value.grad.isfinite().all()) for value in named.values())
    for name in ("encode.stem.0.weight", "voxel.stem.weight", "tokens.image_in.weight", "point_descriptor.0.weight"):
        assert named[name].grad.any(), name  # type: ignore[union-attr]
    assert set(losses) == {"coarse", "fine", "dense", "places", "depth", "normals", "tuning", "pose", "inliers", "loss"}


def test_without_their_weights_the_parts_are_off(batch: Tensors) -> None:
    """The base alone: no pose is solved, and nothing teaches the offsets, which stay 0."""
    for weight, learns in (("0", False), ("1", True)):
        losses, learner = losses_and_learner(batch, f"training.tuning_weight={weight}")
        losses["loss"].backward()
        assert "pose" not in losses and "distill" not in losses
        assert bool(learner.net.tuning[-1].weight.grad.any()) is learns  # type: ignore[union-attr,index]


def cells(h: int, w: int) -> ImagePatches:
    return ImagePatches.of(torch.zeros(1, 1, h, w))


def test_b2_a_patch_within_a_larger_one_is_neither_positive_nor_negative() -> None:
    """One node holds 100 points over the image, of which 4 are in one small patch: shares 1 and 0.04. The published
    codes call this pair negative, for they read the smaller share in place of the larger."""
    generator = torch.Generator().manual_seed(0)
    near, image = torch.tensor([[1.0, 1.0]]).expand(4, 2), torch.zeros(5, 48, 48)
    uv = torch.cat([near, 34 + 12 * torch.rand(96, 2, generator=generator)])
    node = torch.zeros(100, dtype=torch.long)
    overlaps = patch_overlaps(uv, torch.ones(100, dtype=torch.bool), node, 3, image, cells(24, 24))
    assert overlaps[:, 0, 0].tolist() == pytest.approx([1.0, 0.04])
    positive, negative = pair_labels(overlaps)
    assert not positive[0, 0] and not negative[0, 0]
    assert negative[0, 1] and not positive[0, 1]  # of a node with no point there
    assert positive[-1, 0]  # the coarsest patch holds many of its points


def test_b3_pairs_of_neither_kind_do_not_count() -> None:
    """A row with all pairs at their optima and 254 neutral ones: where these count as 0, the loss is 0.46 at least."""
    distance = torch.full((256, 256), 0.7)
    positive, negative = torch.eye(256, dtype=torch.bool), torch.eye(256, dtype=torch.bool).roll(1, 0)
    distance[positive], distance[negative] = 0.0, 2.0
    optimum = float(circle_loss(distance, positive, negative, 24.0))
    assert optimum == pytest.approx(2.0 * np.log(2.0 + np.e**-0) / 24.0, abs=0.06) and optimum < 0.1
    moved = distance.masked_fill(~(positive | negative), 1e-3)
    assert float(circle_loss(moved, positive, negative, 24.0)) == optimum


def test_b6_the_points_of_the_batch_are_never_moved(batch: Tensors) -> None:
    before = {name: value.clone() for name, value in batch.items()}
    losses_and_learner(batch, "training.pose_weight=1")
    assert all(bool((batch[name] == before[name]).all()) for name in before)


def test_b7_no_label_depends_on_a_depth_of_the_image(learned: Sample) -> None:
    depth = np.random.default_rng(0).random(learned.pair.image.shape[:2]).astype(np.float32)
    one, other = RUN.batch_of([learned]), RUN.batch_of([replace(learned, depth=depth)])
    assert set(one) == {"image", "camera", "points", "features", "normals", "uv", "visible", "T_camera_lidar"}
    assert all(bool((one[name] == other[name]).all()) for name in one if name != "uv")


def test_the_depth_of_visible_points_is_learned_from_the_cloud(batch: Tensors) -> None:
    """A depth that is right by a factor misses by its log, and points that are hidden do not count."""
    T = batch["T_camera_lidar"][:, :3].float()
    depth = (batch["points"] @ T[..., :3].mT + T[:, None, :, 3])[..., 2]
    flat = torch.where(batch["visible"], 3.0, depth)  # a wall for all that is visible
    given = {**batch, "points": batch["points"] + (flat - depth)[..., None] * T[:, None, 2, :3]}
    for factor in (1.0, 2.0):
        out = {"log_depth": torch.full((len(T), 1, 8, 16), np.log(3.0 * factor), requires_grad=True)}
        loss = depth_loss(given, out)
        assert float(loss) == pytest.approx(np.log(factor), abs=1e-4)
    loss.backward()
    assert out["log_depth"].grad.any()  # type: ignore[union-attr]


def test_the_normals_of_visible_points_are_learned_from_the_cloud(batch: Tensors) -> None:
    """Of a wall that all visible points are on: its normal has the loss 0, the opposite one 2. Others do not count."""
    T = batch["T_camera_lidar"][:, :3, :3].float()
    wall = torch.tensor([0.0, 0.0, -1.0])
    known = batch["visible"] & (torch.arange(batch["visible"].shape[1]) % 2 == 0)
    given = {**batch, "normals": torch.where(known[..., None], (wall @ T)[:, None], 0.0)}
    for sign in (1.0, -1.0):
        predicted = (sign * wall)[None, :, None, None].expand(len(T), 3, 8, 16).clone().requires_grad_()
        loss = normals_loss(given, {"image_normals": predicted})
        assert float(loss) == pytest.approx(1.0 - sign, abs=1e-4)
    loss.backward()
    assert predicted.grad is not None and predicted.grad.any()


def exact(n: int = 60, noise: float = 0.0, wrong: int = 0) -> tuple[Tensors, Tensors, Pose]:
    """A batch of one with a landscape image, exact matches x, y but for noise in px and some wrong ones, the pose."""
    rng = np.random.default_rng(0)
    truth = Pose.from_rotvec([0.3, -0.8, 0.5], [0.4, -0.3, 1.2])
    pixels = rng.uniform([0, 0], [159, 127], (n, 2))
    rays = np.concatenate([(pixels - [79.5, 63.5]) / 140.0, np.ones((n, 1))], axis=1)
    points = truth.inverse().apply(rays * rng.uniform(1.0, 4.0, (n, 1)))
    pixels[:wrong] = rng.uniform([0, 0], [159, 127], (wrong, 2))
    batch = {"image": torch.zeros(1, 5, 128, 160), "camera": torch.tensor([[140.0, 140.0, 79.5, 63.5]])}
    out = {
        "pixels": torch.from_numpy(pixels + noise * rng.normal(size=(n, 2)))[None],
        "points": torch.from_numpy(points)[None], "untuned": torch.from_numpy(points)[None],
        "weights": torch.full((1, n), 0.9, dtype=torch.float64),
    }  # fmt: skip
    return batch, out, truth


def test_b1_pixels_reach_the_solver_as_x_and_y() -> None:
    """The published training gives rows and columns to a solver of x and y: its poses are 160 deg off, or none."""
    batch, out, truth = exact(wrong=15)
    poses, usable = matched_poses(batch, out)
    assert bool(usable[0])
    assert np.abs(truth.local(Pose.from_matrix(poses[0].detach().numpy()))).max() < 1e-6
    swapped, found = matched_poses(batch, {**out, "pixels": out["pixels"].flip(2)})
    assert not found[0] or np.abs(truth.local(Pose.from_matrix(swapped[0].detach().numpy()))).max() > 0.5


def test_b15_without_enough_agreeing_matches_there_is_no_pose_to_learn_from() -> None:
    batch, out, truth = exact(wrong=60)
    poses, usable = matched_poses(batch, out)
    assert not usable[0] and float(pose_loss(poses, usable, torch.from_numpy(truth.matrix[None, :3]))) == 0.0


def test_the_pose_loss_teaches_points_and_weights() -> None:
    batch, out, truth = exact(noise=1.0, wrong=10)
    out = {name: value.requires_grad_() for name, value in out.items()}
    poses, usable = matched_poses(batch, out)
    loss = pose_loss(poses, usable, torch.from_numpy(truth.matrix[None, :3]))
    loss.backward()
    assert float(loss.detach()) > 0.0
    for name in ("pixels", "points", "weights"):
        grad = out[name].grad
        assert grad is not None and bool(grad[:, 10:].any()) and bool(grad.isfinite().all())


def test_matches_are_tuned_towards_the_true_ray_and_wrong_ones_not_at_all() -> None:
    """Targets lie on the ray of the pixel: no depth is used. Matches with targets beyond the reach are not valid."""
    batch, out, truth = exact(noise=2.0, wrong=20)
    batch["camera"], T = batch["camera"].double(), torch.from_numpy(truth.matrix[None, :3])
    target, valid = tuning_targets({**batch, "camera": batch["camera"]}, out, T, 0.2)
    seen = truth.apply(target[0].numpy())
    uv = seen[:, :2] / seen[:, 2:] * 140.0 + [79.5, 63.5]
    assert bool(valid[0, 20:].all()) and not bool(valid[0, :20].all())
    np.testing.assert_allclose(uv[20:], out["pixels"][0, 20:].numpy(), atol=1e-2)
    points = out["points"].clone().requires_grad_()
    tuning_loss(batch, {**out, "points": points}, T, 0.2).backward()
    assert points.grad is not None
    assert not points.grad[~valid].any() and bool(points.grad[valid].any())
    tuned = tuning_loss(batch, {**out, "points": target}, T, 0.2)
    assert float(tuned) < float(tuning_loss(batch, out, T, 0.2))
