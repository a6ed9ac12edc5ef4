# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a hand-held RGB-D camera that walks through rooms: image, measured depth and true pose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Image
from i2p_ros.synthetic.depth_sensor import measured_depth
from i2p_ros.synthetic.image_formation import CameraResponse, form_images
from i2p_ros.synthetic.ray_casting import cast_solids
from i2p_ros.synthetic.rendering import camera_rays, camera_rectangles_of
from i2p_ros.synthetic.rooms import MARGIN, Room, random_room
from i2p_ros.synthetic.surfaces import Surface, solid_surface

KINECT = Camera(585.0, 585.0, 320.0, 240.0, 640, 480)
SEQUENCE_FRAMES, SEQUENCES = 100, 2  # of each sequence, and of each room
RATE = 10.0  # Hz
GRAIN = 90.0  # cells a metre of fine textures
FORWARD = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # of the optical axes in x forward, z up


@dataclass(frozen=True, slots=True, eq=False)
class RoomFrame:
    """One frame: image (H, W, 3) uint8 RGB, depth (H, W) m, 0 in holes, and pose of KINECT in the world.

    The world of a room is the frame of the first camera of its first sequence, as in 7-Scenes.
    """

    room: int
    sequence: int
    number: int
    image: Image
    depth: NDArray[np.float32]
    T_world_camera: Pose


def room_frame(seed: int, index: int, device: str = "cpu") -> RoomFrame:
    """Frame `index` of the rooms of a seed: each room has SEQUENCES sequences of SEQUENCE_FRAMES."""
    which, number = divmod(index, SEQUENCE_FRAMES)
    at, sequence = divmod(which, SEQUENCES)
    room, response = _room(seed, at)
    T_room_world = trajectory_pose(room, seed, at, 0, 0.0)
    T_room_camera = trajectory_pose(room, seed, at, sequence, number / RATE)
    noise = int(np.random.default_rng((seed, 6, index)).integers(-(2**31), 2**31))
    image, depth = render_frame(room, T_room_camera, replace(response, seed=noise), device)
    return RoomFrame(at, sequence, number, image, depth, T_room_world.inverse() @ T_room_camera)


@lru_cache(maxsize=2)
def _room(seed: int, index: int) -> tuple[Room, CameraResponse]:
    """A room, and the response of the camera in it."""
    return random_room(seed, index), CameraResponse.random(np.random.default_rng((seed, 8, index)))


def trajectory_pose(room: Room, seed: int, index: int, sequence: int, time: float) -> Pose:
    """T_room_camera at a time (s): a slow turn about the room with the sway of a hand, 1.1 to 1.7 m above the floor."""
    rng = np.random.default_rng((seed, 7, index, sequence))
    reach = np.maximum(0.5 * np.array(room.size[:2]) - MARGIN, 0.1)
    phase, rate = rng.uniform(0.0, 2.0 * np.pi, 6), rng.uniform(0.15, 0.5, 6)
    sway = np.sin(rate * time + phase)
    place = np.array([*(rng.uniform(0.5, 1.0, 2) * reach * sway[:2]), rng.uniform(1.2, 1.6) + 0.1 * sway[2]])
    turn = rng.choice([-1.0, 1.0]) * rng.uniform(0.12, 0.25)  # rad/s
    yaw = rng.uniform(-np.pi, np.pi) + turn * time + 0.3 * sway[3]
    pitch, roll = rng.uniform(0.05, 0.3) + 0.15 * sway[4], 0.06 * sway[5]
    turned = (
        Pose.from_rotvec([0.0, 0.0, yaw]) @ Pose.from_rotvec([0.0, pitch, 0.0]) @ Pose.from_rotvec([roll, 0.0, 0.0])
    )
    return Pose(turned.rotation @ FORWARD, place)


@torch.inference_mode()
def render_frame(
    room: Room, T_room_camera: Pose, response: CameraResponse, device: str = "cpu", camera: Camera = KINECT
) -> tuple[Image, NDArray[np.float32]]:
    """Image (H, W, 3) uint8 RGB and measured depth (H, W) m of a camera at a pose. The response has the seed of both.

    Other cameras than KINECT are the same at another size.
    """
    surface, points, depth = _seen(room, T_room_camera, camera, device)
    light = _light(room, surface, points).view(3, 1, camera.height, camera.width)
    return form_images(light, [response])[0].cpu().numpy(), _measured(surface, *depth, camera, response.seed)


@torch.inference_mode()
def render_depth(
    room: Room, T_room_camera: Pose, camera: Camera, seed: int, device: str = "cpu"
) -> NDArray[np.float32]:
    """The depth of `render_frame` alone."""
    surface, _, depth = _seen(room, T_room_camera, camera, device)
    return _measured(surface, *depth, camera, seed)


def _seen(
    room: Room, T_room_camera: Pose, camera: Camera, device: str
) -> tuple[Surface, Tensor, tuple[Tensor, Tensor]]:
    """The surface in each pixel, its points (3, R) m in the room, and its depth (R,) m with the cosine of the angle to
    the normal (R,)."""
    solids = room.solids.to(torch.device(device))
    T = torch.tensor(T_room_camera.inverse().matrix[None, :3], dtype=torch.float32, device=device)
    rays = camera_rays([camera], T)
    rectangles = camera_rectangles_of(solids, [camera], T, rays)
    distance, solid = cast_solids(rays, solids, rectangles)
    directions = rays.directions[:, 0]
    points = rays.origin[:, 0] + directions * distance[0]
    fade = 1.0 / (1.0 + distance[0] / 3.0)
    albedo, normal, gain, glass = solid_surface(solids, solid[0].clamp(min=0), points, fade, GRAIN)
    depth = distance[0] * (directions * T[0, 2, :3, None]).sum(0)
    return Surface(albedo, normal, gain, glass), points, (depth, -(normal * directions).sum(0))


def _measured(surface: Surface, depth: Tensor, facing: Tensor, camera: Camera, seed: int) -> NDArray[np.float32]:
    shape = (camera.height, camera.width)
    true, cosine, mirrored = (a.view(shape).cpu().numpy().astype(np.float64) for a in (depth, facing, surface.glass))
    return measured_depth(true, cosine, mirrored, KINECT, np.random.default_rng(seed & 0xFFFFFFFF))


def _light(room: Room, surface: Surface, points: Tensor) -> Tensor:
    """Light (3, R) from surfaces at points (3, R): of the lamp, the window, and from everywhere."""
    total = torch.full_like(points[0], room.ambient) * (0.8 + 0.2 * surface.normal[2])
    for x, y, z, strength in room.lights.tolist():
        towards = torch.tensor([[x], [y], [z]], device=points.device) - points
        squared = (towards * towards).sum(0)
        cosine = (surface.normal * towards).sum(0) * torch.rsqrt(squared + 1e-6)
        total = total + strength * cosine.clamp(min=0.0) / (0.6 + 0.3 * squared)
    return surface.albedo * (total + 1.5 * (surface.glass > 0.9) * (surface.albedo.mean(0) > 0.15))
