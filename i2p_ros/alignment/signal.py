# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What images and clouds say of each other: the signal of a drift.

Properties of points are each compared with one channel of an image where the points are seen: the lidar's intensity
with grey values, and whether a point lies at a jump of range with the strength of edges, which takes no training; or
these, inverse range and height with what a network makes of the image for them. Points that fall into one cell of the
image make a patch. In each patch position and, for the first two, inverse range, to which both sides are related
anyhow, are regressed out of both. With rho the correlation of what is left, -n/2 log(1 - rho^2) is the mutual
information (nats) of n Gaussian pairs (Cover and Thomas 2006, eq. 8.56). Its sum over patches is largest where the
points are seen by the true camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import RefinementSettings
from i2p_ros.core.geometry import Array, Pose, so3_exp, so3_exp_many
from i2p_ros.core.types import Image, Pair, PointCloud

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
AT_ONCE = 32  # drifts: what is kept of them fits into a cache
SIGNALS = ((4, 4), (5, 4), (3, 3), (6, 3))  # row of the basis that is compared, and how many of the first are regressed
BASIS, SEEN = 7, 7  # rows of the basis; and of a signal: its value and six derivatives
TALL = 2.0  # m, above and below the origin of the rays: beyond, heights differ less and less
DEPENDENT = 1e-6  # share of a column's energy below which the others explain it


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What a camera without a lens sees: `levels`, images (C, H, W) of mean zero, the finest first and each half as
    wide as the one before. Their channels are what the first C of SIGNALS are compared with."""

    camera: Camera
    levels: tuple[Floats, ...]

    @staticmethod
    def of(camera: Camera, levels: Sequence[Floats]) -> View:
        """From images of any mean."""
        return View(camera, tuple(level - level.mean(axis=(1, 2), keepdims=True) for level in levels))


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A pair as seen from about a nominal calibration.

    `rays` (3, N) are the points in the camera's axes, but from the lidar's origin; those of a patch follow each other,
    beginning at `first` (P,), and are of the cell `cells` (P,) of the image; `patch` (N,) counts them. `basis` (7, N)
    has rows of length 1 within each patch, or 0 where there is nothing: orthogonal to each other 1, u, v and inverse
    range, and to so many of these as SIGNALS say intensity, jumps of range and height (along the camera's y axis).
    """

    view: View
    rays: Floats
    basis: Floats
    first: Ints
    patch: Ints
    cells: Ints

    @property
    def silent(self) -> bool:
        """Whether there is nothing to compare: too few points, or none of the properties that the view is made for."""
        return not any(self.basis[row].any() for row, _ in SIGNALS[: len(self.view.levels[0])])

    @property
    def counts(self) -> Array:
        """(P,) points of each patch."""
        return np.diff(self.first, append=len(self.patch)).astype(np.float64)

    def pixels(self, translation: Array, drifts: Array) -> tuple[Floats, Floats]:
        """u, v (N, K) of the points in the finest image at K drifts from a calibration with this translation."""
        turns, shifts = so3_exp_many(drifts[:, 3:]), translation + drifts[:, :3]
        return _pixels(self, turns.astype(np.float32), shifts.astype(np.float32), 0)


def plain_view(pair: Pair, settings: RefinementSettings) -> View:
    """Grey values and the strength of edges, of each level by itself, of an image without its lens."""
    image, camera = pair.camera.undistort(pair.image)
    if camera.width > settings.width:
        camera = camera.resized(settings.width, round(camera.height * settings.width / camera.width))
        image = np.asarray(cv2.resize(image, (camera.width, camera.height), interpolation=cv2.INTER_AREA), np.uint8)
    return View.of(camera, [plain_signals(level) for level in _halved(grey(image))])


def view_of(camera: Camera, finest: Floats) -> View:
    """From signals (C, H, W) that something else made of the image, as a network."""
    levels = _halved(np.ascontiguousarray(finest.transpose(1, 2, 0)))
    return View.of(camera, [np.ascontiguousarray(level.transpose(2, 0, 1)) for level in levels])


def observed(pair: Pair, nominal: Pose, settings: RefinementSettings, view: View | None = None) -> Frame:
    """The frame of a pair, of its plain view unless another is given. A cloud without intensity, or without the order
    of its scan, lacks one of the signals."""
    view = view or plain_view(pair, settings)
    camera = view.camera
    cloud, rays, pixels = _in_view(pair.cloud.finite(), nominal, camera, settings)
    index, first, cells = _patches(pixels, camera.width / settings.columns, settings)
    intensity = np.zeros(len(rays), np.float32) if cloud.intensity is None else np.clip(cloud.intensity, 0.0, 1.0)
    told = np.stack([np.sqrt(intensity), _jumps(rays), np.tanh(-rays[:, 1] / TALL)])[:, index]
    patch = np.repeat(np.arange(len(first)), np.diff(first, append=len(index)))
    rays = np.ascontiguousarray(rays[index].T)
    return Frame(view, rays, _basis(pixels[index].T, rays, told, first, patch), first, patch, cells)


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
    """(7, N) by Gram and Schmidt within each patch, twice for accuracy; a row that the others explain is zero."""
    if not len(first):
        return np.zeros((BASIS, 0), np.float32)
    known: list[Array] = []
    for row in (np.ones(len(patch)), *pixels, 1.0 / np.linalg.norm(rays, axis=0)):
        known.append(_orthonormal(row, known, first, patch))
    others = {row: n for row, n in SIGNALS if row >= len(known)}
    return np.stack(
        [*known, *(_orthonormal(one, known[: others[k]], first, patch) for k, one in enumerate(told, len(known)))]
    ).astype(np.float32)


def _orthonormal(row: Any, known: Sequence[Array], first: Ints, patch: Ints) -> Array:
    """The part (N,) of a row that is orthogonal to the known ones in each patch, of length 1 there, or zero."""
    rest = np.asarray(row, np.float64)
    of = np.add.reduceat(rest * rest, first)
    for one in (*known, *known):
        rest = rest - one * np.add.reduceat(one * rest, first)[patch]
    energy = np.add.reduceat(rest * rest, first)
    scale = np.where(energy > DEPENDENT * of, 1.0 / np.sqrt(np.maximum(energy, 1e-30)), 0.0)
    return np.asarray(rest * scale[patch])


def grey(image: Image) -> Floats:
    """(H, W) grey levels."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)


def _halved(image: Floats) -> list[Floats]:
    """It, and smaller and smaller ones."""
    levels = [image]
    for _ in range(max(0, round(np.log2(image.shape[1] / COARSEST)))):
        image = np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float32)
        levels.append(image)
    return levels


def plain_signals(image: Floats) -> Floats:
    """(2, H, W) of a grey image (H, W): grey values, and strength of edges as large as those."""
    smooth = cv2.GaussianBlur(image, (0, 0), BLUR)
    strength = np.hypot(np.gradient(smooth, axis=1), np.gradient(smooth, axis=0))
    edges = cv2.GaussianBlur(EDGE_SCALE * np.minimum(strength, STEEP), (0, 0), BLUR)
    return np.stack([smooth, edges], dtype=np.float32)


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


def compared(frame: Frame, translation: Array, drift: Array, level: int) -> Terms:
    """Terms of the drift (6,), of `Pose.retract`, from a nominal calibration with this translation."""
    if not len(frame.first):
        return Terms(np.zeros(0), np.zeros((0, 6)), frame.cells, np.zeros((6, 6)))
    turned = so3_exp(drift[3:]).astype(np.float32) @ frame.rays
    seen = _seen(frame, turned, (translation + drift[:3]).astype(np.float32), level)
    rows = np.concatenate([frame.basis, *seen])
    products = _by_patch(frame, rows, rows.T)
    return Terms.joined([_of_signal(frame, k, products) for k in range(len(seen))])


def information(frame: Frame, translation: Array, drifts: Array, level: int) -> Array:
    """(K, C) nats of each signal at each of K drifts, as `compared` tells them of one, in a fraction of the time."""
    if not len(frame.first):
        return np.zeros((len(drifts), len(frame.view.levels[level])))
    turns = so3_exp_many(drifts[:, 3:]).astype(np.float32)
    shifts = (translation + drifts[:, :3]).astype(np.float32)
    parts = range(0, len(drifts), AT_ONCE)
    image = np.ascontiguousarray(frame.view.levels[level].transpose(1, 2, 0))
    pixels = (_pixels(frame, turns[k:][:AT_ONCE], shifts[k:][:AT_ONCE], level) for k in parts)
    return np.concatenate([_information(frame, image, u, v) for u, v in pixels])


def _information(frame: Frame, image: Floats, u: Floats, v: Floats) -> Array:
    """Of points that are seen at u, v (N, K) of an image (H, W, C)."""
    seen = cv2.remap(image, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # to a 32nd of a pixel
    told = _by_patch(frame, frame.basis, seen.reshape(len(u), -1))
    told = np.square(told, dtype=np.float64).reshape(len(frame.first), -1, *seen.shape[1:])  # (P, 7, K, C)
    explained = np.cumsum(told, axis=1)
    ones = np.ones((1, len(u)), np.float32)
    energy = _by_patch(frame, ones, np.square(seen).reshape(len(u), -1)).reshape(-1, *seen.shape[1:])  # (P, K, C)
    n = frame.counts[:, None]
    nats = []
    for signal, (row, regressed) in enumerate(SIGNALS[: seen.shape[2]]):
        rest = energy[..., signal] - explained[:, regressed - 1, :, signal]
        total, left = _rest(rest, told[:, row, :, signal], n)
        nats.append(0.5 * frame.counts @ np.log(total / left))
    return np.stack(nats, axis=1)


def _rest(rest: Any, shared: Any, n: Array) -> tuple[Array, Array]:
    """The energy of what is seen that is not regressed, and the part of it that what is told does not explain; with
    noise."""
    total = np.maximum(rest, 0.0) + n * NOISE**2
    return total, np.maximum(total - shared, n * NOISE**2)


def _by_patch(frame: Frame, left: Floats, right: Any) -> Floats:
    """(P, R, M) products of left (R, N) and right (N, M), of the points of each patch."""
    ends = [*frame.first, len(frame.patch)]
    return np.stack([left[:, a:b] @ right[a:b] for a, b in pairwise(ends)])


def _pixels(frame: Frame, turns: Floats, shifts: Floats, level: int) -> tuple[Floats, Floats]:
    """u, v (N, K)."""
    fx, fy, cx, cy = _lens(frame, level)
    turned = (frame.rays.T @ turns.transpose(1, 0, 2).reshape(-1, 3).T).reshape(-1, 3, len(turns))
    x, y, _ = _directions(np.moveaxis(turned + shifts.T, 1, 0))
    return x * fx + cx, y * fy + cy


def _directions(points: Floats) -> tuple[Floats, Floats, Floats]:
    """x/z, y/z and depth of points (3, ...)."""
    depth: Floats = np.maximum(points[2], 0.5 * MIN_DEPTH)
    return points[0] / depth, points[1] / depth, depth


def _lens(frame: Frame, level: int) -> Floats:
    """fx, fy, cx, cy of the image of a level, px."""
    height, width = frame.view.levels[level].shape[1:]
    camera = frame.view.camera.resized(width, height)
    return np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float32)


def _seen(frame: Frame, turned: Floats, translation: Floats, level: int) -> list[Floats]:
    """Of each signal (7, N): the value where the points are seen, and its derivatives by the drift."""
    fx, fy, cx, cy = _lens(frame, level)
    x, y, depth = _directions(turned + translation[:, None])
    found: list[Floats] = []
    for value, right, low in _bilinear(frame.view.levels[level], x * fx + cx, y * fy + cy):
        dx, dy = right * fx / depth, low * fy / depth
        dz = -(dx * x + dy * y)
        a, b, c = turned
        found.append(np.stack([value, dx, dy, dz, b * dz - c * dy, c * dx - a * dz, a * dy - b * dx]))
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


def _of_signal(frame: Frame, signal: int, products: Floats) -> Terms:
    """From the products, in each patch, of the BASIS rows and then the SEEN of each signal."""
    (row, regressed), n = SIGNALS[signal], frame.counts
    start = BASIS + SEEN * signal
    own = slice(start, start + SEEN)
    known, told = products[:, :regressed, own].astype(np.float64), products[:, row, own].astype(np.float64)
    rest = products[:, own, own] - known.transpose(0, 2, 1) @ known
    total, left = _rest(rest[:, 0, 0], told[:, 0] ** 2, n)
    nats = 0.5 * n * np.log(total / left)
    slope, shared = rest[:, 0, 1:], told[:, :1] * told[:, 1:]
    gradient = (n / total)[:, None] * slope - (n / left)[:, None] * (slope - shared)
    unexplained = rest[:, 1:, 1:] - told[:, 1:, None] * told[:, None, 1:]
    curvature = np.tensordot(n / left - n / total, unexplained, axes=1)
    return Terms(nats, gradient, frame.cells, curvature)
