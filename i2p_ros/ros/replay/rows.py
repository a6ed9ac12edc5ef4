# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The result of each pair that was played, and the summary of all."""

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
    """One pair that was played, with its true pose and the answer of the localizer.

    `truth` and `estimate.pose` are T_camera_cloud of the cloud as it was played. `T_world_cloud` is the pose of that
    cloud in the world, or none. The covariance is the published one, which has a lower bound. `latency_ms` is the time
    from publishing to the answer, NaN without an answer. `stamp` (ns) is that on the topics.
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
        """Whether the localizer processed the pair."""
        return self.estimate.status is not Status.NOT_PROCESSED

    def score(self) -> Score:
        """Score against the true pose. Raises InputError without one."""
        if self.truth is None:
            raise InputError(f"{self.name}: the recording has no calibration to compare with", "truth.missing")
        result = score(self.estimate, self.truth, self.name, self.stamp)
        return result if np.isnan(self.latency_ms) else replace(result, latency_ms=self.latency_ms)


@dataclass
class Pending:
    """A pair without an answer yet. Pose and status arrive on two topics, in any order."""

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
        """Keep reason and values of ~/status."""
        self.reason, self.values = reason, values
        self.latency_ms = 1e3 * (time.perf_counter() - self.sent)

    def located(self, T_cloud_camera: Pose, covariance: Array) -> None:
        """Keep the pose of ~/pose, the camera in the cloud, and its covariance (6, 6)."""
        j = T_cloud_camera.inverse_jacobian
        self.pose, self.covariance = T_cloud_camera.inverse(), j @ covariance @ j.T

    @property
    def complete(self) -> bool:
        """Whether the answer is complete."""
        return self.values is not None and (self.pose is not None or self.values["status"] != Status.OK.value)

    def row(self) -> Row:
        """The row, with the part of the answer that has arrived."""
        return Row(self.index, self.name, self.stamp, self.truth, self.T_world_cloud, self._estimate(), self.latency_ms)

    def _estimate(self) -> PoseEstimate:
        if self.values is None:
            return PoseEstimate(Status.NOT_PROCESSED, "no answer")
        if not self.complete:
            return PoseEstimate(Status.NOT_PROCESSED, "the pose was lost on its way")
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
            degrees_of_freedom=float(text.get("degrees_of_freedom", "inf")),
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
