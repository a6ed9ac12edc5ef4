# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Normals of the surfaces that points lie on."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.cells import BITS, cell_keys
from i2p_ros.core.geometry import Array

Points = Array | NDArray[np.float32]

CELL = 0.035  # m, of clouds as dense as those of depth images
MIN_POINTS = 5  # of a cube with a normal
_UPPER = np.triu_indices(3)


class SurfaceNormals:
    """Unit normals of the surface of points (N, 3) in m, one for each cell with points.

    It is the direction in which the points of 3 x 3 x 3 cells vary least. A cell is `size` m wide.
    """

    def __init__(self, points: Points, size: float = CELL) -> None:
        self._size = size
        self._middle = points.mean(axis=0) if len(points) else np.zeros(3)
        away = (points - self._middle).astype(np.float64)
        self._keys, cell = np.unique(self._keys_of(points), return_inverse=True)
        products = (away[:, i] * away[:, j] for i, j in zip(*_UPPER, strict=True))
        values = np.column_stack([np.ones(len(away)), away, *products])
        of_cells = np.stack([np.bincount(cell, column, len(self._keys)) for column in values.T], axis=1)
        around = np.zeros(of_cells.shape)
        for dx, dy, dz in product((-1, 0, 1), repeat=3):
            at, is_there = self._rows_of(self._keys + (dx << (2 * BITS)) + (dy << BITS) + dz)
            around += np.where(is_there[:, None], of_cells[at], 0.0)
        count = around[:, :1]
        mean, squares = around[:, 1:4] / count, np.empty((len(count), 3, 3))
        squares[:, _UPPER[0], _UPPER[1]] = squares[:, _UPPER[1], _UPPER[0]] = around[:, 4:] / count
        spread, axes = np.linalg.eigh(squares - mean[:, :, None] * mean[:, None, :])
        enough = np.clip((count - MIN_POINTS) / MIN_POINTS, 0.0, 1.0)
        flatness = enough[:, 0] * np.clip(1.0 - spread[:, 0] / np.maximum(spread[:, 1], 1e-12), 0.0, 1.0)
        self._normals = np.where(count >= MIN_POINTS, axes[:, :, 0], 0.0)
        self._flat_normals = self._normals * flatness[:, None]

    def at(self, points: Points, by_flatness: bool = False) -> Array:
        """(M, 3) unit normals at points (M, 3), of either sign; 0 where there are too few points around.

        With `by_flatness` they are the shorter the less the points around are a plane: noise turns no long ones.
        """
        rows, is_there = self._rows_of(self._keys_of(points))
        if not len(self._keys):
            return np.zeros((len(points), 3))
        normals = self._flat_normals if by_flatness else self._normals
        return np.where(is_there[:, None], normals[rows], 0.0)

    def _keys_of(self, points: Points) -> NDArray[np.int64]:
        return cell_keys(points - self._middle, self._size)

    def _rows_of(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Rows of the cells of keys (M,), and whether there is such a cell."""
        rows = np.minimum(np.searchsorted(self._keys, keys), max(len(self._keys) - 1, 0))
        return rows, self._keys[rows] == keys if len(self._keys) else np.zeros(len(keys), bool)


def facing(normals: Array, points: Points) -> Array:
    """Normals (N, 3) of points (N, 3), on the side of the origin."""
    return np.asarray(normals * -np.sign((normals * points).sum(axis=1, keepdims=True)))
