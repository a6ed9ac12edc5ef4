# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stages add up to the whole, inner ones are taken out of outer ones, and nobody pays who does not record."""

import threading
import time

import pytest

from i2p_ros.core.stages import recording, stage, worked


def test_the_time_of_inner_stages_is_not_that_of_outer_ones() -> None:
    start = time.perf_counter()
    with recording() as record, stage("outer"):
        time.sleep(0.02)
        for _ in range(2):
            with stage("inner"):
                time.sleep(0.03)
    whole = time.perf_counter() - start
    outer, inner = (record.stages[name].seconds for name in ("outer", "inner"))
    assert outer >= 0.02 and inner >= 0.06
    assert outer + inner == pytest.approx(whole, abs=2e-3)


def test_work_is_counted_for_the_running_stage() -> None:
    with recording() as record:
        worked(5, 5)  # outside any stage: nobody's
        with stage("a"):
            worked(flop=1)
            with stage("b"):
                worked(byte=2)
            worked(flop=3)
    assert (record.stages["a"].flop, record.stages["a"].byte, record.stages["b"].byte) == (4, 0, 2)


def test_a_record_within_another_adds_to_it() -> None:
    with recording() as outer:
        for _ in range(2):
            with recording() as inner, stage("a"):
                worked(flop=1)
            assert inner.stages["a"].flop == 1
    assert outer.stages["a"].flop == 2


def test_a_stage_that_fails_is_closed() -> None:
    with recording() as record, stage("a"):
        with pytest.raises(ValueError), stage("b"):
            raise ValueError
        worked(flop=1)
    assert record.stages["a"].flop == 1


def test_other_threads_are_not_recorded() -> None:
    with recording() as record, stage("a"):
        thread = threading.Thread(target=lambda: worked(flop=1))
        thread.start()
        thread.join()
    assert record.stages["a"].flop == 0
