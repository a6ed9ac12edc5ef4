# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Matches and similarities of VP2P: of any image and any cloud, where they belong."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.networks import GUESS, TINY, pair, prepared, street

from i2p_ros.core.config import MatchingSettings
from i2p_ros.families.branches.inputs import input_frame
from i2p_ros.families.vp2p import VP2P
from i2p_ros.families.vp2p.decode import merged, viewing_directions
from i2p_ros.families.vp2p.settings import SIZES
from i2p_ros.networks.base import batched


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """The same weights whatever ran before: some random networks detect nothing."""
    torch.manual_seed(0)


def test_similarities_of_merged_outputs_are_the_means_of_both() -> None:
    seen, swapped = ({"pixels": torch.randn(1, 4, 3, 5), "points": torch.randn(1, 7, 4)} for _ in range(2))
    together = merged(seen, swapped)
    one, other, mean = (
        torch.einsum("bnd,bdhw->bnhw", out["points"], pixels)
        for out, pixels in (
            (seen, seen["pixels"]), (swapped, swapped["pixels"].flip(-1)), (together, together["pixels"]),
        )
    )  # fmt: skip
    torch.testing.assert_close(mean, (one + other) / 2)


def test_cells_that_do_not_divide_the_map_keep_their_place() -> None:
    """160 x 96 descriptors in cells of 3: the last column is in none, and the camera of the cells must say so."""
    family = VP2P(TINY, MatchingSettings(max_pixels=2000))
    given = pair(320, 192)
    outputs = {
        "pixels": torch.nn.functional.normalize(torch.randn(1, 16, 96, 160), dim=1),
        "points": torch.nn.functional.normalize(torch.randn(1, 80, 16), dim=2),
    }
    camera = family.decode(family.prepare(given), {"points": street(80).xyz}, outputs).similarity.camera
    assert (camera.width, camera.height) == (53, 32)
    assert camera.fx == pytest.approx(given.camera.fx / 6)
    assert camera.cx == pytest.approx((given.camera.cx + 0.5) / 6 - 0.5)


def test_cells_where_a_lens_sees_nothing_have_no_matches() -> None:
    """A strong barrel reaches 39 deg off the axis, and the undistorted image 47 deg to its corners."""
    family, given = VP2P(TINY, MatchingSettings()), pair(320, 192)
    given = replace(given, camera=replace(given.camera, distortion=(-0.5, 0.0, 0.0, 0.0)))
    scene, inputs = prepared(given)
    with torch.inference_mode():
        out = family.network().eval()(**batched({**scene.shared, **inputs}))
    candidates = family.decode(scene, inputs, out).candidates
    assert np.isnan(given.camera.distorted([[0.0, 0.0]])).all()
    assert sum(map(len, candidates)) > 0
    assert all(np.isfinite(matches.pixels).all() for matches in candidates)


@pytest.mark.parametrize("views", [1, 2, 3, 8])
def test_together_the_directions_are_all_round(views: int) -> None:
    _, views_of = viewing_directions(street().xyz, pair(512, 160).camera, views)
    assert views_of.shape[0] == views and views_of.any(axis=0).all()


def test_directions_hold_what_a_camera_that_looks_there_sees() -> None:
    camera = pair(512, 160).camera
    xyz = np.random.default_rng(0).uniform([-40, -40, -2], [40, 40, 4], (4000, 3)).astype(np.float32)
    sector, views = viewing_directions(xyz, camera, 8)
    for k, view in enumerate(views):
        azimuth = 2 * np.pi * k / 8 - np.pi
        forward = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
        rows = np.stack([np.cross(forward, [0, 0, 1]), [0, 0, -1], forward])
        _, seen = camera.project(xyz @ rows.T)
        assert seen.sum() > 100 and view[sector][seen].all() and not view[sector].all()


@pytest.mark.parametrize("size", [(128, 48), (640, 480), (1242, 375), (33, 77)])
@pytest.mark.parametrize("points", [80, 5000])
def test_any_image_and_any_number_of_points(size: tuple[int, int], points: int) -> None:
    family = VP2P(TINY, MatchingSettings())
    given = pair(*size, cloud=street(points))
    scene, inputs = prepared(given)
    with torch.inference_mode():
        out = family.network().eval()(**batched({**scene.shared, **inputs}))
    prediction = family.decode(scene, inputs, out)
    assert len(inputs["points"]) <= TINY.max_points and len(prediction.candidates) == MatchingSettings().views
    assert prediction.similarity.values.shape[0] == len(inputs["points"])
    for matches in prediction.candidates:
        assert (matches.pixels >= -0.5).all() and (matches.pixels < np.array(size) - 0.5 + 1e-9).all()
        assert {tuple(p) for p in matches.points.astype(np.float32)} <= {tuple(p) for p in given.cloud.xyz}
    assert sum(map(len, prediction.candidates)) > 0


def test_matches_about_a_guess_are_points_of_the_given_cloud() -> None:
    family, given = VP2P(TINY, MatchingSettings()), pair(cloud=street(5000))
    scene, inputs = prepared(given, GUESS)
    with torch.inference_mode():
        out = family.network().eval()(**batched({**scene.shared, **inputs}))
    prediction = family.decode(scene, inputs, out, GUESS)
    (matches,) = prediction.candidates
    cloud = {tuple(p) for p in np.round(given.cloud.xyz.astype(float), 3)}
    assert len(matches) and {tuple(p) for p in np.round(matches.points, 3)} <= cloud
    judged, asked = input_frame(GUESS).apply(prediction.similarity.points), inputs["points"]
    np.testing.assert_allclose(judged[np.lexsort(judged.T)], asked[np.lexsort(asked.T)], atol=1e-4)


def test_both_sizes_are_networks_of_the_stated_scale() -> None:
    networks = (VP2P(SIZES[size], MatchingSettings()).network() for size in ("small", "base"))
    small, base = (sum(p.numel() for p in network.parameters()) for network in networks)
    assert 2e6 < small < 5e6 and 20e6 < base < 60e6
