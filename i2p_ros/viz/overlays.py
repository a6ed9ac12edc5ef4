# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drawings of clouds and matches in images. All functions return a new RGB image (H, W, 3) uint8."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.spacing import thinned
from i2p_ros.core.types import Correspondences, Image, PointCloud

NEAR, FAR = 3.0, 60.0  # m: the ends of the colour scale
GOOD, BAD, UNKNOWN = (40, 220, 90), (200, 45, 45), (150, 150, 150)
DIMMED = 0.55  # brightness of the image below the drawing
WITHOUT_POSE = 0.4  # brightness of an image in which no pose can be drawn
BAR = 22  # px: height of the caption of images up to CAPTION_WIDTH wide; proportional to the width of wider ones
CAPTION_WIDTH = 600  # px


def overlay(
    image: Image, camera: Camera, cloud: PointCloud, T_camera_lidar: Pose, max_points: int = 40000, dim: float = DIMMED
) -> Image:
    """The image with the points in view, coloured by depth from red (near) to blue (far), with near points on top.

    Occluded points are drawn too. At most max_points are drawn, at an even step through the points in view.
    """
    in_camera = T_camera_lidar.apply(cloud.xyz)
    pixels, inside = camera.project(in_camera)
    in_view = thinned(np.flatnonzero(inside), max_points)
    depth = depths(camera, in_camera[in_view])
    far_first = np.argsort(-depth)
    canvas = dimmed(image, dim)
    _paint(canvas, pixels[in_view[far_first]], depth_colours(depth[far_first]), _radius(camera))
    return canvas


def depths(camera: Camera, in_camera: Array) -> Array:
    """Depths (N,) of points (N, 3) in the frame of a camera, m. Of a fisheye, which may see points beside and behind
    it, the distance counts as the depth."""
    return np.asarray(np.linalg.norm(in_camera, axis=1) if camera.is_fisheye else in_camera[:, 2])


def depth_colours(depth: Array) -> Image:
    """RGB colours (N, 3) of depths (N,), m, on a logarithmic turbo scale from NEAR to FAR."""
    share = np.log(np.maximum(depth, 1e-3) / NEAR) / np.log(FAR / NEAR)
    index = np.clip(255.0 * (1.0 - share), 0, 255).astype(np.uint8)
    return np.asarray(_turbo()[index], np.uint8)


def draw_matches(
    image: Image,
    camera: Camera,
    matches: Correspondences,
    T_camera_lidar: Pose | None = None,
    inliers: NDArray[np.bool_] | None = None,
    max_matches: int = 300,
) -> Image:
    """The image with matches: a dot at each pixel and, with a pose, a line to the projection of the point.

    Inliers are green, outliers are red, and matches are grey where `inliers` is None. The max_matches of the largest
    weights are drawn.
    """
    canvas = dimmed(image, DIMMED)
    is_inlier = np.zeros(len(matches), bool) if inliers is None else inliers
    chosen = np.argsort(-matches.weights, kind="stable")[:max_matches]
    chosen = chosen[np.argsort(is_inlier[chosen], kind="stable")]  # inliers on top
    if T_camera_lidar is not None:
        ends, _ = camera.project(T_camera_lidar.apply(matches.points))
    for k in chosen:
        colour = UNKNOWN if inliers is None else GOOD if is_inlier[k] else BAD
        start = _whole(matches.pixels[k])
        if T_camera_lidar is not None and np.abs(ends[k]).max() < 1e4:
            cv2.line(canvas, start, _whole(ends[k]), colour, 1, cv2.LINE_AA)
        cv2.circle(canvas, start, _radius(camera) + 1, colour, -1, cv2.LINE_AA)
    return canvas


def cells_shaded(image: Image, cells: Array, size: float) -> Image:
    """The image with the brightness of its square cells by their values. Cells without a value, or with one below 0,
    are dark.

    `cells` (C, 3) are row, column and value, `size` is the size of a cell, px.
    """
    shade = np.full(image.shape[:2], 0.25)
    most = cells[:, 2].max(initial=1e-9)
    for row, column, value in cells:
        top, left = round(row * size), round(column * size)
        shade[top : round((row + 1) * size), left : round((column + 1) * size)] = 0.25 + 0.75 * np.sqrt(
            max(value, 0.0) / most
        )
    return np.asarray(image * shade[:, :, None], np.uint8)


def dimmed(image: Image, share: float) -> Image:
    """The image with a share of its brightness."""
    return np.asarray(image * share, np.uint8)


def captioned(image: Image, text: str) -> Image:
    """The image below a dark bar with a line of text, whose size is proportional to the width of wide images."""
    scale = max(1.0, image.shape[1] / CAPTION_WIDTH)
    bar = np.full((round(BAR * scale), image.shape[1], 3), 24, np.uint8)
    start, thick = (round(6 * scale), round(15 * scale)), max(1, round(scale))
    cv2.putText(bar, text, start, cv2.FONT_HERSHEY_SIMPLEX, 0.45 * scale, (235, 235, 235), thick, cv2.LINE_AA)
    return np.concatenate([bar, image])


def _paint(canvas: Image, pixels: Array, colours: Image, radius: int) -> None:
    """Draws discs at pixels (N, 2), later ones over earlier ones: in one assignment the last value of a pixel stays."""
    span = np.arange(-radius, radius + 1)
    disc = np.array([(dx, dy) for dx in span for dy in span if dx * dx + dy * dy <= radius * radius])
    at = (np.rint(pixels).astype(int)[:, None, :] + disc).reshape(-1, 2)
    ok = ((at >= 0) & (at < [canvas.shape[1], canvas.shape[0]])).all(axis=1)
    canvas[at[ok, 1], at[ok, 0]] = np.repeat(colours, len(disc), axis=0)[ok]


def _radius(camera: Camera) -> int:
    return max(1, round(camera.width / 800))


def _whole(pixel: Array) -> tuple[int, int]:
    return round(float(pixel[0])), round(float(pixel[1]))


def _turbo() -> Image:
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    return np.asarray(cv2.applyColorMap(ramp, cv2.COLORMAP_TURBO)[:, 0, ::-1], np.uint8)
