# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What an index tells about a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import I2PError, InputError
from i2p_ros.core.source import Source
from i2p_ros.sources.opening import open_source, recognised


def inspected(path: Path, settings: Settings) -> dict[str, Any]:
    """The inspection of a recording as plain values. A recording that cannot be opened has the verdict unusable."""
    try:
        kind = recognised(path).name
        source = open_source(kind, path, settings=settings)
        first, last = _stamp(source, range(len(source))), _stamp(source, range(len(source))[::-1])
    except I2PError as error:
        code = error.reason if isinstance(error, InputError) else "settings"
        return _plain("", "unusable", findings=[{"level": "error", "code": code, "text": str(error), "cure": ""}])
    findings = [{"level": "note", "code": "source", "text": note, "cure": ""} for note in source.notes]
    camera, lidar = source.frames
    return _plain(kind, "usable", first, last, camera, lidar, findings)


def _stamp(source: Source, order: range) -> int:
    """Stamp (ns) of the first pair in an order that can be read."""
    for index in order:
        try:
            return source[index].pair.stamp
        except InputError:
            continue
    raise InputError(f"{source.name}: no pair can be used", "pairs")


def _plain(
    kind: str, verdict: str, start: int | None = None, end: int | None = None, camera: str = "", lidar: str = "",
    findings: list[dict[str, str]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    return {
        "kind": kind, "verdict": verdict, "start": start, "end": end, "topics": [],
        "camera": {"frame": camera, "lens": ""} if camera else None, "lidar": {"frame": lidar} if lidar else None,
        "motion": None, "overlap": None, "findings": findings or [],
    }  # fmt: skip
