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
from i2p_ros.core.lenses import LENSES, PINHOLE, Lens

MIN_DEPTH = 0.1  # m: nearer points have no useful projection


@dataclass(frozen=True, slots=True)
class Camera:
    """Intrinsics and image size in pixels, and lens distortion.

    The optical frame has x right, y down and z forward. `model` is a key of LENSES. If `distortion` is empty, the
    camera is a pinhole.
    """

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
        if self.model not in LENSES:
            raise InputError(
                f"distortion model {self.model!r} is unknown; known are {', '.join(LENSES)}",
                "camera_info.distortion_model",
            )
        if len(self.distortion) not in self._lens.counts:
            raise InputError(
                f"{self.model} takes {' or '.join(map(str, self._lens.counts))} coefficients, "
                f"got {len(self.distortion)}",
                "camera_info.distortion_length",
            )
        if not np.isfinite(self.distortion).all():
            raise InputError("distortion coefficients must be finite", "camera_info.distortion")

    @staticmethod
    def from_matrix(
        k: ArrayLike, width: int, height: int, model: str = "plumb_bob", distortion: ArrayLike = ()
    ) -> Camera:
        """Camera of an intrinsic matrix (3, 3). Coefficients that are all zero are dropped if that is a pinhole."""
        k = np.asarray(k, np.float64)
        if k.shape != (3, 3):
            raise InputError(f"an intrinsic matrix is (3, 3), got {k.shape}", "camera_info.k")
        d = tuple(float(c) for c in np.asarray(distortion, np.float64).ravel())
        fx, fy, cx, cy = (float(v) for v in (k[0, 0], k[1, 1], k[0, 2], k[1, 2]))
        camera = Camera(fx, fy, cx, cy, int(width), int(height), model, d)
        return camera if any(d) or not camera._lens.zero_is_pinhole else replace(camera, distortion=())

    @property
    def matrix(self) -> Array:
        """The intrinsic matrix K (3, 3)."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @property
    def undistorted(self) -> Camera:
        """The same camera without lens distortion."""
        return replace(self, model="plumb_bob", distortion=())

    @property
    def stated_distortion(self) -> tuple[str, tuple[float, ...]]:
        """Distortion model and coefficients as a sensor_msgs/CameraInfo states them. A pinhole is PINHOLE."""
        return (self.model, self.distortion) if self.distortion else PINHOLE

    def resized(self, width: int, height: int) -> Camera:
        """The camera of the image resized to width x height by s: cx' = (cx + 0.5) s - 0.5."""
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
        """The camera of an image of this size: this camera, or this camera binned by one whole number in x and y.

        Raises InputError `image.size` for any other size: a cropped or stretched image needs its own calibration.
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
        """Pixels (N, 2) of points (N, 3) m in the optical frame, and (N,) whether each lies inside the image.

        A pixel is NaN if its point is nearer than MIN_DEPTH, behind the camera, or so far off the optical axis that the
        lens distortion folds back.
        """
        p = np.asarray(points, np.float64).reshape(-1, 3)
        pixels = np.full((len(p), 2), np.nan)
        ok = np.isfinite(p).all(axis=1) & (p[:, 2] > MIN_DEPTH)
        if self.distortion:
            ok &= self._lens.is_valid(np.hypot(p[:, 0], p[:, 1]) / np.maximum(p[:, 2], MIN_DEPTH), self._coefficients)
        if ok.any():
            pixels[ok] = self._distort(p[ok, :2] / p[ok, 2:])
        with np.errstate(invalid="ignore"):
            inside = (pixels >= -0.5).all(axis=1) & (pixels < [self.width - 0.5, self.height - 0.5]).all(axis=1)
        return pixels, np.asarray(inside)

    def unproject(self, pixels: ArrayLike) -> Array:
        """Coordinates (N, 2) x/z, y/z in the optical frame of pixels (N, 2), with the lens distortion removed."""
        uv = np.asarray(pixels, np.float64).reshape(-1, 2)
        if not self.distortion or not len(uv):
            return (uv - [self.cx, self.cy]) / [self.fx, self.fy]
        return self._lens.undistort(uv, self.matrix, self._coefficients)

    def undistort(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Camera]:
        """The image (H, W, C) without lens distortion, of the same K and size, and its camera."""
        if not self.distortion:
            return image, self
        map_x, map_y = self._lens.maps(self.matrix, self._coefficients, (self.width, self.height))
        return np.asarray(cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR), np.uint8), self.undistorted

    def distorted(self, pixels: ArrayLike) -> Array:
        """Pixels (N, 2) of this camera for pixels (N, 2) of `undistorted`."""
        uv = np.asarray(pixels, np.float64).reshape(-1, 2)
        return self._distort(self.undistorted.unproject(uv)) if self.distortion and len(uv) else uv

    def _distort(self, normalised: Array) -> Array:
        """Pixels (N, 2) of undistorted coordinates (N, 2) x/z, y/z."""
        if not self.distortion:
            return normalised * [self.fx, self.fy] + [self.cx, self.cy]
        return self._lens.distort(normalised, self.matrix, self._coefficients)

    @property
    def _lens(self) -> Lens:
        return LENSES[self.model]

    @property
    def _coefficients(self) -> Array:
        return np.array(self.distortion)
