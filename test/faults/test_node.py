# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults that only a running node meets, each with its number in the list of faults: over real topics."""

import array
import contextlib
import threading
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
pytest.importorskip("tf2_msgs", reason="needs tf2_msgs (python pip_ros/install.py)")

from geometry_msgs.msg import PoseWithCovarianceStamped, TransformStamped
from helpers.graph import CAMERA, START, T_CAMERA_LIDAR, estimate, made, values
from helpers.messages import cloud, xyz
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, PointCloud2, PointField
from tf2_msgs.msg import TFMessage

from i2p_ros.core.changes import FROZEN
from i2p_ros.core.errors import DeviceError, I2PError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.messages import cloud_from_message, pose_from_transform, stamp_ns, transform_from_stamped
from i2p_ros.core.types import PoseEstimate, Status
from i2p_ros.ros import messages
from i2p_ros.ros.nodes.lifecycle_node import StuckError

STEP = 10**8
T_BASE_CAMERA = Pose.from_rotvec([0.3, -0.1, 0.8], [1.5, 0.0, 1.2])


@pytest.fixture
def make(ros_context):
    """Graphs that are taken down afterwards."""
    yield from made(ros_context)


def shifted(graph, index, stamp):
    """A pair under another stamp."""
    parts = graph.messages(index)
    for part in parts.values():
        part.header.stamp = messages.time_message(stamp)
    return parts


def dropped(graph):
    """Counts of the last diagnostics."""
    found = values(graph.heard["/diagnostics"][-1]) if graph.heard["/diagnostics"] else {}
    return {key.removeprefix("dropped."): int(value) for key, value in found.items() if key.startswith("dropped.")}


def transforms(*links):
    """A TFMessage of (parent, child, pose, stamp)."""
    return TFMessage(
        transforms=[messages.transform_stamped(p, messages.header(t, parent), child) for parent, child, p, t in links]
    )


def tf_publisher(graph, static=False):
    latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = graph.tester.create_publisher(TFMessage, "/tf_static" if static else "/tf", latched if static else 100)
    assert graph.until(publisher.get_subscription_count)
    return publisher


def elsewhere(pair):
    """A pose that no gate lets pass."""
    return estimate(Pose.exp([0, 0, 60, 0, 1, 0]) @ T_CAMERA_LIDAR)


def warned(capfd, text):
    """How often the log has said it since the last look."""
    return capfd.readouterr().err.count(text)


def last(graph, key):
    return values(graph.heard["/diagnostics"][-1]).get(key) if graph.heard["/diagnostics"] else None


def swept(graph, index, T_odom_lidar, sweep_s):
    """A pair whose cloud was measured on the way: points of odom, each seen from where the lidar was then."""
    parts = graph.messages(index)
    in_odom = np.random.default_rng(index).uniform(-30, 30, (500, 3))
    times = np.linspace(0, sweep_s, 500).astype(np.float32)
    seen = np.array([T_odom_lidar(t).inverse().apply(p[None])[0] for t, p in zip(times, in_odom, strict=True)])
    given = cloud({**xyz(points=seen), "intensity": np.ones(500, "f4"), "t": times})
    layout = {name: getattr(given, name) for name in ("height", "width", "point_step", "row_step", "is_dense")}
    parts["points"] = PointCloud2(
        header=parts["points"].header,
        fields=[PointField(**vars(field)) for field in given.fields],
        data=array.array("B", given.data),
        **layout,
    )
    return parts, in_odom


def driving(t):
    """T_odom_lidar of a vehicle at 20 m/s that turns, ever faster."""
    return Pose.from_rotvec([0, 0, 0.3], [5, 5, 0]) @ Pose.exp((t + t * t) * np.array([20.0, 0, 0, 0, 0, 0.5]))


def test_row_9_a_cloud_without_intensity_is_localized_and_told_once(make, capfd):
    graph = make()
    for index in range(3):
        parts = graph.messages(index)
        parts["points"].fields[3].name = "ring"
        assert graph.play(parts)["status"] == "ok"
    assert [pair.cloud.intensity for pair in graph.localizer.pairs] == [None] * 3
    assert warned(capfd, "no intensity") == 1


def test_row_16_motion_within_a_cloud_is_undone_where_tf_knows_it(make):
    graph = make()
    publisher = tf_publisher(graph)
    stamps = range(-STEP, 3 * STEP, STEP // 5)
    publisher.publish(transforms(*(("odom", "lidar", driving(s / 1e9), START + s) for s in stamps)))
    graph.until(lambda: False, 0.2)
    parts, in_odom = swept(graph, 0, driving, 0.1)
    parts["image"].header.stamp = messages.time_message(START + 30_000_000)  # in the midst of the sweep
    graph.send(parts)
    graph.until(lambda: False, 0.2)
    graph.send({"points": graph.messages(1)["points"]})  # after which no nearer one can come
    assert graph.until(lambda: graph.localizer.pairs)
    seen = graph.localizer.pairs[0]
    np.testing.assert_allclose(seen.cloud.xyz, driving(0.03).inverse().apply(in_odom), atol=1e-2)
    assert np.abs(seen.cloud.xyz - cloud_from_message(parts["points"]).xyz).max() > 0.5


def test_row_16_without_times_or_odometry_clouds_are_taken_as_they_come_and_that_is_told_once(make, capfd):
    graph = make()
    for index in range(2):
        parts, _ = swept(graph, 2 * index, driving, 0.1)
        assert graph.play(parts)["status"] == "ok"
        taken = graph.localizer.pairs[-1].cloud.xyz
        np.testing.assert_array_equal(taken, cloud_from_message(parts["points"]).xyz)
        assert graph.play(graph.messages(2 * index + 1))["status"] == "ok"
    said = capfd.readouterr().err
    assert said.count("deskew.no_motion") == 1 and said.count("deskew.no_times") == 1


def test_row_25_an_image_that_is_binned_without_saying_so_has_a_binned_camera(make):
    graph = make()
    parts = graph.messages()
    whole = CAMERA.resized(2 * CAMERA.width, 2 * CAMERA.height)
    parts["info"] = messages.camera_info(whole, parts["info"].header)
    assert graph.play(parts)["status"] == "ok"
    (seen,) = graph.localizer.pairs
    assert (seen.camera.width, seen.camera.height) == (CAMERA.width, CAMERA.height)
    np.testing.assert_allclose(seen.camera.matrix, CAMERA.matrix, atol=1e-9)


def test_row_26_a_frozen_camera_is_told_until_it_moves_again(make):
    graph = make(node__diagnostics_s=0.1)
    image = graph.messages(0)["image"].data
    reports = graph.heard["/diagnostics"]
    for index in range(FROZEN + 1):
        parts = graph.messages(index)
        parts["image"].data = image
        assert graph.play(parts)["status"] == "ok"
    assert graph.until(lambda: "the camera is frozen" in reports[-1].status[0].message, 2.0)
    assert reports[-1].status[0].level == messages.WARN
    graph.play(graph.messages(FROZEN + 2))
    assert graph.until(lambda: "frozen" not in reports[-1].status[0].message, 2.0)


def test_row_29_another_calibration_is_adopted_told_and_tracked_anew(make, capfd):
    graph = make(tracking__prior="constant_velocity", tracking__speed_std=0.1, node__diagnostics_s=0.1)
    for index in range(3):
        assert graph.play(graph.messages(index))["status"] == "ok"
    assert graph.localizer.priors[2] is not None and graph.until(lambda: last(graph, "calib_epoch") == "1")
    parts = graph.messages(3)
    parts["info"].k[0] = 91.0
    graph.localizer.answer = elsewhere
    assert graph.play(parts)["status"] == "ok" and graph.localizer.priors[3] is None
    assert graph.localizer.pairs[3].camera.fx == 91.0 and graph.until(lambda: last(graph, "calib_epoch") == "2")
    said = capfd.readouterr().err
    assert said.count("the calibration has changed") == 1 and "fx=90.0" in said and "fx=91.0" in said


def test_row_39_messages_without_usable_stamps_are_paired_by_arrival_if_asked_to(make):
    graph = make(pairing__use_arrival_time=True, pairing__slop_s=0.5)
    before = time.time_ns()
    graph.send(shifted(graph, 0, 0))
    graph.until(lambda: False, 0.7)
    graph.send(shifted(graph, 1, 0))
    assert graph.until(lambda: graph.heard["/localizer/pose"])
    assert before <= stamp_ns(graph.heard["/localizer/pose"][0].header.stamp) <= time.time_ns()


def test_row_41_offsets_of_both_sensors_are_taken_off_and_the_gap_that_is_left_is_told(make):
    graph = make(pairing__image_time_offset_s=-0.12, pairing__time_offset_s=0.1, node__diagnostics_s=0.1)
    for index in range(4):
        parts = shifted(graph, index, START + 2 * index * STEP)
        parts["image"].header.stamp = messages.time_message(START + 2 * index * STEP + 230_000_000)
        graph.send(parts)
        graph.until(lambda: False, 0.1)
    assert graph.until(lambda: graph.localizer.pairs)
    assert graph.localizer.pairs[0].stamp % (2 * STEP) == (START + 230_000_000) % (2 * STEP)  # the image's own
    graph.until(lambda: False, 0.2)
    assert float(last(graph, "last_gap_ms")) == pytest.approx(10.0)
    assert graph.until(lambda: float(last(graph, "median_gap_ms") or 0) == pytest.approx(10.0))


def test_row_45_a_localizer_without_room_is_an_error(make):
    graph = make(node__diagnostics_s=0.1)
    graph.localizer.answer = lambda pair: PoseEstimate(Status.NOT_PROCESSED, "the device has no room")
    assert graph.play(graph.messages())["status"] == "not_processed" and not graph.heard["/localizer/pose"]
    reports = graph.heard["/diagnostics"]
    assert graph.until(lambda: "not_processed" in reports[-1].status[0].message)
    assert reports[-1].status[0].level == messages.ERROR


def test_row_46_a_lost_device_ends_the_node(make):
    graph = make(node__diagnostics_s=0.1)

    def lost(pair):
        raise DeviceError("the device is lost, start again")

    graph.localizer.answer = lost
    graph.send(graph.messages())
    with pytest.raises(DeviceError):
        graph.until(lambda: False, 3.0)
    answers = graph.heard["/localizer/status"]
    with contextlib.suppress(DeviceError):
        graph.until(lambda: answers, 0.05)
    assert values(answers[-1])["reason"] == "device_lost"


@pytest.mark.parametrize("off_m", [0.0, 2.0])
def test_row_59_covariances_that_are_too_small_are_told(make, off_m):
    graph = make(
        tracking__prior="tf",
        tracking__prior_std_m=0.1,
        tracking__prior_std_deg=1.0,
        tracking__gate=1e9,
        node__diagnostics_s=0.1,
    )
    tf_publisher(graph, static=True).publish(transforms(("lidar", "camera", T_CAMERA_LIDAR.inverse(), 0)))
    graph.until(lambda: False, 0.2)
    answers = iter(np.random.default_rng(0).choice([-off_m, off_m], 21))
    graph.localizer.answer = lambda pair: estimate(Pose.exp([next(answers), 0, 0, 0, 0, 0]) @ T_CAMERA_LIDAR)
    for index in range(21):
        graph.play(graph.messages(index))
    assert graph.until(lambda: last(graph, "covariance_ratio") is not None)
    assert (float(last(graph, "covariance_ratio")) > 2) == (off_m > 0)
    told = "covariances are too small" in graph.heard["/diagnostics"][-1].status[0].message
    assert told == (off_m > 0)


def test_row_34_the_clock_jumps_back_and_the_next_pair_is_answered(make):
    graph = make(use_sim_time=True, tracking__prior="constant_velocity", node__diagnostics_s=0.1)
    clock = graph.tester.create_publisher(Clock, "/clock", 1)
    assert graph.until(clock.get_subscription_count)
    for index in (40, 41, 42, 0, 1, 2):  # a bag that starts again
        clock.publish(Clock(clock=messages.time_message(START + index * STEP)))
        graph.until(lambda: False, 0.1)
        graph.localizer.answer = elsewhere if index < 40 else graph.localizer.answer
        assert graph.play(graph.messages(index))["status"] == "ok"  # and no gate from the time before
    assert graph.localizer.priors[3] is None
    assert graph.until(lambda: dropped(graph).get("time_reset") == 1)


def test_row_34_what_waits_when_the_clock_jumps_is_counted(make):
    graph = make(use_sim_time=True, node__diagnostics_s=0.1)
    clock = graph.tester.create_publisher(Clock, "/clock", 1)
    assert graph.until(clock.get_subscription_count)
    clock.publish(Clock(clock=messages.time_message(START + 40 * STEP)))
    graph.until(lambda: False, 0.1)
    graph.send({"image": graph.messages(40)["image"]})
    graph.until(lambda: False, 0.2)
    clock.publish(Clock(clock=messages.time_message(START)))
    assert graph.until(lambda: dropped(graph) == {"time_reset": 1, "unpaired_image": 1})
    graph.send({"points": graph.messages(40)["points"]})  # late, or stamped ahead: it has no partner any more
    graph.until(lambda: False, 0.2)
    assert not graph.localizer.pairs and graph.play(graph.messages(0))["status"] == "ok"


def test_row_35_stamps_jump_back_without_a_clock(make):
    graph = make(tracking__prior="constant_velocity", node__diagnostics_s=0.1)
    for index in (100, 101, 102, 0, 1, 2):
        graph.localizer.answer = elsewhere if index < 100 else graph.localizer.answer
        assert graph.play(graph.messages(index))["status"] == "ok"
    assert graph.localizer.priors[3] is None
    assert graph.until(lambda: dropped(graph).get("time_reset", 0) >= 1)


def test_row_35_transforms_of_the_time_before_do_not_keep_new_ones_out(make):
    graph = make(node__base_frame="base_link")
    publisher = tf_publisher(graph)
    tf_publisher(graph, static=True).publish(transforms(("mast", "camera", T_BASE_CAMERA, 0)))
    for index in (1000, 1001, 0, 1):
        publisher.publish(transforms(("base_link", "mast", T_BASE_CAMERA, START + index * STEP)))
        graph.until(lambda: False, 0.15)
        assert graph.play(graph.messages(index))["status"] == "ok"


def test_row_35_after_a_jump_the_camera_is_searched_and_not_lost(make):
    graph = make(tracking__prior="constant_velocity")
    for index in (100, 101):
        assert graph.play(graph.messages(index))["state"] == "tracking"
    graph.localizer.answer = lambda pair: PoseEstimate(Status.NO_CONSENSUS, "few agree")
    said = graph.play(graph.messages(0))
    assert said["state"] == "searching" and "time has jumped" in said["state_reason"]


def test_row_35_transforms_of_the_round_before_are_not_used(make):
    graph = make(node__base_frame="base_link")
    publisher, other = tf_publisher(graph), Pose.from_rotvec([0, 0, 1], [9, 9, 9])
    for index in range(50):
        publisher.publish(transforms(("base_link", "camera", other, START + index * STEP)))
    graph.until(lambda: False, 0.3)
    assert [graph.play(graph.messages(index))["status"] for index in (45, 46, 47)] == ["ok"] * 3
    assert graph.play(graph.messages(2))["reason"].startswith("tf.")
    publisher.publish(transforms(("base_link", "camera", T_BASE_CAMERA, START + 3 * STEP)))
    graph.until(lambda: False, 0.2)
    assert graph.play(graph.messages(3))["status"] == "ok"
    expected = (T_BASE_CAMERA @ T_CAMERA_LIDAR).inverse()
    found = pose_from_transform(graph.heard["/localizer/pose"][-1].pose.pose)
    np.testing.assert_allclose(found.matrix, expected.matrix, atol=1e-9)


def test_row_36_time_jumps_forward_by_hours(make):
    graph = make(tracking__prior="constant_velocity")
    graph.play(graph.messages(0))
    started = time.monotonic()
    for k in range(3):
        said = graph.play(shifted(graph, k, START + 9 * 3600 * 10**9 + k * STEP))
        assert said["status"] == "ok" and said["state"] == "tracking"
    assert graph.localizer.priors[1] is None and time.monotonic() - started < 4


def test_row_42_one_sensor_stops_and_returns(make):
    graph = make(node__diagnostics_s=0.1, node__warn_after_s=0.3, node__error_after_s=0.8)
    assert graph.play(graph.messages(0))["status"] == "ok"
    answers, reports = graph.heard["/localizer/status"], graph.heard["/diagnostics"]

    def level_and_text():
        return reports[-1].status[0].level, reports[-1].status[0].message

    index = 0

    def without_points():
        nonlocal index
        index += 1
        parts = graph.messages(index)
        del parts["points"]
        graph.send(parts)
        graph.until(lambda: False, 0.05)
        return level_and_text()

    end = time.monotonic() + 5
    while without_points()[0] != messages.ERROR and time.monotonic() < end:
        assert level_and_text()[0] in (messages.OK, messages.WARN)
    assert level_and_text()[0] == messages.ERROR and "no points for" in level_and_text()[1]
    before = len(answers)
    for _ in range(2):
        index += 1
        graph.send(graph.messages(index))
        graph.until(lambda: False, 0.1)
    assert graph.until(lambda: len(answers) > before) and values(answers[-1])["status"] == "ok"


def test_row_43_a_publisher_comes_back_with_another_frame_or_type(make):
    graph = make(node__diagnostics_s=0.1)
    assert graph.play(graph.messages(0))["status"] == "ok"
    graph.tester.destroy_publisher(graph.points)
    graph.points = graph.tester.create_publisher(PointCloud2, "points", 5)
    assert graph.until(graph.points.get_subscription_count)
    parts = graph.messages(1)
    parts["points"].header.frame_id = "roof_lidar"
    assert graph.play(parts)["status"] == "ok"
    assert graph.heard["/localizer/pose"][-1].header.frame_id == "roof_lidar"
    graph.tester.destroy_publisher(graph.points)
    other = Context()  # one participant cannot have both types
    other.init()
    stranger = Node("stranger", context=other, use_global_arguments=False)
    wrong = stranger.create_publisher(CompressedImage, "points", 5)
    graph.until(lambda: False, 0.5)
    wrong.publish(CompressedImage())
    graph.until(lambda: False, 0.2)
    stranger.destroy_node()
    other.try_shutdown()
    graph.points = graph.tester.create_publisher(PointCloud2, "points", 5)
    assert graph.until(graph.points.get_subscription_count)
    assert graph.play(graph.messages(2))["status"] == "ok"


def test_row_43_another_frame_is_another_track(make):
    graph = make(tracking__prior="constant_velocity", tracking__speed_std=0.1)
    for k in range(3):
        assert graph.play(graph.messages(k))["status"] == "ok"
    assert graph.localizer.priors[2] is not None
    parts = graph.messages(3)
    parts["points"].header.frame_id = "roof_lidar"
    graph.localizer.answer = elsewhere
    assert graph.play(parts)["status"] == "ok" and graph.localizer.priors[3] is None


def test_row_44_incompatible_quality_of_service_is_named(make, capfd):
    override = {"qos_overrides./points.subscription.reliability": "reliable", "node.diagnostics_s": 0.1}
    with pytest.raises(AssertionError, match="do not see each other"):
        make(best_effort=True, **override)
    said = capfd.readouterr().err
    assert "/points" in said and "RELIABILITY" in said and "qos_overrides./points" in said


def test_row_40_what_comes_while_the_node_is_held_up_is_paired_all_the_same(make):
    graph = make()
    early, *later = (graph.messages(index) for index in range(3))
    graph.send({"image": early["image"], "info": early["info"]})
    for parts in later:
        graph.send({"image": parts["image"]})
    graph.send({"points": early["points"]})
    time.sleep(0.2)  # nobody spins: all of it waits
    answers = graph.heard["/localizer/status"]
    assert graph.until(lambda: answers)
    assert values(answers[0])["status"] == "ok" and float(values(answers[0])["gap_ms"]) == 0.0


def test_row_50_a_slow_localizer_gets_the_newest_pair_and_the_rest_is_counted(make):
    graph = make(node__diagnostics_s=0.1)
    graph.localizer.gate.clear()
    for index in range(6):
        graph.send(graph.messages(index))
        graph.until(lambda: False, 0.1)
    graph.localizer.gate.set()
    answers = graph.heard["/localizer/status"]
    assert graph.until(lambda: len(answers) == 6)
    assert [pair.stamp for pair in graph.localizer.pairs] == [START, START + 5 * STEP]
    assert graph.until(lambda: dropped(graph).get("busy") == 4)


def test_row_51_a_localizer_that_hangs_is_stale_and_may_end_the_node(make):
    graph = make(node__diagnostics_s=0.1, node__stale_after_s=0.3)
    graph.localizer.gate.clear()
    graph.send(graph.messages(0))
    reports = graph.heard["/diagnostics"]
    assert graph.until(lambda: reports and reports[-1].status[0].level == messages.STALE)
    assert "one pair has been running" in reports[-1].status[0].message
    graph.localizer.gate.set()
    assert graph.until(lambda: reports[-1].status[0].level != messages.STALE)


def test_row_51_a_watchdog_ends_the_node_if_asked_to(make):
    graph = make(node__diagnostics_s=0.1, node__exit_after_s=0.3)
    graph.localizer.gate.clear()
    graph.send(graph.messages(0))
    with pytest.raises(StuckError, match="more than 0"):
        graph.until(lambda: False, 3.0)
    assert issubclass(StuckError, I2PError)  # which the process says in one line, with exit code 1


def test_row_52_exceptions_end_neither_the_worker_nor_the_node(make, ros_context, monkeypatch):
    graph = make()
    graph.localizer.answer = lambda pair: 1 / 0
    said = graph.play(graph.messages(0))
    assert (said["status"], said["reason"]) == ("not_processed", "exception") and "ZeroDivisionError" in said["text"]
    graph.localizer.answer = lambda pair: estimate()
    assert graph.play(graph.messages(1))["status"] == "ok"


def test_row_52_a_callback_that_raises_does_not_end_the_node(make, ros_context):
    graph = make()
    graph.executor.remove_node(graph.node)

    def spin():
        with contextlib.suppress(ExternalShutdownException):
            graph.node.run()

    fail = graph.node.create_subscription(TransformStamped, "fail", lambda message: 1 / 0, 1)
    thread = threading.Thread(target=spin)
    thread.start()
    sender = graph.tester.create_publisher(TransformStamped, "fail", 1)
    assert graph.until(sender.get_subscription_count)
    sender.publish(TransformStamped())
    graph.until(lambda: False, 0.2)
    assert graph.play(graph.messages(0))["status"] == "ok" and fail is not None
    ros_context.try_shutdown()
    thread.join(3)
    assert not thread.is_alive()


def test_row_53_no_pose_without_a_finite_covariance(make):
    graph = make()
    graph.localizer.answer = lambda pair: PoseEstimate(
        Status.OK, pose=T_CAMERA_LIDAR, covariance=np.full((6, 6), np.nan)
    )
    said = graph.play(graph.messages())
    assert said["status"] != "ok" and not graph.heard["/localizer/pose"] and not graph.heard["/tf"]


def test_row_57_a_pose_far_off_the_prediction_is_withheld_until_it_has_come_often_enough(make):
    graph = make(tracking__prior="constant_velocity", tracking__speed_std=0.1, tracking__lost_after=3)
    for k in range(3):
        assert graph.play(graph.messages(k))["status"] == "ok"
    prior = graph.localizer.priors[2]
    assert prior is not None and np.abs(prior.pose.local(T_CAMERA_LIDAR)).max() < 1e-6
    graph.localizer.answer = lambda pair: estimate(Pose.exp([0, 0, 20, 0, 0, 0]) @ T_CAMERA_LIDAR)
    said = [graph.play(graph.messages(k)) for k in range(3, 7)]
    assert [s["status"] for s in said] == ["uncertain", "uncertain", "uncertain", "ok"]
    assert [s["state"] for s in said] == ["tracking", "tracking", "lost", "tracking"]
    assert "off the prediction" in said[0]["text"] and "3 pairs in a row" in said[2]["state_reason"]
    assert len(graph.heard["/localizer/pose"]) == 4


def test_row_60_frames_that_are_missing_are_waited_for_and_named(make):
    graph = make(node__base_frame="base_link", node__tf_timeout_s=0.3)
    said = graph.play(graph.messages(0))
    assert said["reason"] == "tf.missing" and "'camera'" in said["text"] and "'base_link'" in said["text"]
    publisher = tf_publisher(graph)
    publisher.publish(transforms(("base_link", "camera", T_BASE_CAMERA, START)))
    graph.until(lambda: False, 0.1)
    started = time.monotonic()
    assert graph.play(graph.messages(1))["reason"] == "tf.extrapolation"
    assert 0.3 <= time.monotonic() - started < 1.5
    graph.send(graph.messages(2))
    graph.until(lambda: False, 0.15)
    publisher.publish(transforms(("base_link", "camera", T_BASE_CAMERA, START + 2 * STEP)))  # late, but in time
    answers = graph.heard["/localizer/status"]
    assert graph.until(lambda: len(answers) == 3) and values(answers[-1])["status"] == "ok"
    assert len(graph.heard["/localizer/pose"]) == 1


def test_row_60_a_loop_and_two_parents_are_named(make):
    graph = make(node__base_frame="base_link")
    publisher = tf_publisher(graph)
    publisher.publish(
        transforms(("base_link", "camera", T_BASE_CAMERA, START), ("camera", "base_link", T_BASE_CAMERA, START))
    )
    graph.until(lambda: False, 0.2)
    said = graph.play(graph.messages(0))
    assert said["reason"] == "tf.loop" and "camera" in said["text"] and "base_link" in said["text"]
    graph.until(lambda: False, 2.1)  # the wrong link is not sent any more
    for k in range(1, 3):
        publisher.publish(transforms(("mast", "camera", T_BASE_CAMERA, START + k * STEP)))
        publisher.publish(transforms(("base_link", "camera", T_BASE_CAMERA, START + k * STEP)))
    publisher.publish(transforms(("map", "base_link", T_BASE_CAMERA, START + STEP)))
    graph.until(lambda: False, 0.2)
    said = graph.play(graph.messages(1))
    assert said["reason"] == "tf.two_parents" and "base_link" in said["text"] and "mast" in said["text"]
    assert not graph.heard["/localizer/pose"]


def test_row_60_a_transform_of_nan_is_left_out(make):
    graph = make(node__base_frame="base_link")
    publisher, broken = tf_publisher(graph), transforms(("base_link", "camera", T_BASE_CAMERA, START))
    broken.transforms[0].transform.rotation.x = float("nan")
    publisher.publish(broken)
    graph.until(lambda: False, 0.2)
    assert graph.play(graph.messages(0))["reason"] == "tf.missing"
    publisher.publish(transforms(("base_link", "camera", T_BASE_CAMERA, START + STEP)))
    graph.until(lambda: False, 0.2)
    assert graph.play(graph.messages(1))["status"] == "ok"


def test_map_to_odom_is_sent_so_that_the_tree_says_where_the_camera_is(make):
    graph = make(node__tf_mode="map_to_odom", node__transform_tolerance_s=0.25)
    assert graph.play(graph.messages(0))["reason"] == "tf.missing" and not graph.heard["/tf"]
    tf_publisher(graph, static=True).publish(transforms(("base_link", "camera", T_BASE_CAMERA, 0)))
    T_odom_base = Pose.from_rotvec([0, 0, 0.5], [7, 8, 0])
    publisher = tf_publisher(graph)
    publisher.publish(transforms(("odom", "base_link", T_odom_base, START + STEP)))
    graph.until(lambda: False, 0.3)
    assert graph.play(graph.messages(1))["status"] == "ok"
    sent = [t for m in graph.heard["/tf"] for t in m.transforms if t.child_frame_id == "odom"]
    parent, child, T_lidar_odom = transform_from_stamped(sent[-1])
    assert (parent, child) == ("lidar", "odom")
    assert sent[-1].header.stamp == messages.time_message(START + STEP + 250_000_000)
    np.testing.assert_allclose(
        (T_lidar_odom @ T_odom_base @ T_BASE_CAMERA).matrix, T_CAMERA_LIDAR.inverse().matrix, atol=1e-9
    )
    publisher.publish(transforms(("base_link", "lidar", T_BASE_CAMERA, START + 2 * STEP)))
    publisher.publish(transforms(("odom", "base_link", T_odom_base, START + 2 * STEP)))
    graph.until(lambda: False, 0.3)
    assert graph.play(graph.messages(2))["reason"] == "tf.loop"  # a lidar of the robot cannot hold odom
    assert len(graph.heard["/localizer/pose"]) == 1


def test_odometry_of_a_second_parent_is_not_mended_silently(make):
    graph = make(node__tf_mode="map_to_odom")
    publisher = tf_publisher(graph)
    publisher.publish(transforms(("world", "odom", T_BASE_CAMERA, START), ("odom", "camera", T_BASE_CAMERA, START)))
    graph.until(lambda: False, 0.2)
    said = graph.play(graph.messages(0))
    assert said["reason"] == "tf.two_parents" and "world" in said["text"]


def test_the_prior_is_the_last_pose_moved_by_odometry(make):
    graph = make(tracking__prior="odometry", node__diagnostics_s=0.1)
    publisher = tf_publisher(graph)
    T_odom_camera = [Pose.from_rotvec([0, 0, 0.1 * k], [k, 0.5 * k, 0]) for k in range(3)]
    publisher.publish(transforms(*(("odom", "camera", p, START + k * STEP) for k, p in enumerate(T_odom_camera))))
    graph.until(lambda: False, 0.2)
    graph.play(graph.messages(0))
    graph.localizer.answer = lambda pair: estimate(T_odom_camera[1].inverse() @ T_odom_camera[0] @ T_CAMERA_LIDAR)
    assert graph.play(graph.messages(1))["status"] == "ok"
    none, prior = graph.localizer.priors
    assert none is None
    expected = T_odom_camera[1].inverse() @ T_odom_camera[0] @ T_CAMERA_LIDAR
    np.testing.assert_allclose(prior.pose.matrix, expected.matrix, atol=1e-9)
    said = graph.play(graph.messages(5))  # odometry has not come so far
    assert said["status"] == "ok" and graph.localizer.priors[2] is None
    assert graph.until(lambda: values(graph.heard["/diagnostics"][-1]).get("without_prior.tf.extrapolation") == "1")


def test_the_prior_is_what_tf_says(make):
    graph = make(tracking__prior="tf", tracking__prior_std_m=0.3)
    tf_publisher(graph, static=True).publish(transforms(("lidar", "camera", T_CAMERA_LIDAR.inverse(), 0)))
    graph.until(lambda: False, 0.2)
    assert graph.play(graph.messages(0))["status"] == "ok"
    (prior,) = graph.localizer.priors
    np.testing.assert_allclose(prior.pose.matrix, T_CAMERA_LIDAR.matrix, atol=1e-9)
    graph.localizer.answer = lambda pair: estimate(Pose.exp([0, 0, 9, 0, 0, 0]) @ T_CAMERA_LIDAR)
    assert graph.play(graph.messages(1))["status"] == "uncertain"


def test_the_prior_is_what_somebody_says_on_initialpose(make):
    graph = make(tracking__prior="constant_velocity", tracking__speed_std=1.0)
    given = graph.tester.create_publisher(PoseWithCovarianceStamped, "/initialpose", 1)
    assert graph.until(given.get_subscription_count)
    message = PoseWithCovarianceStamped(header=messages.header(START, "lidar"))
    message.pose.pose = messages.pose_message(T_CAMERA_LIDAR.inverse())
    message.pose.covariance[0] = 0.04
    given.publish(message)
    graph.until(lambda: False, 0.2)
    graph.play(graph.messages(0))
    (prior,) = graph.localizer.priors
    np.testing.assert_allclose(prior.pose.matrix, T_CAMERA_LIDAR.matrix, atol=1e-9)
    message.pose.pose.orientation.w = float("nan")
    given.publish(message)
    graph.until(lambda: False, 0.2)
    assert graph.play(graph.messages(1))["status"] == "ok" and graph.localizer.priors[1] is None
    assert pose_from_transform(graph.heard["/localizer/pose"][-1].pose.pose) is not None
