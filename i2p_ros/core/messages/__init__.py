# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ROS messages to the types of core.types.

Attributes are read by name. So the same code decodes messages of rclpy and of rosbags, of ROS 1 and of ROS 2,
and neither package is imported.

Messages are not trusted. Every length is checked, and a message that cannot be read exactly is refused with an
InputError whose `reason` names the fault (`cloud.layout`, `image.step`, `camera_info.uncalibrated`, ...).
"""

from i2p_ros.core.messages.cameras import camera_from_message
from i2p_ros.core.messages.clouds import INTENSITY_FIELDS, cloud_from_message, stated_times, usable
from i2p_ros.core.messages.compressed_clouds import cloud_from_compressed
from i2p_ros.core.messages.decoders import CLOUD_MESSAGES, IMAGE_MESSAGES, IMAGE_TRANSPORTS, POINT_CLOUD2
from i2p_ros.core.messages.headers import (
    frame_name,
    frame_of,
    pose_from_transform,
    stamp_ns,
    stamp_of,
    transform_from_stamped,
)
from i2p_ros.core.messages.images import image_from_compressed, image_from_message
from i2p_ros.core.messages.rectification import ImageCamera, camera_of_image, matrix_name, named_rectified
from i2p_ros.core.messages.video import VIDEO_MESSAGES, VideoDecoder, image_from_frame

__all__ = [
    "CLOUD_MESSAGES",
    "IMAGE_MESSAGES",
    "IMAGE_TRANSPORTS",
    "INTENSITY_FIELDS",
    "POINT_CLOUD2",
    "VIDEO_MESSAGES",
    "ImageCamera",
    "VideoDecoder",
    "camera_from_message",
    "camera_of_image",
    "cloud_from_compressed",
    "cloud_from_message",
    "frame_name",
    "frame_of",
    "image_from_compressed",
    "image_from_frame",
    "image_from_message",
    "matrix_name",
    "named_rectified",
    "pose_from_transform",
    "stamp_ns",
    "stamp_of",
    "stated_times",
    "transform_from_stamped",
    "usable",
]
