# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ROS messages to our types, by attribute: those of rclpy and of rosbags, ROS 1 and ROS 2, without importing either.

Messages are not trusted: every length is checked, and what cannot be read exactly is refused by an InputError whose
`reason` names the fault (`cloud.layout`, `image.step`, `camera_info.uncalibrated`, ...).
"""

from i2p_ros.core.messages.cameras import camera_from_message
from i2p_ros.core.messages.clouds import cloud_from_message
from i2p_ros.core.messages.headers import (
    frame_name,
    frame_of,
    pose_from_transform,
    stamp_ns,
    stamp_of,
    transform_from_stamped,
)
from i2p_ros.core.messages.images import image_from_message

__all__ = [
    "camera_from_message",
    "cloud_from_message",
    "frame_name",
    "frame_of",
    "image_from_message",
    "pose_from_transform",
    "stamp_ns",
    "stamp_of",
    "transform_from_stamped",
]
