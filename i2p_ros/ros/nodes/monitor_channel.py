# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One camera with one lidar in the drift monitor: from their messages to ~/drift and ~/verdict."""

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

from i2p_ros.core.changes import motion_text
from i2p_ros.core.config import Settings
from i2p_ros.core.drifts import INTERVAL, drift_covariance, drift_transform, verdict_values
from i2p_ros.core.errors import DeviceError, InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.optical_frame import optical_doubt
from i2p_ros.monitor.history import History, MonitoredRig
from i2p_ros.monitor.sequential_test import Motion
from i2p_ros.monitor.session import Finding, Monitor, NetworkPose
from i2p_ros.ros import messages
from i2p_ros.ros.nodes.health import Health
from i2p_ros.ros.nodes.input_topics import InputTopics
from i2p_ros.ros.nodes.inputs import Inputs
from i2p_ros.ros.nodes.lifecycle_node import LEVELS
from i2p_ros.ros.nodes.pair_job import PairJob
from i2p_ros.ros.nodes.tf_listener import TfListener
from i2p_ros.sources.nominal import read_nominal
from i2p_ros.writers.calibration import write_calibration

CHANGED = "the nominal calibration or its frames have changed"
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)  # late subscribers get the last verdict
PATIENCE_S = 10.0  # longest wait of a service for the worker. The node handles no messages meanwhile
MOTION_S = 0.1  # time over which the speed is measured


class MonitorChannel:
    """Subscriptions, a Monitor and publishers of one camera with one lidar.

    The Monitor is made with the first pair whose nominal calibration is known. The node's worker runs `process`.
    Services and diagnostics lock the Monitor, so they use it only while the worker does not. The executor calls its
    `wants` and `reset_before_next` without the lock.
    """

    def __init__(
        self, node: Node, settings: Settings, camera: str, lidar: str, tf: TfListener | None,
        put: Callable[[MonitorChannel, PairJob], PairJob | None], history: History | None,
        network_pose: NetworkPose | None, topics: InputTopics | None = None,
    ) -> None:  # fmt: skip
        self.name = " ".join(filter(None, (camera, lidar)))
        self.camera_frame = ""
        self._monitor: Monitor | None = None
        self._node, self._tf, self._put = node, tf, put
        self._history, self._network_pose = history, network_pose
        self._health = Health(settings.node, "watching")
        self._frame_names = ("", "")
        self._stamp = 0  # ns, of the newest pair
        self._busy = Lock()
        self._last_report: tuple[int, str, dict[str, Any]] | None = None  # of the monitor
        prefix = "".join(f"{name}/" for name in (camera, lidar) if name)
        self._drift = node.create_publisher(PoseWithCovarianceStamped, f"~/{prefix}drift", 10)
        self._verdict = node.create_publisher(DiagnosticArray, f"~/{prefix}verdict", LATCHED)
        self._inputs = Inputs(
            node, settings, camera, lidar, tf, self._health, self._hand_over, self._inputs_changed, topics
        )

    def close(self) -> None:
        """Destroy subscriptions and publishers."""
        if self._monitor is not None and self._monitor.history_error:
            self._node.get_logger().error(f"not recorded: {self._monitor.history_error}")
        self._inputs.close()
        for publisher in (self._drift, self._verdict):
            self._node.destroy_publisher(publisher)

    def jumped_back(self) -> None:
        """Start again after a jump of /clock."""
        self._inputs.jumped_back()

    def apply(self, settings: Settings) -> None:
        """Use new settings for the pairs that come from now on."""
        self._inputs.settings, self._health.settings = settings, settings.node

    def accept(self) -> str:
        """Count drift from the present state. Returns a text. Raises InputError."""
        with self._held() as monitor:
            monitor.accept()
            return f"drift is counted from the present state: epoch {monitor.rig.epoch}"

    def reset(self) -> str:
        """Remove all estimates. Returns a text. Raises InputError."""
        with self._held() as monitor:
            monitor.reset()
        return "all estimates are removed. The state that drift is counted from stays"

    def save(self, folder: Path) -> str:
        """Write the estimated calibration as YAML, URDF and command. Returns a text. Raises InputError."""
        with self._held() as monitor:
            verdict = monitor.verdict(self._stamp)
            pose = monitor.estimated(verdict)
            if pose is None:
                raise InputError("no estimate yet: there is nothing to save", "calibration.empty")
            pairs = sum(drift.frames for drift in monitor.test.kept)
            camera, lidar = self._frame_names
            written = write_calibration(folder, pose, verdict.half / INTERVAL, pairs, lidar, camera, "calibration")
        return f"written: {', '.join(map(str, written))}"

    def process(self, job: PairJob) -> None:
        """Add one pair to the monitor, and publish a finding. Runs in the worker.

        Raises DeviceError. A pair with any other error is dropped.
        """
        try:
            pair = self._inputs.decoded(job)
            self.camera_frame = job.camera_frame
            with self._busy:
                monitor = self._monitor_of(job)
                self._health.set_warning("optical", optical_doubt(pair, monitor.nominal, job.camera_frame))
                self._stamp = pair.stamp
                finding = monitor.add(pair, self._motion(job))
                self._health.set_warning("history", monitor.history_error)
                if finding is not None:
                    self._health.set_warning("nominal", "")
            self._health.completed(job.age_ms)
            if finding is not None:
                self._publish(job, finding)
        except InputError as error:
            self._health.drop(error.reason)
            self._inputs.warn(f"pair left out: {error}")
        except DeviceError:
            self._health.drop("device_lost")
            raise
        except Exception as error:
            if self._node.context.ok():  # otherwise the node has just been destroyed
                self._health.drop("exception")
                self._inputs.warn(f"pair left out: {type(error).__name__}: {error}")

    def report(self, busy_since: float | None) -> tuple[int, str, dict[str, Any]]:
        """Level, text and values for the diagnostics. `busy_since` is when the running pair began, or none."""
        level, text, values = self._health.report(busy_since)
        values = {**self._inputs.values, **values}
        if self._monitor is not None and self._busy.acquire(blocking=False):  # otherwise the last report holds
            try:
                self._last_report = self._findings(self._monitor)
            finally:
                self._busy.release()
        if self._last_report is None:
            return level, text, values
        level, text = max((level, text), self._last_report[:2], key=lambda one: one[0])
        return level, text, {**self._last_report[2], **values}

    def _findings(self, monitor: Monitor) -> tuple[int, str, dict[str, Any]]:
        """Level, text and values of the monitor. The caller holds the lock."""
        verdict = monitor.verdict(self._stamp)
        rig = {"vehicle": monitor.rig.vehicle, "epoch": monitor.rig.epoch, "windows": len(monitor.test.kept)}
        rig["history"] = monitor.history_error or monitor.settings.monitor.history or "off"
        left_out = {f"left_out.{reason.replace(' ', '_')}": n for reason, n in monitor.test.left_out.items()}
        return verdict.level.diagnostic, verdict.text, {**rig, **verdict_values(verdict.to_json()), **left_out}

    @contextmanager
    def _held(self) -> Iterator[Monitor]:
        """The monitor, locked. Raises InputError if there is none, or the worker uses it for longer than PATIENCE_S."""
        if not self._busy.acquire(timeout=PATIENCE_S):
            raise InputError("a window is being refined: ask again", "busy")
        try:
            if self._monitor is None:
                raise InputError("no pair with a nominal calibration yet", "calibration.missing")
            yield self._monitor
        finally:
            self._busy.release()

    def _hand_over(self, job: PairJob) -> None:
        """Give a job to the worker if the monitor wants its pair. A replaced job is no loss."""
        if self._monitor is None or self._monitor.wants(job.stamp):
            self._put(self, job)

    def _inputs_changed(self, reason: str) -> None:
        """Reset the monitor before the next pair: the calibration has changed, or time has jumped."""
        self._inputs.warn(f"estimates are removed: {reason}")
        if self._monitor is not None:
            self._monitor.reset_before_next()

    def _monitor_of(self, job: PairJob) -> Monitor:
        """The monitor for the frames of a job and their nominal calibration. If either has changed, it is a new one."""
        nominal = self._nominal(job)
        names = job.camera_frame, job.cloud_frame
        if self._monitor is None or names != self._frame_names or not self._monitor.has_nominal(nominal):
            rig = MonitoredRig(job.settings.monitor.vehicle, *names)
            new = Monitor(nominal, rig, job.settings, self._history, self._network_pose)
            if self._monitor is not None:
                new.unrecorded = self._monitor.unrecorded
                changed = self._changed(self._monitor.nominal, nominal, names)
                self._health.set_warning("nominal", changed)
                self._inputs.warn(changed)
            self._monitor, self._frame_names = new, names
        return self._monitor

    def _changed(self, before: Pose, after: Pose, names: tuple[str, str]) -> str:
        """What has changed, in words."""
        same = names == self._frame_names
        what = f"by {motion_text(before, after)}" if same else f"to {' and '.join(names)}"
        return f"{CHANGED} {what}: estimates start again"

    def _nominal(self, job: PairJob) -> Pose:
        """Nominal T_camera_lidar. Raises InputError."""
        source = job.settings.monitor.nominal
        if source != "tf":
            return read_nominal(Path(source).expanduser(), job.camera_frame, job.cloud_frame)
        assert self._tf is not None
        if job.camera_frame == job.cloud_frame:
            raise InputError(f"image and cloud have the same frame {job.camera_frame!r}", "calibration.frames")
        return self._tf.lookup(job.camera_frame, job.cloud_frame, job.stamp)

    def _motion(self, job: PairJob) -> Motion | None:
        """Motion of the lidar in node.odom_frame, or none if tf lacks it."""
        if self._tf is None:
            return None
        path = self._tf.trajectory(job.settings.node.odom_frame, job.cloud_frame, job.stamp, -MOTION_S, 0.0)
        return None if path is None else Motion.between(path.poses[0], path.poses[-1], MOTION_S)

    def _publish(self, job: PairJob, finding: Finding) -> None:
        verdict = finding.verdict
        head = messages.header(finding.drift.stamp, job.camera_frame)
        if np.isfinite(verdict.drift).all():
            pose, covariance = drift_transform(verdict.drift), drift_covariance(verdict.half)
            self._drift.publish(messages.pose_with_covariance(pose, covariance, head))
        name = f"{self._node.get_fully_qualified_name()}: calibration {self.name}".strip()
        level, values = LEVELS[verdict.level.diagnostic], verdict_values(verdict.to_json())
        entry = messages.diagnostic(level, name, verdict.text, values, job.camera_frame)
        self._verdict.publish(DiagnosticArray(header=head, status=[entry]))
