# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Readers of .bin and .npy files of clouds, which do not name their columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.errors import InputError, one_line
from i2p_ros.sources.cloud_columns import (
    ASK,
    STANDARD,
    USUAL_COUNTS,
    Columns,
    columns_of,
    count_of,
    implausible_intensity,
    standard_columns,
)  # fmt: skip


def read_bin(path: Path, names: tuple[str, ...] = ()) -> tuple[Columns, tuple[str, ...]]:
    """Columns of a .bin file of little-endian float32, and the names of all of them.

    Without names the number of columns follows from the numbers (`count_of`), and x, y, z and intensity are first.
    Raises InputError: `cloud.missing`, `cloud.truncated`, `cloud.columns`.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path} ({error})", "cloud.missing") from error
    size = 4 * (len(names) or 1)
    if not data or len(data) % size:
        raise InputError(
            f"{path} has {len(data)} bytes; {len(names) or 'columns'} of float32 need a positive multiple of {size}: "
            "it is cut short or of another format; copy it again",
            "cloud.truncated",
        )
    numbers = np.frombuffer(data, "<f4").astype(np.float32)
    names = names or standard_columns(count_of(numbers, path))
    return columns_of(numbers.reshape(-1, len(names)), names), names


def read_npy(path: Path, names: tuple[str, ...] = ()) -> tuple[Columns, tuple[str, ...]]:
    """Columns of an .npy array (N, 3) to (N, 6), and the names of all of them. With names it may have more columns.

    Raises InputError: `cloud.broken`, `cloud.shape`, `cloud.columns`.
    """
    try:
        _check_header(path)
        rows = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: a size beyond the file is refused
    except Exception as error:  # of the parser of its header too
        raise InputError(f"{path} is not a readable .npy array: {one_line(error)}", "cloud.broken") from error
    _check_array(path, rows, (len(names),) if names else USUAL_COUNTS)
    if not names:
        why = implausible_intensity(rows) if rows.shape[1] > len(STANDARD) else ""
        if why:
            raise InputError(f"{path} has {rows.shape[1]} columns, and {why}; {ASK}", "cloud.columns")
        names = standard_columns(rows.shape[1])
    return columns_of(rows, names), names


def _check_header(path: Path) -> None:
    """Raise InputError for a header beyond the file: NumPy allocates it first (format versions 2 and 3: up to 4 GB)."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[6:7] > b"\x01" and int.from_bytes(head[8:12], "little") > path.stat().st_size:
        raise InputError("its header is longer than the file")


def _check_array(path: Path, rows: NDArray[Any], counts: tuple[int, ...]) -> None:
    """Raise InputError `cloud.shape` for another type, shape or number of columns."""
    if rows.ndim != 2 or rows.shape[1] not in counts or rows.dtype.kind not in "fiu":
        shapes = f"(N, {counts[0]})" + (f" to (N, {counts[-1]})" if len(counts) > 1 else "")
        raise InputError(f"{path} must hold real numbers {shapes}, got {rows.shape} {rows.dtype}", "cloud.shape")
