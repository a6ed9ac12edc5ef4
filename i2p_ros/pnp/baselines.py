# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Solvers of other libraries with their usual settings, for the comparison of `i2p bench pnp`.

Each takes `uv` (M, 2) px, `points` (M, 3) m, a camera without lens distortion and the largest distance (px) of an
inlier. It returns T_camera_lidar. It returns None where the library finds no pose, raises, or returns numbers that are
not finite.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import poselib
from numpy.typing import ArrayLike

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Array, Pose

Baseline = Callable[[Array, Array, Camera, float], Pose | None]
SUCCESS_PROBABILITY = 0.9999  # PoseLib's default, for all solvers: OpenCV's default of 0.99 stops earlier


def opencv(
    uv: Array,
    points: Array,
    camera: Camera,
    threshold_px: float,
    method: int,
    iterations: int,
    confidence: float = SUCCESS_PROBABILITY,
) -> Pose | None:
    """Pose of cv2.solvePnPRansac. `method` is the solver of the samples and of the final inliers, or a flag of USAC."""
    try:
        found, rotation, translation, _ = cv2.solvePnPRansac(
            points, uv, camera.matrix, None, iterationsCount=iterations, reprojectionError=threshold_px,
            confidence=confidence, flags=method,
        )  # fmt: skip
    except cv2.error:
        return None
    return _finite(cv2.Rodrigues(rotation)[0], translation.ravel()) if found else None


def poselib_default(uv: Array, points: Array, camera: Camera, threshold_px: float) -> Pose | None:
    """Pose of poselib.estimate_absolute_pose, which ends in least squares over the inliers.

    All settings but the threshold are the defaults of PoseLib 2.0: 1,000 to 100,000 iterations, success probability
    0.9999, seed 0, and a Cauchy loss of 1 px in the final least squares.
    """
    intrinsics = [camera.fx, camera.fy, camera.cx, camera.cy]
    pinhole = {"model": "PINHOLE", "width": camera.width, "height": camera.height, "params": intrinsics}
    found, info = poselib.estimate_absolute_pose(uv, points, pinhole, {"max_reproj_error": threshold_px}, {})
    return _finite(found.R, found.t) if info["num_inliers"] else None  # without inliers PoseLib returns the identity


def _finite(rotation: ArrayLike, translation: ArrayLike) -> Pose | None:
    r, t = np.asarray(rotation, np.float64), np.asarray(translation, np.float64)
    return Pose(r, t) if np.isfinite(r).all() and np.isfinite(t).all() else None


BASELINES: dict[str, Baseline] = {
    "opencv_epnp_500": partial(opencv, method=cv2.SOLVEPNP_EPNP, iterations=500),  # the settings of VP2P-Match
    "opencv_sqpnp_2000": partial(opencv, method=cv2.SOLVEPNP_SQPNP, iterations=2000),
    "opencv_magsac": partial(opencv, method=cv2.USAC_MAGSAC, iterations=5000),  # the default of cv2.UsacParams
    "poselib": poselib_default,
}
# The solver of the indoor benchmarks of 2D3D-MATR, with OpenCV's default confidence. It is not compared by the bench,
# whose solvers have equal confidence
opencv_p3p_50000: Baseline = partial(opencv, method=cv2.SOLVEPNP_P3P, iterations=50000, confidence=0.99)
