# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cache of compiled parts on disk. Its key covers all that a part depends on. Files are complete or absent.

An engine is loaded by unpickling, so a user who can write the file can run code. Therefore a folder or file is refused
if another user owns it or can write to it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from i2p_ros.core.errors import InputError

MAGIC = b"i2p engine 1\n"
HASH = 32  # bytes of a sha256


class UnsafeCacheError(InputError):
    """The cache is a place that others can write to."""


class EngineCache:
    """Files of bytes in a folder, by a key of all that they depend on."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder, for its owner alone; raises UnsafeCacheError where others could write to it."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make {folder}: {error.strerror} (engine_cache_dir)", "engines") from error
        for place in (folder, *folder.absolute().parents):
            _refuse_shared(place, of_others=place != folder)
        self._folder = folder

    def path(self, key: str) -> Path:
        """Path of the engine of a key, whether or not it exists."""
        return self._folder / f"{key}.engine"

    def load(self, key: str) -> bytes | None:
        """Engine of a key; none if there is no file. A damaged file, or one of another key, is deleted."""
        path = self.path(key)
        try:
            _refuse_shared(path)
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        head, engine = MAGIC + key.encode() + b"\n", content[len(MAGIC) + len(key) + 1 + HASH :]
        if content[: len(head)] == head and content[len(head) : len(head) + HASH] == hashlib.sha256(engine).digest():
            return engine
        self.discard(key)
        return None

    def store(self, key: str, engine: bytes) -> None:
        """Write the engine of a key. The file appears under its name only when it is complete."""
        path = self.path(key)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        try:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(MAGIC + key.encode() + b"\n" + hashlib.sha256(engine).digest() + engine)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink()
            raise InputError(f"cannot write {path}: {error.strerror} (engine_cache_dir)", "engines") from error

    def discard(self, key: str) -> None:
        """Delete the file of an unusable engine."""
        self.path(key).unlink(missing_ok=True)

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Lock of a key between processes. The lock ends with its process."""
        with self.path(key).with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def get(self, key: str, build: Callable[[], bytes], use: Callable[[bytes], Any]) -> tuple[Any, str]:
        """Result of `use` for the engine of a key, and `loaded` or `built`.

        The engine is built if there is no file or if `use` fails on it. Errors of `build`, and of `use` on a new
        engine, are raised.
        """
        with self.locked(key):
            engine = self.load(key)
            if engine is not None:
                try:
                    return use(engine), "loaded"
                except Exception:  # of another version, a truncated archive: whatever it is, a new one is made
                    self.discard(key)
            engine = build()
            made = use(engine)
            self.store(key, engine)
            return made, "built"


def key_of(parts: Mapping[str, Any]) -> str:
    """Key of all parts that an engine depends on: a hash, in hex."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _refuse_shared(place: Path, of_others: bool = False) -> None:
    """Raises UnsafeCacheError if another user can write to a place or owns it.

    `of_others`: the place is a folder above the cache. It may belong to root, and may be sticky as /tmp is.
    """
    status = place.lstat()
    owner = status.st_uid in (os.getuid(), 0) if of_others else status.st_uid == os.getuid()
    shared = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not (of_others and status.st_mode & stat.S_ISVTX)
    if not owner or shared or (stat.S_ISLNK(status.st_mode) and not of_others):
        raise UnsafeCacheError(
            f"{place} can be written by others or is not ours: choose another engine_cache_dir", "engines"
        )
