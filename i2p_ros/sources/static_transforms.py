# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tree of the transforms of /tf_static, which may change, and of those transforms of /tf that never do."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose

SAME = 1e-4  # m and rad: transforms that differ by less are the same, as of publishers that round differently
LEAST = 2  # messages of a transform of /tf before it counts as fixed
Link = tuple[int, str, Pose]  # from this time (ns) on, the parent, T_parent_child


class StaticTransforms:
    """Frames with one parent each at any time. A link holds until the next one of its child, as in tf2.

    The first link of a child also holds before its time: a recording may begin after a transform was sent.
    """

    def __init__(self) -> None:
        self._links: dict[str, list[Link]] = {}  # by child, in order of time

    def add(self, parent: str, child: str, T_parent_child: Pose, time: int = 0) -> None:
        """Set the parent of the frame `child` from a time (ns) on. Links come in order of time."""
        links = self._links.setdefault(child, [])
        if not links or links[-1][1] != parent or _differ(links[-1][2], T_parent_child):
            links.append((time, parent, T_parent_child))

    def __contains__(self, child: str) -> bool:
        return child in self._links

    @property
    def frames(self) -> list[str]:
        """The names of all frames."""
        parents = {parent for links in self._links.values() for _, parent, _ in links}
        return sorted(parents | self._links.keys())

    def lookup(self, a: str, b: str, time: int | None = None) -> Pose | None:
        """T_a_b along the tree at a time (ns), or by the last links. None if the two frames are not connected.

        Raises InputError `tf.loop` for a loop.
        """
        from_a, from_b = self._ancestors(a, time), self._ancestors(b, time)
        for frame, T_frame_a in from_a.items():
            if frame in from_b:
                return T_frame_a.inverse() @ from_b[frame]
        return None

    def history(self, a: str, b: str) -> list[tuple[int, Pose]]:
        """Every T_a_b that differs from the one before it, with the time (ns) from which on it holds."""
        times = sorted({time for links in self._links.values() for time, _, _ in links})
        found: list[tuple[int, Pose]] = []
        for time in times:
            pose = self.lookup(a, b, time)
            if pose is not None and (not found or _differ(found[-1][1], pose)):
                found.append((time, pose))
        return found

    def _ancestors(self, frame: str, time: int | None) -> dict[str, Pose]:
        """T_ancestor_frame of the frame itself and its ancestors, nearest first, by name."""
        found, at, T_at_frame = {frame: Pose.identity()}, frame, Pose.identity()
        while at in self._links:
            at, T_parent_at = self._link(at, time)
            if at in found:
                raise InputError(f"the static transforms run in a loop: {' -> '.join(found)} -> {at}", "tf.loop")
            T_at_frame = T_parent_at @ T_at_frame
            found[at] = T_at_frame
        return found

    def _link(self, child: str, time: int | None) -> tuple[str, Pose]:
        """Parent and T_parent_child at a time."""
        links = self._links[child]
        at = len(links) if time is None else max(bisect_right(links, time, key=lambda link: link[0]), 1)
        return links[at - 1][1:]


@dataclass
class _Moving:
    """A transform of /tf: its first value, the number of its messages, and whether it has changed."""

    time: int
    parent: str
    T_parent_child: Pose
    count: int = field(default=0)
    is_moving: bool = field(default=False)


class FixedTransforms:
    """Finds the transforms of /tf that never change, such as those of ROS 1's static_transform_publisher."""

    def __init__(self) -> None:
        self._seen: dict[str, _Moving] = {}

    def add(self, parent: str, child: str, T_parent_child: Pose, time: int) -> None:
        """Take note of a transform. Times are in ns, in order."""
        seen = self._seen.setdefault(child, _Moving(time, parent, T_parent_child))
        seen.count += 1
        seen.is_moving = seen.is_moving or seen.parent != parent or _differ(seen.T_parent_child, T_parent_child)

    def add_to(self, tree: StaticTransforms) -> None:
        """Add the fixed transforms to a tree, but for frames that have a parent there."""
        for child, seen in self._seen.items():
            if seen.count >= LEAST and not seen.is_moving and child not in tree:
                tree.add(seen.parent, child, seen.T_parent_child, seen.time)


def _differ(one: Pose, other: Pose) -> bool:
    return bool(np.abs(one.matrix - other.matrix).max() > SAME)
