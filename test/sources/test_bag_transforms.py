# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Transforms between camera and lidar in bags: static ones that change, fixed ones on /tf, and body frames."""

import numpy as np
import pytest
from helpers.bags import CLOUDS, FRAMES, IMAGES, MS, START, pose, stamps, written

from i2p_ros.core.geometry import Pose
from i2p_ros.core.optical_frame import T_OPTICAL_BODY
from i2p_ros.sources.rosbag import RosbagSource
from i2p_ros.sources.static_transforms import FixedTransforms, StaticTransforms

T_LIDAR_CAMERA = pose(4)
MOVED = Pose(T_LIDAR_CAMERA.rotation, T_LIDAR_CAMERA.translation + np.array([0.3, 0.0, 0.0]))
CHANGE = START + 250 * MS


def bag(tmp_path, *sent, topic="/tf_static"):
    """Five frames, and transforms (time, T_lidar_camera) on a topic."""

    def filling(bag):
        for stamp, image, cloud in zip(stamps(), IMAGES, CLOUDS, strict=True):
            bag.info(stamp)
            bag.image(stamp, image)
            bag.cloud(stamp, cloud)
        for time, T_lidar_camera in sent:
            bag.transforms(time, ("lidar", "cam_optical", T_lidar_camera), topic=topic)

    return written(tmp_path, filling=filling)


def test_each_pair_has_the_static_transform_of_its_time_and_the_change_is_told(tmp_path):
    with RosbagSource(bag(tmp_path, (START + 50 * MS, T_LIDAR_CAMERA), (CHANGE, MOVED))) as source:
        for index in range(FRAMES):
            expected = (T_LIDAR_CAMERA if index < 3 else MOVED).inverse()
            np.testing.assert_allclose(source[index].T_camera_lidar.matrix, expected.matrix, atol=1e-12)
        (note,) = [note for note in source.notes if "changed" in note]
        assert "lidar -> cam_optical changed at t=0.250 s (1700000000.250) by 0.300 m, 0.0 deg" in note
        assert source.is_recalibrated


def test_a_static_transform_that_is_sent_again_is_no_change(tmp_path):
    sent = [(stamp, T_LIDAR_CAMERA) for stamp in stamps()]
    with RosbagSource(bag(tmp_path, *sent)) as source:
        assert not source.is_recalibrated and not any("changed" in note for note in source.notes)


def test_two_publishers_that_disagree_are_told_in_short(tmp_path):
    sent = [(START + k * 20 * MS, (T_LIDAR_CAMERA, MOVED)[k % 2]) for k in range(20)]
    with RosbagSource(bag(tmp_path, *sent)) as source:
        assert any("and 16 times more" in note for note in source.notes)


def test_a_transform_on_tf_that_never_changes_is_static(tmp_path):
    sent = [(START + k * 100 * MS, T_LIDAR_CAMERA) for k in range(5)]
    with RosbagSource(bag(tmp_path, *sent, topic="/tf")) as source:
        np.testing.assert_allclose(source[0].T_camera_lidar.matrix, T_LIDAR_CAMERA.inverse().matrix, atol=1e-12)
        assert any("from /tf, where it never changes" in note for note in source.notes)


@pytest.mark.parametrize("sent", [[(START, T_LIDAR_CAMERA)], [(START, T_LIDAR_CAMERA), (CHANGE, MOVED)]])
def test_a_transform_on_tf_that_moves_or_was_sent_once_is_not(tmp_path, sent):
    with RosbagSource(bag(tmp_path, *sent, topic="/tf")) as source:
        assert source[0].T_camera_lidar is None and source.notes == source.notes[:1]


def test_a_camera_frame_with_x_forward_is_named(tmp_path):
    rng = np.random.default_rng(3)
    ahead = np.column_stack([rng.uniform(5, 30, 800), rng.uniform(-5, 5, 800), rng.uniform(-3, 3, 800), np.ones(800)])

    def filling(optical):
        def fill(bag):
            T_body_camera = T_OPTICAL_BODY.inverse() if optical else Pose.identity()
            bag.transforms(START, ("lidar", "cam_optical", T_body_camera))
            bag.info(START)
            bag.image(START, IMAGES[0])
            bag.cloud(START, ahead)

        return fill

    with RosbagSource(written(tmp_path / "body", filling=filling(False))) as source:
        assert "the frame 'cam_optical' of the image is no optical frame" in source.notes[1]
    with RosbagSource(written(tmp_path / "optical", filling=filling(True))) as source:
        assert len(source.notes) == 1


def test_a_bad_transform_does_not_hide_those_beside_it(tmp_path):
    def filling(bag):
        bag.transforms(START, ("a", "a", pose(0)), ("lidar", "cam_optical", T_LIDAR_CAMERA))
        bag.info(START)
        bag.image(START, IMAGES[0])
        bag.cloud(START, CLOUDS[0])

    with RosbagSource(written(tmp_path, filling=filling)) as source:
        assert source.lost == {"tf.frames": 1} and source[0].T_camera_lidar is not None


def test_a_tree_of_links_at_any_time():
    tree = StaticTransforms()
    tree.add("base", "camera", pose(0), 10)
    tree.add("base", "lidar", pose(1), 20)
    tree.add("base", "camera", pose(2), 30)
    early, late = (pose(k).inverse() @ pose(1) for k in (0, 2))
    for time, expected in ((0, early), (29, early), (30, late), (None, late)):
        np.testing.assert_allclose(tree.lookup("camera", "lidar", time).matrix, expected.matrix, atol=1e-12)
    assert [time for time, _ in tree.history("camera", "lidar")] == [10, 30]
    assert tree.history("camera", "nowhere") == []


def test_a_fixed_transform_of_tf_does_not_replace_a_static_one() -> None:
    tree, fixed = StaticTransforms(), FixedTransforms()
    tree.add("base", "cam", Pose.identity(), 100)
    for time in (50, 60):
        fixed.add("other", "cam", Pose.from_rotvec([0, 0, 1.0]), time)
    fixed.add_to(tree)
    assert tree.lookup("base", "cam", 200) is not None and tree.lookup("other", "cam") is None


def test_publishers_that_round_differently_change_nothing() -> None:
    tree = StaticTransforms()
    for time, x in enumerate((0.1, 0.10001, 0.1)):
        tree.add("lidar", "cam", Pose.from_rotvec([0.0, 0.0, 0.0], [x, 0.0, 0.0]), time)
    assert len(tree.history("cam", "lidar")) == 1
