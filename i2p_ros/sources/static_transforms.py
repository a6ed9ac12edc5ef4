# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tree of the transforms of /tf_static."""

from __future__ import annotations

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose


class StaticTransforms:
    """Frames with one parent each. Of several transforms of one frame the last is used, as in tf2."""

    def __init__(self) -> None:
        self._parents: dict[str, tuple[str, Pose]] = {}

    def add(self, parent: str, child: str, T_parent_child: Pose) -> None:
        """Set the parent of the frame `child`."""
        self._parents[child] = (parent, T_parent_child)

    def lookup(self, a: str, b: str) -> Pose | None:
        """T_a_b along the tree, or none if the two frames are not connected; InputError `tf.loop` for a loop."""
        from_a, from_b = self._ancestors(a), self._ancestors(b)
        for frame, T_frame_a in from_a.items():
            if frame in from_b:
                return T_frame_a.inverse() @ from_b[frame]
        return None

    def _ancestors(self, frame: str) -> dict[str, Pose]:
        """T_ancestor_frame of the frame itself and its ancestors, nearest first, by name."""
        found, at, T_at_frame = {frame: Pose.identity()}, frame, Pose.identity()
        while at in self._parents:
            at, T_parent_at = self._parents[at]
            if at in found:
                raise InputError(f"the static transforms run in a loop: {' -> '.join(found)} -> {at}", "tf.loop")
            T_at_frame = T_parent_at @ T_at_frame
            found[at] = T_at_frame
        return found
