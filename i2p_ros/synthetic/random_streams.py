# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Counter-based random numbers: hashes of keys and counters. They do not depend on device, order or batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]  # float32 or int32

_ODD = (0x9E3779B1 - 2**32, 0x7FEB352D, 0x2C1B3C6D, 0x165667B1)  # arbitrary odd numbers


def hashed(*parts: Any) -> Any:
    """Hash (int32 tensor or array) of up to four int32 tensors, arrays or numbers. Its upper bits are random.

    It applies h (2 h + 1) twice, the permutation of RC6 (Rivest 1998), whose upper bits depend on all lower bits. These
    are products only, which are fast on all processors. Overflow is intended.
    """
    assert len(parts) <= len(_ODD)
    terms = (part * odd for part, odd in zip(parts, _ODD, strict=False))
    total = sum((term + 2**31) % 2**32 - 2**31 if isinstance(term, int) else term for term in terms)
    total = total * (2 * total + 1) + _ODD[3]
    return total * (2 * total + 1)


def uniform(bits: Tensor) -> Tensor:
    """Uniform float32 numbers in 0..1 (1 excluded) of hashed bits."""
    return (bits >> 8).to(torch.float32) * 2.0**-24 + 0.5


def noise(seed: Tensor | int, *cells: Tensor) -> Tensor:
    """Noise in 0..1 that is constant on unit cells of coordinates (float, in cells). Each seed has its own field."""
    first, *rest = (torch.floor(cell).to(torch.int32) for cell in cells)
    return uniform(hashed(first, *rest, seed))


def normal(bits: Tensor) -> Tensor:
    """Nearly normal numbers (mean 0, deviation 1) of hashed bits, from the sum of their upper three bytes."""
    total = ((bits >> 8) & 255) + ((bits >> 16) & 255) + ((bits >> 24) & 255)
    return (total.to(torch.float32) - 382.5) * (1.0 / 128.0)


def choose(where: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """torch.where for finite floats, several times as fast on a CPU."""
    return torch.lerp(no, yes, where.to(no.dtype))


def picked(values: Tensor, index: Tensor) -> Tensor:
    """values[..., index] (..., n), several times as fast on a CPU as indexing."""
    return values.index_select(-1, index)


def put(values: Tensor, index: Tensor, part: Tensor) -> None:
    """Assigns values[..., index] = part in place, for contiguous values."""
    rows = values.view(-1, values.shape[-1])
    for row, new in zip(rows, part.reshape(len(rows), -1), strict=True):
        row.scatter_(0, index, new)


class RandomStream:
    """Uniform random numbers for the slots of one kind of object.

    `key` (P, 1) int32 are the keys of the worlds, `slot` (P, S) int32 the numbers of the slots, `kind` the number of
    the kind. The class uses NumPy, which is several times as fast as PyTorch for arrays of this size.
    """

    def __init__(self, key: Array, slot: Array, kind: int) -> None:
        self._bits, self._drawn = hashed(key, slot, kind), 0

    def draw(self, n: int) -> tuple[Array, ...]:
        """The next n arrays (P, S) of numbers in 0..1."""
        counter = np.arange(self._drawn, self._drawn + n, dtype=np.int32)
        self._drawn += n
        bits = hashed(self._bits, counter[:, None, None])
        return tuple((bits >> 8).astype(np.float32) * np.float32(2.0**-24) + np.float32(0.5))


def between(u: Array, low: Array | float, high: Array | float) -> Array:
    """Number in low..high that corresponds to u in 0..1."""
    return np.asarray(low + u * (high - low))
