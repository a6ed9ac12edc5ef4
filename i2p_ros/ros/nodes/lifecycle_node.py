# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The common part of localizer and drift_monitor: lifecycle, channels, one worker, parameters and diagnostics."""

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
from i2p_ros.ros.nodes.health import WARN
from i2p_ros.ros.nodes.input_topics import InputTopics
from i2p_ros.ros.nodes.pair_job import PairJob
from i2p_ros.ros.nodes.tf_listener import TfListener
from i2p_ros.ros.nodes.topic_search import TopicSearch
from i2p_ros.ros.nodes.worker import NewestWorker
from i2p_ros.ros.parameters import declared_settings, follow_changes

STOP_S = 1.0  # longest wait for the running pair at the end
LEVELS = (messages.OK, messages.WARN, messages.ERROR, messages.STALE)
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class StuckError(I2PError):
    """The processing of one pair takes longer than node.exit_after_s."""


class PairChannel(Protocol):
    """One camera with one lidar."""

    name: str
    camera_frame: str

    def process(self, job: PairJob) -> None: ...

    def report(self, busy_since: float | None) -> tuple[int, str, dict[str, Any]]: ...

    def apply(self, settings: Settings) -> None: ...

    def jumped_back(self) -> None: ...

    def close(self) -> None: ...


C = TypeVar("C", bound=PairChannel)


class PairLifecycleNode(LifecycleNode, Generic[C]):
    """A lifecycle node that processes pairs. When active, it has a channel for each camera with each lidar.

    One worker runs the jobs of all channels, up to `jobs_at_once` of them at a time. With node.autostart the
    constructor activates the node, and raises I2PError if that fails. A subclass names its `work` for the diagnostics,
    and defines the methods that raise NotImplementedError here.
    """

    work = ""
    jobs_at_once = 1

    def __init__(self, name: str, **node_arguments: Any) -> None:
        # these come first: the context of Kilted destroys nodes too whose constructor has failed
        self._channels: list[C] = []
        self._tf: TfListener | None = None
        self._worker: NewestWorker[C, PairJob] | None = None
        self._search: TopicSearch | None = None
        self._failure: I2PError | None = None
        self._lost: DeviceError | None = None
        super().__init__(name, automatically_declare_parameters_from_overrides=True, **node_arguments)
        self.settings = declared_settings(self)
        follow_changes(self, lambda: self.settings, self._apply)
        self._refuse_wrong_transitions()
        self._start_diagnostics()

    def load(self) -> None:
        """Load what all channels share. Raises I2PError."""
        raise NotImplementedError

    def unload(self) -> None:
        """Release what `load` has loaded."""
        raise NotImplementedError

    def describe(self) -> str:
        """What is loaded, in one line."""
        raise NotImplementedError

    def values(self) -> dict[str, str]:
        """Values for the diagnostics of all channels."""
        raise NotImplementedError

    def needs_tf(self) -> bool:
        """Whether channels need a TfListener."""
        raise NotImplementedError

    def channel(
        self, camera: str, lidar: str, tf: TfListener | None, put: Callable[[C, PairJob], PairJob | None],
        topics: InputTopics,
    ) -> C:  # fmt: skip
        """A channel of these names, subscribed to the topics.

        `put` gives a job to the worker and returns the one that it replaces.
        """
        raise NotImplementedError

    def start(self) -> None:
        """Configure and activate if node.autostart is set. Destroys the node and raises I2PError if that fails."""
        if not self.settings.node.autostart:
            return
        if self.trigger_configure() != SUCCESS or self.trigger_activate() != SUCCESS:
            self.destroy_node()
            raise self._failure or I2PError("cannot start the node")

    def run(self) -> None:
        """Spin until the context is shut down. An error in a callback is logged and does not end it."""
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
        """Wait for the running pair, then destroy the node."""
        self._take_down()
        self._state_machine.destroy_when_not_in_use()  # rclpy does not, and its services would stay
        super().destroy_node()

    def on_configure(self, state: Any) -> TransitionCallbackReturn:
        """Load what all channels share."""
        try:
            self.load()
        except Exception as error:
            self._lost = error if isinstance(error, DeviceError) else None
            self._keep_failure("configure", error)
            return FAILURE
        return SUCCESS

    def on_activate(self, state: Any) -> TransitionCallbackReturn:
        """Create the channels."""
        try:
            self._set_up()
        except Exception as error:
            self._keep_failure("activate", error)
            raise  # which leads to on_error
        self.get_logger().info(f"ready: {self.describe()}")
        return SUCCESS

    def on_deactivate(self, state: Any) -> TransitionCallbackReturn:
        """Close the channels."""
        self._take_down()
        return SUCCESS

    def on_cleanup(self, state: Any) -> TransitionCallbackReturn:
        """Release what was loaded."""
        self.unload()
        return SUCCESS

    def on_shutdown(self, state: Any) -> TransitionCallbackReturn:
        """Close the channels and release what was loaded."""
        self._take_down()
        return self.on_cleanup(state)

    def on_error(self, state: Any) -> TransitionCallbackReturn:
        """Return to unconfigured. The node may be configured again."""
        if self.context.ok():
            self.get_logger().error("a transition failed: back to unconfigured")
        return self.on_shutdown(state)

    def _keep_failure(self, transition: str, error: Exception) -> None:
        """Keep and log the error of a transition: rclpy does not show it."""
        self._failure = error if isinstance(error, I2PError) else I2PError(f"{type(error).__name__}: {error}")
        if self.context.ok():  # otherwise ROS was shut down meanwhile, which is no fault of the node
            self.get_logger().error(f"cannot {transition}: {self._failure}")

    def _set_up(self) -> None:
        """Create the worker and the channels."""
        node = self.settings.node
        if self.needs_tf():
            self._tf = TfListener(self, node.tf_timeout_s)
        self._worker = NewestWorker(self._process, self.jobs_at_once)
        if node.find_topics and not node.cameras and not node.lidars:
            self.settings = self._types_as_started().applied(self.settings)
            self._search = TopicSearch(self, self.settings.node, self._found)
            return
        for camera, lidar in product(
            _names(node.cameras), _names(node.lidars)
        ):  # if one fails, _take_down closes those before
            self._add_channel(camera, lidar, InputTopics.named(camera, lidar))

    def _add_channel(self, camera: str, lidar: str, topics: InputTopics) -> None:
        assert self._worker is not None
        self._channels.append(self.channel(camera, lidar, self._tf, self._worker.put, topics))

    def _found(self, topics: InputTopics) -> None:
        """Create the channel of the topics that the search has found."""
        self._search = None
        self.settings = topics.applied(self.settings)
        self._add_channel("", "", topics)

    def _types_as_started(self) -> InputTopics:
        """The types of messages that the parameters state: an earlier search may have found others."""
        transport, cloud_type = (self.get_parameter(f"node.{name}").value for name in ("image_transport", "cloud_type"))
        return InputTopics(image_transport=str(transport), cloud_type=str(cloud_type))

    def _apply(self, settings: Settings) -> None:
        self.settings = settings
        for channel in self._channels:
            channel.apply(settings)

    def _process(self, channel: C, job: PairJob) -> None:
        """Process a job in the worker, which must not raise."""
        try:
            channel.process(job)
        except DeviceError as error:
            self._lost = error
        except InvalidHandle:
            pass  # the channel was closed while the pair ran: the answer is not needed

    def _take_down(self) -> None:
        if self._worker is not None:
            self._worker.stop(STOP_S)
        if self._search is not None:
            self._search.close()
        for channel in self._channels:
            channel.close()
        if self._tf is not None:
            self._tf.close()
        self._channels, self._tf, self._worker, self._search = [], None, None, None

    def _refuse_wrong_transitions(self) -> None:
        """Refuse a transition that the present state does not have. In rclpy it would end the node (rclpy #1209)."""
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

    def _start_diagnostics(self) -> None:
        """Start the diagnostics, by a steady clock that runs without /clock, and the callback for jumps of /clock."""
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(self.settings.node.diagnostics_s, self._diagnose, clock=steady)
        back = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1))
        self._jumps = self.get_clock().create_jump_callback(back, post_callback=self._on_jump)

    def _on_jump(self, jump: Any) -> None:
        """Tell the channels. Jumps forward are found by stamps instead: the first /clock is one too."""
        for channel in self._channels:
            channel.jumped_back()

    def _diagnose(self) -> None:
        """Publish one entry for each channel, or one of the lifecycle state if there are none."""
        name = f"{self.get_fully_qualified_name()}: {self.work}"
        entries = [self._entry(f"{name} {channel.name}".strip(), channel) for channel in self._channels]
        if not entries:
            label = self._state_machine.current_state[1]
            text = f"{label}: not active" if self._search is None else self._search.text
            entries = [messages.diagnostic(LEVELS[WARN], name, text, {"lifecycle": label}, "")]
        head = messages.header(self.get_clock().now().nanoseconds, "")
        self._diagnostics.publish(DiagnosticArray(header=head, status=entries))
        self._end_if_lost()

    def _entry(self, name: str, channel: C) -> Any:
        level, text, values = channel.report(self._busy_since(channel))
        values = {"lifecycle": "active", **self.values(), **values}
        return messages.diagnostic(LEVELS[level], name, text, values, channel.camera_frame)

    def _busy_since(self, channel: C | None = None) -> float | None:
        """When the oldest running pair (of a channel) began, by time.monotonic(), or none."""
        return self._worker.busy_since(channel) if self._worker else None

    def _end_if_lost(self) -> None:
        """Raise if the device is lost, or a pair takes too long. The process then ends with exit code 1."""
        if self._lost is not None:
            raise self._lost
        limit, since = self.settings.node.exit_after_s, self._busy_since()
        if limit and since is not None and time.monotonic() - since > limit:
            raise StuckError(f"one pair has been running for more than {limit:g} s: the node ends itself")


def _names(listed: str) -> list[str]:
    """Names between commas. An empty list gives one empty name."""
    return [name.strip() for name in listed.split(",") if name.strip()] or [""]
