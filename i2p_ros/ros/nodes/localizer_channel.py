# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One camera with one lidar in the localizer node: from their messages to an answer for each pair."""

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
from i2p_ros.core.pose_directions import pose_directions
from i2p_ros.core.tracking import Tracker
from i2p_ros.core.types import Pair, PoseEstimate, Prior, Status
from i2p_ros.ros.nodes.calibration_files import RecentPoses
from i2p_ros.ros.nodes.health import Health
from i2p_ros.ros.nodes.input_topics import InputTopics
from i2p_ros.ros.nodes.inputs import RELIABLE, Inputs
from i2p_ros.ros.nodes.outputs import Outputs
from i2p_ros.ros.nodes.pair_job import PairJob
from i2p_ros.ros.nodes.priors import Priors
from i2p_ros.ros.nodes.tf_listener import TfListener
from i2p_ros.writers.calibration import write_calibration


class PairLocalizer(Protocol):
    """The part of i2p_ros.Localizer that the node uses."""

    def localize_pair(
        self, pair: Pair, prior: Prior | None = None, settings: Settings | None = None
    ) -> PoseEstimate: ...  # fmt: skip

    def describe(self) -> str: ...


class LocalizerChannel:
    """Subscriptions, pairing, tracking and publishers of one camera with one lidar.

    The node's executor runs the callbacks and all methods but `process`, which the node's worker runs. `put` gives a
    job to the worker. Each job carries the settings of its pair: the worker reads no others.
    """

    def __init__(
        self, node: Node, settings: Settings, camera: str, lidar: str, tf: TfListener | None,
        put: Callable[[LocalizerChannel, PairJob], PairJob | None], localizer: PairLocalizer,
        topics: InputTopics | None = None,
    ) -> None:  # fmt: skip
        self.name = " ".join(filter(None, (camera, lidar)))
        self.health = Health(settings.node)
        self.camera_frame = ""
        self.wanted = 0  # pairs to localize although the node is disabled
        self.enabled = True
        self._node, self._put, self._localizer = node, put, localizer
        self._frame_names: tuple[str, str] | None = None  # of the tracked pose: camera and cloud
        self._resets: deque[str] = deque(maxlen=1)  # reason of a reset before the next pair. A deque is thread-safe
        self._tracker = Tracker(settings.tracking)
        self._priors = Priors(self._tracker, tf)
        self._poses = RecentPoses()
        self._outputs = Outputs(node, tf, camera, lidar)
        self._inputs = Inputs(node, settings, camera, lidar, tf, self.health, self._hand_over, self.forget, topics)
        if settings.tracking.prior in ("constant_velocity", "odometry"):
            self._inputs.listen(PoseWithCovarianceStamped, "/initialpose", self._priors.give, RELIABLE)

    def report(self, busy_since: float | None) -> tuple[int, str, dict[str, Any]]:
        """Level, text and values for the diagnostics. `busy_since` is when the running pair began, or none."""
        level, text, values = self.health.report(busy_since)
        return level, text, {**self.state, **self._inputs.values, **values}

    @property
    def state(self) -> dict[str, str]:
        """State of the tracker and the reason for it."""
        return {"state": self._tracker.state.value, "state_reason": self._tracker.reason}

    def close(self) -> None:
        """Destroy subscriptions and publishers."""
        self._inputs.close()
        self._outputs.close()

    def forget(self, reason: str) -> None:
        """Reset the tracker before the next pair."""
        self._resets.append(reason)

    def jumped_back(self) -> None:
        """Start again after a jump of /clock. Messages that wait are paired before, or counted as dropped."""
        self._inputs.jumped_back()

    def apply(self, settings: Settings) -> None:
        """Use new settings for the pairs that come from now on."""
        self._inputs.settings, self.health.settings = settings, settings.node

    def save_calibration(self, folder: Path) -> list[Path]:
        """Files of the median of the recent poses. Raises InputError if there are none, or they cannot be written."""
        camera, lidar = self._frame_names or ("", "")
        pose, std, count = self._poses.median()
        return write_calibration(folder, pose, std, count, lidar, camera)

    def process(self, job: PairJob) -> None:
        """Answer one pair. Runs in the worker.

        Raises DeviceError, and InvalidHandle if the channel was closed meanwhile. All other errors become an answer.
        """
        try:
            pair = self._inputs.decoded(job)
            decode_s = job.age_ms / 1e3  # from the arrival of the pair to the start of the localizer
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
            if self._node.context.ok():  # otherwise the node has just been destroyed
                self._refuse(job, Status.NOT_PROCESSED, "exception", f"{type(error).__name__}: {error}")

    def _hand_over(self, job: PairJob) -> None:
        if not self.enabled and not self.wanted:
            self._refuse(job, Status.NOT_PROCESSED, "disabled", "the node is not enabled: see ~/set_enabled")
            return
        self.wanted = max(self.wanted - 1, 0)
        overtaken = self._put(self, job)
        if overtaken is not None:
            self._refuse(overtaken, Status.NOT_PROCESSED, "busy", "a newer pair arrived before this one was processed")

    def _tracked(self, job: PairJob, pair: Pair) -> PoseEstimate:
        """The localizer's estimate after the tracker's gate, with the prior that the settings ask for."""
        self._tracker.settings = job.settings.tracking
        self._reset_if_due(job)
        found = self._localizer.localize_pair(pair, self._prior(job), job.settings)
        if job.settings.tracking.prior in ("odometry", "tf"):
            self._inputs.checks.compare(found, self._tracker.prediction)
        estimate = self._tracker.judge(job.stamp, found)
        if estimate.pose is not None:
            self._poses.add(estimate.pose)
        return estimate

    def _reset_if_due(self, job: PairJob) -> None:
        """Reset the tracker if that was requested, or the frames have changed."""
        reasons = [self._resets.pop()] if self._resets else []  # only the worker removes one
        frames = job.camera_frame, job.cloud_frame
        if frames != self._frame_names:
            self._frame_names = frames
            reasons.append(f"frames are now {' and '.join(frames)}")
        if reasons:
            self._tracker.reset("; ".join(reasons))
            self._poses.clear()

    def _prior(self, job: PairJob) -> Prior | None:
        """The prior of a pair, or none. If tf lacks a transform, the pair is localized without a prior."""
        try:
            return self._priors.of(job)
        except InputError as error:
            self._tracker.clear_prediction()
            self.health.missing_prior(error.reason)
            self._inputs.warn(f"no prior: {error}")
            return None

    def _answer(self, job: PairJob, estimate: PoseEstimate, seconds: dict[str, float]) -> None:
        """Publish the status of a localized pair, with the `seconds` of each stage."""
        self.camera_frame = job.camera_frame
        self.health.answered(estimate, job.age_ms, job.gap_ms)
        values = {
            **self.state,
            "inliers": estimate.n_inliers,
            "residual_px": estimate.residual_px,
            "confidence": estimate.confidence,
            "degrees_of_freedom": estimate.degrees_of_freedom,
            **{f"seen.{axis}": word for axis, word in pose_directions(estimate).items()},
            "gap_ms": job.gap_ms,
            "latency_ms": job.age_ms,
            **{f"seconds.{stage}": value for stage, value in seconds.items()},
        }
        self._outputs.status(job, estimate.status, estimate.reason, values)

    def _refuse(self, job: PairJob, status: Status, reason: str, text: str) -> None:
        """Publish the status of a pair that was not localized. Warns, unless the node is busy or disabled."""
        self.health.drop(reason)
        if reason not in ("busy", "disabled"):
            self._inputs.warn(f"pair dropped: {text}")
        values = {"reason": reason, **self.state, "inliers": 0, "latency_ms": job.age_ms}
        self._outputs.status(job, status, text, values)
