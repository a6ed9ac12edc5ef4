# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Memory is used again when no view of it is left, and not before."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from i2p_ros.core.reuse import ReusedMemory


def _address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


def test_memory_is_used_again_for_arrays_that_fit() -> None:
    memory = ReusedMemory()
    first = memory.empty((40, 50))
    address = _address(first)
    assert first.shape == (40, 50) and first.dtype == np.float32 and first.flags.c_contiguous and first.flags.writeable
    del first
    second = memory.empty((30, 20))
    assert _address(second) == address and second.shape == (30, 20)
    assert _address(memory.empty((30, 20))) != address
    del second
    assert memory.empty((400, 50)).size == 20000


def test_a_view_keeps_its_values() -> None:
    memory = ReusedMemory()
    array = memory.empty((100, 100))
    array[:] = 1.0
    views = array[5:7][:, 3], torch.from_numpy(array)[50:]
    del array
    memory.empty((100, 100))[:] = 2.0
    assert (views[0] == 1.0).all() and bool((views[1] == 1.0).all())


def test_threads_do_not_share_arrays() -> None:
    memory = ReusedMemory()

    def filled(value: int) -> bool:
        array = memory.empty((100, 100))
        array[:] = value
        return bool((array == value).all())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(filled, range(400)))


def test_no_more_is_kept_than_allowed() -> None:
    memory = ReusedMemory(1)
    arrays = [memory.empty((10, 10)) for _ in range(3)]
    before = {_address(array) for array in arrays}
    del arrays
    after = [memory.empty((10, 10)), memory.empty((10, 10))]
    assert _address(after[0]) in before
