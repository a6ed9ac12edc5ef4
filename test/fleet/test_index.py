# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The index of a lake: which files are one recording, what their hash is, and what of it is made again."""

import shutil
from pathlib import Path

import fsspec
import pytest
from helpers.cli import run
from helpers.lake import indexed, options, rows, settings

from i2p_ros.core.errors import InputError
from i2p_ros.fleet.index import made_index, vehicle_of
from i2p_ros.fleet.recordings import BLOCK, BLOCKS, content_hash, recordings
from i2p_ros.fleet.simulated import write_lake


def file_in(folder: Path, name: str, content: bytes = b"x") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def names(folder: Path) -> dict[str, list[str]]:
    """Files of each recording below a folder, relative to it."""
    below = f"{folder}/"
    return {r.uri.removeprefix(below): [f.removeprefix(below) for f in r.files] for r in recordings(str(folder))}


def test_a_row_tells_frames_times_vehicle_and_verdict(lake: Path) -> None:
    found = rows(lake, "index")
    assert len(found) == 12 and {row["verdict"] for row in found} == {"usable"}
    assert {row["vehicle"] for row in found} == {"bus0", "bus1", "bus2"}
    assert {(row["camera"], row["lidar"], row["kind"]) for row in found} == {
        ("camera_optical_frame", "lidar", "rosbag")
    }
    assert all(row["end"] - row["start"] == 5 * 10**9 for row in found)
    assert len({row["recording_id"] for row in found}) == 12 and all(len(row["recording_id"]) == 16 for row in found)
    assert found == sorted(found, key=lambda row: row["uri"])


def test_splits_are_one_recording_in_numerical_order(tmp_path: Path) -> None:
    for number in (10, 2, 0):
        file_in(tmp_path, f"drive/drive_{number}.mcap")
        file_in(tmp_path, f"listed/anything_{number}.db3")
    file_in(tmp_path, "listed/metadata.yaml")
    file_in(tmp_path, "lone/monday.mcap")
    file_in(tmp_path, "lone/tuesday.bag")
    found = names(tmp_path)
    assert found["drive/drive_0.mcap"] == ["drive/drive_0.mcap", "drive/drive_2.mcap", "drive/drive_10.mcap"]
    assert found["listed"] == [
        "listed/anything_0.db3", "listed/anything_2.db3", "listed/anything_10.db3", "listed/metadata.yaml",
    ]  # fmt: skip
    assert {*found} == {"drive/drive_0.mcap", "listed", "lone/monday.mcap", "lone/tuesday.bag"}


def test_a_dataset_folder_is_one_recording(tmp_path: Path) -> None:
    for name in ("calib_cam_to_cam.txt", "drive_sync/image_02/data/0.png", "drive_sync/velodyne_points/data/0.bin"):
        file_in(tmp_path, f"bus1/2011_09_26/{name}")
    assert len(names(tmp_path)["bus1/2011_09_26"]) == 3


def test_the_hash_is_of_the_content_and_not_of_the_name(tmp_path: Path) -> None:
    content = bytes(range(256)) * (BLOCK * BLOCKS // 64)
    file = file_in(tmp_path, "a.mcap", content)
    copied = file_in(tmp_path, "other/b.mcap", content)
    (first, second) = recordings(str(tmp_path))
    assert first.uri == str(file) and second.uri == str(copied)
    assert content_hash(first) == content_hash(second)
    for at in (0, len(content) - 1):
        copied.write_bytes(content[:at] + b"?" + content[at + 1 :])
        assert content_hash(first) != content_hash(second), at
    copied.write_bytes(content + b"?")
    assert content_hash(first) != content_hash(recordings(str(copied))[0])


def test_only_new_and_changed_recordings_are_inspected_again(tmp_path: Path) -> None:
    write_lake(tmp_path / "lake", 3, ())
    before = indexed(tmp_path / "lake")
    for row in before:
        row["motion"] = "kept"
    shutil.rmtree(tmp_path / "lake/bus1/drive_0001")
    changed = tmp_path / "lake/bus2/drive_0002/drive_0002.mcap"
    changed.write_bytes(changed.read_bytes()[:-9])
    after = made_index(str(tmp_path / "lake"), settings(), before).rows
    kept = {row["uri"][-10:]: row["motion"] == "kept" for row in after}
    assert kept == {"drive_0000": True, "drive_0002": False}


def test_rows_made_by_other_settings_are_not_taken_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lake(tmp_path / "lake", 1, ())
    words = ["index", str(tmp_path / "lake"), "--out", str(tmp_path / "index.parquet")]
    assert run(capsys, *words, *options())[0] == 0
    assert rows(tmp_path, "index")[0]["verdict"] == "usable"
    assert run(capsys, *words, *options("topics.image=/none"))[0] == 0
    assert rows(tmp_path, "index")[0]["verdict"] == "unusable"


def test_broken_recordings_have_a_row_with_the_reason(tmp_path: Path) -> None:
    write_lake(tmp_path, 1, ())
    file_in(tmp_path, "bus0/empty.mcap", b"")
    file_in(tmp_path, "bus0/text.mcap", b"this is no bag")
    good, empty, text = indexed(tmp_path)
    assert good["verdict"] == "usable"
    for row in (empty, text):
        assert row["verdict"] == "unusable" and row["recording_id"]
        assert row["findings"][0]["code"] == "recording.unreadable"


def test_recordings_in_an_object_store_are_indexed_without_a_copy_that_stays(tmp_path: Path) -> None:
    write_lake(tmp_path / "lake", 2, ())
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "lake"), "/index_test/lake", recursive=True)
    found = indexed("memory://index_test/lake", f"fleet.cache_dir={tmp_path / 'cache'}")
    local = indexed(tmp_path / "lake")
    assert [row["recording_id"] for row in found] == [row["recording_id"] for row in local]
    assert [row["uri"] for row in found] == [
        f"memory://index_test/lake/bus{k}/drive_000{k}".replace("://", ":///") for k in (0, 1)
    ]
    assert [row["vehicle"] for row in found] == ["bus0", "bus1"] and not [*(tmp_path / "cache").iterdir()]
    memory.rm("/index_test", recursive=True)


@pytest.mark.parametrize(
    ("uri", "vehicle"),
    [("/lake/bus7/monday.mcap", "bus7"), ("/lake/bus7/2026/05/monday", "bus7"), ("/lake/monday.mcap", "lake")],
)
def test_the_vehicle_is_the_folder_below_the_root(uri: str, vehicle: str) -> None:
    assert vehicle_of(uri, "/lake", settings()) == vehicle
    assert vehicle_of(uri, "/lake", settings("monitor.vehicle=tram")) == "tram"


@pytest.mark.parametrize(
    ("root", "reason"),
    [("/nowhere/lake", "index.missing"), ("nosuch://lake", "uri"), ("memory://empty_lake", "index.missing")],
)
def test_a_wrong_root_is_one_clear_error(root: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        indexed(root)
    assert caught.value.reason == reason and "\n" not in str(caught.value)


def test_a_folder_without_recordings_is_an_error(tmp_path: Path) -> None:
    file_in(tmp_path, "notes.txt")
    with pytest.raises(InputError, match="holds no bag"):
        indexed(tmp_path)
