# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Source of pairs of an image and a fragment from synthetic rooms, without files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from i2p_ros.core.depths import AXES, Depth, at_edges, back_projected
from i2p_ros.core.errors import InputError
from i2p_ros.core.fragments import Fragment, NearPoints, means_of_voxels
from i2p_ros.core.geometry import Array
from i2p_ros.core.source import Source
from i2p_ros.core.types import Pair, PointCloud, Sample
from i2p_ros.synthetic.image_formation import CameraResponse
from i2p_ros.synthetic.room_rendering import KINECT, render_depth, render_frame, trajectory_pose
from i2p_ros.synthetic.rooms import Room, random_room
from i2p_ros.synthetic.source import refuse_empty

SECOND = 10**9  # ns
IMAGE, DEPTH = KINECT.resized(480, 360), KINECT.resized(160, 120)
FUSED_AT = np.linspace(0.0, 2.4, 5)  # s: depths that stand for the 25 frames of a fragment at 10 Hz
EARLIEST, LATEST, LENGTH = -2.5, 4.9, 10.0  # s: of the image after the fragment begins; of a trajectory
LEAST_OVERLAP = 0.5  # as of the pairs of 7-Scenes
TRIES = 20


class RoomSource(Source):
    """`n` samples, each in a room of its own: an image of KINECT, three quarters as large, its depth, and a fragment.

    They are as pairs of 7-Scenes are made, from fewer pixels. Each follows from seed and index.
    """

    def __init__(self, seed: int, n: int) -> None:
        refuse_empty(seed, n)
        self.seed, self.n = seed, n

    @property
    def name(self) -> str:
        """`synthetic rooms` with the seed."""
        return f"synthetic rooms, seed {self.seed}"

    @property
    def frames(self) -> tuple[str, str]:
        """Names of the frames of camera and fragment."""
        return "camera", "fragment"

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Sample:
        return self._sample(index, "cpu")

    def samples(self, indices: Sequence[int], device: str = "cpu") -> list[Sample]:
        """Samples of several indices, rendered on a device."""
        return [self._sample(index, device) for index in indices]

    def _sample(self, index: int, device: str) -> Sample:
        if not 0 <= index < self.n:
            raise IndexError(f"sample {index} of {self.n}")
        room, rng = random_room(self.seed, index), np.random.default_rng((self.seed, 9, index))
        response = CameraResponse.random(rng)
        for _ in range(TRIES):
            begin = rng.uniform(0.0, LENGTH - FUSED_AT[-1])
            fragment = self._fragment(room, index, begin, rng, device)
            time = float(np.clip(begin + rng.uniform(EARLIEST, LATEST), 0.0, LENGTH))
            T_room_camera = trajectory_pose(room, self.seed, index, 0, time)
            noise = int(rng.integers(2**31))
            seen = _points(render_depth(room, T_room_camera, DEPTH, noise, device))
            if NearPoints(fragment).share(T_room_camera.apply(seen), LEAST_OVERLAP) >= LEAST_OVERLAP:
                break
        else:
            raise InputError(f"room {index} of seed {self.seed} has no pair that overlaps", "synthetic")
        image, depth = render_frame(room, T_room_camera, replace(response, seed=noise), device, IMAGE)
        pair = Pair(image, IMAGE, PointCloud(fragment.xyz), (index + 1) * SECOND, f"{index:010d}")
        T_room_fragment = fragment.T_world_fragment
        return Sample(pair, T_room_camera.inverse() @ T_room_fragment, T_room_fragment, depth=depth)

    def _fragment(self, room: Room, index: int, begin: float, rng: np.random.Generator, device: str) -> Fragment:
        """A fragment of a trajectory from a time (s) on; its world is the room."""
        poses = [trajectory_pose(room, self.seed, index, 0, begin + after) for after in FUSED_AT]
        T_room_fragment = poses[0] @ AXES
        T_fragment_room = T_room_fragment.inverse()
        parts = [
            (T_fragment_room @ pose).apply(_points(render_depth(room, pose, DEPTH, int(rng.integers(2**31)), device)))
            for pose in poses
        ]
        return Fragment(means_of_voxels(np.concatenate(parts)), T_room_fragment)


def _points(depth: Depth) -> Array:
    return back_projected(DEPTH, np.where(at_edges(depth), 0.0, depth))
