# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Examples keep their truth through every variation; losses follow their formulas; a stopped run continues."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from test_networks_vp2p import TINY

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import MatchingSettings, Settings, SyntheticSettings, TrainingSettings, load_settings
from i2p_ros.core.errors import InputError, ModelError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair, PointCloud, Sample
from i2p_ros.networks.vp2p import VP2P
from i2p_ros.runtime.weights import find_model, load_weights
from i2p_ros.sources.synthetic import SyntheticSource
from i2p_ros.training.data import CachedSource, TrainingSet, cropped, example, mirrored, shrunk, varied
from i2p_ros.training.loop import learning_rate, train
from i2p_ros.training.objectives import adaptive_weighted, cells, vp2p_losses
from i2p_ros.training.pose_loss import START_SCALE

AXES = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
FAMILY = VP2P(TINY, MatchingSettings())
WORLD = SyntheticSettings(width=128, height=40, beams=16, points=3000)


def painted(width: int = 200, height: int = 80) -> Sample:
    """Each point in view has painted its own pixel in its own colour."""
    rng = np.random.default_rng(0)
    camera = Camera(150.0, 150.0, 90.0, 44.0, width, height)
    T = Pose(AXES, np.array([0.1, -0.2, 0.3]))
    pixels = np.stack(np.meshgrid(np.arange(20, 180, 8), np.arange(10, 70, 8)), -1).reshape(-1, 2)
    depth = rng.uniform(5, 30, len(pixels))
    rays = np.concatenate([camera.unproject(pixels), np.ones((len(pixels), 1))], axis=1) * depth[:, None]
    image = np.zeros((height, width, 3), np.uint8)
    value = rng.integers(40, 256, len(pixels))
    image[pixels[:, 1], pixels[:, 0]] = value[:, None]
    cloud = PointCloud(T.inverse().apply(rays).astype(np.float32), (value / 255).astype(np.float32))
    return Sample(Pair(image, camera, cloud), T)


def share_on_their_colour(sample: Sample) -> float:
    assert sample.T_camera_lidar is not None and sample.pair.cloud.intensity is not None
    uv, inside = sample.pair.camera.project(sample.T_camera_lidar.apply(sample.pair.cloud.xyz))
    u, v = uv[inside].round().astype(int).T
    return float(np.mean(sample.pair.image[v, u, 0] == np.round(sample.pair.cloud.intensity[inside] * 255)))


def test_mirrored_and_cropped_samples_keep_each_point_on_its_pixel() -> None:
    assert share_on_their_colour(painted()) == 1.0
    assert share_on_their_colour(mirrored(painted())) == 1.0
    for seed in range(5):
        assert share_on_their_colour(cropped(mirrored(painted()), np.random.default_rng(seed))) == 1.0


def test_shrinking_moves_projections_with_the_image() -> None:
    big = painted(1000, 400)
    small = shrunk(big, 500)
    assert small.pair.image.shape == (200, 500, 3)
    assert big.T_camera_lidar is not None
    uv, _ = big.pair.camera.project(big.T_camera_lidar.apply(big.pair.cloud.xyz))
    half, _ = small.pair.camera.project(big.T_camera_lidar.apply(big.pair.cloud.xyz))
    np.testing.assert_allclose(half, (uv + 0.5) / 2 - 0.5, atol=1e-9)


def test_example_k_is_always_the_same_and_others_differ() -> None:
    data = TrainingSet(FAMILY, [(SyntheticSource(WORLD, 5, 3), 1.0)], "vp2p", 1, 10)
    first, again, other = data[4], data[4], data[5]
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not torch.equal(first["image"], other["image"])
    assert first["points"].shape == (TINY.max_points, 3) and first["visible"].any()


def test_a_sample_without_truth_is_refused() -> None:
    with pytest.raises(InputError, match="no true pose"):
        example(FAMILY, Sample(painted().pair), np.random.default_rng(0))


def test_a_cached_sample_is_the_same_sample(tmp_path: Path) -> None:
    source = SyntheticSource(WORLD, 5, 2)
    cached = CachedSource(source, tmp_path / "cache", str(WORLD))
    made, kept = cached[1], cached[1]
    assert (made.pair.image == kept.pair.image).all() and (made.pair.cloud.xyz == kept.pair.cloud.xyz).all()
    assert made.pair.camera == kept.pair.camera
    assert made.T_camera_lidar is not None and kept.T_camera_lidar is not None
    np.testing.assert_allclose(made.T_camera_lidar.matrix, kept.T_camera_lidar.matrix, atol=1e-12)


def test_the_cache_keeps_sources_apart_and_mends_itself(tmp_path: Path) -> None:
    one, other = (CachedSource(SyntheticSource(WORLD, seed, 2), tmp_path, str(WORLD)) for seed in (5, 6))
    right = one[0].pair.image
    assert not (other[0].pair.image == right).all()
    wider = WORLD.model_copy(update={"width": 160})
    assert CachedSource(SyntheticSource(wider, 5, 2), tmp_path, str(wider))[0].pair.image.shape[1] == 160
    for file in tmp_path.rglob("*.npz"):
        file.write_bytes(b"x")
    assert (one[0].pair.image == right).all() and (one[0].pair.image == right).all()


def test_variation_leaves_its_input_alone() -> None:
    sample = painted()
    image, xyz = sample.pair.image.copy(), sample.pair.cloud.xyz.copy()
    varied(sample, np.random.default_rng(3))
    assert (sample.pair.image == image).all() and (sample.pair.cloud.xyz == xyz).all()


def test_adaptive_weighted_loss_follows_its_formula() -> None:
    s = torch.tensor([[0.6, 0.1, 0.4], [0.2, 0.7, -0.3], [0.0, 0.5, 0.9]], dtype=torch.float64)
    positive = torch.eye(3, dtype=torch.bool)
    negative = ~positive
    negative[0, 2] = False  # neither near nor far: takes no part

    def one(values: list[float], near: list[bool], far: list[bool], g: float = 24.0) -> float:
        pull = sum(np.exp(-g * max(0, 1.25 - v) * (v - 0.75)) for v, p in zip(values, near, strict=True) if p)
        push = sum(np.exp(g * max(0, v + 0.25) * (v - 0.25)) for v, n in zip(values, far, strict=True) if n)
        return float(np.log1p(pull * push))

    rows = np.mean([one(*r) for r in zip(s.tolist(), positive.tolist(), negative.tolist(), strict=True)])
    columns = np.mean([one(*c) for c in zip(s.T.tolist(), positive.T.tolist(), negative.T.tolist(), strict=True)])
    assert float(adaptive_weighted(s, positive, negative, 24.0)) == pytest.approx(rows + columns, rel=1e-9)


def test_adaptive_weighted_loss_relaxes_when_all_is_well_and_has_finite_gradients_without_negatives() -> None:
    good = torch.full((4, 4), -0.25).fill_diagonal_(1.0).requires_grad_()
    eye = torch.eye(4, dtype=torch.bool)
    with torch.no_grad():
        well, untrained = (float(adaptive_weighted(s, eye, ~eye, 24.0)) for s in (good, torch.zeros(4, 4)))
    assert well < 1.1 and untrained > 20 * well
    adaptive_weighted(good, torch.ones(4, 4, dtype=torch.bool), torch.zeros(4, 4, dtype=torch.bool), 24.0).backward()
    assert good.grad is not None and good.grad.isfinite().all()


def test_network_pixels_map_to_the_cell_that_covers_them() -> None:
    image, pixels = torch.zeros(1, 3, 32, 64), torch.zeros(1, 8, 16, 32)
    uv = torch.tensor([[[0.0, 0.0], [1.0, 1.0], [2.0, 0.0], [63.0, 31.0]]])
    assert cells(uv, image, pixels).tolist() == [[0, 0, 1, 16 * 32 - 1]]


def test_losses_are_finite_when_nothing_is_in_view() -> None:
    data = TrainingSet(FAMILY, [(SyntheticSource(WORLD, 5, 2), 1.0)], "vp2p", 1, 4)
    batch = torch.utils.data.default_collate([data[0], data[1]])
    batch["visible"] = torch.zeros_like(batch["visible"])
    out = FAMILY.network()(batch["image"], batch["points"], batch["features"])
    losses = vp2p_losses(batch, out, TrainingSettings())
    losses["loss"].backward()
    assert losses["loss"].isfinite() and losses["match"] == 0


def test_the_learning_rate_warms_up_and_ends_at_zero() -> None:
    s = TrainingSettings(samples=10000)
    rates = [learning_rate(k, s) for k in range(0, 10001, 100)]
    assert rates[0] < 0.01 * s.learning_rate and max(rates) == max(rates[:12]) and rates[-1] < 1e-9


def settings(**training: float) -> Settings:
    return load_settings(overrides=["device=cpu", *(f"training.{k}={v}" for k, v in training.items())])


def run(out: Path, samples: int, stop: int | None = None, pose_weight: float = 0.0) -> dict[str, torch.Tensor]:
    """A run that is killed when `stop` samples are done."""

    def progress(done: int, losses: dict[str, float]) -> None:
        if stop is not None and done >= stop:
            raise KeyboardInterrupt

    data = TrainingSet(FAMILY, [(SyntheticSource(WORLD, 5, 3), 1.0)], "vp2p", 1, samples)
    chosen = settings(samples=samples, batch=2, checkpoint_every=4, pose_weight=pose_weight)
    train(FAMILY, data, out, chosen, workers=0, progress=progress)
    return dict(torch.load(out / "checkpoint.pt", weights_only=True)["net"])


def test_a_killed_run_continues_where_it_was(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", 12, stop=9)
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["samples"] == 8
    weights = run(tmp_path / "run", 12)
    assert all(v.isfinite().all() for v in weights.values())
    entry, file = find_model(str(tmp_path / "run"))
    assert entry.trained["samples"] == 12 and file.exists()
    assert (tmp_path / "run" / "metrics.csv").read_text().count("\n") >= 4


def test_the_scale_of_the_pose_loss_is_kept_beside_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for gate in ("GATE_PX", "HOPELESS"):  # a network that knows nothing yet learns as well
        monkeypatch.setattr(f"i2p_ros.training.pose_loss.{gate}", math.inf)
    run(tmp_path, 8, pose_weight=0.05)
    assert "pose" in (tmp_path / "metrics.csv").read_text().splitlines()[0].split(",")
    load_weights(FAMILY.network(), tmp_path / "model.safetensors")  # without the scale
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert float(saved["pose"]["log_scale"]) != pytest.approx(math.log(START_SCALE), abs=1e-4)
    saved["pose"]["log_scale"].fill_(-7.0)
    torch.save(saved, tmp_path / "checkpoint.pt")
    run(tmp_path, 12, pose_weight=0.05)
    continued = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert float(continued["pose"]["log_scale"]) == pytest.approx(-7.0, abs=0.1)


def test_the_manifest_names_all_drives_that_the_weights_know(tmp_path: Path) -> None:
    data = TrainingSet(FAMILY, [(SyntheticSource(WORLD, 5, 3), 1.0)], "vp2p", 1, 4)
    first, second = tmp_path / "first", tmp_path / "second"
    train(FAMILY, data, first, settings(samples=4, batch=2), workers=0, drives=["a"])
    train(
        FAMILY, data, second, settings(samples=4, batch=2), workers=0, drives=["b"], start=first / "model.safetensors"
    )
    assert find_model(str(second))[0].trained["drives"] == ["a", "b"]
    longer = TrainingSet(FAMILY, [(SyntheticSource(WORLD, 5, 3), 1.0)], "vp2p", 1, 8)
    train(FAMILY, longer, second, settings(samples=8, batch=2), workers=0, drives=["c"])
    assert find_model(str(second))[0].trained["drives"] == ["a", "b", "c"]


def test_a_run_without_the_pose_loss_does_not_continue_with_it(tmp_path: Path) -> None:
    run(tmp_path, 4)
    with pytest.raises(ModelError, match="cannot continue"):
        run(tmp_path, 8, pose_weight=0.05)


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    seen: list[float] = []
    data = TrainingSet(FAMILY, [(SyntheticSource(WORLD, 5, 1), 1.0)], "none", 1, 120)
    chosen = settings(samples=120, batch=4)
    train(FAMILY, data, tmp_path / "run", chosen, workers=0, progress=lambda done, losses: seen.append(losses["loss"]))
    assert seen[-1] < 0.9 * seen[0]


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(ModelError, match="cannot continue"):
        run(tmp_path, 4)


@pytest.mark.parametrize("size", [(200, 80), (640, 480), (1242, 375), (1226, 370)])
def test_images_of_any_camera_make_one_batch(size: tuple[int, int]) -> None:
    shapes = {example(FAMILY, varied(painted(*size), np.random.default_rng(k)), np.random.default_rng(0))["image"].shape
              for k in range(4)}  # fmt: skip
    assert shapes == {(5, 16, 64)}
