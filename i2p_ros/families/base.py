# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Interface of a family of networks: preparation of a pair, the network, and the decoder of its outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
from pydantic import BaseModel

from i2p_ros.alignment.estimate import STD_INFLATION
from i2p_ros.alignment.signals import LIDAR, SignalSet
from i2p_ros.core.both import Both, in_turn
from i2p_ros.core.camera import Camera
from i2p_ros.core.config import MatchingSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose, from_camera_axes, to_camera_axes
from i2p_ros.core.types import Pair, PointCloud, Prediction, Prior
from i2p_ros.families.surroundings import is_full_turn
from i2p_ros.networks.base import Arrays, FamilyNetwork, Tensors
from i2p_ros.search.likelihood import SEARCH_STD

START_STD = (0.5, 0.35, 0.5, *np.radians([1.15, 1.15, 1.15]).tolist())  # m, rad; in streets
Need = Literal["intensity", "time", "full_turn"]
NEEDS: dict[Need, tuple[str, Callable[[PointCloud], bool]]] = {  # in words, and whether a cloud has it
    "intensity": ("the intensity of the points", lambda cloud: cloud.intensity is not None),
    "time": ("the time of the points", lambda cloud: cloud.time is not None),
    "full_turn": ("points of a full turn of the lidar", lambda cloud: is_full_turn(cloud.xyz)),
}
SLACK = 1.0 + 1e-6  # relative, of deviations that are compared with a range: they have been rounded on their way


@dataclass(frozen=True, slots=True)
class PriorRange:
    """A uniform range of guesses about the true pose: up to `metres` along and `degrees` about each camera axis."""

    metres: float
    degrees: float

    @property
    def std(self) -> Array:
        """(6,) standard deviations in camera axes, m and rad."""
        return np.repeat([self.metres, np.radians(self.degrees)], 3) / np.sqrt(3.0)

    def times(self, factor: float) -> PriorRange:
        """A range so many times as wide."""
        return PriorRange(factor * self.metres, factor * self.degrees)

    def covers(self, prior: Prior) -> bool:
        """Whether the largest standard deviations of a prior, at the camera, are at most those of this range."""
        at_camera = to_camera_axes(prior.pose, prior.covariance)
        largest = [np.linalg.eigvalsh(block).max() ** 0.5 for block in (at_camera[:3, :3], at_camera[3:, 3:])]
        return bool((np.array(largest) <= SLACK * self.std[[0, 3]]).all())

    def about(self, pose: Pose) -> Prior:
        """A prior about T_camera_lidar `pose` with the standard deviations of this range."""
        return Prior(pose, from_camera_axes(pose, np.diag(self.std**2)))


@dataclass(frozen=True)
class Scene:
    """A pair as a network takes it. All forward passes over the pair share it, and nothing changes it.

    `pair` is as it was given. `shared` are the arrays that each of these passes takes, such as the image. Families add
    what they need.
    """

    pair: Pair
    shared: Arrays


SceneT = TypeVar("SceneT", bound=Scene)


class Family(ABC, Generic[SceneT]):
    """A network architecture with its inputs and its decoder, in one of several sizes."""

    name: ClassVar[str]
    needs: ClassVar[frozenset[Need]] = frozenset()  # what a pair must have beyond image, camera and points
    trained_prior: ClassVar[PriorRange]  # within which training draws guesses about the true pose
    sizes: ClassVar[Mapping[str, BaseModel]]  # settings by name of the size
    std_inflation: ClassVar[float] = STD_INFLATION  # factor on the deviations of poses, within which they are refined
    search_std: ClassVar[tuple[float, ...]] = SEARCH_STD  # m, rad, camera axes; of poses compared about another
    start_std: ClassVar[tuple[float, ...]] = START_STD  # the same, of poses that the signals are trained to refine
    signal_guesses: ClassVar[int] = 0  # poses that the signals propose where the proposals of the network are unsure
    refined_results: ClassVar[int] = 1  # passes whose poses are refined; one pose of these is taken
    score_weight: ClassVar[float] = 1.0  # of the descriptors' likelihood in this choice, beside the mutual information
    on_vehicles: ClassVar[bool] = False  # whether a camera is near the lidar of its vehicle
    mirrors: ClassVar[bool] = False  # whether there is a mirrored pass: `mirror` and `merge`
    settings_type: ClassVar[type[BaseModel]]
    settings: BaseModel  # sizes of this network, of `settings_type`; the manifest keeps them

    def __init__(self, settings: Mapping[str, Any] | BaseModel, matching: MatchingSettings) -> None:
        """From the settings of a size or of a manifest; raises pydantic's ValidationError when they do not fit."""
        self.settings, self.matching = self.settings_type.model_validate(settings), matching

    @property
    def signal_width(self) -> int | None:
        """Width in px of the image that the signal network takes; none for a family without such a network."""
        return None

    @property
    def signal_set(self) -> SignalSet:
        """The signals that the network predicts, if it predicts any."""
        return LIDAR

    @property
    def max_points(self) -> int | None:
        """Largest number of points of a forward pass; none for a family without points."""
        return None

    @abstractmethod
    def network(self) -> FamilyNetwork:
        """A network of these sizes with random weights."""

    def prepare(self, pair: Pair, rng: np.random.Generator | None = None) -> SceneT:
        """The scene of a pair; without rng, the same for the same pair.

        Raises InputError, which names what is missing, for a pair without something that the family needs.
        """
        for need in sorted(self.needs):
            words, has = NEEDS[need]
            if not has(pair.cloud):
                raise InputError(f"the network {self.name} needs {words}", f"cloud.{need}")
        return self.scene(pair, rng)

    @abstractmethod
    def scene(self, pair: Pair, rng: np.random.Generator | None) -> SceneT:
        """The scene of a pair that has all that the family needs, without rng always the same; call `prepare`."""

    @abstractmethod
    def inputs(self, scene: SceneT, guess: Pose | None = None) -> Arrays:
        """The arrays of one forward pass that are not shared: near a guess of T_camera_lidar, or of the whole cloud.

        Raises InputError when there is too little of the cloud.
        """

    def input_frame(self, scene: SceneT, guess: Pose | None) -> Pose:
        """T_input_lidar: frame of the points among the inputs of a pass over a scene with this guess."""
        return Pose.identity()

    def input_camera(self, camera: Camera) -> Camera:
        """Camera of the image among the shared arrays, for pairs of this camera. It has no lens distortion."""
        return camera.undistorted

    def halved(self, inputs: Arrays) -> Arrays | None:
        """Inputs of half the points, for a device without memory for all of them; none if the family cannot."""
        return None

    def mirror(self, arrays: Arrays) -> Arrays:
        """Shared arrays or inputs of the mirrored pair: left and right are swapped."""
        raise NotImplementedError(f"{self.name} has no mirrored pass")

    def merge(self, outputs: Tensors, mirrored: Tensors) -> Tensors:
        """Outputs that are the mean of those of a pass and of its mirrored pass."""
        raise NotImplementedError(f"{self.name} has no mirrored pass")

    @abstractmethod
    def decode(
        self, scene: SceneT, inputs: Arrays, outputs: Tensors, guess: Pose | None = None, both: Both = in_turn,
        share: float = 1.0,
    ) -> Prediction:  # fmt: skip
        """The prediction from the outputs of one forward pass; pixels of the original image, points of the lidar frame.

        `guess` is the one that `inputs` were made with; `both` may run things in parallel. `share` is that of the
        points which are compared with the image, for a family that can do with fewer.
        """

    def signal_camera(self, camera: Camera) -> Camera | None:
        """Camera of the predicted signals, for pairs of this camera. It has no lens distortion.

        None where the network predicts none. Refinement then uses grey values and edges. Else the shared arrays have
        the `channels` (C, H, W) that the signals are predicted from.
        """
        return None
