# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A type of cloud message as a user would add it: points as a list of geometry_msgs/Point32."""

from typing import Any

import numpy as np

from i2p_ros.core.messages.clouds import usable
from i2p_ros.core.messages.reading import attribute
from i2p_ros.core.types import PointCloud


def toy_cloud_from_message(message: Any, intensity_field: str = "") -> PointCloud:
    points = [[attribute(point, axis) for axis in "xyz"] for point in attribute(message, "points")]
    return usable(PointCloud(np.array(points, np.float32).reshape(-1, 3)))
