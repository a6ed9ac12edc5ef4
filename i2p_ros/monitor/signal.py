# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What images and clouds say of each other: the raw signal of a drift, without any training.

Two properties of points are each compared with one of the image where the points are seen: the lidar's intensity with
grey values, and whether a point lies at a jump of range with the strength of the image's edges. Points that fall into
one cell of the image make a patch. In each patch position and inverse range, to which both sides are related anyhow,
are regressed out of both. With rho the correlation of what is left, -n/2 log(1 - rho^2) is the mutual information
(nats) of n Gaussian pairs (Cover and Thomas 2006, eq. 8.56). Its sum over patches is largest where the points are seen
by the true camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import RefinementSettings
from i2p_ros.core.geometry import Array, Pose, so3_exp
from i2p_ros.core.types import Pair

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

COARSEST = 160  # px, width of the smallest image, which is searched first; each is half as wide as the one before
BLUR = 1.0  # px of each level
NOISE = 2.0  # grey levels: less contrast says nothing
STEEP = 15.0  # grey levels a pixel: a steeper edge is no better
EDGE_SCALE = 6.0  # makes edges as large as grey values
JUMP = 0.003  # 1/m, of inverse range, between neighbours in the cloud
APART = 0.012  # rad, between neighbours at most: else they are of different turns of the lidar
ROW = 4096  # cells are numbered by row * ROW + column
MIN_DEPTH = 1.0  # m, of points that are compared
DEPENDENT = 1e-6  # share of a column's energy below which the others explain it


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A pair as seen from about a nominal calibration.

    `rays` (N, 3) are the points in the camera's axes, but from the lidar's origin; those of a patch follow each other,
    beginning at `first` (P,), and are of the cell `cells` (P,) of the image. `basis` (N, 6) has orthonormal columns
    within each patch: what is regressed out (1, u, v, inverse range), and then, each without regard to the other, the
    intensity and the jumps of range. `levels` are images (2, H, W), finest first: grey values, and strength of edges.
    """

    camera: Camera
    rays: Floats
    basis: Floats
    first: Ints
    cells: Ints
    levels: tuple[Floats, ...]


def observed(pair: Pair, nominal: Pose, settings: RefinementSettings) -> Frame:
    """The frame of a pair. A cloud without intensity, or without the order of its scan, lacks one of the signals."""
    image, camera = pair.camera.undistort(pair.image)
    if camera.width > settings.width:
        height = round(camera.height * settings.width / camera.width)
        camera = camera.resized(settings.width, height)
        image = np.asarray(cv2.resize(image, (settings.width, height), interpolation=cv2.INTER_AREA), np.uint8)
    cloud = pair.cloud.finite()
    rays = cloud.xyz @ nominal.rotation.T.astype(np.float32)
    pixels, seen = _in_view(rays + nominal.translation.astype(np.float32), camera, settings)
    index, first, cells = _patches(pixels[seen], camera.width / settings.columns, settings)
    index = np.flatnonzero(seen)[index]
    intensity = np.zeros(len(rays), np.float32) if cloud.intensity is None else np.clip(cloud.intensity, 0.0, 1.0)
    told = np.stack([np.sqrt(intensity), _jumps(rays)], axis=1)[index]
    return Frame(camera, rays[index], _basis(pixels[index], rays[index], told, first), first, cells, _pyramid(image))


def _in_view(points: Floats, camera: Camera, settings: RefinementSettings) -> tuple[Array, NDArray[np.bool_]]:
    """Pixels (N, 2) and which of them keep clear of the border."""
    pixels, _ = camera.project(points)
    edge = settings.border * camera.width
    with np.errstate(invalid="ignore"):
        inside = (pixels > edge).all(axis=1)
        inside &= (pixels < np.array([camera.width, camera.height]) - 1.0 - edge).all(axis=1)
    return pixels, inside & (points[:, 2] > MIN_DEPTH)


def _jumps(rays: Floats) -> Floats:
    """(N,) 1 where inverse range jumps between neighbours in the cloud's order, which is the scan's; else 0."""
    ranges = np.maximum(np.linalg.norm(rays, axis=1), 1e-3)
    towards = rays / ranges[:, None]
    near = np.linalg.norm(np.diff(towards, axis=0), axis=1) < APART
    jump = near & (np.abs(np.diff(1.0 / ranges)) > JUMP)
    return np.asarray(np.append(jump, False) | np.append(False, jump), np.float32)[: len(rays)]


def _patches(pixels: Array, cell: float, settings: RefinementSettings) -> tuple[Ints, Ints, Ints]:
    """Index of the points in the order of their patches, thinned evenly; where each patch begins, and its cell."""
    n = len(pixels)
    chosen = np.linspace(0, n, min(n, settings.max_points), endpoint=False).astype(np.int64)
    column, row = np.floor(pixels[chosen] / cell).astype(np.int64).T
    order = np.argsort(row * ROW + column, kind="stable")
    cells, count = np.unique(row * ROW + column, return_counts=True)
    full = count >= settings.min_points
    index = chosen[order][np.repeat(full, count)]
    first = np.concatenate([[0], np.cumsum(count[full])[:-1]]).astype(np.int64)[: int(full.sum())]
    return index, first, cells[full]


def _basis(pixels: Array, rays: Floats, told: Floats, first: Ints) -> Floats:
    """(N, 6) by Gram and Schmidt within each patch, twice for accuracy; a column that the others explain is zero."""
    if not len(first):
        return np.zeros((0, 6), np.float32)
    nearness = 1.0 / np.linalg.norm(rays, axis=1)
    known: list[Array] = []
    for column in (np.ones(len(rays)), *pixels.T, nearness):
        known.append(_orthonormal(column, known, first))
    return np.stack([*known, *(_orthonormal(column, known, first) for column in told.T)], axis=1).astype(np.float32)


def _orthonormal(column: Any, known: Sequence[Array], first: Ints) -> Array:
    """The part (N,) of a column that is orthogonal to the known ones in each patch, of length 1 there, or zero."""
    patch, rest = _patch_of(first, len(column)), np.asarray(column, np.float64)
    of = np.add.reduceat(rest * rest, first)
    for one in (*known, *known):
        rest = rest - one * np.add.reduceat(one * rest, first)[patch]
    energy = np.add.reduceat(rest * rest, first)
    scale = np.where(energy > DEPENDENT * of, 1.0 / np.sqrt(np.maximum(energy, 1e-30)), 0.0)
    return np.asarray(rest * scale[patch])


def _pyramid(image: NDArray[np.uint8]) -> tuple[Floats, ...]:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    levels = []
    for _ in range(1 + max(0, round(np.log2(grey.shape[1] / COARSEST)))):
        smooth = cv2.GaussianBlur(grey, (0, 0), BLUR)
        strength = np.hypot(np.gradient(smooth, axis=1), np.gradient(smooth, axis=0))
        edges = cv2.GaussianBlur(EDGE_SCALE * np.minimum(strength, STEEP), (0, 0), BLUR)
        levels.append(np.stack([smooth, edges], dtype=np.float32))
        grey = np.asarray(cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float32)
    return tuple(levels)


def _patch_of(first: Ints, n: int) -> Ints:
    return np.repeat(np.arange(len(first)), np.diff(first, append=n))


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """`information` (nats, without its sign a cost) of each patch (P,), its `gradient` (P, 6) by the drift, which cell
    of the image it is of (P,), and the `curvature` (6, 6) by Gauss and Newton of all together."""

    information: Array
    gradient: Array
    cells: Ints
    curvature: Array

    @staticmethod
    def joined(terms: Sequence[Terms]) -> Terms:
        """Those of several frames or signals."""
        return Terms(
            np.concatenate([t.information for t in terms]),
            np.concatenate([t.gradient for t in terms]),
            np.concatenate([t.cells for t in terms]),
            np.sum([t.curvature for t in terms], axis=0),
        )


def compared(frame: Frame, translation: Array, drift: Array, level: int, curved: bool = True) -> Terms:
    """Terms of the drift (6,), of `Pose.retract`, from a nominal calibration with this translation.

    Without `curved`, in two thirds of the time, their curvature is zero.
    """
    if not len(frame.first):
        return Terms(np.zeros(0), np.zeros((0, 6)), frame.cells, np.zeros((6, 6)))
    turned = frame.rays @ so3_exp(drift[3:]).T.astype(np.float32)
    seen = _seen(frame, turned, (translation + drift[:3]).astype(np.float32), level)
    return Terms.joined([_of_signal(frame, k, *one, turned, curved) for k, one in enumerate(seen)])


def edge_information(frame: Frame, translation: Array, drift: Array) -> float:
    """Nats that jumps of range and edges alone say of each other, on the finest image; arguments as of `compared`."""
    terms = compared(frame, translation, drift, 0, curved=False)
    return float(terms.information[len(frame.first) :].sum())


def _seen(frame: Frame, turned: Floats, translation: Floats, level: int) -> list[tuple[Floats, Floats]]:
    """Of each signal the value (N,) where the points are seen, and its gradient (N, 3) by the points, per m."""
    image = frame.levels[level]
    camera = frame.camera.resized(image.shape[2], image.shape[1])
    points = turned + translation
    depth = np.maximum(points[:, 2], 0.5 * MIN_DEPTH)
    x, y = points[:, 0] / depth, points[:, 1] / depth
    fx, fy, cx, cy = np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float32)
    found = []
    for value, across, down in _bilinear(image, x * fx + cx, y * fy + cy):
        across, down = across * fx / depth, down * fy / depth
        found.append((value, np.stack([across, down, -(across * x + down * y)], axis=1)))
    return found


def _bilinear(image: Floats, u: Floats, v: Floats) -> NDArray[np.float32]:
    """(C, 3, N) values of an image (C, H, W) with their derivatives by u and v; those outside are of its border."""
    channels, height, width = image.shape
    u, v = np.clip(u, 0.0, width - 1.01), np.clip(v, 0.0, height - 1.01)
    left, top = u.astype(np.int64), v.astype(np.int64)
    a, b = (u - left).astype(np.float32), (v - top).astype(np.float32)
    at = top * width + left
    found = []
    for flat in image.reshape(channels, -1):
        corner, right, below, across = flat[at], flat[at + 1], flat[at + width], flat[at + width + 1]
        upper, lower, slant = right - corner, across - below, below - corner
        twist = lower - upper
        found.append([corner + a * upper + b * (slant + a * twist), upper + b * twist, slant + a * twist])
    return np.asarray(found)


def _of_signal(frame: Frame, signal: int, grey: Floats, slope: Floats, turned: Floats, curved: bool) -> Terms:
    jacobian = np.concatenate([slope, np.cross(turned, slope)], axis=1)
    known, told, first = frame.basis[:, :4], frame.basis[:, 4 + signal], frame.first
    patch = _patch_of(first, len(grey))
    n = np.bincount(patch).astype(np.float64)
    grey = grey - (np.add.reduceat(grey, first) / n)[patch].astype(np.float32)
    rest = grey - np.einsum("nk,nk->n", known, np.add.reduceat(known * grey[:, None], first)[patch])
    shared = np.add.reduceat(told * rest, first)
    unexplained = rest - told * shared[patch]
    total = np.add.reduceat(rest * rest, first).astype(np.float64) + n * NOISE**2
    left = total - np.square(shared, dtype=np.float64)
    pull = unexplained * (n / left).astype(np.float32)[patch] - rest * (n / total).astype(np.float32)[patch]
    gradient = -np.add.reduceat(jacobian * pull[:, None], first).astype(np.float64)
    curvature = np.zeros((6, 6))
    if curved:
        basis = np.take(frame.basis, [0, 1, 2, 3, 4 + signal], axis=1)
        curvature = _curvature(jacobian, basis, n / left - n / total, first, patch)
    return Terms(0.5 * n * np.log(total / left), gradient, frame.cells, curvature)


def _curvature(jacobian: Floats, basis: Floats, weight: Array, first: Ints, patch: Ints) -> Array:
    """(6, 6) sum of weight J^T J over patches, of the part of J that the basis does not explain."""
    explained = np.add.reduceat((basis[:, :, None] * jacobian[:, None, :]).reshape(len(basis), -1), first)
    tall: Any = (explained.reshape(len(first), 5, 6) * np.sqrt(weight)[:, None, None]).reshape(-1, 6).astype(np.float64)
    scaled = (jacobian * np.sqrt(weight).astype(np.float32)[patch][:, None]).astype(np.float64)
    return np.asarray(scaled.T @ scaled - tall.T @ tall)
