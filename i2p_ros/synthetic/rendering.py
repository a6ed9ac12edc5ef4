# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rendering of places into images and clouds, in batches, on any device. Read this file first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Pose
from i2p_ros.synthetic.bounding import camera_rectangles, tile_rectangles
from i2p_ros.synthetic.buildings import add_buildings
from i2p_ros.synthetic.image_formation import CameraResponse, form_images
from i2p_ros.synthetic.lidars import Beams, Lidar
from i2p_ros.synthetic.lighting import headings, received_light
from i2p_ros.synthetic.plants import add_plants
from i2p_ros.synthetic.ray_casting import Rays, Rectangles
from i2p_ros.synthetic.side_streets import draw_side_streets
from i2p_ros.synthetic.solids import Site, Solids
from i2p_ros.synthetic.surfaces import StreetScene, first_hits, normalised, surface_at
from i2p_ros.synthetic.traffic import add_traffic
from i2p_ros.synthetic.worlds import World, on_device, stacked

BATCH_SIZE = {"cpu": 1, "cuda": 16}  # places; the caches of a CPU hold one place


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Inputs of a rendering: a world in a frame of its own (`reframed`), the sensors, and their poses.

    Objects within `clearance` (m) of the lidar are left out. The image is black more than half of `field_of_view` (rad)
    off the optical axis.
    """

    world: World
    camera: Camera
    response: CameraResponse
    lidar: Lidar
    T_camera_lidar: Pose
    T_world_lidar: Pose
    clearance: float
    field_of_view: float = 2.0 * np.pi


def render(places: Sequence[Place], device: torch.device | str = "cpu") -> tuple[Tensor, list[Tensor]]:
    """Images (P, H, W, 3) uint8 RGB, and for each place a cloud (N, 4) float32 of x, y, z (m, lidar frame), intensity.

    All cameras must have the same size, and either all or none of them a lens distortion. On the CPU the result does
    not depend on the batches, bit for bit.
    """
    batch_size = BATCH_SIZE.get(torch.device(device).type, 1)
    images, clouds = [], []
    for k in range(0, len(places), batch_size):
        image, cloud = _render_batch(places[k : k + batch_size], torch.device(device))
        images.append(image)
        clouds += cloud
    return torch.cat(images), clouds


@torch.inference_mode()
def _render_batch(places: Sequence[Place], device: torch.device) -> tuple[Tensor, list[Tensor]]:
    scene = build_scene(places, device)
    return render_images(scene, places), render_clouds(scene, places)


def build_scene(places: Sequence[Place], device: torch.device) -> StreetScene:
    """Scene of the worlds around places."""
    worlds = stacked([place.world for place in places])
    side_streets = draw_side_streets(worlds)
    site = Site(worlds, side_streets)
    add_buildings(site)
    add_plants(site)
    add_traffic(site)
    eye = _matrices([place.T_world_lidar for place in places], device)[:, :, 3]
    clearance = torch.tensor([[place.clearance] for place in places], device=device)
    world = on_device(worlds, device)
    return StreetScene(world, side_streets.on_device(device), site.solids(world, eye.T[:, :, None], clearance))


def render_images(scene: StreetScene, places: Sequence[Place]) -> Tensor:
    """Images (P, H, W, 3) uint8 RGB."""
    device = scene.world.origin.device
    T = _matrices([place.T_camera_lidar @ place.T_world_lidar.inverse() for place in places], device)
    cameras = [place.camera for place in places]
    rays = camera_rays(cameras, T)
    hits = first_hits(scene, rays, camera_rectangles_of(scene.solids, cameras, T, rays))
    received = received_light(scene, rays, headings(T[:, :, :3]), hits, surface_at(scene, rays, hits))
    if cameras[0].distortion:
        received = received * _in_image_circle(rays, T, [place.field_of_view for place in places])
    shape = (3, len(places), cameras[0].height, cameras[0].width)
    return form_images(received.view(shape), [place.response for place in places])


def render_clouds(scene: StreetScene, places: Sequence[Place]) -> list[Tensor]:
    """Cloud (N, 4) of each place: points in the lidar frame, m, and intensities."""
    device = scene.world.origin.device
    poses = [place.T_world_lidar for place in places]
    beams = Beams([place.lidar for place in places], _matrices(poses, device))
    rectangles = beams.rectangles(scene.solids, _matrices([pose.inverse() for pose in poses], device))
    hits = first_hits(scene, beams.rays, rectangles)
    return beams.returns(hits, surface_at(scene, beams.rays, hits))


def camera_rays(cameras: Sequence[Camera], T_camera_world: Tensor) -> Rays:
    """Rays of unit length through the centres of all pixels, row by row."""
    device, width = T_camera_world.device, cameras[0].width
    grid = torch.stack([_through_lens(c) for c in cameras], 1).to(device) if cameras[0].distortion else _flat(cameras)
    grid = normalised(grid.to(device))
    rotation, translation = T_camera_world[:, :, :3], T_camera_world[:, :, 3]
    origin = -torch.einsum("pji,pj->ip", rotation, translation)
    columns = torch.full((len(cameras),), width, device=device)
    return Rays(origin[:, :, None], torch.einsum("pji,jpr->ipr", rotation, grid).contiguous(), columns)


def _flat(cameras: Sequence[Camera]) -> Tensor:
    """Rays (3, P, R) of pinhole cameras in their frames, with z = 1."""
    fx, fy, cx, cy = _intrinsics(cameras, torch.device("cpu")).T[:, :, None, None]
    height, width = cameras[0].height, cameras[0].width
    u = (torch.arange(width) - cx) / fx
    v = (torch.arange(height)[:, None] - cy) / fy
    u, v = torch.broadcast_tensors(u, v)
    return torch.stack([u, v, torch.ones_like(u)]).flatten(2)


@lru_cache(maxsize=4)
def _through_lens(camera: Camera) -> Tensor:
    """Unit rays (3, R) of a camera with a lens in its frame, straight ahead for pixels that no ray reaches."""
    columns, rows = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    rays = camera.rays(np.stack([columns, rows], axis=-1).reshape(-1, 2))
    rays = np.where(np.isnan(rays), [0.0, 0.0, 1.0], rays)
    return torch.from_numpy(rays.T.astype(np.float32))


def _in_image_circle(rays: Rays, T_camera_world: Tensor, fields_of_view: Sequence[float]) -> Tensor:
    """(P, R) 1 for rays within half of the field of view (rad) of each place, 0 for others."""
    off_axis = (T_camera_world[:, 2, :3].T[:, :, None] * rays.directions).sum(0).clamp(-1.0, 1.0).acos()
    return (off_axis <= 0.5 * torch.tensor(fields_of_view, device=off_axis.device)[:, None]).to(torch.float32)


def camera_rectangles_of(solids: Solids, cameras: Sequence[Camera], T_camera_world: Tensor, rays: Rays) -> Rectangles:
    """Rectangles of the images in which the solids may be visible."""
    width, height = cameras[0].width, cameras[0].height
    if cameras[0].distortion:
        return tile_rectangles(solids, rays, width, height)
    return camera_rectangles(solids, T_camera_world, _intrinsics(cameras, T_camera_world.device), width, height)


def _intrinsics(cameras: Sequence[Camera], device: torch.device) -> Tensor:
    return torch.tensor([[c.fx, c.fy, c.cx, c.cy] for c in cameras], dtype=torch.float32).to(device)


def _matrices(poses: Sequence[Pose], device: torch.device) -> Tensor:
    """Matrices (P, 3, 4) float32 of poses."""
    return torch.tensor(np.stack([pose.matrix[:3] for pose in poses]), dtype=torch.float32).to(device)
