# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The two sensors: a camera that takes an image of the world, a spinning lidar that takes a cloud."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Image, PointCloud
from i2p_ros.sources.synthetic.casting import Hits, Rays, camera_windows, cast, lidar_windows
from i2p_ros.sources.synthetic.shading import Scene, Seen, Surface, seen, surface
from i2p_ros.sources.synthetic.solids import Floats

BEAM_TOP, BEAM_BOTTOM = 2.0, -24.8  # deg, those of an HDL-64E
RETURN_SHARE = 0.8  # of the rays of a turn give a return, about
MIN_RANGE, MAX_RANGE = 1.5, 80.0  # m
RANGE_NOISE, INTENSITY_NOISE = 0.02, 0.02  # m, 1
AMBIENT = np.array([0.42, 0.45, 0.50], np.float32)[:, None]
HAZE = np.array([0.72, 0.76, 0.82], np.float32)[:, None]
SUNLIGHT = np.array([0.70, 0.66, 0.58], np.float32)[:, None]


def camera_rays(camera: Camera, T_world_camera: Pose) -> Rays:
    """A ray through the centre of every pixel (H, W)."""
    x = (np.arange(camera.width) - camera.cx) / camera.fx
    y = (np.arange(camera.height) - camera.cy) / camera.fy
    shape = (camera.height, camera.width)
    grid = np.stack([np.broadcast_to(x, shape), np.broadcast_to(y[:, None], shape), np.ones(shape)]).astype(np.float32)
    grid /= np.sqrt(grid[0] * grid[0] + grid[1] * grid[1] + 1.0)
    rotation = T_world_camera.rotation.astype(np.float32)
    return Rays(T_world_camera.translation, (rotation @ grid.reshape(3, -1)).reshape(grid.shape))


def lidar_angles(beams: int, points: int, phase: float) -> tuple[Array, Array]:
    """Elevations (falling) and azimuths (rising through a turn from phase - pi on) of rays, rad, for so many points."""
    columns = int(np.ceil(points / beams / RETURN_SHARE))
    elevations: Array = np.radians(np.linspace(BEAM_TOP, BEAM_BOTTOM, beams))
    azimuths: Array = phase - np.pi + 2.0 * np.pi / columns * np.arange(columns, dtype=np.float64)
    return elevations, azimuths


def lidar_rays(elevations: Array, azimuths: Array, T_world_lidar: Pose) -> Rays:
    """A ray per beam and azimuth (beams, columns)."""
    flat = np.cos(elevations)[:, None]
    up = np.broadcast_to(np.sin(elevations)[:, None], (len(elevations), len(azimuths)))
    grid = np.stack([flat * np.cos(azimuths), flat * np.sin(azimuths), up]).astype(np.float32)
    rotation = T_world_lidar.rotation.astype(np.float32)
    return Rays(T_world_lidar.translation, (rotation @ grid.reshape(3, -1)).reshape(grid.shape))


def cast_camera(scene: Scene, camera: Camera, T_world_camera: Pose) -> tuple[Rays, Hits]:
    """What each pixel sees."""
    rays = camera_rays(camera, T_world_camera)
    windows = camera_windows(scene.solids, T_world_camera.inverse(), camera)
    return rays, cast(rays, scene.solids, windows)


def cast_lidar(scene: Scene, elevations: Array, azimuths: Array, T_world_lidar: Pose) -> tuple[Rays, Hits]:
    """What each beam meets at each azimuth."""
    rays = lidar_rays(elevations, azimuths, T_world_lidar)
    windows = lidar_windows(scene.solids, T_world_lidar, elevations, azimuths)
    return rays, cast(rays, scene.solids, windows)


def take_image(scene: Scene, camera: Camera, T_world_camera: Pose, rng: np.random.Generator) -> Image:
    """An RGB image (H, W, 3): sun, haze and sky, a soft lens, random exposure and tint, noise."""
    rays, hits = cast_camera(scene, camera, T_world_camera)
    light = _sky(rays.directions.reshape(3, -1), scene.world.sun)
    found = seen(scene, rays, hits)
    air = np.exp(found.distance * np.float32(-1.0 / scene.world.haze))
    hazy = _lit(surface(scene, rays.origin, found), found.directions, scene.world.sun) * air + HAZE * (1.0 - air)
    for channel, value in zip(light, hazy, strict=True):
        channel[found.index] = value
    return _develop(light.reshape(3, camera.height, camera.width), rng)


def _lit(found: Surface, directions: Floats, sun: Floats) -> Floats:
    """(3, n) light that surfaces send along the rays: ambient and sun on matt paint, some sky mirrored in glass."""
    towards_sun = np.maximum(sun @ found.normal, 0.0)
    from_sky = 0.75 + 0.25 * found.normal[2]
    light = found.albedo * (AMBIENT * from_sky + SUNLIGHT * towards_sun)
    mirrored = 0.25 * (1.0 - np.abs(np.einsum("in,in->n", found.normal, directions))) * found.glass
    return np.asarray(light + mirrored, np.float32)


def _sky(directions: Floats, sun: Floats) -> Floats:
    """(3, n) a gradient from the horizon up, brighter towards the sun."""
    up = np.clip(directions[2], 0.0, 1.0)
    low, high = np.array([0.78, 0.82, 0.88], np.float32)[:, None], np.array([0.35, 0.55, 0.85], np.float32)[:, None]
    glow = np.square(np.square(np.square(np.maximum(sun @ directions, 0.0))))
    return np.asarray(low + (high - low) * np.sqrt(up) + 0.35 * glow, np.float32)


def _develop(light: Floats, rng: np.random.Generator) -> Image:
    """(H, W, 3) uint8 image of light (3, H, W)."""
    image = cv2.GaussianBlur(cv2.merge(list(light)), (3, 3), rng.uniform(0.3, 0.6))
    image *= (rng.uniform(0.7, 1.3) * rng.uniform(0.94, 1.06, 3)).astype(np.float32)
    np.power(image, np.float32(rng.uniform(0.6, 0.85)), out=image)
    noise = _fast_normal(image.shape, rng) * np.float32(rng.uniform(0.005, 0.025))
    return np.clip((image + noise) * 255.0, 0.0, 255.0).astype(np.uint8)


def _fast_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Nearly normal numbers of mean -2/148 and deviation 1: sums of four bytes, drawn in less than half the time."""
    parts = np.frombuffer(rng.bytes(4 * int(np.prod(shape))), np.int8).reshape(4, *shape)
    total = parts[0].astype(np.int16)
    for part in parts[1:]:
        total += part
    return total * np.float32(1.0 / 148.0)


def take_cloud(scene: Scene, beams: int, points: int, T_world_lidar: Pose, rng: np.random.Generator) -> PointCloud:
    """A turn of the lidar: about `points` returns, at most so many, with range noise, dropouts and intensity."""
    elevations, azimuths = lidar_angles(beams, points, rng.uniform(0.0, 1.0) * 1e-2)
    rays, hits = cast_lidar(scene, elevations, azimuths, T_world_lidar)
    hit = seen(scene, rays, hits, MIN_RANGE, MAX_RANGE)
    found = surface(scene, rays.origin, hit)
    facing = np.abs(np.einsum("in,in->n", found.normal, hit.directions))
    kept = _returned(found, facing, hit, points, rng)
    noisy = hit.distance[kept] + rng.standard_normal(len(kept), np.float32) * np.float32(RANGE_NOISE)
    xyz = T_world_lidar.rotation.T.astype(np.float32) @ (hit.directions.take(kept, axis=1) * noisy)
    intensity = _intensity(found, facing, hit.distance)[kept]
    noise = rng.standard_normal(len(kept), np.float32) * np.float32(INTENSITY_NOISE)
    return PointCloud(np.ascontiguousarray(xyz.T), np.clip(intensity + noise, 0.0, 1.0))


def _returned(found: Surface, facing: Floats, hit: Seen, points: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Which hits give a return, in the order of the grid: glass, grazing incidence and distance lose some."""
    lost = 0.02 + 0.4 * found.glass + 0.3 * (facing < 0.05) + hit.distance * np.float32(0.1 / MAX_RANGE)
    kept = np.flatnonzero(rng.random(len(lost), np.float32) > lost)
    if len(kept) > points:
        kept = rng.permutation(kept)[:points]
    return kept[np.argsort(hit.index[kept])]


def _intensity(found: Surface, facing: Floats, distance: Floats) -> Floats:
    """(n,) reflectance of the surface in infrared, weakened by the angle of incidence and by distance."""
    reflectance = found.albedo.mean(axis=0) * found.gain
    return np.asarray(reflectance * (0.6 + 0.4 * facing) * np.exp(-distance / 150.0), np.float32)
