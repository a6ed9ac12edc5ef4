# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One camera with one lidar under watch, from their messages to ~/drift and ~/verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from i2p_ros.core.config import Settings
from i2p_ros.core.drifts import INTERVAL, drift_covariance, drift_transform, verdict_values
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose, so3_log
from i2p_ros.monitor.history import History, Rig, as_json
from i2p_ros.monitor.session import Finding, Look, Monitor
from i2p_ros.monitor.watch import Level, Motion, Verdict
from i2p_ros.ros import messages
from i2p_ros.ros.nodes.calibration import write_calibration
from i2p_ros.ros.nodes.channel_node import LEVELS
from i2p_ros.ros.nodes.frames import Frames
from i2p_ros.ros.nodes.health import ERROR, OK, WARN, Health
from i2p_ros.ros.nodes.inputs import Inputs
from i2p_ros.ros.nodes.job import Job
from i2p_ros.sources.nominal import read_nominal

SEVERITY = {Level.OK: OK, Level.WARN: WARN, Level.UNSURE: WARN, Level.ALARM: ERROR}
KEPT = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)  # who comes late hears the last verdict too
CHANGED = "the nominal calibration or its frames have changed: estimates begin anew"
PATIENCE_S = 10.0  # of services for a window that is being refined, while the node hears nothing
MOTION_S = 0.1  # that the speed is taken over


class MonitorChannel:
    """Pairs at monitor.rate_hz, a Monitor from the first pair whose nominal calibration is known, and publishers.

    `process` runs in the node's worker; services wait until it lets go of the monitor.
    """

    def __init__(
        self, node: Node, settings: Settings, camera: str, lidar: str, frames: Frames | None,
        put: Callable[[MonitorChannel, Job], Job | None], history: History | None, look: Look | None,
    ) -> None:  # fmt: skip
        self.settings, self.name = settings, " ".join(filter(None, (camera, lidar)))
        self.camera_frame = ""
        self.monitor: Monitor | None = None
        self._node, self._frames, self._put, self._history, self._look = node, frames, put, history, look
        self._health = Health(settings.node, "watching")
        self._frame_names = ("", "")
        self._stamp = 0  # ns, of the newest pair
        self._busy = Lock()
        self._told: tuple[int, str, dict[str, Any]] | None = None  # of the monitor, in the last report
        prefix = "".join(f"{name}/" for name in (camera, lidar) if name)
        self._drift = node.create_publisher(PoseWithCovarianceStamped, f"~/{prefix}drift", 10)
        self._verdict = node.create_publisher(DiagnosticArray, f"~/{prefix}verdict", KEPT)
        self._inputs = Inputs(
            node, settings, camera, lidar, frames, self._health, self._hand_over, self._inputs_changed
        )

    def close(self) -> None:
        """Give everything back."""
        if self.monitor is not None and self.monitor.trouble:
            self._node.get_logger().error(f"lost at the end: {self.monitor.trouble}")
        self._inputs.close()
        for publisher in (self._drift, self._verdict):
            self._node.destroy_publisher(publisher)

    def jumped_back(self) -> None:
        """Pairs from before the jump are not compared with those after it."""
        self._inputs.jumped_back()

    def apply(self, settings: Settings) -> None:
        """Take over settings that may change at any time."""
        self.settings = self._inputs.settings = settings
        self._health.settings = settings.node

    def accept(self) -> str:
        """Count drift from the present state; what was done, in words. Raises InputError."""
        with self._held() as monitor:
            monitor.accept()
            return f"drift is counted from the present state: epoch {monitor.rig.epoch}"

    def reset(self) -> str:
        """Forget the estimates."""
        with self._held() as monitor:
            monitor.reset()
        return "all estimates are forgotten; what drift is counted from stays"

    def save(self, folder: Path) -> str:
        """Write the estimated calibration as YAML, URDF and command. Raises InputError."""
        with self._held() as monitor:
            verdict = monitor.verdict(self._stamp)
            pose = monitor.estimated(verdict)
            if pose is None:
                raise InputError("no estimate yet: there is nothing to save", "calibration.empty")
            pairs = sum(drift.frames for drift in monitor.watch.kept)
            camera, lidar = self._frame_names
            written = write_calibration(folder, pose, verdict.half / INTERVAL, pairs, lidar, camera, "calibration")
        return f"written: {', '.join(map(str, written))}"

    def process(self, job: Job) -> None:
        """One pair, in the worker's thread. This is the border: nothing is raised."""
        try:
            pair = self._inputs.decoded(job)
            self.camera_frame = job.camera_frame
            with self._busy:
                monitor = self._watching(job)
                self._stamp = pair.stamp
                finding = monitor.add(pair, self._motion(job))
                self._health.concern("history", monitor.trouble)
                if finding is not None:
                    self._health.concern("nominal", "")
            self._health.taken(job.age_ms)
            if finding is not None:
                self._publish(job, finding)
        except InputError as error:
            self._health.drop(error.reason)
            self._inputs.say(f"pair left out: {error}")
        except Exception as error:
            if self._node.context.ok():  # else the node has just been taken down
                self._health.drop("exception")
                self._inputs.say(f"pair left out: {type(error).__name__}: {error}")

    def report(self, busy_since: float | None) -> tuple[int, str, dict[str, Any]]:
        """Level, one line and values for diagnostics; `busy_since` is when its running pair began."""
        level, text, values = self._health.report(busy_since)
        values = {**self._inputs.known, **values}
        if self.monitor is not None and self._busy.acquire(blocking=False):  # else what was told last still holds
            try:
                self._told = self._findings(self.monitor)
            finally:
                self._busy.release()
        if self._told is None:
            return level, text, values
        level, text = max((level, text), self._told[:2], key=lambda one: one[0])
        return level, text, {**self._told[2], **values}

    def _findings(self, monitor: Monitor) -> tuple[int, str, dict[str, Any]]:
        """Level, one line and values of the monitor, which nobody else may use meanwhile."""
        verdict = monitor.verdict(self._stamp)
        rig = {"vehicle": monitor.rig.vehicle, "epoch": monitor.rig.epoch, "windows": len(monitor.watch.kept)}
        rig["history"] = monitor.trouble or self.settings.monitor.history or "off"
        left_out = {f"left_out.{reason.replace(' ', '_')}": n for reason, n in monitor.watch.left_out.items()}
        return SEVERITY[verdict.level], _line(verdict), {**rig, **verdict_values(as_json(verdict)), **left_out}

    @contextmanager
    def _held(self) -> Iterator[Monitor]:
        """The monitor while no pair is added to it; raises InputError where there is none, or not soon."""
        if not self._busy.acquire(timeout=PATIENCE_S):
            raise InputError("a window is being refined: ask again", "busy")
        try:
            if self.monitor is None:
                raise InputError("no pair with a nominal calibration yet", "calibration.missing")
            yield self.monitor
        finally:
            self._busy.release()

    def _hand_over(self, job: Job) -> None:
        """Only what the monitor will look at; one that is overtaken while a window is refined is no loss."""
        if self.monitor is None or self.monitor.wants(job.stamp):
            self._put(self, job)

    def _inputs_changed(self, reason: str) -> None:
        """Another camera calibration, or time has jumped."""
        self._inputs.say(f"estimates are forgotten: {reason}")
        if self.monitor is not None:
            self.monitor.begin_anew()

    def _watching(self, job: Job) -> Monitor:
        """The monitor of these frames and their nominal calibration; a new one if either has changed."""
        nominal = self._nominal(job)
        names = job.camera_frame, job.cloud_frame
        if self.monitor is None or names != self._frame_names or not self.monitor.is_from(nominal):
            rig = Rig(self.settings.monitor.vehicle, *names)
            new = Monitor(nominal, rig, self.settings, self._history, self._look)
            if self.monitor is not None:
                new.waiting = self.monitor.waiting
                self._health.concern("nominal", CHANGED)
                self._inputs.say(CHANGED)
            self.monitor, self._frame_names = new, names
        return self.monitor

    def _nominal(self, job: Job) -> Pose:
        source = self.settings.monitor.nominal
        if source != "tf":
            return read_nominal(Path(source).expanduser(), job.camera_frame, job.cloud_frame)
        assert self._frames is not None
        if job.camera_frame == job.cloud_frame:
            raise InputError(f"image and cloud have the same frame {job.camera_frame!r}", "calibration.frames")
        return self._frames.lookup(job.camera_frame, job.cloud_frame, job.stamp)

    def _motion(self, job: Job) -> Motion | None:
        """Of the lidar, where tf knows it in node.odom_frame."""
        if self._frames is None:
            return None
        known = self._frames.trajectory(self.settings.node.odom_frame, job.cloud_frame, job.stamp, -MOTION_S, 0.0)
        if known is None:
            return None
        moved = known.poses[0].inverse() @ known.poses[-1]
        turn = float(np.degrees(np.linalg.norm(so3_log(moved.rotation))))
        return Motion(float(np.linalg.norm(moved.translation)) / MOTION_S, turn / MOTION_S)

    def _publish(self, job: Job, finding: Finding) -> None:
        verdict = finding.verdict
        head = messages.header(finding.drift.stamp, job.camera_frame)
        if np.isfinite(verdict.drift).all():
            pose, covariance = drift_transform(verdict.drift), drift_covariance(verdict.half)
            self._drift.publish(messages.pose_with_covariance(pose, covariance, head))
        name = f"{self._node.get_fully_qualified_name()}: calibration {self.name}".strip()
        level = LEVELS[SEVERITY[verdict.level]]
        entry = messages.diagnostic(level, name, _line(verdict), verdict_values(as_json(verdict)), job.camera_frame)
        self._verdict.publish(DiagnosticArray(header=head, status=[entry]))


def _line(verdict: Verdict) -> str:
    return "; ".join(verdict.reasons) or f"calibration {verdict.level.value}"
