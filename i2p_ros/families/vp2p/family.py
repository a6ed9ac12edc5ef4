# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The family VP2P: its members in terms of the pages of this folder."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair, Prediction, Sample
from i2p_ros.families.base import Family, PriorRange, SignalInput
from i2p_ros.families.vp2p.decode import decoded, merged
from i2p_ros.families.vp2p.inputs import VP2PScene, input_frame, mirrored, network_camera, pass_inputs, scene_of
from i2p_ros.families.vp2p.network import VP2PNetwork
from i2p_ros.families.vp2p.settings import SIZES, VP2PSettings
from i2p_ros.networks.base import Arrays, Tensors
from i2p_ros.networks.both import Both, in_turn
from i2p_ros.networks.signals import signal_channels

UNSEEN_PX = -1e4  # in place of the pixel of a point that is behind the camera


class VP2P(Family[VP2PScene]):
    """Descriptors of points and pixels in one space, matched with each other; see `network`."""

    name = "vp2p"
    trained_prior = PriorRange(1.0, 10.0)
    mirrors = True
    sizes = SIZES
    settings_type = VP2PSettings
    settings: VP2PSettings

    @property
    def signal_width(self) -> int:
        """Width in px of the image that the signal network takes."""
        return self.settings.signal_width

    def network(self) -> VP2PNetwork:
        """A network of these sizes with random weights."""
        return VP2PNetwork(self.settings)

    def scene(self, pair: Pair, rng: np.random.Generator) -> VP2PScene:
        """The scene of a pair; raises InputError for an image without contrast."""
        return scene_of(pair, self.settings, rng)

    def inputs(self, scene: VP2PScene, guess: Pose | None = None) -> Arrays:
        """`points` (N, 3) and `features` (N, 8); raises InputError when there are too few points."""
        return pass_inputs(scene, guess, self.settings)

    def halved(self, inputs: Arrays) -> Arrays:
        """The first half of the points. They are in random order, so this is the same cloud with half the density."""
        return {name: array[: len(array) // 2] for name, array in inputs.items()}

    def mirror(self, arrays: Arrays) -> Arrays:
        """Shared arrays or inputs of the mirrored pair."""
        return mirrored(arrays)

    def merge(self, outputs: Tensors, mirrored: Tensors) -> Tensors:
        """Descriptors whose similarities are the means of those of both passes."""
        return merged(outputs, mirrored)

    def decode(
        self, scene: VP2PScene, inputs: Arrays, outputs: Tensors, guess: Pose | None = None, both: Both = in_turn
    ) -> Prediction:
        """Matches for each viewing direction, and the similarities of points and pixels."""
        return decoded(inputs["points"], outputs, scene.pair.camera, guess, self.matching, both)

    def signal_input(self, scene: VP2PScene) -> SignalInput:
        """Colours, grey values and edges of the wider image."""
        return SignalInput(network_camera(scene.pair.camera, scene.wide.shape[1]), signal_channels(scene.wide))

    def example(self, sample: Sample, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """`image`, `points` and `features`, near the prior of the sample if it has one, and their labels.

        `uv` (N, 2) are the network pixels of the points and `visible` (N,) whether they lie in the image. `camera` (4,)
        is fx, fy, cx, cy in network pixels. `T_camera_lidar` (4, 4) is that of the points as they are given.
        """
        assert sample.T_camera_lidar is not None
        guess = sample.prior.pose if sample.prior else None
        scene = self.prepare(sample.pair, rng)
        inputs = _filled(self.inputs(scene, guess), self.settings.max_points, rng)
        T_camera_input = sample.T_camera_lidar @ input_frame(guess).inverse()
        camera = network_camera(sample.pair.camera, self.settings.image_width)
        uv, visible = camera.project(T_camera_input.apply(inputs["points"]))
        return {
            **scene.shared, **inputs,
            "uv": np.nan_to_num(uv, nan=UNSEEN_PX).astype(np.float32), "visible": visible,
            "camera": np.array([camera.fx, camera.fy, camera.cx, camera.cy]),
            "T_camera_lidar": T_camera_input.matrix,
        }  # fmt: skip


def _filled(inputs: Arrays, points: int, rng: np.random.Generator) -> Arrays:
    """Inputs of so many points: random ones are repeated where there are fewer, as a batch needs equal numbers."""
    missing = points - len(inputs["points"])
    again = rng.integers(0, len(inputs["points"]), missing) if missing else np.zeros(0, np.int64)
    return {name: np.concatenate([array, array[again]]) for name, array in inputs.items()}
