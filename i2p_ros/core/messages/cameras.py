# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decoder of sensor_msgs/CameraInfo."""

from __future__ import annotations

from typing import Any

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.messages.reading import attribute, integer, numbers
from i2p_ros.core.stated_camera import stated_camera


def camera_from_message(message: Any, rectified: bool = False, image_size: tuple[int, int] | None = None) -> Camera:
    """Camera of the published image: of K and D, or of P without distortion if `rectified`; then ROI, then binning.

    The fourth column of P, the baseline of a stereo pair, is ignored: tf must have the camera's own optical frame.
    `image_size` is the width and height of the image in px, for a message that states none. Raises InputError
    `camera_info.*`.
    """
    return _binned(_region(full_camera(message, rectified, image_size), message), message)


def full_camera(message: Any, rectified: bool, image_size: tuple[int, int] | None = None) -> Camera:
    """`camera_from_message` before ROI and binning."""
    width, height = _size(message, image_size)
    if rectified:
        p = numbers(attribute(message, "p", "P"), 12, "camera_info.p").reshape(3, 4)
        return stated_camera(p[:, :3], width, height)
    k = numbers(attribute(message, "k", "K"), 9, "camera_info.k").reshape(3, 3)
    d = numbers(attribute(message, "d", "D"), None, "camera_info.distortion")
    return stated_camera(k, width, height, str(attribute(message, "distortion_model")), d)


def _size(message: Any, image_size: tuple[int, int] | None) -> tuple[int, int]:
    """Width and height of the full image, px. Where the message states 0x0, that of the image."""
    width, height = integer(message, "width"), integer(message, "height")
    if (width, height) != (0, 0):
        return width, height
    roi = attribute(message, "roi")
    parts = (roi, "x_offset"), (roi, "y_offset"), (roi, "width"), (roi, "height")
    cut = any(integer(part, name) for part, name in parts)
    if image_size is None or cut or max(integer(message, "binning_x"), integer(message, "binning_y")) > 1:
        raise InputError(
            "camera_info states a size of 0x0 px, and the size of the full image is not known otherwise",
            "camera_info.size",
        )
    return image_size


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
