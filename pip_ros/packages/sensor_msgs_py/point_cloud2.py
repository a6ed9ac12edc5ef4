# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Arrays to point clouds."""

import array
import sys

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField


def create_cloud(header, fields, points):
    """PointCloud2 of an array (N, len(fields)); the fields must be float32, one after the other."""
    if any(f.datatype != PointField.FLOAT32 or f.offset != 4 * i for i, f in enumerate(fields)):
        raise ValueError("this stand-in writes packed float32 fields only")
    values = np.ascontiguousarray(points, np.float32).reshape(-1, len(fields))
    data = array.array("B")  # the messages take it over as it is, and check anything else byte by byte
    data.frombytes(values.tobytes())
    return PointCloud2(
        header=header,
        height=1,
        width=len(values),
        fields=fields,
        is_bigendian=sys.byteorder == "big",
        point_step=4 * len(fields),
        row_step=4 * len(fields) * len(values),
        is_dense=False,
        data=data,
    )
