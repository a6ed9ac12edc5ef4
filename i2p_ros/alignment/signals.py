# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The signals of alignment: properties of points, and the image channels that they are compared with.

The lists are all here: `PLAIN`, and the sets that networks predict. To add a signal, write its functions and add one
entry. The plain channels, the rows of the basis, the mutual information, its gradient and the training loss follow from
the entry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.config import RefinementSettings
from i2p_ros.core.normals import SurfaceNormals, facing

Floats = NDArray[np.float32]

BLUR_STD = 1.0  # px
MAX_EDGE_STRENGTH = 15.0  # grey levels per px: all steeper edges are equal
EDGE_SCALE = 6.0  # gives edge strengths the range of grey values
MIN_JUMP = 0.003  # 1/m, difference of the inverse ranges of neighbours
MAX_NEIGHBOUR_ANGLE = 0.012  # rad: points of different scan lines are farther apart
HIDDEN = 1.08, 0.05  # share of the nearest point's depth, and m, beyond which a point of the same cell is hidden
HEIGHT_SCALE = 2.0  # m: heights saturate beyond


@dataclass(frozen=True, eq=False)
class PointsInView:
    """N points in view of a camera, in the order of the scan.

    `rays` (N, 3) float32 are the points in m along camera axes, but relative to the origin that drifts turn them about:
    that of the lidar, or the camera. `translation` (3,) leads from there to the camera, m. `pixels` (N, 2) are their
    projections, px. `intensity` (N,) float32 is None for a cloud without intensity.
    """

    rays: Floats
    pixels: NDArray[Any]
    intensity: Floats | None
    translation: NDArray[Any]

    @cached_property
    def normals(self) -> NDArray[Any]:
        """(N, 3) unit normals of the surface at the points, on the side of the origin that drifts turn about."""
        return facing(SurfaceNormals(self.rays).at(self.rays), self.rays)

    def unhidden(self, width: float) -> PointsInView:
        """The points without those far behind the nearest one in the same cell of the image, `width` px wide."""
        depth = self.rays[:, 2] + self.translation[2]
        cells, cell = np.unique(np.floor(self.pixels / width).astype(np.int64), axis=0, return_inverse=True)
        nearest = np.full(len(cells), np.inf)
        np.minimum.at(nearest, cell.ravel(), depth)
        seen = depth <= HIDDEN[0] * nearest[cell.ravel()] + HIDDEN[1]
        intensity = None if self.intensity is None else self.intensity[seen]
        return PointsInView(np.ascontiguousarray(self.rays[seen]), self.pixels[seen], intensity, self.translation)


Property = Callable[[PointsInView], NDArray[Any]]  # (N,) values of N points


def _constant(points: PointsInView) -> NDArray[Any]:
    return np.ones(len(points.rays))


def _column(points: PointsInView) -> NDArray[Any]:
    return points.pixels[:, 0]


def _row(points: PointsInView) -> NDArray[Any]:
    return points.pixels[:, 1]


def inverse_range(points: PointsInView) -> Floats:
    """(N,) inverse distances to the lidar, 1/m."""
    x, y, z = points.rays.T
    return np.asarray(1.0 / np.sqrt(x * x + y * y + z * z))


def root_intensity(points: PointsInView) -> Floats:
    """(N,) square roots of the intensities, or zeros for a cloud without intensity."""
    if points.intensity is None:
        return np.zeros(len(points.rays), np.float32)
    return np.sqrt(np.clip(np.nan_to_num(points.intensity, posinf=0.0), 0.0, 1.0))


def range_jump(points: PointsInView) -> Floats:
    """(N,) 1 at a jump of range between points that follow each other in the scan, else 0."""
    rays = points.rays
    ranges = np.maximum(np.linalg.norm(rays, axis=1), 1e-3)
    directions = rays / ranges[:, None]
    near = np.linalg.norm(np.diff(directions, axis=0), axis=1) < MAX_NEIGHBOUR_ANGLE
    jump = near & (np.abs(np.diff(1.0 / ranges)) > MIN_JUMP)
    return np.asarray(np.append(jump, False) | np.append(False, jump), np.float32)[: len(rays)]


def height(points: PointsInView) -> Floats:
    """(N,) heights above the lidar, along the camera's y axis, as -1..1."""
    return np.asarray(np.tanh(-points.rays[:, 1] / HEIGHT_SCALE))


def normal_x(points: PointsInView) -> NDArray[Any]:
    """(N,) normals of the surface along the camera's x axis, -1..1. The same for y and z."""
    return points.normals[:, 0]


def normal_y(points: PointsInView) -> NDArray[Any]:
    return points.normals[:, 1]


def normal_z(points: PointsInView) -> NDArray[Any]:
    return points.normals[:, 2]


def grey_values(smooth: Floats) -> Floats:
    """(H, W) grey values of a smoothed grey image: the image itself."""
    return smooth


def edge_strength(smooth: Floats) -> Floats:
    """(H, W) magnitudes of the gradient of a smoothed grey image, clipped, smoothed and scaled as grey values."""
    strength = np.hypot(np.gradient(smooth, axis=1), np.gradient(smooth, axis=0))
    return np.asarray(cv2.GaussianBlur(EDGE_SCALE * np.minimum(strength, MAX_EDGE_STRENGTH), (0, 0), BLUR_STD))


NUISANCE: dict[str, Property] = {"constant": _constant, "column": _column, "row": _row, "inverse_range": inverse_range}
"""Terms that may be regressed out of both sides of a signal, in the order of orthogonalization."""
POSITION = ("constant", "column", "row")
POSITION_AND_RANGE = (*POSITION, "inverse_range")


@dataclass(frozen=True, slots=True)
class Signal:
    """A property of points, and the image channel that it is compared with.

    `of_points` gives the property. `regressed` names the terms of `NUISANCE` that are regressed out of both sides, in
    their order from the first. `of_image` gives the plain channel (H, W) in grey levels, from the smoothed grey image
    (H, W). A predicted channel is about `grey_levels` times the property where that is given: it is taught so. A signal
    that is itself a nuisance term has the name of that term.
    Raises ValueError for nuisance terms in another order.
    """

    name: str
    of_points: Property
    regressed: tuple[str, ...]
    of_image: Callable[[Floats], Floats] | None = None
    grey_levels: float | None = None

    def __post_init__(self) -> None:
        terms = tuple(NUISANCE)
        if not self.regressed or self.regressed != terms[: len(self.regressed)]:
            raise ValueError(f"signal {self.name} must regress out the first of {terms}, got {self.regressed}")


@dataclass(frozen=True, slots=True)
class SignalSet:
    """The signals of a network's output channels. Trained weights depend on their number and order.

    They are compared in patches that are `patch_width` times as wide as the settings say, and in images that are down
    to `least_width` times as wide. `hides` tells whether points behind others are left out. A pose is refined in so
    many `rounds`.
    `plain` are those whose channels need no training. They come first, and the network scales these channels.
    """

    signals: tuple[Signal, ...]
    patch_width: float = 1.0
    least_width: float = 1.0
    hides: bool = False
    rounds: int = 1
    plain: tuple[Signal, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plain", tuple(signal for signal in self.signals if signal.of_image is not None))

    def adapted(self, settings: RefinementSettings) -> RefinementSettings:
        """The settings of a refinement by these signals."""
        columns = max(2, round(settings.columns / self.patch_width))
        width = round(self.least_width * settings.min_width)
        return settings.model_copy(update={"columns": columns, "min_width": width})


RANGE_JUMP = Signal("range_jump", range_jump, POSITION_AND_RANGE, of_image=edge_strength)
PLAIN = (Signal("intensity", root_intensity, POSITION_AND_RANGE, of_image=grey_values), RANGE_JUMP)
"""Signals whose channels need no training."""
SignalSetName = Literal["lidar", "surfaces"]
SIGNAL_SETS: dict[SignalSetName, SignalSet] = {
    "lidar": SignalSet(
        (*PLAIN, Signal("inverse_range", inverse_range, POSITION), Signal("height", height, POSITION)),
    ),
    "surfaces": SignalSet(  # of clouds without intensity and without the order of a scan
        (
            Signal("inverse_range", inverse_range, POSITION, grey_levels=200.0),
            Signal("height", height, POSITION, grey_levels=100.0),
            Signal("normal_x", normal_x, POSITION, grey_levels=60.0),
            Signal("normal_y", normal_y, POSITION, grey_levels=60.0),
            Signal("normal_z", normal_z, POSITION, grey_levels=60.0),
        ),
        patch_width=4.0,  # within a narrow patch most surfaces are planes, which say nothing
        least_width=0.5,  # they have no texture, whose maxima are false in a small image
        hides=True,  # a fragment was measured from other places
        rounds=2,
    ),
}
LIDAR = SIGNAL_SETS["lidar"]


def basis_names(signals: Sequence[Signal]) -> tuple[str, ...]:
    """Names of the rows of a basis: all nuisance terms, then each signal that is not one of them."""
    return (*NUISANCE, *(signal.name for signal in signals if signal.name not in NUISANCE))


def plain_channels(image: Floats, signals: Sequence[Signal] = PLAIN) -> Floats:
    """(C, H, W) plain channels of a grey image (H, W), one for each signal. All of them need `of_image`."""
    smooth = np.asarray(cv2.GaussianBlur(image, (0, 0), BLUR_STD), np.float32)
    return np.stack([signal.of_image(smooth) for signal in signals if signal.of_image], dtype=np.float32)
