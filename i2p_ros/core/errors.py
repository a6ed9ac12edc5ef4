# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The family of exceptions: each says what was wrong, what was expected and what to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class I2PError(Exception):
    """Base of every error that this package raises on purpose."""


class InputError(I2PError):
    """Data that cannot be used: a file, a message, an array.

    `reason` is a short dotted name, such as `cloud.layout`, under which a node counts the dropped message.
    """

    def __init__(self, message: str, reason: str = "input") -> None:
        super().__init__(message)
        self.reason = reason


class SettingsError(I2PError):
    """A setting that does not exist or has a value out of range."""


class ModelError(I2PError):
    """Weights that are missing, damaged, or of another network."""


class NonFiniteError(I2PError):
    """NaN or infinity in the output of a network or a solver."""


class DeviceMemoryError(I2PError):
    """The device has no room for this pair; the next one may fit."""


class DeviceError(I2PError):
    """The device is lost until the process starts anew: nothing will run on it any more."""


class MissingPackageError(I2PError):
    """An optional package that this call needs is not installed."""


def install_command(extra: str) -> str:
    """The command that installs an extra, for messages. i2p_ros is in no package registry, so it needs the clone."""
    return f"pip install '.[{extra}]' in the clone"


def first_fault(error: ValidationError) -> str:
    """The first value that pydantic refused, by its place, and why."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def one_line(error: BaseException, most: int = 300) -> str:
    """The text of an error of another library, as one line of at most so many characters."""
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    text = re.sub(r"^\[Errno \d+\] ", "", " ".join(str(error).split()))
    return text if len(text) <= most else f"{text[:most]} ..."
