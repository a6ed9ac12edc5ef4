# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Types of this package to ROS messages, and the classes of message types. core.messages has the other direction."""

from __future__ import annotations

import array
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, PoseStamped, PoseWithCovarianceStamped, Quaternion, TransformStamped, Vector3
from geometry_msgs.msg import Pose as PoseMessage
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, CompressedImage, PointCloud2, PointField
from sensor_msgs.msg import Image as ImageMessage
from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import MissingPackageError, SettingsError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.messages import CLOUD_MESSAGES
from i2p_ros.core.types import Image, PointCloud
from i2p_ros.ros.image_converter import converter

OK, WARN, ERROR, STALE = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE


def cloud_class(cloud_type: str) -> type:
    """The class of a message type in CLOUD_MESSAGES, such as sensor_msgs/msg/PointCloud2.

    Raises SettingsError for a type that no decoder is known for, and MissingPackageError if its package is missing.
    """
    if cloud_type not in CLOUD_MESSAGES:
        raise SettingsError(f"node.cloud_type: no decoder for {cloud_type!r}; there are {', '.join(CLOUD_MESSAGES)}")
    return message_class(cloud_type)


def message_class(kind: str) -> type:
    """The class of a message type. Raises MissingPackageError if its package is missing."""
    package, _, name = kind.split("/")
    try:
        return vars(import_module(f"{package}.msg"))[name]
    except (ImportError, KeyError) as error:
        raise MissingPackageError(f"no messages {kind} here: install the ROS package {package}") from error


def time_message(stamp: int) -> Time:
    """builtin_interfaces/Time of a stamp, ns."""
    seconds, nanoseconds = divmod(stamp, 10**9)
    return Time(sec=seconds, nanosec=nanoseconds)


def header(stamp: int, frame: str) -> Header:
    """std_msgs/Header of a stamp (ns) and a frame."""
    return Header(stamp=time_message(stamp), frame_id=frame)


def pose_message(T_frame_body: Pose) -> PoseMessage:
    """geometry_msgs/Pose of a body in a frame."""
    x, y, z = map(float, T_frame_body.translation)
    return PoseMessage(position=Point(x=x, y=y, z=z), orientation=_quaternion(T_frame_body))


def pose_stamped(T_frame_body: Pose, head: Header) -> PoseStamped:
    """geometry_msgs/PoseStamped of a body in the frame of the header."""
    return PoseStamped(header=head, pose=pose_message(T_frame_body))


def pose_with_covariance(T_frame_body: Pose, covariance: Array, head: Header) -> PoseWithCovarianceStamped:
    """geometry_msgs/PoseWithCovarianceStamped. Covariance (6, 6) of x, y, z and rotations about the fixed axes."""
    message = PoseWithCovarianceStamped(header=head)
    message.pose.pose = pose_message(T_frame_body)
    message.pose.covariance = [float(v) for v in covariance.ravel()]
    return message


def transform_stamped(T_frame_child: Pose, head: Header, child: str) -> TransformStamped:
    """geometry_msgs/TransformStamped from the frame of the header to the child frame."""
    x, y, z = map(float, T_frame_child.translation)
    message = TransformStamped(header=head, child_frame_id=child)
    message.transform.translation = Vector3(x=x, y=y, z=z)
    message.transform.rotation = _quaternion(T_frame_child)
    return message


def image_message(image: Image, head: Header) -> ImageMessage:
    """sensor_msgs/Image of an RGB image (H, W, 3)."""
    return converter()(image, "rgb8", head)


def compressed_message(image: Image, head: Header) -> CompressedImage:
    """sensor_msgs/CompressedImage with a JPEG of an RGB image (H, W, 3). `format` is that of image_transport."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return CompressedImage(header=head, format="bgr8; jpeg compressed bgr8", data=array.array("B", data.tobytes()))


def camera_info(camera: Camera, head: Header) -> CameraInfo:
    """sensor_msgs/CameraInfo of a camera."""
    k, (model, d) = camera.matrix, camera.stated_distortion
    return CameraInfo(
        header=head,
        height=camera.height,
        width=camera.width,
        distortion_model=model,
        d=list(d),
        k=k.ravel(),
        r=np.eye(3).ravel(),
        p=np.column_stack([k, np.zeros(3)]).ravel(),
    )


def cloud_message(cloud: PointCloud, head: Header) -> PointCloud2:
    """sensor_msgs/PointCloud2 with float32 x, y, z and, where the cloud has it, intensity."""
    names, columns = ["x", "y", "z"], cloud.xyz
    if cloud.intensity is not None:
        names, columns = [*names, "intensity"], np.column_stack([cloud.xyz, cloud.intensity])
    fields = [PointField(name=n, offset=4 * i, datatype=PointField.FLOAT32, count=1) for i, n in enumerate(names)]
    return create_cloud(head, fields, columns)


def diagnostic(level: bytes, name: str, message: str, values: Mapping[str, Any], hardware: str) -> DiagnosticStatus:
    """diagnostic_msgs/DiagnosticStatus with named values. Floats have four digits."""
    shown = {key: f"{value:.4g}" if isinstance(value, float) else str(value) for key, value in values.items()}
    pairs = [KeyValue(key=key, value=value) for key, value in shown.items()]
    return DiagnosticStatus(level=level, name=name, message=message, hardware_id=hardware, values=pairs)


def line_markers(start: Array, ends: Array, good: NDArray[np.bool_], head: Header) -> MarkerArray:
    """Markers of lines from one point (3,) to others (N, 3). Lines to `good` points (N,) are green, the others red."""
    colours = ((True, ColorRGBA(r=0.1, g=0.8, b=0.2, a=0.6)), (False, ColorRGBA(r=0.9, g=0.1, b=0.1, a=0.3)))
    markers = []
    for number, (wanted, colour) in enumerate(colours):
        marker = Marker(header=head, ns="matches", id=number, type=Marker.LINE_LIST, color=colour)
        marker.scale.x = 0.01
        pairs = [(start, end) for end in ends[good == wanted]]
        marker.points = [Point(x=float(x), y=float(y), z=float(z)) for pair in pairs for x, y, z in pair]
        marker.action = Marker.ADD if pairs else Marker.DELETE
        markers.append(marker)
    return MarkerArray(markers=markers)


def matches_of(markers: MarkerArray) -> tuple[Array, NDArray[np.bool_]]:
    """The ends (N, 3) of the lines of `line_markers`, and whether each is good (N,)."""
    ends = [[(p.x, p.y, p.z) for p in marker.points[1::2]] for marker in markers.markers]
    good = [np.full(len(points), marker.id == 0) for points, marker in zip(ends, markers.markers, strict=True)]
    return np.array([point for points in ends for point in points]).reshape(-1, 3), np.concatenate([*good, []]) > 0


def _quaternion(pose: Pose) -> Quaternion:
    x, y, z, w = map(float, pose.quaternion)
    return Quaternion(x=x, y=y, z=z, w=w)
