# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The source of made-up samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import SyntheticSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair, Sample
from i2p_ros.sources.synthetic.sensors import take_cloud, take_image
from i2p_ros.sources.synthetic.shading import Scene
from i2p_ros.sources.synthetic.street import World

HEIGHT = 1.73  # m, of the lidar above the ground
SPEED = 8.0  # m/s along the street
VIEW = 130.0  # m; solids farther away are left out
CLEARANCE = 3.2  # m around the lidar of a scattered place where nothing stands
FIRST_STAMP, SECOND = 1_000_000_000, 1_000_000_000  # ns
PLACES, DRIVE = 1, 2  # kinds of worlds, for their keys
FRAME_STREAM, RIG_STREAM = 3, 4  # of random numbers, beside those of the world
AXES_CAMERA_LIDAR = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])


@dataclass(frozen=True, slots=True)
class Rig:
    """Two sensors and how they are mounted."""

    camera: Camera
    T_camera_lidar: Pose

    @staticmethod
    def random(width: int, height: int, rng: np.random.Generator) -> Rig:
        """A rig like KITTI's, with another lens and another mounting each time: some cm, up to 1 deg."""
        focal = 0.58 * width * rng.uniform(0.95, 1.05)
        cx, cy = (np.array([width, height]) - 1.0) * (0.5 + rng.uniform(-0.03, 0.03, 2))
        place = np.array([0.27, 0.0, -0.08]) + rng.uniform(-0.04, 0.04, 3)
        turn = Pose.from_rotvec(np.radians(rng.uniform(-1.0, 1.0, 3))).rotation
        rotation = turn @ AXES_CAMERA_LIDAR
        camera = Camera(float(focal), float(focal), float(cx), float(cy), width, height)
        return Rig(camera, Pose(rotation, -rotation @ place))


class SyntheticSource:
    """`n` samples of made-up streets: scattered places, another world each, or one drive through one world.

    Everything follows from the seed (and the index), bit for bit. The truth is exact.
    """

    def __init__(self, settings: SyntheticSettings, seed: int, n: int) -> None:
        if seed < 0 or n < 1:
            raise InputError(f"a synthetic source needs a seed >= 0 and n >= 1, got seed {seed} and n {n}", "synthetic")
        self.settings, self.seed, self.n = settings, seed, n
        self._drive = _Drive(seed, settings) if settings.drive else None

    @property
    def name(self) -> str:
        """`synthetic` with the kind and the seed."""
        return f"synthetic {'drive' if self.settings.drive else 'places'}, seed {self.seed}"

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.n:
            raise IndexError(f"sample {index} of {self.n}")
        s = self.settings
        if self._drive is None:
            world = World((self.seed, PLACES, index), busy=True)
            rng = np.random.default_rng((*world.key, FRAME_STREAM))
            rig, T_world_lidar = Rig.random(s.width, s.height, rng), _somewhere(world, rng)
            stamp = FIRST_STAMP + index * SECOND
        else:
            world, rig, T_world_lidar = self._drive.world, self._drive.rig, self._drive.T_world_lidar(index)
            rng = np.random.default_rng((*world.key, FRAME_STREAM, index))
            stamp = FIRST_STAMP + round(index * SECOND / s.rate_hz)
        scene = scene_at(world, T_world_lidar, 0.0 if self._drive else CLEARANCE)
        cloud = take_cloud(scene, s.beams, s.points, T_world_lidar, rng)
        image = take_image(scene, rig.camera, T_world_lidar @ rig.T_camera_lidar.inverse(), rng)
        pair = Pair(image, rig.camera, cloud, stamp, f"{index:010d}")
        return Sample(pair, rig.T_camera_lidar, T_world_lidar)


def scene_at(world: World, T_world_lidar: Pose, clearance: float) -> Scene:
    """What of a world can be seen from a place; what is nearer than the clearance (m) is left out."""
    place = T_world_lidar.translation
    solids, first, blocks = world.around(float(place[0]))
    solids = solids.seen_from(place, VIEW)
    outside = np.maximum(np.abs(solids.to_local(place)) - solids.half, 0.0)
    return Scene(world, solids.selected(np.linalg.norm(outside, axis=1) > clearance), first, blocks)


def _somewhere(world: World, rng: np.random.Generator) -> Pose:
    """T_world_lidar of a vehicle in the street: along it mostly, anyhow in three cases of ten."""
    x, lane = rng.uniform(0.0, 500.0), -world.street.road / 2 + rng.normal(0.0, 0.4)
    along = float(world.street.heading(x)) + rng.normal(0.0, 0.12)
    yaw = rng.uniform(-np.pi, np.pi) if rng.random() < 0.3 else along
    pitch, roll, rise = rng.normal(0.0, [0.006, 0.006, 0.02]).tolist()
    return _placed(world, x, lane, yaw, pitch, roll, rise)


def _placed(world: World, x: float, offset: float, yaw: float, pitch: float, roll: float, rise: float) -> Pose:
    px, py = world.street.at(x, offset)
    turn = Pose.from_rotvec([0.0, 0.0, yaw]) @ Pose.from_rotvec([roll, pitch, 0.0])
    return Pose(turn.rotation, np.array([px, py, HEIGHT + rise]))


class _Drive:
    """One vehicle on its way along one street: where it is at each frame, with one rig."""

    def __init__(self, seed: int, settings: SyntheticSettings) -> None:
        self.world = World((seed, DRIVE), busy=False)
        self.rate_hz = settings.rate_hz
        rng = np.random.default_rng((*self.world.key, RIG_STREAM))
        self.rig = Rig.random(settings.width, settings.height, rng)
        self.start = float(rng.uniform(0.0, 500.0))
        self.phase = rng.uniform(0.0, 2.0 * np.pi, 4)

    def T_world_lidar(self, index: int) -> Pose:
        """Where the lidar is: the vehicle keeps its lane, swaying a little, and nods."""
        t, street = index / self.rate_hz, self.world.street
        x = self.start + SPEED * t
        sway = np.sin(0.35 * t + self.phase[0])
        turn = 0.5 * 0.35 / SPEED * np.cos(0.35 * t + self.phase[0])
        nod = np.array([0.005, 0.004, 0.02]) * np.sin(np.array([2.1, 1.3, 1.7]) * t + self.phase[1:])
        yaw = float(street.heading(x) + turn)
        return _placed(self.world, x, -street.road / 2 + 0.5 * sway, yaw, *nod.tolist())
