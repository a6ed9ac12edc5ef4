# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lens distortion, one class per formula. A new lens is a class and a row in LENSES."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.geometry import Array

PINHOLE = "plumb_bob", (0.0,) * 5  # how a CameraInfo states that there is no distortion: a model and its coefficients
RADII = 4001  # steps at which a radial polynomial is checked for growth


class Lens(Protocol):
    """A distortion model. `k` is the (3, 3) intrinsic matrix, `d` (C,) are the coefficients, at least one of them.

    Normalised coordinates are x/z, y/z in the optical frame. Pixels are those of the distorted image.
    """

    @property
    def name(self) -> str:
        """Name of the model in sensor_msgs/CameraInfo."""
        ...

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names that drivers give the model in a CameraInfo."""
        ...

    @property
    def counts(self) -> tuple[int, ...]:
        """Allowed numbers of coefficients. 0 means that there is no distortion."""
        ...

    @property
    def zero_is_pinhole(self) -> bool:
        """Whether the model with all coefficients zero is a pinhole."""
        ...

    def distort(self, normalised: Array, k: Array, d: Array) -> Array:
        """Pixels (N, 2) of normalised coordinates (N, 2)."""
        ...

    def undistort(self, pixels: Array, k: Array, d: Array) -> Array:
        """Normalised coordinates (N, 2) of pixels (N, 2)."""
        ...

    def maps(self, k: Array, d: Array, size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Column and row (H, W) in the distorted image of each pixel of the undistorted image of the same `k`.

        `size` is width and height.
        """
        ...

    def is_valid(self, radius: Array, d: Array) -> NDArray[np.bool_]:
        """(N,) whether the distorted radius still grows at the normalised radius (N,). Beyond, the image folds back."""
        ...


class Polynomial:
    """Radial polynomial, or ratio of two, with tangential distortion: `plumb_bob` and `rational_polynomial`.

    The formula is that of OpenCV (calib3d, "Detailed description") with k1, k2, p1, p2, k3, k4, k5, k6, then the thin
    prism s1, s2, s3, s4 and the tilt of the sensor tx, ty.
    """

    zero_is_pinhole = True

    def __init__(self, name: str, counts: tuple[int, ...], aliases: tuple[str, ...] = ()) -> None:
        self.name, self.counts, self.aliases = name, counts, aliases

    def distort(self, normalised: Array, k: Array, d: Array) -> Array:
        zero, rays = np.zeros(3), np.concatenate([normalised, np.ones((len(normalised), 1))], axis=1)
        return cv2.projectPoints(rays[:, None, :], zero, zero, k, d)[0].reshape(-1, 2).astype(np.float64)

    def undistort(self, pixels: Array, k: Array, d: Array) -> Array:
        stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-12)
        # getattr, since OpenCV 4 and 5 name it differently
        function = getattr(cv2, "undistortPointsIter", cv2.undistortPoints)
        found = function(pixels[:, None, :], k, d, R=np.eye(3), P=np.eye(3), criteria=stop)
        return found.reshape(-1, 2).astype(np.float64)

    def maps(self, k: Array, d: Array, size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return cv2.initUndistortRectifyMap(k, d, np.eye(3), k, size, cv2.CV_32FC1)  # type: ignore[return-value]

    def is_valid(self, radius: Array, d: Array) -> NDArray[np.bool_]:
        r = np.linspace(0.0, 10.0, RADII)
        r2 = r * r
        k1, k2, _, _, k3, k4, k5, k6 = np.pad(d, (0, 14 - len(d)))[:8].tolist()
        grown = r * (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
        return np.asarray(radius < _first_fall(r, grown))


class Equidistant:
    """Fisheye: a polynomial of the angle to the optical axis (Kannala and Brandt 2006), with k1, k2, k3, k4."""

    name = "equidistant"
    aliases = ("fisheye",)
    counts = (0, 4)
    zero_is_pinhole = False  # the radius is then the angle, not its tangent

    def distort(self, normalised: Array, k: Array, d: Array) -> Array:
        return cv2.fisheye.distortPoints(normalised[:, None, :], k, d).reshape(-1, 2).astype(np.float64)

    def undistort(self, pixels: Array, k: Array, d: Array) -> Array:
        return cv2.fisheye.undistortPoints(pixels[:, None, :], k, d).reshape(-1, 2).astype(np.float64)

    def maps(self, k: Array, d: Array, size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return cv2.fisheye.initUndistortRectifyMap(k, d, np.eye(3), k, size, cv2.CV_32FC1)  # type: ignore[return-value]

    def is_valid(self, radius: Array, d: Array) -> NDArray[np.bool_]:
        angle = np.linspace(0.0, np.pi / 2, RADII)
        a2 = angle * angle
        k1, k2, k3, k4 = d.tolist()
        grown = angle * (1 + a2 * (k1 + a2 * (k2 + a2 * (k3 + a2 * k4))))
        return np.asarray(np.arctan(radius) < _first_fall(angle, grown))


def _first_fall(radii: Array, grown: Array) -> float:
    """The first of the radii at which `grown` no longer grows; infinity if it grows at all of them."""
    falling = np.flatnonzero(~(np.diff(grown) > 0))
    return float(radii[falling[0]]) if len(falling) else float("inf")


LENSES: dict[str, Lens] = {
    lens.name: lens
    for lens in (
        Polynomial("plumb_bob", (0, 4, 5), aliases=("",)),
        Polynomial("rational_polynomial", (0, 8, 12, 14)),
        Equidistant(),
    )
}


def lens_name(name: str) -> str:
    """Name of the model that a CameraInfo means by `name`; `name` itself if it is no alias."""
    return next((lens.name for lens in LENSES.values() if name in lens.aliases), name)
