# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stages add up to the whole, inner ones are taken out of outer ones, and nobody pays who does not record."""

import threading
import time

import pytest

from i2p_ros.core.stages import recording, running_stage, stage


def test_the_time_of_inner_stages_is_not_that_of_outer_ones() -> None:
    start = time.perf_counter()
    with recording() as record, stage("outer"):
        time.sleep(0.02)
        for _ in range(2):
            with stage("inner"):
                time.sleep(0.03)
    whole = time.perf_counter() - start
    outer, inner = (record.seconds[name] for name in ("outer", "inner"))
    assert outer >= 0.02 and inner >= 0.06
    assert outer + inner == pytest.approx(whole, abs=2e-3)


def test_the_innermost_stage_runs() -> None:
    with stage("unrecorded"):
        assert running_stage() is None
    with recording():
        assert running_stage() is None
        with stage("a"):
            with stage("b"):
                assert running_stage() == "b"
            assert running_stage() == "a"
            with recording():
                assert running_stage() is None
        assert running_stage() is None


def test_a_record_within_another_adds_to_it() -> None:
    with recording() as outer:
        within = 0.0
        for _ in range(2):
            with recording() as inner, stage("a"):
                time.sleep(0.01)
            within += inner.seconds["a"]
            assert inner.seconds["a"] >= 0.01
    assert outer.seconds["a"] == within >= 0.02


def test_a_stage_that_fails_is_closed() -> None:
    with recording() as record, stage("a"):
        with pytest.raises(ValueError), stage("b"):
            raise ValueError
        assert running_stage() == "a"
    assert set(record.seconds) == {"a", "b"}


def test_other_threads_are_not_recorded() -> None:
    seen: list[str | None] = []

    def other() -> None:
        with stage("other"):
            seen.append(running_stage())

    with recording() as record, stage("a"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert seen == [None] and set(record.seconds) == {"a"}
