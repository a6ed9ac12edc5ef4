# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which topics of a bag are read, by frame, size and rate, and what the source says of it."""

import numpy as np
import pytest
from helpers.bags import CLOUD, CLOUDS, IMAGE, IMAGES, INFO, stamps, written

from i2p_ros.core.config import load_settings
from i2p_ros.core.errors import InputError
from i2p_ros.sources.bag_topics import BagTopics
from i2p_ros.sources.opening import open_source
from i2p_ros.sources.rosbag import RosbagSource


def bag(tmp_path, other, image=IMAGE, info=INFO):
    """A bag of a camera and a lidar, with other messages of each frame."""

    def filling(bag):
        for k, stamp in enumerate(stamps()):
            bag.image(stamp, IMAGES[k], image)
            if info:
                bag.info(stamp, info)
            bag.cloud(stamp, CLOUDS[k])
            other(bag, k, stamp)

    return written(tmp_path, filling=filling)


def test_an_image_of_one_camera_is_not_read_with_the_camera_info_of_another(tmp_path):
    path = bag(tmp_path, lambda b, k, t: b.image(t, IMAGES[k], "/a/image", "a_optical"), "/b/image", "/b/camera_info")
    with RosbagSource(path) as source:
        assert source.topics.image == "/b/image" and source.topics.camera_info == "/b/camera_info"
        assert "reads images of /b/image (not /a/image), clouds of /points" in source.notes[0]


def test_a_debug_picture_of_another_size_is_no_camera(tmp_path):
    small = np.ascontiguousarray(IMAGES[:, :30, :40])
    path = bag(tmp_path, lambda b, k, t: b.image(t, small[k], "/aaa/detections", step=120))
    with RosbagSource(path) as source:
        assert source.topics.image == IMAGE and len(source) == 5 and source[0].pair.image.shape == (48, 64, 3)


def test_a_cloud_of_obstacles_is_no_lidar(tmp_path):
    path = bag(tmp_path, lambda b, k, t: b.cloud(t, CLOUDS[k][:20], "/apollo/obstacles"))
    with RosbagSource(path) as source:
        assert source.topics.cloud == CLOUD and len(source[0].pair.cloud) == 100
        assert "clouds of /points (not /apollo/obstacles)" in source.notes[0]


def test_a_near_infrared_picture_of_a_lidar_is_no_camera(tmp_path):
    path = bag(tmp_path, lambda b, k, t: b.image(t, IMAGES[k], "/a_ouster/picture", "lidar"))
    with RosbagSource(path) as source:
        assert source.topics.image == IMAGE


def test_the_cloud_of_a_depth_camera_is_no_lidar(tmp_path):
    many = np.tile(CLOUDS, (1, 3, 1))
    path = bag(tmp_path, lambda b, k, t: b.cloud(t, many[k], "/a/cloud", frame="cam_optical"))
    with RosbagSource(path) as source:
        assert source.topics.cloud == CLOUD


def test_two_equal_cameras_are_told_and_one_can_be_named(tmp_path):
    def second(bag, k, stamp):
        bag.image(stamp, IMAGES[k], "/rear/image", "rear_optical")
        bag.info(stamp, "/rear/camera_info", "rear_optical", fx=77.0)

    path = bag(tmp_path, second)
    with RosbagSource(path) as source:
        assert source.topics.image == IMAGE and "(/rear/image would do as well)" in source.notes[0]
    settings = load_settings((), ["topics.image=/rear/image"])
    source = open_source("auto", path, settings=settings)
    assert source.topics == BagTopics("/rear/image", CLOUD, "/rear/camera_info") and source[0].pair.camera.fx == 77.0
    assert "images of /rear/image, clouds" in source.notes[0]


def test_a_lone_camera_info_of_another_frame_is_refused_until_it_is_named(tmp_path):
    def calibration(bag, k, stamp):
        bag.info(stamp, "/b/camera_info", "b_optical")

    path = bag(tmp_path, calibration, info="")
    with pytest.raises(
        InputError, match=r"\(frame 'cam_optical'\).* /b/camera_info \(frame 'b_optical', 64x48\)"
    ) as error:
        RosbagSource(path)
    assert error.value.reason == "bag.camera_info" and "topics.camera_info" in str(error.value)
    with RosbagSource(path, topics=BagTopics(camera_info="/b/camera_info")) as source:
        assert source[0].pair.camera.fx == 50.0
        assert any("/b/camera_info is of the frame 'b_optical'" in note for note in source.notes)


def test_a_named_topic_that_is_not_there_is_an_error_with_what_there_is(tmp_path):
    with pytest.raises(InputError, match=r"no cloud topic /lidar .* it has .*/points") as error:
        RosbagSource(bag(tmp_path, lambda *_: None), topics=BagTopics(cloud="/lidar"))
    assert error.value.reason == "bag.topics"


def test_the_intensity_field_of_the_settings_holds_for_a_bag(tmp_path):
    path = bag(tmp_path, lambda *_: None)
    source = open_source("rosbag", path, settings=load_settings((), ["node.intensity_field=z"]))
    cloud = source[0].pair.cloud
    np.testing.assert_allclose(cloud.intensity, np.clip(CLOUDS[0][:, 2] / 255, 0, 1), atol=1e-6)


def test_a_topic_with_messages_of_two_types_is_read_by_the_more_frequent_one(tmp_path):
    def other(b, k, t):
        if k == 0:
            images = b.connections.pop(IMAGE)  # the next publisher of the topic has another type
            text = b.make("std_msgs/msg/String", "no image")
            b.write_raw(IMAGE, "std_msgs/msg/String", b.serialize(text, "std_msgs/msg/String"), t)
            b.connections[IMAGE] = images

    with RosbagSource(bag(tmp_path, other)) as source:
        assert len(source) == 5 and source[0].pair.image.shape == (48, 64, 3)
        assert source.lost == {"message.type": 1}


def test_two_cameras_that_state_one_frame_each_have_their_own_camera_info(tmp_path):
    """As usb_cam, whose frame is the same for all cameras."""

    def other(b, k, t):
        b.image(t, IMAGES[k], "/a/image_raw")
        b.info(t, "/a/camera_info", k=np.zeros(9), p=np.zeros(12), d=[])

    with RosbagSource(bag(tmp_path, other, "/b/image_raw", "/b/camera_info")) as source:
        assert (source.topics.image, source.topics.camera_info) == ("/b/image_raw", "/b/camera_info")


def test_a_lidar_that_begins_with_empty_clouds_is_still_the_lidar(tmp_path):
    def filling(bag):
        for k, stamp in enumerate(stamps()):
            bag.image(stamp, IMAGES[k])
            bag.info(stamp)
            bag.cloud(stamp, np.full_like(CLOUDS[k], np.nan) if k < 4 else CLOUDS[k])
            bag.cloud(stamp, CLOUDS[k][:20], "/obstacles")

    with RosbagSource(written(tmp_path, filling=filling)) as source:
        assert source.topics.cloud == CLOUD


def test_a_calibration_that_changes_is_told(tmp_path):
    path = bag(tmp_path, lambda b, k, t: b.info(t, fx=50.0 if k < 3 else 60.0), info="")
    with RosbagSource(path) as source:
        assert [source[k].pair.camera.fx for k in (0, 4)] == [50.0, 60.0]
        assert any("/cam/camera_info: the calibration changed at t=" in note for note in source.notes)


def test_an_intensity_field_that_is_missing_is_told(tmp_path):
    with RosbagSource(bag(tmp_path, lambda b, k, t: None), intensity_field="gain") as source:
        assert "clouds have no field 'gain': they are read without intensity" in source.notes


@pytest.mark.parametrize("kind", ["synthetic", "kitti"])
def test_topics_are_refused_for_sources_without_topics(tmp_path, kind):
    root = None if kind == "synthetic" else tmp_path
    with pytest.raises(InputError, match=f"topics.points is for bags, not for source '{kind}'"):
        open_source(kind, root, settings=load_settings((), ["topics.points=/points"]))
