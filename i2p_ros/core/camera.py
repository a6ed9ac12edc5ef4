# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera and its lens. Pixel (0, 0) is the centre of the first pixel, as in OpenCV and ROS."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array

# model -> the numbers of coefficients that ROS allows for it (0: no distortion)
DISTORTION_MODELS = {"plumb_bob": (0, 4, 5), "rational_polynomial": (0, 8), "equidistant": (0, 4)}
MIN_DEPTH = 0.1  # m: nearer points have no useful projection


@dataclass(frozen=True, slots=True)
class Camera:
    """Intrinsics (pixels), image size and distortion. The optical frame looks along z, x right, y down."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    model: str = "plumb_bob"
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise InputError(f"a camera needs a positive size, got {self.width}x{self.height}", "camera_info.size")
        if not np.isfinite([self.fx, self.fy, self.cx, self.cy]).all() or self.fx <= 0 or self.fy <= 0:
            raise InputError(
                f"the camera is not calibrated: fx={self.fx}, fy={self.fy}, cx={self.cx}, cy={self.cy}; "
                "focal lengths must be positive and finite",
                "camera_info.uncalibrated",
            )
        if self.model not in DISTORTION_MODELS:
            raise InputError(
                f"distortion model {self.model!r} is unknown; known are {', '.join(DISTORTION_MODELS)}",
                "camera_info.distortion_model",
            )
        if len(self.distortion) not in DISTORTION_MODELS[self.model]:
            raise InputError(
                f"{self.model} takes {' or '.join(map(str, DISTORTION_MODELS[self.model]))} coefficients, "
                f"got {len(self.distortion)}",
                "camera_info.distortion_length",
            )
        if not np.isfinite(self.distortion).all():
            raise InputError("distortion coefficients must be finite", "camera_info.distortion")

    @staticmethod
    def from_matrix(
        k: ArrayLike, width: int, height: int, model: str = "plumb_bob", distortion: ArrayLike = ()
    ) -> Camera:
        """From a (3, 3) intrinsic matrix; zero coefficients count as none where that is a pinhole."""
        k = np.asarray(k, np.float64)
        if k.shape != (3, 3):
            raise InputError(f"an intrinsic matrix is (3, 3), got {k.shape}", "camera_info.k")
        d = tuple(float(c) for c in np.asarray(distortion, np.float64).ravel())
        fx, fy, cx, cy = (float(v) for v in (k[0, 0], k[1, 1], k[0, 2], k[1, 2]))
        camera = Camera(fx, fy, cx, cy, int(width), int(height), model, d)
        return camera if any(d) or model == "equidistant" else replace(camera, distortion=())

    @property
    def matrix(self) -> Array:
        """(3, 3) K."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @property
    def undistorted(self) -> Camera:
        """The same camera without lens distortion."""
        return replace(self, model="plumb_bob", distortion=())

    def resized(self, width: int, height: int) -> Camera:
        """The camera of the image resized to width x height: cx' = (cx + 0.5) s - 0.5."""
        sx, sy = width / self.width, height / self.height
        return replace(
            self,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
            width=width,
            height=height,
        )

    def cropped(self, left: int, top: int, width: int, height: int) -> Camera:
        """The camera of image[top:top + height, left:left + width]."""
        return replace(self, cx=self.cx - left, cy=self.cy - top, width=width, height=height)

    def fitted(self, width: int, height: int) -> Camera:
        """The camera of an image of this size: this one, or this one binned by a whole number, the same both ways.

        Raises InputError `image.size` for any other size: a cut or stretched image needs a calibration of its own.
        """
        n = self.width // width if width > 0 else 0
        if n < 1 or (n * width, n * height) != (self.width, self.height):
            raise InputError(
                f"the image is {width}x{height} but its camera_info {self.width}x{self.height}: give the calibration "
                "of this image size",
                "image.size",
            )
        return self if n == 1 else self.resized(width, height)

    def project(self, points: ArrayLike) -> tuple[Array, NDArray[np.bool_]]:
        """Pixels (N, 2) of points (N, 3) in the optical frame, and (N,) whether each lies inside the image.

        Pixels of points that are behind the camera, or so far off axis that the lens polynomial folds back, are NaN.
        """
        p = np.asarray(points, np.float64).reshape(-1, 3)
        pixels = np.full((len(p), 2), np.nan)
        ok = np.isfinite(p).all(axis=1) & (p[:, 2] > MIN_DEPTH)
        if self.distortion:
            ok &= self._lens_is_monotonic(p)
        if ok.any():
            pixels[ok] = self._distort(p[ok, :2] / p[ok, 2:])
        with np.errstate(invalid="ignore"):
            inside = (pixels >= -0.5).all(axis=1) & (pixels < [self.width - 0.5, self.height - 0.5]).all(axis=1)
        return pixels, np.asarray(inside)

    def unproject(self, pixels: ArrayLike) -> Array:
        """(N, 2) coordinates x/z, y/z in the optical frame of pixels (N, 2), lens distortion taken out."""
        uv = np.asarray(pixels, np.float64).reshape(-1, 2)
        if not self.distortion or not len(uv):
            return (uv - [self.cx, self.cy]) / [self.fx, self.fy]
        d, k, src = np.array(self.distortion), self.matrix, uv[:, None, :]
        if self.model == "equidistant":
            return cv2.fisheye.undistortPoints(src, k, d).reshape(-1, 2).astype(np.float64)
        stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-12)
        undistort = getattr(cv2, "undistortPointsIter", cv2.undistortPoints)  # OpenCV 4 and 5 name it differently
        return undistort(src, k, d, R=np.eye(3), P=np.eye(3), criteria=stop).reshape(-1, 2).astype(np.float64)

    def undistort(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Camera]:
        """The image as a lens without distortion would have taken it (same K and size), and that camera."""
        if not self.distortion:
            return image, self
        k, d, size = self.matrix, np.array(self.distortion), (self.width, self.height)
        lens = cv2.fisheye if self.model == "equidistant" else cv2
        map_x, map_y = lens.initUndistortRectifyMap(k, d, np.eye(3), k, size, cv2.CV_32FC1)
        return np.asarray(cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR), np.uint8), self.undistorted

    def distorted(self, pixels: ArrayLike) -> Array:
        """(N, 2) pixels of this camera for pixels (N, 2) of `undistorted`."""
        uv = np.asarray(pixels, np.float64).reshape(-1, 2)
        return self._distort(self.undistorted.unproject(uv)) if self.distortion and len(uv) else uv

    def _distort(self, normalised: Array) -> Array:
        """(N, 2) pixels of (N, 2) undistorted x/z, y/z."""
        if not self.distortion:
            return normalised * [self.fx, self.fy] + [self.cx, self.cy]
        d, k, zero = np.array(self.distortion), self.matrix, np.zeros(3)
        if self.model == "equidistant":
            return cv2.fisheye.distortPoints(normalised[:, None, :], k, d).reshape(-1, 2).astype(np.float64)
        rays = np.concatenate([normalised, np.ones((len(normalised), 1))], axis=1)
        return cv2.projectPoints(rays[:, None, :], zero, zero, k, d)[0].reshape(-1, 2).astype(np.float64)

    def _lens_is_monotonic(self, points: Array) -> NDArray[np.bool_]:
        """(N,) whether the radial polynomial still grows at each point (see _largest_radius)."""
        radius = np.hypot(points[:, 0], points[:, 1]) / np.maximum(points[:, 2], MIN_DEPTH)
        if self.model == "equidistant":
            radius = np.arctan(radius)
        return np.asarray(radius < self._largest_radius())

    def _largest_radius(self) -> float:
        """Where the radial distortion stops growing: a radius (x/z) or, for equidistant, an angle in rad."""
        r = np.linspace(0.0, np.pi / 2 if self.model == "equidistant" else 10.0, 4001)
        r2 = r * r
        if self.model == "equidistant":
            k1, k2, k3, k4 = self.distortion
            grown = r * (1 + r2 * (k1 + r2 * (k2 + r2 * (k3 + r2 * k4))))
        else:
            k1, k2, _, _, k3, k4, k5, k6 = (*self.distortion, *([0.0] * (8 - len(self.distortion))))
            grown = r * (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
        falling = np.flatnonzero(~(np.diff(grown) > 0))
        return float(r[falling[0]]) if len(falling) else float("inf")
