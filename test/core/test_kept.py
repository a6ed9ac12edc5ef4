# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results are computed once for the newest arguments."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from i2p_ros.core.kept import Kept


def test_the_same_object_is_computed_once_and_an_equal_one_again() -> None:
    calls = list[list[int]]()
    kept = Kept[list[int], int](lambda argument: calls.append(argument) or len(calls))
    one, equal, third = [1], [1], [1]
    assert [kept(one), kept(equal), kept(one)] == [1, 2, 1]
    assert kept(third) == 3  # the oldest of three is forgotten
    assert [kept(equal), kept(one)] == [2, 4]


def test_what_is_the_same_may_be_said() -> None:
    kept = Kept[int, int](lambda argument: argument, same=lambda a, b: a % 10 == b % 10)
    assert [kept(3), kept(13), kept(4)] == [3, 3, 4]


def test_threads_that_ask_at_once_wait_for_one() -> None:
    calls = list[object]()

    def slow(argument: object) -> int:
        calls.append(argument)
        time.sleep(0.05)
        return len(calls)

    kept, argument = Kept(slow), object()
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(kept, [argument] * 2)) == [1, 1]


def test_an_error_is_not_kept() -> None:
    answers = iter([ValueError("once"), 7])

    def compute(argument: object) -> int:
        answer = next(answers)
        if isinstance(answer, ValueError):
            raise answer
        return answer

    kept, argument = Kept(compute), object()
    with pytest.raises(ValueError, match="once"):
        kept(argument)
    assert kept(argument) == 7
