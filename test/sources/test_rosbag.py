# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags that the tests write with rosbags, in every format, read back bit by bit."""

import gc
import re
import shutil

import cv2
import numpy as np
import pytest
from helpers.bags import (
    CLOUD,
    CLOUDS,
    FRAMES,
    HEIGHT,
    IMAGE,
    IMAGES,
    INFO,
    MS,
    POSE,
    POSES,
    START,
    T_BASE_LIDAR,
    T_BASE_MOUNT,
    T_MOUNT_CAMERA,
    WIDTH,
    D,
    fill,
    pose,
    stamps,
    written,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode

from i2p_ros.core.config import PairingSettings
from i2p_ros.core.errors import InputError
from i2p_ros.sources.bag_topics import BagTopics
from i2p_ros.sources.rosbag import RosbagSource
from i2p_ros.sources.static_transforms import StaticTransforms


def check(source):
    assert len(source) == FRAMES and not source.lost
    expected = T_MOUNT_CAMERA.inverse() @ T_BASE_MOUNT.inverse() @ T_BASE_LIDAR
    for i in (*range(FRAMES), 1, -1):
        sample, at = source[i], i % FRAMES
        np.testing.assert_array_equal(sample.pair.image, IMAGES[at])
        np.testing.assert_array_equal(sample.pair.cloud.xyz, CLOUDS[at, :, :3])
        np.testing.assert_array_equal(sample.pair.cloud.intensity, CLOUDS[at, :, 3])
        assert sample.pair.stamp == stamps()[at]
        assert sample.pair.camera.fx == 50.0 + max(at - 1, 0)  # the latest before the image, else the first
        assert sample.pair.camera.distortion == tuple(D)
        np.testing.assert_allclose(sample.T_camera_lidar.matrix, expected.matrix, atol=1e-12)
        np.testing.assert_allclose(sample.T_world_lidar.matrix, POSES[at].matrix, atol=1e-12)
    with pytest.raises(IndexError):
        source[FRAMES]


@pytest.mark.parametrize("kind", ["mcap", "sqlite3", "ros1"])
def test_row_62_every_format_is_read_back_exactly(tmp_path, kind):
    path = written(tmp_path, kind)
    with RosbagSource(path) as source:
        check(source)
        assert source.topics == BagTopics(IMAGE, CLOUD, INFO, POSE)
        assert source.name == f"bag {path.name}"


@pytest.mark.parametrize("kind", ["mcap", "sqlite3"])
@pytest.mark.parametrize("mode", [CompressionMode.MESSAGE, CompressionMode.FILE, CompressionMode.STORAGE])
def test_row_62_compressed_bags(tmp_path, kind, mode):
    if kind == "sqlite3" and mode is CompressionMode.STORAGE:
        pytest.skip("sqlite3 has no storage compression")
    options = {"mode": mode, "fmt": CompressionFormat.ZSTD} if mode is not CompressionMode.STORAGE else {}
    with RosbagSource(written(tmp_path, kind, **options)) as source:
        check(source)


@pytest.mark.parametrize(("kind", "suffix"), [("mcap", "mcap"), ("sqlite3", "db3")])
def test_row_62_a_lone_file_and_a_folder_without_metadata(tmp_path, kind, suffix):
    path = written(tmp_path, kind)
    (path / "metadata.yaml").unlink()
    (file,) = path.glob(f"*.{suffix}")
    for root in (path, file, shutil.move(file, tmp_path / f"lone.{suffix}")):
        if root.exists() and not (root.is_dir() and not any(root.iterdir())):
            with RosbagSource(root) as source:
                check(source)


def test_an_old_bag_without_message_definitions(tmp_path):
    apsw = pytest.importorskip("apsw")
    path = written(tmp_path, "sqlite3")
    (file,) = path.glob("*.db3")
    with apsw.Connection(str(file)) as db:
        db.execute("DELETE FROM message_definitions")
    with RosbagSource(path) as source:
        check(source)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_compressed_images(tmp_path, suffix):
    def filling(bag):
        for i, stamp in enumerate(stamps()):
            bag.compressed(stamp, cv2.GaussianBlur(IMAGES[i], (0, 0), 5), suffix)
            bag.info(stamp)
            bag.cloud(stamp, CLOUDS[i])

    with RosbagSource(written(tmp_path, "mcap", filling)) as source:
        assert source.topics.image == f"{IMAGE}/compressed" and source.topics.camera_info == INFO
        expected = cv2.GaussianBlur(IMAGES[2], (0, 0), 5).astype(int)
        assert np.abs(source[2].pair.image - expected).max() <= (0 if suffix == ".png" else 12)
        assert source[2].T_camera_lidar is None and source[2].T_world_lidar is None


def test_header_stamps_pair_whatever_the_time_received(tmp_path):
    """30 Hz images and 10 Hz clouds, jittered; clouds are recorded 0.3 s late, all at the same times."""
    noise = np.random.default_rng(0).integers(-3 * MS, 3 * MS, 15)
    images = [START + i * 100 * MS // 3 + int(noise[i]) for i in range(15)]
    clouds = [s + 5 * MS for s in stamps()]

    def filling(bag):
        bag.info(START - MS)
        for stamp in images:
            bag.image(stamp, np.full((HEIGHT, WIDTH, 3), images.index(stamp), np.uint8), received=START)
        for i, stamp in enumerate(clouds):
            bag.cloud(stamp, CLOUDS[i], received=START + 300 * MS)

    with RosbagSource(written(tmp_path, "mcap", filling)) as source:
        assert len(source) == FRAMES
        for i, stamp in enumerate(clouds):
            nearest = min(images, key=lambda s: abs(s - stamp))
            pair = source[i].pair
            assert pair.stamp == nearest and (pair.image == images.index(nearest)).all()
            np.testing.assert_array_equal(pair.cloud.xyz, CLOUDS[i, :, :3])


def test_a_time_offset_is_measured_and_applied(tmp_path):
    def filling(bag):
        for i, stamp in enumerate(stamps()):
            bag.info(stamp)
            bag.image(stamp, IMAGES[i])
            bag.cloud(stamp - 40 * MS, CLOUDS[i])

    path = written(tmp_path, "mcap", filling)
    with pytest.raises(InputError, match=r"5 images .* 5 clouds .* images come \+0.040 s after clouds"):
        RosbagSource(path, PairingSettings(slop_s=0.02))
    with RosbagSource(path, PairingSettings(slop_s=0.02, time_offset_s=0.04)) as source:
        assert len(source) == FRAMES


def test_topics_are_chosen_by_type_name_and_frame(tmp_path):
    def filling(bag):
        for i, stamp in enumerate(stamps()):
            for topic in ("/a/depth/image", "/z/image", "/b/image"):
                bag.image(stamp, IMAGES[i], topic)
            bag.info(stamp, "/other/info", "other")
            bag.info(stamp, "/somewhere/info")
            bag.cloud(stamp, CLOUDS[i], "/y/points")
            bag.cloud(stamp, CLOUDS[i], "/x/points")

    path = written(tmp_path, "mcap", filling)
    with RosbagSource(path) as source:
        assert source.topics == BagTopics("/b/image", "/x/points", "/somewhere/info")
    wanted = BagTopics("/z/image", "/y/points", "/other/info")
    with RosbagSource(path, None, wanted) as source:
        assert source.topics == wanted
    with pytest.raises(InputError, match=r"no image topic /wrong .* it has /a/depth/image \(sensor_msgs/msg/Image\)"):
        RosbagSource(path, topics=BagTopics(image="/wrong"))
    with pytest.raises(InputError, match="no pose topic /x/points"):
        RosbagSource(path, topics=BagTopics(pose="/x/points"))


def test_a_rectified_image_takes_its_camera_from_p(tmp_path):
    def filling(bag):
        for i, stamp in enumerate(stamps()):
            bag.image(stamp, IMAGES[i], "/cam/image_rect_color")
            bag.info(stamp)
            bag.cloud(stamp, CLOUDS[i])

    path = written(tmp_path, "mcap", filling)
    with RosbagSource(path) as source:
        assert (source[0].pair.camera.fx, source[0].pair.camera.distortion) == (40.0, ())
    with RosbagSource(path, rectified=False) as source:
        assert (source[0].pair.camera.fx, source[0].pair.camera.distortion) == (50.0, tuple(D))


def test_row_62_messages_that_cannot_be_used_are_counted_or_refused(tmp_path):
    def filling(bag):
        bag.image(0, IMAGES[0], received=START)
        bag.info(START, model="unheard_of")
        bag.write_raw(INFO, "sensor_msgs/msg/CameraInfo", b"\0\1\0\0", START)
        bag.transforms(START, ("a", "a", pose(0)))
        for i, stamp in enumerate(stamps()):
            bag.image(stamp, IMAGES[i], step=9 if i == 1 else 3 * WIDTH)
            bag.info(stamp)
            bag.cloud(stamp, CLOUDS[i][: 0 if i == 2 else None])
        bag.write_raw(CLOUD, "sensor_msgs/msg/PointCloud2", b"\0\1\0", START)
        bag.write_raw(INFO, "sensor_msgs/msg/CameraInfo", bytes(range(60)), START)

    with RosbagSource(written(tmp_path, "mcap", filling)) as source:
        assert len(source) == FRAMES
        assert source.lost["stamp.zero"] == 1 and source.lost["camera_info.distortion_model"] == 1
        assert source.lost["tf.frames"] == 1 and source.lost["message.type"] == 2 and sum(source.lost.values()) == 6
        for index, reason in ((1, "image.step"), (2, "cloud.empty")):
            with pytest.raises(InputError) as caught:
                source[index]
            assert caught.value.reason == reason
        assert source[3].pair.image.shape == (HEIGHT, WIDTH, 3)


def without(*absent):
    """A filling that leaves topics out."""

    def filling(bag):
        write_raw = bag.write_raw
        bag.write_raw = lambda topic, *rest: None if topic in absent else write_raw(topic, *rest)
        fill(bag)

    return filling


@pytest.mark.parametrize("topic", [IMAGE, CLOUD, INFO])
def test_row_62_a_missing_topic_is_named_with_what_there_is(tmp_path, topic):
    path = written(tmp_path, "mcap", without(topic))
    with pytest.raises(InputError, match=r"type sensor_msgs/msg/.*; it has .*/tf_static \(tf2_msgs") as caught:
        RosbagSource(path)
    assert caught.value.reason == "bag.topics"


def test_no_usable_calibration_says_why(tmp_path):
    def filling(bag):
        bag.image(START, IMAGES[0])
        bag.cloud(START, CLOUDS[0])
        bag.info(START, fx=0.0)

    with pytest.raises(InputError, match=r"camera_info.uncalibrated.*name the topic") as caught:
        RosbagSource(written(tmp_path, "mcap", filling))
    assert caught.value.reason == "bag.camera_info"


@pytest.mark.parametrize("kind", ["mcap", "sqlite3", "ros1"])
def test_row_62_an_empty_bag(tmp_path, kind):
    path = written(tmp_path, kind, lambda bag: None)
    with pytest.raises(InputError, match=r"it has no messages|cannot read bag"):
        RosbagSource(path)


@pytest.mark.parametrize(
    ("kind", "advice"), [("mcap", "mcap recover"), ("sqlite3", "sqlite3 FILE .recover"), ("ros1", "rosbag reindex")]
)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.8])
def test_row_62_a_truncated_bag_says_how_to_repair_it(tmp_path, kind, advice, share):
    path = written(tmp_path, kind)
    file = path if kind == "ros1" else next(f for f in path.iterdir() if f.suffix != ".yaml")
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(InputError, match=f"cannot read bag .*{re.escape(advice)}") as caught:
        RosbagSource(path)
    assert caught.value.reason == "bag.unreadable"


@pytest.mark.parametrize("kind", ["mcap", "ros1"])
def test_row_62_a_bag_whose_index_alone_is_cut_off_is_read_in_whole(tmp_path, kind):
    path = written(tmp_path, kind)
    file = path if kind == "ros1" else next(path.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[: int(0.97 * file.stat().st_size)])
    with RosbagSource(path) as source:
        assert source.lost == {"bag.cut_off": 1}
        source.lost.clear()
        check(source)


def test_what_is_no_bag(tmp_path):
    (tmp_path / "notes.txt").write_text("no bag")
    (tmp_path / "fake.mcap").write_bytes(b"no bag")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "metadata.yaml").write_text("rosbag2_bagfile_information: {version: 99}")
    with pytest.raises(InputError, match="does not exist"):
        RosbagSource(tmp_path / "nowhere")
    with pytest.raises(InputError, match="it is not a bag"):
        (tmp_path / "empty").mkdir()
        RosbagSource(tmp_path / "empty")
    for name in ("notes.txt", "fake.mcap", "folder"):
        with pytest.raises(InputError, match="cannot read bag"):
            RosbagSource(tmp_path / name)


def test_a_file_that_changes_after_opening(tmp_path):
    path = written(tmp_path, "mcap")
    source = RosbagSource(path)
    (file,) = path.glob("*.mcap")
    data = file.read_bytes()
    with file.open("r+b") as stream:
        stream.seek(2000)
        stream.write(bytes(len(data) // 2))
    with pytest.raises(InputError) as caught:
        source[0]
    assert caught.value.reason.startswith("bag.")


def test_static_transforms_form_a_tree():
    tree = StaticTransforms()
    tree.add("map", "a", pose(0))
    tree.add("a", "b", pose(1))
    tree.add("map", "c", pose(9))
    tree.add("map", "c", pose(2))
    tree.add("island", "d", pose(3))
    expected = np.linalg.inv(pose(2).matrix) @ pose(0).matrix @ pose(1).matrix
    np.testing.assert_allclose(tree.lookup("c", "b").matrix, expected, atol=1e-12)
    np.testing.assert_allclose(tree.lookup("b", "a").matrix, pose(1).inverse().matrix, atol=1e-12)
    assert tree.lookup("a", "d") is None and tree.lookup("a", "") is None
    tree.add("b", "a", pose(4))
    with pytest.raises(InputError, match="loop: a -> b -> a"):
        tree.lookup("a", "c")


def test_one_frame_for_camera_and_lidar_is_no_calibration(tmp_path):
    def filling(bag):
        bag.image(START, IMAGES[0], frame="lidar")
        bag.cloud(START, CLOUDS[0])
        bag.info(START)

    with RosbagSource(written(tmp_path, "sqlite3", filling)) as source:
        assert source[0].T_camera_lidar is None


def test_a_source_that_nobody_holds_has_closed_its_file(tmp_path, recwarn):
    source = RosbagSource(written(tmp_path, "mcap"))
    del source
    gc.collect()
    assert not [w for w in recwarn if issubclass(w.category, ResourceWarning)]
