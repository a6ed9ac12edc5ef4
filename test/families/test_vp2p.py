# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The family's contract: any image, any cloud, same answer for the same pair, matches where they belong."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.networks import TINY, pair, street

from i2p_ros.core.config import MatchingSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair, PointCloud
from i2p_ros.networks.blocks.attention import CrossAttention
from i2p_ros.networks.blocks.image import ImageUNet
from i2p_ros.networks.blocks.point import PointNet, nearest
from i2p_ros.networks.matching import coarse, mutual, peaks
from i2p_ros.networks.vp2p import (
    ENOUGH,
    MOST_POINTS,
    SIZES,
    VP2P,
    _between_rays,
    both_ways,
    directions,
    frame_of,
    mirrored,
    network_camera,
    network_image,
    point_features,
    seen_from,
    shuffled,
    thinned,
)  # fmt: skip


@pytest.mark.parametrize("size", [(128, 48), (640, 480), (1242, 375), (33, 77)])
@pytest.mark.parametrize("points", [80, 5000])
def test_any_image_and_any_number_of_points(size: tuple[int, int], points: int) -> None:
    family = VP2P(TINY, MatchingSettings())
    given = pair(*size, cloud=street(points))
    inputs = family.prepare(given)
    with torch.inference_mode():
        out = family.network().eval()(**{k: torch.from_numpy(v)[None] for k, v in inputs.items()})
    prediction = family.decode(inputs, out, given)
    assert len(inputs["points"]) <= TINY.max_points and len(prediction.candidates) == MatchingSettings().views
    assert prediction.similarity.values.shape[0] == len(inputs["points"])
    for matches in prediction.candidates:
        assert (matches.pixels >= -0.5).all() and (matches.pixels < np.array(size) - 0.5 + 1e-9).all()
        assert {tuple(p) for p in matches.points.astype(np.float32)} <= {tuple(p) for p in given.cloud.xyz}
    assert sum(map(len, prediction.candidates)) > 0


@pytest.mark.parametrize("guess", [None, Pose.from_rotvec([1.2, -1.2, 1.2], [0.4, -0.2, 0.3])])
def test_mirrored_inputs_are_those_of_the_mirrored_pair(guess: Pose | None) -> None:
    family, given = VP2P(TINY, MatchingSettings()), pair()
    mirror = np.array([1, -1, 1], np.float32)
    inputs = family.prepare(given, guess)
    cloud = PointCloud(inputs["points"] * mirror, inputs["features"][:, 3])
    camera = replace(given.camera, cx=given.camera.width - 1 - given.camera.cx)
    image = np.ascontiguousarray(given.image[:, ::-1])
    swapped = mirrored(inputs)
    np.testing.assert_allclose(swapped["image"], network_image(Pair(image, camera, cloud), TINY.image_width), atol=1e-5)
    np.testing.assert_array_equal(swapped["points"], cloud.xyz)
    np.testing.assert_allclose(swapped["features"], point_features(cloud, guess is not None), atol=1e-5)


def test_both_ways_are_alike_as_the_mean_of_each() -> None:
    seen, swapped = ({"pixels": torch.randn(1, 4, 3, 5), "points": torch.randn(1, 7, 4)} for _ in range(2))
    together = both_ways(seen, swapped)
    one, other, mean = (
        torch.einsum("bnd,bdhw->bnhw", out["points"], pixels)
        for out, pixels in (
            (seen, seen["pixels"]), (swapped, swapped["pixels"].flip(-1)), (together, together["pixels"]),
        )
    )  # fmt: skip
    torch.testing.assert_close(mean, (one + other) / 2)


def test_the_same_pair_is_prepared_the_same() -> None:
    family = VP2P(TINY, MatchingSettings())
    first, second = family.prepare(pair()), family.prepare(pair())
    assert all((first[key] == second[key]).all() for key in first)


def test_points_are_thinned_evenly_and_bad_ones_left_out() -> None:
    cloud = street(20000)
    xyz = cloud.xyz.copy()
    xyz[:100], xyz[100:200], xyz[200] = np.nan, 1e30, np.inf
    few = thinned(shuffled(PointCloud(xyz, cloud.intensity), np.random.default_rng(0)), 1.0, 500)
    assert len(few) == 500 and np.isfinite(few.xyz).all() and np.abs(few.xyz).max() < 50
    looked_at = shuffled(PointCloud(xyz), np.random.default_rng(0)).xyz[:ENOUGH]
    assert len(np.unique(np.floor(few.xyz - np.median(looked_at, axis=0)), axis=0)) == 500


def test_huge_clouds_are_bounded_without_leaving_a_place_out() -> None:
    rng = np.random.default_rng(0)
    xyz = rng.normal(0.0, [20.0, 20.0, 1.0], (400_000, 3)).astype(np.float32)
    xyz[::7] = np.nan
    few = shuffled(PointCloud(xyz, np.ones(len(xyz), np.float32)), np.random.default_rng(0))
    assert len(few) == MOST_POINTS and np.isfinite(few.xyz).all()
    assert {tuple(p) for p in few.xyz[:1000]} <= {tuple(p) for p in xyz}
    before, after = (
        np.histogram2d(*p[:, :2].T, bins=12, range=[[-60, 60]] * 2)[0] for p in (xyz[~np.isnan(xyz[:, 0])], few.xyz)
    )
    assert (after[before > 100] > 0).all()
    assert (shuffled(PointCloud(xyz), np.random.default_rng(0)).xyz == few.xyz).all()
    all_ = shuffled(PointCloud(xyz[:1000]), np.random.default_rng(0)).xyz
    assert sorted(map(tuple, all_)) == sorted(map(tuple, PointCloud(xyz[:1000]).finite().xyz))


@pytest.mark.parametrize(("low", "high"), [(-0.5, 0.7), (-1.9, 1.9), (0.2, 1.8), (-2.4, -0.1), (-1.7, 1.7)])
def test_points_between_two_rays_are_those_of_their_angles(low: float, high: float) -> None:
    x, y = np.random.default_rng(3).normal(size=(2, 5000)).astype(np.float32)
    angle = np.arctan2(y, x)
    clear = (np.abs(angle - low) > 1e-5) & (np.abs(angle - high) > 1e-5)
    assert (_between_rays(x, y, low, high) == ((angle > low) & (angle < high)))[clear].all()


@pytest.mark.parametrize("xyz", [np.zeros((0, 3)), np.full((5000, 3), np.nan), np.ones((5000, 3))])
def test_clouds_without_enough_places_are_refused(xyz: np.ndarray) -> None:
    with pytest.raises(InputError, match="at least"):
        VP2P(TINY, MatchingSettings()).prepare(pair(cloud=PointCloud(xyz.astype(np.float32))))


def test_features_do_not_depend_on_where_the_cloud_origin_is() -> None:
    cloud = street()
    moved = PointCloud(cloud.xyz + np.array([7, -3, 2], np.float32), cloud.intensity)
    np.testing.assert_allclose(point_features(moved), point_features(cloud), atol=1e-5)


def test_a_missing_intensity_counts_as_zero() -> None:
    assert (point_features(PointCloud(street().xyz))[:, 3] == 0).all()


def test_pixels_know_their_direction() -> None:
    given = pair(128, 48)
    image, camera = network_image(given, 64), network_camera(given.camera, 64)
    x, y = image[3, 5, 40], image[4, 5, 40]
    pixels, _ = camera.project([[x, y, 1.0]])
    np.testing.assert_allclose(pixels, [[40, 5]], atol=1e-4)


def test_both_sizes_are_networks_of_the_stated_scale() -> None:
    small, base = (sum(p.numel() for p in VP2P(s, MatchingSettings()).network().parameters()) for s in SIZES.values())
    assert 2e6 < small < 5e6 and 20e6 < base < 60e6


def test_matches_of_planted_descriptors_are_found_to_a_fraction_of_a_pixel() -> None:
    torch.manual_seed(0)
    h, w, n = 20, 30, 40
    pixels = torch.nn.functional.normalize(torch.randn(64, h, w), dim=0)
    cells = torch.randperm(h * w)[:n]
    points = pixels.flatten(1)[:, cells].T.clone()
    grid = coarse(pixels, 10_000)
    similarity = (points @ grid.cells.flatten(1)).numpy()
    ((row, cell),) = mutual(similarity, np.zeros(n, np.int64), np.ones((1, 1), bool), 600)
    position, alike = peaks(pixels, points[row], grid, torch.from_numpy(cell))
    planted = torch.stack([cells % w, cells // w], 1)[row]
    assert sorted(row) == list(range(n)) and (alike > 0.9).all()
    assert (position - planted).abs().max() < 0.2


def test_mutual_matches_of_each_view_are_those_of_brute_force() -> None:
    rng = np.random.default_rng(1)
    similarity, sector = rng.normal(size=(90, 50)).astype(np.float32), np.sort(rng.integers(0, 6, 90))
    views = rng.random((4, 6)) < 0.5
    for view, (row, cell) in zip(views, mutual(similarity, sector, views, 600), strict=True):
        rows = np.flatnonzero(view[sector])
        table = similarity[rows]
        best = table.argmax(axis=1)
        expected = {(rows[k], c) for k, c in enumerate(best) if table[:, c].argmax() == k}
        assert set(zip(row, cell, strict=True)) == expected and len(expected) > 3


def test_the_most_similar_matches_are_kept() -> None:
    similarity = np.diag(np.arange(1.0, 11.0)).astype(np.float32)
    ((row, cell),) = mutual(similarity, np.zeros(10, np.int64), np.ones((1, 1), bool), 3)
    assert row.tolist() == cell.tolist() == [9, 8, 7]


def test_coarse_cells_are_means_and_not_too_many() -> None:
    pixels = torch.randn(4, 12, 20)
    grid = coarse(pixels, 60)
    assert grid.stride == 2 and grid.cells.shape == (4, 6, 10)
    torch.testing.assert_close(grid.cells[:, 2, 3], pixels[:, 4:6, 6:8].mean((1, 2)))
    assert coarse(pixels, 240).stride == 1


def test_cells_that_do_not_divide_the_map_keep_their_place() -> None:
    """160 x 96 descriptors in cells of 3: the last column is in none, and the camera of the cells must say so."""
    family = VP2P(TINY, MatchingSettings(max_pixels=2000))
    given = pair(320, 192)
    outputs = {
        "pixels": torch.nn.functional.normalize(torch.randn(1, 16, 96, 160), dim=1),
        "points": torch.nn.functional.normalize(torch.randn(1, 80, 16), dim=2),
    }
    camera = family.decode({"points": street(80).xyz}, outputs, given).similarity.camera
    assert (camera.width, camera.height) == (53, 32)
    assert camera.fx == pytest.approx(given.camera.fx / 6)
    assert camera.cx == pytest.approx((given.camera.cx + 0.5) / 6 - 0.5)


@pytest.mark.parametrize("views", [1, 2, 3, 8])
def test_together_the_directions_are_all_round(views: int) -> None:
    _, views_of = directions(street().xyz, pair(512, 160).camera, views)
    assert views_of.shape[0] == views and views_of.any(axis=0).all()


def test_directions_hold_what_a_camera_that_looks_there_sees() -> None:
    camera = pair(512, 160).camera
    xyz = np.random.default_rng(0).uniform([-40, -40, -2], [40, 40, 4], (4000, 3)).astype(np.float32)
    sector, views = directions(xyz, camera, 8)
    for k, view in enumerate(views):
        azimuth = 2 * np.pi * k / 8 - np.pi
        forward = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
        rows = np.stack([np.cross(forward, [0, 0, 1]), [0, 0, -1], forward])
        _, seen = camera.project(xyz @ rows.T)
        assert seen.sum() > 100 and view[sector][seen].all() and not view[sector].all()


def test_nearest_agrees_with_brute_force() -> None:
    a, b = torch.randn(2, 5, 3), torch.randn(2, 9, 3)
    squared, index = nearest(a, b, 4)
    full = (a[:, :, None] - b[:, None]).square().sum(3)
    torch.testing.assert_close(squared, full.gather(2, index), atol=1e-4, rtol=1e-3)
    assert (squared.amax(2) <= full.sort(2).values[..., 3] + 1e-4).all()


def test_point_branch_runs_with_fewer_points_than_centres() -> None:
    net, points, features = PointNet(5, [64, 16], [8, 16], 12, 10).eval(), torch.randn(1, 20, 3), torch.randn(1, 20, 5)
    levels = net.encode(points, features)
    assert net.decode(points, features, *levels).shape == (1, 20, 10)
    assert [tuple(x.shape) for x in levels] == [(1, 20, 8), (1, 16, 16)]


def test_attention_at_first_changes_nothing_and_equals_that_of_torch() -> None:
    torch.manual_seed(0)
    layer, tokens, others = CrossAttention(8, 12), torch.randn(2, 5, 8), torch.randn(2, 7, 12)
    assert torch.equal(layer(tokens, others), tokens)
    judge = torch.nn.MultiheadAttention(8, 4, bias=False, kdim=12, vdim=12, batch_first=True)
    with torch.no_grad():
        layer.out.weight.copy_(torch.eye(8))
        judge.out_proj.weight.copy_(torch.eye(8))
        for name, linear in (("q", layer.query), ("k", layer.key), ("v", layer.value)):
            getattr(judge, f"{name}_proj_weight").copy_(linear.weight)
    asked, told = layer.norm(tokens), layer.other_norm(others)
    torch.testing.assert_close(layer(tokens, others) - tokens, judge(asked, told, told)[0], atol=1e-5, rtol=1e-4)


GUESS = Pose.from_rotvec([1.2, -1.2, 1.2], [0.4, -0.2, 0.3])  # looks along the cloud's x axis, about


def test_a_guess_leaves_what_its_camera_may_see_in_axes_along_the_camera() -> None:
    given = pair(cloud=street(5000))
    seen = seen_from(given.cloud, GUESS, given.camera)
    in_camera = GUESS.apply(given.cloud.xyz)
    _, visible = given.camera.project(in_camera)
    assert 0 < visible.sum() < len(seen) < 0.6 * len(given.cloud)
    back = frame_of(GUESS).inverse().apply(seen.xyz)
    kept = {tuple(p) for p in np.round(back, 3)}
    assert {tuple(p) for p in np.round(given.cloud.xyz[visible].astype(float), 3)} <= kept
    features = point_features(seen, guessed=True)
    x, y, z = GUESS.apply(back).T
    ahead = z > 2.0
    np.testing.assert_allclose(features[ahead, 5], np.clip(x / z, -3, 3)[ahead], atol=1e-3)
    np.testing.assert_allclose(features[ahead, 6], np.clip(y / z, -3, 3)[ahead], atol=1e-3)
    assert (features[:, 7] == 1).all() and (point_features(seen)[:, 5:] == 0).all()


def test_matches_about_a_guess_are_points_of_the_given_cloud() -> None:
    family, given = VP2P(TINY, MatchingSettings()), pair(cloud=street(5000))
    inputs = family.prepare(given, GUESS)
    with torch.inference_mode():
        out = family.network().eval()(**{k: torch.from_numpy(v)[None] for k, v in inputs.items()})
    prediction = family.decode(inputs, out, given, GUESS)
    (matches,) = prediction.candidates
    cloud = {tuple(p) for p in np.round(given.cloud.xyz.astype(float), 3)}
    assert len(matches) and {tuple(p) for p in np.round(matches.points, 3)} <= cloud
    judged, asked = frame_of(GUESS).apply(prediction.similarity.points), inputs["points"]
    np.testing.assert_allclose(judged[np.lexsort(judged.T)], asked[np.lexsort(asked.T)], atol=1e-4)


def test_a_guess_that_sees_nothing_is_refused() -> None:
    given = pair()
    away = Pose(GUESS.rotation, GUESS.rotation @ np.array([-500.0, 0, 0]))
    with pytest.raises(InputError, match="at least"):
        VP2P(TINY, MatchingSettings()).prepare(given, away)


def test_image_branch_keeps_the_stride_of_its_first_stage() -> None:
    net = ImageUNet(3, 8, [8, 8, 8], [1, 1, 1], 2, [8, 8], 4).eval()
    out = net.decode(net.encode(torch.randn(1, 3, 32, 64)), torch.zeros(1, 4))
    assert out.shape == (1, 8, 8, 16)
