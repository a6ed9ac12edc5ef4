# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Arrays to sensor_msgs/Image: by cv_bridge where it works, else by NumPy alone."""

from __future__ import annotations

import array
from collections.abc import Callable
from contextlib import redirect_stderr
from functools import cache
from io import StringIO

import numpy as np
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from i2p_ros.core.types import Image

Converter = Callable[[Image, str, Header], ImageMessage]


@cache
def converter() -> Converter:
    """The conversion of cv_bridge if it can convert a pixel here, else `rgb_message`.

    A cv_bridge that was built for NumPy 1 and OpenCV 4 (tried: 1.16.2) prints a stack trace beside NumPy 2 when it is
    imported. Beside OpenCV 5, which has other type numbers, it raises KeyError for each image.
    """
    try:
        with redirect_stderr(StringIO()):
            from cv_bridge import CvBridge

            convert: Converter = CvBridge().cv2_to_imgmsg
            convert(np.zeros((1, 1, 3), np.uint8), "rgb8", Header())
    except Exception:  # a broken binary may raise any exception
        return rgb_message
    return convert


def rgb_message(image: Image, encoding: str, head: Header) -> ImageMessage:
    """sensor_msgs/Image of an image (H, W, 3) uint8 with the encoding rgb8. Raises TypeError for any other."""
    if image.dtype != np.uint8 or image.shape[2:] != (3,) or encoding != "rgb8":
        raise TypeError(f"cannot send {image.shape} {image.dtype} as {encoding}: expected (H, W, 3) uint8 as rgb8")
    height, width = image.shape[:2]
    data = array.array("B", np.ascontiguousarray(image).tobytes())  # other types are checked byte by byte
    return ImageMessage(header=head, height=height, width=width, encoding=encoding, step=3 * width, data=data)
