# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Result files. Every file appears whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes to a temporary file beside `path`, then rename it. Raises InputError when that fails."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise InputError(
            f"cannot write {path}: {error.strerror}; choose a folder that can be written", "output"
        ) from error


def check_target(path: Path) -> None:
    """Raise InputError if `path` cannot become a file. Call it before the work whose result goes there."""
    folder = next((parent for parent in path.absolute().parents if parent.exists()), path)
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        why = "it is a folder" if path.is_dir() else f"{folder} cannot be written into"
        raise InputError(f"cannot write {path}: {why}; choose another file", "output")


def write_json(path: Path, content: dict[str, Any] | list[Any]) -> None:
    """Write indented JSON. Raises ValueError for NaN, which is not JSON."""
    write_bytes(path, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())


def write_tum(path: Path, rows: Iterable[tuple[int, Pose]]) -> None:
    """Write a trajectory for TUM tools and evo: a line `t x y z qx qy qz qw`, t in s, per stamp (ns) and pose.

    Numbers are read back exactly, also where a world has coordinates of millions of metres, as UTM has.
    """
    lines = [_tum_line(stamp, pose) for stamp, pose in rows]
    write_bytes(path, "".join(["# timestamp tx ty tz qx qy qz qw\n", *lines]).encode())


def _tum_line(stamp: int, pose: Pose) -> str:
    seconds, nanoseconds = divmod(stamp, 10**9)  # as integers: a float holds only some 100 ns of today's time
    numbers = " ".join(np.format_float_positional(v, trim="-") for v in (*pose.translation, *pose.quaternion))
    return f"{seconds}.{nanoseconds:09d} {numbers}\n"
