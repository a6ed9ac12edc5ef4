# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the two functions of cv_bridge that i2p_ros calls, where ROS comes from pip wheels."""

import array

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

CHANNELS = {"rgb8": 3, "bgr8": 3, "mono8": 1}


def _bytes(values):
    """An array.array: the messages take it over as it is, and check anything else byte by byte."""
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(values).tobytes())
    return data


class CvBridge:
    """Arrays to image messages."""

    def cv2_to_imgmsg(self, cvim, encoding="passthrough", header=None):
        """Image of an array (H, W) or (H, W, C) uint8; TypeError if it does not fit the encoding."""
        channels = 1 if cvim.ndim == 2 else cvim.shape[2]
        if cvim.dtype != np.uint8 or CHANNELS.get(encoding) != channels:
            raise TypeError(f"cannot send {cvim.shape} {cvim.dtype} as {encoding!r}; known are {', '.join(CHANNELS)}")
        height, width = cvim.shape[:2]
        message = Image(height=height, width=width, encoding=encoding, step=width * channels, data=_bytes(cvim))
        if header is not None:
            message.header = header
        return message

    def cv2_to_compressed_imgmsg(self, cvim, dst_format="jpg"):
        """CompressedImage of a BGR or grey array uint8."""
        _, data = cv2.imencode(f".{dst_format}", cvim)
        return CompressedImage(format=dst_format, data=_bytes(data))
