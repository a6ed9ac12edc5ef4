# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""RelaI2P learns one pair by heart, and the folder of that run is localized, evaluated and exported. Its losses.

Tests with a `b` and a number are of faults of the published code, which the training must not have.
"""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.learned import Overfitted, apart, assert_turns_with_the_cloud
from helpers.relai2p import FAMILY, LITTLE

import i2p_ros as i2p
from i2p_ros.core.both import Lazy
from i2p_ros.core.config import MatchingSettings, load_settings
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import PointCloud, Sample, Status
from i2p_ros.evaluation.runner import evaluate
from i2p_ros.families.relai2p import RelaI2P
from i2p_ros.families.relai2p.settings import RelaI2PSettings
from i2p_ros.localizer import Localizer
from i2p_ros.networks.base import Tensors
from i2p_ros.networks.cylinder import COLUMNS, directions, headings
from i2p_ros.sources.perturb import perturbed
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.training.families import learner_of
from i2p_ros.training.relai2p import (
    RelaI2PLearner,
    heading_losses,
    is_shown,
    level_cameras,
    panorama_cells,
    relation_loss,
)
from i2p_ros.training.vp2p import adaptive_weighted, cells

RUN = Overfitted(FAMILY, samples=1600, validate_every=240)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `i2p train --family relai2p --overfit` with a little network, which found its pair."""
    return RUN.folder(tmp_path_factory)


@pytest.fixture(scope="module")
def localizer(folder: Path) -> Localizer:
    return i2p.load(str(folder), load_settings(overrides=["device=cpu", "precision=float32"]))


@pytest.fixture(scope="module")
def learned() -> Sample:
    """The pair of that run."""
    return RUN.pair()


@pytest.fixture(scope="module")
def batch(learned: Sample) -> Tensors:
    """The pair over the whole cloud, and near a prior."""
    return RUN.batch(learned)


def learner(*overrides: str) -> RelaI2PLearner:
    torch.manual_seed(0)
    settings = load_settings(overrides=["training.parts=matching", *overrides])
    made = learner_of(FAMILY, FAMILY.network(), settings.training)
    assert isinstance(made, RelaI2PLearner)
    return made


def outputs_of(learner: RelaI2PLearner, batch: Tensors) -> Tensors:
    return learner.net.training_pass(Lazy(lambda: learner.net.encode_shared(batch)), batch)


def logits_at(degrees: float, height: float = 30.0) -> torch.Tensor:
    """(1, 360) logits of a network that is sure of a heading."""
    logits = torch.zeros(1, COLUMNS)
    logits[0, round(degrees) % COLUMNS] = height
    return logits


def test_the_pair_is_localized_with_a_covariance(localizer: Localizer, learned: Sample) -> None:
    assert learned.T_camera_lidar is not None
    estimate = localizer.localize_pair(learned.pair, refined=False)
    assert estimate.status is Status.OK and estimate.pose is not None and estimate.covariance is not None
    assert apart(estimate.pose, learned.T_camera_lidar)[0] < 2.0
    assert np.linalg.eigvalsh(estimate.covariance).min() > 0.0


def test_the_heading_is_found_and_proposed(localizer: Localizer, learned: Sample) -> None:
    assert learned.T_camera_lidar is not None
    found = localizer.predict(localizer.prepare(learned.pair)).headings
    assert found is not None
    uniform = 1.0 / COLUMNS
    right, opposite = (found.log_share(pose) for pose in (learned.T_camera_lidar, turned_about(learned.T_camera_lidar)))
    assert right > 1.0 and opposite < 0.0 and found.shares.max() > 3.0 * uniform


def turned_about(pose: Pose) -> Pose:
    return Pose.from_rotvec([0.0, np.pi, 0.0]) @ pose


@pytest.mark.parametrize("yaw", np.random.default_rng(0).uniform(-np.pi, np.pi, 4))
def test_the_pose_turns_with_the_given_cloud(localizer: Localizer, learned: Sample, yaw: float) -> None:
    assert_turns_with_the_cloud(localizer, learned, yaw)


@pytest.mark.parametrize("yaw", np.random.default_rng(1).uniform(-np.pi, np.pi, 4))
@pytest.mark.parametrize("near", [False, True])
def test_labels_do_not_depend_on_the_frame_of_the_cloud(learned: Sample, yaw: float, near: bool) -> None:
    one, other = RUN.labels_in_two_frames(learned, yaw, near)
    assert bool((one["visible"] == other["visible"]).all())
    torch.testing.assert_close(one["uv"][one["visible"]], other["uv"][one["visible"]], atol=0.05, rtol=0.0)
    same = (one["panorama"] - other["panorama"]).abs().amax(1) < 1e-2
    assert float(same.float().mean()) > 0.995  # but for points on the border of two cells


def test_b14_the_true_heading_is_not_constant() -> None:
    """The published panorama is in the frame of the sensor, so the true sector is the same in all samples."""
    settings = load_settings(overrides=RUN.overrides)
    source = SyntheticSource(settings.synthetic, 5, 6)
    samples = [perturbed(source[k], "vp2p", 0, k)[0] for k in range(6)]
    found = torch.rad2deg(headings(RUN.batch_of(samples)["T_camera_lidar"]))
    assert float(found.std()) > 20.0


def test_the_folder_is_evaluated(localizer: Localizer) -> None:
    source = SyntheticSource(load_settings(overrides=RUN.overrides).synthetic, 5, 2)
    report = evaluate(localizer, source, "prior", 0)
    assert len(report.rows) == 2 and report.summary["n"] == 2


def test_a_pair_that_lacks_what_it_needs_has_a_named_status(localizer: Localizer, learned: Sample) -> None:
    pair, T = learned.pair, learned.T_camera_lidar
    assert T is not None
    ahead = T.apply(pair.cloud.xyz)[:, 2] > np.abs(T.apply(pair.cloud.xyz)[:, 0])
    lidar = pair.cloud.selected(ahead).transformed(T)  # of a lidar beside the camera that looks ahead
    ahead_alone = PointCloud(lidar.xyz[:, [2, 0, 1]] * np.array([1, -1, -1], np.float32))
    for given, says in (
        (replace(pair, cloud=PointCloud(pair.cloud.xyz[:20])), "20 finite points"),
        (replace(pair, image=np.zeros_like(pair.image)), "equally bright"),
        (replace(pair, cloud=ahead_alone), "a full turn of the lidar"),
    ):
        estimate = localizer.localize_pair(given)
        assert estimate.status is Status.BAD_INPUT and says in estimate.reason


def test_b15_without_matches_there_is_a_status_and_no_pose(localizer: Localizer, learned: Sample) -> None:
    """The published test ignores whether its solver found a pose."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, learned.pair.image.shape).astype(np.uint8)
    estimate = localizer.localize_pair(replace(learned.pair, image=noise))
    assert estimate.pose is None and estimate.status is not Status.OK and estimate.reason


def test_onnx_runtime_answers_as_pytorch(localizer: Localizer, learned: Sample, tmp_path: Path) -> None:
    RUN.assert_onnx_agrees(
        localizer, learned, tmp_path, {"encode", "decode", "pixel_descriptor", "point_descriptor", "panorama", "fusion"}
    )


def test_every_weight_has_a_gradient(batch: Tensors) -> None:
    """Not so the published head of sectors, whose loss is commented out, nor a transformer that no optimizer knows."""
    made = learner("training.samples=100000")
    torch.nn.init.normal_(made.net.fusion.gain)  # type: ignore[arg-type]
    made(batch)["loss"].backward()
    for name, value in made.net.named_parameters():
        if name.startswith("likeness"):
            assert value.grad is None
            continue
        assert value.grad is not None and bool(value.grad.isfinite().all()), name
    moving = ("panorama.stem.0.weight", "high.image.weight", "low.panorama.weight", "high.gain", "fusion.mix.0.weight")
    assert all(bool(dict(made.net.named_parameters())[name].grad.any()) for name in moving)  # type: ignore[union-attr]


def test_b14_the_heading_is_learned(batch: Tensors) -> None:
    """The loss of the published head of sectors is commented out, and at test time its answer is used all the same."""
    made = learner()
    (made(batch)["loss"] - made(batch)["loss"].detach()).backward()
    both = dict(made.net.named_parameters())
    alone = learner("training.heading_weight=0", "training.relation_weight=0")
    alone(batch)["loss"].backward()
    without = dict(alone.net.named_parameters())["high.gain"].grad
    assert both["high.gain"].grad is not None and both["high.gain"].grad.any()
    assert without is None or not without.any()


@pytest.mark.parametrize("heading", [0.5, 181.0])
def test_b14_headings_beside_the_border_are_neighbours(heading: float) -> None:
    """The published sectors 0 and 11 are far from each other. Here an error costs alike anywhere."""
    truth = torch.tensor([heading * np.pi / 180.0])
    batch = {"T_camera_lidar": level_cameras(truth.double())}
    costs = {
        off: float(heading_losses(batch, {"headings": smooth(heading + off)})["heading"]) for off in (-8, -4, 4, 8, 180)
    }
    assert costs[-4] == pytest.approx(costs[4], rel=1e-3) and costs[-8] == pytest.approx(costs[8], rel=1e-3)
    assert costs[4] < costs[8] < costs[180]


def smooth(degrees: float) -> torch.Tensor:
    """(1, 360) logits that fall with the distance round the circle."""
    away = torch.arange(COLUMNS) - degrees
    return -((away + 180.0) % 360.0 - 180.0).abs()[None] / 10.0


def test_only_a_camera_near_the_eye_teaches_headings() -> None:
    T = level_cameras(torch.zeros(2, dtype=torch.float64))
    T[1, :3, 3] = torch.tensor([0.0, 0.0, -15.0], dtype=torch.float64)
    out = {"headings": torch.cat([logits_at(0.0), logits_at(180.0)])}
    losses = heading_losses({"T_camera_lidar": T}, out)
    assert float(losses["heading_right"]) == 1.0
    far = heading_losses({"T_camera_lidar": T[1:]}, {"headings": out["headings"][1:]})
    assert float(far["heading"]) == 0.0


def test_level_cameras_look_where_they_should() -> None:
    heading = torch.tensor([0.3, -2.0, 3.0], dtype=torch.float64)
    T = level_cameras(heading)
    torch.testing.assert_close(headings(T), heading)
    up = T[:, :3, :3] @ torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(up, torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64).expand(3, 3))
    torch.testing.assert_close(torch.linalg.det(T), torch.ones(3, dtype=torch.float64))


def test_b14_the_pose_loss_does_not_start_at_the_true_pose(batch: Tensors) -> None:
    """The published solver starts there. Here it starts at the eye, in the heading that was found."""
    made = learner("training.pose_weight=0.1")
    for k, degrees in enumerate((20.0, 200.0)):
        start = made.start(batch, {"headings": logits_at(degrees).expand(2, -1)})
        assert start is not None
        T = Pose(start.rotation[k, 0].numpy(), start.translation[k, 0].numpy())
        truth = Pose.from_matrix(batch["T_camera_lidar"][k].double().numpy())
        found = T @ truth  # T_start_input
        assert np.linalg.norm(found.inverse().translation) < 1e-6
        assert np.degrees(np.arctan2(*found.rotation[2, [1, 0]])) % 360.0 == pytest.approx(degrees)
        assert np.linalg.norm(T.log()) > 0.1
    known, true = knowing(batch), torch.rad2deg(headings(batch["T_camera_lidar"]))
    losses = []
    for degrees in (true, true + 180.0):
        torch.manual_seed(0)
        found = torch.cat([logits_at(float(at)) for at in degrees])
        losses.append(made.losses(batch, known | {"headings": found})["pose"].item())
    assert losses[0] != losses[1] and all(map(math.isfinite, losses))


def knowing(batch: Tensors) -> Tensors:
    """Outputs of a network that knows each point's pixel."""
    torch.manual_seed(0)
    pixels = torch.nn.functional.normalize(torch.randn(2, 32, 24, 64), dim=1)
    cell = cells(batch["uv"], batch["image"], pixels)
    points = pixels.flatten(2).mT.take_along_dim(cell[..., None], 1)
    out = {"pixels": pixels, "points": points, "pixel_scores": torch.zeros(2, 24, 64)}
    tokens = {f"{of}_{level}": torch.randn(2, 8, 6, 20) for of in ("image", "panorama") for level in ("high", "low")}
    return out | tokens | {"point_scores": torch.zeros(points.shape[:2])}


def test_b3_what_is_masked_does_not_count_in_the_descriptor_loss() -> None:
    """In the published loss masked entries are logits of 0, which leaves a floor that no descriptor goes below."""
    s = torch.tensor([[0.9, -0.1, 0.4], [0.2, 0.8, -0.2], [0.3, 0.1, 0.95]])
    positive, negative = torch.eye(3) > 0.5, torch.tensor([[False, True, False]] * 3) & (torch.eye(3) < 0.5)
    negative[1, 0] = True  # so that all rows and columns have some, but not all, of each kind
    negative[0, 2] = True

    def of_row(values: torch.Tensor, is_positive: torch.Tensor, is_negative: torch.Tensor) -> float:
        pull = [math.exp(-24.0 * (1.25 - v) * (v - 0.75)) for v in values[is_positive].tolist()]
        push = [math.exp(24.0 * max(0.0, v + 0.25) * (v - 0.25)) for v in values[is_negative].tolist()]
        return math.log1p(sum(pull) * sum(push))

    rows = [of_row(s[k], positive[k], negative[k]) for k in range(3)]
    columns = [of_row(s[:, k], positive[:, k], negative[:, k]) for k in range(3)]
    expected = np.mean(rows) + np.mean(columns)
    assert float(adaptive_weighted(s, positive, negative, 24.0)) == pytest.approx(expected, rel=1e-5)


def test_the_relation_is_learned_from_the_true_pose(batch: Tensors) -> None:
    """Tokens that are alike exactly where pixel and panorama show the same point have almost no loss."""
    made, level = learner(), "high"
    out = {k: v.detach() for k, v in outputs_of(made, batch).items()}
    azimuth, elevation = directions(batch["points"])
    image, around = out[f"image_{level}"], out[f"panorama_{level}"]
    one, other = cells(batch["uv"], batch["image"], image), panorama_cells(azimuth, elevation, around)
    shown = batch["visible"] & is_shown(batch["panorama"], batch["points"])
    assert int(shown.sum()) > 64
    before = float(relation_loss(batch, out))
    for b in range(2):
        for p in shown[b].nonzero()[:, 0]:
            around[b].flatten(1)[:, other[b, p]] = image[b].flatten(1)[:, one[b, p]]
    better = float(relation_loss(batch, out))
    wrong = {**out, f"panorama_{level}": around.roll(7, 3)}
    assert better < before - 0.1 and better < float(relation_loss(batch, wrong)) - 0.1


def test_points_that_the_panorama_hides_do_not_teach_the_relation() -> None:
    points = torch.tensor([[[5.0, 0.05, -0.5], [20.0, 0.2, -2.0], [0.0, 9.0, 0.0], [1.0, 0.1, 5.0]]])
    from_inputs = torch.zeros(1, 8, 24, COLUMNS)
    azimuth, elevation = directions(points)
    cell = panorama_cells(azimuth, elevation, from_inputs)[0]
    flat = from_inputs.flatten(2)
    flat[0, 0, cell[:1]], flat[0, 1, cell[:1]] = 1.0, float(points[0, 0].norm().log()) / 3.0
    assert is_shown(from_inputs, points).tolist() == [[True, False, False, False]]


def test_the_fusion_is_taught_the_true_heading_of_the_first_samples_alone(batch: Tensors) -> None:
    made = learner("training.samples=400", "training.batch=4", "training.micro_batch=2")
    assert made.is_taught
    given = list[bool]()
    through = made.net.training_pass
    made.net.training_pass = lambda encoded, inputs: (  # type: ignore[method-assign]
        given.append("taught" in inputs),
        through(encoded, inputs),
    )[1]
    for _ in range(22):
        with torch.no_grad():
            made(batch)
    assert given == [True] * 20 + [False] * 2
    made.seen.zero_()
    assert made.is_taught and not made.eval().is_taught


def test_losses_are_finite_numbers(batch: Tensors) -> None:
    losses = learner("training.pose_weight=0.1")(batch)
    assert set(losses) == {
        "match", "dense", "unseen", "score", "loss", "pose", "heading", "heading_right", "relation",
    }  # fmt: skip
    assert all(bool(value.isfinite()) and value.dim() == 0 for value in losses.values())


@pytest.mark.parametrize("fusion", [True, False])
def test_a_network_without_a_part_learns_the_rest(learned: Sample, fusion: bool) -> None:
    sizes = RelaI2PSettings(**(LITTLE.model_dump() | {"fusion": False, "relation": fusion}))
    family = RelaI2P(sizes, MatchingSettings())
    example = RelaI2PLearner.example(family, learned, np.random.default_rng(0))
    batch = {name: torch.from_numpy(np.asarray(value))[None] for name, value in example.items()}
    made = learner_of(family, family.network(), load_settings(overrides=["training.parts=matching"]).training)
    losses = made({k: v.expand(2, *v.shape[1:]) for k, v in batch.items()})
    losses["loss"].backward()
    assert ("heading" in losses) is fusion and math.isfinite(float(losses["loss"]))
