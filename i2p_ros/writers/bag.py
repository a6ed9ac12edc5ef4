# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writer of a ROS 2 bag, sample by sample, with rosbags and without ROS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Image, PointCloud, Sample

STORE = get_typestore(Stores.ROS2_JAZZY)
FORMATS = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}
LIDAR, CAMERA, WORLD = "lidar", "camera_optical_frame", "world"
JPEG_QUALITY = 95
FIRST_STAMP = 10**9  # ns
_UNSET = QosTime(0, 0)
LATCHED = Qos(  # without it, `ros2 bag play` does not send the transform to late subscribers
    QosHistory.KEEP_LAST,
    1,
    QosReliability.RELIABLE,
    QosDurability.TRANSIENT_LOCAL,
    _UNSET,
    _UNSET,
    QosLiveliness.SYSTEM_DEFAULT,
    _UNSET,
    False,
)


@contextmanager
def open_bag(path: Path, fmt: str, compressed_images: bool) -> Iterator[BagWriter]:
    """Context with a writer of the bag folder `path`, which must not exist; InputError for an unknown format."""
    if fmt not in FORMATS:
        raise InputError(f"no bag format {fmt!r}; there are {', '.join(FORMATS)}", "writer.format")
    with Writer(path, version=9, storage_plugin=FORMATS[fmt]) as writer:
        yield BagWriter(writer, compressed_images)


class BagWriter:
    """Writer of samples as messages. The header stamp of each message is the stamp of its pair.

    A recording that starts before 1 s is shifted to start at 1 s: KITTI sequences start at 0, which in ROS means that
    there is no stamp.
    """

    def __init__(self, writer: Writer, compressed_images: bool) -> None:
        self._writer, self._compressed = writer, compressed_images
        self._connections: dict[str, Any] = {}
        self._calibration: tuple[Camera, Array, str] | None = None
        self._shift = 0  # ns

    def add(self, sample: Sample) -> None:
        """Write the messages of a sample, and before the first sample /tf_static.

        Raises InputError `writer.calibration` for another calibration than that of the first sample.
        """
        pair, T_camera_lidar = sample.pair, sample.T_camera_lidar
        assert T_camera_lidar is not None
        self._check_calibration(pair.camera, T_camera_lidar, pair.name)
        if not self._connections:
            self._begin(pair.stamp, T_camera_lidar)
        stamp = pair.stamp + self._shift
        if self._compressed:
            self._write("/camera/image/compressed", compressed_image(stamp, pair.image), stamp)
        else:
            self._write("/camera/image", image(stamp, pair.image), stamp)
        self._write("/camera/camera_info", camera_info(stamp, pair.camera), stamp)
        self._write("/points", points(stamp, pair.cloud), stamp)
        if sample.T_world_lidar is not None:
            self._write("/ground_truth/pose", pose_stamped(stamp, sample.T_world_lidar), stamp)

    def _begin(self, stamp: int, T_camera_lidar: Pose) -> None:
        self._shift = max(0, FIRST_STAMP - stamp)
        self._write("/tf_static", transforms(stamp + self._shift, T_camera_lidar.inverse()), stamp + self._shift)

    def _check_calibration(self, camera: Camera, T_camera_lidar: Pose, name: str) -> None:
        """Refuse another calibration than that of the first sample: a bag has one /tf_static."""
        if self._calibration is None:
            self._calibration = (camera, T_camera_lidar.matrix, name)
        first, matrix, first_name = self._calibration
        if camera != first or np.abs(matrix - T_camera_lidar.matrix).max() > 1e-9:
            raise InputError(
                f"{name} has another calibration than {first_name}, but a bag has one: write a drive of one camera, "
                "or a KITTI folder, which may hold several",
                "writer.calibration",
            )

    def _write(self, topic: str, message: Any, stamp: int) -> None:
        kind = message.__msgtype__
        if topic not in self._connections:
            profiles = [LATCHED] if topic == "/tf_static" else []
            self._connections[topic] = self._writer.add_connection(
                topic, kind, typestore=STORE, offered_qos_profiles=profiles
            )
        self._writer.write(self._connections[topic], stamp, STORE.serialize_cdr(message, kind))


def image(stamp: int, pixels: Image) -> Any:
    """A sensor_msgs/Image with encoding rgb8."""
    height, width = pixels.shape[:2]
    data = np.ascontiguousarray(pixels).ravel()
    return _make("sensor_msgs/msg/Image", _header(stamp, CAMERA), height, width, "rgb8", 0, 3 * width, data)


def compressed_image(stamp: int, pixels: Image) -> Any:
    """A sensor_msgs/CompressedImage in JPEG, with a format text as image_transport writes it."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    text = "rgb8; jpeg compressed bgr8"
    return _make("sensor_msgs/msg/CompressedImage", _header(stamp, CAMERA), text, np.asarray(data, np.uint8).ravel())


def camera_info(stamp: int, camera: Camera) -> Any:
    """A sensor_msgs/CameraInfo."""
    k, (model, d) = camera.matrix, camera.stated_distortion
    p = np.column_stack([k, np.zeros(3)])
    return _make(
        "sensor_msgs/msg/CameraInfo",
        *(_header(stamp, CAMERA), camera.height, camera.width, model),
        *(np.array(d, np.float64), k.ravel(), np.eye(3).ravel(), p.ravel(), 0, 0),
        _make("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False),
    )


def points(stamp: int, cloud: PointCloud) -> Any:
    """A sensor_msgs/PointCloud2 with float32 x, y, z, and intensity if the cloud has it."""
    names = ["x", "y", "z"] + ["intensity"] * (cloud.intensity is not None)
    columns = [cloud.xyz] if cloud.intensity is None else [cloud.xyz, cloud.intensity]
    rows, step = np.ascontiguousarray(np.column_stack(columns), "<f4"), 4 * len(names)
    fields = [_make("sensor_msgs/msg/PointField", name, 4 * i, 7, 1) for i, name in enumerate(names)]
    return _make(
        "sensor_msgs/msg/PointCloud2",
        *(_header(stamp, LIDAR), 1, len(cloud), fields, False, step, step * len(cloud)),
        rows.view(np.uint8).ravel(),
        bool(np.isfinite(cloud.xyz).all()),
    )


def transforms(stamp: int, T_lidar_camera: Pose) -> Any:
    """A tf2_msgs/TFMessage with T_lidar_camera."""
    where = _make(
        "geometry_msgs/msg/Transform",
        _make("geometry_msgs/msg/Vector3", *_floats(T_lidar_camera.translation)),
        _quaternion(T_lidar_camera),
    )
    return _make(
        "tf2_msgs/msg/TFMessage", [_make("geometry_msgs/msg/TransformStamped", _header(stamp, LIDAR), CAMERA, where)]
    )


def pose_stamped(stamp: int, T_world_lidar: Pose) -> Any:
    """A geometry_msgs/PoseStamped with T_world_lidar."""
    position = _make("geometry_msgs/msg/Point", *_floats(T_world_lidar.translation))
    pose = _make("geometry_msgs/msg/Pose", position, _quaternion(T_world_lidar))
    return _make("geometry_msgs/msg/PoseStamped", _header(stamp, WORLD), pose)


def _make(kind: str, *fields: Any) -> Any:
    return STORE.types[kind](*fields)


def _header(stamp: int, frame: str) -> Any:
    return _make("std_msgs/msg/Header", _make("builtin_interfaces/msg/Time", *divmod(stamp, 10**9)), frame)


def _quaternion(pose: Pose) -> Any:
    return _make("geometry_msgs/msg/Quaternion", *_floats(pose.quaternion))


def _floats(values: Array) -> list[float]:
    return [float(v) for v in values]
