# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the parts of tf2_ros that i2p_ros uses, where ROS comes from pip wheels.

The real one needs tf2_py, which is not on PyPI. Same names, same exceptions, same meaning of stamps: zero is "latest",
linear and spherical interpolation between neighbours, no extrapolation, ten seconds of history, static transforms valid
at any time.
"""

from bisect import bisect_left
from threading import Lock

from geometry_msgs.msg import TransformStamped
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

from i2p_ros.core.geometry import Pose, so3_exp, so3_log
from i2p_ros.core.messages import transform_from_stamped

HISTORY_NS = 10 * 10**9
LATCHED = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class TransformException(Exception):  # noqa: N818 - the name of the real one
    """Base of all errors of a look-up."""


class LookupException(TransformException):
    """A frame is unknown."""


class ConnectivityException(TransformException):
    """Two frames are not in one tree."""


class ExtrapolationException(TransformException):
    """The stamp lies outside the history."""


class Buffer:
    """Keeps transforms and answers look-ups, from any thread."""

    def __init__(self):
        self._lock = Lock()
        self.clear()

    def clear(self):
        """Forget everything."""
        with self._lock:
            self._links = {}  # child -> (parent, stamps, T_parent_child of each stamp); no stamps: static

    def set_transform(self, transform, authority="", static=False):
        """Add one TransformStamped."""
        parent, child, T_parent_child = transform_from_stamped(transform)
        stamp = transform.header.stamp.sec * 10**9 + transform.header.stamp.nanosec
        with self._lock:
            known = self._links.get(child)
            if static or known is None or known[0] != parent or not known[1]:
                self._links[child] = (parent, [] if static else [stamp], [T_parent_child])
            else:
                self._insert(*known[1:], stamp, T_parent_child)

    def set_transform_static(self, transform, authority=""):
        """Add one TransformStamped that is valid at any time."""
        self.set_transform(transform, authority, static=True)

    def lookup_transform(self, target_frame, source_frame, time, timeout=None):
        """The TransformStamped that takes points of source_frame to target_frame, at an rclpy Time."""
        with self._lock:
            up, down = self._legs(source_frame, target_frame)
            stamps = [self._links[frame][1] for frame in (*up, *down)]
            stamp = time.nanoseconds or min((s[-1] for s in stamps if s), default=0)
            T_target_source = self._along(down, stamp).inverse() @ self._along(up, stamp)
        return _message(T_target_source, stamp, target_frame, source_frame)

    @staticmethod
    def _insert(stamps, poses, stamp, pose):
        at = bisect_left(stamps, stamp)
        if at < len(stamps) and stamps[at] == stamp:
            poses[at] = pose
            return
        stamps.insert(at, stamp)
        poses.insert(at, pose)
        while stamps[0] < stamps[-1] - HISTORY_NS:
            del stamps[0], poses[0]

    def _legs(self, source, target):
        """Child frames from the source, and from the target, up to their common ancestor."""
        known = set(self._links) | {link[0] for link in self._links.values()}
        for frame in (target, source):
            if frame not in known:
                raise LookupException(f'"{frame}" passed to lookupTransform argument does not exist.')
        up, down = self._chain(source), self._chain(target)
        top = next((frame for frame in up if frame in down), None)
        if top is None:
            raise ConnectivityException(f'"{source}" and "{target}" are not part of the same tree.')
        return up[: up.index(top)], down[: down.index(top)]

    def _chain(self, frame):
        frames = [frame]
        while frames[-1] in self._links:
            parent = self._links[frames[-1]][0]
            if parent in frames:
                raise LookupException(f"the tf tree contains a loop through {parent!r}")
            frames.append(parent)
        return frames

    def _along(self, children, stamp):
        """T_top_first of a leg."""
        total = Pose.identity()
        for child in children:
            total = self._at(child, stamp) @ total
        return total

    def _at(self, child, stamp):
        _, stamps, poses = self._links[child]
        if not stamps:
            return poses[0]
        if not stamps[0] <= stamp <= stamps[-1]:
            where = "future" if stamp > stamps[-1] else "past"
            raise ExtrapolationException(f"Lookup would require extrapolation into the {where}: {child} at {stamp} ns")
        at = bisect_left(stamps, stamp)
        if stamps[at] == stamp:
            return poses[at]
        a, b, share = poses[at - 1], poses[at], (stamp - stamps[at - 1]) / (stamps[at] - stamps[at - 1])
        turn = so3_exp(share * so3_log(b.rotation @ a.rotation.T))
        return Pose(turn @ a.rotation, (1 - share) * a.translation + share * b.translation)


class TransformListener:
    """Feeds a buffer from /tf and /tf_static."""

    def __init__(self, buffer, node):
        self.subscriptions = [
            node.create_subscription(TFMessage, "/tf", lambda m: self._add(m, buffer.set_transform), 100),
            node.create_subscription(
                TFMessage, "/tf_static", lambda m: self._add(m, buffer.set_transform_static), LATCHED
            ),
        ]

    @staticmethod
    def _add(message, put):
        for transform in message.transforms:
            put(transform, "default_authority")


class TransformBroadcaster:
    """Publishes on /tf."""

    def __init__(self, node, qos=100):
        self.pub_tf = node.create_publisher(TFMessage, "/tf", qos)

    def sendTransform(self, transform):
        """Send one TransformStamped or a list of them."""
        self.pub_tf.publish(TFMessage(transforms=transform if isinstance(transform, list) else [transform]))


class StaticTransformBroadcaster:
    """Publishes on /tf_static, latched, always with the transforms sent before."""

    def __init__(self, node):
        qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.pub_tf = node.create_publisher(TFMessage, "/tf_static", qos)
        self._sent = {}

    def sendTransform(self, transform):
        """Send one TransformStamped or a list of them."""
        for t in transform if isinstance(transform, list) else [transform]:
            self._sent[t.child_frame_id] = t
        self.pub_tf.publish(TFMessage(transforms=list(self._sent.values())))


def _message(T_target_source, stamp, target, source):
    out = TransformStamped(child_frame_id=source)
    out.header.frame_id = target
    out.header.stamp.sec, out.header.stamp.nanosec = divmod(stamp, 10**9)
    v, r = out.transform.translation, out.transform.rotation
    v.x, v.y, v.z = map(float, T_target_source.translation)
    r.x, r.y, r.z, r.w = map(float, T_target_source.quaternion)
    return out
