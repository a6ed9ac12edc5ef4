# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A recording through the monitor: one result, that says all of itself and needs nothing that was before."""

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

from i2p_ros.core.config import Settings
from i2p_ros.core.drifts import Level
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose, so3_log
from i2p_ros.core.types import Image, Pair, Sample
from i2p_ros.evaluation.files import write_json
from i2p_ros.evaluation.report import picture
from i2p_ros.monitor.history import History, MonitoredRig
from i2p_ros.monitor.sequential_test import Motion, Reference
from i2p_ros.monitor.session import Finding, Monitor, NetworkPose
from i2p_ros.sources.base import Source, lost_by
from i2p_ros.sources.kitti import KittiSource
from i2p_ros.sources.nominal import read_nominal
from i2p_ros.sources.opening import recognised
from i2p_ros.sources.rosbag import RosbagSource
from i2p_ros.viz.overlays import captioned, cells_shaded, overlay

FRAMES = ("camera", "lidar")  # of recordings that do not name theirs
CAMERAS = ["image_02"]  # of KITTI folders
Progress = Callable[[int], None]


@dataclass
class Result:
    """What was found in a recording. `pictures` by title are of its last pair."""

    name: str
    monitor: Monitor
    findings: list[Finding] = field(default_factory=list)
    pairs: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    pictures: dict[str, Image] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        """The last word; that nothing is known where there was no window."""
        return self.findings[-1].verdict.level if self.findings else Level.UNSURE

    @property
    def evidence(self) -> Array:
        """(C, 3) row, column and nats of the cells of the image, over all windows."""
        cells: Counter[tuple[int, int]] = Counter()
        for finding in self.findings:
            for row, column, nats in finding.drift.evidence:
                cells[int(row), int(column)] += nats
        return np.array([(*cell, nats) for cell, nats in cells.items()]).reshape(-1, 3)

    def to_json(self) -> dict[str, Any]:
        """Numbers alone, in m and rad."""
        rig, test = self.monitor.rig, self.monitor.test
        last = self.findings[-1].verdict if self.findings else test.verdict(0)
        estimated = self.monitor.estimated(last)
        return {
            "recording": self.name, "vehicle": rig.vehicle, "camera": rig.camera, "lidar": rig.lidar,
            "pairs": self.pairs, "lost": dict(self.lost), "left_out": dict(test.left_out),
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
) -> Result:
    """The result of all pairs of a recording, against its own calibration or the given one, from the accepted state.

    Raises InputError `calibration.missing` where there is none, `pairs` where no pair can be used.
    """
    result, last = None, None
    lost = lost_by(source)
    for index in range(len(source)):
        try:
            sample = source[index]
        except InputError as error:
            lost[error.reason] += 1
            continue
        result = result or Result(
            source.name, _monitor(source, sample, settings, nominal, reference, history, network_pose)
        )
        _refuse_other_calibration(source, sample, result.monitor, nominal)
        result.pairs += 1
        _take(result, result.monitor.add(sample.pair, _motion(last, sample)))
        last = sample
        if progress:
            progress(index + 1)
    if result is None or last is None:
        raise InputError(f"{source.name}: no pair can be used: {dict(lost) or 'it is empty'}", "pairs")
    _take(result, result.monitor.finish())
    if result.monitor.history_error:
        raise InputError(result.monitor.history_error, "history")
    result.lost = lost
    _paint(result, last.pair, settings.refinement.columns)
    return result


@dataclass(frozen=True)
class Part:
    """What has a result of its own: a bag, or a drive of a KITTI folder as one of its cameras saw it."""

    recording: Path
    drive: str = ""
    camera: str = ""


class Checker:
    """Results of recordings as JSON has them, each on its own. Those that lie in `folder` are not made again.

    Raises InputError for a nominal calibration that is no file.
    """

    def __init__(
        self, settings: Settings, nominal: Path | None = None, accept: Path | None = None, folder: Path | None = None,
        drives: list[str] | None = None, cameras: list[str] | None = None, history: History | None = None,
    ) -> None:  # fmt: skip
        self._settings, self._nominal, self._folder, self._history = settings, nominal, folder, history
        self._drives, self._cameras, self._accept = drives, cameras, accept
        if nominal is not None and not nominal.is_file():
            raise InputError(f"cannot read the calibration {nominal}: it is no file", "calibration.missing")

    def parts(self, recording: Path) -> list[Part]:
        """What is judged of a recording, each on its own, for drives differ in clock and calibration."""
        if recognised(recording) != "kitti":
            return [Part(recording)]
        source = KittiSource(recording, self._cameras or CAMERAS, self._drives)
        return [Part(recording, drive, camera) for drive in source.drives for camera in self._cameras or CAMERAS]

    def result(self, part: Part, progress: Progress | None = None) -> dict[str, Any]:
        """Numbers and pictures; raises InputError."""
        file = None if self._folder is None else self._folder / self._named(part)
        if file is not None and file.exists():
            return dict(json.loads(file.read_text()))
        source = self._opened(part)
        nominal = self._read(part, source)
        result = monitored(
            source, self._settings, nominal, self._reference, self._history, self._network_pose, progress
        )
        pictures = {title: str(picture(image)) for title, image in result.pictures.items()}
        content = result.to_json() | {"pictures": pictures, "settings": self._settings.model_dump()}
        if file is not None:
            write_json(file, content)
        return content

    def _named(self, part: Part) -> str:
        """The result's file, named by what it was made of: the same recording, once it is longer, is another."""
        inputs = [_state(path) for path in (part.recording, self._nominal, self._accept)]
        made_of = json.dumps([self._settings.model_dump(), part.drive, part.camera, inputs], sort_keys=True)
        words = (part.recording.stem, part.drive, part.camera, hashlib.sha256(made_of.encode()).hexdigest()[:12])
        return "-".join(filter(None, words)) + ".json"

    @cached_property
    def _network_pose(self) -> NetworkPose | None:
        from i2p_ros.localizer import looker

        return looker(self._settings)

    @cached_property
    def _reference(self) -> Reference | None:
        if self._accept is None:
            return None
        (part, *others) = self.parts(self._accept)
        if others:
            raise InputError(f"{self._accept} has several drives or cameras: accept one", "drift.accept")
        source = self._opened(part)
        return accepted(source, self._settings, self._read(part, source), self._network_pose)

    def _read(self, part: Part, source: RosbagSource | KittiSource) -> Pose | None:
        if self._nominal is None:
            return None
        return read_nominal(self._nominal, *(("", "") if part.camera else source.frames))

    def _opened(self, part: Part) -> RosbagSource | KittiSource:
        if part.camera:
            return KittiSource(part.recording, [part.camera], [part.drive])
        if self._drives:
            raise InputError(f"drives are chosen of KITTI folders, not of {part.recording}", "source.choice")
        return RosbagSource(part.recording, self._settings.pairing)


def _state(path: Path | None) -> list[tuple[str, int, int]]:
    """Names, sizes and times (ns) of the files of a recording."""
    files = [] if path is None else [path, *sorted(path.rglob("*"))]
    return [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]


def accepted(
    source: Source, settings: Settings, nominal: Pose | None = None, network_pose: NetworkPose | None = None
) -> Reference:
    """What the signal says at a calibration that is true: the state of a recording that drift is counted from."""
    result = monitored(source, settings, nominal, network_pose=network_pose)
    if not result.findings:
        raise InputError(f"{source.name}: no window to accept, of {result.pairs} pairs", "drift.empty")
    return result.monitor.test.present()


def _monitor(
    source: Source, sample: Sample, settings: Settings, nominal: Pose | None, reference: Reference | None,
    history: History | None, network_pose: NetworkPose | None,
) -> Monitor:  # fmt: skip
    nominal = nominal or sample.T_camera_lidar
    camera, lidar = getattr(source, "frames", FRAMES)
    if nominal is None:
        raise InputError(
            f"{source.name} has no calibration that joins {camera!r} and {lidar!r}: give one, as YAML or URDF",
            "calibration.missing",
        )
    monitor = Monitor(nominal, MonitoredRig(settings.monitor.vehicle, camera, lidar), settings, history, network_pose)
    monitor.reset()  # what the history says of other recordings is no part of this one's result
    monitor.test.reference = reference or monitor.test.reference
    return monitor


def _refuse_other_calibration(source: Source, sample: Sample, monitor: Monitor, given: Pose | None) -> None:
    """One nominal calibration for all pairs, or drift would be counted from that of another."""
    own = sample.T_camera_lidar
    if given is None and own is not None and not monitor.has_nominal(own):
        raise InputError(f"{source.name}: the calibration of {sample.pair.name} is another than before", "calibration")


def _motion(before: Sample | None, now: Sample) -> Motion | None:
    """Of the vehicle between two pairs, where the recording knows it."""
    if before is None or before.T_world_lidar is None or now.T_world_lidar is None:
        return None
    seconds = (now.pair.stamp - before.pair.stamp) * 1e-9
    if seconds <= 0:
        return None
    moved = before.T_world_lidar.inverse() @ now.T_world_lidar
    turn = float(np.degrees(np.linalg.norm(so3_log(moved.rotation))))
    return Motion(float(np.linalg.norm(moved.translation)) / seconds, turn / seconds)


def _take(result: Result, finding: Finding | None) -> None:
    if finding is not None:
        result.findings.append(finding)


def _paint(result: Result, pair: Pair, columns: int) -> None:
    """The cloud at both calibrations, and where the evidence came from."""
    if not result.findings:
        return
    nominal, estimated = result.monitor.nominal, result.monitor.estimated(result.findings[-1].verdict)
    for title, pose in (("nominal calibration", nominal), ("estimated calibration", estimated)):
        if pose is not None:
            drawn = overlay(pair.image, pair.camera, pair.cloud, pose)
            result.pictures[title] = captioned(drawn, title)
    cell = pair.camera.width / columns
    result.pictures["evidence"] = captioned(cells_shaded(pair.image, result.evidence, cell), "where the evidence is")
