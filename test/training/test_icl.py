# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ICL++ learns one pair by heart, and the folder of that run is localized, evaluated and exported. Its losses.

Tests with a `b` and a number are of faults of published codes, which the training must not have.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.icl import FAMILY, LITTLE
from helpers.learned import Overfitted, apart, assert_turns_with_the_cloud
from helpers.networks import FAMILY as VP2P_FAMILY

import i2p_ros as i2p
from i2p_ros.core.both import Lazy
from i2p_ros.core.config import load_settings
from i2p_ros.core.errors import SettingsError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import PointCloud, Sample, Status
from i2p_ros.evaluation.runner import evaluate
from i2p_ros.localizer import Localizer
from i2p_ros.networks.base import Tensors
from i2p_ros.networks.geometry import project
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.training import TRAINING_WORLDS, VALIDATION_WORLDS
from i2p_ros.training.families import learner_of
from i2p_ros.training.icl import (
    ICLLearner,
    frustum_error,
    icl_losses,
    keypoint_distance,
    overlap_scores,
    residual_error,
    spread_loss,
)
from i2p_ros.training.mixture import one_batch, unseen

RUN = Overfitted(FAMILY, samples=1200, validate_every=80)
ALIGNED = Pose.from_rotvec([1.2, -1.2, 1.2], [0.4, -0.2, 0.3])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `i2p train --family icl --overfit` with a little network, which found its pair."""
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


def losses_and_learner(batch: Tensors, *overrides: str) -> tuple[Tensors, ICLLearner]:
    torch.manual_seed(0)
    settings = load_settings(overrides=["training.parts=matching", *overrides])
    learner = learner_of(FAMILY, FAMILY.network(), settings.training)
    assert isinstance(learner, ICLLearner)
    for scale in learner.net.scales:  # at first queries add nothing to heat maps, and learn nothing
        for heat in (scale.image_heat, scale.point_heat):
            torch.nn.init.ones_(heat.weight)
    return learner(batch), learner


def test_the_pair_is_localized_with_a_covariance(localizer: Localizer, learned: Sample) -> None:
    assert learned.T_camera_lidar is not None
    estimate = localizer.localize_pair(learned.pair, refined=False)
    assert estimate.status is Status.OK and estimate.pose is not None and estimate.covariance is not None
    assert apart(estimate.pose, learned.T_camera_lidar)[0] < 2.0
    assert (
        estimate.evidence is not None and 0 < estimate.evidence.inliers <= estimate.evidence.matches <= LITTLE.queries
    )
    assert np.linalg.eigvalsh(estimate.covariance).min() > 0.0


@pytest.mark.parametrize("yaw", np.random.default_rng(0).uniform(-np.pi, np.pi, 4))
def test_the_pose_turns_with_the_given_cloud(localizer: Localizer, learned: Sample, yaw: float) -> None:
    assert_turns_with_the_cloud(localizer, learned, yaw)


@pytest.mark.parametrize("yaw", np.random.default_rng(1).uniform(-np.pi, np.pi, 4))
@pytest.mark.parametrize("near", [False, True])
def test_labels_do_not_depend_on_the_frame_of_the_cloud(learned: Sample, yaw: float, near: bool) -> None:
    one, other = RUN.labels_in_two_frames(learned, yaw, near)
    assert bool((one["visible"] == other["visible"]).all())
    torch.testing.assert_close(one["uv"][one["visible"]], other["uv"][one["visible"]], atol=0.05, rtol=0.0)


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
    parts = {"encode", "decode", "pixel_descriptor", "point_descriptor"}
    RUN.assert_onnx_agrees(localizer, learned, tmp_path, parts)


def test_every_weight_has_a_gradient(batch: Tensors) -> None:
    losses, learner = losses_and_learner(batch)
    losses["loss"].backward()
    for name, value in learner.net.named_parameters():
        if name.startswith("likeness"):
            assert value.grad is None
            continue
        assert value.grad is not None and bool(value.grad.isfinite().all()), name
    moving = ("queries", "anchors", "voting", "voxel.stem.weight", "point_score.0.weight", "scales.2.point_heat.weight")
    assert all(bool(dict(learner.net.named_parameters())[name].grad.any()) for name in moving)  # type: ignore[union-attr]


def test_the_pose_loss_teaches_how_large_the_errors_of_matches_are() -> None:
    """Weights above the inverse deviation of the errors fall, those below it rise."""
    generator = torch.Generator().manual_seed(0)
    depth = 4.0 + 30.0 * torch.rand(2, 64, 1, generator=generator)
    points = torch.cat([(torch.rand(2, 64, 2, generator=generator) - 0.5) * depth, depth], 2)
    camera = torch.tensor([[180.0, 180.0, 128.0, 40.0]]).expand(2, 4)
    truth = torch.eye(3, 4).expand(2, 3, 4)
    uv, _ = project(points, truth, camera)
    pixels = uv + 2.0 * torch.randn(uv.shape, generator=generator)
    slopes = []
    for weight in (0.05, 5.0):  # 1/px, about 0.5
        log_weight = torch.tensor(weight).log().requires_grad_()
        out = {
            "match_points": points[:, None],
            "match_pixels": pixels[:, None],
            "weights": log_weight.exp().expand(2, 64, 2),
        }
        torch.manual_seed(0)
        spread_loss({"camera": camera}, out, truth, torch.ones(2, dtype=torch.bool)).backward()
        slopes.append(float(log_weight.grad))  # type: ignore[arg-type]
    assert slopes[0] < 0.0 < slopes[1]


def test_without_weight_of_keypoints_only_the_detection_learns(batch: Tensors) -> None:
    losses, learner = losses_and_learner(batch, "training.keypoint_weight=0")
    losses["loss"].backward()
    named = dict(learner.net.named_parameters())
    assert named["frustum.rotation.1.weight"].grad.any() and named["point_score.0.weight"].grad.any()
    for name in ("queries", "scales.0.to_image.query.weight", "residuals.0.rotation.1.weight"):
        assert named[name].grad is None or not named[name].grad.any(), name


def test_the_descriptors_stay_as_they_are_where_the_heads_learn_alone(batch: Tensors) -> None:
    losses, learner = losses_and_learner(batch, "training.parts=heads")
    learner.train()
    fixed = {name: value.clone() for name, value in learner.net.state_dict().items() if name.startswith("image.")}
    losses = learner(batch)
    losses["loss"].backward()
    learned = {name.split(".")[0] for name, value in learner.net.named_parameters() if value.grad is not None}
    assert learned == {"queries", "anchors", "voting", "noise", "frustum", "scales", "residuals"}
    assert "match" not in losses
    for name, value in learner.net.state_dict().items():  # the running statistics of batch norm are among them
        if name in fixed:
            assert torch.equal(value, fixed[name]), name


def test_a_family_whose_heads_cannot_learn_alone_is_refused() -> None:
    settings = load_settings(overrides=["training.parts=heads"]).training
    with pytest.raises(SettingsError, match="nothing follows the descriptors of the family vp2p"):
        learner_of(VP2P_FAMILY, VP2P_FAMILY.network(), settings)


def test_residual_poses_are_regressed_without_a_gradient_to_the_matches(batch: Tensors) -> None:
    """As published: keypoints learn from their own losses, and the heads of residual poses from theirs."""
    losses, learner = losses_and_learner(batch)
    losses["residual"].backward()
    named = dict(learner.net.named_parameters())
    assert named["residuals.2.translation.1.bias"].grad.any()
    assert named["queries"].grad is None or not named["queries"].grad.any()


def test_an_image_of_which_nothing_is_in_view_teaches_the_overlap_alone(batch: Tensors) -> None:
    blind = {**batch, "visible": torch.zeros_like(batch["visible"])}
    losses, _ = losses_and_learner(blind)
    losses = {name: value.item() for name, value in losses.items()}
    assert losses["score"] > 0.0 and losses["unseen"] > 0.0
    assert all(losses[name] == 0.0 for name in ("frustum", "keypoint", "residual", "dense", "spread"))


T_TRUE = torch.from_numpy(ALIGNED.matrix[:3]).float()[None]


@pytest.mark.parametrize("axis", range(6))
def test_b9_pose_losses_see_all_six_axes(axis: int) -> None:
    """The published residuals are yaw and two of three positions; heights and tilts are then never learned."""
    off = ALIGNED.retract(0.1 * np.eye(6)[axis])
    wrong, before = torch.from_numpy(off.matrix[:3]).float()[None], torch.eye(3, 4)[None]
    assert float(residual_error(before, T_TRUE, T_TRUE)) < 1e-5 < 0.05 < float(residual_error(before, wrong, T_TRUE))
    assert float(frustum_error(T_TRUE, T_TRUE)) < 1e-9 < 1e-4 < float(frustum_error(wrong, T_TRUE))


def test_b9_the_residual_counts_in_the_frame_of_the_camera_before() -> None:
    """The targets are those of the transform from that camera to the true one, by the algebra of `Pose`."""
    before, after = Pose.from_rotvec([0.0, 0.3, 0.0], [20.0, 1.0, -30.0]), ALIGNED.retract([0.3, 0, 0.4, 0, 0.1, 0.2])
    found, target = after @ before.inverse(), ALIGNED @ before.inverse()
    expected = np.linalg.norm(found.rotation - target.rotation) + np.linalg.norm(found.translation - target.translation)
    tensors = (torch.from_numpy(pose.matrix[:3])[None] for pose in (before, after, ALIGNED))
    assert float(residual_error(*tensors)) == pytest.approx(expected, rel=1e-6)


def test_b10_precision_is_of_the_detected_and_recall_of_the_visible() -> None:
    detected, visible = (
        torch.tensor([[True, True, True, True, False]]),
        torch.tensor([[True, False, False, False, True]]),
    )
    scores = overlap_scores(detected, visible)
    assert float(scores["precision"]) == 0.25 and float(scores["recall"]) == 0.5


def test_b11_a_keypoint_behind_the_camera_is_not_learned_from() -> None:
    points = torch.tensor([[[0.0, 0.0, 5.0], [0.0, 0.0, -5.0], [0.0, 0.0, 0.05]]])
    out = {
        "match_points": points[:, None],
        "match_pixels": torch.full((1, 1, 3, 2), 20.0),
        "valid": torch.ones(1, 1, 3),
    }
    batch = {"camera": torch.tensor([[100.0, 100.0, 20.0, 20.0]])}
    distance, usable = keypoint_distance(batch, out, torch.eye(3, 4)[None], 0)
    assert usable.tolist() == [[True, False, False]] and float(distance[0, 0]) < 1e-5


def test_b11_points_behind_the_camera_are_labelled_out_of_view(learned: Sample) -> None:
    batch = RUN.batch_of([learned])
    T, points = batch["T_camera_lidar"][0].double(), batch["points"][0].double()
    depth = points @ T[2, :3] + T[2, 3]
    visible = batch["visible"][0]
    assert bool(visible.any()) and bool((depth[visible] > 0.1).all()) and bool((depth < -1.0).any())


def test_b13_validation_is_on_places_that_no_training_has(tmp_path: Path) -> None:
    settings = load_settings(overrides=[*RUN.overrides, "training.validate_pairs=2"])
    validation = unseen(settings, tmp_path)
    _, learns = one_batch(FAMILY, settings, 0)
    assert validation.seed == VALIDATION_WORLDS and VALIDATION_WORLDS < TRAINING_WORLDS
    images = [source[0].pair.image for source in (validation.source, learns.source)]
    assert images[0].shape != images[1].shape or (images[0] != images[1]).any()


def test_losses_are_finite_numbers(batch: Tensors) -> None:
    losses, learner = losses_and_learner(batch)
    assert set(losses) == {
        "match", "dense", "unseen", "score", "frustum", "heading", "heading_right", "keypoint", "apart", "residual",
        "spread", "precision", "recall", "loss",
    }  # fmt: skip
    assert all(bool(value.isfinite()) and value.dim() == 0 for value in losses.values())
    out = learner.net.training_pass(Lazy(lambda: learner.net.encode_shared(batch)), batch)
    assert float(icl_losses(batch, out)["frustum"].detach()) == pytest.approx(
        float(losses["frustum"].detach()), rel=0.2
    )
