# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The camera and the lidar among the topics of usual vehicles."""

import pytest

from i2p_ros.core.topic_choice import TopicInfo, choose_cloud, choose_image, find_info, frame_doubt

FRONT = TopicInfo("/front/image_raw", "front_optical", 100, 1920, 1080)
FRONT_INFO = TopicInfo("/front/camera_info", "front_optical", 100, 1920, 1080)
REAR = TopicInfo("/rear/image_raw", "rear_optical", 100, 1920, 1080)
REAR_INFO = TopicInfo("/rear/camera_info", "rear_optical", 100, 1920, 1080)
LIDAR = TopicInfo("/lidar/points", "lidar", 100, 40_000, 1)


@pytest.mark.parametrize(
    "other",
    [
        TopicInfo("/a_cam/image", "a_optical", 100, 3840, 2160),  # without a camera_info
        TopicInfo("/a_debug/detections", "front_optical", 100, 100, 80),
        TopicInfo("/front/annotated", "front_optical", 100, 1920, 1080),
        TopicInfo("/front/depth/image_rect", "front_optical", 100, 1920, 1080),
        TopicInfo("/a_ouster/nearir_image", "lidar", 100, 2048, 128),
        TopicInfo("/a_ouster/picture", "lidar", 100, 1920, 1080),  # in the frame of the clouds
        TopicInfo("/a/not_decodable", "front_optical", 100),
        TopicInfo("/front/a_thumbnail", "front_optical", 100, 192, 108),
        TopicInfo("/front/a_still", "front_optical", 3, 3840, 2160),
        TopicInfo("/front/image_raw/compressed", "front_optical", 100, 1920, 1080),
    ],
    ids=lambda info: info.name,
)
def test_the_camera_is_chosen_before(other):
    choice = choose_image([other, FRONT], [FRONT_INFO], [LIDAR])
    assert choice.best == FRONT and choice.equal == 1 and f"not {other.name}" in choice.text


def test_the_colour_camera_beside_a_lidar_keeps_its_place_though_its_depth_cloud_has_its_frame():
    """As of a RealSense, whose infrared pictures are larger."""
    infra = TopicInfo("/front/infra1/image_rect_raw", "front_infra1", 100, 1280, 720)
    colour = TopicInfo("/front/color/image_raw", "front_optical", 100, 640, 480)
    infos = [TopicInfo("/front/color/camera_info", "front_optical", 100, 640, 480)]
    infos.append(TopicInfo("/front/infra1/camera_info", "front_infra1", 100, 1280, 720))
    depth = TopicInfo("/front/depth/color/points", "front_optical", 100, 640, 480)
    assert choose_image([infra, colour], infos, [LIDAR, depth]).best == colour


def test_two_cameras_of_equal_standing_are_told():
    choice = choose_image([REAR, FRONT], [FRONT_INFO, REAR_INFO], [LIDAR])
    assert choice.best == FRONT and choice.equal == 2
    assert choice.text == "/front/image_raw (/rear/image_raw would do as well)"


@pytest.mark.parametrize(
    "other",
    [
        TopicInfo("/apollo/obstacles", "lidar", 200, 50, 1),
        TopicInfo("/a_map", "map", 2, 1_000_000, 1),
        TopicInfo("/front/depth/points", "front_optical", 100, 640, 480),  # of a depth camera
        TopicInfo("/a/empty", "lidar", 100),
        TopicInfo("/a/filtered", "lidar", 100, 12_000, 1),
        TopicInfo("/a_radar/points", "radar", 100, 50_000, 1),
    ],
    ids=lambda info: info.name,
)
def test_the_lidar_is_chosen_before(other):
    choice = choose_cloud([other, LIDAR], [FRONT_INFO])
    assert choice.best == LIDAR and f"not {other.name}" in choice.text


def test_what_is_there_alone_is_chosen_whatever_it_is():
    picture, obstacles = TopicInfo("/depth", "lidar", 1), TopicInfo("/obstacles", "front_optical", 1, 3, 1)
    assert choose_image([picture], [], [LIDAR]).best == picture
    assert choose_cloud([obstacles], [FRONT_INFO]).text == "/obstacles"


@pytest.mark.parametrize(
    ("image", "infos", "expected"),
    [
        (FRONT, [REAR_INFO, FRONT_INFO], "/front/camera_info"),
        (TopicInfo("/front/image_raw/compressed", "front_optical", 9, 1920, 1080), [FRONT_INFO], "/front/camera_info"),
        (TopicInfo("/front/image", "", 9, 1920, 1080), [REAR_INFO, FRONT_INFO], "/front/camera_info"),
        (TopicInfo("/x/image", "rear_optical", 9, 960, 540), [FRONT_INFO, REAR_INFO], "/rear/camera_info"),  # binned
        (TopicInfo("/x/image", "rear_optical", 9, 640, 480), [FRONT_INFO, REAR_INFO], None),  # of another size
        (TopicInfo("/a/image", "a_optical", 9, 1920, 1080), [FRONT_INFO], None),  # a lone one of another frame
        (TopicInfo("/a/image", "", 9, 1920, 1080), [FRONT_INFO], "/front/camera_info"),
        (TopicInfo("/a/image", "", 9, 640, 480), [FRONT_INFO], None),
    ],
)
def test_the_camera_info_of_an_image(image, infos, expected):
    found = find_info(image, infos, [image])
    assert (found.name if found else None) == expected


def test_a_lone_camera_info_without_a_frame_counts_for_one_camera_only():
    info = TopicInfo("/calibration", "", 100, 1920, 1080)
    assert find_info(FRONT, [info], [FRONT]) == info
    assert find_info(FRONT, [info], [FRONT, TopicInfo("/front/image_raw/compressed")]) == info
    assert find_info(FRONT, [info], [FRONT, REAR]) is None


def test_another_frame_is_a_doubt():
    assert not frame_doubt(FRONT, FRONT_INFO) and not frame_doubt(FRONT, TopicInfo("/i"))
    assert "'rear_optical'" in frame_doubt(FRONT, REAR_INFO) and "'front_optical'" in frame_doubt(FRONT, REAR_INFO)
