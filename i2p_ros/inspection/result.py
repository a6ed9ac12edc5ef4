# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a recording holds, what is wrong with it, and which tasks work with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from i2p_ros.inspection.codes import CODES, TASKS, FindingLevel, Works

Usability = Literal["usable", "limited", "unusable"]
SEVERITY: dict[str, int] = {"note": 0, "warning": 1, "error": 2, "yes": 0, "partly": 1, "no": 2}


@dataclass(frozen=True, slots=True)
class RecordingFinding:
    """One finding: its level, its code in CODES, what was found, and what cures it."""

    level: FindingLevel
    code: str
    text: str
    cure: str


class FindingList:
    """Findings in the order in which they are made. Each code comes once for each text."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], RecordingFinding] = {}

    def add(self, code: str, text: str = "", cure: str = "") -> None:
        """Add a finding. Without a text or a cure it has those of CODES."""
        kind = CODES[code]
        text = text or kind.what
        self._found.setdefault((code, text), RecordingFinding(kind.level, code, text, cure or kind.cure))

    def __contains__(self, code: str) -> bool:
        return any(found == code for found, _ in self._found)

    @property
    def found(self) -> tuple[RecordingFinding, ...]:
        """All findings, the most serious first."""
        return tuple(sorted(self._found.values(), key=lambda finding: -SEVERITY[finding.level]))


@dataclass(frozen=True, slots=True)
class Ability:
    """Whether a task works with a recording, and the findings because of which it does not, in words."""

    works: Works
    why: str


@dataclass(frozen=True, slots=True)
class TopicSummary:
    """A topic: messages, rate, longest time without a message, and estimated number of missing messages.

    Rates and gaps are those of the times received. They are none for fewer than two messages.
    """

    name: str
    type: str
    count: int
    rate_hz: float | None = None
    largest_gap_s: float | None = None
    missing: int = 0


@dataclass(frozen=True, slots=True)
class CameraSummary:
    """The camera: topics, frame, size of the images in px, lens model and source of the intrinsics.

    `lens` is pinhole, or the model of a sensor_msgs/CameraInfo. It is empty if the camera_info cannot be used.
    """

    topic: str
    frame: str
    width: int
    height: int
    lens: str = ""
    camera_info: str = ""
    matrix: str = ""


@dataclass(frozen=True, slots=True)
class LidarSummary:
    """The lidar: topic, frame, fields of its points, and number of points of a cloud.

    `time_unit` is that of the times of points (s, ms, us, ns), and `sweep_s` their span.
    """

    topic: str
    frame: str
    fields: tuple[str, ...] = ()
    points: int = 0
    intensity: str = ""
    has_ring: bool = False
    time_field: str = ""
    time_unit: str = ""
    sweep_s: float | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """The judgement of a recording.

    `start` and `end` are the times of the first and last message but those of /tf_static, by the recorder's clock, ns.
    `sensor_gap_ms` is the median stamp of an image minus that of its cloud. `overlap` is the share of the points of a
    cloud that are in the image.
    """

    recording: str
    kind: str
    bytes: int = 0
    start: int | None = None
    end: int | None = None
    topics: tuple[TopicSummary, ...] = ()
    camera: CameraSummary | None = None
    lidar: LidarSummary | None = None
    pairs: int = 0
    sensor_gap_ms: float | None = None
    transform: str = ""
    motion: str = ""
    overlap: float | None = None
    findings: tuple[RecordingFinding, ...] = ()
    abilities: dict[str, Ability] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        """Time from the first to the last message, s."""
        return 0.0 if self.start is None or self.end is None else (self.end - self.start) / 1e9

    @property
    def verdict(self) -> Usability:
        """`usable` if all tasks work, `unusable` if none does, else `limited`."""
        works = {ability.works for ability in self.abilities.values()}
        if works == {"no"}:
            return "unusable"
        return "usable" if works == {"yes"} else "limited"

    def summary(self) -> dict[str, Any]:
        """Verdict, abilities and findings, as they begin a report."""
        abilities = {task: asdict(ability) for task, ability in self.abilities.items()}
        return {"verdict": self.verdict, "abilities": abilities, "findings": [asdict(f) for f in self.findings]}

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        lidar = None if self.lidar is None else asdict(self.lidar) | {"fields": list(self.lidar.fields)}
        return {
            "recording": self.recording, "kind": self.kind, "bytes": self.bytes,
            "start": self.start, "end": self.end, "duration_s": self.duration_s,
            "topics": [asdict(topic) for topic in self.topics],
            "camera": None if self.camera is None else asdict(self.camera), "lidar": lidar,
            "pairs": self.pairs, "sensor_gap_ms": self.sensor_gap_ms, "transform": self.transform,
            "motion": self.motion, "overlap": self.overlap, **self.summary(),
        }  # fmt: skip


def judged_abilities(findings: Iterable[RecordingFinding]) -> dict[str, Ability]:
    """The abilities that findings leave, by task."""
    found = list(findings)
    return {task: _ability(task, found) for task in TASKS}


def _ability(task: str, findings: Sequence[RecordingFinding]) -> Ability:
    all_works: list[Works] = [CODES[finding.code].works(task) for finding in findings]
    works: Works = max(all_works, key=SEVERITY.__getitem__, default="yes")
    because = [f.text for f in findings if works != "yes" and CODES[f.code].works(task) == works]
    return Ability(works, "; ".join(text.rstrip(".") for text in because))
