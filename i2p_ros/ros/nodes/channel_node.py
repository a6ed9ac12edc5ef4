# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the nodes share that work on pairs: a lifecycle, channels, one worker, parameters and diagnostics."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import product
from typing import Any, Generic, Protocol, TypeVar

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.exceptions import InvalidHandle, ROSInterruptException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import DeviceError, I2PError
from i2p_ros.ros import messages
from i2p_ros.ros.nodes.frames import Frames
from i2p_ros.ros.nodes.health import WARN
from i2p_ros.ros.nodes.job import Job
from i2p_ros.ros.nodes.worker import NewestWorker
from i2p_ros.ros.parameters import declared_settings, follow_changes

STOP_S = 1.0  # longest wait for the running pair at the end
LEVELS = (messages.OK, messages.WARN, messages.ERROR, messages.STALE)
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class StuckError(I2PError):
    """One pair has taken longer than node.exit_after_s."""


class PairChannel(Protocol):
    """A camera with a lidar."""

    name: str
    camera_frame: str

    def process(self, job: Job) -> None: ...

    def report(self, busy_since: float | None) -> tuple[int, str, dict[str, Any]]: ...

    def apply(self, settings: Settings) -> None: ...

    def jumped_back(self) -> None: ...

    def close(self) -> None: ...


C = TypeVar("C", bound=PairChannel)


class ChannelNode(LifecycleNode, Generic[C]):
    """Active, it has channels, each a camera with a lidar, whose jobs one worker takes in turn.

    With node.autostart it is active when it is made, and raises I2PError if that does not work. A node of its own has
    `work`, what diagnostics call it, and says how it is loaded, what it is then, and how a channel is made.
    """

    work = ""

    def __init__(self, name: str, **node_arguments: Any) -> None:
        super().__init__(name, automatically_declare_parameters_from_overrides=True, **node_arguments)
        self.settings = declared_settings(self)
        self._channels: list[C] = []
        self._frames: Frames | None = None
        self._worker: NewestWorker[C, Job] | None = None
        self._failure: I2PError | None = None
        self._lost: DeviceError | None = None
        follow_changes(self, lambda: self.settings, self._apply)
        self._refuse_wrong_transitions()
        self._report()

    def load(self) -> None:
        """Get what channels share; raises I2PError."""
        raise NotImplementedError

    def unload(self) -> None:
        """Give it back."""
        raise NotImplementedError

    def describe(self) -> str:
        """What is loaded, in a line."""
        raise NotImplementedError

    def facts(self) -> dict[str, str]:
        """What diagnostics say of that, whatever the channel."""
        raise NotImplementedError

    def needs_frames(self) -> bool:
        """Whether tf is listened to."""
        raise NotImplementedError

    def channel(self, camera: str, lidar: str, frames: Frames | None, put: Callable[[C, Job], Job | None]) -> C:
        """A channel of these names, subscribed."""
        raise NotImplementedError

    def start(self) -> None:
        """Configure and activate, with node.autostart; raises I2PError."""
        if not self.settings.node.autostart:
            return
        if self.trigger_configure() != SUCCESS or self.trigger_activate() != SUCCESS:
            raise self._failure or I2PError("cannot start the node")

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
        self._state_machine.destroy_when_not_in_use()  # rclpy leaves it, and its services are heard on
        super().destroy_node()

    def on_configure(self, state: Any) -> TransitionCallbackReturn:
        """Load and warm what channels share."""
        try:
            self.load()
        except Exception as error:
            self._lost = error if isinstance(error, DeviceError) else None
            self._tell("configure", error)
            return FAILURE
        return SUCCESS

    def on_activate(self, state: Any) -> TransitionCallbackReturn:
        """Subscribe."""
        try:
            self._set_up()
        except Exception as error:
            self._tell("activate", error)
            raise  # which leads to on_error
        self.get_logger().info(f"ready: {self.describe()}")
        return SUCCESS

    def on_deactivate(self, state: Any) -> TransitionCallbackReturn:
        """Give back all that is there for pairs."""
        self._take_down()
        return SUCCESS

    def on_cleanup(self, state: Any) -> TransitionCallbackReturn:
        """Give back what was loaded."""
        self.unload()
        return SUCCESS

    def on_shutdown(self, state: Any) -> TransitionCallbackReturn:
        """As both."""
        self._take_down()
        return self.on_cleanup(state)

    def on_error(self, state: Any) -> TransitionCallbackReturn:
        """Back to the start, from where it may be configured again."""
        self.get_logger().error("a transition failed: back to unconfigured")
        return self.on_shutdown(state)

    def _tell(self, transition: str, error: Exception) -> None:
        """Keep and say why it failed: rclpy would swallow it."""
        self._failure = error if isinstance(error, I2PError) else I2PError(f"{type(error).__name__}: {error}")
        self.get_logger().error(f"cannot {transition}: {self._failure}")

    def _set_up(self) -> None:
        """All that pairs need."""
        node = self.settings.node
        if self.needs_frames():
            self._frames = Frames(self, node.tf_timeout_s)
        self._worker = NewestWorker(self._process)
        for camera, lidar in product(_names(node.cameras), _names(node.lidars)):  # one that fails leaves those before
            self._channels.append(self.channel(camera, lidar, self._frames, self._worker.put))

    def _apply(self, settings: Settings) -> None:
        self.settings = settings
        for channel in self._channels:
            channel.apply(settings)

    def _process(self, channel: C, job: Job) -> None:
        """In the worker's thread, which must not raise."""
        try:
            channel.process(job)
        except DeviceError as error:
            self._lost = error
        except InvalidHandle:
            pass  # the channel was closed while the pair ran: nobody waits for the answer

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
        name = f"{self.get_fully_qualified_name()}: {self.work}"
        entries = [self._entry(f"{name} {channel.name}".strip(), channel) for channel in self._channels]
        if not entries:
            label = self._state_machine.current_state[1]
            entries = [messages.diagnostic(LEVELS[WARN], name, f"{label}: not active", {"lifecycle": label}, "")]
        head = messages.header(self.get_clock().now().nanoseconds, "")
        self._diagnostics.publish(DiagnosticArray(header=head, status=entries))
        self._end_if_hopeless()

    def _entry(self, name: str, channel: C) -> Any:
        level, text, values = channel.report(self._busy_since(channel))
        values = {"lifecycle": "active", **self.facts(), **values}
        return messages.diagnostic(LEVELS[level], name, text, values, channel.camera_frame)

    def _busy_since(self, channel: C | None = None) -> float | None:
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
