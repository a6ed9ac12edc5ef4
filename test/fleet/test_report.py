# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From tables to the files of a page: what a vehicle's state is, what is kept, and one line for bad tables."""

from __future__ import annotations

import json
import re
import resource
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.cli import run
from helpers.fleet_tables import FIRST, HALF, fleet_rows, write_fleet, write_table

pytest.importorskip("plotly", reason="the page needs the extra fleet")
from i2p_ros.core.drifts import AXES
from i2p_ros.core.errors import InputError
from i2p_ros.fleet.page.states import rig_states
from i2p_ros.fleet.report import write_fleet_page


def verdict(level: str, day: int, **values: Any) -> dict[str, Any]:
    """A row of verdicts without drift but for `values`."""
    start = FIRST + timedelta(days=day)
    numbers = {
        f"{prefix}{axis}": float(HALF[i]) * (prefix != "")
        for prefix in ("", "half_", "detectable_")
        for i, axis in enumerate(AXES)
    }
    return {
        "recording_id": f"{day:016x}", "vehicle": "bus", "camera": "front", "lidar": "roof",
        "uri": f"bus/{day}.mcap", "task": "monitor", "start": start, "end": start, "level": level, "text": level,
        **numbers, "pairs": 1, "windows": 1, "seconds": 1.0, "settings_id": "0",
    } | values  # fmt: skip


def embedded(page: Path) -> dict[str, Any]:
    """The data inside index.html."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', (page / "index.html").read_text())
    assert found
    return dict(json.loads(found[1]))


def loaded(file: Path) -> Any:
    """The data of a script that the page loads."""
    found = re.fullmatch(r'i2pLoaded\("\w+",(.*)\);\n', file.read_text())
    assert found
    return json.loads(found[1])


@pytest.mark.parametrize(
    ("levels", "level"),
    [
        (["alarm", "ok"], "ok"),  # repaired
        (["ok", "alarm"], "alarm"),
        (["alarm", "unsure"], "alarm"),  # a drive that observes too little clears nothing
        (["warn", "unsure", "unsure"], "warn"),
        (["alarm", "ok", "unsure"], "unsure"),
        (["ok", "unsure"], "unsure"),
        (["unsure", "warn"], "warn"),
        (["alarm", ""], "alarm"),
        ([""], ""),
    ],
)
def test_the_newest_verdict_counts_unless_it_is_unsure(levels, level):
    rows = [verdict(word, day) for day, word in enumerate(levels)]
    assert [state.level for state in rig_states(rows)] == [level]


def test_each_camera_and_task_has_a_state_of_its_own_the_worst_first():
    rows = [
        verdict("warn", 0, camera="left", tx=0.05),
        verdict("ok", 1),
        verdict("alarm", 2, camera="rear"),
        verdict("ok", 3, task="calibrate"),
    ]
    assert [(s.level, s.camera, s.task) for s in rig_states(rows)] == [
        ("alarm", "rear", "monitor"), ("warn", "left", "monitor"),
        ("ok", "front", "calibrate"), ("ok", "front", "monitor"),
    ]  # fmt: skip


def test_the_sentence_names_what_moved_by_how_much_and_the_shift_is_that_of_a_point():
    (state,) = rig_states([verdict("alarm", 0, tx=0.03, ry=np.radians(1.0), tz=0.001)])
    assert state.sentence == "ry (yaw) moved by +1.00 ± 0.07 deg; tx moved by +3.00 ± 1.20 cm"
    # a point 10 m ahead moves by both along x
    assert state.shift == pytest.approx(0.03 + 10 * np.radians(1.0), rel=1e-4)
    (steady,) = rig_states([verdict("ok", 0, tx=0.03)])
    assert (steady.sentence, steady.shift) == ("ok", 0.0)
    (unknown,) = rig_states([verdict("warn", 0, tx=None, half_ry=None, ry=1.0, tz=float("nan"))])
    assert (unknown.sentence, unknown.shift) == ("warn", 0.0)


def test_all_vehicles_windows_and_refusals_of_the_tables_are_on_the_page(tmp_path):
    rows = fleet_rows(30)
    out = write_fleet(tmp_path / "out", rows)
    found = write_fleet_page(str(out), tmp_path / "page")
    data = embedded(tmp_path / "page")
    assert found["vehicles"] == len(data["vehicles"]) == 30
    assert found["refused"] == data["refused"] == len(rows["quarantine"])
    assert sum(found["levels"].values()) == 30 and found["levels"]["none"] == 1
    details = [loaded(file) for file in (tmp_path / "page" / "vehicles").iterdir()]
    for name in ("verdicts", "windows"):
        assert sum(len(one[name]) for one in details) == len(rows[name])
    assert len(loaded(tmp_path / "page" / "refused.js")) == len(rows["quarantine"])
    one = next(one for one in details if one["name"] == "bus-0000")["windows"][0]
    first = next(row for row in rows["windows"] if row["vehicle"] == "bus-0000")
    assert one["drift"] == pytest.approx(
        [first[axis] * scale for axis, scale in zip(AXES, [100] * 3 + [np.degrees(1)] * 3, strict=True)], abs=1e-4
    )
    assert one["half"] == pytest.approx(
        [
            first[f"std_{axis}"] * scale * 1.96
            for axis, scale in zip(AXES, [100] * 3 + [np.degrees(1)] * 3, strict=True)
        ],
        rel=1e-3,
    )
    assert (tmp_path / "page" / one["picture"]).is_file()
    assert one["time"] == round(first["time"].timestamp() * 1e6)


def test_pairs_are_counted_by_status_with_median_errors_of_the_poses(tmp_path):
    rig = {"recording_id": "a" * 16, "vehicle": "bus", "camera": "front", "lidar": "roof"}
    pairs = [
        {**rig, "time": FIRST + timedelta(seconds=i), "status": "ok" if i % 3 else "uncertain", "confidence": 0.9,
         "error_m": 0.01 * i, "error_deg": 0.1}
        for i in range(9)
    ]  # fmt: skip
    out = write_fleet(tmp_path / "out", {"pairs": pairs})
    assert write_fleet_page(str(out), tmp_path / "page")["levels"]["none"] == 1
    (entry,) = loaded(tmp_path / "page" / "vehicles" / "0.js")["pairs"]
    assert entry["status"] == {"ok": 6, "uncertain": 3}
    assert entry["error_m"] == pytest.approx(0.045)  # of 1, 2, 4, 5, 7, 8 cm


def test_a_refused_recording_belongs_to_the_vehicle_of_its_address_and_else_to_none(tmp_path):
    rows = fleet_rows(4)
    rows["quarantine"] += [rows["quarantine"][0] | {"uri": "s3://elsewhere/x.mcap"}]
    out = write_fleet(tmp_path / "out", rows)
    write_fleet_page(str(out), tmp_path / "page")
    refused = {vehicle["name"]: vehicle["refused"] for vehicle in embedded(tmp_path / "page")["vehicles"]}
    assert refused == {"bus-0000": 0, "bus-0001": 0, "bus-0002": 0, "bus-0003": 6, "(unknown vehicle)": 1}


def test_a_refused_recording_belongs_to_the_vehicle_that_its_row_names(tmp_path):
    rows = fleet_rows(4)
    copy = {"recording_id": rows["verdicts"][0]["recording_id"], "vehicle": "bus-9999"}  # the hash of bus-0000
    rows["quarantine"] = [row | {"vehicle": ""} for row in rows["quarantine"]] + [rows["quarantine"][0] | copy]
    out = write_fleet(tmp_path / "out", rows)
    write_fleet_page(str(out), tmp_path / "page")
    refused = {vehicle["name"]: vehicle["refused"] for vehicle in embedded(tmp_path / "page")["vehicles"]}
    assert refused == {"bus-0000": 0, "bus-0001": 0, "bus-0002": 0, "bus-0003": 6, "bus-9999": 1}


def test_pictures_outside_the_results_and_missing_ones_are_left_out(tmp_path):
    (tmp_path / "secret.png").write_bytes(b"secret")
    rows = fleet_rows(2, recordings=1, windows=5)
    names = ["../secret.png", str(tmp_path / "secret.png"), "pictures/none.webp", "verdicts.parquet", ""]
    for row, name in zip(rows["windows"], names, strict=True):
        row["picture"] = name
    out = write_fleet(tmp_path / "out", rows)
    assert write_fleet_page(str(out), tmp_path / "page")["missing_pictures"] == 4
    assert not (tmp_path / "page" / "pictures").exists()


def test_an_earlier_page_is_replaced_and_another_folder_is_not(tmp_path):
    out = write_fleet(tmp_path / "out", fleet_rows(12))
    write_fleet_page(str(out), tmp_path / "page")
    write_fleet(out, fleet_rows(2))
    write_fleet_page(str(out), tmp_path / "page")
    assert len(list((tmp_path / "page" / "vehicles").iterdir())) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "page"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("my own")
    with pytest.raises(InputError, match="not empty and no fleet page") as error:
        write_fleet_page(str(out), tmp_path / "mine")
    assert error.value.reason == "output"
    assert (tmp_path / "mine" / "index.html").read_text() == "my own"
    with pytest.raises(InputError, match="not empty and no fleet page"):
        write_fleet_page(str(out), out)  # the tables themselves
    with pytest.raises(InputError, match="cannot write") as error:
        write_fleet_page(str(out), out / "verdicts.parquet" / "page")
    assert error.value.reason == "output"


def test_a_full_disk_is_one_line_and_leaves_the_earlier_page(capsys, tmp_path):
    out = write_fleet(tmp_path / "out", fleet_rows(12))
    write_fleet_page(str(out), tmp_path / "page")
    before = (tmp_path / "page" / "index.html").read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))  # as a disk with so much room would fail
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        code, _, err = run(capsys, "fleet", "report", str(out), "--out", str(tmp_path / "page"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, previous)
    assert code == 1 and "cannot write" in err and len(err.strip().splitlines()) == 1, err
    assert (tmp_path / "page" / "index.html").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "page"]


def _foreign_level(out: Path) -> None:
    write_table(out / "verdicts.parquet", [verdict("on fire\n<b>", 0)])


def _foreign_column(out: Path) -> None:
    rows = fleet_rows(2)["windows"]
    write_table(out / "windows.parquet", [row | {"tx": "far"} for row in rows])


def _missing_column(out: Path) -> None:
    pq.write_table(pq.read_table(out / "windows.parquet").drop_columns(["std_rx"]), out / "windows.parquet")


def _no_rows(out: Path) -> None:
    for file in out.glob("*.parquet"):
        pq.write_table(pq.read_table(file).slice(0, 0), file)


def _no_table(out: Path) -> None:
    (out / "verdicts.parquet").write_bytes(b"PAR1 but not really")


def _cut(out: Path) -> None:
    content = (out / "windows.parquet").read_bytes()
    (out / "windows.parquet").write_bytes(content[: len(content) // 2])


def _damaged(out: Path) -> None:
    content = bytearray((out / "windows.parquet").read_bytes())
    content[100:2000] = bytes(1900)
    (out / "windows.parquet").write_bytes(bytes(content))


def _foreign_table(out: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), out / "quarantine.parquet")


def _foreign_findings(out: Path) -> None:
    write_table(out / "index.parquet", [row | {"findings": "many"} for row in fleet_rows(2)["index"]])


def _only_an_index(out: Path) -> None:
    for file in out.glob("*.parquet"):
        if file.stem != "index":
            file.unlink()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_foreign_level, "has the level 'on fire <b>'; levels are ok, unsure, warn, alarm"),
        (_foreign_column, "windows.parquet: tx is string and not double"),
        (_missing_column, "windows.parquet has no column std_rx"),
        (_no_rows, "have no rows"),
        (_no_table, "verdicts.parquet is no readable Parquet table"),
        (_cut, "windows.parquet is no readable Parquet table"),
        (_damaged, "windows.parquet is no readable Parquet table"),
        (_foreign_table, "quarantine.parquet has no column recording_id, uri"),
        (_foreign_findings, "index.parquet: findings is string"),
        (_only_an_index, "has none of verdicts.parquet, windows.parquet"),
    ],
)
def test_bad_tables_are_one_line_and_leave_the_earlier_page(capsys, tmp_path, spoil, says):
    out = write_fleet(tmp_path / "out", fleet_rows(12))
    write_fleet_page(str(out), tmp_path / "page")
    before = (tmp_path / "page" / "index.html").read_bytes()
    spoil(out)
    code, _, err = run(capsys, "fleet", "report", str(out), "--out", str(tmp_path / "page"))
    assert code == 1 and says in err and len(err.strip().splitlines()) == 1, err
    assert (tmp_path / "page" / "index.html").read_bytes() == before


@pytest.mark.parametrize(
    ("out", "says"),
    [("nowhere", "has none of"), ("foo://lake/out", "cannot be opened"), ("memory://empty/out", "has none of")],
)
def test_a_wrong_address_is_one_line(capsys, tmp_path, out, says):
    code, _, err = run(capsys, "fleet", "report", out, "--out", str(tmp_path / "page"))
    assert code == 1 and says in err and len(err.strip().splitlines()) == 1, err
    assert not (tmp_path / "page").exists()


def test_tables_in_an_object_store_give_the_same_page(capsys, tmp_path):
    import fsspec

    out = write_fleet(tmp_path / "out", fleet_rows(5))
    fsspec.filesystem("memory").put(str(out), "/lake/out", recursive=True)
    code, _, err = run(capsys, "fleet", "report", "memory://lake/out")
    assert code == 1 and "--out" in err
    code, _, err = run(capsys, "fleet", "report", "memory://lake/out", "--out", str(tmp_path / "remote"))
    assert code == 0, err
    write_fleet_page(str(out), tmp_path / "local")
    assert embedded(tmp_path / "remote")["vehicles"] == embedded(tmp_path / "local")["vehicles"]
    pictures = [
        sorted(p.name for p in (tmp_path / name / "pictures" / "pictures").iterdir()) for name in ("remote", "local")
    ]
    assert pictures[0] == pictures[1] and len(pictures[0]) == 6


def test_the_command_says_where_the_page_is_and_how_many_need_a_mechanic(capsys, tmp_path):
    out = write_fleet(tmp_path / "out", fleet_rows(40))
    code, printed, err = run(capsys, "fleet", "report", str(out), "--json", "-")
    assert code == 0, err
    assert "page/index.html" in err.replace("\n", "") and "alarm" in err
    assert json.loads(printed)["vehicles"] == 40
    assert (out / "page" / "index.html").is_file()


def test_scripts_make_no_html_from_texts():
    sources = Path(__file__).parents[2] / "i2p_ros" / "fleet" / "page"
    code = "".join(file.read_text() for file in sources.glob("*.js"))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", code)
