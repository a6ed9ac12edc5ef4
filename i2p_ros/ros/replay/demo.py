# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A complete replay: a node in a second process, real topics, and files with the results."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2

from i2p_ros.core.config import ReplaySettings, Settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.progress import Progress
from i2p_ros.core.source import Source
from i2p_ros.evaluation.files import write_bytes, write_json, write_tum
from i2p_ros.evaluation.gallery import Overlay, drawn, in_words, pose_before
from i2p_ros.evaluation.report import write_report
from i2p_ros.evaluation.runner import EvaluatedPair, Report
from i2p_ros.ros.replay.player import Matches
from i2p_ros.ros.replay.playing import Row, open_recording, replay, start_localizer, summary
from i2p_ros.sources.opening import open_source
from i2p_ros.sources.perturb import perturbed
from i2p_ros.viz.pictures import moving
from i2p_ros.viz.recording import ViewRecording
from i2p_ros.writers.writing import write_bag

OVERLAYS, ANIMATED = 8, 3  # pairs
DEMO_RATE_HZ = 4.0  # pairs 2 m apart: 80 of them show 160 m of street


def write_drive(settings: Settings, out: Path, pairs: int, seed: int, progress: Progress) -> Settings:
    """Write a synthetic drive as the bag out/drive (MCAP). Returns settings that replay it by the protocol vp2p.

    Each pair is played when the one before is answered. Raises InputError if `out` has other files.
    """
    _make_room(out)
    moving = settings.synthetic.model_copy(update={"drive": True, "rate_hz": DEMO_RATE_HZ})
    world = settings.model_copy(update={"synthetic": moving})
    bag = out / "drive"
    source = open_source("synthetic", settings=world, seed=seed, n=pairs)
    write_bag(source, bag, progress=progress)
    options = ReplaySettings(data=str(bag), perturb="vp2p", seed=seed, rate=0.0)
    return world.model_copy(update={"replay": options})


def replay_and_report(
    settings: Settings, out: Path, progress: Progress, animation: Path | None = None, view: str | None = None
) -> dict[str, Any]:
    """Play the recording of settings.replay. Writes summary.json, report.html, overlays and trajectories.

    `animation` is a .webp or .gif file for a moving picture of some pairs with true poses, `view` a recording as
    viz.recording takes it.

    Returns the content of summary.json. Its `lost` counts the data that could not be read, by reason. Raises InputError
    for a recording without readable data, and I2PError with the end of its log if the node dies.
    """
    options = settings.replay
    source, lost = open_recording(settings), Counter[str]()
    matches: dict[int, Matches] | None = {} if view else None
    with start_localizer(settings) as process:
        rows = replay(
            source,
            options,
            on_row=lambda row: progress(row.index + 1, len(source)),
            check=process.check,
            on_lost=lambda error: lost.update([error.reason]),
            matches=matches,
        )
    if not rows:
        raise InputError(f"{source.name}: nothing was played; lost: {dict(lost + source.lost)}", "replay.empty")
    meta = {"model": settings.model, "source": source.name, "protocol": options.perturb, "seed": options.seed}
    lost += source.lost
    numbers = {
        **meta,
        **summary(rows),
        "lost": dict(lost),
        "notes": list(source.notes),
        "settings": settings.model_dump(),
    }
    _remove_earlier(out)
    write_json(out / "summary.json", numbers)
    _write_trajectories(out, rows)
    overlays = _overlays(source, options, rows)
    for number, overlay in enumerate(overlays):
        write_bytes(out / "overlays" / f"{number:02d}.png", _png(overlay))
    if animation:
        write_bytes(animation, _animated(source, options, rows, animation.suffix))
    if view:
        _record(source, options, rows, matches or {}, view)
    if all(row.truth is not None for row in rows):
        write_report(out, Report([row.score() for row in rows], meta), overlays)
    return numbers


def _remove_earlier(out: Path) -> None:
    """Remove files of an earlier replay that this one may not overwrite."""
    (out / "report.html").unlink(missing_ok=True)
    for overlay in (out / "overlays").glob("[0-9][0-9].png"):
        overlay.unlink()


def _make_room(out: Path) -> None:
    """Remove the drive of an earlier demo. Raises InputError if the folder has other files."""
    if out.exists() and any(out.iterdir()) and not (out / "drive" / "metadata.yaml").exists():
        raise InputError(f"{out} has files that are not of an earlier demo: choose another --out", "output")
    shutil.rmtree(out / "drive", ignore_errors=True)


def _evaluated(source: Source, options: ReplaySettings, rows: list[Row]) -> Iterator[EvaluatedPair]:
    """The rows with a true pose, each with its sample as it was played."""
    for row in rows:
        if row.truth is not None:
            sample, T_given_lidar = perturbed(source[row.index], options.perturb, options.seed, row.index)
            yield EvaluatedPair(row.score(), sample, row.estimate, T_given_lidar)


def _overlays(source: Source, options: ReplaySettings, rows: list[Row]) -> list[Overlay]:
    """Overlays of evenly spaced pairs, before and after."""
    return [drawn(pair) for pair in _evaluated(source, options, _spaced(rows, OVERLAYS))]


def _animated(source: Source, options: ReplaySettings, rows: list[Row], suffix: str) -> bytes:
    """The moving picture of a few evenly spaced pairs."""
    frames: list[moving.Frame] = []
    for one in _evaluated(source, options, _spaced(rows, ANIMATED)):
        result = f"off by {in_words(one.score)}"
        frames += moving.frames_of(one.sample.pair, one.estimate, *pose_before(one), result)
    return moving.encoded(frames, suffix)


def _record(source: Source, options: ReplaySettings, rows: list[Row], matches: dict[int, Matches], view: str) -> None:
    """Record each pair as it was played, with its answer and its true pose."""
    with ViewRecording(source.name, view) as recording:
        for row in rows:
            sample, _ = perturbed(source[row.index], options.perturb, options.seed, row.index)
            recording.pair(row.index, replace(sample.pair, stamp=row.stamp))
            recording.estimate(row.estimate)
            if row.stamp in matches:
                recording.matches(row.estimate.pose, *matches[row.stamp])
            if row.truth is not None:
                recording.camera("true_camera", row.truth)


def _spaced(rows: list[Row], count: int) -> list[Row]:
    return [rows[i * len(rows) // count] for i in range(min(count, len(rows)))]


def _png(overlay: Overlay) -> bytes:
    encoded: bytes = cv2.imencode(".png", overlay.image[:, :, ::-1])[1].tobytes()
    return encoded


def _write_trajectories(out: Path, rows: list[Row]) -> None:
    """Write estimated and true poses of the camera as TUM files, in the world, or without one in the cloud's frame."""
    estimated: list[tuple[int, Pose]] = []
    true: list[tuple[int, Pose]] = []
    for row in rows:
        T_world_cloud = row.T_world_cloud or Pose.identity()
        if row.estimate.pose is not None:
            estimated.append((row.stamp, T_world_cloud @ row.estimate.pose.inverse()))
        if row.truth is not None:
            true.append((row.stamp, T_world_cloud @ row.truth.inverse()))
    write_tum(out / "trajectory.tum", estimated)
    write_tum(out / "trajectory_truth.tum", true)
