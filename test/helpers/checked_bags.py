# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A good recording of a drive, and the same with one defect."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from helpers.bags import MS, ROS2, START, D
from i2p_ros.core.geometry import Pose
from i2p_ros.core.optical_frame import T_OPTICAL_BODY

FRAMES, WIDTH, HEIGHT, POINTS = 30, 128, 96, 4000
IMAGE, INFO, CLOUD = "/cam/image_raw", "/cam/camera_info", "/points"
K = [100.0, 0.0, 63.5, 0.0, 100.0, 47.5, 0.0, 0.0, 1.0]
P = [100.0, 0.0, 63.5, 0.0, 0.0, 100.0, 47.5, 0.0, 0.0, 0.0, 1.0, 0.0]
MOUNT = ("lidar", "cam_optical", T_OPTICAL_BODY.inverse())
RNG = np.random.default_rng(3)
SCENE = cv2.resize(RNG.integers(0, 256, (8, 64, 3), np.uint8), (16 * WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
POINT = [
    ("x", "<f4", 7),
    ("y", "<f4", 7),
    ("z", "<f4", 7),
    ("intensity", "<f4", 7),
    ("ring", "<u2", 4),
    ("t", "<u4", 6),
]


def moving(k: int) -> Any:
    """The image of a vehicle that moves."""
    return np.ascontiguousarray(SCENE[:, 40 * k : 40 * k + WIDTH])


def sweep(k: int, points: int = POINTS) -> dict[str, Any]:
    """Columns of a turn of a lidar."""
    rng = np.random.default_rng(k)
    angle, distance = np.linspace(-np.pi, np.pi, points), rng.uniform(5, 40, points)
    return {
        "x": distance * np.cos(angle), "y": distance * np.sin(angle), "z": rng.uniform(-2, 3, points),
        "intensity": rng.uniform(0, 255, points), "ring": rng.integers(0, 16, points),
        "t": np.linspace(0, 99e6, points),
    }  # fmt: skip


def without(*names: str) -> Callable[[int], dict[str, Any]]:
    """Sweeps without some columns."""
    return lambda k: {name: column for name, column in sweep(k).items() if name not in names}


def cloud_message(columns: dict[str, Any], header: Any, store: Any) -> Any:
    """A PointCloud2 of columns of the types in POINT."""
    kinds = [(name, kind, code) for name, kind, code in POINT if name in columns]
    points = np.zeros(len(columns["x"]), np.dtype([(name, kind) for name, kind, _ in kinds]))
    for name, values in columns.items():
        points[name] = values
    make, step = store.types, points.dtype.itemsize
    fields = [
        make["sensor_msgs/msg/PointField"](name, points.dtype.fields[name][1], code, 1) for name, _, code in kinds
    ]
    data = points.view(np.uint8).ravel()
    return make["sensor_msgs/msg/PointCloud2"](
        header, 1, len(points), fields, False, step, step * len(points), data, True
    )


@dataclass
class Recipe:
    """What a recording holds. A part that is none is left out; a function may give none for a frame."""

    frames: int = FRAMES
    pixels: Callable[[int], Any] | None = moving
    cloud: Callable[[int], dict[str, Any] | None] | None = sweep
    info: dict[str, Any] | None = field(default_factory=dict)
    static: tuple[Any, ...] | None = (MOUNT,)
    image_frame: str = "cam_optical"
    encoding: str = "rgb8"
    cloud_frame: str = "lidar"
    image_stamp: Callable[[int, int], int] = lambda k, t: t
    cloud_stamp: Callable[[int, int], int] = lambda k, t: t
    time: Callable[[int], int] = lambda k: START + 100 * MS * k  # received
    extra: Callable[[Any, int, int], None] = lambda bag, k, t: None

    def fill(self, bag: Any) -> None:
        """Write it."""
        for k in range(self.frames):
            t = self.time(k)
            if self.static is not None and k == 0:
                for link in self.static:
                    bag.transforms(t, link)
            image, cloud = self.pixels and self.pixels(k), self.cloud and self.cloud(k)
            if self.info is not None:
                given = {"k": K, "fx": K[0], "p": P, "d": [0.0] * len(D), "size": (WIDTH, HEIGHT)} | self.info
                bag.info(self.image_stamp(k, t), **{"frame": self.image_frame, "received": t} | given)
            if image is not None:
                bag.image(self.image_stamp(k, t), image, IMAGE, self.image_frame, t, 3 * image.shape[1], self.encoding)
            if cloud is not None:
                message = cloud_message(cloud, bag.header(self.cloud_stamp(k, t), self.cloud_frame), bag.store)
                bag.write_raw(CLOUD, message.__msgtype__, bag.serialize(message, message.__msgtype__), t + 5 * MS)
            self.extra(bag, k, t)


def turned(degrees: float) -> Pose:
    """T_lidar_camera of a camera that looks aside."""
    return Pose.from_rotvec([0, 0, np.radians(degrees)]) @ MOUNT[2]


def odometry(bag: Any, t: int, x: float) -> None:
    """A nav_msgs/Odometry at x m."""
    make = ROS2.types
    point, turn = make["geometry_msgs/msg/Point"](x, 0.0, 0.0), make["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
    pose = make["geometry_msgs/msg/PoseWithCovariance"](make["geometry_msgs/msg/Pose"](point, turn), np.zeros(36))
    zero = make["geometry_msgs/msg/Vector3"](0.0, 0.0, 0.0)
    twist = make["geometry_msgs/msg/TwistWithCovariance"](make["geometry_msgs/msg/Twist"](zero, zero), np.zeros(36))
    bag.write("/odom", "nav_msgs/msg/Odometry", bag.header(t, "odom"), "base", pose, twist, received=t)
