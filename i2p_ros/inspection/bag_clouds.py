# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lidar of a bag: fields, points and times of some clouds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.messages import CLOUD_MESSAGES, INTENSITY_FIELDS, POINT_CLOUD2, stated_times
from i2p_ros.core.messages.point_times import TIME_FIELDS
from i2p_ros.core.messages.reading import attribute
from i2p_ros.core.topic_choice import TopicInfo
from i2p_ros.core.types import PointCloud
from i2p_ros.inspection.bag_samples import BagSamples
from i2p_ros.inspection.result import FindingList, LidarSummary
from i2p_ros.inspection.views import judge_clouds

UNITS = {1: "s", 10**3: "ms", 10**6: "us", 10**9: "ns"}
MOST_UNTIMED = 0.5  # share of points without a time


@dataclass(frozen=True, slots=True)
class _Seen:
    cloud: PointCloud
    fields: tuple[str, ...]
    times: tuple[str, int, bool] | None  # field, parts of a second (0: unknown), whether absolute


def inspect_lidar(
    samples: BagSamples, kind: str, topic: TopicInfo, settings: Settings, findings: FindingList
) -> tuple[LidarSummary, list[tuple[int, PointCloud]]]:
    """The lidar, and some of its clouds with their times received; none, with a finding, if none can be decoded."""
    wanted = settings.node.intensity_field
    found = samples.decoded(topic.name, lambda message: _seen(message, kind, wanted))
    if not found:
        why = next(iter(samples.refused[topic.name]), "none could be read")
        findings.add("cloud.undecodable", f"no cloud of {topic.name} can be decoded: {why}")
        return LidarSummary(topic.name, topic.frame), []
    clouds = [(received, seen.cloud) for received, seen in found]
    points = judge_clouds([cloud for _, cloud in clouds], findings)
    first, fields = found[0][1], found[0][1].fields
    time_field, unit, sweep = _times(first, findings)
    intensity = next((name for name in ([wanted] if wanted else INTENSITY_FIELDS) if name in fields), "")
    ring = any(name in ("ring", "channel", "line") for name in fields)
    return LidarSummary(topic.name, topic.frame, fields, points, intensity, ring, time_field, unit, sweep), clouds


def _seen(message: Any, kind: str, intensity_field: str) -> _Seen:
    cloud = CLOUD_MESSAGES[kind](message, intensity_field)
    try:
        fields = tuple(str(field.name) for field in attribute(message, "fields"))
    except InputError:  # a type of cloud without a list of its fields
        fields = ()
    return _Seen(cloud, fields, stated_times(message) if kind == POINT_CLOUD2 else None)


def _times(seen: _Seen, findings: FindingList) -> tuple[str, str, float | None]:
    """Field and unit of the times of points, and their span in s. Adds a finding if they cannot be used."""
    times = seen.cloud.time
    if times is None:
        findings.add("cloud.no_time")
        return "", "", None
    name = seen.times[0] if seen.times else next((n for n in TIME_FIELDS if n in seen.fields), "")
    unit = UNITS.get(seen.times[1], "") if seen.times else ""
    known = times[np.isfinite(times)]
    if len(known) < MOST_UNTIMED * len(times):
        findings.add("cloud.bad_time", f"the times of points in the field {name!r} fit no unit near the stamp")
        return name, unit, None
    return name, unit, float(np.ptp(known))
