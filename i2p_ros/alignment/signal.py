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
from i2p_ros.core.geometry import Array, Pose, so3_exp, so3_exp_many
from i2p_ros.core.stages import worked
from i2p_ros.core.types import Pair, PointCloud

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
AT_ONCE = 16  # drifts: what is kept of them fits into a cache
_FLOP, _BYTE = 80, 40  # of a point at a drift: turned, projected, blended from four pixels and regressed, twice
_FLOP_SLOPED, _BYTE_SLOPED = 400, 120  # with gradient and curvature, that of five rows of the basis
DEPENDENT = 1e-6  # share of a column's energy below which the others explain it


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A pair as seen from about a nominal calibration.

    `rays` (3, N) are the points in the camera's axes, but from the lidar's origin; those of a patch follow each other,
    beginning at `first` (P,), and are of the cell `cells` (P,) of the image; `patch` (N,) counts them. `basis` (6, N)
    has orthonormal rows within each patch: what is regressed out (1, u, v, inverse range), and then, each without
    regard to the other, the intensity and the jumps of range. `levels` are images (2, H, W), finest first: grey
    values, and strength of edges.
    """

    camera: Camera
    rays: Floats
    basis: Floats
    first: Ints
    patch: Ints
    cells: Ints
    levels: tuple[Floats, ...]


def observed(pair: Pair, nominal: Pose, settings: RefinementSettings) -> Frame:
    """The frame of a pair. A cloud without intensity, or without the order of its scan, lacks one of the signals."""
    image, camera = pair.camera.undistort(pair.image)
    if camera.width > settings.width:
        height = round(camera.height * settings.width / camera.width)
        camera = camera.resized(settings.width, height)
        image = np.asarray(cv2.resize(image, (settings.width, height), interpolation=cv2.INTER_AREA), np.uint8)
    cloud, rays, pixels = _in_view(pair.cloud.finite(), nominal, camera, settings)
    index, first, cells = _patches(pixels, camera.width / settings.columns, settings)
    intensity = np.zeros(len(rays), np.float32) if cloud.intensity is None else np.clip(cloud.intensity, 0.0, 1.0)
    told = np.stack([np.sqrt(intensity), _jumps(rays)])[:, index]
    patch = np.repeat(np.arange(len(first)), np.diff(first, append=len(index)))
    rays = np.ascontiguousarray(rays[index].T)
    return Frame(camera, rays, _basis(pixels[index].T, rays, told, first, patch), first, patch, cells, _pyramid(image))


def _in_view(
    cloud: PointCloud, nominal: Pose, camera: Camera, settings: RefinementSettings
) -> tuple[PointCloud, Floats, Array]:
    """The part of a cloud that keeps clear of the border, its rays (N, 3) and pixels (N, 2)."""
    rays = cloud.xyz @ nominal.rotation.T.astype(np.float32)
    ahead = np.flatnonzero(rays[:, 2] + nominal.translation[2] > MIN_DEPTH)
    pixels, _ = camera.project(rays[ahead] + nominal.translation.astype(np.float32))
    edge = settings.border * camera.width
    with np.errstate(invalid="ignore"):
        inside = (pixels > edge).all(axis=1)
        inside &= (pixels < np.array([camera.width, camera.height]) - 1.0 - edge).all(axis=1)
    return cloud.selected(ahead[inside]), rays[ahead[inside]], pixels[inside]


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


def _basis(pixels: Array, rays: Floats, told: Floats, first: Ints, patch: Ints) -> Floats:
    """(6, N) by Gram and Schmidt within each patch, twice for accuracy; a row that the others explain is zero."""
    if not len(first):
        return np.zeros((6, 0), np.float32)
    known: list[Array] = []
    for row in (np.ones(len(patch)), *pixels, 1.0 / np.linalg.norm(rays, axis=0)):
        known.append(_orthonormal(row, known, first, patch))
    return np.stack([*known, *(_orthonormal(row, known, first, patch) for row in told)]).astype(np.float32)


def _orthonormal(row: Any, known: Sequence[Array], first: Ints, patch: Ints) -> Array:
    """The part (N,) of a row that is orthogonal to the known ones in each patch, of length 1 there, or zero."""
    rest = np.asarray(row, np.float64)
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
    """Terms of the drift (6,), of `Pose.retract`, from a nominal calibration with this translation; their curvature is
    zero unless `curved`."""
    if not len(frame.first):
        return Terms(np.zeros(0), np.zeros((0, 6)), frame.cells, np.zeros((6, 6)))
    turned = so3_exp(drift[3:]).astype(np.float32) @ frame.rays
    seen = _seen(frame, turned, (translation + drift[:3]).astype(np.float32), level)
    worked(_FLOP_SLOPED * frame.rays.shape[1], _BYTE_SLOPED * frame.rays.shape[1])
    return Terms.joined([_of_signal(frame, k, *one, turned, curved) for k, one in enumerate(seen)])


def information(frame: Frame, translation: Array, drifts: Array, level: int) -> Array:
    """(K, 2) nats of each signal at each of K drifts, as `compared` tells them of one, in a fraction of the time."""
    if not len(frame.first):
        return np.zeros((len(drifts), 2))
    turns = so3_exp_many(drifts[:, 3:]).astype(np.float32)
    shifts = (translation + drifts[:, :3]).astype(np.float32)
    parts = range(0, len(drifts), AT_ONCE)
    return np.concatenate([_information(frame, turns[k:][:AT_ONCE], shifts[k:][:AT_ONCE], level) for k in parts])


def _information(frame: Frame, turns: Floats, shifts: Floats, level: int) -> Array:
    first, patch = frame.first, frame.patch
    n = np.diff(first, append=len(patch)).astype(np.float64)
    fx, fy, cx, cy = _lens(frame, level)
    x, y, _ = _directions(turns @ frame.rays + shifts[:, :, None])
    image = np.ascontiguousarray(frame.levels[level].transpose(1, 2, 0))
    worked(_FLOP * x.size, _BYTE * x.size)
    u, v = x * fx + cx, y * fy + cy
    values = cv2.remap(image, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # to a 32nd of a pixel
    nats = []
    for signal, value in enumerate(np.ascontiguousarray(np.moveaxis(values, 2, 0))):
        grey = value - (np.add.reduceat(value, first, axis=1) / n).astype(np.float32)[:, patch]
        known = sum(np.square(np.add.reduceat(row * grey, first, axis=1), dtype=np.float64) for row in frame.basis[1:4])
        shared = np.add.reduceat(frame.basis[4 + signal] * grey, first, axis=1)
        total = np.maximum(np.add.reduceat(grey * grey, first, axis=1) - known, 0.0) + n * NOISE**2
        left = np.maximum(total - np.square(shared, dtype=np.float64), n * NOISE**2)
        nats.append(0.5 * np.log(total / left) @ n)
    return np.stack(nats, axis=1)


def _directions(points: Floats) -> tuple[Floats, Floats, Floats]:
    """x/z, y/z and depth (..., N) of points (..., 3, N)."""
    depth: Floats = np.maximum(points[..., 2, :], 0.5 * MIN_DEPTH)
    x: Floats = points[..., 0, :] / depth
    y: Floats = points[..., 1, :] / depth
    return x, y, depth


def _lens(frame: Frame, level: int) -> Floats:
    """fx, fy, cx, cy of the image of a level, px."""
    height, width = frame.levels[level].shape[1:]
    camera = frame.camera.resized(width, height)
    return np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float32)


def _seen(frame: Frame, turned: Floats, translation: Floats, level: int) -> list[tuple[Floats, Floats]]:
    """Of each signal the value (N,) where the points are seen, and its gradient (3, N) by the points, per m."""
    fx, fy, cx, cy = _lens(frame, level)
    x, y, depth = _directions(turned + translation[:, None])
    found: list[tuple[Floats, Floats]] = []
    for value, right, low in _bilinear(frame.levels[level], x * fx + cx, y * fy + cy):
        across, down = right * fx / depth, low * fy / depth
        found.append((value, np.stack([across, down, -(across * x + down * y)])))
    return found


def _bilinear(image: Floats, u: Floats, v: Floats) -> list[tuple[Floats, Floats, Floats]]:
    """Values (N,) of each channel of an image (C, H, W), and their derivatives by u and v; those outside are of its
    border."""
    channels, height, width = image.shape
    u, v = np.clip(u, 0.0, width - 1.01), np.clip(v, 0.0, height - 1.01)
    left, top = u.astype(np.int64), v.astype(np.int64)
    a, b = (u - left).astype(np.float32), (v - top).astype(np.float32)
    at = top * width + left
    found: list[tuple[Floats, Floats, Floats]] = []
    for flat in image.reshape(channels, -1):
        corner, right, below, across = flat[at], flat[at + 1], flat[at + width], flat[at + width + 1]
        upper, slant = right - corner, below - corner
        twist = across - below - upper
        down = slant + a * twist
        found.append((corner + a * upper + b * down, upper + b * twist, down))
    return found


def _of_signal(frame: Frame, signal: int, grey: Floats, slope: Floats, turned: Floats, curved: bool) -> Terms:
    known, told, first, patch = frame.basis[:4], frame.basis[4 + signal], frame.first, frame.patch
    n = np.diff(first, append=len(grey)).astype(np.float64)
    grey = grey - (np.add.reduceat(grey, first) / n).astype(np.float32)[patch]
    rest = grey - np.einsum("kn,kn->n", known, np.add.reduceat(known * grey, first, axis=1)[:, patch])
    shared = np.add.reduceat(told * rest, first)
    total = np.add.reduceat(rest * rest, first).astype(np.float64) + n * NOISE**2
    left = total - np.square(shared, dtype=np.float64)
    nats = 0.5 * n * np.log(total / left)
    (x, y, z), (dx, dy, dz) = turned, slope
    jacobian = np.stack([dx, dy, dz, y * dz - z * dy, z * dx - x * dz, x * dy - y * dx])
    pull = (rest - told * shared[patch]) * (n / left).astype(np.float32)[patch]
    pull -= rest * (n / total).astype(np.float32)[patch]
    gradient = -np.add.reduceat(jacobian * pull, first, axis=1).T.astype(np.float64)
    weight = n / left - n / total
    curvature = _curvature(frame, signal, jacobian, weight) if curved else np.zeros((6, 6))
    return Terms(nats, gradient, frame.cells, curvature)


def _curvature(frame: Frame, signal: int, jacobian: Floats, weight: Array) -> Array:
    """(6, 6) sum of weight J J^T over patches, of the part of J (6, N) that the basis does not explain."""
    basis = np.take(frame.basis, [0, 1, 2, 3, 4 + signal], axis=0)
    explained = np.add.reduceat(basis[:, None] * jacobian, frame.first, axis=2)  # (5, 6, P)
    tall: Any = (explained * np.sqrt(weight)).astype(np.float64).transpose(1, 0, 2).reshape(6, -1)
    scaled = (jacobian * np.sqrt(weight).astype(np.float32)[frame.patch]).astype(np.float64)
    return np.asarray(scaled @ scaled.T - tall @ tall.T)
