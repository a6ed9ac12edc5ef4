# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables from message type to decoder, for bags and for nodes.

A new type of cloud is added by a module with its decoder and a row in CLOUD_MESSAGES. Every type in the tables begins
with a std_msgs/Header, or with its fields. A message of VIDEO_MESSAGES passes a VideoDecoder before its image decoder.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from i2p_ros.core.messages.clouds import cloud_from_message
from i2p_ros.core.messages.compressed_clouds import cloud_from_compressed
from i2p_ros.core.messages.images import image_from_compressed, image_from_message
from i2p_ros.core.messages.video import COMPRESSED_VIDEO, FFMPEG_PACKET, VIDEO_MESSAGES, image_from_frame
from i2p_ros.core.types import Image, PointCloud

CloudDecoder = Callable[[Any, str], PointCloud]  # of a message, and the name of the field that holds the intensity
ImageDecoder = Callable[[Any, str], Image]  # of a message or a frame of a video, and the name of its topic

POINT_CLOUD2 = "sensor_msgs/msg/PointCloud2"
COMPRESSED_CLOUD = "point_cloud_interfaces/msg/CompressedPointCloud2"
CLOUD_MESSAGES: dict[str, CloudDecoder] = {POINT_CLOUD2: cloud_from_message, COMPRESSED_CLOUD: cloud_from_compressed}
IMAGE, COMPRESSED_IMAGE = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
IMAGE_MESSAGES: dict[str, ImageDecoder] = {
    IMAGE: image_from_message,
    COMPRESSED_IMAGE: image_from_compressed,
    **dict.fromkeys(VIDEO_MESSAGES, image_from_frame),
}
IMAGE_TRANSPORTS = {  # message types by node.image_transport
    "raw": IMAGE,
    "compressed": COMPRESSED_IMAGE,
    "ffmpeg": FFMPEG_PACKET,
    "foxglove": COMPRESSED_VIDEO,
}
