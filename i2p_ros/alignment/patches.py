# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The cloud side of alignment: the points in view, sorted into patches, and their orthonormal basis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2p_ros.alignment.signals import NUISANCE, Floats, PointsInView, Signal, basis_names
from i2p_ros.core.camera import Camera
from i2p_ros.core.config import RefinementSettings
from i2p_ros.core.geometry import Array, Pose, so3_exp_many
from i2p_ros.core.types import PointCloud

Ints = NDArray[np.int64]

CELL_STRIDE = 4096  # the number of a cell is row * CELL_STRIDE + column
MIN_DEPTH = 1.0  # m, of the points that are taken
MIN_ENERGY_SHARE = 1e-6  # a row with a smaller share of its energy left is a combination of the rows before


@dataclass(frozen=True, slots=True, eq=False)
class PatchedCloud:
    """N points of a cloud in P patches, seen from a nominal calibration with this `translation` (3,), m.

    A patch holds the points that project into one cell of the image. `rays` (3, N) are the points in camera axes,
    relative to the lidar's origin, m, ordered by patch. `first` (P,) is the index of the first point of each patch,
    `cells` (P,) the number of its cell, and `patch` (N,) the patch of each point.

    `basis` (R, N) has the rows `names`. In each patch a row has length 1, or is 0 where the property does not vary.
    The nuisance terms are orthogonal to each other, and each signal to the terms that it regresses out.
    """

    translation: Array
    rays: Floats
    basis: Floats
    names: tuple[str, ...]
    first: Ints
    patch: Ints
    cells: Ints

    @staticmethod
    def of(
        cloud: PointCloud, nominal: Pose, camera: Camera, settings: RefinementSettings, signals: Sequence[Signal]
    ) -> PatchedCloud:
        """The part of a cloud that an undistorted camera sees from the nominal T_camera_lidar."""
        points = _points_in_view(cloud.finite(), nominal, camera, settings)
        index, first, cells = _patches(points.pixels, camera.width / settings.columns, settings)
        patch = np.repeat(np.arange(len(first)), np.diff(first, append=len(index)))
        rays = np.ascontiguousarray(points.rays[index].T)
        basis = _basis(points, signals, index, first, patch)
        return PatchedCloud(nominal.translation, rays, basis, basis_names(signals), first, patch, cells)

    @property
    def counts(self) -> Array:
        """(P,) numbers of points of the patches."""
        return np.diff(self.first, append=len(self.patch)).astype(np.float64)

    def row_of(self, signal: Signal) -> int:
        """The row of the basis that holds a signal."""
        return self.names.index(signal.name)

    def motions(self, drifts: Array) -> Floats:
        """(K, 4, 3) motions that take `rays` to the camera at each of K drifts (K, 6): the rows of a rotation, and then
        the translation in m."""
        translations = (self.translation + drifts[:, :3])[:, None]
        return np.concatenate([so3_exp_many(drifts[:, 3:]), translations], axis=1, dtype=np.float32)

    def project(self, camera: Camera, motions: Floats) -> tuple[Floats, Floats]:
        """u, v (N, K), px, of the points after K motions (K, 4, 3)."""
        fx, fy, cx, cy = intrinsics(camera)
        x, y, z = np.einsum("kij,jn->ink", motions[:, :3], self.rays) + motions[:, 3].T[:, None]
        depth = np.maximum(z, 0.5 * MIN_DEPTH)
        return x / depth * fx + cx, y / depth * fy + cy


def intrinsics(camera: Camera) -> Floats:
    """(4,) fx, fy, cx, cy, px."""
    return np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float32)


def _points_in_view(cloud: PointCloud, nominal: Pose, camera: Camera, settings: RefinementSettings) -> PointsInView:
    """The points that project into the image, `settings.border` away from its edges."""
    rays = cloud.xyz @ nominal.rotation.T.astype(np.float32)
    ahead = np.flatnonzero(rays[:, 2] + nominal.translation[2] > MIN_DEPTH)
    pixels, _ = camera.project(rays[ahead] + nominal.translation.astype(np.float32))
    edge = settings.border * camera.width
    with np.errstate(invalid="ignore"):
        inside = (pixels > edge).all(axis=1)
        inside &= (pixels < np.array([camera.width, camera.height]) - 1.0 - edge).all(axis=1)
    seen = ahead[inside]
    return PointsInView(rays[seen], pixels[inside], None if cloud.intensity is None else cloud.intensity[seen])


def _patches(pixels: Array, cell: float, settings: RefinementSettings) -> tuple[Ints, Ints, Ints]:
    """Index (N,) of an even selection of the points, ordered by patch; first index (P,) and cell (P,) of each patch."""
    n = len(pixels)
    chosen = np.linspace(0, n, min(n, settings.max_points), endpoint=False).astype(np.int64)
    column, row = np.floor(pixels[chosen] / cell).astype(np.int64).T
    order = np.argsort(row * CELL_STRIDE + column, kind="stable")
    cells, count = np.unique(row * CELL_STRIDE + column, return_counts=True)
    full = count >= settings.min_points
    index = chosen[order][np.repeat(full, count)]
    first = np.concatenate([[0], np.cumsum(count[full])[:-1]]).astype(np.int64)[: int(full.sum())]
    return index, first, cells[full]


def _basis(points: PointsInView, signals: Sequence[Signal], index: Ints, first: Ints, patch: Ints) -> Floats:
    """(R, N) basis of the points of an index (N,): see `PatchedCloud`."""
    if not len(first):
        return np.zeros((len(basis_names(signals)), 0), np.float32)
    nuisance: list[Array] = []
    for of_points in NUISANCE.values():
        nuisance.append(_orthonormal(of_points(points)[index], nuisance, first, patch))
    others = [
        _orthonormal(signal.of_points(points)[index], nuisance[: len(signal.regressed)], first, patch)
        for signal in signals
        if signal.name not in NUISANCE
    ]
    return np.stack([*nuisance, *others]).astype(np.float32)


def _orthonormal(values: NDArray[Any], rows: Sequence[Array], first: Ints, patch: Ints) -> Array:
    """The part (N,) of some values that is orthogonal to orthonormal rows in each patch, with length 1 there, or zero.

    Gram and Schmidt's method. Each row is subtracted twice, for accuracy.
    """
    rest = np.asarray(values, np.float64)
    whole = np.add.reduceat(rest * rest, first)
    for row in (*rows, *rows):
        rest = rest - row * np.add.reduceat(row * rest, first)[patch]
    energy = np.add.reduceat(rest * rest, first)
    scale = np.where(energy > MIN_ENERGY_SHARE * whole, 1.0 / np.sqrt(np.maximum(energy, 1e-30)), 0.0)
    return np.asarray(rest * scale[patch])
