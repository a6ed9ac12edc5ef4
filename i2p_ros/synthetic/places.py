# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Places of the vehicle: scattered places, each in a world of its own, or the frames of one drive."""

from __future__ import annotations

import math

import numpy as np
import torch

from i2p_ros.core.config import SyntheticSettings
from i2p_ros.core.geometry import Pose
from i2p_ros.synthetic.rendering import Place
from i2p_ros.synthetic.rigs import SensorRig
from i2p_ros.synthetic.terrain import base_height, to_world
from i2p_ros.synthetic.worlds import World, on_device, random_world, reframed, stacked

SPEED = 8.0  # m/s along the street
CLEARANCE = 3.2  # m around the lidar of a scattered place without solids
PLACES, DRIVE = 1, 2  # first numbers of the random seeds
WORLD_STREAM, RIG_STREAM, FRAME_STREAM = 1, 3, 4  # numbers of the random streams


def scattered_place(settings: SyntheticSettings, seed: int, index: int) -> Place:
    """Random place in a world of its own. The heading is along the street, and any heading in three cases of ten."""
    rng = np.random.default_rng((seed, PLACES, index, FRAME_STREAM))
    varied = bool(rng.random() < settings.variety)
    world = random_world(np.random.default_rng((seed, PLACES, index, WORLD_STREAM)), 0.7, varied)
    rig = SensorRig.random(settings, rng, varied)
    x, lane = rng.uniform(0.0, 500.0), -0.5 * world.road + rng.normal(0.0, 0.4)
    turn = rng.uniform(-math.pi, math.pi) if rng.random() < 0.3 else rng.normal(0.0, 0.12)
    pitch, roll, rise = rng.normal(0.0, [0.006, 0.006, 0.02]).tolist()
    return _place_at(world, rig, x, lane, turn, (roll, pitch, rise), CLEARANCE)


def drive_place(settings: SyntheticSettings, seed: int, index: int) -> Place:
    """Frame `index` of a drive. The vehicle keeps its lane, with small motions of offset, roll, pitch and height."""
    rng = np.random.default_rng((seed, DRIVE, RIG_STREAM))
    varied = bool(rng.random() < settings.variety)
    world = random_world(np.random.default_rng((seed, DRIVE, WORLD_STREAM)), 0.0, varied)
    rig = SensorRig.random(settings, rng, varied)
    start, phase = rng.uniform(0.0, 500.0), rng.uniform(0.0, 2.0 * math.pi, 4)
    rig = rig.with_seed(int(np.random.default_rng((seed, DRIVE, FRAME_STREAM, index)).integers(-(2**31), 2**31)))
    t = index / settings.rate_hz
    sway, turn = math.sin(0.35 * t + phase[0]), 0.5 * 0.35 / SPEED * math.cos(0.35 * t + phase[0])
    roll, pitch, rise = np.array([0.005, 0.004, 0.02]) * np.sin(np.array([2.1, 1.3, 1.7]) * t + phase[1:])
    return _place_at(world, rig, start + SPEED * t, -0.5 * world.road + 0.5 * sway, turn, (roll, pitch, rise), 0.0)


def T_start_frame(world: World) -> Pose:
    """T_start_frame from the frame of a world to the frame of the same world at the start of its street."""
    begin = []
    for a, b, k, q, p, r in (world.line, world.rise):
        p0, r0 = p - k * world.origin, r - q * world.origin  # phases at the start of the street
        begin.append(a * (math.sin(p) - math.sin(p0)) + b * (math.sin(r) - math.sin(r0)))
    return Pose(np.eye(3), np.array([world.origin, *begin]))


def _place_at(
    world: World,
    rig: SensorRig,
    x: float,
    offset: float,
    turn: float,
    nod: tuple[float, float, float],
    clearance: float,
) -> Place:
    """Place of a rig at x (m along the street) and `offset` (m to the left of the centre line).

    `turn` is the heading against the street, rad. `nod` is (roll, pitch, rise), rad and m, against the ground.
    """
    world = reframed(world, x)
    at = on_device(stacked([world]), torch.device("cpu"))
    along, across = (torch.tensor([[value]], dtype=torch.float32) for value in (x - world.origin, offset))
    px, py, cos, sin = (float(value) for value in to_world(at, along, across))
    z = float(base_height(at, along, across))
    yaw = math.atan2(sin, cos) + turn
    climb, fall = _slopes(at, along, across)
    roll, pitch, rise = nod
    pitch -= math.cos(turn) * math.atan(climb) + math.sin(turn) * math.atan(fall)
    roll += math.cos(turn) * math.atan(fall) - math.sin(turn) * math.atan(climb)
    rotation = (Pose.from_rotvec([0.0, 0.0, yaw]) @ Pose.from_rotvec([roll, pitch, 0.0])).rotation
    T_world_lidar = Pose(rotation, np.array([px, py, z + rig.height + rise]))
    T = rig.T_camera_lidar
    return Place(world, rig.camera, rig.response, rig.lidar, T, T_world_lidar, clearance, rig.field_of_view)


def _slopes(at: World, along: torch.Tensor, across: torch.Tensor) -> tuple[float, float]:
    """Slopes of the ground along the street and to its left."""
    step = 1.0
    dx = base_height(at, along + step, across) - base_height(at, along - step, across)
    dy = base_height(at, along, across + 0.3) - base_height(at, along, across - 0.3)
    return float(dx) / (2 * step), float(dy) / 0.6
