# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p check`: its table, its JSON and its exit codes, without torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.bags import written
from helpers.checked_bags import Recipe
from helpers.cli import run

KEYS = {
    "recording", "kind", "bytes", "start", "end", "duration_s", "topics", "camera", "lidar", "sensor_gap_ms", "motion",
    "overlap", "findings", "abilities", "verdict",
}  # fmt: skip


@pytest.fixture
def bags(tmp_path: Path) -> dict[str, Path]:
    made = {}
    for name, recipe in (("good", Recipe()), ("limited", Recipe(static=None)), ("broken", Recipe(cloud=None))):
        (tmp_path / name).mkdir()
        made[name] = written(tmp_path / name, filling=recipe.fill).rename(tmp_path / name / name)
    return made


def test_the_exit_code_is_that_of_the_worst_recording(
    capsys: pytest.CaptureFixture[str], bags: dict[str, Path], tmp_path: Path
) -> None:
    for names, code in ((["good"], 0), (["good", "limited"], 6), (["broken", "limited"], 1), (["good", "nothing"], 1)):
        paths = [str(bags.get(name, tmp_path / name)) for name in names]
        assert run(capsys, "check", *paths)[0] == code, names


def test_the_table_has_what_there_is_what_works_and_what_cures_the_rest(
    capsys: pytest.CaptureFixture[str], bags: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    _, out, _ = run(capsys, "check", str(bags["limited"]))
    for text in (
        "limited: LIMITED", "/cam/image_raw, 128x96, frame 'cam_optical', pinhole", "times in ns over 99 ms",
        "/points (PointCloud2): 30, 10 Hz", "localize", "no: no message on /tf_static", "(tf.none)", "--nominal FILE",
    ):  # fmt: skip
        assert text in out, text


def test_the_json_is_a_list_with_all_keys(
    capsys: pytest.CaptureFixture[str], bags: dict[str, Path], tmp_path: Path
) -> None:
    code, out, _ = run(capsys, "check", *map(str, bags.values()), "--json", "-")
    found = json.loads(out)
    assert code == 1 and [row["verdict"] for row in found] == ["usable", "limited", "unusable"]
    for row in found:
        assert row.keys() >= KEYS and row["abilities"].keys() == {"localize", "monitor", "calibrate"}
        assert all(finding.keys() == {"level", "code", "text", "cure"} for finding in row["findings"])
        assert all(topic.keys() >= {"name", "type", "count", "rate_hz", "largest_gap_s"} for topic in row["topics"])
    file = tmp_path / "check.json"
    assert run(capsys, "check", str(bags["good"]), "--json", str(file))[0] == 0
    assert json.loads(file.read_text()) == found[:1]


def test_topics_and_settings_are_chosen_as_in_other_commands(
    capsys: pytest.CaptureFixture[str], bags: dict[str, Path]
) -> None:
    good = str(bags["good"])
    assert run(capsys, "check", good, "--image", "/cam/image_raw", "--points", "/points")[0] == 0
    code, out, _ = run(capsys, "check", good, "--image", "/another", "--json", "-")
    assert code == 1 and json.loads(out)[0]["findings"][0]["code"] == "topics.unknown"
    code, out, _ = run(capsys, "check", good, "--set", "monitor.window=100", "--json", "-")
    assert code == 6 and json.loads(out)[0]["findings"][0]["code"] == "recording.short"
    code, _, err = run(capsys, "check", good, "--json", "/proc/none/all.json")
    assert code == 1 and err.startswith("error:") and len(err.splitlines()) == 1


def test_no_network_and_no_torch_are_loaded(bags: dict[str, Path]) -> None:
    code = (
        "import sys; from pathlib import Path; from i2p_ros.core.config import Settings; "
        f"from i2p_ros.inspection import inspect; inspect(Path({str(bags['good'])!r}), Settings()); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'rclpy', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
