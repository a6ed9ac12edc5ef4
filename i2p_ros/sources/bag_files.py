# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which files a bag consists of, and in which order: splits, packed and unfinished files, with or without metadata."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from i2p_ros.core.errors import InputError

PACKED = ".zstd"
_SUFFIXES = ((".mcap", ".mcap.zstd"), (".db3", ".db3.zstd"), (".bag", ".bag.active"))
_MOST_METADATA_BYTES = 16 << 20
# rosbag2 before Lyrical: NAME_3.mcap; since: 3_NAME_2026_05_23-10_00_00.mcap, by rosbag2 pull request 2265
_OLD_SPLIT = re.compile(r"(?P<name>.+)_(?P<number>0|[1-9]\d*)")
_NEW_SPLIT = re.compile(r"(?P<number>\d+)_(?P<name>.+)_\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d")


@dataclass(frozen=True, slots=True)
class BagFiles:
    """Files of a bag by the numbers of the splits.

    `missing` are files that metadata.yaml lists and that are not there. `others` are the splits before a lone file.
    """

    files: tuple[Path, ...]
    missing: tuple[str, ...] = ()
    others: tuple[Path, ...] = ()


def bag_files(path: Path) -> BagFiles:
    """Files of the bag at a path: a file, or a folder with bag files.

    Raises InputError `bag.missing` if there is none, and `bag.unreadable` if metadata.yaml lists files that are all
    missing.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; expected a bag folder, or a .mcap, .db3 or .bag file", "bag.missing")
    if path.is_file():
        return BagFiles((path,), others=_splits_before(path))
    listed = _listed(path / "metadata.yaml")
    found = [_present(path / name) for name in listed]
    there = [file for file in found if file is not None]
    missing = tuple(name for name, file in zip(listed, found, strict=True) if file is None)
    if files := there or _with_suffix(path):
        return BagFiles(tuple(sorted(files, key=_by_number)), missing)
    if (path / "metadata.yaml").exists():
        what = ", ".join(listed[:3]) or "no .mcap, .db3 or .bag file"
        raise InputError(f"cannot read bag {path}: beside metadata.yaml there should be {what}", "bag.unreadable")
    raise InputError(f"{path} holds no metadata.yaml and no .mcap, .db3 or .bag file: it is not a bag", "bag.missing")


def split_of(file: Path) -> tuple[int, str]:
    """Number of a split of rosbag2 and the name that all splits share, or 0 and the name of the file.

    The old names begin with that of the folder. A folder that was renamed has metadata.yaml: it still holds one bag.
    """
    known = (suffix for suffixes in _SUFFIXES for suffix in suffixes)
    stem = file.name.removesuffix(next((suffix for suffix in known if file.name.endswith(suffix)), ""))
    if match := _NEW_SPLIT.fullmatch(stem):
        return int(match["number"]), match["name"]
    match = _OLD_SPLIT.fullmatch(stem)
    if match and (match["name"] == file.resolve().parent.name or file.with_name("metadata.yaml").exists()):
        return int(match["number"]), match["name"]
    return 0, stem


def _splits_before(path: Path) -> tuple[Path, ...]:
    """The splits of the same bag with lower numbers, in order; none if the folder holds several bags of this name."""
    number, name = split_of(path)
    splits = [(split_of(file)[0], file) for file in _with_suffix(path.parent) if split_of(file)[1] == name]
    is_one_bag = len({split for split, _ in splits}) == len(splits)
    return tuple(sorted((file for split, file in splits if split < number and is_one_bag), key=_by_number))


def _listed(metadata: Path) -> list[str]:
    """Names of the files that metadata.yaml lists; none if it is missing, empty or damaged."""
    try:
        if metadata.stat().st_size > _MOST_METADATA_BYTES:
            return []
        content: Any = yaml.safe_load(metadata.read_text())
        paths = content["rosbag2_bagfile_information"]["relative_file_paths"]
        return [PurePosixPath(path).name for path in paths]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError):
        return []


def _present(file: Path) -> Path | None:
    """The file, or what `zstd` or `zstd -d` has made of it since it was recorded."""
    candidates = (file, file.with_name(file.name.removesuffix(PACKED)), file.with_name(file.name + PACKED))
    with suppress(OSError):  # the name may be too long for a file
        return next((candidate for candidate in candidates if candidate.is_file()), None)
    return None


def _with_suffix(folder: Path) -> list[Path]:
    """The bag files of a folder, of the first format that there is, each either packed or not."""
    for suffixes in _SUFFIXES:
        files = [file for file in folder.iterdir() if file.name.endswith(suffixes) and file.is_file()]
        names = {file.name for file in files}
        if files := [f for f in files if not f.name.endswith(PACKED) or f.name.removesuffix(PACKED) not in names]:
            return files
    return []


def _by_number(file: Path) -> tuple[Any, ...]:
    """Names in order of the numbers in them: bag_10 after bag_9."""
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file.name))
