# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Work is counted as PyTorch counts it, for the running stage, and from outside of the functions that do it."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from helpers.networks import FAMILY, pair, street
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from i2p_ros.bench.costs import COSTS, Cost, costs
from i2p_ros.bench.counting import Work, WorkByStage, counting
from i2p_ros.bench.inputs import MessagePair
from i2p_ros.core.stages import recording, stage


def squared(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """A function that is counted: two operations a number."""
    if not len(numbers):
        return numbers
    whole = numbers * numbers
    if not np.isfinite(whole).all():
        raise ValueError("not finite")
    return whole[:1]


@contextmanager
def squares_counted() -> Iterator[WorkByStage]:
    with counting([Cost(squared.__code__, ("whole",), lambda whole: (2 * whole.size, whole.nbytes))]) as work:
        yield work


def square(n: int) -> None:
    squared(np.ones(n))


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_operations_are_counted_as_pytorch_counts_them(mode: Any) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Flatten(), torch.nn.Linear(8 * 36, 5))
    x = torch.randn(2, 3, 8, 8)
    with FlopCounterMode(display=False) as known, torch.no_grad():
        network(x)
    with recording(), stage("a"), counting(()) as work, mode():
        network(x)
    assert work["a"].flop == known.get_total_flops() > 0
    conv, linear = (sum(p.numel() for p in part.parameters()) for part in (network[0], network[2]))
    moved = 4 * (x.numel() + conv + 2 * 8 * 36 + 2 * 8 * 36 + linear + 2 * 5)
    assert work["a"].byte == pytest.approx(moved, rel=0.02)


def test_work_is_counted_for_the_running_stage() -> None:
    with squares_counted() as work, recording():
        square(5)  # outside any stage: nobody's
        with stage("a"):
            square(1)
            with stage("b"):
                square(2)
            square(3)
    assert dict(work) == {"a": Work(2 * (1 + 3), 8 * (1 + 3)), "b": Work(2 * 2, 8 * 2)}


def test_without_a_record_nothing_is_counted() -> None:
    with squares_counted() as work, stage("a"):
        square(1)
    assert not work


def test_work_of_a_record_within_another_is_counted_once() -> None:
    with squares_counted() as work, recording():
        for _ in range(2):
            with recording(), stage("a"):
                square(1)
    assert work["a"].flop == 2 * 2


def test_a_stage_that_fails_is_closed() -> None:
    with squares_counted() as work, recording(), stage("a"):
        with pytest.raises(ValueError), stage("b"):
            raise ValueError
        square(1)
    assert dict(work) == {"a": Work(2, 8)}


def test_other_threads_are_not_counted() -> None:
    with squares_counted() as work, recording(), stage("a"):
        thread = threading.Thread(target=lambda: square(1))
        thread.start()
        thread.join()
    assert work["a"].flop == 0


def test_a_call_that_fails_after_its_work_is_counted_and_one_that_returns_before_is_not() -> None:
    with squares_counted() as work, recording(), stage("a"):
        square(0)
        assert work["a"].flop == 0
        with pytest.raises(ValueError, match="not finite"):
            squared(np.array([np.inf]))
    assert work["a"].flop == 2


def test_a_formula_may_use_the_result() -> None:
    cost = Cost(squared.__code__, ("numbers", "result"), lambda numbers, result: (0, numbers.nbytes + result.nbytes))
    with counting([cost]) as work, recording(), stage("a"):
        square(4)
        with pytest.raises(ValueError, match="not finite"):  # there is no result
            squared(np.array([np.inf]))
    assert work["a"].byte == 8 * (4 + 1)


def test_the_profiler_of_before_is_put_back() -> None:
    def before(*_: Any) -> None:
        pass

    sys.setprofile(before)
    try:
        with pytest.raises(ValueError), squares_counted():
            raise ValueError
        assert sys.getprofile() is before
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("function", COSTS)
def test_each_function_of_the_table_is_there_with_the_variables_of_its_formula(function: str) -> None:
    assert Cost.of(function, COSTS[function]).code.co_name == function.rpartition(":")[2].rpartition(".")[2]


@pytest.mark.parametrize(
    "function", ["i2p_ros.nowhere:scene", "i2p_ros.core.stages:no_such", "i2p_ros.core.stages:Record.no_such",
                 "i2p_ros.core.stages:Iterator"],
)  # fmt: skip
def test_a_function_that_is_not_there_is_refused(function: str) -> None:
    with pytest.raises(LookupError, match=f"counts {function}, but there is no such function"):
        Cost.of(function, lambda: (0, 0))


def test_a_variable_that_is_not_there_is_refused() -> None:
    with pytest.raises(LookupError, match=r"has no local variable \['no_such'\]"):
        Cost.of("i2p_ros.core.stages:running_stage", lambda record, no_such: (0, 0))


def test_messages_and_inputs_are_counted_in_bytes() -> None:
    messages = MessagePair.of(pair(cloud=street(3000)))
    with counting(costs(FAMILY)) as work, recording():
        back = messages.decoded()
        with stage("prepare"):
            scene = FAMILY.prepare(back)
            inputs = FAMILY.inputs(scene)
    assert back.cloud.intensity is not None
    held = back.image.nbytes + back.cloud.xyz.nbytes + back.cloud.intensity.nbytes
    assert work["decode"] == Work(0, len(messages.image.data) + len(messages.cloud.data) + held)
    arrays = (*scene.shared.values(), inputs["points"], inputs["features"])
    prepared = back.image.nbytes + 2 * back.cloud.xyz.nbytes + sum(array.nbytes for array in arrays)
    assert work["prepare"] == Work(0, prepared)
