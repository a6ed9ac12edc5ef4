# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The rigs in recordings: each camera with its lidar, and all recordings and drives of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from i2p_ros.calibration.selection import SAME_CALIBRATION
from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.source import Source, first_readable
from i2p_ros.sources.opening import open_source, recognised


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """One camera with one lidar, and the sources of all its recordings. `frames_in_tf` says whether `frames` are names
    of tf."""

    frames: tuple[str, str]
    sources: tuple[Source, ...]
    frames_in_tf: bool


def rigs(
    recordings: Sequence[Path], settings: Settings, drives: Sequence[str] | None = None,
    cameras: Sequence[str] | None = None,
) -> list[Rig]:  # fmt: skip
    """The rigs of recordings, which are all of one vehicle: one for each camera and lidar.

    A dataset folder may hold drives of several rigs. They are told apart by the calibration that the folder states.
    Raises InputError for a recording that cannot be read.
    """
    found: dict[tuple[tuple[str, str], int], list[Source]] = {}
    in_tf: dict[tuple[str, str], bool] = {}
    for recording in recordings:
        calibrations: dict[tuple[str, str], list[Pose | None]] = {}
        for source in _parts(recording, settings, drives, cameras):
            known = calibrations.setdefault(source.frames, [])
            number = _number(stated(source), known)
            found.setdefault((source.frames, number), []).append(source)
            in_tf[source.frames] = recognised(recording).frames_in_tf
    return [Rig(frames, tuple(sources), in_tf[frames]) for (frames, _), sources in found.items()]


def _parts(
    recording: Path, settings: Settings, drives: Sequence[str] | None, cameras: Sequence[str] | None
) -> list[Source]:
    """A source for each drive and camera of a recording."""
    kind = recognised(recording)
    whole = open_source(
        kind.name, recording, settings=settings, drives=drives if "drives" in kind.choices else None,
        cameras=cameras if "cameras" in kind.choices else None,
    )  # fmt: skip
    if not (whole.drives or whole.cameras):
        return [whole]
    parts = []
    for drive in whole.drives or ("",):
        for camera in whole.cameras or ("",):
            with suppress(_NoSuchPartError):
                parts.append(_part(recording, kind.name, settings, drive, camera))
    return parts


class _NoSuchPartError(Exception):
    """A drive does not have that camera."""


def _part(recording: Path, kind: str, settings: Settings, drive: str, camera: str) -> Source:
    chosen, of = [drive] if drive else None, [camera] if camera else None
    try:
        return open_source(kind, recording, settings=settings, drives=chosen, cameras=of)
    except InputError as error:
        if error.reason == "source.empty":
            raise _NoSuchPartError from error
        raise


def stated(source: Source) -> Pose | None:
    """The T_camera_lidar of the first pair that can be read, or None."""
    first = first_readable(source, range(len(source)))
    return None if first is None else first.T_camera_lidar


def _number(pose: Pose | None, known: list[Pose | None]) -> int:
    """Index of a calibration among those that are known, to which it is added if it is new."""
    for number, other in enumerate(known):
        if pose is None or other is None or np.abs(other.local(pose)).max() <= SAME_CALIBRATION:
            return number
    known.append(pose)
    return len(known) - 1
