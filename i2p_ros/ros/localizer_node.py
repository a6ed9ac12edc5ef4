# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Node `localizer`: image, camera_info and points in; pose, tf, overlay, status and diagnostics out."""

from __future__ import annotations

import gc
import time
from itertools import product
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.exceptions import ROSInterruptException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import DeviceError, I2PError
from i2p_ros.ros import messages
from i2p_ros.ros.channel import Channel, PairLocalizer
from i2p_ros.ros.frames import Frames
from i2p_ros.ros.health import WARN
from i2p_ros.ros.job import Job
from i2p_ros.ros.parameters import declared_settings, follow_changes
from i2p_ros.ros.services import Services
from i2p_ros.ros.worker import NewestWorker

STOP_S = 1.0  # longest wait for the running pair at the end
LEVELS = (messages.OK, messages.WARN, messages.ERROR, messages.STALE)
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class StuckError(I2PError):
    """One pair has taken longer than node.exit_after_s."""


class LocalizerNode(LifecycleNode):
    """Pairs what arrives, and answers every pair on ~/status: with a pose, or with the reason why there is none.

    Configured, it has the model; active, it has channels, each a camera with a lidar, that share the model. With
    node.autostart it is active when it is made, and raises I2PError if that does not work.
    """

    def __init__(self, localizer: PairLocalizer | None = None, **node_arguments: Any) -> None:
        super().__init__("localizer", automatically_declare_parameters_from_overrides=True, **node_arguments)
        self.settings = declared_settings(self)
        self._given, self._localizer = localizer, localizer
        self._channels: list[Channel] = []
        self._frames: Frames | None = None
        self._worker: NewestWorker[Channel, Job] | None = None
        self._failure: I2PError | None = None
        self._lost: DeviceError | None = None
        follow_changes(self, lambda: self.settings, self._apply)
        self._refuse_wrong_transitions()
        Services(self, lambda: self._channels, Path(self.settings.node.calibration_dir).expanduser())
        self._report()
        if self.settings.node.autostart:
            self._start()

    def run(self) -> None:
        """Spin until somebody ends it. An error in one callback does not end it."""
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(self)
        while True:
            try:
                executor.spin()
                return
            except (KeyboardInterrupt, ExternalShutdownException, ROSInterruptException, StuckError, DeviceError):
                raise
            except Exception as error:
                if not self.context.ok():
                    return
                self.get_logger().error(f"in a callback: {type(error).__name__}: {error}", throttle_duration_sec=1.0)

    def destroy_node(self) -> None:
        """Let the running pair end, then take the node down."""
        self._take_down()
        super().destroy_node()

    def on_configure(self, state: Any) -> TransitionCallbackReturn:
        """Load and warm the model."""
        try:
            self._localizer = self._given or _loaded(self.settings)
        except Exception as error:
            self._failure = error if isinstance(error, I2PError) else I2PError(f"{type(error).__name__}: {error}")
            self._lost = error if isinstance(error, DeviceError) else None
            self.get_logger().error(f"cannot configure: {self._failure}")
            return FAILURE
        return SUCCESS

    def on_activate(self, state: Any) -> TransitionCallbackReturn:
        """Subscribe."""
        node, localizer = self.settings.node, self._localizer
        assert localizer is not None
        asked = self.settings.tracking.prior != "none" or node.base_frame or node.tf_mode == "map_to_odom"
        if asked or node.motion_compensation:
            self._frames = Frames(self, node.tf_timeout_s)
        self._worker = NewestWorker(lambda channel, job: self._localize(localizer, channel, job))
        put = self._worker.put
        self._channels = [
            Channel(self, self.settings, camera, lidar, self._frames, put)
            for camera, lidar in product(_names(node.cameras), _names(node.lidars))
        ]
        self.get_logger().info(f"ready: {localizer.describe()}")
        return SUCCESS

    def on_deactivate(self, state: Any) -> TransitionCallbackReturn:
        """Give back all that is there for pairs."""
        self._take_down()
        return SUCCESS

    def on_cleanup(self, state: Any) -> TransitionCallbackReturn:
        """Give the model back."""
        self._localizer = None
        gc.collect()
        return SUCCESS

    def on_shutdown(self, state: Any) -> TransitionCallbackReturn:
        """As both."""
        self._take_down()
        return self.on_cleanup(state)

    def on_error(self, state: Any) -> TransitionCallbackReturn:
        """Back to the start, from where it may be configured again."""
        self.get_logger().error("a transition failed: back to unconfigured")
        return self.on_shutdown(state)

    def _start(self) -> None:
        done = self.trigger_configure()
        if done != SUCCESS:
            raise self._failure or I2PError("cannot configure the node")
        if self.trigger_activate() != SUCCESS:
            raise I2PError("cannot activate the node")

    def _apply(self, settings: Settings) -> None:
        self.settings = settings
        if self._localizer is not None:
            self._localizer.settings = settings
        for channel in self._channels:
            channel.apply(settings)

    def _localize(self, localizer: PairLocalizer, channel: Channel, job: Job) -> None:
        """In the worker's thread, which must not raise."""
        try:
            channel.localize(localizer, job)
        except DeviceError as error:
            self._lost = error

    def _take_down(self) -> None:
        if self._worker is not None:
            self._worker.stop(STOP_S)
        for channel in self._channels:
            channel.close()
        if self._frames is not None:
            self._frames.close()
        self._channels, self._frames, self._worker = [], None, None

    def _refuse_wrong_transitions(self) -> None:
        """A transition that its state does not have raises out of rclpy's service, and ends the node (rclpy #1209)."""
        service = self._service_change_state
        change = service.callback

        def guarded(request: Any, response: Any) -> Any:
            try:
                return change(request, response)
            except Exception as error:
                self.get_logger().error(f"transition {request.transition.id} refused: {error}")
                response.success = False
                return response

        service.callback = guarded

    def _report(self) -> None:
        """Diagnostics, by a clock that goes on when /clock does not; and a look at /clock's jumps."""
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(self.settings.node.diagnostics_s, self._diagnose, clock=steady)
        back = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1))
        self._jumps = self.get_clock().create_jump_callback(back, post_callback=self._on_jump)

    def _on_jump(self, jump: Any) -> None:
        """Jumps forward are seen by stamps: the first /clock is one too."""
        for channel in self._channels:
            channel.jumped_back()

    def _diagnose(self) -> None:
        """One entry a channel; one that says so while there is none."""
        name = f"{self.get_fully_qualified_name()}: localization"
        entries = [self._entry(f"{name} {channel.name}".strip(), channel) for channel in self._channels]
        if not entries:
            label = self._state_machine.current_state[1]
            entries = [messages.diagnostic(LEVELS[WARN], name, f"{label}: not active", {"lifecycle": label}, "")]
        head = messages.header(self.get_clock().now().nanoseconds, "")
        self._diagnostics.publish(DiagnosticArray(header=head, status=entries))
        self._end_if_hopeless()

    def _entry(self, name: str, channel: Channel) -> Any:
        level, text, values = channel.health.report(self._busy_since(channel))
        runtime = self._localizer.describe() if self._localizer else ""
        known = {
            "lifecycle": "active",
            "model": self.settings.model,
            "device": self.settings.device,
            "runtime": runtime,
        }
        values = {**known, **channel.known, **values}
        return messages.diagnostic(LEVELS[level], name, text, values, channel.camera_frame)

    def _busy_since(self, channel: Channel | None = None) -> float | None:
        """When the running pair began, if there is one (of that channel)."""
        busy = self._worker.busy if self._worker else None
        return busy[1] if busy and channel in (None, busy[0]) else None

    def _end_if_hopeless(self) -> None:
        if self._lost is not None:
            raise self._lost
        limit, since = self.settings.node.exit_after_s, self._busy_since()
        if limit and since is not None and time.monotonic() - since > limit:
            raise StuckError(f"one pair has been running for more than {limit:g} s: the node ends itself")


def _names(listed: str) -> list[str]:
    """Names between commas; one without a name if there are none."""
    return [name.strip() for name in listed.split(",") if name.strip()] or [""]


def _loaded(settings: Settings) -> PairLocalizer:
    """The real localizer, warm; raises ModelError. The heavy import waits until it is needed."""
    from i2p_ros.localizer import load

    localizer = load(settings.model, settings)
    localizer.warm_up()
    return localizer
