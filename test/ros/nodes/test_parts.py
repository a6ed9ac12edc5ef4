# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the nodes are made of: the worker, the health report, outgoing messages, and stand-ins of what pip lacks."""

import threading
import time
from collections import Counter

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
pytest.importorskip("tf2_msgs", reason="needs tf2_msgs (python pip_ros/install.py)")

from rclpy.serialization import deserialize_message, serialize_message
from rclpy.time import Time
from rosbags.typesys import Stores, get_typestore
from tf2_msgs.msg import TFMessage
from tf2_ros import Buffer, TransformException

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import NodeSettings, Settings
from i2p_ros.core.geometry import Pose
from i2p_ros.core.messages import camera_from_message, cloud_from_message, image_from_message, transform_from_stamped
from i2p_ros.core.types import PointCloud, PoseEstimate, Status
from i2p_ros.ros import messages
from i2p_ros.ros.nodes.health import ERROR, OK, STALE, WARN, Health
from i2p_ros.ros.nodes.pair_job import PairJob
from i2p_ros.ros.nodes.worker import NewestWorker

HEAD = messages.header(1_700_000_000_123_456_789, "here")


def test_the_worker_takes_the_newest_and_gives_back_the_overtaken():
    started, gate, done = threading.Event(), threading.Event(), []

    def work(key, job):
        started.set()
        gate.wait(5)
        done.append(job)

    worker = NewestWorker(work)
    assert worker.busy_since() is None and worker.put("a", 1) is None
    assert started.wait(5) and worker.busy_since("b") is None
    assert worker.busy_since("a") == worker.busy_since() <= time.monotonic()
    assert worker.put("a", 2) is None and worker.put("a", 3) == 2
    assert not worker.stop(0.01)
    gate.set()
    assert worker.stop(5) and done == [1]  # what waits when it is stopped is not run


def comes_true(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)
    return condition()


def test_two_keys_run_at_once_and_one_key_in_turn():
    gate, running, most, done = threading.Event(), Counter(), Counter(), []

    def work(key, job):
        running[key] += 1
        most[key] = max(most[key], running[key])
        gate.wait(5)
        running[key] -= 1
        done.append((key, job))

    worker = NewestWorker(work, threads=2)
    assert worker.put("a", 1) is None and worker.put("b", 1) is None
    assert comes_true(lambda: worker.busy_since("a") is not None and worker.busy_since("b") is not None)
    assert worker.put("a", 2) is None and worker.put("a", 3) == 2
    gate.set()
    assert comes_true(lambda: len(done) == 3)
    assert worker.stop(5) and sorted(done) == [("a", 1), ("a", 3), ("b", 1)]
    assert most == {"a": 1, "b": 1}


def test_messages_survive_the_way_there_and_back():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)
    camera = Camera(40.5, 41.0, 14.5, 9.5, 30, 20, "rational_polynomial", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8))
    bare = PointCloud(rng.normal(size=(50, 3)).astype(np.float32))
    full = PointCloud(bare.xyz, rng.uniform(size=50).astype(np.float32))

    def sent(message):
        return deserialize_message(serialize_message(message), type(message))

    np.testing.assert_array_equal(image_from_message(sent(messages.image_message(image, HEAD))), image)
    assert camera_from_message(sent(messages.camera_info(camera, HEAD))) == camera
    assert camera_from_message(sent(messages.camera_info(camera.undistorted, HEAD))) == camera.undistorted
    for cloud in (bare, full):
        back = cloud_from_message(sent(messages.cloud_message(cloud, HEAD)))
        np.testing.assert_array_equal(back.xyz, cloud.xyz)
        assert (back.intensity is None) == (cloud.intensity is None)
        if cloud.intensity is not None:
            np.testing.assert_array_equal(back.intensity, cloud.intensity)
    assert sent(messages.compressed_message(image, HEAD)).header == HEAD


def test_a_grey_image_is_no_rgb8():
    with pytest.raises((TypeError, RuntimeError)):
        messages.image_message(np.zeros((4, 5), np.uint8), HEAD)


def test_tf2_msgs_is_that_of_ros_on_the_wire():
    store = get_typestore(Stores.ROS2_JAZZY)
    transform = messages.transform_stamped(Pose.from_rotvec([0.1, 0.2, 0.3], [1, 2, 3]), HEAD, "there")
    raw = serialize_message(TFMessage(transforms=[transform]))
    (read,) = store.deserialize_cdr(raw, "tf2_msgs/msg/TFMessage").transforms
    assert read.child_frame_id == "there" and read.header.frame_id == "here"
    np.testing.assert_allclose(transform_from_stamped(read)[2].matrix, transform_from_stamped(transform)[2].matrix)


def _stamped(T_parent_child, parent, child, stamp):
    return messages.transform_stamped(T_parent_child, messages.header(stamp, parent), child)


def test_look_ups_interpolate_and_join_static_and_moving_frames():
    rng, buffer, second = np.random.default_rng(1), Buffer(), 10**9
    ends = [Pose.from_rotvec(rng.normal(size=3), rng.normal(size=3)) for _ in range(2)]
    fixed = Pose.from_rotvec([0, 0, 1], [1, 0, 0])
    for k, pose in enumerate(ends):
        buffer.set_transform(_stamped(pose, "map", "base", (k + 1) * second), "test")
    buffer.set_transform_static(_stamped(fixed, "base", "camera", 0), "test")
    found = buffer.lookup_transform("map", "camera", Time(nanoseconds=int(1.25 * second)))
    turn = Slerp([0, 1], Rotation.from_matrix([pose.rotation for pose in ends]))(0.25).as_matrix()
    expected = Pose(turn, 0.75 * ends[0].translation + 0.25 * ends[1].translation) @ fixed
    np.testing.assert_allclose(transform_from_stamped(found)[2].matrix, expected.matrix, atol=1e-9)
    back = buffer.lookup_transform("camera", "map", Time(nanoseconds=int(1.25 * second)))
    np.testing.assert_allclose(transform_from_stamped(back)[2].matrix, expected.inverse().matrix, atol=1e-9)
    latest = buffer.lookup_transform("map", "camera", Time())
    np.testing.assert_allclose(transform_from_stamped(latest)[2].matrix, (ends[1] @ fixed).matrix, atol=1e-9)


def test_look_ups_that_cannot_be_answered():
    buffer, pose, second = Buffer(), Pose.identity(), 10**9
    buffer.set_transform(_stamped(pose, "map", "base", second))
    buffer.set_transform(_stamped(pose, "other", "island", second))
    for target, source, stamp in (
        ("map", "nowhere", second),
        ("map", "island", second),
        ("map", "base", 2 * second),
        ("map", "base", 1),
    ):
        with pytest.raises(TransformException):
            buffer.lookup_transform(target, source, Time(nanoseconds=stamp))
    buffer.set_transform(_stamped(pose, "base", "map", second))
    with pytest.raises(TransformException, match="loop"):
        buffer.lookup_transform("map", "base", Time(nanoseconds=second))
    buffer.clear()
    with pytest.raises(TransformException):
        buffer.lookup_transform("map", "base", Time(nanoseconds=second))


@pytest.fixture
def clock(monkeypatch):
    """Time that the test sets."""
    now = [100.0]
    monkeypatch.setattr("i2p_ros.ros.nodes.health.time.monotonic", lambda: now[0])
    return now


def _all_arrive(health):
    for kind in ("image", "points", "camera_info"):
        health.arrived(kind)


def test_health_grows_from_warning_to_error_with_silence(clock):
    health = Health(NodeSettings(), started=100.0)
    clock[0] = 100.9
    assert health.report(None)[:2] == (WARN, "no pair yet")
    clock[0] = 102.0
    level, text, _ = health.report(None)
    assert level == WARN and "no image for 2 s" in text
    clock[0] = 106.0
    assert health.report(None)[0] == ERROR
    _all_arrive(health)
    health.answered(PoseEstimate(Status.OK, pose=Pose.identity()), 20.0, 1.5)
    level, text, values = health.report(None)
    assert (level, text) == (OK, "localizing")
    assert values["pairs"] == values["localized"] == 1 and values["latency_ms_max"] == 20.0
    assert values["last_gap_ms"] == 1.5 and values["seconds_since_pose"] == 0.0


def test_row_27_a_camera_info_that_never_comes_is_a_warning_and_then_an_error(clock):
    health = Health(NodeSettings(warn_after_s=1e3, error_after_s=1e3), started=100.0)
    for now, level in ((102.9, WARN), (103.1, WARN), (110.1, ERROR)):
        clock[0] = now
        assert health.report(None)[0] == level and ("no camera_info" in health.report(None)[1]) == (now > 103.0)
    health.arrived("camera_info")
    clock[0] = 500.0  # one is enough
    assert health.report(None)[:2] == (WARN, "no pair yet")


def test_health_tells_of_drops_rejections_and_a_stuck_pair(clock):
    health = Health(NodeSettings(), started=100.0)
    _all_arrive(health)
    health.drop("busy")
    health.answered(PoseEstimate(Status.NO_CONSENSUS, "few agree"), 20.0, 0.0)
    level, text, values = health.report(None)
    assert level == WARN and "1 dropped" in text and values["dropped.busy"] == 1
    assert health.report(None)[1] == "no pose: no_consensus, 1 in a row"
    clock[0] = 102.0
    assert health.report(90.0)[:2] == (STALE, "one pair has been running for 12 s")


def test_one_scan_for_two_cameras_is_decoded_once():
    rng = np.random.default_rng(0)
    points = PointCloud(rng.uniform(-9, 9, (500, 3)).astype(np.float32), rng.uniform(size=500).astype(np.float32))

    def decoded(cloud=points, stamp=10**9, frame="lidar", **node):
        message = messages.cloud_message(cloud, messages.header(stamp, frame))
        image = messages.image_message(np.zeros((64, 96, 3), np.uint8), messages.header(stamp, "camera"))
        info = messages.camera_info(Camera(90.0, 90.0, 48.0, 32.0, 96, 64), messages.header(stamp, "camera"))
        settings = Settings(node=NodeSettings(**node))
        return PairJob(image, message, info, stamp, 0.0, settings).decoded("/image")[0].cloud

    first = decoded()
    assert decoded() is first  # another message, of the same scan
    assert decoded(stamp=2 * 10**9) is first  # a map that is sent again
    assert decoded(intensity_field="intensity") is not first
    moved = PointCloud(points.xyz + 1, points.intensity)
    np.testing.assert_array_equal(decoded(moved).xyz, moved.xyz)
