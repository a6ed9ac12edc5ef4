# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compiled parts on disk: found by what they were made of, written whole or not at all, loaded from safe places alone.

An engine is loaded by unpickling, so whoever can write it can run code: a folder or file that others may write to, or
that belongs to somebody else, is not used.
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
        """Where the engine of a key is, or would be."""
        return self._folder / f"{key}.engine"

    def load(self, key: str) -> bytes | None:
        """The engine of a key, or none: a file that is damaged or of something else is deleted."""
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
        """Keep an engine; nobody ever sees half of it."""
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
        """Forget an engine that is no good."""
        self.path(key).unlink(missing_ok=True)

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """One process at a time; others wait, and then find what the first has built. A lock ends with its process."""
        with self.path(key).with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def get(self, key: str, build: Callable[[], bytes], use: Callable[[bytes], Any]) -> tuple[Any, str]:
        """What `use` makes of the engine of a key, built where there is none or where it cannot be used, and whether it
        was `loaded` or `built`. What building raises, and using what was just built, is passed on."""
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
    """A file name of all that an engine depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _refuse_shared(place: Path, of_others: bool = False) -> None:
    """Raises where somebody else could put a file: sticky folders of the system above are allowed."""
    status = place.lstat()
    owner = status.st_uid in (os.getuid(), 0) if of_others else status.st_uid == os.getuid()
    shared = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not (of_others and status.st_mode & stat.S_ISVTX)
    if not owner or shared or (stat.S_ISLNK(status.st_mode) and not of_others):
        raise UnsafeCacheError(
            f"{place} can be written by others or is not ours: choose another engine_cache_dir", "engines"
        )
