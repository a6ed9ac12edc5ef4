# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rates, gaps and pairs, by the times of messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.clock_offset import Entry
from i2p_ros.core.config import MonitorSettings
from i2p_ros.core.geometry import Array
from i2p_ros.inspection.result import FindingList, TopicSummary

Times = NDArray[np.int64]
LOW_RATE_HZ = 0.5
LONG_GAP_S, LONG_GAP_PERIODS = 1.0, 5  # a gap is long if it is longer than both
LONG_END_SHARE = 0.1  # of the recording: a longer silence at its begin or end is a gap
LOST_SHARE = 0.05  # of the messages of a sensor
LARGE_GAP_MS = 25.0  # between an image and its cloud
FEW_PAIRS = 0.5  # share of the messages of the slower sensor that have a partner
BACK_NS = 10**9  # a stamp that is older than the one before by more is a jump


@dataclass(frozen=True, slots=True)
class PairTiming:
    """Number of pairs, and their median stamp of image minus cloud in ms, or none without pairs."""

    pairs: int = 0
    gap_ms: float | None = None


def topic_summary(name: str, kind: str, times: Times) -> TopicSummary:
    """Rate, longest gap and missing messages of a topic by its times (n,), ns, in order.

    Messages are missing where the time between two is at least 1.5 times the median one.
    """
    n, steps = len(times), np.diff(times) / 1e9
    span = float(steps.sum())
    if span <= 0:
        return TopicSummary(name, kind, n)
    period = max(float(np.median(steps)), span / len(steps) / 2)  # messages may come in bursts
    missing = int((np.round(steps / period) - 1)[steps >= 1.5 * period].sum())
    return TopicSummary(name, kind, n, len(steps) / span, float(steps.max()), missing)


def judge_rate(
    topic: TopicSummary, sensor: str, times: Times, recording: tuple[int, int], findings: FindingList
) -> None:  # fmt: skip
    """Add findings about the rate of a sensor, `image` or `cloud`, that was received at `times` (n,), ns, in order.

    `recording` are the times of the first and the last message of the recording, ns.
    """
    if topic.rate_hz is None or topic.largest_gap_s is None:
        return
    n = topic.count
    if topic.rate_hz < LOW_RATE_HZ:
        findings.add(f"{sensor}.low_rate", f"{topic.name} has {topic.rate_hz:.2g} Hz")
    if topic.largest_gap_s > max(LONG_GAP_S, LONG_GAP_PERIODS / topic.rate_hz):
        findings.add(f"{sensor}.gaps", f"{topic.name} has a gap of {topic.largest_gap_s:.1f} s")
    begin_s, end_s = (int(times[0]) - recording[0]) / 1e9, (recording[1] - int(times[-1])) / 1e9
    if max(begin_s, end_s) > max(LONG_GAP_S, LONG_END_SHARE * (recording[1] - recording[0]) / 1e9):
        silent = f"{begin_s:.1f} s after the begin" if begin_s > end_s else f"{end_s:.1f} s before the end"
        findings.add(
            f"{sensor}.gaps", f"{topic.name} {'begins' if begin_s > end_s else 'ends'} {silent} of the recording"
        )
    if topic.missing > LOST_SHARE * n:
        share = topic.missing / (topic.missing + n)
        findings.add(f"{sensor}.lost", f"{topic.name} lacks about {topic.missing} messages ({share:.0%})")


def judge_stamps(topic: str, entries: Sequence[Entry], findings: FindingList) -> None:
    """Add findings about the stamps of some messages of a topic, in the order in which they were received."""
    if any(not stamp for stamp, _ in entries):
        findings.add("stamps.zero", f"header stamps of {topic} are zero")
        return
    steps = [after[0] - before[0] for before, after in pairwise(entries)]
    if steps and min(steps) < -BACK_NS:
        findings.add("stamps.jump", f"header stamps of {topic} jump back by {-min(steps) / 1e9:.1f} s")


def judge_gaps(gaps: Array, slower: int, slop_s: float, findings: FindingList) -> PairTiming:
    """Pairs, by the gaps (n,) of some messages of the slower sensor, of which there are so many.

    A gap is the stamp of the nearest image minus that of the cloud, s. Adds findings about the number of pairs and
    their gaps.
    """
    near = gaps[np.abs(gaps) <= slop_s]
    if not len(near):
        nearest = np.abs(gaps).min()
        text = f"no image and cloud are within {slop_s} s: the nearest are {nearest:.3f} s apart"
        findings.add("stamps.no_pairs", text)
        return PairTiming()
    share = len(near) / len(gaps)
    if share < FEW_PAIRS:
        findings.add("stamps.few_pairs", f"{share:.0%} of the messages of the slower sensor have a partner")
    typical = float(np.median(np.abs(near))) * 1e3
    if typical > LARGE_GAP_MS:
        findings.add("stamps.gap", f"images and clouds are typically {typical:.0f} ms apart")
    return PairTiming(round(share * slower), float(np.median(near)) * 1e3 + 0.0)  # never -0.0


def judge_short(pairs: int, seconds: float, settings: MonitorSettings, findings: FindingList) -> None:
    """Add a finding if so many pairs in so many seconds give no window of the monitor."""
    usable, needed = min(pairs, 1 + int(seconds * settings.rate_hz)), settings.least_pairs
    if 0 < usable < needed:
        findings.add("recording.short", f"{usable} pairs at {settings.rate_hz:g} Hz; a window needs {needed:.0f}")


def nearest_gaps(slow: Times, fast: Times) -> Array:
    """Each stamp (n,) minus the nearest of the others (m,), which are in order, ns."""
    after = np.searchsorted(fast, slow).clip(1, max(len(fast) - 1, 1))
    around = np.stack([fast[after - 1], fast[np.minimum(after, len(fast) - 1)]])
    gaps = slow - around
    return gaps[np.abs(gaps).argmin(axis=0), np.arange(len(slow))].astype(np.float64)
