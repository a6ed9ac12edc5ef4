# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings for the rerun viewer, read back by rerun's own reader."""

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.rerun_files import rows_of

pytest.importorskip("rerun", reason="recordings need rerun-sdk: install the extra view")

from i2p_ros.core.camera import Camera
from i2p_ros.core.drifts import AxisRow
from i2p_ros.core.errors import InputError, MissingPackageError
from i2p_ros.core.geometry import Pose, matrix_from_quaternion
from i2p_ros.core.optical_frame import T_OPTICAL_BODY
from i2p_ros.core.types import Correspondences, Pair, PointCloud, PoseEstimate, Status
from i2p_ros.viz.recording import ENTITIES, ViewRecording

CAMERA = Camera(100.0, 120.0, 100.0, 40.0, 201, 81)
CLOUD = PointCloud(np.array([[10.0, 0.0, 0.0], [8.0, 2.0, 1.0], [-5.0, 0.0, 0.0]], np.float32))
PAIR = Pair(np.full((81, 201, 3), 100, np.uint8), CAMERA, CLOUD, stamp=1_700_000_000_123_456_789)
POSE = T_OPTICAL_BODY @ Pose.from_rotvec([0.02, 0.03, 0.15], [1.0, -0.5, 0.2])
MATCHES = Correspondences(np.array([[100.0, 40.0], [20.0, 30.0]]), CLOUD.xyz[:2], np.ones(2))
STD = np.array([0.3, 0.2, 0.1, 1e-6, 1e-6, 1e-6])
FOUND = PoseEstimate(
    Status.OK, "", POSE, np.diag(STD**2), MATCHES, np.array([True, False]), confidence=0.9
)  # fmt: skip


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Three pairs: found, withheld and not found."""
    path = tmp_path_factory.mktemp("new") / "folder" / "three.rrd"
    withheld = replace(FOUND, status=Status.UNCERTAIN, reason="a rival", pose=None, withheld=POSE)
    none = PoseEstimate(Status.NO_CONSENSUS, "too few matches agree")
    with ViewRecording("three", str(path)) as recording:
        for index, estimate in ((3, FOUND), (5, withheld), (6, none)):
            recording.pair(index, replace(PAIR, stamp=PAIR.stamp + index))
            recording.estimate(estimate)
            recording.camera("true_camera", POSE)
    assert [file.name for file in path.parent.iterdir()] == ["three.rrd"]
    return rows_of(path)


def test_every_entity_is_in_the_table_and_the_table_is_in_the_recording(rows: dict) -> None:
    known = {entity for entity in rows if not entity.startswith("__")}
    assert {entity.removesuffix("/view") for entity in known if not entity.startswith("deviation/")} <= {*ENTITIES}
    (text,) = rows["about"][0]["TextDocument:text"]
    assert "metres" in text and "right-handed" in text and all(f"`{entity}`" in text for entity in ENTITIES)


def test_timelines_are_the_index_and_the_stamp_to_the_nanosecond(rows: dict) -> None:
    assert [(row["pair"], row["stamp"] - PAIR.stamp) for row in rows["status"]] == [(3, 3), (5, 5), (6, 6)]
    assert [row["TextLog:text"] for row in rows["status"]] == [
        ["ok"], ["uncertain: a rival"], ["no_consensus: too few matches agree"]
    ]  # fmt: skip


def test_frames_are_right_handed_and_declared(rows: dict) -> None:
    forward, left, up = (5, 4, 1)
    right, down = 3, 2
    assert rows["lidar"][0]["ViewCoordinates:xyz"] == [[forward, left, up]]
    assert rows["lidar/camera/view"][0]["Pinhole:camera_xyz"] == [[right, down, forward]]


def test_the_camera_is_at_its_place_in_the_lidar_frame(rows: dict) -> None:
    row = rows["lidar/camera"][0]
    rotation = matrix_from_quaternion(row["Transform3D:quaternion"][0])
    back = Pose(rotation, np.array(row["Transform3D:translation"][0])).inverse()
    np.testing.assert_allclose(POSE.local(back), 0, atol=1e-5)


def test_the_cloud_seen_through_the_recorded_camera_is_the_one_drawn_in_the_image(rows: dict) -> None:
    row = rows["lidar/camera"][0]
    rotation = matrix_from_quaternion(row["Transform3D:quaternion"][0])
    T_lidar_camera = Pose(rotation, np.array(row["Transform3D:translation"][0]))
    k = np.array(rows["lidar/camera/view"][0]["Pinhole:image_from_camera"][0]).reshape(3, 3).T
    points = T_lidar_camera.inverse().apply(rows["lidar/points"][0]["Points3D:positions"])
    seen = (points @ k.T)[:, :2] / points[:, 2:]
    inside = (points[:, 2] > 0) & (seen >= 0).all(axis=1) & (seen < [201, 81]).all(axis=1)
    drawn = rows["image/points"][0]["Points2D:positions"]
    assert len(drawn) == 2
    np.testing.assert_allclose(seen[inside], drawn, atol=1e-3)


def test_the_ellipsoid_is_that_of_the_position(rows: dict) -> None:
    row = rows["lidar/camera_position_95"][0]
    axes = matrix_from_quaternion(row["Ellipsoids3D:quaternions"][0])
    half = np.array(row["Ellipsoids3D:half_sizes"][0])
    back = axes @ np.diag((half / 2.7955) ** 2) @ axes.T  # sqrt of the 95 % quantile of chi-square with 3 degrees
    j = POSE.inverse_jacobian[:3]
    np.testing.assert_allclose(back, j @ FOUND.covariance @ j.T, rtol=2e-3, atol=1e-4)
    np.testing.assert_allclose(row["Ellipsoids3D:centers"][0], POSE.inverse().translation, atol=1e-5)
    deviation = [rows[f"deviation/{axis}_m"][0]["Scalars:scalars"][0] for axis in "xyz"]
    np.testing.assert_allclose(deviation, np.sqrt(np.diag(j @ FOUND.covariance @ j.T)), rtol=1e-5)


def test_matches_are_lines_to_their_points_and_dots_at_their_pixels(rows: dict) -> None:
    strips = np.array(rows["lidar/matches"][0]["LineStrips3D:strips"])
    np.testing.assert_allclose(strips[:, 1], MATCHES.points, atol=1e-5)
    np.testing.assert_allclose(strips[:, 0], np.tile(POSE.inverse().translation, (2, 1)), atol=1e-5)
    np.testing.assert_allclose(rows["image/matches"][0]["Points2D:positions"], MATCHES.pixels + 0.5)
    green, red = rows["image/matches"][0]["Points2D:colors"]
    assert (green >> 16 & 255) > (green >> 24) and (red >> 24) > (red >> 16 & 255)


def test_the_image_is_that_of_the_pair(rows: dict) -> None:
    blob = np.array(rows["image"][0]["EncodedImage:blob"][0], np.uint8)
    assert np.abs(cv2.imdecode(blob, cv2.IMREAD_COLOR).astype(int) - 100).max() <= 2


def test_a_withheld_pose_has_its_own_camera_and_nothing_stays_of_the_pair_before(rows: dict) -> None:
    def at(entity: str) -> dict[int, str]:
        return {
            row["pair"]: "hidden" if row.get("Clear:is_recursive") is not None else "shown"
            for row in rows.get(entity, [])
        }

    assert at("lidar/camera") == at("lidar/camera_position_95") == at("image/points") == {3: "shown", 5: "hidden"}
    assert at("lidar/withheld_camera") == {5: "shown", 6: "hidden"}
    assert at("image/matches") == {3: "shown", 5: "shown", 6: "hidden"}
    assert at("lidar/true_camera") == at("image") == at("lidar/points") == {3: "shown", 5: "shown", 6: "shown"}


def test_a_verdict_has_the_drift_of_each_axis_with_its_interval(tmp_path: Path) -> None:
    axes = [AxisRow("tx", "cm", "moved", 3.0, 0.5, 1.0), AxisRow("rx", "deg", "not observed", None, None, None)]
    with ViewRecording("drift", str(tmp_path / "a.rrd")) as recording:
        recording.pair(7, PAIR)
        recording.camera("nominal_camera", POSE)
        recording.camera("drifted_camera", POSE, np.diag(STD**2))
        recording.verdict("alarm", "tx moved", axes)
    rows = rows_of(tmp_path / "a.rrd")
    values = {entity: row[0]["Scalars:scalars"][0] for entity, row in rows.items() if entity.startswith("drift/")}
    assert values == {"drift/tx_cm": 3.0, "drift/tx_cm_low": 2.5, "drift/tx_cm_high": 3.5}
    assert rows["verdict"][0]["TextLog:text"] == ["alarm: tx moved"] and rows["verdict"][0]["TextLog:level"] == [
        "ERROR"
    ]
    assert len(rows["lidar/drifted_camera_position_95"]) == 1


def test_an_error_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), ViewRecording("broken", str(tmp_path / "a.rrd")):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_another_file_and_a_missing_package_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"ends in \.rrd, or 'open'"):
        ViewRecording("a", "a.mcap")
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(MissingPackageError, match=r"pip install '\.\[view\]'"):
        ViewRecording("a", "a.rrd")
