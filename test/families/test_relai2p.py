# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""RelaI2P: a panorama of the given cloud that does not leak, headings by correlation, and answers that turn with it.

Tests with a `b` and a number are of faults of the published code, which this network must not have.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.networks import GUESS, aged, one_pass, pair, prepared, street, whole_inputs
from helpers.relai2p import FAMILY, LITTLE
from torch import Tensor

from i2p_ros.core.config import MatchingSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair, PointCloud
from i2p_ros.families.branches.inputs import T_LEVEL_CAMERA, input_frame
from i2p_ros.families.relai2p import RelaI2P
from i2p_ros.families.relai2p.inputs import EYE_M, mirrored_panorama, panorama
from i2p_ros.families.relai2p.settings import SIZES, RelaI2PSettings
from i2p_ros.families.surroundings import is_full_turn, lidar_place
from i2p_ros.families.vp2p import VP2P
from i2p_ros.families.vp2p.settings import SIZES as VP2P_SIZES
from i2p_ros.networks.base import Tensors, single_pass
from i2p_ros.networks.blocks.panorama import PanoramaUNet
from i2p_ros.networks.blocks.relation import CROPS, Relation, peaks_of
from i2p_ros.networks.cylinder import COLUMNS, HIGH, LOW, bearings, correlation, directions, sampled, unrolled, widened
from i2p_ros.networks.geometry import pixel_centres
from i2p_ros.runtime.torch_runtime import TorchRuntime

ROWS = 24
CAMERA, SIZE = torch.tensor([[90.0, 92.0, 61.0, 22.0]]), (48, 128)
DEGREE = np.pi / 180.0


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    network = FAMILY.network()
    torch.nn.init.normal_(network.fusion.gain)
    return aged(network)


def turned(given: Pair, yaw: float, shift: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> tuple[Pair, Pose]:
    """The pair with its cloud turned about the vertical axis and moved, and T_turned_given."""
    turn = Pose.from_rotvec([0.0, 0.0, yaw], shift)
    return replace(given, cloud=given.cloud.transformed(turn)), turn


def outputs_of(network: torch.nn.Module, given: Pair, guess: Pose | None = None) -> Tensors:
    with torch.inference_mode():
        return single_pass(network, whole_inputs(given, guess, FAMILY))


def rings(seed: int = 0, count: int = 6000) -> PointCloud:
    """Points near the middles of the cells of a panorama, several in many of them."""
    rng = np.random.default_rng(seed)
    azimuth = (rng.integers(0, COLUMNS, count) + rng.uniform(0.3, 0.7, count)) * DEGREE
    elevation = HIGH - (rng.integers(0, ROWS, count) + rng.uniform(0.3, 0.7, count)) * (HIGH - LOW) / ROWS
    flat = rng.uniform(4.0, 40.0, count)
    xyz = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), flat * np.tan(elevation)], axis=1)
    return PointCloud(xyz.astype(np.float32), rng.random(count).astype(np.float32))


def world(columns: int = COLUMNS, rows: int = 12, channels: int = 8, seed: int = 0) -> Tensor:
    """Smooth features all round."""
    noise = torch.randn(1, channels, rows, columns, generator=torch.Generator().manual_seed(seed))
    wrapped = torch.cat([noise[..., -4:], noise, noise[..., :4]], 3)
    return torch.nn.functional.avg_pool2d(wrapped, (5, 9), 1, (2, 0))


@pytest.mark.parametrize("degrees", [1, 37, 180, 359])
def test_b14_features_of_the_panorama_do_not_depend_on_its_yaw(degrees: int) -> None:
    """The published panorama has x and y of the sensor as features. Here a turned cloud has turned columns alone."""
    cloud = rings()
    other = cloud.transformed(Pose.from_rotvec([0.0, 0.0, degrees * DEGREE]))
    given, moved = panorama(cloud, ROWS), panorama(other, ROWS)
    assert given[0].mean() > 0.3 and np.abs(given[4:7]).max() > 0.5
    np.testing.assert_allclose(moved, np.roll(given, degrees, axis=2), atol=1e-3)


def test_b14_the_panorama_is_drawn_from_the_given_cloud() -> None:
    """The published one is drawn from the scan before it is perturbed, where the camera always looks ahead. Near a
    guess that stays, the columns turn with the cloud."""
    level = Pose(T_LEVEL_CAMERA.rotation.T, np.zeros(3))
    given = pair(cloud=rings())
    other, _ = turned(given, 40.0 * DEGREE)
    one, two = (prepared(each, level, FAMILY)[1]["panorama"] for each in (given, other))
    np.testing.assert_allclose(two, np.roll(one, 40, axis=2), atol=1e-3)
    assert np.abs(two - one).max() > 0.5


@pytest.mark.parametrize("guess", [None, GUESS])
def test_the_panorama_is_seen_from_the_origin_of_the_inputs(guess: Pose | None) -> None:
    """Its columns and rows are azimuths and elevations of the points beside it: none is in a frame of its own."""
    scene, inputs = prepared(pair(cloud=street(5000)), guess, FAMILY)
    xyz = torch.from_numpy(inputs["points"])[None]
    azimuth, elevation = directions(xyz)
    row = torch.floor((HIGH - elevation) * (LITTLE.panorama_rows / (HIGH - LOW))).long()[0]
    column = torch.floor(torch.remainder(azimuth, 2 * np.pi) / DEGREE).long().clamp(max=COLUMNS - 1)[0]
    inside = (row >= 0) & (row < LITTLE.panorama_rows) & (xyz[0, :, :2].norm(dim=1) > 1.5)
    there = torch.from_numpy(inputs["panorama"][0])[row[inside], column[inside]]
    assert inside.sum() > 100 and there.mean() > 0.99
    if guess is None:
        assert scene.cloud.xyz[:, 2].min() == pytest.approx(-EYE_M, abs=1.0)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_b14_the_nearest_point_wins(order: list[int]) -> None:
    """The published raster keeps the point that is written last."""
    near, far, aside = [5.0, 0.05, -0.5], [20.0, 0.2, -2.0], [20.0, 5.0, -2.0]
    cloud = PointCloud(np.array([near, far, aside], np.float32)[order], np.array([0.9, 0.1, 0.5], np.float32)[order])
    seen = panorama(cloud, ROWS)
    assert seen[0].sum() == 2.0
    assert seen[3].max() == np.float32(0.9) and seen[3].sum() == pytest.approx(1.4)


def test_b14_the_first_and_the_last_column_are_neighbours() -> None:
    """A panorama that is turned by a multiple of the stride gives turned maps, also across the border."""
    torch.manual_seed(0)
    unet = aged(PanoramaUNet(8, 8, [8, 8, 8], 8, 8))
    given = torch.randn(1, 8, 16, COLUMNS)
    for shift in (8, 176, 352):
        with torch.inference_mode():
            pairs = zip(unet(given), unet(given.roll(shift, 3)), (4, 2), strict=True)
        for one, other, stride in pairs:
            torch.testing.assert_close(other, one.roll(shift // stride, 3), atol=1e-4, rtol=0.0)


def test_b14_samples_and_correlations_go_round() -> None:
    given = world()
    near_border = torch.tensor([[0.0, 2 * np.pi - 1e-6, -0.2 * DEGREE, 359.8 * DEGREE]])
    at = sampled(given, near_border, torch.full((1, 4), 0.5 * (HIGH + LOW)))
    torch.testing.assert_close(at[..., 0], at[..., 1], atol=1e-4, rtol=0.0)
    torch.testing.assert_close(at[..., 2], at[..., 3], atol=1e-4, rtol=0.0)
    torch.testing.assert_close(widened(given[..., ::4]).roll(4, 3), widened(given[..., ::4].roll(1, 3)))
    for shift in (0, 1, 190, 359):
        assert int(correlation(given, given.roll(shift, 3)).argmax()) == shift


@pytest.mark.parametrize("heading", [0.0, 1.0, 90.0, 179.0, 181.0, 359.0])
def test_b15_an_exact_image_has_the_exact_heading(heading: float) -> None:
    """An image of the world at its pixels' centres: without the half pixel headings and places are off."""
    phases = torch.tensor([4.0, 9.0, 15.0])[:, None] * (torch.arange(COLUMNS) + 0.5) * DEGREE
    around = torch.cat([phases.cos(), phases.sin()])[None, :, None].expand(1, 6, 48, COLUMNS)
    azimuth, elevation = bearings(pixel_centres(torch.zeros(1, 1, *SIZE), SIZE), CAMERA)
    image = sampled(around, azimuth + heading * DEGREE, elevation).unflatten(2, SIZE)
    drawn, covered = unrolled(image, CAMERA, SIZE, 48)
    logits = correlation(drawn, around)[0]
    assert int(logits.argmax()) == int(heading)
    expected = around.roll(-int(heading), 3) * covered[:, None]
    assert float((drawn - expected).abs().mean()) < 0.015 * float(expected.abs().mean())


def test_the_two_likeliest_headings_are_apart_and_soft() -> None:
    logits = torch.full((1, COLUMNS), -20.0)
    for at, height in ((358, 3.0), (2, 2.9), (180, 2.0), (181, 2.0)):
        logits[0, at] = height
    headings, shares = peaks_of(logits.requires_grad_())
    assert headings.shape == shares.shape == (1, CROPS)
    degrees = headings.detach() / DEGREE
    assert float(degrees[0, 0]) == pytest.approx(360.0, abs=0.5) and float(degrees[0, 1]) == pytest.approx(
        180.5, abs=0.1
    )
    assert float(shares.detach().sum()) == pytest.approx(1.0) and shares[0, 0] > shares[0, 1]
    (headings * shares).sum().backward()
    assert logits.grad is not None and logits.grad.any()


@pytest.mark.parametrize("guess", [None, GUESS])
@pytest.mark.parametrize("yaw", np.random.default_rng(1).uniform(-np.pi, np.pi, 4))
def test_the_answer_turns_with_the_given_cloud(network: torch.nn.Module, guess: Pose | None, yaw: float) -> None:
    """No alignment leaks: outputs are the same, and their points and headings turn, whatever the yaw of the cloud."""
    given = pair(cloud=street(5000))
    other, turn = turned(given, yaw)
    cases = [(given, guess, Pose.identity()), (other, guess @ turn.inverse() if guess else None, turn.inverse())]
    found = []
    for each, at, back in cases:
        scene, inputs = prepared(each, at, FAMILY)
        out = outputs_of(network, each, at)
        T_given_input = back @ FAMILY.input_frame(scene, at).inverse()
        prediction = FAMILY.decode(scene, inputs, out, at)
        assert prediction.headings is not None
        found.append((out, T_given_input, T_given_input.apply(inputs["points"])))
    (one, frame, xyz), (two, other_frame, other_xyz) = found
    assert np.abs(frame.local(other_frame)).max() < 1e-4 and np.abs(xyz - other_xyz).max() < 1e-3
    for name in ("pixels", "points", "headings"):
        torch.testing.assert_close(one[name], two[name], atol=2e-3, rtol=0.0)


def test_b14_nothing_is_drawn_at_random_in_a_forward_pass(network: torch.nn.Module) -> None:
    """The published channel transformer is made anew, with random weights, in each forward pass."""
    given, copied = pair(), aged(FAMILY.network())
    copied.load_state_dict(network.state_dict())
    torch.manual_seed(1)
    one = outputs_of(network, given)
    torch.manual_seed(2)
    two, other = outputs_of(network, given), outputs_of(copied, given)
    for name, value in one.items():
        assert bool((value == two[name]).all()) and bool((value == other[name]).all())


def test_outputs_have_the_stated_shapes(network: torch.nn.Module) -> None:
    out = outputs_of(network, pair(cloud=street(5000)))
    assert {name: tuple(value.shape) for name, value in out.items()} == {
        "pixels": (1, 32, 24, 64), "points": (1, LITTLE.max_points, 32), "headings": (1, COLUMNS),
    }  # fmt: skip
    assert all(bool(value.isfinite().all()) for value in out.values())


@pytest.mark.parametrize("size", [(128, 48), (640, 480), (1242, 375), (33, 77)])
@pytest.mark.parametrize("points", [80, 5000])
def test_any_image_and_any_number_of_points(network: torch.nn.Module, size: tuple[int, int], points: int) -> None:
    given = pair(*size, cloud=street(points))
    scene, inputs = prepared(given, None, FAMILY)
    prediction = FAMILY.decode(scene, inputs, outputs_of(network, given))
    assert len(prediction.candidates) == MatchingSettings().views and prediction.headings is not None
    assert prediction.headings.shares.sum() == pytest.approx(1.0) and (prediction.headings.shares >= 0.0).all()
    for matches in prediction.candidates:
        assert (matches.pixels >= -0.5).all() and (matches.pixels < np.array(size) - 0.5 + 1e-9).all()
        near = np.abs(matches.points[:, None] - given.cloud.xyz[None]).max(2).min(1) if len(matches) else np.zeros(0)
        assert (near < 1e-3).all()


@pytest.mark.parametrize("fusion", [True, False])
@pytest.mark.parametrize("relation", [True, False])
def test_the_published_parts_can_be_left_out(fusion: bool, relation: bool) -> None:
    update = LITTLE.model_dump() | {"fusion": fusion, "relation": relation}
    if fusion and not relation:
        with pytest.raises(ValueError, match="needs the headings that relation gives"):
            RelaI2PSettings(**update)
        return
    family = RelaI2P(RelaI2PSettings(**update), MatchingSettings())
    network = family.network().eval()
    given = whole_inputs(pair(), None, family)
    with torch.inference_mode():
        out = single_pass(network, given)
    assert ("headings" in out) is relation and ("panorama" in given.inputs) is relation
    assert ("fusion" in network.dense_parts()) is fusion and ("panorama" in network.dense_parts()) is relation
    scene, inputs = prepared(pair(), None, family)
    assert (family.decode(scene, inputs, out).headings is not None) is relation


def test_without_its_parts_it_is_vp2p_in_the_cloud_s_own_frame() -> None:
    plain = RelaI2P(SIZES["unrelated"], MatchingSettings()).network()
    vp2p = VP2P(VP2P_SIZES["small"], MatchingSettings()).network()
    assert {k: v.shape for k, v in plain.state_dict().items()} == {k: v.shape for k, v in vp2p.state_dict().items()}


def test_the_image_takes_the_panorama_at_the_found_heading(network: torch.nn.Module) -> None:
    """And not elsewhere: what the panorama shows behind changes nothing where the heading is given."""
    given = whole_inputs(pair(cloud=street(5000)), None, FAMILY)
    panorama_of, ahead = given.inputs["panorama"], torch.zeros(1)
    changed = {at: panorama_of.clone() for at in (0, 180)}
    for at, value in changed.items():
        value[..., (torch.arange(-10, 10) + at) % COLUMNS] += 1.0
    with torch.inference_mode():
        image = network.encode_shared(given.shared)  # type: ignore[operator]
        one, front, back = (network._related(image, p, ahead).maps for p in (panorama_of, changed[0], changed[180]))
    assert float((one[1] - front[1]).abs().max()) > 1e-2 and bool((one[1] == back[1]).all())
    assert all(a is b for k, (a, b) in enumerate(zip(one, front, strict=True)) if k != 1)


def test_a_mirrored_pair_has_mirrored_inputs() -> None:
    """Azimuths and normals swap left and right, as if the mirrored cloud had been drawn."""
    cloud = rings()
    swapped = PointCloud(cloud.xyz * np.array([1, -1, 1], np.float32), cloud.intensity)
    np.testing.assert_allclose(mirrored_panorama(panorama(cloud, ROWS)), panorama(swapped, ROWS), atol=1e-4)
    scene, inputs = prepared(pair(), GUESS, FAMILY)
    shared, mirrored = FAMILY.mirror(scene.shared), FAMILY.mirror(inputs)
    assert set(shared) == {"image", "camera"} and set(mirrored) == set(inputs)
    assert shared["camera"][2] == pytest.approx(LITTLE.image_width - 1 - scene.shared["camera"][2])
    for back, given in ((FAMILY.mirror(shared), scene.shared), (FAMILY.mirror(mirrored), inputs)):
        for name, array in back.items():
            np.testing.assert_allclose(array, given[name], atol=1e-5)


def test_half_of_the_points_keep_the_panorama() -> None:
    _, inputs = prepared(pair(cloud=street(5000)), None, FAMILY)
    halved = FAMILY.halved(inputs)
    assert len(halved["points"]) == len(halved["features"]) == LITTLE.max_points // 2
    assert halved["panorama"].shape == inputs["panorama"].shape


def test_headings_are_not_rounded_where_the_network_runs_in_bf16(network: torch.nn.Module) -> None:
    assert isinstance(network, torch.nn.Module)
    runtime = TorchRuntime(network, "cpu", precision=torch.bfloat16)  # type: ignore[arg-type]
    assert one_pass(runtime, pair(), family=FAMILY)["headings"].dtype == torch.float32


@pytest.mark.parametrize("lacks", ["points", "contrast", "full turn"])
def test_a_pair_that_lacks_what_it_needs_is_refused_by_name(lacks: str) -> None:
    given = pair(cloud=street(20)) if lacks == "points" else pair()
    if lacks == "contrast":
        given = replace(given, image=np.zeros_like(given.image))
    if lacks == "full turn":
        given = replace(given, cloud=sector(given.cloud, 120.0))
    says = {
        "points": "20 finite points", "contrast": "equally bright",
        "full turn": "relai2p needs points of a full turn of the lidar",
    }  # fmt: skip
    with pytest.raises(InputError, match=says[lacks]):
        FAMILY.prepare(given)


def sector(cloud: PointCloud, degrees: float) -> PointCloud:
    """What a lidar sees ahead of it."""
    ahead = np.abs(np.arctan2(cloud.xyz[:, 1], cloud.xyz[:, 0])) < np.radians(degrees / 2.0)
    return cloud.selected(ahead)


@pytest.mark.parametrize("degrees", [40.0, 70.0, 120.0])
def test_a_sector_is_no_full_turn(degrees: float) -> None:
    stray = np.array([[-10.0, 0.0, 0.0], [0.0, -9.0, 1.0], [0.0, 9.0, 1.0]], np.float32)  # as of rain
    xyz = np.concatenate([sector(street(20000), degrees).xyz, stray])
    assert not is_full_turn(xyz) and not is_full_turn(xyz @ Pose.from_rotvec([0, 0, 2.5]).rotation.T.astype(np.float32))


@pytest.mark.parametrize("shift", [(0.0, 0.0), (10.0, -10.0), (4e5, 5e6)])
def test_a_full_turn_is_one_in_any_frame(shift: tuple[float, float]) -> None:
    xyz = street(20000).xyz + np.array([*shift, 0.0], np.float32)
    assert is_full_turn(xyz) and is_full_turn(sector(street(20000), 200.0).xyz)
    assert is_full_turn(np.zeros((0, 3), np.float32)) and is_full_turn(np.full((3, 3), np.nan, np.float32))


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (10.0, -10.0, 1.0), (4e5, 5e6, 30.0)])
def test_the_place_of_a_lidar_is_where_it_stood_in_any_frame(shift: tuple[float, float, float]) -> None:
    turn = Pose.from_rotvec([0.0, 0.0, 2.5], shift)
    ranges, angles, heights = np.random.default_rng(0).uniform([2, -np.pi, 0], [40, np.pi, 2], (20000, 3)).T
    xyz = np.stack([ranges * np.cos(angles), ranges * np.sin(angles), np.where(ranges < 20.0, 0.0, heights)], axis=1)
    found = lidar_place(turn.apply(xyz).astype(np.float32))
    assert found is not None
    assert np.abs(found - shift - [0.0, 0.0, 1.65]).max() < 0.5  # the ground is at 0


def test_a_cloud_all_on_one_side_or_of_a_map_has_no_place_of_a_lidar() -> None:
    wall = np.random.default_rng(0).uniform([10.0, -0.1, -1.0], [40.0, 0.1, 2.0], (5000, 3)).astype(np.float32)
    assert lidar_place(wall) is None
    of_map = np.random.default_rng(0).uniform([-60.0, -60.0, 0.0], [60.0, 60.0, 4.0], (20000, 3)).astype(np.float32)
    assert lidar_place(of_map) is None and is_full_turn(of_map)
    assert (
        lidar_place(np.zeros((0, 3), np.float32)) is None and lidar_place(np.full((3, 3), np.nan, np.float32)) is None
    )


def test_a_guess_has_the_frame_of_its_camera() -> None:
    scene = FAMILY.prepare(pair())
    assert np.abs(FAMILY.input_frame(scene, GUESS).local(input_frame(GUESS))).max() < 1e-12


def test_tokens_are_unit_vectors_and_logits_of_all_headings() -> None:
    torch.manual_seed(0)
    relation = Relation(8, 8, 16)
    logits, image, around = relation(torch.randn(1, 8, 6, 16), world(90, 6), CAMERA, SIZE)
    assert logits.shape == (1, COLUMNS) and image.shape == (1, 16, 6, 16) and around.shape == (1, 16, 6, 90)
    torch.testing.assert_close(image.norm(dim=1), torch.ones(1, 6, 16))
    torch.testing.assert_close(around.norm(dim=1), torch.ones(1, 6, 90))
