# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ICL++: shapes, supports, poses from soft matches, and answers that turn with the given cloud.

Tests with a `b` and a number are of faults of published codes, which this network must not have.
"""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.icl import FAMILY, LITTLE
from helpers.networks import GUESS, aged, one_pass, pair, prepared, street, whole_inputs
from torch import Tensor

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import MatchingSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose, to_camera_axes
from i2p_ros.core.types import Pair
from i2p_ros.families.branches.own_frame import own_frame
from i2p_ros.families.icl import ICL
from i2p_ros.families.icl.decode import LEAST_IN_VIEW, LEAST_MATCHES, decoded, mean_similarity
from i2p_ros.families.icl.network import VIEW_MARGIN, ICLNetwork, in_frustum
from i2p_ros.families.icl.settings import SIZES, ICLSettings
from i2p_ros.networks.base import Tensors, single_pass
from i2p_ros.networks.blocks.queries import MASKED, Keypoints, support
from i2p_ros.networks.cylinder import heading_votes
from i2p_ros.networks.geometry import match_weights, pixel_centres
from i2p_ros.runtime.torch_runtime import TorchRuntime

CAMERA = Camera(180.0, 180.0, 150.0, 60.0, 300, 120)
NOWHERE = np.zeros((1, 3), np.float32)  # a cloud whose descriptors do not matter


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return aged(FAMILY.network())


def turned(given: Pair, yaw: float, shift: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> tuple[Pair, Pose]:
    """The pair with its cloud turned about the vertical axis and moved, and T_turned_given."""
    turn = Pose.from_rotvec([0.0, 0.0, yaw], shift)
    return replace(given, cloud=given.cloud.transformed(turn)), turn


def outputs_of(network: torch.nn.Module, given: Pair, guess: Pose | None = None) -> Tensors:
    with torch.inference_mode():
        return single_pass(network, whole_inputs(given, guess, FAMILY))


@pytest.mark.parametrize("yaw", np.random.default_rng(0).uniform(-np.pi, np.pi, 8))
def test_the_own_frame_of_a_cloud_turns_with_it(yaw: float) -> None:
    given = pair(cloud=street(5000))
    other, turn = turned(given, yaw, (30.0, -20.0, 2.0))
    apart = (own_frame(other.cloud.xyz) @ turn).local(own_frame(given.cloud.xyz))
    assert np.abs(apart).max() < 1e-4


def test_the_own_frame_has_the_longest_axis_forward_and_the_median_at_the_origin() -> None:
    rng = np.random.default_rng(0)
    road = np.abs(rng.normal(size=(4000, 1))) * [40.0, 0.0, 0.0] + rng.normal(size=(4000, 3)) * [1.0, 3.0, 1.0]
    far = np.array([[1e5, -1e5, 0.0]])  # one wrong point
    xyz = Pose.from_rotvec([0.0, 0.0, 2.0], [5.0, 6.0, 7.0]).apply(np.concatenate([road, far]))
    own = own_frame(xyz.astype(np.float32)).apply(xyz[:-1])
    assert np.abs(np.median(own, axis=0)).max() < 1.0 and own[:, 0].mean() > 3.0
    assert own[:, 0].std() > 4.0 * own[:, 1].std()


@pytest.mark.parametrize("guess", [None, GUESS])
@pytest.mark.parametrize("yaw", np.random.default_rng(1).uniform(-np.pi, np.pi, 4))
def test_the_answer_turns_with_the_given_cloud(network: torch.nn.Module, guess: Pose | None, yaw: float) -> None:
    """No alignment leaks: matches and regressed poses are the same in the cloud, whatever its yaw."""
    given = pair(cloud=street(5000))
    other, turn = turned(given, yaw)
    of_given, of_other = (
        (outputs_of(network, each, at), FAMILY.input_frame(FAMILY.prepare(each), at))
        for each, at in ((given, guess), (other, guess @ turn.inverse() if guess else None))
    )
    for (out, frame), back in ((of_given, Pose.identity()), (of_other, turn.inverse())):
        out["match_points"] = torch.from_numpy(
            (back @ frame.inverse()).apply(out["match_points"].numpy().reshape(-1, 3))
        )
        out["pose"] = Pose.from_matrix(out["poses"][0, -1].numpy().astype(float)) @ frame @ back.inverse()
    (one, _), (two, _) = of_given, of_other
    assert float((one["match_points"] - two["match_points"]).abs().max()) < 1e-3
    assert float((one["match_pixels"] - two["match_pixels"]).abs().max()) < 1e-2
    assert float((one["headings"] - two["headings"]).abs().max()) < 1e-2
    centre, other_centre = (out["pose"].inverse().translation for out in (one, two))
    angle = np.degrees(np.linalg.norm((one["pose"] @ two["pose"].inverse()).log()[3:]))
    assert np.linalg.norm(centre - other_centre) < 1e-3 and angle < 0.01


def test_outputs_have_the_stated_shapes(network: torch.nn.Module) -> None:
    out, s = outputs_of(network, pair(cloud=street(5000))), LITTLE
    scales, queries = len(s.scales), s.queries
    height, width = out["pixels"].shape[2:]
    assert {name: tuple(value.shape) for name, value in out.items()} == {
        "overlap": (1, s.max_points), "headings": (1, 360), "poses": (1, scales + 1, 3, 4),
        "match_pixels": (1, scales, queries, 2), "match_points": (1, scales, queries, 3),
        "valid": (1, scales, queries), "weights": (1, queries, 2),
        "pixels": (1, s.descriptor, height, width), "points": (1, s.max_points, s.descriptor),
    }  # fmt: skip
    assert all(bool(value.isfinite().all()) for value in out.values())
    rotation = out["poses"][..., :3]
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3).expand_as(rotation), atol=1e-5, rtol=0.0)
    assert bool((torch.linalg.det(rotation) > 0.0).all())


@pytest.mark.parametrize("size", [(128, 48), (640, 480), (1242, 375), (33, 77)])
@pytest.mark.parametrize("points", [80, 5000])
def test_any_image_and_any_number_of_points(
    network: torch.nn.Module, size: tuple[int, int], points: int
) -> None:  # fmt: skip
    given = pair(*size, cloud=street(points))
    scene, inputs = prepared(given, None, FAMILY)
    prediction = FAMILY.decode(scene, inputs, outputs_of(network, given))
    (matches,) = prediction.candidates
    assert len(matches) <= LITTLE.queries and prediction.similarity is None
    assert (matches.pixels >= -0.5).all() and (matches.pixels < np.array(size) - 0.5 + 1e-9).all()
    assert prediction.pose is None or np.linalg.eigvalsh(prediction.pose.covariance).min() > 0.0


def test_places_are_not_rounded_where_the_network_runs_in_bf16(network: torch.nn.Module) -> None:
    """Eight bits of a place at 100 m are half a metre."""
    assert isinstance(network, ICLNetwork)
    runtime = TorchRuntime(network, "cpu", precision=torch.bfloat16)
    out = one_pass(runtime, pair(), family=FAMILY)
    assert {name for name, value in out.items() if value.dtype != torch.float32} == {"pixels", "points"}  # descriptors


def test_the_single_scale_is_the_same_family() -> None:
    """ICLI2P is ICL++ with one scale."""
    single = ICL(
        ICLSettings(**(LITTLE.model_dump() | {"scales": [LITTLE.scales[-1].model_dump()]})), MatchingSettings()
    )
    out = single_pass(single.network().eval(), whole_inputs(pair(cloud=street(5000)), None, single))
    assert out["match_pixels"].shape[1] == 1 and out["poses"].shape[1] == 2
    assert len(SIZES["single"].scales) == 1 and len(SIZES["small"].scales) == 3


@pytest.mark.parametrize("scales", [[], [{"stride": 0, "points": 10}], [{"stride": 1, "points": 0}], [{"points": 9}]])
def test_scales_without_tokens_are_refused(scales: list[dict[str, int]]) -> None:
    with pytest.raises(ValueError, match="scales"):
        ICLSettings(**(LITTLE.model_dump() | {"scales": scales}))


@pytest.mark.parametrize("lacks", ["points", "contrast"])
def test_a_pair_that_lacks_what_it_needs_is_refused_by_name(lacks: str) -> None:
    given = pair(cloud=street(20)) if lacks == "points" else replace(pair(), image=np.zeros_like(pair().image))
    with pytest.raises(InputError, match={"points": "20 finite points", "contrast": "equally bright"}[lacks]):
        FAMILY.prepare(given)


def test_b9_the_pose_is_composed_of_all_residuals(network: torch.nn.Module) -> None:
    """The published code states the last residual, of yaw alone. Here each scale adds to the pose before it."""
    known = copy.deepcopy(network)
    for k, head in enumerate(known.residuals):
        torch.nn.init.zeros_(head.rotation[-1].weight)
        torch.nn.init.zeros_(head.translation[-1].weight)
        turn = Pose.from_rotvec([0.1 * (k + 1), -0.2, 0.3]).rotation
        head.rotation[-1].bias.data = torch.from_numpy(turn[:, :2].T.copy()).float().flatten()
        head.translation[-1].bias.data = torch.tensor([1.0, 2.0, 3.0 + k])
    poses = [Pose.from_matrix(T.astype(float)) for T in outputs_of(known, pair())["poses"][0].numpy()]
    expected = poses[0]
    for k, pose in enumerate(poses[1:]):
        residual = Pose.from_rotvec([0.1 * (k + 1), -0.2, 0.3], [1.0, 2.0, 3.0 + k])
        expected = residual @ expected
        assert np.abs(expected.local(pose)).max() < 1e-4


def test_b11_points_behind_the_camera_are_not_in_view(network: torch.nn.Module) -> None:
    """Where depths are clamped rather than tested, a point behind the camera on its axis has a pixel in the image."""
    camera = torch.tensor([[90.0, 90.0, 63.5, 23.5]])
    image = network.encode_shared({"image": torch.randn(1, 5, 48, 128), "camera": camera})
    edge = 64.0 / 90.0  # tangent
    aside = 5.0 * np.tan(np.arctan(edge) + VIEW_MARGIN + np.array([-0.01, 0.01]))
    points = [[0.0, 0.0, 5.0], [0.0, 0.0, -5.0], [0.0, 0.0, 0.05], *([s * x, 0.0, 5.0] for x in aside for s in (1, -1))]
    found = in_frustum(torch.tensor(points, dtype=torch.float32)[None], torch.eye(3, 4)[None], image)
    assert found[0].tolist() == [True, False, False, True, True, False, False]


def test_b12_a_query_without_support_does_not_count(network: torch.nn.Module) -> None:
    """Its logits are all masked, so it attends to everything alike: no match may come of that, and nothing moves."""
    narrow = [*LITTLE.scales[:-1], LITTLE.scales[-1].model_copy(update={"point_radius_m": float("nan")})]
    blind = copy.deepcopy(network)
    blind.settings = LITTLE.model_copy(update={"scales": narrow})
    out = outputs_of(blind, pair(cloud=street(5000)))
    assert not out["valid"][0, -1].any() and not out["weights"].any()
    torch.testing.assert_close(out["match_points"][0, -1], out["match_points"][0, -2])
    torch.testing.assert_close(out["match_pixels"][0, -1], out["match_pixels"][0, -2])
    scene, inputs = prepared(pair(cloud=street(5000)), None, FAMILY)
    assert FAMILY.decode(scene, inputs, out).pose is None


def test_b12_detection_of_nothing_gives_no_match() -> None:
    mask, has = support(torch.tensor([[[True, False], [False, False]]]))
    assert has.tolist() == [[True, False]] and mask[0, 0].tolist() == [0.0, MASKED]
    keypoints = Keypoints.of(mask, torch.tensor([[[1.0], [5.0]]]))
    assert keypoints.mean[0, 0, 0] == 1.0 and bool(keypoints.mean.isfinite().all())


def exact(camera: Camera, n: int = 40, noise: float = 0.0, seed: int = 0) -> tuple[Tensors, Camera, Pose]:
    """Outputs whose last matches are exact but for noise in px of the network's image, its camera, T_camera_input."""
    rng, small = np.random.default_rng(seed), FAMILY.input_camera(camera)
    pixels = rng.uniform([0, 0], [small.width - 1, small.height - 1], (n, 2))
    depth = rng.uniform(4.0, 30.0, (n, 1))
    truth = Pose.from_rotvec(rng.normal(size=3), rng.normal(size=3) * 3.0)
    points = truth.inverse().apply(np.concatenate([small.unproject(pixels), np.ones((n, 1))], axis=1) * depth)
    start = Pose.from_rotvec(0.05 * rng.normal(size=3), rng.normal(size=3) * 0.5) @ truth
    outputs = {
        "match_pixels": pixels + noise * rng.normal(size=(n, 2)), "match_points": points, "valid": np.ones(n),
        "poses": start.matrix[:3],
    }  # fmt: skip
    made = {name: torch.from_numpy(np.asarray(value))[None, None] for name, value in outputs.items()}
    made["weights"] = torch.full((1, n, 2), 1.0 / (noise or 1.0), dtype=torch.float64)
    made["points"], made["pixels"] = torch.zeros(1, 1, 4), torch.zeros(1, 4, small.height // 2, small.width // 2)
    return made, small, truth


def test_b15_exact_matches_give_the_exact_pose_and_the_original_pixels() -> None:
    """Pixels are scaled about their centres, at (0.5, 0.5) of the first one; without that the pose is off."""
    camera = Camera(400.0, 390.0, 333.0, 101.0, 640, 200, distortion=(-0.1, 0.02, 0.0, 0.0))
    outputs, small, truth = exact(camera)
    T_input_lidar = Pose.from_rotvec([0.0, 0.0, 1.0], [4.0, 5.0, 6.0])
    prediction = decoded(NOWHERE, outputs, T_input_lidar, camera, small)
    assert prediction.pose is not None
    assert np.abs((truth @ T_input_lidar).local(prediction.pose.pose)).max() < 0.1
    (matches,) = prediction.candidates
    projected, _ = camera.project((truth @ T_input_lidar).apply(matches.points))
    np.testing.assert_allclose(matches.pixels, projected, atol=1e-3)


def test_b15_keypoints_are_at_the_centres_of_pixels() -> None:
    places = pixel_centres(torch.zeros(1, 1, 12, 32), (48, 128))
    assert places[0].tolist() == [1.5, 1.5] and places[-1].tolist() == [125.5, 45.5]


def test_b15_too_few_matches_give_no_pose() -> None:
    outputs, small, _ = exact(CAMERA, LEAST_MATCHES + 1)
    assert decoded(NOWHERE, outputs, Pose.identity(), CAMERA, small).pose is not None
    outputs["valid"][..., :2] = 0.0
    assert decoded(NOWHERE, outputs, Pose.identity(), CAMERA, small).pose is None


def test_the_covariance_is_that_of_the_errors() -> None:
    """The mean squared Mahalanobis distance of six-dimensional errors is 6, over 60 problems with noise of 0.5 px."""
    nees = []
    for seed in range(60):
        outputs, small, truth = exact(CAMERA, 64, 0.5, seed)
        found = decoded(NOWHERE, outputs, Pose.identity(), CAMERA, small).pose
        assert found is not None
        error = (found.pose @ truth.inverse()).log()
        nees.append(error @ np.linalg.solve(to_camera_axes(found.pose, found.covariance), error))
    assert 4.5 < np.mean(nees) < 8.0


def test_weights_are_the_inverse_deviations_of_projections() -> None:
    """By sampling: a point of a Gaussian about its keypoint, projected, has the deviation that its weight says."""
    rng = np.random.default_rng(0)
    root, T = 0.1 * rng.normal(size=(3, 3)), Pose.from_rotvec([0.2, -0.3, 0.1], [0.5, 0.2, 1.0])
    mean = T.inverse().apply([[1.0, -0.5, 9.0]])[0]
    cloud = mean + rng.normal(size=(200_000, 3)) @ root.T
    expected = CAMERA.project(T.apply(cloud))[0].std(axis=0)
    spread, none = _t(root @ root.T)[None, None], torch.zeros(1, 1, 2, 2)
    camera, pose = _t([CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy])[None], _t(T.matrix[:3])[None]
    noise = torch.tensor([0.0, 0.0, -30.0])
    weights = match_weights(none, _t(mean)[None, None], spread, pose, camera, noise)
    np.testing.assert_allclose(1.0 / weights[0, 0].numpy(), expected, rtol=0.02)


def test_a_wider_heat_map_weighs_less() -> None:
    spread = torch.eye(2)[None, None] * torch.tensor([0.0, 4.0, 100.0]).view(1, 3, 1, 1)
    points, sharp = torch.tensor([0.0, 0.0, 9.0]).expand(1, 3, 3), torch.zeros(1, 3, 3, 3)
    camera, pose = torch.tensor([[180.0, 180.0, 150.0, 60.0]]), torch.eye(3, 4)[None]
    weights = match_weights(spread, points, sharp, pose, camera, torch.zeros(3))
    np.testing.assert_allclose(weights[0, :, 0].numpy(), [1.0, 5.0**-0.5, 101.0**-0.5], rtol=1e-5)


def test_support_is_the_mean_similarity_of_the_points_in_view() -> None:
    """Points with the descriptors of the pixels that show them have a support of 1 at the right pose, else less. Their
    most similar pixels are the same there."""
    rng, camera = np.random.default_rng(0), Camera(32.0, 32.0, 31.5, 15.5, 64, 32)
    pixels = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(1, 16, 32, 64))), dim=1)
    cells = rng.integers([0, 0], [64, 32], (200, 2))
    depth = rng.uniform(5.0, 30.0, (200, 1))
    seen = np.concatenate([camera.unproject(cells.astype(float)), np.ones((200, 1))], axis=1) * depth
    truth = Pose.from_rotvec([0.1, 2.0, 0.3], [1.0, 2.0, 3.0])
    behind = -seen
    xyz = truth.inverse().apply(np.concatenate([seen, behind])).astype(np.float32)
    of_seen = pixels[0][:, cells[:, 1], cells[:, 0]].T
    outputs = {"pixels": pixels, "points": torch.cat([of_seen, -of_seen])[None]}
    assert mean_similarity(xyz, outputs, truth, camera) == pytest.approx((1.0, 1.0), abs=1e-6)
    turned = Pose.from_rotvec([0.0, 0.2, 0.0]) @ truth
    support, best = mean_similarity(xyz, outputs, turned, camera)
    assert abs(support) < 0.2 and best > 0.9
    assert mean_similarity(xyz[: LEAST_IN_VIEW - 1], outputs, truth, camera) == (0.0, 0.0)


def test_the_likeliest_place_is_one_of_the_tokens() -> None:
    """Supports are about it. The mean of a heat map with two summits may be far from both."""
    places = torch.tensor([[[0.0, 0.0], [10.0, 0.0], [0.0, 4.0]]])
    keypoints = Keypoints.of(torch.tensor([[[2.0, 1.9, -9.0]]]), places)
    assert keypoints.mode[0, 0].tolist() == [0.0, 0.0] and 4.0 < float(keypoints.mean[0, 0, 0]) < 5.0


@pytest.mark.parametrize("heading", [0.0, 1.0, 3.1, -2.2])
def test_points_vote_for_the_heading_of_the_camera(heading: float) -> None:
    """Each point with the bearing at which the camera sees it; votes for nothing do not change the summit."""
    rng = np.random.default_rng(0)
    bearings = np.linspace(0.6, -0.6, 25)
    azimuths, column = rng.uniform(-np.pi, np.pi, 400), rng.integers(0, 25, 400)
    right = np.arange(400) < 120
    azimuths[right] = heading + bearings[column[right]]
    shares = np.eye(25)[column]
    votes = heading_votes(_t(azimuths)[None], _t(shares)[None], _t(bearings)[None], np.radians(5.0))
    off = (np.radians(float(votes[0].argmax())) - heading + np.pi) % (2.0 * np.pi) - np.pi
    assert abs(off) < np.radians(2.0)
    assert float(votes.max()) > 2.0 * float(votes.median())


def test_the_spread_is_that_of_the_heat_map() -> None:
    logits = torch.tensor([[[0.0, np.log(3.0), -50.0]]])
    keypoints = Keypoints.of(logits, torch.tensor([[[0.0, 100.0], [4.0, 100.0], [1e3, -1e3]]]))
    np.testing.assert_allclose(keypoints.mean[0, 0].numpy(), [3.0, 100.0], atol=1e-4)
    np.testing.assert_allclose(keypoints.covariance[0, 0].numpy(), [[3.0, 0.0], [0.0, 0.0]], atol=1e-2)


def _t(values: object) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))
