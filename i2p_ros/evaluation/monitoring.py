# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Monitoring of recordings. Each has one result, which does not depend on other recordings."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from i2p_ros.core.changes import motion_text
from i2p_ros.core.config import Settings
from i2p_ros.core.drifts import Level
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.progress import Localized, Progress, unheard
from i2p_ros.core.source import Source
from i2p_ros.core.types import Image, Pair, Sample
from i2p_ros.evaluation.files import write_json
from i2p_ros.evaluation.report import picture
from i2p_ros.evaluation.window_pictures import window_picture
from i2p_ros.inspection import inspect
from i2p_ros.monitor.history import History, MonitoredRig
from i2p_ros.monitor.sequential_test import Motion, Reference
from i2p_ros.monitor.session import Finding, Monitor, NetworkPose
from i2p_ros.sources.nominal import read_nominal
from i2p_ros.sources.opening import open_source, recognised
from i2p_ros.viz.overlays import captioned, cells_shaded, overlay

Watch = Callable[[int, Pair, Pose, Finding | None], None]  # of index, pair, nominal calibration, and finding after it


@dataclass
class Result:
    """Findings of the monitor in a recording. `pictures`, by title, show its last pair.

    A recording that changes its calibration has a new monitor from there on. `earlier` and `left_out` are the numbers
    of findings and of windows left out before. `start` and `end` are the stamps (ns) of the first and the last pair.
    `overlays` has a small picture (WebP) of each finding, if these are wanted.
    """

    name: str
    monitor: Monitor
    findings: list[Finding] = field(default_factory=list)
    pairs: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    earlier: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    pictures: dict[str, Image] = field(default_factory=dict)
    start: int = 0
    end: int = 0
    with_overlays: bool = False
    overlays: list[bytes] = field(default_factory=list)

    @property
    def level(self) -> Level:
        """Level of the last verdict; UNSURE if no window was complete."""
        return self.present[-1].verdict.level if self.present else Level.UNSURE

    @property
    def present(self) -> list[Finding]:
        """Findings of the present monitor."""
        return self.findings[self.earlier :]

    @property
    def evidence(self) -> Array:
        """Row, column and nats (C, 3) of the cells of the image, summed over all windows."""
        cells: Counter[tuple[int, int]] = Counter()
        for finding in self.present:
            for row, column, nats in finding.drift.evidence:
                cells[int(row), int(column)] += nats
        return np.array([(*cell, nats) for cell, nats in cells.items()]).reshape(-1, 3)

    def to_json(self) -> dict[str, Any]:
        """The result without pictures as plain values, in m and rad."""
        rig, test = self.monitor.rig, self.monitor.test
        last = self.present[-1].verdict if self.present else test.verdict(0)
        estimated = self.monitor.estimated(last)
        return {
            "recording": self.name, "vehicle": rig.vehicle, "camera": rig.camera, "lidar": rig.lidar,
            "pairs": self.pairs, "lost": dict(self.lost), "left_out": dict(self.left_out + test.left_out),
            "notes": self.notes,
            "level": self.level.value, "verdict": last.to_json(),
            "accepted": None if test.reference is None else test.reference.delta.tolist(),
            "T_camera_lidar": self.monitor.nominal.matrix.tolist(),
            "T_camera_lidar_estimated": None if estimated is None else estimated.matrix.tolist(),
            "windows": [
                {"stamp": f.drift.stamp, "frames": f.drift.frames, "estimate": f.drift.delta.tolist(),
                 "std": np.sqrt(np.diag(f.drift.covariance)).tolist(),
                 "nats_a_frame": f.drift.information / f.drift.frames, "verdict": f.verdict.to_json()}
                for f in self.findings
            ],
        }  # fmt: skip


def monitored(
    source: Source,
    settings: Settings,
    nominal: Pose | None = None,
    reference: Reference | None = None,
    history: History | None = None,
    network_pose: NetworkPose | None = None,
    progress: Progress | None = None,
    with_overlays: bool = False,
    watch: Watch | None = None,
) -> Result:
    """Result of all pairs of a source. Drift is counted from `nominal`, or else from the calibration of the source.

    `reference` is an accepted state, at which drift is zero. `progress` gets the number of pairs read and of all, and
    `watch` is called after each pair. If the recording changes its calibration, estimates start again from the new one,
    as in the node.
    Raises InputError `calibration.missing` if there is no calibration, and `pairs` if no pair can be used.
    """
    result, last, last_index = None, None, 0
    lost = source.lost.copy()
    for index in range(len(source)):
        try:
            sample = source[index]
        except InputError as error:
            lost[error.reason] += 1
            continue
        result = result or Result(
            source.name, _monitor(source, sample, settings, nominal, reference, history, network_pose),
            start=sample.pair.stamp, with_overlays=with_overlays,
        )  # fmt: skip
        if nominal is None and last and _has_other_calibration(source, sample, result.monitor):
            _begin_again(result, last, _monitor(source, sample, settings, None, None, history, network_pose))
        result.pairs += 1
        finding = result.monitor.add(sample.pair, _motion(last, sample))
        _take(result, finding, sample)
        if watch:
            watch(index, sample.pair, result.monitor.nominal, finding)
        last, last_index = sample, index
        if progress:
            progress(index + 1, len(source))
    if result is None or last is None:
        raise InputError(f"{source.name}: no pair can be used: {dict(lost) or 'it is empty'}", "pairs")
    finding = result.monitor.finish()
    _take(result, finding, last)
    if finding and watch:
        watch(last_index, last.pair, result.monitor.nominal, finding)
    if result.monitor.history_error:
        raise InputError(result.monitor.history_error, "history")
    result.lost, result.end = lost, last.pair.stamp
    result.notes = [*result.notes, *source.notes]
    _paint(result, last.pair, settings.refinement.columns)
    return result


@dataclass(frozen=True)
class RecordingPart:
    """The part of a recording that has one result: a bag, or one drive and camera of a dataset folder."""

    recording: Path
    drive: str = ""
    camera: str = ""


class Checker:
    """Results of recordings as plain values. Results that `folder` already has are read from there.

    `nominal` is a file with a calibration, `accept` a recording at whose state drift is zero. `drives` and `cameras`
    choose parts of recordings that have drives. Raises InputError if `nominal` is not a file.
    """

    def __init__(
        self, settings: Settings, nominal: Path | None = None, accept: Path | None = None, folder: Path | None = None,
        drives: list[str] | None = None, cameras: list[str] | None = None, history: History | None = None,
        localized: Localized = unheard,
    ) -> None:  # fmt: skip
        self._settings, self._nominal, self._folder, self._history = settings, nominal, folder, history
        self._drives, self._cameras, self._accept, self._localized = drives, cameras, accept, localized
        if nominal is not None and not nominal.is_file():
            raise InputError(f"cannot read the calibration {nominal}: it is no file", "calibration.missing")

    def parts(self, recording: Path) -> list[RecordingPart]:
        """The parts of a recording. Its drives differ in clock and calibration, so each has a result of its own."""
        kind = recognised(recording)
        cameras = kind.cameras(self._cameras or ())
        drives: tuple[str, ...] = ("",)
        if "drives" in kind.choices:
            source = open_source(kind.name, recording, settings=self._settings, cameras=cameras, drives=self._drives)
            drives = source.drives
        return [RecordingPart(recording, drive, camera) for drive in drives for camera in cameras or [""]]

    def result(
        self, part: RecordingPart, progress: Progress | None = None, watch: Watch | None = None
    ) -> dict[str, Any]:
        """Result of a part: numbers, pictures and settings. Raises InputError if it cannot be monitored.

        With `watch`, which `monitored` takes, it is not read from the folder.
        """
        file = None if self._folder is None else self._folder / self._named(part)
        if file is not None and file.exists() and watch is None:
            return dict(json.loads(file.read_text()))
        result = self.monitored(part, progress, watch=watch)
        pictures = {title: str(picture(image)) for title, image in result.pictures.items()}
        content = result.to_json() | {
            "check": self._inspected(part), "pictures": pictures, "settings": self._settings.model_dump(),
        }  # fmt: skip
        if file is not None:
            write_json(file, content)
        return content

    def monitored(
        self, part: RecordingPart, progress: Progress | None = None, with_overlays: bool = False,
        watch: Watch | None = None,
    ) -> Result:  # fmt: skip
        """Result of a part, which is not read from the folder. Raises InputError if it cannot be monitored."""
        source = self.opened(part)
        nominal = self._read(part, source)
        return monitored(
            source, self._settings, nominal, self._reference, self._history, self._network_pose, progress,
            with_overlays, watch,
        )  # fmt: skip

    def load(self) -> None:
        """Load the network, if the settings use it. Raises ModelError."""
        _ = self._network_pose

    def _inspected(self, part: RecordingPart) -> dict[str, Any]:
        """What `i2p check` says of the recording of a part."""
        cameras, drives = ([name] if name else None for name in (part.camera, part.drive))
        return inspect(part.recording, self._settings, cameras=cameras, drives=drives).summary()

    def _named(self, part: RecordingPart) -> str:
        """Name of the file of a result, with a hash of its inputs: a recording that has grown is another recording."""
        inputs = [_state(path) for path in (part.recording, self._nominal, self._accept)]
        content = json.dumps([self._settings.model_dump(), part.drive, part.camera, inputs], sort_keys=True)
        words = (part.recording.stem, part.drive, part.camera, hashlib.sha256(content.encode()).hexdigest()[:12])
        return "-".join(filter(None, words)) + ".json"

    @cached_property
    def _network_pose(self) -> NetworkPose | None:
        from i2p_ros.localizer import load_network_pose

        return load_network_pose(self._settings, self._localized)

    @cached_property
    def _reference(self) -> Reference | None:
        if self._accept is None:
            return None
        (part, *others) = self.parts(self._accept)
        if others:
            raise InputError(f"{self._accept} has several drives or cameras: accept one", "drift.accept")
        source = self.opened(part)
        return accepted(source, self._settings, self._read(part, source), self._network_pose)

    def _read(self, part: RecordingPart, source: Source) -> Pose | None:
        if self._nominal is None:
            return None
        return read_nominal(self._nominal, *(source.frames if recognised(part.recording).frames_in_tf else ("", "")))

    def opened(self, part: RecordingPart) -> Source:
        """The source of a part. Raises InputError if it cannot be opened."""
        cameras = [part.camera] if part.camera else None
        drives = [part.drive] if part.drive else self._drives
        return open_source("auto", part.recording, settings=self._settings, cameras=cameras, drives=drives)


def _state(path: Path | None) -> list[tuple[str, int, int]]:
    """Names, sizes (bytes) and modification times (ns) of the files of a recording."""
    files = [] if path is None else [path, *sorted(path.rglob("*"))]
    return [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]


def accepted(
    source: Source, settings: Settings, nominal: Pose | None = None, network_pose: NetworkPose | None = None
) -> Reference:
    """State of a correctly calibrated recording, from which drift is counted. Raises InputError without a window."""
    result = monitored(source, settings, nominal, network_pose=network_pose)
    if not result.present:
        raise InputError(f"{source.name}: no window to accept, of {result.pairs} pairs", "drift.empty")
    return result.monitor.test.present()


def _monitor(
    source: Source, sample: Sample, settings: Settings, nominal: Pose | None, reference: Reference | None,
    history: History | None, network_pose: NetworkPose | None,
) -> Monitor:  # fmt: skip
    nominal = nominal or sample.T_camera_lidar
    camera, lidar = source.frames
    if nominal is None:
        raise InputError(
            f"{source.name} has no calibration that joins {camera!r} and {lidar!r}: give one, as YAML or URDF",
            "calibration.missing",
        )
    monitor = Monitor(nominal, MonitoredRig(settings.monitor.vehicle, camera, lidar), settings, history, network_pose)
    monitor.reset()  # what the history says of other recordings is no part of this one's result
    monitor.test.reference = reference or monitor.test.reference
    return monitor


def _has_other_calibration(source: Source, sample: Sample, monitor: Monitor) -> bool:
    """Whether the calibration of a pair differs from the nominal one of the monitor.

    Raises InputError if it does and the source does not say so: drift has one nominal calibration.
    """
    own = sample.T_camera_lidar
    if own is None or monitor.has_nominal(own):
        return False
    if source.is_recalibrated:
        return True
    raise InputError(f"{source.name}: the calibration of {sample.pair.name} is another than before", "calibration")


def _begin_again(result: Result, last: Sample, monitor: Monitor) -> None:
    """Finish the window of the old calibration, and go on with the monitor of the new one."""
    _take(result, result.monitor.finish(), last)
    moved = motion_text(result.monitor.nominal, monitor.nominal)
    before = f"; before that: {result.level.value}" if result.present else ""
    result.notes.append(f"the nominal calibration changes by {moved}: estimates start again{before}")
    result.left_out += result.monitor.test.left_out
    result.monitor, result.earlier = monitor, len(result.findings)


def _motion(before: Sample | None, now: Sample) -> Motion | None:
    """Motion of the vehicle between two pairs, or none if the recording has no poses of the lidar."""
    if before is None or before.T_world_lidar is None or now.T_world_lidar is None:
        return None
    seconds = (now.pair.stamp - before.pair.stamp) * 1e-9
    return Motion.between(before.T_world_lidar, now.T_world_lidar, seconds) if seconds > 0 else None


def _take(result: Result, finding: Finding | None, last: Sample) -> None:
    """Add a finding, if there is one. `last` is the last sample of its window."""
    if finding is None:
        return
    result.findings.append(finding)
    if result.with_overlays:
        nominal = result.monitor.nominal
        result.overlays.append(window_picture(last.pair, nominal, nominal.retract(finding.drift.delta)))


def _paint(result: Result, pair: Pair, columns: int) -> None:
    """Add pictures of the cloud at both calibrations, and of the cells with the evidence."""
    if not result.present:
        return
    nominal, estimated = result.monitor.nominal, result.monitor.estimated(result.present[-1].verdict)
    for title, pose in (("nominal calibration", nominal), ("estimated calibration", estimated)):
        if pose is not None:
            drawn = overlay(pair.image, pair.camera, pair.cloud, pose)
            result.pictures[title] = captioned(drawn, title)
    undistorted, camera = pair.camera.undistort(pair.image)
    shaded = cells_shaded(undistorted, result.evidence, camera.width / columns)
    result.pictures["evidence"] = captioned(shaded, "where the evidence is")
