# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmark of calibrations and of checks, on synthetic drives and KITTI drives whose calibration is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from i2p_ros.calibration.calibrator import Calibrator
from i2p_ros.calibration.check import CalibrationCheck, Judgement, checked, judged
from i2p_ros.calibration.result import CalibrationResult
from i2p_ros.core.config import Settings
from i2p_ros.core.drifts import INTERVAL, SCALES
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.progress import Progress
from i2p_ros.core.source import Source, WrappedSource
from i2p_ros.core.types import Sample
from i2p_ros.evaluation.definitions import CALIBRATION
from i2p_ros.sources.known_drives import ODOMETRY_04, SCATTERED, KnownDrive
from i2p_ros.sources.opening import open_source

PAIRS = 30  # of a synthetic drive, one second apart
LIDAR_M = 1.0  # m: a synthetic lidar is moved by up to so much on each axis, and turned to any yaw
BAR = np.repeat([0.015, np.radians(0.05)], 3)  # largest error of a synthetic drive, m and rad
KITTI_BAR = np.repeat([0.1, np.radians(0.3)], 3)
OFF = np.repeat([0.1, np.radians(1.0)], 3)  # errors that a check must find, m and rad
FAR_M, FAR_DEG = 0.5, 10.0  # of a bad initial calibration
SHARP = np.repeat([0.002, np.radians(0.01)], 3)  # systematic offset of a synthetic drive: its calibration is exact
ANEW = 5
DEFINITIONS = {
    "within": "calibrations whose error is within 1.5 cm and 0.05 deg (KITTI: 10 cm and 0.3 deg) on every axis",
    "covered": "share of the 95 % intervals, of all axes, that hold the truth",
    "covered_sharp": "the same with a systematic offset of 2 mm and 0.01 deg in place of the settings'",
    "true_right": "true calibrations that the check calls right",
    "true_wrong": "true calibrations that the check calls wrong",
    "anew": "drives on which the truth, and one calibration that is off, are candidates of a check of their own",
    "off_found": "calibrations off by 10 cm or 1 deg on one axis that the check calls wrong",
    "error": "median over the runs of |error| by axis, in cm or deg",
    "worst": "largest |error| by axis, in cm or deg",
    "windows": "calibrations from ten successive pairs each, from initial ones that are off by up to 15 deg and 15 cm, "
    "as the protocol calib draws them",
    **CALIBRATION,
}


class _Turned(WrappedSource):
    """A source whose lidar frame is another one, so that no calibration is more likely than another."""

    def __init__(self, source: Source, T_new_old: Pose) -> None:
        super().__init__(source)
        self._T_new_old = T_new_old

    def __getitem__(self, index: int) -> Sample:
        sample = self.source[index]
        assert sample.T_camera_lidar is not None
        pair = replace(sample.pair, cloud=sample.pair.cloud.transformed(self._T_new_old))
        return Sample(pair, sample.T_camera_lidar @ self._T_new_old.inverse())


def synthetic_rows(
    calibrator: Calibrator, seeds: Sequence[int], progress: Progress = lambda done, total: None
) -> Iterator[dict[str, Any]]:
    """A row for each synthetic drive: a calibration without a guess, by which the truth and calibrations that are
    off on one axis are judged.

    In one of ANEW drives the truth and one of the others are candidates of a check of their own.
    """
    for done, seed in enumerate(seeds, start=1):
        settings = calibrator.settings
        world = settings.synthetic.model_copy(update={"drive": True, "rate_hz": 1.0})
        plain = open_source("synthetic", settings=settings.model_copy(update={"synthetic": world}), seed=seed, n=PAIRS)
        rng = np.random.default_rng(seed)
        turn = Pose.from_rotvec([0.0, 0.0, rng.uniform(-np.pi, np.pi)], rng.uniform(-LIDAR_M, LIDAR_M, 3))
        yield {"source": "synthetic", "seed": seed, **_row(calibrator, _Turned(plain, turn), BAR, seed)}
        progress(done, len(seeds))


def kitti_sources(root: Path, settings: Settings) -> dict[str, Source]:
    """Odometry 04 by the name of a row, for both cameras. `root` is a folder with KITTI's folder odometry. Raises
    InputError."""
    return _by_camera(ODOMETRY_04, root, settings)


def scattered_sources(root: Path, settings: Settings) -> dict[str, Source]:
    """The scattered places of raw drive 9002 by the name of a row, for both cameras; none if they are not there.
    Raises InputError."""
    is_there = any((root / SCATTERED.folder).glob(f"*/{SCATTERED.drive}"))
    return _by_camera(SCATTERED, root, settings) if is_there else {}


def _by_camera(drive: KnownDrive, root: Path, settings: Settings) -> dict[str, Source]:
    return {f"{drive.name} {camera}": source for camera, source in drive.by_camera(root, settings).items()}


def kitti_rows(
    calibrator: Calibrator, sources: Mapping[str, Source], progress: Progress = lambda done, total: None
) -> Iterator[dict[str, Any]]:
    """Rows of `kitti_sources`: without a guess, and from an initial calibration that is off by 10 deg and 0.5 m."""
    for number, (name, source) in enumerate(sources.items()):
        yield {"source": name, "seed": number, **_row(calibrator, source, KITTI_BAR, ANEW * number)}
        true = _truth(source)
        rng = np.random.default_rng(number)
        directions = [vector / np.linalg.norm(vector) for vector in rng.standard_normal((2, 3))]
        off = np.concatenate([FAR_M * directions[0], np.radians(FAR_DEG) * directions[1]])
        result = calibrator.result(source, init=true.retract(off))
        yield {"source": f"{name}, initial calibration off", "seed": number} | _accuracy(result, true, KITTI_BAR)
        progress(number + 1, len(sources))


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Counts and medians over rows, by the names of DEFINITIONS."""
    errors = np.array([row["error"] for row in rows if row["error"] is not None]).reshape(-1, 6)
    checks = [row for row in rows if "true" in row]
    off = [value for row in checks for value in row["off"]]
    return {
        "runs": len(rows), "calibrated": len(errors), "within": sum(row["within"] for row in rows),
        "covered": _mean([row["covered"] for row in rows]),
        "covered_sharp": _mean([row["covered_sharp"] for row in rows]),
        "true_right": sum(row["true"] == Judgement.RIGHT.value for row in checks),
        "true_wrong": sum(row["true"] == Judgement.WRONG.value for row in checks), "checks": len(checks),
        "off_found": sum(off), "off": len(off),
        "anew": sum("anew_off" in row for row in checks),
        "anew_off_found": sum(row.get("anew_off", False) for row in checks),
        "anew_true_wrong": sum(row.get("anew_true") == Judgement.WRONG.value for row in checks),
        "error": np.median(np.abs(errors), axis=0).tolist() if len(errors) else None,
        "worst": np.abs(errors).max(axis=0).tolist() if len(errors) else None,
        "seconds": _mean([row["seconds"] for row in rows]),
    }  # fmt: skip


def _row(calibrator: Calibrator, source: Source, bar: Array, number: int) -> dict[str, Any]:
    """Accuracy of the calibration of a source, and judgements of right and wrong calibrations by it."""
    true, result = _truth(source), calibrator.result(source)
    wrongs = [true.retract(sign * OFF[k] * np.eye(6)[k]) for k in range(6) for sign in (1.0, -1.0)]
    found = [_is_found(judged(wrong, result, calibrator)) for wrong in wrongs]
    of_true = judged(true, result, calibrator)
    row = _accuracy(result, true, bar) | {
        "true": of_true.judgement.value, "true_unobserved": list(of_true.unobserved), "off": found
    }  # fmt: skip
    if number % ANEW:
        return row
    anew = [checked(calibrator, [source], given) for given in (true, wrongs[number // ANEW % len(wrongs)])]
    return row | {"anew_true": anew[0].judgement.value, "anew_off": _is_found(anew[1])}


def _accuracy(result: CalibrationResult, true: Pose, bar: Array) -> dict[str, Any]:
    row = {"status": result.status.value, "reason": result.reason, "seconds": result.seconds, "used": result.used,
           "agreeing": result.agreeing, "localized": result.localized, "margin": result.margin}  # fmt: skip
    if result.pose is None or result.std is None or result.half is None:
        return row | {"error": None, "half": None, "within": False, "covered": None, "covered_sharp": None}
    error = true.local(result.pose)
    return row | {
        "error": (error * SCALES).tolist(), "half": (result.half * SCALES).tolist(),
        "within": bool((np.abs(error) <= bar).all()),
        "covered": float(np.mean(np.abs(error) <= result.half)),
        "covered_sharp": float(np.mean(np.abs(error) <= INTERVAL * result.std + SHARP)),
        "words": [direction.word.value for direction in result.directions],
    }  # fmt: skip


def _truth(source: Source) -> Pose:
    true = source[0].T_camera_lidar
    assert true is not None
    return true


def _is_found(check: CalibrationCheck) -> bool:
    return check.judgement is Judgement.WRONG


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
