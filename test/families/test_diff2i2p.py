# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Diff2I2P: patches, matches from coarse to fine, tuned points, and answers that turn with the given cloud.

Tests with a `b` and a number are of faults of published codes, which this network must not have.
"""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.diff2i2p import FAMILY, LITTLE
from helpers.networks import GUESS, aged, one_pass, pair, prepared, street, whole_inputs

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.families.diff2i2p.decode import tuned_matches
from i2p_ros.families.diff2i2p.network import Diff2I2PNetwork
from i2p_ros.families.diff2i2p.settings import Diff2I2PSettings
from i2p_ros.networks.base import PassInputs, Tensors, single_pass
from i2p_ros.networks.geometry import pixel_centres
from i2p_ros.networks.patches import (
    ImagePatches,
    PatchLimits,
    PatchPairs,
    PointPatches,
    coarse_pairs,
    fine_matches,
    peaks_near,
)
from i2p_ros.runtime.torch_runtime import TorchRuntime
from i2p_ros.synthetic.room_pairs import RoomSource


@pytest.fixture(scope="module")
def network() -> Diff2I2PNetwork:
    """One whose points are tuned: the layer of offsets is 0 at first."""
    torch.manual_seed(0)
    made = aged(FAMILY.network())
    torch.nn.init.normal_(made.tuning[-1].weight, 0.0, 0.5)
    return made


def outputs_of(network: Diff2I2PNetwork, guess: Pose | None = None, turn: Pose | None = None) -> tuple[Tensors, Pose]:
    """All outputs, and T_input_given of the points; the given cloud is turned."""
    turn = turn or Pose.identity()
    given = pair(cloud=street(5000).transformed(turn))
    at = guess @ turn.inverse() if guess else None
    inputs = whole_inputs(given, at, FAMILY)
    with torch.inference_mode():
        out = network(**inputs.shared, **inputs.inputs)
    return out, FAMILY.input_frame(FAMILY.prepare(given), at)


@pytest.mark.parametrize("guess", [None, GUESS])
@pytest.mark.parametrize("yaw", np.random.default_rng(1).uniform(-np.pi, np.pi, 4))
def test_the_matches_turn_with_the_given_cloud(network: Diff2I2PNetwork, guess: Pose | None, yaw: float) -> None:
    """No alignment leaks: matches are the same in the cloud, whatever its yaw."""
    turn = Pose.from_rotvec([0.0, 0.0, yaw])
    (one, of_one), (other, of_other) = outputs_of(network, guess), outputs_of(network, guess, turn)
    points = of_one.inverse().apply(one["points"][0].double().numpy())
    back = (of_other @ turn).inverse().apply(other["points"][0].double().numpy())
    assert np.abs(points - back).max() < 1e-3
    assert float((one["pixels"] - other["pixels"]).abs().max()) < 1e-2
    assert float((one["weights"] - other["weights"]).abs().max()) < 1e-3


def test_outputs_have_the_stated_shapes(network: Diff2I2PNetwork) -> None:
    out, matches = single_pass(network, whole_inputs(pair(), None, FAMILY)), LITTLE.limits.most_matches
    h, w = out["fine_pixels"].shape[2:]
    assert {name: tuple(x.shape) for name, x in out.items()} == {
        "pixels": (1, matches, 2), "points": (1, matches, 3), "weights": (1, matches),
        "fine_pixels": (1, LITTLE.descriptor, h, w), "fine_points": (1, LITTLE.max_points, LITTLE.descriptor),
    }  # fmt: skip
    assert all(bool(x.isfinite().all()) for x in out.values())
    assert float(out["weights"].min()) >= 0.0 and float(out["weights"].max()) <= 1.0


@pytest.mark.parametrize("size", [(128, 48), (640, 480), (1242, 375), (33, 77)])
@pytest.mark.parametrize("points", [80, 5000])
def test_any_image_and_any_number_of_points(network: Diff2I2PNetwork, size: tuple[int, int], points: int) -> None:
    given = pair(*size, cloud=street(points))
    scene, inputs = prepared(given, None, FAMILY)
    with torch.inference_mode():
        prediction = FAMILY.decode(scene, inputs, single_pass(network, whole_inputs(given, None, FAMILY)))
    assert prediction.similarity is not None and prediction.pose is None and len(prediction.candidates) == 2
    assert len(prediction.candidates[0])  # tuned ones; of those of all pixels and points there may be none
    for matches in prediction.candidates:
        assert (matches.pixels >= -0.5).all() and (matches.pixels < np.array(size) - 0.5 + 1e-6).all()


def test_places_are_not_rounded_where_the_network_runs_in_bf16(network: Diff2I2PNetwork) -> None:
    runtime = TorchRuntime(network, "cpu", precision=torch.bfloat16)
    assert all(x.dtype == torch.float32 for x in one_pass(runtime, pair(), family=FAMILY).values())


def test_offsets_are_bounded(network: Diff2I2PNetwork) -> None:
    wild = copy.deepcopy(network)
    torch.nn.init.constant_(wild.tuning[-1].bias, 1e3)
    out, _ = outputs_of(wild)
    assert float((out["points"] - out["untuned"]).abs().max()) <= LITTLE.tuning_m + 1e-5


def test_a_new_network_leaves_points_as_they_are() -> None:
    out, _ = outputs_of(FAMILY.network().eval())
    assert bool((out["points"] == out["untuned"]).all())


def test_b6_the_given_points_are_never_moved(network: Diff2I2PNetwork) -> None:
    """In the published code tuned points are written into the cloud that metrics are computed from."""
    inputs = whole_inputs(pair(), None, FAMILY)
    before = inputs.inputs["points"].clone()
    with torch.inference_mode():
        out = network(**inputs.shared, **inputs.inputs)
    assert bool((inputs.inputs["points"] == before).all())
    assert bool((out["points"] != out["untuned"]).any())
    distance = torch.cdist(out["untuned"][0].double(), before[0].double(), compute_mode="donot_use_mm_for_euclid_dist")
    assert float(distance.amin(1).max()) == 0.0


def test_b7_the_network_takes_no_depth_of_the_image() -> None:
    """Five channels: three colours and the viewing direction of each pixel, which follows from the camera alone."""
    scene, inputs = prepared(pair(), None, FAMILY)
    assert set(scene.shared) == {"image", "camera"} and set(inputs) == {"points", "features", "normals"}
    image, camera = scene.shared["image"], scene.shared["camera"]
    assert image.shape[0] == 5
    x = (np.arange(image.shape[2]) - camera[2]) / camera[0]
    np.testing.assert_allclose(image[3], np.broadcast_to(x, image.shape[1:]), atol=1e-5)


def test_b15_exact_matches_have_their_exact_original_pixels() -> None:
    """Pixels are scaled about the corner of the image, since they count from the centre of the first one."""
    camera = Camera(400.0, 390.0, 333.0, 101.0, 640, 200, distortion=(-0.1, 0.02, 0.0, 0.0))
    small, rng = FAMILY.input_camera(camera), np.random.default_rng(0)
    pixels = rng.uniform([0, 0], [small.width - 1, small.height - 1], (40, 2))
    T, T_input_lidar = Pose.from_rotvec(rng.normal(size=3)), Pose.from_rotvec([0.0, 0.0, 1.0], [4.0, 5.0, 6.0])
    rays = np.concatenate([small.unproject(pixels), np.ones((40, 1))], axis=1)
    points = T.inverse().apply(rays * rng.uniform(4.0, 30.0, (40, 1)))
    weights = np.where(np.arange(40) < 30, 0.9, 0.0)
    out = {
        name: torch.from_numpy(x)[None] for name, x in (("pixels", pixels), ("points", points), ("weights", weights))
    }
    matches = tuned_matches(out, T_input_lidar, camera, small)
    assert len(matches) == 30
    np.testing.assert_allclose(matches.pixels, camera.project((T @ T_input_lidar).apply(matches.points))[0], atol=1e-3)


@pytest.mark.parametrize("size", [(24, 64), (20, 36), (64, 80)])
def test_every_pixel_is_in_one_patch_of_the_first_level(size: tuple[int, int]) -> None:
    patches = ImagePatches.of(torch.zeros(1, 8, *size))
    first = patches.sizes[0][0] * patches.sizes[0][1]
    pixels = patches.pixels[:first][patches.inside[:first]]
    assert sorted(pixels.tolist()) == list(range(size[0] * size[1]))
    assert sum(h * w for h, w in patches.sizes) == len(patches.pixels)


def test_every_point_belongs_to_its_nearest_node() -> None:
    points = torch.rand(2, 200, 3, generator=torch.Generator().manual_seed(0))
    patches = PointPatches.of(points, 20, 64)
    nearest = torch.cdist(points, points[:, :20]).argmin(2)
    assert bool((patches.node == nearest).all())
    for b in range(2):
        listed = [patches.points[b, m][patches.inside[b, m]].tolist() for m in range(20)]
        assert sorted(i for of in listed for i in of) == list(range(200))
        assert all(int(nearest[b, i]) == m for m, of in enumerate(listed) for i in of)


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_pairs_of_patches_are_mutual_and_near() -> None:
    """Those that are alike come first; a patch with too few points is in no pair."""
    cloud = unit(1, 12, 16)
    image = torch.cat([cloud[:, :8], unit(1, 20, 16, seed=1)], 1)
    points = torch.rand(1, 400, 3, generator=torch.Generator().manual_seed(0))
    patches = PointPatches.of(points, 12, 64)
    patches.inside[0, 3] = False
    limits = PatchLimits(coarse_neighbours=1, coarse_distance=0.3, fewest_pairs=0, most_pairs=30)
    pairs = coarse_pairs(image, cloud, patches, limits)
    kept = {(int(i), int(m)) for i, m, v in zip(pairs.image[0], pairs.cloud[0], pairs.valid[0], strict=True) if v}
    assert kept == {(k, k) for k in range(8) if k != 3}
    floored = coarse_pairs(image, cloud, patches, limits.model_copy(update={"fewest_pairs": 10}))
    assert int(floored.valid.sum()) == 10 and 3 not in floored.cloud[floored.valid].tolist()


def test_matches_are_mutual_and_each_is_taken_once() -> None:
    """A pixel and its point are in patches of three levels, and thus in three pairs."""
    fine = unit(1, 64 * 80, 16)
    rows = torch.tensor([70, 75, 90, 500, 505, 1000, 1003, 2000])
    points = torch.cat([fine[:, rows], unit(1, 40, 16, seed=3)], 1)
    of_image = ImagePatches.of(torch.zeros(1, 16, 64, 80))
    of_cloud = PointPatches(
        torch.arange(48).view(1, 6, 8), torch.ones(1, 6, 8, dtype=torch.bool), torch.arange(48)[None] // 8
    )
    image = torch.arange(len(of_image.pixels)).repeat_interleave(6)[None]
    cloud = torch.arange(6).repeat(len(of_image.pixels))[None]
    pairs = PatchPairs(image, cloud, torch.ones_like(image, dtype=torch.bool))
    found = fine_matches(fine, points, pairs, of_image, of_cloud, PatchLimits(fine_similarity=0.99, fewest_matches=0))
    kept = [(int(p), int(i)) for p, i, v in zip(found.pixel[0], found.point[0], found.valid[0], strict=True) if v]
    assert sorted(kept) == sorted(zip(rows.tolist(), range(8), strict=True))


def test_b15_the_peak_is_between_pixels_and_at_their_centres() -> None:
    centres = pixel_centres(torch.zeros(1, 1, 4, 6), (8, 12))
    pixels = torch.zeros(1, 24, 2)
    pixels[0, :, 1] = 1.0
    pixels[0, 8], pixels[0, 9] = torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0])  # row 1, columns 2 and 3
    at = peaks_near(pixels, torch.tensor([[[1.0, 0.0]]]), torch.tensor([[8]]), centres, 6)
    np.testing.assert_allclose(at[0, 0].numpy(), [5.5, 2.5], atol=1e-4)


@pytest.mark.parametrize("lacks", ["points", "contrast"])
def test_a_pair_that_lacks_what_it_needs_is_refused_by_name(lacks: str) -> None:
    given = pair(cloud=street(20)) if lacks == "points" else replace(pair(), image=np.zeros_like(pair().image))
    with pytest.raises(InputError, match={"points": "20 finite points", "contrast": "equally bright"}[lacks]):
        FAMILY.prepare(given)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="three levels"):
        Diff2I2PSettings(**(LITTLE.model_dump() | {"image_decoder": [24, 24]}))
    with pytest.raises(ValueError, match="at most max_points"):
        Diff2I2PSettings(**(LITTLE.model_dump() | {"nodes": 10_000}))


def test_the_mirrored_pass_has_a_mirrored_camera_and_its_similarities_are_averaged(network: Diff2I2PNetwork) -> None:
    scene, inputs = prepared(pair(), GUESS, FAMILY)
    mirrored = FAMILY.mirror(scene.shared)
    x = (np.arange(mirrored["image"].shape[2]) - mirrored["camera"][2]) / mirrored["camera"][0]
    np.testing.assert_allclose(mirrored["image"][3], np.broadcast_to(x, mirrored["image"].shape[1:]), atol=1e-5)
    turned = FAMILY.mirror(inputs)
    np.testing.assert_array_equal(turned["points"], inputs["points"] * np.float32([1, -1, 1]))
    for arrays, given in ((scene.shared, mirrored), (inputs, turned)):
        twice = FAMILY.mirror(given)
        for name, array in twice.items():
            np.testing.assert_allclose(array, arrays[name], atol=1e-4)
    one, other = (
        single_pass(network, PassInputs.of(shared, of_pass))
        for shared, of_pass in ((scene.shared, inputs), (mirrored, turned))
    )
    both = FAMILY.merge(one, other)
    mean = 0.5 * (similarities(one) + similarities({**other, "fine_pixels": other["fine_pixels"].flip(-1)}))
    torch.testing.assert_close(similarities(both), mean, atol=1e-5, rtol=0)
    assert bool((both["points"] == one["points"]).all())


def similarities(outputs: Tensors) -> torch.Tensor:
    return outputs["fine_points"][0] @ outputs["fine_pixels"][0].flatten(1)


@pytest.mark.slow
def test_a_fragment_is_seen_from_about_where_it_was_measured() -> None:
    """In 7 of 8 rooms the camera is within 1.7 m of the guess, and it looks the same way within 60 deg."""
    near = list[bool]()
    for sample in (RoomSource(5, 16)[index] for index in range(16)):
        scene = FAMILY.prepare(sample.pair)
        assert sample.T_camera_lidar is not None
        camera = scene.T_own_lidar @ sample.T_camera_lidar.inverse()
        forward = camera.rotation[:, 2]
        near.append(bool(np.linalg.norm(camera.translation) < 1.7 and abs(np.arctan2(forward[1], forward[0])) < 1.05))
    assert sum(near) >= 14
