# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings below a folder or a URI: their files, their hashes, and local copies of remote ones."""

from __future__ import annotations

import hashlib
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from i2p_ros.core.errors import InputError, one_line
from i2p_ros.fleet.storage import file_system, is_local
from i2p_ros.sources.bag_files import split_of
from i2p_ros.sources.kinds import BAG_SUFFIXES

BAG_ENDINGS = tuple(ending for suffix in BAG_SUFFIXES for ending in (suffix, f"{suffix}.zstd", f"{suffix}.active"))
METADATA = "metadata.yaml"  # of a bag: which files are its splits
DATASET_SIGNS = ("frames.json", "calib_cam_to_cam.txt")  # files of a folder that is one recording
DATASET_FOLDERS = ("velodyne_points", "velodyne", "sequences", "data_3d_raw")  # folders of one
BLOCK, BLOCKS = 16 << 10, 16  # bytes; of each file that are hashed


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording: its URI, and its files in numerical order. The URI is that of a folder, or of the first file."""

    uri: str
    files: tuple[str, ...]
    sizes: tuple[int, ...]
    is_folder: bool


def canonical(uri: str) -> str:
    """A URI as those of the recordings below it begin."""
    return _uri(*file_system(uri))


def recordings(root: str) -> list[Recording]:
    """The recordings below a folder, or the one that a URI is, by URI. Raises InputError `index.empty` without any.

    A folder with metadata.yaml is one bag, and a dataset folder one recording. Of other folders the bag files are
    recordings. Splits of one bag are one recording.
    """
    fs, path = file_system(root)
    if not _call(root, fs.exists, path):
        raise InputError(f"{root} does not exist; expected a folder or URI with recordings", "index.missing")
    found = [_of_file(fs, path)] if _call(root, fs.isfile, path) else list(_below(fs, root, path))
    if not found:
        raise InputError(f"{root} holds no bag and no dataset folder", "index.empty")
    return sorted(found, key=lambda recording: recording.uri)


def recording_at(uri: str) -> Recording:
    """The recording of a URI that `recordings` gave, as it is now. Raises InputError `index.stale` if it is gone."""
    fs, path = file_system(uri)
    if not _call(uri, fs.exists, path):
        raise InputError(f"{uri} is gone since the index was made", "index.stale")
    if _call(uri, fs.isfile, path):
        return _of_file(fs, path)
    return _folder(fs, path)


def content_hash(recording: Recording) -> str:
    """Hash of the content of a recording: 16 hex digits.

    Of every file, in order, the size and BLOCKS blocks of BLOCK bytes are hashed, of which one is the first of the file
    and one the last. The blocks are spread evenly. Names do not count, so that a copy has the same hash.
    Raises InputError `uri` for a file that cannot be read.
    """
    digest = hashlib.sha256()
    fs, _ = file_system(recording.uri)
    for file, size in zip(recording.files, recording.sizes, strict=True):
        digest.update(size.to_bytes(8, "little"))
        path = file_system(file)[1]
        with _call(file, fs.open, path, "rb", block_size=BLOCK, cache_type="none") as stream:
            for start in _block_starts(size):
                _call(file, stream.seek, start)
                digest.update(_call(file, stream.read, BLOCK if size > BLOCK * BLOCKS else size))
    return digest.hexdigest()[:16]


@contextmanager
def local_copy(recording: Recording, cache: Path) -> Iterator[Path]:
    """Context with a path of this machine at which a recording can be opened.

    Remote recordings are copied into a new folder in `cache`, which is removed in the end. Splits beside other
    recordings are linked into one. Raises InputError `uri` for a file that cannot be copied.
    """
    if is_local(recording.uri) and (recording.is_folder or len(recording.files) == 1):
        yield Path(recording.uri)
        return
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="recording_", dir=cache) as holder:
        folder = Path(holder) / PurePosixPath(recording.uri).stem
        for file in recording.files:
            name = PurePosixPath(file).relative_to(recording.uri) if recording.is_folder else PurePosixPath(file).name
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if is_local(file):
                target.symlink_to(file)
            else:
                fs, path = file_system(file)
                _call(file, fs.get_file, path, str(target))
        yield folder if recording.is_folder or len(recording.files) > 1 else target


def _below(fs: Any, uri: str, path: str) -> Iterator[Recording]:
    """Recordings in a folder and in the folders below it."""
    entries = sorted(_call(uri, fs.ls, path, detail=True), key=lambda entry: str(entry["name"]))
    names = {_name(entry) for entry in entries}
    folders = {_name(entry) for entry in entries if entry["type"] == "directory"}
    if METADATA in names or names & {*DATASET_SIGNS} or folders & {*DATASET_FOLDERS}:
        yield _folder(fs, path)
        return
    yield from _lone(fs, [entry for entry in entries if _is_bag_file(entry)])
    for entry in entries:
        if entry["type"] == "directory" and not _name(entry).startswith("."):
            yield from _below(fs, uri, entry["name"])


def _lone(fs: Any, entries: list[dict[str, Any]]) -> Iterator[Recording]:
    """Recordings of the bag files in a folder without metadata.yaml: splits of one name together."""
    groups = defaultdict[tuple[str, ...], list[tuple[int, dict[str, Any]]]](list)
    for entry in entries:
        number, name = split_of(Path(entry["name"]))
        groups[name, "".join(PurePosixPath(entry["name"]).suffixes)].append((number, entry))
    for members in groups.values():
        if len({number for number, _ in members}) < len(members):  # not splits: the same number twice
            yield from (_recording(fs, [entry]) for _, entry in members)
        else:
            yield _recording(fs, [entry for _, entry in sorted(members, key=lambda member: member[0])])


def _of_file(fs: Any, path: str) -> Recording:
    """The recording that a file is the first split of, or the file alone."""
    entries = _call(path, fs.ls, fs._parent(path), detail=True)
    bags = [entry for entry in entries if _is_bag_file(entry)]
    own = [one for one in _lone(fs, bags) if fs.unstrip_protocol(path).removeprefix("file://") == one.files[0]]
    return own[0] if own else _recording(fs, [_call(path, fs.info, path)])


def _folder(fs: Any, path: str) -> Recording:
    """A folder and all files in it as one recording: of a bag the bag files and metadata.yaml alone."""
    found = _call(path, fs.find, path, detail=True)
    bags = [entry for entry in found.values() if _is_bag_file(entry)]
    entries = sorted(bags or found.values(), key=lambda entry: (split_of(Path(entry["name"]))[0], entry["name"]))
    entries += [entry for entry in found.values() if bags and _name(entry) == METADATA]
    one = _recording(fs, entries)
    return Recording(_uri(fs, path), one.files, one.sizes, is_folder=True)


def _recording(fs: Any, entries: list[dict[str, Any]]) -> Recording:
    files = tuple(_uri(fs, entry["name"]) for entry in entries)
    return Recording(files[0] if files else "", files, tuple(int(entry["size"] or 0) for entry in entries), False)


def _uri(fs: Any, path: str) -> str:
    return str(fs.unstrip_protocol(path)).removeprefix("file://")


def _name(entry: dict[str, Any]) -> str:
    return PurePosixPath(entry["name"]).name


def _is_bag_file(entry: dict[str, Any]) -> bool:
    return entry["type"] == "file" and str(entry["name"]).endswith(BAG_ENDINGS)


def _block_starts(size: int) -> list[int]:
    """First bytes of the blocks of a file that are hashed. A small file is one block."""
    if size <= BLOCK * BLOCKS:
        return [0]
    return [round(k * (size - BLOCK) / (BLOCKS - 1)) for k in range(BLOCKS)]


def _call(uri: str, function: Any, *arguments: Any, **options: Any) -> Any:
    """The result of a function of a file system. Raises InputError `uri`: each file system has errors of its own."""
    try:
        return function(*arguments, **options)
    except Exception as error:
        raise InputError(f"cannot read {uri}: {one_line(error) or type(error).__name__}", "uri") from error
