# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Examples keep their truth through every variation; losses follow their formulas."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch
from helpers.networks import FAMILY, TINY
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import SyntheticSettings, TrainingSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose, to_camera_axes
from i2p_ros.core.source import Source, WrappedSource
from i2p_ros.core.types import Pair, PointCloud, Sample
from i2p_ros.families.base import PriorRange
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.training.augmentation import cropped, mirrored, resensed, shrunk, varied
from i2p_ros.training.cache import CachedSource
from i2p_ros.training.data import TrainingSet, drawn_prior, example
from i2p_ros.training.vp2p import adaptive_weighted, cells, place_cross_entropy, vp2p_losses

AXES = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
WORLD = SyntheticSettings(width=128, height=40, beams=16, points=3000)


def painted(width: int = 200, height: int = 80) -> Sample:
    """Each point in view has painted its own pixel in its own colour."""
    rng = np.random.default_rng(0)
    camera = Camera(150.0, 150.0, 90.0, 44.0, width, height)
    T = Pose(AXES, np.array([0.1, -0.2, 0.3]))
    pixels = np.stack(np.meshgrid(np.arange(20, 180, 8), np.arange(10, 70, 8)), -1).reshape(-1, 2)
    depth = rng.uniform(5, 30, len(pixels))
    rays = np.concatenate([camera.unproject(pixels), np.ones((len(pixels), 1))], axis=1) * depth[:, None]
    image = np.tile(np.linspace(60, 140, height)[:, None, None], (1, width, 3)).astype(np.uint8)
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
    data = TrainingSet(FAMILY, [(SyntheticSource(WORLD, 5, 3), 1.0)], {"vp2p": 1.0}, 1, 10)
    first, again, other = data[4], data[4], data[5]
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not torch.equal(first["image"], other["image"])
    assert first["points"].shape == (TINY.max_points, 3) and first["visible"].any()


class Blindfolded(Source):
    """One place of two gives the network too few points."""

    name = "blindfolded"

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Sample:
        sample = SyntheticSource(WORLD, 5, 1)[0]
        few = PointCloud(np.ones((30, 3), np.float32), np.zeros(30, np.float32))
        return sample if index else replace(sample, pair=replace(sample.pair, cloud=few))


def test_a_draw_that_gives_no_points_is_drawn_again() -> None:
    data = TrainingSet(FAMILY, [(Blindfolded(), 1.0)], {"vp2p": 1.0}, 1, 8)
    assert all(data[k]["visible"].any() for k in range(8))


def test_drawn_priors_are_covered_and_as_wide_as_their_errors() -> None:
    rng, within, pose = np.random.default_rng(0), PriorRange(1.0, 10.0), Pose(AXES, np.array([40.0, -20.0, 3.0]))
    drawn = [drawn_prior(within, pose, rng) for _ in range(300)]
    assert all(within.covers(each) for each in (*drawn, within.about(pose)))
    errors = np.array([(each.pose @ pose.inverse()).log() for each in drawn])
    np.testing.assert_allclose(errors.std(axis=0), within.std, rtol=0.15)
    stated = np.sqrt(np.diag(to_camera_axes(drawn[0].pose, drawn[0].covariance)))
    np.testing.assert_allclose(stated, within.std, rtol=1e-6)
    half = drawn_prior(within, pose, rng, 0.5)
    assert np.abs((half.pose @ pose.inverse()).log()[3:]).max() < np.radians(10.0)
    assert within.covers(half)


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


def test_a_cache_is_filled_with_what_it_lacks(tmp_path: Path) -> None:
    source, asked = SyntheticSource(WORLD, 5, 5), list[int]()
    cached = CachedSource(source, tmp_path, str(WORLD))

    def make(indices: Sequence[int]) -> list[Sample]:
        asked.extend(indices)
        return source.samples(indices)

    one = cached[2].pair.image
    assert cached.fill(make, 0, 2) == 2 and asked == [0, 4]
    assert cached.fill(make) == 2 and asked == [0, 4, 1, 3]
    assert cached.fill(make) == 0 and (cached[2].pair.image == one).all()
    assert (cached[3].pair.image == source[3].pair.image).all()


def test_the_depth_of_a_sample_is_kept(tmp_path: Path) -> None:
    depth = np.random.default_rng(0).uniform(0.0, 6.0, (WORLD.height, WORLD.width)).astype(np.float32)

    class WithDepth(WrappedSource):
        def __getitem__(self, index: int) -> Sample:
            return replace(self.source[index], depth=depth if index else None)

    cached = CachedSource(WithDepth(SyntheticSource(WORLD, 5, 2)), tmp_path, "depth")
    for _ in ("made", "kept"):
        kept = cached[1].depth
        assert cached[0].depth is None and kept is not None
        np.testing.assert_array_equal(kept, depth)


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


def test_the_dense_loss_is_least_where_the_expected_cell_is_the_place() -> None:
    width, place = 6, torch.tensor([[2.3, 1.6], [0.0, 3.0], [5.0, 0.25]])
    logits = torch.zeros(3, 4 * width, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=200)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = place_cross_entropy(logits, place.double(), width, torch.tensor(-50.0))
        loss.backward()
        return loss

    for _ in range(5):
        optimizer.step(closure)
    share = logits.detach().softmax(1).view(3, 4, width)
    x = (share.sum(1) * torch.arange(width)).sum(1)
    y = (share.sum(2) * torch.arange(4)).sum(1)
    torch.testing.assert_close(torch.stack([x, y], 1), place.double(), atol=0.02, rtol=0)


def test_of_a_wrong_guess_little_is_in_view() -> None:
    data = TrainingSet(FAMILY, [(SyntheticSource(WORLD, 5, 3), 1.0)], {"prior": 1.0}, 1, 40, wrong_guesses=1.0)
    shares = [float(data[k]["visible"].float().mean()) for k in range(40)]
    assert np.median(shares) < 0.25
    assert all(data[k]["features"][0, -1] == 1 for k in range(5))


def test_examples_around_a_prior_see_more_of_the_view_and_keep_the_truth() -> None:
    data = TrainingSet(FAMILY, [(SyntheticSource(WORLD, 5, 3), 1.0)], {"prior": 1.0}, 1, 10, wrong_guesses=0.0)
    anywhere = TrainingSet(FAMILY, [(SyntheticSource(WORLD, 5, 3), 1.0)], {"vp2p": 1.0}, 1, 10)
    near, far = ([d[k]["visible"].float().mean() for k in range(6)] for d in (data, anywhere))
    assert np.mean(near) > 1.5 * np.mean(far)
    for k in range(6):
        one = data[k]
        T, (fx, fy, cx, cy) = one["T_camera_lidar"].numpy(), one["camera"].tolist()
        x, y, z = (one["points"].double().numpy() @ T[:3, :3].T + T[:3, 3])[one["visible"].numpy()].T
        expected = np.column_stack([fx * x / z + cx, fy * y / z + cy])
        np.testing.assert_allclose(one["uv"][one["visible"]], expected, atol=1e-2)
        assert (one["features"][:, -1] == 1).all()


def test_protocols_are_drawn_by_their_shares() -> None:
    data = TrainingSet(FAMILY, [(SyntheticSource(WORLD, 5, 2), 1.0)], {"vp2p": 1.0, "prior": 3.0}, 1, 60)
    guessed = [bool(data[k]["features"][0, -1]) for k in range(60)]
    assert 0.6 < np.mean(guessed) < 0.9


@hypothesis.given(seed=st.integers(0, 10_000))
@hypothesis.settings(max_examples=40, deadline=None)
def test_a_poorer_lidar_gives_points_that_were_there(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cloud = PointCloud(rng.normal(0, 20, (4000, 3)).astype(np.float32), rng.random(4000).astype(np.float32))
    poorer = resensed(cloud, rng)
    assert 2000 <= len(poorer) <= len(cloud) and np.isfinite(poorer.xyz).all()
    assert poorer.intensity is not None
    distance, _ = cKDTree(cloud.xyz).query(poorer.xyz)
    assert distance.max() < 0.25


def test_losses_are_finite_when_nothing_is_in_view() -> None:
    data = TrainingSet(FAMILY, [(SyntheticSource(WORLD, 5, 2), 1.0)], {"vp2p": 1.0}, 1, 4)
    batch = torch.utils.data.default_collate([data[0], data[1]])
    batch["visible"] = torch.zeros_like(batch["visible"])
    out = FAMILY.network()(**batch)
    losses = vp2p_losses(batch, out, TrainingSettings(), torch.tensor(14.0))
    losses["loss"].backward()
    assert losses["loss"].isfinite() and losses["match"] == losses["dense"] == 0 and losses["unseen"] > 0


@pytest.mark.parametrize("size", [(200, 80), (640, 480), (1242, 375), (1226, 370)])
def test_images_of_any_camera_make_one_batch(size: tuple[int, int]) -> None:
    shapes = {example(FAMILY, varied(painted(*size), np.random.default_rng(k)), np.random.default_rng(0))["image"].shape
              for k in range(4)}  # fmt: skip
    assert shapes == {(5, 16, 64)}
