# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs of a bag: the gaps between some messages of the slower sensor and their nearest ones of the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from i2p_ros.core.clock_offset import Entry, clock_offset
from i2p_ros.core.config import PairingSettings
from i2p_ros.core.geometry import Array
from i2p_ros.inspection.bag_samples import BagSamples
from i2p_ros.inspection.result import FindingList
from i2p_ros.inspection.timing import PairTiming, Times, judge_gaps, judge_stamps, nearest_gaps

NEIGHBOURS = 2  # messages of the faster sensor that are read on each side: delays vary


def inspect_pairs(
    samples: BagSamples, image: str, cloud: str, settings: PairingSettings, findings: FindingList
) -> PairTiming:
    """Pairs of two topics. Adds findings about stamps, clocks and gaps."""
    times = {topic: samples.times[topic] for topic in (image, cloud)}
    slow, fast = (image, cloud) if len(times[image]) < len(times[cloud]) else (cloud, image)
    sign = 1.0 if slow == image else -1.0
    if settings.use_arrival_time:
        offset_ns = round((settings.time_offset_s - settings.image_time_offset_s) * 1e9)
        gaps = nearest_gaps(times[slow] - round(sign * offset_ns), times[fast])
        return judge_gaps(sign * gaps / 1e9, len(times[slow]), settings.slop_s, findings)
    entries = {topic: samples.entries(topic) for topic in (image, cloud)}
    for topic, some in entries.items():
        judge_stamps(topic, some, findings)
    if not entries[image] or not entries[cloud] or "stamps.zero" in findings:
        return PairTiming()
    correction_s = _clock_correction(entries[image], entries[cloud], settings, findings)
    offset_ns = round((settings.time_offset_s + correction_s - settings.image_time_offset_s) * 1e9)
    shifted = [(stamp - round(sign * offset_ns), received) for stamp, received in entries[slow]]
    near = samples.entries_within(fast, _ranges(shifted, entries[fast], times[fast]))
    gaps = sign * _gaps(shifted, near) / 1e9
    return judge_gaps(gaps, len(times[slow]), settings.slop_s, findings)


def _ranges(slow: Sequence[Entry], fast: Sequence[Entry], times: Times) -> list[tuple[int, int]]:
    """First and last time received (ns) of the messages of the faster sensor near each entry of the slower one.

    The delay of the faster sensor is that of its entry that was received at nearly the same time.
    """
    received = np.array([at for _, at in fast])
    delays = [at - stamp for stamp, at in fast]
    ranges = []
    for stamp, at in slow:
        expected = stamp + delays[int(np.abs(received - at).argmin())]
        place = int(np.searchsorted(times, expected))
        first, last = max(place - NEIGHBOURS, 0), min(place + NEIGHBOURS, len(times)) - 1
        ranges.append((int(times[min(first, last)]), int(times[last])))
    return ranges


def _gaps(slow: Sequence[Entry], fast: Sequence[Entry]) -> Array:
    """Stamps (n,) of the slower sensor minus the nearest ones of the other, ns."""
    stamps = np.sort(np.array([stamp for stamp, _ in fast], np.int64))
    return nearest_gaps(np.array([stamp for stamp, _ in slow], np.int64), stamps)


def _clock_correction(
    images: Sequence[Entry], clouds: Sequence[Entry], settings: PairingSettings, findings: FindingList
) -> float:
    """Seconds that RosbagSource adds to the stamps of clouds by itself, because the clocks differ."""
    offset = clock_offset(images, clouds)
    is_set = settings.time_offset_s or settings.image_time_offset_s or not settings.correct_clock
    if offset is None or not offset.is_sure or is_set:
        return 0.0
    findings.add("stamps.clock_offset", offset.text)
    return offset.correction_s
