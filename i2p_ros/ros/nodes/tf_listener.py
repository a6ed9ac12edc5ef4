# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Look-ups in tf that wait for a transform, name the fault if there is none, and never answer identity instead."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.time import Time
from tf2_msgs.msg import TFMessage
from tf2_ros import Buffer, ConnectivityException, LookupException, TransformException

from i2p_ros.core.deskew import Trajectory
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.messages import frame_name, transform_from_stamped

LATCHED = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
BACK_NS = 10 * 10**9  # tf2 keeps as much: a stamp that is older means that time has jumped back
AHEAD_NS = 10**9  # transforms may be dated ahead by this
STEP_S = 0.02  # between poses of a trajectory, which has a constant twist between them
PARENT_S = 2.0  # a parent that was not sent on /tf for this time counts no more
STATIC = float("inf")


class TfListener:
    """Transforms of /tf and /tf_static. The node's executor adds to them. Another thread looks them up."""

    def __init__(self, node: Node, timeout_s: float) -> None:
        self._node, self._timeout_s = node, timeout_s
        self._buffer = Buffer()
        self._parents: dict[str, dict[str, float]] = defaultdict(dict)  # child -> parent -> when it was last sent
        self._newest: dict[str, int] = {}  # moving child -> stamp of its newest transform, ns
        self._static: dict[tuple[str, str], Any] = {}  # parent and child -> the transform
        self._news = threading.Condition(threading.RLock())
        self._subscriptions = [
            node.create_subscription(TFMessage, "/tf", lambda message: self._add(message, static=False), 100),
            node.create_subscription(TFMessage, "/tf_static", lambda message: self._add(message, static=True), LATCHED),
        ]

    def clear(self) -> None:
        """Remove the moving transforms after a jump of time. Static ones are sent only once, and stay."""
        with self._news:
            self._newest.clear()
            self._buffer.clear()
            self._parents.clear()
            self._add_all(list(self._static.values()), static=True)

    def close(self) -> None:
        """Destroy the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def lookup(self, target: str, source: str, stamp: int) -> Pose:
        """T_target_source at a stamp, ns. Waits for it until the time-out.

        Raises InputError that names the frames, with the reason `tf.missing`, `tf.unconnected`, `tf.extrapolation` (the
        stamp is too new or too old), `tf.loop` or `tf.two_parents`.
        """
        if stamp <= 0:  # tf2 takes zero for the latest
            raise InputError(f"tf has no {target!r} <- {source!r} at {stamp} ns, before time began", "tf.extrapolation")
        end = time.monotonic() + self._timeout_s
        with self._news:
            while True:
                self._refuse_no_tree(target, source)
                try:
                    found = self._buffer.lookup_transform(target, source, Time(nanoseconds=stamp))
                    return transform_from_stamped(found)[2] if target != source else Pose.identity()
                except TransformException as error:
                    if not self._news.wait(max(end - time.monotonic(), 0.0)) and time.monotonic() >= end:
                        text = f"tf has no {target!r} <- {source!r} after {self._timeout_s:g} s: {error}"
                        raise InputError(text, f"tf.{_kind(error)}") from error

    def trajectory(self, fixed: str, moving: str, stamp: int, first: float, last: float) -> Trajectory | None:
        """T_fixed_moving from `first` to `last`, in s after a stamp (ns), or none if tf lacks a part of it."""
        times = np.linspace(first, last, 2 + int((last - first) / STEP_S))
        try:
            with self._news:
                if not set(self._way_up(fixed)) & set(self._way_up(moving)):
                    return None  # without a wait: a robot may have no odometry
            latest_first = [self.lookup(fixed, moving, stamp + round(t * 1e9)) for t in times[::-1]]
        except InputError:
            return None
        return Trajectory(times, latest_first[::-1])

    def clear_if_ahead(self, stamp: int) -> None:
        """Remove the moving transforms if time has jumped back to a stamp (ns) before them."""
        with self._news:
            if max(self._newest.values(), default=0) > stamp + AHEAD_NS:
                self.clear()

    def refuse_second_parent(self, child: str, parent: str) -> None:
        """Raises InputError if a transform parent -> child would give the child a second parent, or close a loop."""
        with self._news:
            others = [name for name in self._parents_of(child) if name != parent]
            if others:
                raise InputError(f"{child!r} has another parent in tf, {others[0]!r}: not {parent!r}", "tf.two_parents")
            if child in self._way_up(parent):
                raise InputError(f"{parent!r} is below {child!r} in tf: it cannot be its parent too", "tf.loop")

    def _add(self, message: Any, static: bool) -> None:
        with self._news:
            if not static and any(map(self._is_back, message.transforms)):
                self.clear()  # otherwise tf2 refuses the new ones as too old
            self._add_all(message.transforms, static)
            self._news.notify_all()

    def _add_all(self, transforms: Any, static: bool) -> None:
        put = self._buffer.set_transform_static if static else self._buffer.set_transform
        for transform in transforms:
            try:
                parent, child, _ = transform_from_stamped(transform)
                put(transform, "i2p_ros")
            except InputError as error:
                self._node.get_logger().warning(f"transform dropped: {error}", throttle_duration_sec=1.0)
                continue
            self._parents[child][parent] = STATIC if static else time.monotonic()
            if static:
                self._static[parent, child] = transform
            else:
                self._newest[child] = max(_stamp(transform), self._newest.get(child, 0))

    def _is_back(self, transform: Any) -> bool:
        """Whether time has jumped back. Only stamps of the same frame are compared: others may be of another clock."""
        return _stamp(transform) < self._newest.get(frame_name(transform.child_frame_id), 0) - BACK_NS

    def _parents_of(self, child: str) -> list[str]:
        """Recent parents of a frame. More than one is a fault."""
        named, now = self._parents.get(child, {}), time.monotonic()
        recent = [parent for parent, when in named.items() if when > now - PARENT_S]
        return recent or sorted(named, key=lambda parent: named[parent])[-1:]

    def _is_unsent(self, child: str) -> bool:
        """Whether no parent of the frame was sent recently."""
        return max(self._parents[child].values()) < time.monotonic() - PARENT_S

    def _way_up(self, frame: str) -> list[str]:
        """The frame and all frames above it. Raises InputError for a loop."""
        way = [frame]
        while parents := self._parents_of(way[-1]):
            if parents[0] in way:
                if any(self._is_unsent(child) for child in way[way.index(parents[0]) :]):
                    self.clear()  # a link of the loop is sent no more: the next ones may be a tree again
                raise InputError(f"tf has a loop: {' -> '.join([*way, parents[0]])}", "tf.loop")
            way.append(parents[0])
        return way

    def _refuse_no_tree(self, target: str, source: str) -> None:
        """Raises InputError if a frame between the two has two parents. tf2 would take the latest without an error."""
        up, down = self._way_up(source), self._way_up(target)
        for frame in set(up) ^ set(down):
            if len(parents := self._parents_of(frame)) > 1:
                raise InputError(f"{frame!r} has two parents in tf: {' and '.join(sorted(parents))}", "tf.two_parents")


def _stamp(transform: Any) -> int:
    """Stamp of a TransformStamped, ns."""
    stamp = transform.header.stamp
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def _kind(error: TransformException) -> str:
    """Last part of the reason of an InputError."""
    if isinstance(error, LookupException):
        return "missing"
    return "unconnected" if isinstance(error, ConnectivityException) else "extrapolation"
