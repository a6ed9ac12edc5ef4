# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras of bags, with the CameraInfos that drivers and converters write."""

import numpy as np
import pytest
from helpers.bags import CLOUDS, HEIGHT, IMAGES, INFO, MS, START, WIDTH, D, stamps, written

from i2p_ros.core.config import load_settings
from i2p_ros.core.errors import InputError
from i2p_ros.sources.opening import open_source
from i2p_ros.sources.rosbag import RosbagSource

RAW, RECTIFIED = (50.0, tuple(D)), (40.0, ())
KITTI_K = [9.597910e02, 0, 6.960217e02, 0, 9.569251e02, 2.241806e02, 0, 0, 1]  # K_02, D_02, P_rect_02 and R_rect_02
KITTI_D = [-3.691481e-01, 1.968681e-01, 1.353473e-03, 5.677587e-04, -6.770705e-02]  # of 2011_09_26
KITTI_P = [7.215377e02, 0, 6.095593e02, 4.485728e01, 0, 7.215377e02, 1.728540e02, 2.163791e-01, 0, 0, 1, 2.745884e-03]
KITTI_R = [
    9.998817e-01, 1.511453e-02, -2.841595e-03, -1.511724e-02, 9.998853e-01, -9.338510e-04, 2.827154e-03, 9.766976e-04,
    9.999955e-01,
]  # fmt: skip
KITTI = {"d": KITTI_D, "k": KITTI_K, "r": KITTI_R, "p": KITTI_P, "size": (1242, 375)}


def bag_of(tmp_path, image="/cam/image_raw", info=INFO, pixels=IMAGES, kind="mcap", **fields):
    """A bag whose every CameraInfo has these fields."""

    def filling(bag):
        for i, stamp in enumerate(stamps()):
            bag.image(stamp, pixels[i], image, step=3 * pixels.shape[2])
            bag.info(stamp, info, **fields)
            bag.cloud(stamp, CLOUDS[i])

    return written(tmp_path, kind, filling)


def camera_of(path, **options):
    """Focal length and coefficients of the first camera."""
    with RosbagSource(path, **options) as source:
        camera = source[0].pair.camera
        return camera.fx, camera.distortion


@pytest.mark.parametrize("kind", ["mcap", "sqlite3", "ros1"])
def test_a_camera_info_that_is_sent_once_with_stamp_zero_is_taken(tmp_path, kind):
    def filling(bag):
        bag.info(0, received=START)
        for i, stamp in enumerate(stamps()):
            bag.image(stamp, IMAGES[i])
            bag.cloud(stamp, CLOUDS[i])

    with RosbagSource(written(tmp_path, kind, filling)) as source:
        assert len(source) == len(IMAGES) and not source.lost
        assert source[4].pair.camera.fx == 50.0


def test_stamps_of_zero_are_in_the_order_of_the_bag(tmp_path):
    """Else the last calibration would be that of the first image."""

    def filling(bag):
        for i, stamp in enumerate(stamps()):
            bag.image(stamp, IMAGES[i])
            bag.info(0, fx=50.0 + i, received=stamp - MS)
            bag.cloud(stamp, CLOUDS[i])

    with RosbagSource(written(tmp_path, "mcap", filling)) as source:
        assert [source[i].pair.camera.fx for i in range(5)] == [50.0, 51.0, 52.0, 53.0, 54.0]


def test_a_bag_of_kitti2bag_raw_has_rectified_images_and_says_so(tmp_path):
    """Its K and D are of the raw images of 1392x512 px, which the bag does not have; its size is that of P."""
    pixels = np.zeros((5, 375, 1242, 3), np.uint8)
    path = bag_of(
        tmp_path, "/kitti/camera_color_left/image_raw", "/kitti/camera_color_left/camera_info", pixels, **KITTI
    )
    assert camera_of(path) == (721.5377, ())
    with RosbagSource(path) as source:
        (note,) = source.notes
    assert "P of a rectified image" in note and "kitti2bag" in note


def test_a_bag_of_kitti2bag_is_known_by_its_frames_after_a_remap(tmp_path):
    pixels = np.zeros((5, 375, 1242, 3), np.uint8)
    path = bag_of(tmp_path, "/cam/image", pixels=pixels, frame="camera_color_left", **KITTI)
    assert camera_of(path) == (721.5377, ())


def test_a_bag_of_kitti2bag_odom_has_only_p(tmp_path):
    path = bag_of(tmp_path, "/kitti/camera_color_left/image", k=np.zeros(9), d=[], model="")
    assert camera_of(path) == RECTIFIED


def test_matrices_of_two_cameras_are_told_with_the_setting_that_chooses(tmp_path):
    pixels = np.zeros((5, 375, 1242, 3), np.uint8)
    path = bag_of(tmp_path, pixels=pixels, **KITTI)
    assert camera_of(path) == (959.791, tuple(KITTI_D))
    with RosbagSource(path) as source:
        _, doubt = source.notes
    assert "959.8 and 721.5" in doubt and "node.lens=rectified" in doubt and "K and D" in doubt
    with RosbagSource(path, rectified=False) as source:
        assert len(source.notes) == 1


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("/cam/image_rect", RECTIFIED),
        ("/cam/image_rect_color/compressed", RECTIFIED),
        ("/cam/image_rectified", RECTIFIED),
        ("/camera/infra1/image_rect_raw", RECTIFIED),
        ("/zed/rgb/color/rect/image", RECTIFIED),
        ("/zed/rgb/color/raw/image", RAW),
        ("/cam/image_raw", RAW),
        ("/cam/direct", RAW),
        ("/cam/image_unrectified", RAW),
        ("/cam/image_un_rectified", RAW),
        ("/cam/image_corrected", RAW),
        ("/rect/cam/image_raw", RAW),
    ],
)
def test_only_a_whole_word_names_rectified_images(tmp_path, topic, expected):
    assert camera_of(bag_of(tmp_path, topic)) == expected


@pytest.mark.parametrize(
    ("topic", "lens", "expected"),
    [
        ("/cam/image_raw", "rectified", RECTIFIED),
        ("/cam/image_rect", "raw", RAW),
        ("/cam/image_rect", "auto", RECTIFIED),
        ("/cam/image_raw", "auto", RAW),
    ],
)
def test_row_32_node_lens_applies_to_bags(tmp_path, topic, lens, expected):
    path = bag_of(tmp_path, topic)
    with open_source("rosbag", path, settings=load_settings(overrides=[f"node.lens={lens}"])) as source:
        camera = source[0].pair.camera
    assert (camera.fx, camera.distortion) == expected


def test_a_camera_info_without_a_size_takes_that_of_the_image(tmp_path):
    def filling(bag):
        for i, stamp in enumerate(stamps()):
            bag.info(stamp, size=(0, 0))
            bag.image(stamp, IMAGES[i])
            bag.cloud(stamp, CLOUDS[i])

    with RosbagSource(written(tmp_path, "mcap", filling)) as source:
        camera = source[0].pair.camera
        assert (camera.fx, camera.width, camera.height) == (50.0, WIDTH, HEIGHT) and not source.lost


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"model": "omni"}, "distortion model 'omni' is unknown"),
        ({"k": [50, 4.26, 31.5, 0, 51, 23.5, 0, 0, 1]}, "the matrix has skew"),
        ({"k": np.eye(3), "p": np.zeros(12), "d": []}, r"is not calibrated.* placeholder"),
        ({"k": np.zeros(9)}, r"is not calibrated.*P is calibrated: .* set node.lens to rectified"),
    ],
)
def test_a_refused_camera_info_is_told_with_the_reason(tmp_path, fields, why):
    with pytest.raises(InputError, match=rf"no camera_info for .*{INFO}.*{why}"):
        RosbagSource(bag_of(tmp_path, **fields))


def test_a_rectified_topic_without_p_says_what_to_set(tmp_path):
    with pytest.raises(InputError, match=r"not calibrated.*set node.lens to raw"):
        RosbagSource(bag_of(tmp_path, "/cam/image_rect", p=np.zeros(12)))


def test_k_of_a_placeholder_gives_way_to_p(tmp_path):
    for name, k in (("zero", np.zeros(9)), ("identity", np.eye(3))):
        folder = tmp_path / name
        folder.mkdir()
        assert camera_of(bag_of(folder, k=k, d=np.zeros(8), model="rational_polynomial")) == RECTIFIED


def test_equal_calibrations_are_decoded_once(tmp_path, monkeypatch):
    """A recording of an hour has a hundred thousand of them."""
    from i2p_ros.sources import bag_cameras

    calls = []
    decode = bag_cameras.camera_of_image
    monkeypatch.setattr(bag_cameras, "camera_of_image", lambda *a: (calls.append(1), decode(*a))[1])
    RosbagSource(bag_of(tmp_path)).close()
    assert len(calls) == 1


def test_a_refusal_of_a_thousand_equal_messages_is_counted_and_told_once(tmp_path):
    def filling(bag):
        for i, stamp in enumerate(stamps()):
            bag.image(stamp, IMAGES[i])
            bag.cloud(stamp, CLOUDS[i])
        for k in range(1000):
            bag.info(START + k * MS, INFO, model="omni")
        bag.info(START)
        bag.info(START, "/other/camera_info", k=np.full(9, np.nan), frame="other")

    with RosbagSource(written(tmp_path, "mcap", filling)) as source:
        assert source.lost == {"camera_info.distortion_model": 1000}  # and none of those of another camera
        assert len(source.notes) == 1
