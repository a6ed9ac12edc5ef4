# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo from bag to report, with the shipped model in a second process over real topics."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.rerun_files import rows_of
from PIL import Image

pytest.importorskip("rclpy", reason="the demo needs ROS: install the extra ros")
pytest.importorskip("rerun", reason="recordings need rerun-sdk: install the extra view")

from i2p_ros.core.config import ReplaySettings, Settings
from i2p_ros.core.errors import InputError
from i2p_ros.ros.replay.demo import replay_and_report, write_drive

KEYS = {
    "pairs", "processed", "localized", "recall_2m_5deg", "recall_05m_2deg", "rte_m", "rre_deg", "rre_geodesic_deg",
    "latency_ms", "dropped", "model", "seed", "protocol", "definitions",
}  # fmt: skip


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Path]:
    out = tmp_path_factory.mktemp("demo") / "out"
    return write_drive(Settings(), out, 4, 12, lambda done, total: None), out


def test_every_pair_is_played_and_answered_and_shown(
    drive: tuple[Settings, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, out = drive
    steps: list[tuple[int, int]] = []
    monkeypatch.setattr("i2p_ros.viz.pictures.moving.STEPS", 2)
    numbers = replay_and_report(
        settings, out, lambda *done: steps.append(done), out / "new" / "moving.webp", str(out / "a.rrd")
    )
    assert numbers == json.loads((out / "summary.json").read_text())
    assert set(numbers) >= KEYS and set(numbers["rte_m"]) >= {"mean", "std", "median"}
    assert numbers["pairs"] == numbers["processed"] == 4 and numbers["dropped"] == 0
    assert steps == [(k, 4) for k in (1, 2, 3, 4)]
    assert numbers["localized"] >= 2, numbers["failures"]
    assert numbers["protocol"] == "vp2p" and numbers["latency_ms"]["median"] > 0
    page = (out / "report.html").read_text()
    assert page.count("data:image/") >= 3 + 4 and "http://" not in page.replace("http://www.w3.org", "")
    assert len(list((out / "overlays").glob("*.png"))) == 4
    frames = Image.open(out / "new" / "moving.webp").n_frames
    localized = json.loads((out / "summary.json").read_text())["localized"]
    assert frames == 3 * 4 if localized == 4 else 6 <= frames < 3 * 4  # the cloud does not move to a withheld pose


def test_the_recording_has_each_pair_with_its_answer_and_the_matches_of_the_topic(
    drive: tuple[Settings, Path],
) -> None:
    _, out = drive
    rows = rows_of(out / "a.rrd")
    localized = json.loads((out / "summary.json").read_text())["localized"]
    for entity in ("image", "lidar/points", "status", "lidar/true_camera"):
        assert [row["pair"] for row in rows[entity]] == [0, 1, 2, 3], entity
    for entity in ("lidar/camera", "lidar/camera_position_95", "lidar/matches"):
        shown = [row for row in rows[entity] if row.get("Clear:is_recursive") is None]
        assert len(shown) == localized > 0, entity
    strips = np.array(rows["lidar/matches"][0]["LineStrips3D:strips"])
    camera = np.array(rows["lidar/camera"][0]["Transform3D:translation"])
    np.testing.assert_allclose(strips[:, 0], np.tile(camera, (len(strips), 1)), atol=1e-4)
    assert len(strips) > 30


def test_trajectories_lie_on_the_street(drive: tuple[Settings, Path]) -> None:
    _, out = drive
    true = np.loadtxt(out / "trajectory_truth.tum")
    assert true.shape == (4, 8)
    steps = np.linalg.norm(np.diff(true[:, 1:4], axis=0), axis=1)
    assert (steps > 1.0).all() and (steps < 3.0).all()  # 8 m/s at 4 Hz
    np.testing.assert_allclose(np.diff(true[:, 0]), 0.25, atol=1e-6)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="choose another"):
        write_drive(Settings(), tmp_path, 1, 0, lambda done, total: None)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_recording_that_is_not_there_writes_nothing(tmp_path: Path) -> None:
    settings = Settings(replay=ReplaySettings(data=str(tmp_path / "nowhere.mcap")))
    with pytest.raises(InputError, match=r"nowhere\.mcap does not exist"):
        replay_and_report(settings, tmp_path / "out", lambda done, total: None)
    assert not (tmp_path / "out").exists()
