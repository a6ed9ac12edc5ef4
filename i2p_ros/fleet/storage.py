# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files below a URI, by fsspec: on this machine, in memory, or in an object store."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from i2p_ros.core.errors import InputError, MissingPackageError, install_command, one_line
from i2p_ros.evaluation.files import write_bytes

SEPARATOR = "://"


class Storage:
    """The files below a URI, such as results/fleet, s3://bucket/fleet or memory://fleet. Names are relative to it.

    Raises InputError `uri` for a scheme that is not known or whose package is missing, and `output` for what cannot be
    written.
    """

    def __init__(self, uri: str) -> None:
        self.uri = absolute(uri)
        self.fs, self.root = file_system(self.uri)

    @cached_property
    def local(self) -> Path | None:
        """The folder, if it is on this machine."""
        return Path(self.root) if is_local(self.uri) else None

    def path(self, name: str) -> str:
        """The path of a file, as its file system writes it."""
        return f"{self.root.rstrip('/')}/{name}" if name else self.root

    def read(self, name: str) -> bytes | None:
        """Content of a file, or none if there is no such file."""
        with _errors(f"cannot read {self.uri}/{name}", "uri"):
            try:
                return bytes(self.fs.cat_file(self.path(name)))
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        """Write a file, which appears whole or not at all: object stores show a file when it is complete."""
        if self.local is not None:
            write_bytes(self.local / name, content)
            return
        with _errors(f"cannot write {self.uri}/{name}", "output"):
            self.fs.pipe_file(self.path(name), content)

    def create(self, name: str, content: bytes) -> bool:
        """Write a file that does not exist yet. The result is false if it exists."""
        with _errors(f"cannot write {self.uri}/{name}", "output"):
            try:
                self.fs.makedirs(self.root, exist_ok=True)
                if self.local is None:
                    self.fs.pipe_file(self.path(name), content, mode="create")
                else:
                    _link(self.local / name, content)
            except FileExistsError:
                return False
        return True

    def names(self, folder: str) -> set[str]:
        """Names of the files in a folder; none if there is no such folder."""
        with _errors(f"cannot read {self.uri}/{folder}", "uri"):
            try:
                found = self.fs.ls(self.path(folder), detail=False, refresh=True)
            except FileNotFoundError:
                return set()
        return {name.rpartition("/")[2] for name in found}

    def take(self, name: str) -> bytes | None:
        """Remove a file and return its content: of several processes that try, one gets it. None if it is gone."""
        if self.local is None:
            content = self.read(name)
            self.remove(name)
            return content
        with _errors(f"cannot remove {self.uri}/{name}", "output"), tempfile.TemporaryDirectory(dir=self.local) as own:
            try:
                (self.local / name).rename(Path(own) / name)
            except FileNotFoundError:
                return None
            return (Path(own) / name).read_bytes()

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        with _errors(f"cannot remove {self.uri}/{name}", "output"):
            try:
                self.fs.rm_file(self.path(name))
            except FileNotFoundError:
                return


def _link(file: Path, content: bytes) -> None:
    """Write a file that appears whole. Raises FileExistsError if it exists."""
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}_") as temporary:
        temporary.write(content)
        temporary.flush()
        os.link(temporary.name, file)


def absolute(uri: str) -> str:
    """The URI without a slash at its end. A path of this machine becomes absolute."""
    uri = uri.removeprefix("file://")
    return uri.rstrip("/") or "/" if SEPARATOR in uri else str(Path(uri).expanduser().absolute())


def is_local(uri: str) -> bool:
    """Whether a URI is a path of this machine."""
    return SEPARATOR not in uri


def is_of_this_process(uri: str) -> bool:
    """Whether only this process can read a URI."""
    return uri.startswith("memory://")


def file_system(uri: str) -> tuple[Any, str]:
    """The fsspec file system of a URI, and the path in it. Raises InputError `uri`."""
    try:
        import fsspec
    except ImportError as error:
        raise MissingPackageError(f"i2p index and i2p fleet need fsspec: {install_command('fleet')}") from error
    with _errors(f"cannot open {uri}", "uri"):
        fs, path = fsspec.core.url_to_fs(uri)
        return fs, str(path)


@contextmanager
def _errors(what: str, reason: str) -> Iterator[None]:
    """Context that turns the errors of file systems, of which each has its own, into InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else one_line(error)
        raise InputError(f"{what}: {why or type(error).__name__}", reason) from error
