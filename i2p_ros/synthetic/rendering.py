# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Places in, images and clouds out: many at a time, on any device. The page to read first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Pose
from i2p_ros.synthetic.buildings import add_buildings
from i2p_ros.synthetic.casting import Rays, Windows
from i2p_ros.synthetic.crossings import crossings
from i2p_ros.synthetic.developing import Film, develop
from i2p_ros.synthetic.lidars import Beams, Lidar
from i2p_ros.synthetic.lighting import headings, light
from i2p_ros.synthetic.plants import add_plants
from i2p_ros.synthetic.solids import Site, Solids
from i2p_ros.synthetic.surfaces import BuiltWorlds, first_hits, normalised, surface
from i2p_ros.synthetic.traffic import add_traffic
from i2p_ros.synthetic.windows import camera_windows
from i2p_ros.synthetic.worlds import World, on_device, stacked

AT_ONCE = {"cpu": 1, "cuda": 16}  # places; a processor's caches hold one place, and samples do not depend on others


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Everything that a sample follows from: a world in a frame (`framed`), sensors, and where they are in this frame.

    What is nearer to the lidar than `clearance` (m) is left out of the world.
    """

    world: World
    camera: Camera
    film: Film
    lidar: Lidar
    T_camera_lidar: Pose
    T_world_lidar: Pose
    clearance: float


def render(places: Sequence[Place], device: torch.device | str = "cpu") -> tuple[Tensor, list[Tensor]]:
    """Images (P, H, W, 3) uint8 RGB and clouds, one (N, 4) float32 of x, y, z (m, lidar frame) and intensity a place.

    Cameras must have equal sizes and no lens distortion. On the CPU the result is bit-equal however places are batched.
    """
    at_once = AT_ONCE.get(torch.device(device).type, 1)
    images, clouds = [], []
    for k in range(0, len(places), at_once):
        image, cloud = _rendered(places[k : k + at_once], torch.device(device))
        images.append(image)
        clouds += cloud
    return torch.cat(images), clouds


@torch.inference_mode()
def _rendered(places: Sequence[Place], device: torch.device) -> tuple[Tensor, list[Tensor]]:
    built = build(places, device)
    return take_images(built, places), take_clouds(built, places)


def build(places: Sequence[Place], device: torch.device) -> BuiltWorlds:
    """The worlds around places."""
    worlds = stacked([place.world for place in places])
    sides = crossings(worlds)
    site = Site(worlds, sides)
    add_buildings(site)
    add_plants(site)
    add_traffic(site)
    eye = _matrices([place.T_world_lidar for place in places], device)[:, :, 3]
    clearance = torch.tensor([[place.clearance] for place in places], device=device)
    world = on_device(worlds, device)
    return BuiltWorlds(world, sides.on_device(device), site.solids(world, eye.T[:, :, None], clearance))


def take_images(built: BuiltWorlds, places: Sequence[Place]) -> Tensor:
    """(P, H, W, 3) uint8."""
    device = built.world.origin.device
    T = _matrices([place.T_camera_lidar @ place.T_world_lidar.inverse() for place in places], device)
    cameras = [place.camera for place in places]
    rays = camera_rays(cameras, T)
    hits = first_hits(built, rays, camera_windows_of(built.solids, cameras, T))
    received = light(built, rays, headings(T[:, :, :3]), hits, surface(built, rays, hits))
    shape = (3, len(places), cameras[0].height, cameras[0].width)
    return develop(received.view(shape), [place.film for place in places])


def take_clouds(built: BuiltWorlds, places: Sequence[Place]) -> list[Tensor]:
    """(N, 4) of each place: points in the lidar frame and intensities."""
    device = built.world.origin.device
    poses = [place.T_world_lidar for place in places]
    beams = Beams([place.lidar for place in places], _matrices(poses, device))
    windows = beams.windows(built.solids, _matrices([pose.inverse() for pose in poses], device))
    hits = first_hits(built, beams.rays, windows)
    return beams.returns(hits, surface(built, beams.rays, hits))


def camera_rays(cameras: Sequence[Camera], T_camera_world: Tensor) -> Rays:
    """Unit rays through the centres of all pixels, row after row."""
    fx, fy, cx, cy = _intrinsics(cameras, T_camera_world.device).T[:, :, None, None]
    height, width = cameras[0].height, cameras[0].width
    u = (torch.arange(width, device=fx.device) - cx) / fx
    v = (torch.arange(height, device=fx.device)[:, None] - cy) / fy
    u, v = torch.broadcast_tensors(u, v)
    grid = torch.stack([u, v, torch.ones_like(u)]).flatten(2)
    grid = normalised(grid)
    rotation, translation = T_camera_world[:, :, :3], T_camera_world[:, :, 3]
    origin = -torch.einsum("pji,pj->ip", rotation, translation)
    columns = torch.full((len(cameras),), width, device=fx.device)
    return Rays(origin[:, :, None], torch.einsum("pji,jpr->ipr", rotation, grid).contiguous(), columns)


def camera_windows_of(solids: Solids, cameras: Sequence[Camera], T_camera_world: Tensor) -> Windows:
    """Where in the images the solids may be seen."""
    intrinsics = _intrinsics(cameras, T_camera_world.device)
    return camera_windows(solids, T_camera_world, intrinsics, cameras[0].width, cameras[0].height)


def _intrinsics(cameras: Sequence[Camera], device: torch.device) -> Tensor:
    return torch.tensor([[c.fx, c.fy, c.cx, c.cy] for c in cameras], dtype=torch.float32).to(device)


def _matrices(poses: Sequence[Pose], device: torch.device) -> Tensor:
    """(P, 3, 4) float32."""
    return torch.tensor(np.stack([pose.matrix[:3] for pose in poses]), dtype=torch.float32).to(device)
