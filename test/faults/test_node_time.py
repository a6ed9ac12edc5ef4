# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of time, order and rate, as a running node meets them: rows 34 to 44 and 50 of docs/faults.md."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
pytest.importorskip("tf2_msgs", reason="needs tf2_msgs (python pip_ros/install.py)")

from helpers.faults import STEP, T_BASE_CAMERA, dropped, elsewhere, last, shifted, tf_publisher, transforms
from helpers.graph import START, T_CAMERA_LIDAR, made, sample, values
from rclpy.context import Context
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, PointCloud2

from i2p_ros.core.geometry import Pose
from i2p_ros.core.messages import pose_from_transform, stamp_ns
from i2p_ros.core.types import PoseEstimate, Status
from i2p_ros.ros import messages


@pytest.fixture
def make(ros_context):
    """Graphs that are taken down afterwards."""
    yield from made(ros_context)


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


def test_row_34_the_clock_jumps_back_and_the_next_pair_is_answered(make):
    graph = make(use_sim_time=True, tracking__prior="constant_velocity", node__diagnostics_s=0.1)
    for index in (40, 41, 42, 0, 1, 2):  # a bag that starts again
        graph.set_clock(START + index * STEP)
        graph.localizer.answer = elsewhere if index < 40 else graph.localizer.answer
        assert graph.play(graph.messages(index))["status"] == "ok"  # and no gate from the time before
    assert graph.localizer.priors[3] is None
    assert graph.until(lambda: dropped(graph).get("time_reset") == 1)


def test_row_34_what_waits_when_the_clock_jumps_is_counted(make):
    graph = make(use_sim_time=True, node__diagnostics_s=0.1)
    graph.set_clock(START + 40 * STEP)
    graph.send({"image": graph.messages(40)["image"]})
    graph.until(lambda: False, 0.2)
    graph.set_clock(START)
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


def test_row_43_another_frame_does_not_hide_another_calibration(make):
    graph = make(tracking__prior="constant_velocity")
    assert graph.play(graph.messages(0))["status"] == "ok"
    parts = graph.messages(1)
    parts["points"].header.frame_id, parts["info"].k[0] = "roof_lidar", 91.0
    graph.localizer.answer = lambda pair: PoseEstimate(Status.NO_CONSENSUS)
    reason = graph.play(parts)["state_reason"]
    assert "fx=91.0" in reason and "frames are now camera and roof_lidar" in reason


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


@pytest.mark.parametrize(("sensor", "ahead_s"), [("points", 37), ("points", -37), ("image", 37), ("image", -37)])
def test_row_41_a_sensor_whose_clock_is_37_s_off_is_paired_and_told(make, sensor, ahead_s):
    """Stamps ahead are refused as future ones without the offset, which the times of arrival tell."""
    graph = make(use_sim_time=True, node__diagnostics_s=0.1)
    for index in range(4):
        now = START + index * STEP
        graph.set_clock(now)
        parts = graph.messages(index)
        parts[sensor].header.stamp = messages.time_message(now + ahead_s * 10**9)
        graph.send(parts)
        graph.until(lambda: False, 0.2)
    assert graph.until(lambda: len(graph.localizer.pairs) >= 2)
    off = ahead_s * 10**9 if sensor == "image" else 0
    for pair in graph.localizer.pairs:
        np.testing.assert_array_equal(pair.cloud.xyz, sample((pair.stamp - off - START) // STEP).pair.cloud.xyz)
    correction = -ahead_s if sensor == "points" else ahead_s
    assert graph.until(lambda: f"pairing.time_offset_s={correction:.3f}" in last(graph, "text"))


def test_row_41_a_clock_offset_longer_than_the_time_between_pairs_joins_no_other_scenes(make):
    graph = make(use_sim_time=True)
    for index in range(5):
        now = START + index * 20 * 10**9
        graph.set_clock(now)
        parts = shifted(graph, index, now)
        parts["points"].header.stamp = messages.time_message(now - 40 * 10**9)
        graph.send(parts)
        graph.until(lambda: False, 0.2)
    assert graph.until(lambda: len(graph.localizer.pairs) >= 3)
    for pair in graph.localizer.pairs:
        index = (pair.stamp - START) // (20 * 10**9)
        np.testing.assert_array_equal(pair.cloud.xyz, sample(index).pair.cloud.xyz)
