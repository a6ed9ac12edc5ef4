# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of clouds, images and calibrations, as a running node meets them: rows 9 to 29 of docs/faults.md."""

import array

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
pytest.importorskip("tf2_msgs", reason="needs tf2_msgs (python pip_ros/install.py)")

from helpers.faults import STEP, elsewhere, last, tf_publisher, transforms
from helpers.graph import CAMERA, START, made
from helpers.messages import cloud, xyz
from sensor_msgs.msg import PointCloud2, PointField

from i2p_ros.core.changes import FROZEN
from i2p_ros.core.geometry import Pose
from i2p_ros.core.messages import cloud_from_message
from i2p_ros.ros import messages


@pytest.fixture
def make(ros_context):
    """Graphs that are taken down afterwards."""
    yield from made(ros_context)


def warned(capfd, text):
    """How often the log has said it since the last look."""
    return capfd.readouterr().err.count(text)


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


def test_a_camera_info_of_another_frame_is_named(make, capfd):
    """Two cameras, of which the wrong camera_info is remapped to the node."""
    graph = make(node__diagnostics_s=0.1)
    parts = graph.messages()
    parts["info"].header = messages.header(START, "rear_optical")
    graph.play(parts)
    assert graph.until(lambda: "of the frame 'rear_optical'" in (last(graph, "text") or ""))
    assert "/camera_info is of the frame 'rear_optical', but images on /image" in capfd.readouterr().err
    graph.play(graph.messages(1))
    assert graph.until(lambda: "rear_optical" not in last(graph, "text"))
