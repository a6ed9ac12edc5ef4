# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One camera with one lidar, from their messages to an answer for every pair."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from i2p_ros.core.config import Settings
from i2p_ros.core.deskew import deskewed
from i2p_ros.core.errors import DeviceError, InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.messages import stamp_of
from i2p_ros.core.pairing import Pairer
from i2p_ros.core.tracking import Tracker
from i2p_ros.core.types import Pair, PointCloud, PoseEstimate, Prior, Status
from i2p_ros.ros.calibration import write_calibration
from i2p_ros.ros.frames import Frames
from i2p_ros.ros.health import Health
from i2p_ros.ros.job import Job
from i2p_ros.ros.outputs import Outputs
from i2p_ros.ros.priors import Priors
from i2p_ros.ros.watching import Watch

CALIBRATION_POSES = 200  # that a calibration is made of
QUEUE = 5  # messages, as many as rmw_qos_profile_sensor_data has
BEST_EFFORT, RELIABLE = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE


Stamped = tuple[int, Any]  # a message, and the time to pair it by, ns


class PairLocalizer(Protocol):
    """What the node needs of i2p_ros.Localizer. `settings` may change between pairs."""

    settings: Settings

    def localize_pair(self, pair: Pair, prior: Prior | None = None) -> PoseEstimate: ...

    def describe(self) -> str: ...


class Channel:
    """Subscriptions, pairing, the pose that is tracked, and the publishers. `put` gives a job to the node's worker.

    Callbacks run in the node's executor, `localize` in its worker; all else is called by the executor.
    """

    def __init__(
        self, node: Node, settings: Settings, camera: str, lidar: str, frames: Frames | None,
        put: Callable[[Channel, Job], Job | None],
    ) -> None:  # fmt: skip
        self.settings, self.name = settings, " ".join(filter(None, (camera, lidar)))
        self.health = Health(settings.node)
        self.camera_frame = ""
        self.wanted = 0  # pairs to take although the node is not enabled
        self.enabled = True
        self._node, self._frames, self._put = node, frames, put
        self._info: CameraInfo | None = None
        self._frame_names: tuple[str, str] | None = None  # that the tracker's pose belongs to
        self._forgotten: str | None = None  # why the tracker is to be reset before the next pair
        self._tracker = Tracker(settings.tracking)
        self._priors = Priors(settings, self._tracker, frames)
        self._poses: deque[Pose] = deque(maxlen=CALIBRATION_POSES)  # accepted, T_camera_cloud
        self._watch = Watch(self.health, node.get_logger().warning)
        pairing = settings.pairing
        offsets = int(pairing.time_offset_s * 1e9), int(pairing.image_time_offset_s * 1e9)
        self._pairer: Pairer[Stamped, Stamped] = Pairer(int(pairing.slop_s * 1e9), *offsets)
        prefix = "".join(f"{name}/" for name in (camera, lidar) if name)
        self._outputs = Outputs(node, settings.node, frames, prefix)
        self._subscriptions: list[Any] = []
        self._subscribe(f"{camera}/" if camera else "", f"{lidar}/" if lidar else "")

    @property
    def known(self) -> dict[str, Any]:
        """What diagnostics say of calibration, tracker, gap between the sensors, and what `Watch` has noticed."""
        gap = self._pairer.median_gap_ns()
        source = f"{self._info_topic}, {'P of a rectified image' if self._rectified else 'K and D'}"
        values = {"calibration": source, **self.state, **self._watch.values}
        return values if gap is None else {**values, "median_gap_ms": gap / 1e6}

    @property
    def state(self) -> dict[str, str]:
        """How it stands with the tracker, for people."""
        return {"state": self._tracker.state.value, "state_reason": self._tracker.reason}

    def close(self) -> None:
        """Give everything back."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._outputs.close()

    def forget(self, reason: str) -> None:
        """Start tracking anew."""
        self._forgotten = reason

    def jumped_back(self) -> None:
        """Start anew, for /clock has jumped. What waits for a partner is paired before, or counted."""
        self._collect(self._pairer.reset, self._node.get_clock().now().nanoseconds)

    def apply(self, settings: Settings) -> None:
        """Take over settings that may change at any time, from the next pair on."""
        self.settings = settings
        self.health.settings, self._outputs.settings = settings.node, settings.node
        self._tracker.settings, self._priors.settings = settings.tracking, settings

    def save_calibration(self, folder: Path) -> list[Path]:
        """Files with where the camera is to the lidar, by the poses of late; raises InputError."""
        frames = self._frame_names or ("", "")
        return write_calibration(folder, list(self._poses), lidar=frames[1], camera=frames[0])

    def localize(self, localizer: PairLocalizer, job: Job) -> None:
        """The whole way of one pair, in the worker's thread. This is the border: DeviceError alone is raised."""
        try:
            pair = self._decoded(job)
            decode_s = job.age_ms / 1e3
            estimate = self._tracked(localizer, job, pair)
            self._outputs.pose(job, estimate)
            self._answer(job, estimate, {"decode": decode_s} | estimate.seconds)
            self._outputs.pictures(job, pair, estimate)
        except InputError as error:
            self._refuse(job, Status.BAD_INPUT, error.reason, str(error))
        except DeviceError as error:
            self._refuse(job, Status.NOT_PROCESSED, "device_lost", str(error))
            raise
        except Exception as error:
            if self._node.context.ok():  # else the node has just been taken down
                self._refuse(job, Status.NOT_PROCESSED, "exception", f"{type(error).__name__}: {error}")

    def _subscribe(self, camera: str, lidar: str) -> None:
        """camera_info comes first, so that of what arrives together it is read first."""
        node, kind, topic = self.settings.node, Image, self._node.resolve_topic_name(f"{camera}image")
        self._rectified = node.lens == "rectified" or (node.lens == "auto" and "rect" in topic.rpartition("/")[2])
        if node.image_transport == "compressed":  # a remap of `image` alone would not reach image/compressed
            kind, topic = CompressedImage, f"{topic}/compressed"
        self._info_topic = self._node.resolve_topic_name(f"{camera}camera_info")
        self._listen(CameraInfo, f"{camera}camera_info", self._on_info, BEST_EFFORT)
        self._listen(kind, topic, lambda message: self._on_input("image", message), BEST_EFFORT)
        self._listen(PointCloud2, f"{lidar}points", lambda message: self._on_input("points", message), BEST_EFFORT)
        if self.settings.tracking.prior in ("constant_velocity", "odometry"):
            self._listen(PoseWithCovarianceStamped, "/initialpose", self._priors.give, RELIABLE)

    def _listen(self, kind: type, topic: str, callback: Any, reliability: ReliabilityPolicy) -> None:
        """A few are kept while the node is held up, or an image would miss its cloud. Overrides change the profile."""

        def incompatible(event: Any) -> None:
            policy = qos_policy_name_from_kind(event.last_policy_kind)
            self.health.drop("qos.incompatible")
            self._say(f"{name}: a publisher's {policy} does not fit this node's {qos}; see qos_overrides.{name}")

        name, qos = self._node.resolve_topic_name(topic), reliability.name
        self._subscriptions.append(
            self._node.create_subscription(
                kind, topic, callback, QoSProfile(depth=QUEUE, reliability=reliability),
                event_callbacks=SubscriptionEventCallbacks(incompatible_qos=incompatible),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
        )  # fmt: skip

    def _on_info(self, message: CameraInfo) -> None:
        self.health.arrived("camera_info")
        self._info = message

    def _on_input(self, kind: str, message: Any) -> None:
        """Pair the message by its stamp."""
        self.health.arrived(kind)
        now = self._node.get_clock().now().nanoseconds or None
        try:
            stamp = stamp_of(message, now, self.settings.pairing.use_arrival_time)
        except InputError as error:
            self.health.drop(error.reason)
            self._say(f"{kind} dropped: {error}")
            return
        add = self._pairer.add_image if kind == "image" else self._pairer.add_cloud
        self._collect(lambda: add(stamp, (stamp, message)), stamp)

    def _collect(self, pairing: Callable[[], list[tuple[Stamped, Stamped, int]]], now: int) -> None:
        """Hand over the pairs that the pairer gives, and count what it drops; start anew if time has jumped."""
        before = self._pairer.dropped.copy()
        pairs = pairing()
        dropped = self._pairer.dropped - before
        for reason in dropped.elements():
            self.health.drop(reason)
        if dropped["time_reset"]:
            self.forget("time has jumped")
            if self._frames is not None:
                self._frames.clear_if_ahead(now)
        for (stamp, image), (_, cloud), gap in pairs:
            self._hand_over(Job(image, cloud, self._info, stamp, gap / 1e6))

    def _hand_over(self, job: Job) -> None:
        if not self.enabled and not self.wanted:
            self._refuse(job, Status.NOT_PROCESSED, "disabled", "the node is not enabled: see ~/set_enabled")
            return
        self.wanted = max(self.wanted - 1, 0)
        overtaken = self._put(self, job)
        if overtaken is not None:
            self._refuse(overtaken, Status.NOT_PROCESSED, "busy", "a newer pair came before this one's turn")

    def _decoded(self, job: Job) -> Pair:
        """The pair, looked at by `Watch`, its cloud as at the time of the image; raises InputError."""
        pair = job.decoded(self._rectified, self.settings.node.intensity_field)
        if changed := self._watch.pair(pair):
            self._forgotten = changed
        return replace(pair, cloud=self._compensated(job, pair.cloud))

    def _compensated(self, job: Job, cloud: PointCloud) -> PointCloud:
        """The cloud as it would have been seen at the time of the image, where tf knows how the lidar moved."""
        if not self.settings.node.motion_compensation or self._frames is None:
            return cloud
        time = job.gap_ms / 1e3
        cloud, why = deskewed(cloud, None, time)
        if why == "deskew.no_motion" and cloud.time is not None:
            first, last = min(float(cloud.time.min()), time), max(float(cloud.time.max()), time)
            odom = self.settings.node.odom_frame
            trajectory = self._frames.trajectory(odom, job.cloud_frame, job.cloud_stamp, first, last)
            cloud, why = deskewed(cloud, trajectory, time)
        if why:
            self._watch.once(why, f"clouds are taken as they come, without motion compensation: {why}")
        return cloud

    def _tracked(self, localizer: PairLocalizer, job: Job, pair: Pair) -> PoseEstimate:
        """The localizer's answer, told what to expect and compared with it."""
        frames = job.camera_frame, job.cloud_frame
        if frames != self._frame_names:
            self._frame_names, self._forgotten = frames, f"frames are now {' and '.join(frames)}"
        if self._forgotten is not None:
            self._tracker.reset(self._forgotten)
            self._poses.clear()
            self._forgotten = None
        found = localizer.localize_pair(pair, self._expected(job))
        if self.settings.tracking.prior in ("odometry", "tf"):
            self._watch.compare(found, self._tracker.prediction)
        estimate = self._tracker.judge(job.stamp, found)
        if estimate.pose is not None:
            self._poses.append(estimate.pose)
        return estimate

    def _expected(self, job: Job) -> Prior | None:
        """The prior of a pair, if there is one. What tf does not know is said, and the pair goes without."""
        try:
            return self._priors.of(job)
        except InputError as error:
            self._tracker.expect_nothing()
            self.health.missing_prior(error.reason)
            self._say(f"no prior: {error}")
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
            self._say(f"pair dropped: {text}")
        values = {"reason": reason, **self.state, "inliers": 0, "latency_ms": job.age_ms}
        self._outputs.status(job, status, text, values)

    def _say(self, text: str) -> None:
        """Warn, at most once a second."""
        self._node.get_logger().warning(text, throttle_duration_sec=1.0)
