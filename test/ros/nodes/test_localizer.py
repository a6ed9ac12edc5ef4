# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The localizer node, through its topics only."""

import time

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
pytest.importorskip("tf2_msgs", reason="needs tf2_msgs (python pip_ros/install.py)")

from builtin_interfaces.msg import Time  # noqa: E402
from helpers.graph import START, T_CAMERA_LIDAR, estimate, made, sample, values  # noqa: E402
from sensor_msgs.msg import CompressedImage  # noqa: E402
from tf2_ros import StaticTransformBroadcaster  # noqa: E402

from i2p_ros.core.geometry import Pose  # noqa: E402
from i2p_ros.core.messages import image_from_compressed, pose_from_transform, transform_from_stamped  # noqa: E402
from i2p_ros.core.types import PoseEstimate, Status  # noqa: E402
from i2p_ros.pnp.covariance import camera_in_lidar, published  # noqa: E402
from i2p_ros.ros import messages  # noqa: E402


@pytest.fixture
def make(ros_context):
    """Graphs that are taken down afterwards."""
    yield from made(ros_context)


def test_a_pair_gives_pose_tf_and_status(make):
    graph = make()
    said = graph.play(graph.messages())
    (pose,), (tf,) = graph.heard["/localizer/pose"], graph.heard["/tf"]
    assert said["status"] == "ok" and said["inliers"] == "25" and float(said["latency_ms"]) > 0
    assert pose.header == messages.header(START, "lidar") == graph.heard["/localizer/status"][0].header
    expected = np.linalg.inv(T_CAMERA_LIDAR.matrix)
    q, p = pose.pose.pose.orientation, pose.pose.pose.position
    np.testing.assert_allclose(Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix(), expected[:3, :3], atol=1e-9)
    np.testing.assert_allclose([p.x, p.y, p.z], expected[:3, 3], atol=1e-9)
    parent, child, T_lidar_estimated = transform_from_stamped(tf.transforms[0])
    assert (parent, child) == ("lidar", "camera_estimated") and tf.transforms[0].header.stamp == pose.header.stamp
    np.testing.assert_allclose(T_lidar_estimated.matrix, expected, atol=1e-9)


def test_the_covariance_is_that_of_sampled_cameras(make):
    graph = make()
    graph.play(graph.messages())
    covariance = np.array(graph.heard["/localizer/pose"][0].pose.covariance).reshape(6, 6)
    rng, truth = np.random.default_rng(0), T_CAMERA_LIDAR.inverse()
    small = estimate().covariance / 100  # the formula is first order
    draws = rng.multivariate_normal(np.zeros(6), small, 4000)
    cameras = [T_CAMERA_LIDAR.retract(draw).inverse() for draw in draws]
    position = np.array([camera.translation - truth.translation for camera in cameras])
    turns = Rotation.from_matrix([camera.rotation @ truth.rotation.T for camera in cameras]).as_rotvec()
    sampled = 100 * np.cov(np.hstack([position, turns]).T)
    scale = np.sqrt(np.outer(np.diag(sampled), np.diag(sampled)))
    np.testing.assert_allclose(covariance / scale, sampled / scale, atol=0.1)


def test_the_localizer_sees_what_was_sent(make):
    graph = make()
    graph.play(graph.messages(3))
    (seen,), sent = graph.localizer.pairs, sample(3).pair
    np.testing.assert_array_equal(seen.image, sent.image)
    np.testing.assert_array_equal(seen.cloud.xyz, sent.cloud.xyz)
    np.testing.assert_array_equal(seen.cloud.intensity, sent.cloud.intensity)
    assert seen.camera == sent.camera and seen.stamp == sent.stamp


def test_no_pose_is_published_when_there_is_none(make):
    graph = make()
    graph.localizer.answer = lambda pair: PoseEstimate(Status.NO_CONSENSUS, "5 of 80 matches agree")
    said = graph.play(graph.messages())
    assert said["status"] == "no_consensus" and said["text"] == "5 of 80 matches agree"
    assert not graph.heard["/localizer/pose"] and not graph.heard["/tf"]


def _frameless(parts):
    parts["points"].header.frame_id = ""


def _narrow(parts):
    parts["points"].point_step = 0


def _short(parts):
    parts["image"].data = parts["image"].data[:-1]


def _depth(parts):
    parts["image"].encoding = "32FC1"


def _uncalibrated(parts):
    parts["info"].k, parts["info"].p = np.zeros(9), np.zeros(12)


def _other_size(parts):
    parts["info"].width += 7


def _nan(parts):
    parts["points"].data = parts["points"].data[:0]
    parts["points"].width = parts["points"].row_step = 0


BAD = {
    "frame.empty": _frameless,
    "cloud.layout": _narrow,
    "image.length": _short,
    "image.encoding": _depth,
    "camera_info.uncalibrated": _uncalibrated,
    "image.size": _other_size,
    "cloud.empty": _nan,
}


def test_bad_input_is_refused_by_name_and_the_node_lives_on(make):
    graph = make()
    for index, (reason, spoil) in enumerate(BAD.items()):
        parts = graph.messages(index)
        spoil(parts)
        said = graph.play(parts)
        assert (said["status"], said["reason"]) == ("bad_input", reason) and said["text"]
    assert not graph.heard["/localizer/pose"] and not graph.localizer.pairs
    assert graph.play(graph.messages(len(BAD)))["status"] == "ok"
    assert len(graph.heard["/localizer/pose"]) == 1


def test_a_pair_before_camera_info_is_refused(make):
    graph = make()
    parts = graph.messages()
    del parts["info"]
    assert graph.play(parts)["reason"] == "camera_info.missing"


def test_an_exception_is_contained(make):
    graph = make()
    graph.localizer.answer = lambda pair: 1 / 0
    said = graph.play(graph.messages())
    assert (said["status"], said["reason"]) == ("not_processed", "exception") and "ZeroDivisionError" in said["text"]
    graph.localizer.answer = lambda pair: estimate()
    assert graph.play(graph.messages(1))["status"] == "ok"


def test_a_covariance_that_is_not_finite_is_not_published(make):
    graph = make()
    spoilt = PoseEstimate(Status.OK, pose=T_CAMERA_LIDAR, covariance=np.full((6, 6), np.nan))
    graph.localizer.answer = lambda pair: spoilt
    assert graph.play(graph.messages())["status"] == "nonfinite"
    assert not graph.heard["/localizer/pose"] and not graph.heard["/tf"]


def test_a_message_without_a_time_is_counted_and_dropped(make):
    graph = make(node__diagnostics_s=0.1)
    parts = graph.messages()
    parts["image"].header.stamp = Time()
    graph.send(parts)
    assert graph.until(lambda: any("dropped.stamp.zero" in values(m) for m in graph.heard["/diagnostics"]))
    assert not graph.heard["/localizer/status"]


def test_only_the_newest_pair_waits(make):
    graph = make()
    graph.localizer.gate.clear()
    graph.send(graph.messages(0))
    assert graph.until(lambda: graph.localizer.pairs)
    answers = graph.heard["/localizer/status"]
    for index in (1, 2):  # the second overtakes the first, which is told at once
        graph.send(graph.messages(index))
        graph.until(lambda: False, 0.2)
    assert graph.until(lambda: answers)
    assert values(answers[0])["reason"] == "busy" and answers[0].header.stamp == messages.time_message(START + 10**8)
    graph.localizer.gate.set()
    assert graph.until(lambda: len(answers) == 3)
    assert [pair.stamp - START for pair in graph.localizer.pairs] == [0, 2 * 10**8]


def test_pose_of_a_base_frame_through_tf(make):
    graph = make(node__base_frame="base_link", node__tf_mode="none")
    assert graph.play(graph.messages())["reason"] == "tf.missing"
    assert not graph.heard["/localizer/pose"]
    T_base_camera = Pose.from_rotvec([0.3, -0.1, 0.8], [1.5, 0.0, 1.2])
    broadcaster = StaticTransformBroadcaster(graph.tester)
    broadcaster.sendTransform(messages.transform_stamped(T_base_camera, messages.header(START, "base_link"), "camera"))
    graph.until(lambda: False, 0.3)
    assert graph.play(graph.messages(1))["status"] == "ok"
    (pose,) = graph.heard["/localizer/pose"]
    expected = (T_base_camera @ T_CAMERA_LIDAR).inverse()
    np.testing.assert_allclose(pose_from_transform(pose.pose.pose).matrix, expected.matrix, atol=1e-9)
    assert not graph.heard["/tf"]


@pytest.mark.parametrize("diagonal", [False, True])
def test_covariance_may_be_diagonal(make, diagonal):
    graph = make(node__diagonal_covariance=diagonal)
    graph.play(graph.messages())
    (pose,) = graph.heard["/localizer/pose"]
    covariance = np.reshape(pose.pose.covariance, (6, 6))
    beside = covariance - np.diag(np.diag(covariance))
    full = published(camera_in_lidar(T_CAMERA_LIDAR, np.asarray(estimate().covariance)))
    np.testing.assert_allclose(np.diag(covariance), np.diag(full))
    assert (beside.min() < 0.0) != diagonal and bool(beside.any()) != diagonal


def test_the_overlay_is_drawn_only_for_listeners(make):
    graph = make()
    graph.play(graph.messages())
    graph.listen(CompressedImage, "/localizer/overlay/compressed")
    assert graph.until(lambda: graph.tester.count_subscribers("/localizer/overlay/compressed") == 1)
    graph.until(lambda: False, 0.3)
    graph.play(graph.messages(1))
    (shown,) = graph.heard["/localizer/overlay/compressed"]
    assert image_from_compressed(shown).shape == (64, 96, 3)
    assert shown.header == messages.header(START + 10**8, "camera")


def test_compressed_images(make):
    graph = make(compressed=True, node__image_transport="compressed")
    assert graph.play(graph.messages())["status"] == "ok"
    assert np.abs(graph.localizer.pairs[0].image.astype(int) - sample().pair.image).mean() < 3  # JPEG
    torn = graph.messages(1)
    torn["image"].data = torn["image"].data[: len(torn["image"].data) // 2]
    assert graph.play(torn)["reason"] == "image.compressed"


def test_time_may_jump_back(make):
    graph = make(use_sim_time=True)
    for index in (40, 41, 0, 1):  # a bag that starts again
        graph.set_clock(START + index * 10**8)
        assert graph.play(graph.messages(index))["status"] == "ok"


def test_diagnostics_say_what_is_missing_and_then_that_all_is_well(make):
    graph = make(node__diagnostics_s=0.1, node__warn_after_s=0.2)
    reports = graph.heard["/diagnostics"]
    assert graph.until(lambda: reports and "no image" in reports[-1].status[0].message)
    assert reports[-1].status[0].level == messages.WARN
    end = time.monotonic() + 5
    index = 0
    while reports[-1].status[0].level != messages.OK and time.monotonic() < end:
        graph.play(graph.messages(index))
        index += 1
    last = reports[-1].status[0]
    assert last.level == messages.OK and last.name == "/localizer: localization" and last.hardware_id == "camera"
    assert values(reports[-1])["runtime"] == "a localizer that knows"
