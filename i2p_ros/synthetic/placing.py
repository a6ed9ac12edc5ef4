# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the vehicle is: scattered places, another world each, or frames of one drive."""

from __future__ import annotations

import math

import numpy as np
import torch

from i2p_ros.core.config import SyntheticSettings
from i2p_ros.core.geometry import Pose
from i2p_ros.synthetic.rendering import Place
from i2p_ros.synthetic.rigs import Rig
from i2p_ros.synthetic.terrain import base_height, to_world
from i2p_ros.synthetic.worlds import World, framed, on_device, random_world, stacked

SPEED = 8.0  # m/s along the street
CLEARANCE = 3.2  # m around the lidar of a scattered place where nothing stands
PLACES, DRIVE = 1, 2  # kinds of worlds, for their keys
WORLD_STREAM, RIG_STREAM, FRAME_STREAM = 1, 3, 4  # of random numbers


def scattered_place(settings: SyntheticSettings, seed: int, index: int) -> Place:
    """Somewhere in a world of its own: along the street mostly, anyhow in three cases of ten."""
    rng = np.random.default_rng((seed, PLACES, index, FRAME_STREAM))
    anything = bool(rng.random() < settings.variety)
    world = random_world(np.random.default_rng((seed, PLACES, index, WORLD_STREAM)), 0.7, anything)
    rig = Rig.random(settings, rng, anything)
    x, lane = rng.uniform(0.0, 500.0), -0.5 * world.road + rng.normal(0.0, 0.4)
    turn = rng.uniform(-math.pi, math.pi) if rng.random() < 0.3 else rng.normal(0.0, 0.12)
    pitch, roll, rise = rng.normal(0.0, [0.006, 0.006, 0.02]).tolist()
    return _placed(world, rig, x, lane, turn, (roll, pitch, rise), CLEARANCE)


def drive_place(settings: SyntheticSettings, seed: int, index: int) -> Place:
    """Frame `index` of a drive: the vehicle keeps its lane, swaying a little, and nods."""
    rng = np.random.default_rng((seed, DRIVE, RIG_STREAM))
    anything = bool(rng.random() < settings.variety)
    world = random_world(np.random.default_rng((seed, DRIVE, WORLD_STREAM)), 0.0, anything)
    rig = Rig.random(settings, rng, anything)
    start, phase = rng.uniform(0.0, 500.0), rng.uniform(0.0, 2.0 * math.pi, 4)
    rig = rig.reseeded(int(np.random.default_rng((seed, DRIVE, FRAME_STREAM, index)).integers(-(2**31), 2**31)))
    t = index / settings.rate_hz
    sway, turn = math.sin(0.35 * t + phase[0]), 0.5 * 0.35 / SPEED * math.cos(0.35 * t + phase[0])
    roll, pitch, rise = np.array([0.005, 0.004, 0.02]) * np.sin(np.array([2.1, 1.3, 1.7]) * t + phase[1:])
    return _placed(world, rig, start + SPEED * t, -0.5 * world.road + 0.5 * sway, turn, (roll, pitch, rise), 0.0)


def T_start_frame(world: World) -> Pose:
    """From the frame of a world to the frame of the same world at the start of its street."""
    begin = []
    for a, b, k, q, p, r in (world.line, world.rise):
        # phases at the start of the street
        p0, r0 = p - k * world.origin, r - q * world.origin
        begin.append(a * (math.sin(p) - math.sin(p0)) + b * (math.sin(r) - math.sin(r0)))
    return Pose(np.eye(3), np.array([world.origin, *begin]))


def _placed(
    world: World, rig: Rig, x: float, offset: float, turn: float, nod: tuple[float, float, float], clearance: float
) -> Place:
    """A rig at x (m along the street) and offset, turned against the street and nodding (roll, pitch, rise)."""
    world = framed(world, x)
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
    return Place(world, rig.camera, rig.film, rig.lidar, rig.T_camera_lidar, T_world_lidar, clearance)


def _slopes(at: World, along: torch.Tensor, across: torch.Tensor) -> tuple[float, float]:
    """Of the ground along the street and to the left of it."""
    step = 1.0
    dx = base_height(at, along + step, across) - base_height(at, along - step, across)
    dy = base_height(at, along, across + 0.3) - base_height(at, along, across - 0.3)
    return float(dx) / (2 * step), float(dy) / 0.6
