# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is kept of each pair that was played."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import PoseEstimate, Status
from i2p_ros.evaluation.metrics import Score, score
from i2p_ros.evaluation.summary import summarise


@dataclass(frozen=True, slots=True)
class Row:
    """One pair that was played: what is true, and what came back.

    `truth` and `estimate.pose` are T_camera_cloud, of the cloud as it was played; `T_world_cloud` is where that cloud
    was taken, if the source knows. The covariance is the published one: the node keeps it above a floor. `latency_ms`
    is from publishing to the answer, NaN where none came. `stamp` (ns) is the one on the topics.
    """

    index: int
    name: str
    stamp: int
    truth: Pose | None
    T_world_cloud: Pose | None
    estimate: PoseEstimate
    latency_ms: float

    @property
    def processed(self) -> bool:
        """Whether the localizer took the pair on."""
        return self.estimate.status is not Status.NOT_PROCESSED

    def score(self) -> Score:
        """Against the truth; raises InputError where that is not known."""
        if self.truth is None:
            raise InputError(f"{self.name}: the recording has no calibration to compare with", "truth.missing")
        known = score(self.estimate, self.truth, self.name, self.stamp)
        return known if np.isnan(self.latency_ms) else replace(known, latency_ms=self.latency_ms)


@dataclass
class Pending:
    """A pair on its way. Pose and status come on two topics, in any order."""

    index: int
    name: str
    stamp: int
    truth: Pose | None
    T_world_cloud: Pose | None
    sent: float = field(default_factory=time.perf_counter)
    pose: Pose | None = None  # T_camera_cloud
    covariance: Array | None = None  # of `pose`
    reason: str = ""
    values: dict[str, str] | None = None
    latency_ms: float = float("nan")

    def answered(self, reason: str, values: dict[str, str]) -> None:
        """Keep what ~/status says of it."""
        self.reason, self.values = reason, values
        self.latency_ms = 1e3 * (time.perf_counter() - self.sent)

    def located(self, T_cloud_camera: Pose, covariance: Array) -> None:
        """Keep what ~/pose says of it: the camera in the cloud, and the (6, 6) covariance of that."""
        j = T_cloud_camera.inverse_jacobian
        self.pose, self.covariance = T_cloud_camera.inverse(), j @ covariance @ j.T

    @property
    def complete(self) -> bool:
        """Whether nothing more is to come."""
        return self.values is not None and (self.pose is not None or self.values["status"] != Status.OK.value)

    def row(self) -> Row:
        """The row, as far as the answer is there."""
        return Row(self.index, self.name, self.stamp, self.truth, self.T_world_cloud, self._estimate(), self.latency_ms)

    def _estimate(self) -> PoseEstimate:
        if self.values is None:
            return PoseEstimate(Status.NOT_PROCESSED, "no answer")
        if not self.complete:
            return PoseEstimate(Status.NOT_PROCESSED, "the pose got lost on the way")
        text = {key.removeprefix("seconds."): value for key, value in self.values.items()}
        stages = [key.removeprefix("seconds.") for key in self.values if key.startswith("seconds.")]
        return PoseEstimate(
            Status(self.values["status"]),
            self.reason,
            self.pose,
            self.covariance,
            inliers=np.ones(int(self.values["inliers"]), bool),
            residual_px=float(text.get("residual_px", "nan")),
            confidence=float(text.get("confidence", "0")),
            seconds={stage: float(text[stage]) for stage in stages},
        )


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """The numbers of evaluation.summary.summarise, over the pairs whose truth is known; without any, only the counts.

    `latency_ms` is the time from publishing a pair to its answer.
    """
    scores = [row.score() for row in rows if row.truth is not None]
    if scores:
        return summarise(scores)
    latency = [row.latency_ms for row in rows if row.processed]
    return {
        "pairs": len(rows),
        "processed": len(latency),
        "dropped": len(rows) - len(latency),
        "localized": sum(row.estimate.pose is not None for row in rows),
        "latency_ms": {
            "median": float(np.median(latency)) if latency else None,
            "p95": float(np.percentile(latency, 95)) if latency else None,
        },
    }
