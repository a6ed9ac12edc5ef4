# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The cloud side of alignment: the points in view, sorted into patches, and their orthonormal basis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2p_ros.alignment.cloud_kernels import orthonormalized, points_in_view
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
    relative to the lidar's origin, m, ordered by patch. `bounds` (P, 2) are the index of the first point of each patch
    and that after its last, and `cells` (P,) the number of its cell.

    `basis` (R, N) has the rows `names`. In each patch a row has length 1, or is 0 where the property does not vary.
    The nuisance terms are orthogonal to each other, and each signal to the terms that it regresses out.
    """

    translation: Array
    rays: Floats
    basis: Floats
    names: tuple[str, ...]
    bounds: Ints
    cells: Ints

    @staticmethod
    def of(points: PointsInView, cell: float, settings: RefinementSettings, signals: Sequence[Signal]) -> PatchedCloud:
        """Points in view, sorted into cells of the image that are `cell` px wide."""
        index, bounds, cells = _patches(points.pixels, cell, settings)
        rays = np.ascontiguousarray(points.rays[index].T)
        basis = _basis(points, signals, index, bounds)
        return PatchedCloud(writable(points.translation), rays, basis, basis_names(signals), bounds, cells)

    def __len__(self) -> int:
        """Number of points."""
        return self.rays.shape[1]

    @property
    def patch(self) -> Ints:
        """(N,) the patch of each point."""
        return np.repeat(np.arange(len(self.bounds)), np.diff(self.bounds)[:, 0])

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


def seen_from(
    cloud: PointCloud, nominal: Pose, camera: Camera, settings: RefinementSettings, about_camera: bool = False
) -> PointsInView:
    """The finite points that an undistorted camera sees from the nominal T_camera_lidar, `settings.border` away from
    the edges of its image. Drifts turn them about the origin of the lidar, or with `about_camera` about the camera."""
    translation = np.zeros(3) if about_camera else nominal.translation
    edge = settings.border * camera.width
    edges = np.array([edge, edge, camera.width - 1.0 - edge, camera.height - 1.0 - edge])
    index, rays, pixels = points_in_view(
        writable(cloud.xyz), writable(nominal.rotation), nominal.translation - translation,
        writable(translation), intrinsics(camera).astype(np.float64), MIN_DEPTH, edges,
    )  # fmt: skip
    return PointsInView(rays, pixels, None if cloud.intensity is None else cloud.intensity[index], translation)


def writable(values: NDArray[Any]) -> NDArray[Any]:
    """The same values as kernels take them: in C order and not read-only. They are copied where they are not."""
    return np.require(values, requirements=("C", "W"))


def _patches(pixels: Array, cell: float, settings: RefinementSettings) -> tuple[Ints, Ints, Ints]:
    """Index (N,) of an even selection of the points, ordered by patch; bounds (P, 2) and cell (P,) of each patch."""
    n = len(pixels)
    chosen = np.linspace(0, n, min(n, settings.max_points), endpoint=False).astype(np.int64)
    column, row = np.floor(pixels[chosen] / cell).astype(np.int64).T
    order = np.argsort(row * CELL_STRIDE + column, kind="stable")
    cells, count = np.unique(row * CELL_STRIDE + column, return_counts=True)
    full = count >= settings.min_points
    index = chosen[order][np.repeat(full, count)]
    ends = np.cumsum(count[full])
    return index, np.column_stack([ends - count[full], ends]), cells[full]


def _basis(points: PointsInView, signals: Sequence[Signal], index: Ints, bounds: Ints) -> Floats:
    """(R, N) basis of the points of an index (N,): see `PatchedCloud`."""
    others = [signal for signal in signals if signal.name not in NUISANCE]
    properties = [*NUISANCE.values(), *(signal.of_points for signal in others)]
    regressed = [*range(len(NUISANCE)), *(len(signal.regressed) for signal in others)]
    rows = np.stack([of_points(points)[index] for of_points in properties], dtype=np.float64)
    orthonormalized(rows, bounds, np.array(regressed), MIN_ENERGY_SHARE)
    return rows.astype(np.float32)
