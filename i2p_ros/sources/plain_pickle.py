# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of pickles that runs no code of theirs: plain types and NumPy arrays of numbers, and nothing else.

A pickle names functions to call. Here the names of NumPy's arrays stand for classes of this file, which keep what they
are given; the arrays are made afterwards. Every other name is refused.
"""

from __future__ import annotations

import io
import pickle
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from i2p_ros.core.errors import InputError, one_line

LARGEST = 512 * 2**20  # bytes of a file
_PLAIN = (str, bytes, int, float, bool, type(None))


class _RefusedError(Exception):
    """Something that is neither a plain type nor an array of numbers; the text names it."""


class _Dtype:
    """A numpy.dtype of numbers: its code, such as f8, and whether its bytes are in the order of other machines."""

    def __init__(self, code: str, *_: Any) -> None:
        self.code, self.swapped = code, False

    def __setstate__(self, state: Any) -> None:
        self.swapped = state[1] == (">" if sys.byteorder == "little" else "<")

    def numbers(self, content: Any) -> np.ndarray:
        """(N,) the numbers that these bytes hold."""
        if not isinstance(self.code, str) or len(self.code) != 2 or self.code[0] not in "biuf":
            raise _RefusedError(f"an array of {self.code}")
        raw = content.encode("latin1") if isinstance(content, str) else content
        numbers = np.frombuffer(raw, np.dtype(self.code))
        return numbers.byteswap() if self.swapped else numbers.copy()


class _Array:
    """A numpy.ndarray or a number of NumPy, made by one of the functions that pickles of NumPy name."""

    def __init__(self, dtype: Any = None, content: Any = b"", shape: Any = (), order: Any = "C") -> None:
        self._made = (shape, dtype, order == "F", content)

    def __setstate__(self, state: Any) -> None:
        self._made = state[1:5]

    def array(self) -> Any:
        """The array, or the number of an array without axes."""
        shape, dtype, fortran, content = self._made
        if not isinstance(dtype, _Dtype):
            raise _RefusedError("an array without a type")
        return dtype.numbers(content).reshape(shape, order="F" if fortran else "C")[()]


def _reconstruct(kind: Any, *_: Any) -> _Array:
    return _Array()


def _frombuffer(content: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    return _Array(dtype, content, shape, order)


def _encode(text: str, encoding: str = "latin1") -> bytes:
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""


_KNOWN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    **{
        (f"numpy.{core}.{module}", name): made
        for core in ("core", "_core")
        for module, name, made in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _Array),
            ("numeric", "_frombuffer", _frombuffer),
        )
    },
}


class _PlainUnpickler(pickle._Unpickler):
    """Unpickler that knows the names of NumPy's arrays alone.

    It is the one in Python: the one in C takes memory as large as any number that the file names.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def load_build(self) -> None:
        """A state, which is refused for anything but a description of an array: it would change functions here."""
        if not isinstance(self.stack[-2], (_Dtype, _Array)):  # type: ignore[attr-defined]
            raise _RefusedError("a state of something that is no array")
        super().load_build()  # type: ignore[misc]

    dispatch[pickle.BUILD[0]] = load_build

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise _RefusedError(f"{module}.{name}")
        return _KNOWN[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise _RefusedError("a reference to another file")


def read_plain_pickle(path: Path) -> Any:
    """Content of a pickle of lists, tuples, dicts, texts, bytes, numbers, None and arrays of numbers.

    Raises InputError `pickle.refused` that names the first other thing, before any of its code runs, and
    `pickle.broken` for a file that is missing, larger than LARGEST, or no pickle.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path} is larger than {LARGEST >> 20} MiB: no metadata is", "pickle.broken")
        return _plain(_PlainUnpickler(io.BytesIO(path.read_bytes())).load())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "pickle.broken") from error
    except InputError:
        raise
    except _RefusedError as error:
        what = f"{path} is refused: it holds {error}"
        raise InputError(f"{what}; only plain types and arrays of numbers are read", "pickle.refused") from error
    except Exception as error:  # a broken pickle raises any error: AttributeError, EOFError, RecursionError, ...
        why = one_line(error) or type(error).__name__
        raise InputError(f"{path} is not a readable pickle: {why}", "pickle.broken") from error


def _plain(value: Any) -> Any:
    """The value with arrays in place of their descriptions."""
    if isinstance(value, _Array):
        return value.array()
    if isinstance(value, _PLAIN):
        return value
    if type(value) in (list, tuple):
        return type(value)(_plain(entry) for entry in value)
    if type(value) is dict:
        return {_plain(key): _plain(entry) for key, entry in value.items()}
    raise _RefusedError(f"a {type(value).__name__.lstrip('_')}")
