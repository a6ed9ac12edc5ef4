# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One camera with one lidar, from their messages to an answer for every pair."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.exceptions import InvalidHandle
from rclpy.node import Node

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import DeviceError, InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.tracking import Tracker
from i2p_ros.core.types import Pair, PoseEstimate, Prior, Status
from i2p_ros.ros.nodes.calibration import centre_of, write_calibration
from i2p_ros.ros.nodes.frames import Frames
from i2p_ros.ros.nodes.health import Health
from i2p_ros.ros.nodes.inputs import RELIABLE, Inputs
from i2p_ros.ros.nodes.job import Job
from i2p_ros.ros.nodes.outputs import Outputs
from i2p_ros.ros.nodes.priors import Priors

CALIBRATION_POSES = 200  # that a calibration is made of


class PairLocalizer(Protocol):
    """What the node needs of i2p_ros.Localizer. `settings` may change between pairs."""

    settings: Settings

    def localize_pair(self, pair: Pair, prior: Prior | None = None) -> PoseEstimate: ...

    def describe(self) -> str: ...


class Channel:
    """Subscriptions, pairing, the pose that is tracked, and the publishers. `put` gives a job to the node's worker.

    Callbacks run in the node's executor, `process` in its worker; all else is called by the executor.
    """

    def __init__(
        self, node: Node, settings: Settings, camera: str, lidar: str, frames: Frames | None,
        put: Callable[[Channel, Job], Job | None], localizer: PairLocalizer,
    ) -> None:  # fmt: skip
        self.settings, self.name = settings, " ".join(filter(None, (camera, lidar)))
        self.health = Health(settings.node)
        self.camera_frame = ""
        self.wanted = 0  # pairs to take although the node is not enabled
        self.enabled = True
        self._node, self._put, self._localizer = node, put, localizer
        self._frame_names: tuple[str, str] | None = None  # that the tracker's pose belongs to
        self._forgotten: str | None = None  # why the tracker is to be reset before the next pair
        self._tracker = Tracker(settings.tracking)
        self._priors = Priors(settings, self._tracker, frames)
        self._poses: deque[Pose] = deque(maxlen=CALIBRATION_POSES)  # accepted, T_camera_cloud
        self._outputs = Outputs(node, settings.node, frames, camera, lidar)
        self._inputs = Inputs(node, settings, camera, lidar, frames, self.health, self._hand_over, self.forget)
        if settings.tracking.prior in ("constant_velocity", "odometry"):
            self._inputs.listen(PoseWithCovarianceStamped, "/initialpose", self._priors.give, RELIABLE)

    def report(self, busy_since: float | None) -> tuple[int, str, dict[str, Any]]:
        """Level, one line and values for diagnostics; `busy_since` is when its running pair began."""
        level, text, values = self.health.report(busy_since)
        return level, text, {**self.state, **self._inputs.known, **values}

    @property
    def state(self) -> dict[str, str]:
        """How it stands with the tracker, for people."""
        return {"state": self._tracker.state.value, "state_reason": self._tracker.reason}

    def close(self) -> None:
        """Give everything back."""
        self._inputs.close()
        self._outputs.close()

    def forget(self, reason: str) -> None:
        """Start tracking anew."""
        self._forgotten = reason

    def jumped_back(self) -> None:
        """Start anew, for /clock has jumped. What waits for a partner is paired before, or counted."""
        self._inputs.jumped_back()

    def apply(self, settings: Settings) -> None:
        """Take over settings that may change at any time, from the next pair on."""
        self.settings = self._inputs.settings = settings
        self.health.settings, self._outputs.settings = settings.node, settings.node
        self._tracker.settings, self._priors.settings = settings.tracking, settings

    def save_calibration(self, folder: Path) -> list[Path]:
        """Files with where the camera is to the lidar, by the poses of late; raises InputError."""
        camera, lidar = self._frame_names or ("", "")
        poses = list(self._poses)  # at once: the worker adds to them
        pose, std = centre_of(poses)
        return write_calibration(folder, pose, std, len(poses), lidar, camera)

    def process(self, job: Job) -> None:
        """The whole way of one pair, in the worker's thread. This is the border: DeviceError alone is raised, and
        InvalidHandle where the channel was closed meanwhile."""
        try:
            pair = self._inputs.decoded(job)
            decode_s = job.age_ms / 1e3
            estimate = self._tracked(job, pair)
            self._outputs.pose(job, estimate)
            self._answer(job, estimate, {"decode": decode_s} | estimate.seconds)
            self._outputs.pictures(job, pair, estimate)
        except InputError as error:
            self._refuse(job, Status.BAD_INPUT, error.reason, str(error))
        except DeviceError as error:
            self._refuse(job, Status.NOT_PROCESSED, "device_lost", str(error))
            raise
        except InvalidHandle:
            raise
        except Exception as error:
            if self._node.context.ok():  # else the node has just been taken down
                self._refuse(job, Status.NOT_PROCESSED, "exception", f"{type(error).__name__}: {error}")

    def _hand_over(self, job: Job) -> None:
        if not self.enabled and not self.wanted:
            self._refuse(job, Status.NOT_PROCESSED, "disabled", "the node is not enabled: see ~/set_enabled")
            return
        self.wanted = max(self.wanted - 1, 0)
        overtaken = self._put(self, job)
        if overtaken is not None:
            self._refuse(overtaken, Status.NOT_PROCESSED, "busy", "a newer pair came before this one's turn")

    def _tracked(self, job: Job, pair: Pair) -> PoseEstimate:
        """The localizer's answer, told what to expect and compared with it."""
        frames = job.camera_frame, job.cloud_frame
        if frames != self._frame_names:
            self._frame_names, self._forgotten = frames, f"frames are now {' and '.join(frames)}"
        reason, self._forgotten = self._forgotten, None  # first: the executor may say it again meanwhile
        if reason is not None:
            self._tracker.reset(reason)
            self._poses.clear()
        found = self._localizer.localize_pair(pair, self._expected(job))
        if self.settings.tracking.prior in ("odometry", "tf"):
            self._inputs.watch.compare(found, self._tracker.prediction)
        estimate = self._tracker.judge(job.stamp, found)
        if estimate.pose is not None:
            self._poses.append(estimate.pose)
        return estimate

    def _expected(self, job: Job) -> Prior | None:
        """The prior of a pair, if there is one. What tf does not know is said, and the pair goes without."""
        try:
            return self._priors.of(job)
        except InputError as error:
            self._tracker.clear_prediction()
            self.health.missing_prior(error.reason)
            self._inputs.say(f"no prior: {error}")
            return None

    def _answer(self, job: Job, estimate: PoseEstimate, seconds: dict[str, float]) -> None:
        """Tell how a pair ended. `decode` is the time from its arrival to the start of the localizer."""
        self.camera_frame = job.camera_frame
        self.health.answered(estimate, job.age_ms, job.gap_ms)
        values = {
            **self.state,
            "inliers": estimate.n_inliers,
            "residual_px": estimate.residual_px,
            "confidence": estimate.confidence,
            "gap_ms": job.gap_ms,
            "latency_ms": job.age_ms,
            **{f"seconds.{stage}": value for stage, value in seconds.items()},
        }
        self._outputs.status(job, estimate.status, estimate.reason, values)

    def _refuse(self, job: Job, status: Status, reason: str, text: str) -> None:
        """Tell that a pair got no answer; being busy is nothing to warn of each time."""
        self.health.drop(reason)
        if reason not in ("busy", "disabled"):
            self._inputs.say(f"pair dropped: {text}")
        values = {"reason": reason, **self.state, "inliers": 0, "latency_ms": job.age_ms}
        self._outputs.status(job, status, text, values)
