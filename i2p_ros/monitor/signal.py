# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What images and intensities of a lidar say of each other: the raw signal of a drift, without any training.

Points that fall into one cell of an image make a patch. In each patch the lidar's intensity is compared with the grey
values where its points are seen, after position and inverse range, to which both are related anyhow, are regressed out
of both. With rho the correlation of what is left, -n/2 log(1 - rho^2) is the mutual information (nats) of n Gaussian
pairs (Cover and Thomas 2006, eq. 8.56). Its sum over patches is largest where the points are seen by the true camera.
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
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose, so3_exp
from i2p_ros.core.types import Pair

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

LEVELS = 3  # each of half the size of the one before; the last is searched first
BLUR = 1.0  # px of each level
NOISE = 2.0  # grey levels: less contrast says nothing
MIN_DEPTH = 1.0  # m, of points that are compared
DEPENDENT = 1e-6  # share of a column's energy below which the others explain it


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A pair as seen from about a nominal calibration.

    `rays` (N, 3) are the points in the camera's axes, but from the lidar's origin; those of a patch follow each other,
    beginning at `first` (P,). `basis` (N, 5) has orthonormal columns within each patch: what is regressed out (1, u, v,
    inverse range), and then the intensity. `levels` are images (H, W, 3) of grey value and its gradient, finest first.
    """

    camera: Camera
    rays: Floats
    basis: Floats
    first: Ints
    levels: tuple[Floats, ...]


def observed(pair: Pair, nominal: Pose, settings: RefinementSettings) -> Frame:
    """The frame of a pair. Raises InputError for a cloud without intensity, which has no such signal."""
    if pair.cloud.intensity is None:
        raise InputError("the cloud has no intensity, which is compared with the image", "cloud.intensity")
    image, camera = pair.camera.undistort(pair.image)
    if camera.width > settings.width:
        height = round(camera.height * settings.width / camera.width)
        camera = camera.resized(settings.width, height)
        image = np.asarray(cv2.resize(image, (settings.width, height), interpolation=cv2.INTER_AREA), np.uint8)
    cloud = pair.cloud.finite()
    rays = cloud.xyz @ nominal.rotation.T.astype(np.float32)
    pixels, seen = _in_view(rays + nominal.translation.astype(np.float32), camera, settings)
    index, first = _patches(pixels[seen], camera.width / settings.columns, settings)
    index = np.flatnonzero(seen)[index]
    assert cloud.intensity is not None  # it was not none before
    basis = _basis(pixels[index], rays[index], cloud.intensity[index], first)
    return Frame(camera, rays[index], basis, first, _pyramid(image))


def _in_view(points: Floats, camera: Camera, settings: RefinementSettings) -> tuple[Array, NDArray[np.bool_]]:
    """Pixels (N, 2) and which of them keep clear of the border."""
    pixels, _ = camera.project(points)
    edge = settings.border * camera.width
    with np.errstate(invalid="ignore"):
        inside = (pixels > edge).all(axis=1)
        inside &= (pixels < np.array([camera.width, camera.height]) - 1.0 - edge).all(axis=1)
    return pixels, inside & (points[:, 2] > MIN_DEPTH)


def _patches(pixels: Array, cell: float, settings: RefinementSettings) -> tuple[Ints, Ints]:
    """Index of the points in the order of their patches, thinned evenly, and where each patch begins."""
    n = len(pixels)
    chosen = np.linspace(0, n, min(n, settings.max_points), endpoint=False).astype(np.int64)
    column, row = np.floor(pixels[chosen] / cell).astype(np.int64).T
    order = np.argsort(row * 4096 + column, kind="stable")
    _, count = np.unique(row * 4096 + column, return_counts=True)
    full = count >= settings.min_points
    index = chosen[order][np.repeat(full, count)]
    return index, np.concatenate([[0], np.cumsum(count[full])[:-1]]).astype(np.int64)[: int(full.sum())]


def _basis(pixels: Array, rays: Floats, intensity: Floats, first: Ints) -> Floats:
    """(N, 5) by Gram and Schmidt within each patch, twice for accuracy; a column that the others explain is zero."""
    if not len(first):
        return np.zeros((0, 5), np.float32)
    nearness = 1.0 / np.linalg.norm(rays, axis=1)
    columns = [np.ones(len(rays)), *pixels.T, nearness, np.sqrt(np.clip(intensity, 0.0, 1.0))]
    patch = _patch_of(first, len(rays))
    done: list[Array] = []
    for column in columns:
        rest = np.asarray(column, np.float64)
        for known in done * 2:
            rest = rest - known * np.add.reduceat(known * rest, first)[patch]
        energy, of = np.add.reduceat(rest * rest, first), np.add.reduceat(np.square(column, dtype=np.float64), first)
        scale = np.where(energy > DEPENDENT * of, 1.0 / np.sqrt(np.maximum(energy, 1e-30)), 0.0)
        done.append(rest * scale[patch])
    return np.stack(done, axis=1).astype(np.float32)


def _pyramid(image: NDArray[np.uint8]) -> tuple[Floats, ...]:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    levels = []
    for _ in range(LEVELS):
        smooth = cv2.GaussianBlur(grey, (0, 0), BLUR)
        levels.append(np.stack([smooth, np.gradient(smooth, axis=1), np.gradient(smooth, axis=0)], axis=-1))
        grey = np.asarray(cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float32)
    return tuple(np.asarray(level, np.float32) for level in levels)


def _patch_of(first: Ints, n: int) -> Ints:
    return np.repeat(np.arange(len(first)), np.diff(first, append=n))


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """`information` (nats, without its sign a cost) of each patch (P,), its `gradient` (P, 6) by the drift, and the
    `curvature` (6, 6) by Gauss and Newton of all together."""

    information: Array
    gradient: Array
    curvature: Array

    @staticmethod
    def joined(terms: Sequence[Terms]) -> Terms:
        """Those of several frames."""
        return Terms(
            np.concatenate([t.information for t in terms]),
            np.concatenate([t.gradient for t in terms]),
            np.sum([t.curvature for t in terms], axis=0),
        )


def compared(frame: Frame, translation: Array, drift: Array, level: int) -> Terms:
    """Terms of the drift (6,), of `Pose.retract`, from a nominal calibration with this translation."""
    if not len(frame.first):
        return Terms(np.zeros(0), np.zeros((0, 6)), np.zeros((6, 6)))
    turned = frame.rays @ so3_exp(drift[3:]).T.astype(np.float32)
    grey, slope = _seen(frame, turned, (translation + drift[:3]).astype(np.float32), level)
    jacobian = np.concatenate([slope, np.cross(turned, slope)], axis=1)
    return _terms(grey, jacobian, frame.basis, frame.first)


def _seen(frame: Frame, turned: Floats, translation: Floats, level: int) -> tuple[Floats, Floats]:
    """Grey values (N,) where the points are seen, and their gradient (N, 3) by the points, per m."""
    image = frame.levels[level]
    camera = frame.camera.resized(image.shape[1], image.shape[0])
    points = turned + translation
    depth = np.maximum(points[:, 2], 0.5 * MIN_DEPTH)
    x, y = points[:, 0] / depth, points[:, 1] / depth
    fx, fy, cx, cy = np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float32)
    value = _bilinear(image, x * fx + cx, y * fy + cy)
    across, down = value[:, 1] * fx / depth, value[:, 2] * fy / depth
    return value[:, 0], np.stack([across, down, -(across * x + down * y)], axis=1)


def _bilinear(image: Floats, u: Floats, v: Floats) -> Floats:
    """(N, C) values of an image (H, W, C); those outside are of its border."""
    height, width, channels = image.shape
    u, v = np.clip(u, 0.0, width - 1.01), np.clip(v, 0.0, height - 1.01)
    left, top = u.astype(np.int64), v.astype(np.int64)
    a, b = (u - left).astype(np.float32)[:, None], (v - top).astype(np.float32)[:, None]
    flat, at = image.reshape(-1, channels), top * width + left
    upper = flat[at] * (1 - a) + flat[at + 1] * a
    return np.asarray(upper * (1 - b) + (flat[at + width] * (1 - a) + flat[at + width + 1] * a) * b, np.float32)


def _terms(grey: Floats, jacobian: Floats, basis: Floats, first: Ints) -> Terms:
    patch = _patch_of(first, len(grey))
    n = np.bincount(patch).astype(np.float64)
    grey = grey - (np.add.reduceat(grey, first) / n)[patch].astype(np.float32)
    by = np.add.reduceat(basis * grey[:, None], first)  # (P, 5)
    rest = grey - np.einsum("nk,nk->n", basis[:, :4], by[patch, :4])
    unexplained = rest - basis[:, 4] * by[patch, 4]
    total = np.add.reduceat(rest * rest, first).astype(np.float64) + n * NOISE**2
    left = total - np.square(by[:, 4])
    pull = unexplained * (n / left).astype(np.float32)[patch] - rest * (n / total).astype(np.float32)[patch]
    gradient = -np.add.reduceat(jacobian * pull[:, None], first).astype(np.float64)
    weight = n / left - n / total
    return Terms(0.5 * n * np.log(total / left), gradient, _curvature(jacobian, basis, weight, first, patch))


def _curvature(jacobian: Floats, basis: Floats, weight: Array, first: Ints, patch: Ints) -> Array:
    """(6, 6) sum of weight J^T J over patches, of the part of J that the basis does not explain."""
    explained = np.add.reduceat((basis[:, :, None] * jacobian[:, None, :]).reshape(len(basis), -1), first)
    tall: Any = (explained.reshape(len(first), 5, 6) * np.sqrt(weight)[:, None, None]).reshape(-1, 6).astype(np.float64)
    scaled = (jacobian * np.sqrt(weight).astype(np.float32)[patch][:, None]).astype(np.float64)
    return np.asarray(scaled.T @ scaled - tall.T @ tall)
