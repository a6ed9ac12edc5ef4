# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Made-up tables of a fleet: vehicles of which some drift, recordings that are refused, and overlays."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from i2p_ros.core.drifts import AXES
from i2p_ros.core.geometry import Array
from i2p_ros.monitor.verdict import reasons_in_words

HALF = np.array([0.012, 0.012, 0.02, 0.0012, 0.0012, 0.0016])  # m and rad, of a verdict
TIME = pa.timestamp("ns", tz="UTC")
TIMES = ("start", "end", "time")
FIRST = datetime(2026, 3, 2, 6, tzinfo=timezone.utc)
REFUSALS = (
    ("bag.topics", "no image topic: the recording has only /lidar_points and /imu"),
    ("bag.file", "the file ends in the middle of a chunk: was the recorder still writing?"),
    ("fleet.time", "took longer than 600 s and was stopped"),
)
Rows = dict[str, list[dict[str, Any]]]


def fleet_rows(vehicles: int, recordings: int = 6, windows: int = 5, drifting: float = 0.12, seed: int = 0) -> Rows:
    """Rows of the tables by name. Each tenth vehicle has a refused recording; the last one has nothing else."""
    random = np.random.default_rng(seed)
    found: Rows = {name: [] for name in ("verdicts", "windows", "quarantine", "index")}
    drifts = random.permutation(vehicles) < round(drifting * vehicles)
    for i in range(vehicles):
        vehicle = f"bus-{i:04d}"
        axis, size = int(random.integers(6)), random.uniform(4, 14) * random.choice([-1, 1])
        for k in range(recordings):
            if i == vehicles - 1 or (i % 10 == 3 and k == 1):
                _refuse(found, vehicle, k, REFUSALS[(i // 10 + k) % len(REFUSALS)])
                continue
            drift = random.normal(0, 0.3, 6) * HALF
            if drifts[i] and k >= recordings // 2:
                drift[axis] += size * HALF[axis]
            _judge(found, random, vehicle, k, drift, windows)
        if i % 20 == 7:
            _calibrate(found, vehicle, recordings)
    return found


def _calibrate(found: Rows, vehicle: str, k: int) -> None:
    """A verdict of another task and camera, which knows no drift."""
    start = FIRST + timedelta(days=7 * k)
    none: dict[str, None] = {f"{prefix}{axis}": None for prefix in ("", "half_", "detectable_") for axis in AXES}
    found["verdicts"].append(
        {"recording_id": f"{vehicle}-left"[-16:], "vehicle": vehicle, "camera": "left", "lidar": "roof",
         "uri": f"s3://lake/{vehicle}/left.mcap", "task": "calibrate", "start": start, "end": start, "level": "ok",
         "text": "the nominal calibration is right", **none, "pairs": 40, "windows": 0, "seconds": 60.0,
         "settings_id": "0c"}
    )  # fmt: skip


def _judge(found: Rows, random: np.random.Generator, vehicle: str, k: int, drift: Array, windows: int) -> None:
    start = FIRST + timedelta(days=7 * k, minutes=int(random.integers(600)))
    rig = {
        "recording_id": f"{vehicle}-{k}"[-16:].rjust(16, "0"),
        "vehicle": vehicle,
        "camera": "front",
        "lidar": "roof",
    }
    uri = f"s3://lake/{vehicle}/week{k:02d}.mcap"
    unseen = random.random() < 0.06
    moved = np.abs(drift) > 2 * HALF
    observed = np.array([not unseen, *[True] * 5])
    detectable = np.where(observed, 2, 6) * HALF
    alarm = np.any(np.abs(drift)[:3] > 0.1) or np.any(np.abs(drift)[3:] > np.radians(0.5))
    level = "alarm" if moved.any() and alarm else "warn" if moved.any() else "unsure" if unseen else "ok"
    text = "; ".join(reasons_in_words(drift, HALF, detectable, moved, observed)) or f"calibration {level}"
    values = {**_by_axis("", drift), **_by_axis("half_", HALF), **_by_axis("detectable_", detectable)}
    found["verdicts"].append(
        {**rig, "uri": uri, "task": "monitor", "start": start, "end": start + timedelta(minutes=windows),
         "level": level, "text": text, **values, "pairs": 20 * windows, "windows": windows,
         "seconds": 31.5, "settings_id": "5e771265"}
    )  # fmt: skip
    finding = {"level": "note", "code": "bag.rate", "text": "images come at 10 Hz", "cure": ""}
    found["index"].append({**rig, "uri": uri, "verdict": "usable", "findings": [finding]})
    for w in range(windows):
        estimate = drift + random.normal(0, 0.5, 6) * HALF
        found["windows"].append(
            {**rig, "time": start + timedelta(minutes=w + 1), "frames": 20, **_by_axis("", estimate),
             **_by_axis("std_", HALF), "level": level, "text": text,
             "picture": f"pictures/{len(found['windows']) % 6}.webp"}
        )  # fmt: skip


def _refuse(found: Rows, vehicle: str, k: int, refusal: tuple[str, str]) -> None:
    uri = f"s3://lake/{vehicle}/week{k:02d}.mcap"
    found["quarantine"].append(
        {"recording_id": "", "uri": uri, "task": "monitor", "code": refusal[0], "reason": refusal[1], "attempts": 2,
         "time": FIRST + timedelta(days=7 * k)}
    )  # fmt: skip
    found["index"].append(
        {
            "recording_id": "",
            "uri": uri,
            "vehicle": vehicle,
            "camera": "",
            "lidar": "",
            "verdict": "unusable",
            "findings": [],
        }
    )


def _by_axis(prefix: str, values: Array) -> dict[str, float]:
    return {f"{prefix}{axis}": float(value) for axis, value in zip(AXES, values, strict=True)}


def write_fleet(folder: Path, rows: Rows, pictures: int = 6) -> Path:
    """The folder, with a Parquet table for each name that has rows, and pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in rows.items():
        if table:
            write_table(folder / f"{name}.parquet", table)
    (folder / "pictures").mkdir(exist_ok=True)
    for i in range(pictures):
        cv2.imwrite(str(folder / "pictures" / f"{i}.webp"), _overlay(i))
    return folder


def write_table(file: Path, rows: list[dict[str, Any]]) -> None:
    """A table with its times in ns."""
    table = pa.Table.from_pylist(rows)
    for i, name in enumerate(table.column_names):
        if name in TIMES:
            table = table.set_column(i, name, table.column(name).cast(TIME))
    pq.write_table(table, file, compression="zstd")


def _overlay(seed: int) -> Array:
    """A picture (375, 1242, 3) with points, larger than a phone is wide."""
    random = np.random.default_rng(seed)
    image = np.full((375, 1242, 3), 60 + 10 * seed, np.uint8)
    for x, y in random.integers((0, 120), (1242, 375), (2000, 2)):
        cv2.circle(image, (int(x), int(y)), 2, (0, int(y) % 256, 255 - int(y) % 256), -1)
    return image
