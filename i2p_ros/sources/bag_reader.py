# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Opening of bags with rosbags, and headers of raw messages."""

from __future__ import annotations

import struct
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from i2p_ros.core.errors import I2PError, InputError, one_line
from i2p_ros.core.messages import frame_name, stamp_ns
from i2p_ros.sources.mcap_repair import is_cut_off, write_repaired

_REPAIR = {
    ".mcap": "`mcap recover FILE -o repaired.mcap` saves what is readable",
    ".db3": "`sqlite3 FILE .recover | sqlite3 repaired.db3` saves what is readable",
    ".bag": "`rosbag reindex FILE` saves what is readable",
}


def open_reader(path: Path) -> tuple[AnyReader, int]:
    """An open reader of a bag, and the number of its .mcap files that are cut off.

    A bag is a ROS 1 bag, a ROS 2 bag folder with or without metadata.yaml, or a single .mcap or .db3 file. A file that
    is cut off is read up to its last whole record, from a copy that lives as long as the reader. Raises InputError
    `bag.*`.
    """
    files = _files(path)
    folder = files[0] if files[0].is_dir() else None
    with bag_errors(path, "bag.unreadable"):
        parts = sorted(folder.glob("*.mcap")) if folder else [file for file in files if file.suffix == ".mcap"]
        cut = [part for part in parts if is_cut_off(part)]
        if cut:
            copies = TemporaryDirectory(prefix="i2p_bag_")
            for part in cut:
                write_repaired(part, Path(copies.name) / part.name)
            files = [Path(copies.name) / part.name if part in cut else part for part in parts]
        # bags of ROS 2 Humble and older hold no message definitions
        reader = AnyReader(files, default_typestore=get_typestore(Stores.ROS2_JAZZY))
        reader.open()
        if cut:
            weakref.finalize(reader, copies.cleanup)
        return reader, len(cut)


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"{path} does not exist; expected a bag folder, or a .mcap, .db3 or .bag file", "bag.missing")
    if path.is_file() or (path / "metadata.yaml").exists():
        return [path]
    for suffix in _REPAIR:
        if files := sorted(path.glob(f"*{suffix}")):
            return files
    raise InputError(f"{path} holds no metadata.yaml and no .mcap, .db3 or .bag file: it is not a bag", "bag.missing")


@contextmanager
def bag_errors(path: Path, reason: str) -> Iterator[None]:
    """Context that turns every exception of rosbags into an InputError: on damaged data it raises a dozen types."""
    try:
        yield
    except I2PError:
        raise
    except Exception as error:
        suffixes = {file.suffix for file in (path.iterdir() if path.is_dir() else [path])}
        advice = next((_REPAIR[s] for s in _REPAIR if s in suffixes), "check that the recording is complete")
        raise InputError(
            f"cannot read bag {path}: {one_line(error) or type(error).__name__}; {advice}", reason
        ) from error


def read_header(raw: bytes, is_ros2: bool, check: bool = True) -> tuple[int, str]:
    """Stamp (ns) and frame of a serialized message that starts with a std_msgs/Header.

    Both wire formats have four bytes before the stamp: the encapsulation in CDR, the sequence number in ROS 1. Raises
    InputError `message.type` for a message that is too short, and with `check` those of `stamp_ns`.
    """
    try:
        order = ">" if is_ros2 and not raw[1] & 1 else "<"
        seconds, nanoseconds, length = struct.unpack_from(f"{order}iII", raw, 4)
    except (struct.error, IndexError) as error:
        raise InputError(f"a message of {len(raw)} bytes is too short for a header", "message.type") from error
    frame = frame_name(raw[16 : 16 + length].rstrip(b"\0").decode(errors="replace"))
    if check:
        return stamp_ns(SimpleNamespace(sec=seconds, nanosec=nanoseconds)), frame
    return seconds * 10**9 + nanoseconds, frame
