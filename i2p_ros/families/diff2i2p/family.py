# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The family Diff2I2P: its members in terms of the pages of this folder."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from i2p_ros.core.both import Both, in_turn
from i2p_ros.core.depths import AXES
from i2p_ros.core.geometry import Pose, from_camera_axes
from i2p_ros.core.normals import SurfaceNormals, facing
from i2p_ros.core.types import Pair, Prediction, Prior
from i2p_ros.families.base import PriorRange
from i2p_ros.families.branches.family import OwnFrameFamily
from i2p_ros.families.branches.inputs import GUESS_FEATURES, tangents
from i2p_ros.families.branches.own_frame import OwnFrameScene
from i2p_ros.families.diff2i2p.decode import tuned_matches
from i2p_ros.families.diff2i2p.network import Diff2I2PNetwork
from i2p_ros.families.diff2i2p.settings import SIZES, Diff2I2PSettings
from i2p_ros.families.diff2i2p.viewpoint import view_frame
from i2p_ros.families.vp2p.decode import decoded, merged
from i2p_ros.families.vp2p.inputs import mirrored
from i2p_ros.networks.base import Arrays, Tensors

VIEWPOINT_STD = (1.2, 0.3, 1.2, 0.12, 0.8, 0.12)  # m, rad, camera axes: of cameras about the estimated viewpoint


@dataclass(frozen=True)
class Diff2I2PScene(OwnFrameScene):
    """Such a scene with the normals of its cloud, in the same frame."""

    normals: SurfaceNormals


class Diff2I2P(OwnFrameFamily):
    """Matches from coarse to fine, whose points are tuned. They are made of an image without any depth."""

    name = "diff2i2p"
    sizes = SIZES
    settings_type = Diff2I2PSettings
    trained_prior = PriorRange(1.0, 15.0)
    mirrors = True
    refined_results, score_weight = 3, 0.0
    std_inflation = 1.4  # of 0.8, 1.4 and 2.0 the one that registers most pairs of rooms
    search_std = (0.3, 0.15, 0.3, 0.06, 0.06, 0.04)  # rooms are nearer than streets
    start_std = (0.15, 0.1, 0.15, 0.06, 0.06, 0.04)
    settings: Diff2I2PSettings

    def scene(self, pair: Pair, rng: np.random.Generator | None) -> Diff2I2PScene:
        """As of the other families, but the cloud's own frame is about that of the camera that measured it."""
        made = super().scene(pair, rng)
        T_own_lidar = view_frame(made.cloud.xyz) @ made.T_own_lidar
        normals = SurfaceNormals(made.given.transformed(T_own_lidar).xyz, self.settings.normal_m)
        return Diff2I2PScene(pair, made.shared, made.given, T_own_lidar, normals)

    def inputs(self, scene: OwnFrameScene, guess: Pose | None = None) -> Arrays:
        """As of the other families, with `normals` (N, 3) on the side of the origin.

        Without a guess, points have tangents as the camera that measured sees them.
        """
        assert isinstance(scene, Diff2I2PScene)
        made = super().inputs(scene, guess)
        T_own_input = scene.T_own_lidar @ self.input_frame(scene, guess).inverse()
        normals = scene.normals.at(T_own_input.apply(made["points"]), by_flatness=True) @ T_own_input.rotation
        made["normals"] = facing(normals, made["points"]).astype(np.float32)
        if guess is None:
            made["features"][:, -GUESS_FEATURES:-1] = tangents(made["points"])
        return made

    def network(self) -> Diff2I2PNetwork:
        """A network of these sizes with random weights."""
        return Diff2I2PNetwork(self.settings)

    def mirror(self, arrays: Arrays) -> Arrays:
        """Shared arrays or inputs of the mirrored pair."""
        made = mirrored(arrays)
        if "image" in arrays:
            fx, fy, cx, cy = arrays["camera"]
            made["camera"] = np.array([fx, fy, arrays["image"].shape[-1] - 1.0 - cx, cy], np.float32)
        if "normals" in arrays:
            made["normals"] = arrays["normals"] * np.array([1.0, -1.0, 1.0], np.float32)
        return made

    def merge(self, outputs: Tensors, mirrored: Tensors) -> Tensors:
        """Descriptors whose similarities are the means of those of both passes, and the matches of the first."""
        one, other = ({"pixels": x["fine_pixels"], "points": x["fine_points"]} for x in (outputs, mirrored))
        both = merged(one, other)
        return outputs | {"fine_pixels": both["pixels"], "fine_points": both["points"]}

    def decode(
        self, scene: OwnFrameScene, inputs: Arrays, outputs: Tensors, guess: Pose | None = None, both: Both = in_turn,
        share: float = 1.0,
    ) -> Prediction:  # fmt: skip
        """The tuned matches and mutual best ones of all pixels and points, and the similarities that judge poses."""
        camera, frame = scene.pair.camera, self.input_frame(scene, guess)
        xyz = inputs["points"][: round(share * self.matching.max_points)]
        descriptors = {"pixels": outputs["fine_pixels"], "points": outputs["fine_points"]}
        found = decoded(xyz, descriptors, camera, frame, 1, self.matching, both)
        tuned = tuned_matches(outputs, frame, camera, self.input_camera(camera))
        viewpoint = self._viewpoint(scene) if guess is None else None
        return replace(found, candidates=(tuned, *found.candidates), viewpoint=viewpoint)

    def _viewpoint(self, scene: OwnFrameScene) -> Prior:
        """The pose of a camera at the origin of the cloud's own frame, where that which measured is thought to be."""
        pose = AXES @ scene.T_own_lidar
        return Prior(pose, from_camera_axes(pose, np.diag(np.square(VIEWPOINT_STD))))
