# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Synthetic rooms: the truth of poses and depths, the depth camera's noise and holes, and the layout of 7-Scenes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.cli import run

from i2p_ros.core.config import Settings, SyntheticSettings
from i2p_ros.core.depths import at_edges, back_projected
from i2p_ros.core.errors import InputError
from i2p_ros.core.fragments import Fragment, NearPoints
from i2p_ros.core.geometry import Pose
from i2p_ros.sources.opening import open_source
from i2p_ros.synthetic import synthetic_source
from i2p_ros.synthetic.depth_sensor import BASELINE, measured_depth
from i2p_ros.synthetic.room_pairs import LEAST_OVERLAP, RoomSource
from i2p_ros.synthetic.room_rendering import KINECT, render_depth, room_frame, trajectory_pose
from i2p_ros.synthetic.rooms import MARGIN, Room, random_room
from i2p_ros.writers.writing import write_rooms

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one fragment."""
    root = tmp_path_factory.mktemp("made") / "rooms"
    write_rooms(3, 25, root)
    return root


def test_a_seed_gives_the_same_frames_and_another_others() -> None:
    first, second, again, other = (room_frame(seed, index) for seed, index in ((3, 0), (3, 1), (3, 1), (4, 1)))
    for name in ("image", "depth"):
        np.testing.assert_array_equal(getattr(again, name), getattr(second, name))
        assert (getattr(other, name) != getattr(second, name)).mean() > 0.5
    assert (first.image != second.image).mean() > 0.5  # noise differs from frame to frame


def test_frames_agree_on_where_surfaces_are() -> None:
    first, later = room_frame(3, 0), room_frame(3, 29)

    def agreement(T_world_camera: Pose) -> float:
        plain = np.where(at_edges(first.depth), 0.0, first.depth)
        points = (T_world_camera.inverse() @ first.T_world_camera).apply(back_projected(KINECT, plain, 4))
        pixels, inside = KINECT.project(points)
        u, v = np.round(pixels[inside]).astype(int).T
        measured = later.depth[v, u]
        seen = (measured > 0) & (measured > points[inside, 2] - 0.3)  # the rest is hidden
        assert seen.sum() > 500
        return float((np.abs(measured - points[inside, 2]) < 0.03)[seen].mean())

    assert agreement(later.T_world_camera) > 0.9
    assert agreement(later.T_world_camera @ Pose(np.eye(3), np.array([0.0, 0.0, 0.1]))) < 0.5
    assert agreement(later.T_world_camera @ Pose.from_rotvec([0.0, 0.0, 0.2])) < 0.8


def test_the_world_is_the_first_camera_and_the_camera_stays_in_the_room() -> None:
    np.testing.assert_allclose(room_frame(3, 200).T_world_camera.matrix, np.eye(4), atol=1e-9)
    for index in range(8):
        room = random_room(3, index)
        for sequence in (0, 1):
            place = np.array([trajectory_pose(room, 3, index, sequence, t).translation for t in np.arange(0, 10, 0.1)])
            reach = np.maximum(0.5 * np.array(room.size[:2]) - MARGIN, 0.1)
            assert (np.abs(place[:, :2]) <= reach).all() and (place[:, 2] > 0.9).all() and (place[:, 2] < 1.9).all()
            assert (np.linalg.norm(np.diff(place, axis=0), axis=1) < 0.1).all()  # a hand, at 10 frames a second


def test_furniture_stands_in_the_room() -> None:
    rooms: list[Room] = [random_room(11, index) for index in range(20)]
    for room in rooms:
        solids = room.solids
        inside = np.abs(solids.centre[:2].numpy()) < np.array(room.size[:2])[:, None] / 2 + 0.25
        assert inside.all() and len(solids) > 20
        assert (np.diff(solids.shape.numpy()) >= 0).all()
    assert len({len(room.solids) for room in rooms}) > 5


def test_noise_grows_with_the_square_of_the_depth() -> None:
    rng, ones, std = np.random.default_rng(0), np.ones((480, 640)), list[float]()
    for z in (1.0, 2.0, 4.0):
        true = z + rng.uniform(0.0, 0.05, ones.shape)
        measured = measured_depth(true, ones, 0 * ones, KINECT, rng)
        error = (measured - true)[measured > 0]
        std.append(float(error.std()))
        assert abs(error.mean()) < 0.1 * std[-1]
    np.testing.assert_allclose(np.array(std[1:]) / std[:-1], 4.0, rtol=0.1)
    assert 0.02 < std[2] < 0.03


def test_holes_are_in_the_shadow_of_the_projector_on_mirrors_at_grazing_angles_and_out_of_range() -> None:
    depth = np.full((480, 640), 4.0)
    depth[:, 200:300] = 1.0  # a post, whose shadow falls to its left: the projector is on the right
    measured = measured_depth(depth, np.ones_like(depth), np.zeros_like(depth), KINECT, np.random.default_rng(1))
    holes = (measured == 0).mean(axis=0)
    width = round(KINECT.fx * BASELINE * (1.0 / 1.0 - 1.0 / 4.0))
    assert (holes[200 - width + 2 : 199] > 0.99).all() and (holes[: 200 - width - 2] < 0.1).all()
    assert (holes[201:] < 0.1).all()
    facing, glass, depth = np.ones((480, 640)), np.zeros((480, 640)), np.full((480, 640), 2.0)
    facing[:100], glass[100:200], depth[200:300], depth[300:400], depth[400:410] = 0.1, 1.0, 0.3, 9.0, np.inf
    measured = measured_depth(depth, facing, glass, KINECT, np.random.default_rng(1))
    assert (measured[:410] == 0).all() and (measured[410:] == 0).mean() < 0.05


def test_rooms_are_written_in_the_layout_of_7_scenes(rooms: Path) -> None:
    assert (rooms / "room-0000" / "TrainSplit.txt").read_text() == "sequence1\n"
    source = open_source("auto", rooms, settings=Settings(), seed=1)
    assert source.drives == ("room-0000",) and len(source) == 1
    sample = source[0]
    assert sample.T_camera_lidar is not None and sample.depth is not None
    points = sample.T_camera_lidar.apply(sample.pair.cloud.xyz)
    pixels, inside = KINECT.project(points)
    assert inside.mean() > 0.3 and (sample.depth == 0).mean() < 0.3
    u, v = np.round(pixels[inside]).astype(int).T
    measured = sample.depth[v, u]
    assert (np.abs(measured - points[inside, 2]) < 0.05)[measured > 0].mean() > 0.75
    listed = source.pair_list.pairs[0]  # type: ignore[attr-defined]
    np.testing.assert_array_equal(sample.pair.image, room_frame(3, listed.image).image)


def test_the_command_writes_rooms_and_a_model_is_evaluated_on_them(
    rooms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("synth", str(tmp_path / "made"), "--format", "7scenes", "--n", "1", "--seed", "3", "--json", "-")
    code, out, err = run(capsys, *words)
    assert code == 0, err
    assert json.loads(out) == {
        "path": str(tmp_path / "made"), "format": "7scenes", "frames": 1, "source": "synthetic rooms, seed 3", "seed": 3
    }  # fmt: skip
    first = Path("room-0000", "seq-01", "frame-000000.depth.png")
    assert (tmp_path / "made" / first).read_bytes() == (rooms / first).read_bytes()
    code, _, err = run(capsys, "synth", str(tmp_path / "b"), "--format", "7scenes", "--compressed")
    assert code != 0 and "KITTI and 7-Scenes folders hold PNG images" in err
    words = ("--source", "7scenes", "--root", str(rooms), "--protocol", "none", "--seed", "1", "--json", "-")
    code, out, err = run(capsys, "evaluate", *words)
    assert code == 0, err
    report = json.loads(out)
    assert report["pairs"] == 1 and list(report["per_drive"]) == ["room-0000"]


def test_a_smaller_depth_is_that_of_the_same_camera() -> None:
    room, pose = random_room(3, 0), trajectory_pose(random_room(3, 0), 3, 0, 0, 1.0)
    small = KINECT.resized(160, 120)
    large, little = (render_depth(room, pose, camera, 1) for camera in (KINECT, small))
    near = large[2::4, 2::4]  # half a pixel of it from the centres of the small pixels
    both = (near > 0) & (little > 0)
    assert both.mean() > 0.6
    error = np.abs(near - little)[both]
    assert np.median(error) < 0.02 and abs((near > 0).mean() - (little > 0).mean()) < 0.03


def test_pairs_of_rooms_without_files_are_as_those_of_the_layout() -> None:
    source = synthetic_source(SyntheticSettings(rooms=True), 3, 6)
    assert isinstance(source, RoomSource) and source.name == "synthetic rooms, seed 3" and len(source) == 6
    for index in range(6):
        sample = source[index]
        assert sample.T_camera_lidar is not None and sample.depth is not None and sample.T_world_lidar is not None
        camera, cloud = sample.pair.camera, sample.pair.cloud
        points = sample.T_camera_lidar.apply(cloud.xyz)
        pixels, inside = camera.project(points)
        u, v = np.round(pixels[inside]).astype(int).T
        measured = sample.depth[v, u]
        assert (measured > points[inside, 2] - 0.1)[measured > 0].mean() > 0.7  # the rest is hidden
        assert (np.abs(measured - points[inside, 2]) < 0.05)[measured > 0].mean() > 0.6
        plain = np.where(at_edges(sample.depth), 0.0, sample.depth)
        fragment = NearPoints(Fragment(cloud.xyz, Pose.identity()))
        seen = sample.T_camera_lidar.inverse().apply(back_projected(camera, plain, 2))
        assert fragment.share(seen) > LEAST_OVERLAP - 0.05
    again, other = RoomSource(3, 6)[5], RoomSource(4, 6)[5]
    np.testing.assert_array_equal(again.pair.image, sample.pair.image)
    np.testing.assert_array_equal(again.pair.cloud.xyz, sample.pair.cloud.xyz)
    assert (other.pair.image != sample.pair.image).mean() > 0.5
    assert len({source[index].pair.image.tobytes() for index in range(6)}) == 6
    with pytest.raises(IndexError):
        source[6]
    with pytest.raises(InputError):
        RoomSource(-1, 5)
