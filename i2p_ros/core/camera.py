# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera and its lens. Pixel (0, 0) is the centre of the first pixel, as in OpenCV and ROS."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import isfinite

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array
from i2p_ros.core.lenses import LENSES, PINHOLE, Lens

MIN_DEPTH = 0.1  # m: nearer points have no useful projection
VIEW = 1.0, 0.3125  # x/z, y/z: at most so much to each side of a fisheye is undistorted. Networks train on such images
MIN_VIEW = 0.1  # the least width and height of that part, 6 deg
OUTSIDE = -1e3  # px: a pixel that no image has


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
        if not all(map(isfinite, (self.fx, self.fy, self.cx, self.cy))) or self.fx <= 0 or self.fy <= 0:
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
        if not all(map(isfinite, self.distortion)):
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
        """A pinhole camera with the same optical axis. It has the same K and size, and for a fisheye that is too wide
        for a pinhole image the same focal lengths and the middle of the view: at most 90 deg wide, 16:5.

        Raises InputError `camera_info.too_wide` for a part of such a fisheye's image that shows nothing of the middle.
        """
        return _undistorted(self)

    @property
    def is_fisheye(self) -> bool:
        """Whether the camera may see at 90 deg and more off its optical axis."""
        return bool(self.distortion) and self._lens.is_fisheye

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

        A pixel is NaN if its point is nearer than MIN_DEPTH, or so far off the optical axis that the lens has no ray
        to it: behind the camera, or where the distortion folds back. A fisheye may see points at 90 deg and more off
        the axis, and of these the distance counts for MIN_DEPTH instead of the depth.
        """
        p = np.asarray(points, np.float64).reshape(-1, 3)
        pixels = np.full((len(p), 2), np.nan)
        ok = np.isfinite(p).all(axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            ok &= (np.linalg.norm(p, axis=1) if self.is_fisheye else p[:, 2]) > MIN_DEPTH
        if ok.any():
            pixels[ok] = self._pixels(p[ok])
        with np.errstate(invalid="ignore"):
            inside = (pixels >= -0.5).all(axis=1) & (pixels < [self.width - 0.5, self.height - 0.5]).all(axis=1)
        return pixels, np.asarray(inside)

    def unproject(self, pixels: ArrayLike) -> Array:
        """Coordinates (N, 2) x/z, y/z in the optical frame of pixels (N, 2), with the lens distortion removed.

        NaN where no ray reaches, and where the ray is at 90 deg or more off the axis: `rays` has these too.
        """
        uv = np.asarray(pixels, np.float64).reshape(-1, 2)
        if not self.distortion:
            return (uv - self._centre) / self._focal
        x, y, z = self.rays(uv).T
        return np.stack([x, y], axis=1) / np.where(z > 0, z, np.nan)[:, None]

    def rays(self, pixels: ArrayLike) -> Array:
        """Unit rays (N, 3) in the optical frame of pixels (N, 2); NaN where no ray reaches."""
        distorted = (np.asarray(pixels, np.float64).reshape(-1, 2) - self._centre) / self._focal
        if self.distortion:
            return self._lens.rays(distorted, self._coefficients)
        rays = np.column_stack([distorted, np.ones(len(distorted))])
        return np.asarray(rays / np.linalg.norm(rays, axis=1, keepdims=True))

    def undistort(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Camera]:
        """The image (H, W, C) of the camera `undistorted`, and that camera. It is black where the lens sees nothing."""
        if not self.distortion:
            return image, self
        return np.asarray(cv2.remap(image, *_undistortion(self), cv2.INTER_LINEAR), np.uint8), self.undistorted

    def distorted(self, pixels: ArrayLike) -> Array:
        """Pixels (N, 2) of this camera for pixels (N, 2) of `undistorted`; NaN where the lens sees nothing."""
        uv = np.asarray(pixels, np.float64).reshape(-1, 2)
        return self._pixels(self.undistorted.rays(uv)) if self.distortion else uv

    def _pixels(self, rays: Array) -> Array:
        """Pixels (N, 2) of rays (N, 3) of any length."""
        if not self.distortion:
            return rays[:, :2] / rays[:, 2:] * self._focal + self._centre
        return self._lens.project(rays, self._coefficients) * self._focal + self._centre

    @property
    def _focal(self) -> Array:
        return np.array([self.fx, self.fy])

    @property
    def _centre(self) -> Array:
        return np.array([self.cx, self.cy])

    @property
    def _lens(self) -> Lens:
        return LENSES[self.model]

    @property
    def _coefficients(self) -> Array:
        return np.array(self.distortion)


@lru_cache(maxsize=16)
def _undistorted(camera: Camera) -> Camera:
    """See `Camera.undistorted`."""
    same = replace(camera, model="plumb_bob", distortion=())
    corners = [[u, v] for u in (0.0, camera.width - 1.0) for v in (0.0, camera.height - 1.0)]
    if not (camera.is_fisheye and np.isnan(camera.unproject(corners)).any()):
        return same
    middles = [[0.0, camera.cy], [camera.width - 1.0, camera.cy], [camera.cx, 0.0], [camera.cx, camera.height - 1.0]]
    (left, _), (right, _), (_, top), (_, bottom) = camera.unproject(middles)
    left, right = np.fmax(left, -VIEW[0]), np.fmin(right, VIEW[0])  # these prefer a number to NaN
    top, bottom = np.fmax(top, -VIEW[1]), np.fmin(bottom, VIEW[1])
    if not min(right - left, bottom - top) >= MIN_VIEW:
        raise InputError(
            f"this fisheye is too wide for a pinhole image, and its image, {camera.width}x{camera.height} "
            f"with the optical axis at ({camera.cx:.0f}, {camera.cy:.0f}), shows nothing of the middle of the view",
            "camera_info.too_wide",
        )
    width, height = max(1, round((right - left) * camera.fx)), max(1, round((bottom - top) * camera.fy))
    return replace(same, cx=-left * camera.fx - 0.5, cy=-top * camera.fy - 0.5, width=width, height=height)


@lru_cache(maxsize=4)
def _undistortion(camera: Camera) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Column and row (H, W) in the image of a camera for each pixel of `undistorted`, outside where there is none."""
    flat = camera.undistorted
    columns, rows = np.meshgrid(np.arange(flat.width), np.arange(flat.height))
    pixels = camera.distorted(np.stack([columns, rows], axis=-1).reshape(-1, 2))
    pixels = np.clip(np.nan_to_num(pixels, nan=OUTSIDE), OUTSIDE, -OUTSIDE * 1e3)  # float32 holds these
    u, v = pixels.astype(np.float32).T.reshape(2, flat.height, flat.width)
    return u, v
