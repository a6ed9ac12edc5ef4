# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Columns of cloud files that do not name them: how many a .bin file has, and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.errors import InputError, one_line
from i2p_ros.core.geometry import Array
from i2p_ros.core.messages.clouds import MAX_COORDINATE

ASK = "say what it holds with --columns: a number, or names such as x,y,z,intensity,ring"
Columns = dict[str, NDArray[Any]]  # name of a column -> its values (N,)
IGNORED, TOO_LARGE = "_", "cloud.too_large"
STANDARD = ("x", "y", "z", "intensity")  # of KITTI; nuScenes, Waymo and Boreas exports add columns after them
USUAL_COUNTS = (3, 4, 5, 6)
MAX_POINTS, MAX_BYTES = 50_000_000, 2**31  # of a cloud in a file: a larger one is a broken header or a whole map
COUNTS = range(3, 13)  # numbers of columns that are compared
FEWEST_NUMBERS = 4000  # fewer numbers of a file do not tell their columns
SAMPLE = 2**16  # numbers of a file that are looked at
TOLERANCE = 0.15  # bits: above the noise of the entropies, and a third of the smallest difference that was seen
MAX_INTENSITY = 65535.0


def check_size(points: int, point_bytes: int) -> None:
    """Raise InputError `cloud.too_large` for more than MAX_POINTS points or MAX_BYTES bytes of all points."""
    if points > MAX_POINTS or points * point_bytes > MAX_BYTES:
        raise InputError(
            f"{points} points of {point_bytes} bytes are more than the {MAX_POINTS} points or {MAX_BYTES} bytes "
            "allowed: cut out the part around the camera",
            TOO_LARGE,
        )


def unreadable(path: Path, error: BaseException) -> InputError:
    """The error of a file that a check or a library refuses: `cloud.too_large` of `check_size`, or `cloud.broken`."""
    if isinstance(error, InputError) and error.reason == TOO_LARGE:
        return InputError(f"{path} has {error}", TOO_LARGE)
    return InputError(f"{path} is not a readable {path.suffix} file: {one_line(error)}", "cloud.broken")


def parsed_columns(text: str) -> tuple[str, ...]:
    """Names of the columns in the option --columns: a number of columns, or names separated by commas.

    A number stands for x, y, z, intensity and columns without use. Raises InputError `cloud.columns` for other texts.
    """
    if text.isdecimal() and len(text) < 4 and int(text) >= 3:
        return standard_columns(int(text))
    names = tuple(part.strip().lower() for part in text.split(","))
    used = [name for name in names if name != IGNORED]
    if not all(used) or len({*used}) < len(used) or not {"x", "y", "z"} <= {*used}:
        raise InputError(
            f"--columns {text!r} is neither a number of columns nor a list such as x,y,z,intensity,ring: each of x, y "
            f"and z once, other names at most once, and {IGNORED} for columns without use",
            "cloud.columns",
        )
    return names


def standard_columns(count: int) -> tuple[str, ...]:
    """Names of so many columns: x, y, z, intensity, and then columns without use."""
    return (*STANDARD, *(IGNORED,) * count)[:count]


def columns_of(rows: NDArray[Any], names: tuple[str, ...]) -> Columns:
    """The used columns of rows (N, len(names)), by name."""
    return {name: rows[:, k] for k, name in enumerate(names) if name != IGNORED}


def count_of(numbers: NDArray[np.float32], path: Path) -> int:
    """How many columns the numbers of a cloud file have, of USUAL_COUNTS.

    With the right number each column holds one quantity. With any other number that is no multiple of it, columns
    hold mixtures, whose entropy is higher. The right number is therefore the smallest of those with the lowest mean
    entropy of a column. The order of the points does not matter. Files with few numbers are taken for four columns.
    Raises InputError `cloud.columns` if there is no such number or the columns are not those of a cloud, and
    `cloud.truncated` if the last row is not complete.
    """
    count = 4 if len(numbers) < FEWEST_NUMBERS else _most_distinct(numbers[:SAMPLE])
    if count not in USUAL_COUNTS:
        looks = f"has numbers that look like {count} columns" if count else "has numbers that look like no columns"
        raise InputError(f"{path} {looks}; {ASK}", "cloud.columns")
    if len(numbers) % count:
        raise InputError(
            f"{path} has {4 * len(numbers)} bytes, and {count} columns of float32 need a multiple of {4 * count}: it "
            "is cut short or of another format; copy it again",
            "cloud.truncated",
        )
    if why := implausible(numbers.reshape(-1, count)):
        raise InputError(f"{path} is no cloud of {count} columns: {why}; {ASK}", "cloud.columns")
    return count


def implausible(rows: NDArray[Any]) -> str:
    """Why rows (N, C) cannot be x, y, z, intensity and others, or an empty text."""
    with np.errstate(invalid="ignore"):
        near = (np.abs(rows[:, :3]) < MAX_COORDINATE).all(axis=1)
    if 10 * near.sum() < 9 * len(near):  # some drivers write missing points as NaN
        return f"most coordinates are not finite or beyond {MAX_COORDINATE:.0f} m"
    return implausible_intensity(rows[near])


def implausible_intensity(rows: NDArray[Any]) -> str:
    """Why the fourth of the columns (N, C) cannot be an intensity, or an empty text. Three columns have none."""
    if rows.shape[1] < 4:
        return ""
    values = rows[:, 3]
    if 100 * ((values >= 0) & (values <= MAX_INTENSITY)).sum() < 99 * len(values):
        return f"the fourth is no intensity of 0 to {MAX_INTENSITY:.0f}"
    return "the last three look like colours" if rows.shape[1] == 6 and _colours(rows[:, 3:]) else ""


def _colours(columns: NDArray[Any]) -> bool:
    """Whether three columns (N, 3) rise and fall together within 0..255, as red, green and blue do."""
    if not ((columns >= 0) & (columns <= 255)).all() or not columns.std(axis=0).all():
        return False
    return bool(np.corrcoef(columns.T).min() > 0.5)


def _most_distinct(numbers: NDArray[np.float32]) -> int:
    """The smallest of COUNTS with the lowest entropy, or 0 if another one has about the same entropy.

    Multiples of the number have the same entropy as itself.
    """
    with np.errstate(invalid="ignore"):
        level = np.arcsinh(100.0 * np.clip(numbers.astype(np.float64), -1e9, 1e9))  # logarithmic, of both signs
    bins = np.round(2.0 * np.nan_to_num(level, nan=40.0)).astype(np.int64) + 100
    entropy = {count: _mean_entropy(bins[: len(bins) // count * count].reshape(-1, count)) for count in COUNTS}
    near = [count for count in COUNTS if entropy[count] <= min(entropy.values()) + TOLERANCE]
    return near[0] if all(count % near[0] == 0 for count in near) else 0


def _mean_entropy(bins: NDArray[np.int64]) -> float:
    """Mean entropy of the columns (N, C), in bits, with the correction of Miller and Madow for few samples."""
    found: list[float] = []
    for column in bins.T:
        counts: Array = np.bincount(column).astype(np.float64)
        counts = counts[counts > 0]
        share = counts / len(column)
        found.append(float(-(share * np.log2(share)).sum() + (len(counts) - 1) / (2 * len(column) * np.log(2))))
    return float(np.mean(found))
