# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Counters of one channel, and the level and text of its diagnostics. Needs no ROS: levels are plain numbers."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np

from i2p_ros.core.config import NodeSettings
from i2p_ros.core.pose_directions import pose_directions
from i2p_ros.core.types import PoseEstimate, Status

OK, WARN, ERROR, STALE = 0, 1, 2, 3
INPUTS = ("image", "points", "camera_info")
INFO_S = (3.0, 10.0)  # time without any camera_info for a warning and for an error
RECENT = 50  # pairs in the averages of latency


@dataclass
class Health:
    """Counters since the start. Several threads may use it. Times are time.monotonic(), s."""

    settings: NodeSettings
    doing: str = "localizing"
    started: float = field(default_factory=time.monotonic)
    received: Counter[str] = field(default_factory=Counter)
    arrivals: dict[str, float] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    without_prior: Counter[str] = field(default_factory=Counter)
    warnings: dict[str, str] = field(default_factory=dict)
    processed: int = 0
    localized: int = 0
    rejected_in_a_row: int = 0
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    last: dict[str, Any] = field(default_factory=dict)
    last_pose: float | None = None
    _dropped_before: int = 0
    _without_prior_before: int = 0
    _lock: Lock = field(default_factory=Lock)

    def arrived(self, kind: str) -> None:
        """Count a message of one of INPUTS."""
        with self._lock:
            self.received[kind] += 1
            self.arrivals[kind] = time.monotonic()

    def drop(self, reason: str) -> None:
        """Count a dropped message or pair by its reason."""
        with self._lock:
            self.dropped[reason] += 1

    def missing_prior(self, reason: str) -> None:
        """Count a pair without the prior that the settings ask for."""
        with self._lock:
            self.without_prior[reason] += 1

    def set_warning(self, name: str, text: str) -> None:
        """Set a warning by name. An empty text removes it."""
        with self._lock:
            self.warnings[name] = text

    def completed(self, latency_ms: float) -> None:
        """Count a processed pair."""
        with self._lock:
            self.processed += 1
            self.latencies_ms.append(latency_ms)

    def answered(self, estimate: PoseEstimate, latency_ms: float, gap_ms: float) -> None:
        """Count a processed pair and keep the numbers of its estimate."""
        self.completed(latency_ms)
        with self._lock:
            self.last = {"status": estimate.status.value, "inliers": estimate.n_inliers, "gap_ms": gap_ms}
            if estimate.inliers is not None and len(estimate.inliers):
                self.last["inlier_ratio"] = float(np.mean(estimate.inliers))
            if estimate.pose is None:
                self.rejected_in_a_row += 1
                return
            self.localized, self.rejected_in_a_row, self.last_pose = self.localized + 1, 0, time.monotonic()
            self.last["residual_px"] = estimate.residual_px
            if estimate.covariance is not None:
                std = np.sqrt(np.maximum(np.diag(estimate.covariance), 0.0))
                self.last |= {f"seen.{axis}": word for axis, word in pose_directions(estimate).items()}
                self.last["position_std_m"], self.last["rotation_std_deg"] = std[:3].max(), np.degrees(std[3:].max())

    def report(self, busy_since: float | None) -> tuple[int, str, dict[str, Any]]:
        """Level, text and values for the diagnostics. `busy_since` is when the running pair began, or none."""
        now = time.monotonic()
        with self._lock:
            level, text = max(self._findings(now, busy_since), default=(OK, self.doing), key=lambda finding: finding[0])
            return level, text, self._values(now)

    def _findings(self, now: float, busy_since: float | None) -> list[tuple[int, str]]:
        """Level and text of each finding that is not OK."""
        found = []
        for kind in INPUTS:
            silent = now - self.arrivals.get(kind, self.started)
            warn_s, error_s = self.settings.warn_after_s, self.settings.error_after_s
            if kind == "camera_info":  # one is enough, but without any there is never a pose
                warn_s, error_s = (float("inf"), float("inf")) if kind in self.arrivals else INFO_S
            if silent > warn_s:
                level = ERROR if silent > error_s else WARN
                found.append((level, f"no {kind} for {silent:.0f} s: is the topic right?"))
        if busy_since is not None and now - busy_since > self.settings.stale_after_s:
            found.append((STALE, f"one pair has been running for {now - busy_since:.0f} s"))
        found += [(WARN, text) for text in self.warnings.values() if text]
        dropped, self._dropped_before = self.dropped.total() - self._dropped_before, self.dropped.total()
        if dropped:
            found.append((WARN, f"{dropped} dropped since the last report"))
        if self.without_prior.total() > self._without_prior_before:
            self._without_prior_before = self.without_prior.total()
            found.append((WARN, "no prior for some pairs: is tf complete?"))
        if not self.processed:
            found.append((WARN, "no pair yet"))
        elif self.rejected_in_a_row:
            failed = self.last["status"] == Status.NOT_PROCESSED.value  # the fault is not in the pair
            text = f"no pose: {self.last['status']}, {self.rejected_in_a_row} in a row"
            found.append((ERROR if failed else WARN, text))
        return found

    def _values(self, now: float) -> dict[str, Any]:
        elapsed = max(now - self.started, 1e-9)
        values: dict[str, Any] = {f"{kind}_hz": self.received[kind] / elapsed for kind in INPUTS[:2]}
        values |= {"pairs": self.processed, "localized": self.localized, "rejected_in_a_row": self.rejected_in_a_row}
        if self.latencies_ms:
            values["latency_ms_mean"] = float(np.mean(self.latencies_ms))
            values["latency_ms_max"] = float(np.max(self.latencies_ms))
        values |= {f"last_{key}": value for key, value in self.last.items()}
        if self.last_pose is not None:
            values["seconds_since_pose"] = now - self.last_pose
        values |= {f"without_prior.{reason}": count for reason, count in sorted(self.without_prior.items())}
        return values | {f"dropped.{reason}": count for reason, count in sorted(self.dropped.items())}
