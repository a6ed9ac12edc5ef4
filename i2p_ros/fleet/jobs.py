# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The work on one recording: the monitor, the calibration or the localizer, with rows of tables as the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from i2p_ros.core.config import Settings
from i2p_ros.core.drifts import AXES, Level
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.plain import finite
from i2p_ros.core.source import Source, first_readable
from i2p_ros.core.types import PoseEstimate, Sample
from i2p_ros.evaluation.monitoring import Checker, Result
from i2p_ros.fleet.tables import Row

if TYPE_CHECKING:
    from i2p_ros.localizer import Localizer

Rows = dict[str, list[Row]]
Pictures = dict[str, bytes]
LOCALIZED_SHARE = 0.5  # of the pairs of a recording that is ok


class Job(Protocol):
    """The work of one verb. It loads its model once."""

    def load(self) -> None:
        """Load the model. Raises ModelError."""
        ...

    def work(self, recording: Path) -> tuple[Rows, Pictures]:
        """Rows by table, and pictures by name, of a recording. Raises InputError if it cannot be used."""
        ...


class MonitorJob:
    """Drift from the calibration that the recording states."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._checker = settings, Checker(settings)

    def load(self) -> None:
        """Load the network, if the settings use it."""
        self._checker.load()

    def work(self, recording: Path) -> tuple[Rows, Pictures]:
        """A verdict for each camera and drive, its windows, and pictures of them."""
        rows, pictures = Rows(verdicts=[], windows=[]), Pictures()
        for number, part in enumerate(self._checker.parts(recording)):
            result = self._checker.monitored(part, with_overlays=True)
            content = result.to_json()
            rows["verdicts"].append(_monitored(result, content))
            drifts = result.level in (Level.WARN, Level.ALARM)
            shown = range(len(result.overlays))[0 if drifts else -1 :]
            named = {k: f"{number}_{k:05d}.webp" for k in shown}
            rows["windows"] += _windows(content, named)
            pictures |= {name: result.overlays[k] for k, name in named.items()}
        return rows, pictures


class LocalizeJob:
    """The pose of some pairs, each alone and without a prior."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._checker = settings, Checker(settings)

    @cached_property
    def _localizer(self) -> Localizer:
        from i2p_ros.localizer import load

        return load(settings=self._settings)

    def load(self) -> None:
        """Load the network."""
        self._localizer.warm_up()

    def work(self, recording: Path) -> tuple[Rows, Pictures]:
        """A row for each localized pair, and one that sums them up for each camera and drive."""
        rows = Rows(verdicts=[], pairs=[])
        for part in self._checker.parts(recording):
            source = self._checker.opened(part)
            found = [self._pair(source, sample) for sample in _spread(source, self._settings.fleet.pairs)]
            rows["pairs"] += found
            rows["verdicts"].append(_localized(source, found))
        return rows, {}

    def _pair(self, source: Source, sample: Sample) -> Row:
        estimate = self._localizer.localize_pair(sample.pair)
        camera, lidar = source.frames
        return {
            "camera": camera, "lidar": lidar, "time": sample.pair.stamp, "status": estimate.status.value,
            "confidence": finite(estimate.confidence), **_pose_columns(estimate), **_errors(estimate, sample),
        }  # fmt: skip


class CalibrateJob:
    """The extrinsic calibration, without a guess, beside the one that the recording states."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _calibrator(self) -> Any:
        from i2p_ros.calibration import Calibrator
        from i2p_ros.localizer import load

        return Calibrator(self._settings, load(settings=self._settings))

    def load(self) -> None:
        """Load the network. Raises ModelError."""
        self._calibrator.localizer.warm_up()

    def work(self, recording: Path) -> tuple[Rows, Pictures]:
        """A calibration for each rig in the recording, and its difference from the stated one."""
        from i2p_ros.calibration import rigs

        rows = Rows(verdicts=[], calibrations=[])
        for rig in rigs([recording], self._settings):
            result = self._calibrator.result(*rig.sources)
            start, end = _span(rig.sources)
            rows["calibrations"].append(_calibrated(result) | {"start": start, "end": end})
            rows["verdicts"].append(self._verdict(result) | {"start": start, "end": end})
        return rows, {}

    def _verdict(self, result: Any) -> Row:
        """The drift from the stated calibration to the result, if there are both."""
        level, text = Level.UNSURE, result.reason or result.status.value
        drift = half = None
        if result.pose is not None:
            level, half = Level.OK, np.asarray(result.half)
            text = "the recording states no calibration" if result.stated is None else "the stated calibration is right"
        if result.pose is not None and result.stated is not None:
            drift = result.stated.local(result.pose)
            level, text = self._judged(drift, np.asarray(half), text)
        return {
            "camera": result.frames[0], "lidar": result.frames[1], "level": level.value, "text": text,
            "pairs": result.pairs, "windows": None, **_by_axis(drift), **_by_axis(half, "half_"),
            **_by_axis(half, "detectable_"),
        }  # fmt: skip

    def _judged(self, drift: Array, half: Array, text: str) -> tuple[Level, str]:
        """The level of a difference from the stated calibration: by its intervals and the tolerance of the monitor."""
        watch = self._settings.watch
        tolerance = np.repeat([watch.tolerance_m, np.radians(watch.tolerance_deg)], 3)
        moved = np.abs(drift) > half
        if not moved.any():
            return Level.OK, text
        names = ", ".join(axis for axis, is_moved in zip(AXES, moved, strict=True) if is_moved)
        level = Level.ALARM if (moved & (np.abs(drift) > tolerance)).any() else Level.WARN
        return level, f"the stated calibration is off in {names}"


JOBS: Mapping[str, type[MonitorJob] | type[LocalizeJob] | type[CalibrateJob]] = {
    "monitor": MonitorJob, "calibrate": CalibrateJob, "localize": LocalizeJob
}  # fmt: skip


def _monitored(result: Result, content: dict[str, Any]) -> Row:
    """The row of verdicts of a result, whose plain values are given too."""
    verdict, windows = content["verdict"], content["windows"]
    text = "; ".join(verdict["reasons"]) or f"calibration {content['level']}"
    return {
        "camera": content["camera"], "lidar": content["lidar"], "start": result.start, "end": result.end,
        "level": content["level"], "text": text, "pairs": content["pairs"], "windows": len(windows),
        **_by_axis(verdict["drift"]), **_by_axis(verdict["half"], "half_"),
        **_by_axis(verdict["detectable"], "detectable_"),
    }  # fmt: skip


def _windows(content: dict[str, Any], named: dict[int, str]) -> list[Row]:
    return [
        {
            "camera": content["camera"], "lidar": content["lidar"], "time": window["stamp"], "frames": window["frames"],
            **_by_axis(window["estimate"]), **_by_axis(window["std"], "std_"), "level": window["verdict"]["level"],
            "text": "; ".join(window["verdict"]["reasons"]), "picture": named.get(number, ""),
        }
        for number, window in enumerate(content["windows"])
    ]  # fmt: skip


def _spread(source: Source, most: int) -> list[Sample]:
    """Samples at even steps, at most so many. Raises InputError if none of them can be read."""
    count = min(most, len(source))
    samples, refused = list[Sample](), list[InputError]()
    for index in [(2 * k + 1) * len(source) // (2 * count) for k in range(count)]:
        try:
            samples.append(source[index])
        except InputError as error:
            refused.append(error)
    if refused and not samples:
        raise refused[0]
    return samples


def _localized(source: Source, pairs: Sequence[Row]) -> Row:
    """The row of verdicts that sums up localized pairs."""
    good = [row for row in pairs if row["status"] == "ok"]
    errors = [row["error_m"] for row in good if row["error_m"] is not None]
    angles = [row["error_deg"] for row in good if row["error_deg"] is not None]
    median = f", median error {np.median(errors):.2f} m and {np.median(angles):.2f} deg" if errors else ""
    camera, lidar = source.frames
    times = [row["time"] for row in pairs]
    return {
        "camera": camera, "lidar": lidar, "start": min(times), "end": max(times),
        "level": (Level.OK if len(good) >= LOCALIZED_SHARE * len(pairs) else Level.UNSURE).value,
        "text": f"{len(good)} of {len(pairs)} pairs localized{median}", "pairs": len(pairs), "windows": None,
    }  # fmt: skip


def _calibrated(result: Any) -> Row:
    content = result.to_json()
    return {
        "camera": content["camera"], "lidar": content["lidar"], "status": content["status"], "text": content["reason"],
        "T": None if result.pose is None else _seven(result.pose), **_by_axis(content["std"], "std_"),
        **_by_axis(content["half"], "half_"), "pairs": content["pairs"], "used": content["used"],
        "directions": [direction["word"] for direction in content["directions"].values()],
    }  # fmt: skip


def _span(sources: Sequence[Source]) -> tuple[int, int]:
    """Stamps (ns) of the first and the last pair of some sources that can be read."""
    stamps = [_stamp(source, order) for source in sources for order in (range(len(source)), range(len(source))[::-1])]
    return min(stamps), max(stamps)


def _stamp(source: Source, order: range) -> int:
    """Stamp (ns) of the first pair in an order that can be read."""
    first = first_readable(source, order)
    if first is None:
        raise InputError(f"{source.name}: no pair can be used", "pairs")
    return first.pair.stamp


def _pose_columns(estimate: PoseEstimate) -> Row:
    std = None if estimate.covariance is None or estimate.pose is None else np.sqrt(np.diag(estimate.covariance))
    return {"T": None if estimate.pose is None else _seven(estimate.pose), **_by_axis(std, "std_")}


def _errors(estimate: PoseEstimate, sample: Sample) -> Row:
    """Distance (m) and angle (deg) from the estimated to the stated camera; null without either."""
    if estimate.pose is None or sample.T_camera_lidar is None:
        return {"error_m": None, "error_deg": None}
    delta = estimate.pose.local(sample.T_camera_lidar)
    return {
        "error_m": float(np.linalg.norm(delta[:3])), "error_deg": float(np.degrees(np.linalg.norm(delta[3:])))
    }  # fmt: skip


def _seven(pose: Pose) -> list[float]:
    return [float(value) for value in (*pose.translation, *pose.quaternion)]


def _by_axis(values: Any, prefix: str = "") -> Row:
    """Columns of six values; null where they are not finite or not known."""
    known = [None] * 6 if values is None else [None if value is None else finite(float(value)) for value in values]
    return {f"{prefix}{axis}": value for axis, value in zip(AXES, known, strict=True)}
