# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stamps, frames and transforms of messages."""

from __future__ import annotations

from typing import Any

import numpy as np

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.messages.reading import attribute, integer, numbers


def stamp_ns(stamp: Any, now_ns: int | None = None, max_ahead_ns: int = 1_000_000_000) -> int:
    """Time of a header stamp (sec, nanosec; ROS 1: secs, nsecs), ns.

    `now_ns` is the receiver's clock. Raises InputError `stamp.malformed`, `stamp.zero`, and with `now_ns`
    `stamp.future` for a stamp that is more than `max_ahead_ns` later.
    """
    seconds = integer(stamp, "sec", "secs")
    nanoseconds = integer(stamp, "nanosec", "nsecs")
    if not (0 <= seconds < 2**33 and 0 <= nanoseconds < 1_000_000_000):
        raise InputError(f"a stamp of {seconds} s and {nanoseconds} ns is not a time", "stamp.malformed")
    total = seconds * 1_000_000_000 + nanoseconds
    if total == 0:
        raise InputError("the header stamp is zero: let the driver fill it in", "stamp.zero")
    if now_ns is not None and total > now_ns + max_ahead_ns:
        raise InputError(
            f"the stamp lies {(total - now_ns) / 1e9:.3f} s in the future: synchronise the clocks", "stamp.future"
        )
    return total


def stamp_of(message: Any, now_ns: int | None = None, use_arrival_time: bool = False) -> int:
    """Time by which a message is paired, ns: the stamp of its header, or `now_ns` with `use_arrival_time`."""
    if use_arrival_time and now_ns is not None:
        return now_ns
    return stamp_ns(attribute(attribute(message, "header"), "stamp"), now_ns)


def frame_name(frame_id: str) -> str:
    """Name of a frame without the leading slash that ROS 1 allowed."""
    return str(frame_id).lstrip("/")


def frame_of(message: Any) -> str:
    """Frame of the header of a message; raises InputError `frame.empty` if it is empty."""
    frame = frame_name(attribute(attribute(message, "header"), "frame_id"))
    if not frame:
        raise InputError(f"header.frame_id of a {type(message).__name__} is empty: name the sensor", "frame.empty")
    return frame


def pose_from_transform(message: Any) -> Pose:
    """T_a_b of a geometry_msgs Transform (translation, rotation) or Pose (position, orientation)."""
    t = attribute(message, "translation", "position")
    q = attribute(message, "rotation", "orientation")
    xyzw = numbers([attribute(q, axis) for axis in "xyzw"], 4, "transform")
    xyz = numbers([attribute(t, axis) for axis in "xyz"], 3, "transform")
    with np.errstate(over="ignore"):  # a norm that overflows is refused by Pose
        return Pose.from_quaternion(xyzw, xyz)


def transform_from_stamped(message: Any) -> tuple[str, str, Pose]:
    """Frames a, b and T_a_b of a TransformStamped with parent a and child b."""
    parent = frame_name(attribute(attribute(message, "header"), "frame_id"))
    child = frame_name(attribute(message, "child_frame_id"))
    if not parent or not child or parent == child:
        raise InputError(f"a transform needs two frames, got {parent!r} and {child!r}", "tf.frames")
    return parent, child, pose_from_transform(attribute(message, "transform"))
