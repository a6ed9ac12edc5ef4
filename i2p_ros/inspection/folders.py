# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inspection of a dataset folder, or of any other recording that is no bag, by some of its samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array
from i2p_ros.core.optical_frame import optical_doubt_of
from i2p_ros.core.source import Source
from i2p_ros.core.spacing import evenly_spaced
from i2p_ros.core.thumbnails import image_change, thumbnail
from i2p_ros.core.types import Sample
from i2p_ros.inspection.result import (
    CameraSummary,
    FindingList,
    Inspection,
    LidarSummary,
    TopicSummary,
    judged_abilities,
)
from i2p_ros.inspection.timing import judge_short
from i2p_ros.inspection.views import judge_change, judge_clouds, judge_images, judge_overlap, judge_path, lens_of
from i2p_ros.sources.kinds import SourceKind
from i2p_ros.sources.opening import open_source

SAMPLES = 6  # that are read, spread over the recording


def inspect_folder(
    path: Path, kind: SourceKind, settings: Settings, cameras: Sequence[str] | None, drives: Sequence[str] | None
) -> Inspection:
    """The judgement of a recording of a kind. Raises InputError if it cannot be opened."""
    source = open_source(kind.name, path, settings=settings, cameras=kind.cameras(cameras or ()), drives=drives)
    findings = FindingList()
    read = _read(source, findings)
    size = sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
    whole = Inspection(path.name, kind.name, size, pairs=len(source))
    if read:
        whole = _with_samples(whole, source, read, settings, findings)
    found = findings.found
    return replace(whole, findings=found, abilities=judged_abilities(found))


def _with_samples(
    whole: Inspection, source: Source, read: Sequence[Sample], settings: Settings, findings: FindingList
) -> Inspection:
    """With what some samples show."""
    first, (camera, lidar), one_drive = read[0].pair, source.frames, len(source.drives) <= 1
    stamps = (read[0].pair.stamp, read[-1].pair.stamp) if one_drive else (None, None)
    thumbnails = [thumbnail(sample.pair.image) for sample in read]
    judge_images(thumbnails, findings)
    points = judge_clouds([sample.pair.cloud for sample in read], findings)
    lens = lens_of(first.camera, findings)
    fields = ("x", "y", "z") + ("intensity",) * (first.cloud.intensity is not None)
    whole = replace(
        whole, start=stamps[0], end=stamps[1],
        camera=CameraSummary(camera, camera, first.camera.width, first.camera.height, lens),
        lidar=LidarSummary(lidar, lidar, fields, points, fields[3] if len(fields) > 3 else ""),
        overlap=_overlap(read, source, findings),
        transform="" if read[0].T_camera_lidar is None else "the dataset",
    )  # fmt: skip
    rate = (len(source) - 1) / whole.duration_s if whole.duration_s > 0 else None
    topics = [TopicSummary(name, kind, len(source), rate) for name, kind in ((camera, "images"), (lidar, "clouds"))]
    if one_drive:
        judge_short(len(source), whole.duration_s, settings.monitor, findings)
        whole = replace(whole, motion=_motion(read, thumbnails, settings, findings))
    return replace(whole, topics=tuple(topics))


def _overlap(read: Sequence[Sample], source: Source, findings: FindingList) -> float | None:
    """Overlap of the samples; none with a finding if the dataset has no calibration, or a camera in a body frame."""
    known = [sample for sample in read if sample.T_camera_lidar is not None]
    if not known:
        findings.add("tf.none", f"{source.name} has no extrinsic calibration")
        return None
    views = [(s.pair.camera, s.pair.cloud, s.T_camera_lidar) for s in known if s.T_camera_lidar is not None]
    if doubt := optical_doubt_of(*views[0], source.frames[0]):
        findings.add("frames.not_optical", doubt)
        return None
    return judge_overlap(views, findings)


def _motion(read: Sequence[Sample], thumbnails: Sequence[Array], settings: Settings, findings: FindingList) -> str:
    """Motion by the poses of the dataset, or else by the change of images; in words."""
    poses = [sample.T_world_lidar for sample in read if sample.T_world_lidar is not None]
    if len(poses) > 1:
        return judge_path(poses, "the poses of the dataset", findings)
    changes = [image_change(before, after) for before, after in pairwise(thumbnails)]
    return judge_change(changes, settings.monitor.min_change, findings)


def _read(source: Source, findings: FindingList) -> list[Sample]:
    """Some samples. Adds findings about those that cannot be read."""
    read, errors = list[Sample](), list[str]()
    for k in evenly_spaced(len(source), SAMPLES):
        try:
            read.append(source[k])
        except InputError as error:
            errors.append(str(error))
    if errors:
        tried = len(read) + len(errors)
        text = f"{len(errors)} of {tried} samples that were tried cannot be read: {errors[0]}"
        findings.add("recording.damaged" if read else "recording.unreadable", text)
    return read
