# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decoder of sensor_msgs/CameraInfo."""

from __future__ import annotations

from typing import Any

import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array
from i2p_ros.core.lenses import LENSES, lens_name
from i2p_ros.core.messages.reading import attribute, integer, numbers


def camera_from_message(message: Any, rectified: bool = False) -> Camera:
    """Camera of the published image: of K and D, or of P without distortion if `rectified`; then ROI, then binning.

    The fourth column of P, the baseline of a stereo pair, is ignored: tf must have the camera's own optical frame.
    Raises InputError `camera_info.*`.
    """
    width, height = integer(message, "width"), integer(message, "height")
    if rectified:
        k = numbers(attribute(message, "p", "P"), 12, "camera_info.p").reshape(3, 4)[:, :3]
        full = Camera.from_matrix(k, width, height)
    else:
        k = numbers(attribute(message, "k", "K"), 9, "camera_info.k").reshape(3, 3)
        full = Camera.from_matrix(k, width, height, *_lens(message))
    if not np.allclose(k, full.matrix, rtol=0.0, atol=1e-6 * full.fx):
        raise InputError(f"the matrix has skew or is no intrinsic matrix: {k.tolist()}", "camera_info.k")
    return _binned(_region(full, message), message)


def _lens(message: Any) -> tuple[str, Array]:
    """Name of the distortion model and coefficients (C,). A lens whose coefficients are missing is not a pinhole."""
    name = str(attribute(message, "distortion_model"))
    d = numbers(attribute(message, "d", "D"), None, "camera_info.distortion")
    model = lens_name(name)
    if not name and d.any():
        raise InputError("distortion_model is empty, but there are coefficients", "camera_info.distortion_model")
    if model in LENSES and not LENSES[model].zero_is_pinhole:
        _check_count(model, d)
    return model, d


def _check_count(model: str, d: Array) -> None:
    """InputError for a lens with a wrong number of coefficients, or none."""
    counts = [n for n in LENSES[model].counts if n]
    if d.size not in counts:
        raise InputError(
            f"{model} takes {' or '.join(map(str, counts))} coefficients, got {d.size}", "camera_info.distortion_length"
        )


def _region(camera: Camera, message: Any) -> Camera:
    """Camera of the ROI, which is in unbinned pixels. All zero means the whole image (sensor_msgs/CameraInfo)."""
    roi = attribute(message, "roi")
    x, y = integer(roi, "x_offset"), integer(roi, "y_offset")
    width, height = integer(roi, "width") or camera.width, integer(roi, "height") or camera.height
    if min(x, y) < 0 or not (0 < width <= camera.width - x and 0 < height <= camera.height - y):
        raise InputError(
            f"ROI {width}x{height} at ({x}, {y}) leaves the {camera.width}x{camera.height} image", "camera_info.roi"
        )
    return camera.cropped(x, y, width, height)


def _binned(camera: Camera, message: Any) -> Camera:
    """Camera after binning, where 0 means 1. Columns and rows that do not fill a bin are cut off."""
    bx, by = integer(message, "binning_x") or 1, integer(message, "binning_y") or 1
    if not (0 < bx <= camera.width and 0 < by <= camera.height):
        raise InputError(f"binning {bx}x{by} of {camera.width}x{camera.height} pixels", "camera_info.binning")
    width, height = camera.width // bx, camera.height // by
    return camera.cropped(0, 0, width * bx, height * by).resized(width, height)
