# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of tf: a look-up that waits a little, names what is wrong, and never answers identity instead."""

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
BACK_NS = 10 * 10**9  # what tf2 keeps: a stamp older than that means that time has jumped back
AHEAD_NS = 10**9  # so far transforms may be dated ahead
STEP_S = 0.02  # between poses of a trajectory, which keeps its twist meanwhile
PARENT_S = 2.0  # a parent that nobody has named for so long, on /tf, is a former one
STATIC = float("inf")


class Frames:
    """What a node knows from /tf and /tf_static. Fed by the node's executor, asked from another thread."""

    def __init__(self, node: Node, timeout_s: float) -> None:
        self._node, self._timeout_s = node, timeout_s
        self._buffer = Buffer()
        self._parents: dict[str, dict[str, float]] = defaultdict(dict)  # child -> parent -> when it was last named
        self._newest: dict[str, int] = {}  # child that moves -> stamp of its newest transform, ns
        self._static: dict[tuple[str, str], Any] = {}  # parent and child -> the transform
        self._news = threading.Condition(threading.RLock())
        self._subscriptions = [
            node.create_subscription(TFMessage, "/tf", lambda message: self._add(message, static=False), 100),
            node.create_subscription(TFMessage, "/tf_static", lambda message: self._add(message, static=True), LATCHED),
        ]

    def clear(self) -> None:
        """Forget what moves, after a jump in time. What is static is sent only once, and kept."""
        with self._news:
            self._newest.clear()
            self._buffer.clear()
            self._parents.clear()
            self._add_all(list(self._static.values()), static=True)

    def close(self) -> None:
        """Stop listening."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def lookup(self, target: str, source: str, stamp: int) -> Pose:
        """T_target_source at a stamp (ns), waited for until the time-out.

        Raises InputError that names the frames: `tf.missing`, `tf.unconnected`, `tf.extrapolation` (not at that time:
        too late, or too old), `tf.loop`, `tf.two_parents`.
        """
        if stamp <= 0:  # zero would be the latest
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
        """T_fixed_moving from first to last, s after a stamp (ns); none where tf does not know all of it in time."""
        times = np.linspace(first, last, 2 + int((last - first) / STEP_S))
        try:
            with self._news:
                if not set(self._way_up(fixed)) & set(self._way_up(moving)):
                    return None  # at once: a robot without odometry waits for nothing
            latest_first = [self.lookup(fixed, moving, stamp + round(t * 1e9)) for t in times[::-1]]
        except InputError:
            return None
        return Trajectory(times, latest_first[::-1])

    def clear_if_ahead(self, stamp: int) -> None:
        """Forget what moves if it comes from after a stamp (ns) that time has jumped back to."""
        with self._news:
            if max(self._newest.values(), default=0) > stamp + AHEAD_NS:
                self.clear()

    def refuse_second_parent(self, child: str, parent: str) -> None:
        """Raises InputError if parent -> child would not be the only way up from child, or would close a loop."""
        with self._news:
            others = [name for name in self._parents_of(child) if name != parent]
            if others:
                raise InputError(f"{child!r} has another parent in tf, {others[0]!r}: not {parent!r}", "tf.two_parents")
            if child in self._way_up(parent):
                raise InputError(f"{parent!r} hangs below {child!r} in tf: it cannot be its parent too", "tf.loop")

    def _add(self, message: Any, static: bool) -> None:
        with self._news:
            if not static and any(map(self._is_back, message.transforms)):
                self.clear()  # or tf2 throws the new ones away as too old
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
        """Whether time has jumped back, by the frame's own stamps: those of others may be of another clock."""
        return _stamp(transform) < self._newest.get(frame_name(transform.child_frame_id), 0) - BACK_NS

    def _parents_of(self, child: str) -> list[str]:
        """Its parents of late; more than one is a fault."""
        named, now = self._parents.get(child, {}), time.monotonic()
        recent = [parent for parent, when in named.items() if when > now - PARENT_S]
        return recent or sorted(named, key=lambda parent: named[parent])[-1:]

    def _is_former(self, child: str) -> bool:
        """Whether nobody has named any parent of the frame of late."""
        return max(self._parents[child].values()) < time.monotonic() - PARENT_S

    def _way_up(self, frame: str) -> list[str]:
        """The frame and all above it; raises InputError if that never ends."""
        way = [frame]
        while parents := self._parents_of(way[-1]):
            if parents[0] in way:
                if any(self._is_former(child) for child in way[way.index(parents[0]) :]):
                    self.clear()  # a link of the loop is named no more: what comes next may be a tree again
                raise InputError(f"tf has a loop: {' -> '.join([*way, parents[0]])}", "tf.loop")
            way.append(parents[0])
        return way

    def _refuse_no_tree(self, target: str, source: str) -> None:
        """tf2 takes the latest of two parents and says nothing."""
        up, down = self._way_up(source), self._way_up(target)
        for frame in set(up) ^ set(down):
            if len(parents := self._parents_of(frame)) > 1:
                raise InputError(f"{frame!r} has two parents in tf: {' and '.join(sorted(parents))}", "tf.two_parents")


def _stamp(transform: Any) -> int:
    """Of a TransformStamped, ns."""
    stamp = transform.header.stamp
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def _kind(error: TransformException) -> str:
    """Last part of a reason."""
    if isinstance(error, LookupException):
        return "missing"
    return "unconnected" if isinstance(error, ConnectivityException) else "extrapolation"
