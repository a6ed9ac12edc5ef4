# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags that tests write with rosbags, in every format."""

import cv2
import numpy as np
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from scipy.spatial.transform import Rotation

from i2p_ros.core.geometry import Pose

MS = 1_000_000
START = 1_700_000_000_000 * MS
FRAMES, WIDTH, HEIGHT, POINTS = 5, 64, 48, 100
IMAGE, INFO, CLOUD, POSE = "/cam/image_raw", "/cam/camera_info", "/points", "/ground_truth/pose"
K = [50.0, 0.0, 31.5, 0.0, 51.0, 23.5, 0.0, 0.0, 1.0]
D = [0.1, -0.05, 0.001, 0.002, 0.0]
R = np.eye(3)
P = [40.0, 0.0, 30.0, 5.0, 0.0, 41.0, 22.0, 0.0, 0.0, 0.0, 1.0, 0.0]
rng = np.random.default_rng(5)
IMAGES = rng.integers(0, 256, (FRAMES, HEIGHT, WIDTH, 3), np.uint8)
CLOUDS = rng.uniform(0, 1, (FRAMES, POINTS, 4)).astype(np.float32) * np.float32([30, 20, 2, 1])
LOST_EVENT = "rosbag2_interfaces/msg/MessagesLostEvent"  # by which a recorder says what it lost
LOST_DEFINITION = (
    "string node_name\nMessagesLostEventTopicStat[] messages_lost_statistics\n"
    + "=" * 80
    + "\nMSG: rosbag2_interfaces/MessagesLostEventTopicStat\n"
    "string topic_name\nuint64 messages_lost_in_transport\nuint64 messages_lost_in_recorder\n"
)
ROS2 = get_typestore(Stores.ROS2_JAZZY)
ROS1 = get_typestore(Stores.ROS1_NOETIC)
ROS1.register(get_types_from_msg("geometry_msgs/TransformStamped[] transforms", "tf2_msgs/msg/TFMessage"))


class Bag:
    """A bag to write messages to, given as (type, fields) in the order of ROS 2; ROS 1 differs in a few names."""

    def __init__(self, path, kind, **options):
        self.path, self.ros1, self.connections = path, kind == "ros1", {}
        self.definitions = {}  # text and checksum of other definitions than the right ones, by type
        self.store = ROS1 if self.ros1 else ROS2
        if self.ros1:
            self.writer = Writer1(path)
        else:
            self.writer = Writer2(path, version=9, storage_plugin=StoragePlugin[kind.upper()])
        if options:
            self.writer.set_compression(**options)

    def __enter__(self):
        self.writer.open()
        return self

    def __exit__(self, *_):
        self.writer.close()

    def make(self, kind, *fields):
        return self.store.types[kind](*fields)

    def header(self, stamp, frame):
        fields = (self.make("builtin_interfaces/msg/Time", *divmod(stamp, 1000 * MS)), frame)
        return self.make("std_msgs/msg/Header", *((0, *fields) if self.ros1 else fields))

    def write(self, topic, kind, *fields, received):
        self.write_raw(topic, kind, self.serialize(self.make(kind, *fields), kind), received)

    def serialize(self, message, kind):
        return bytes((self.store.serialize_ros1 if self.ros1 else self.store.serialize_cdr)(message, kind))

    def write_raw(self, topic, kind, raw, received):
        if topic not in self.connections:
            options = {"typestore": self.store}
            if kind in self.definitions:
                text, checksum = self.definitions[kind]
                options = {"msgdef": text, "md5sum" if self.ros1 else "rihs01": checksum}
            self.connections[topic] = self.writer.add_connection(topic, kind, **options)
        self.writer.write(self.connections[topic], received, raw)

    def image(self, stamp, pixels, topic=IMAGE, frame="/cam_optical", received=None, step=3 * WIDTH, encoding="rgb8"):
        header = self.header(stamp, frame)
        height, width = pixels.shape[:2]
        fields = (header, height, width, encoding, 0, step, np.ascontiguousarray(pixels).ravel())
        self.write(topic, "sensor_msgs/msg/Image", *fields, received=received or stamp)

    def compressed(self, stamp, pixels, suffix=".png"):
        data = cv2.imencode(suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].ravel()
        fields = (self.header(stamp, "cam_optical"), f"rgb8; {suffix[1:]} compressed bgr8", data)
        self.write(f"{IMAGE}/compressed", "sensor_msgs/msg/CompressedImage", *fields, received=stamp)

    def info(
        self, stamp, topic=INFO, frame="cam_optical", fx=50.0, model="plumb_bob", d=D, k=K, r=R, p=P,
        size=(WIDTH, HEIGHT), received=None,
    ):  # fmt: skip
        roi = self.make("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)
        k = [fx, *K[1:]] if k is K else k
        numbers = [np.array(v, np.float64).ravel() for v in (d, k, r, p)]
        fields = (self.header(stamp, frame), *size[::-1], model, *numbers, 0, 0, roi)
        self.write(topic, "sensor_msgs/msg/CameraInfo", *fields, received=received or stamp)

    def cloud(self, stamp, points, topic=CLOUD, received=None, frame="lidar"):
        fields = [
            self.make("sensor_msgs/msg/PointField", name, 4 * i, 7, 1)
            for i, name in enumerate(("x", "y", "z", "intensity"))
        ]
        data = np.ascontiguousarray(points, np.float32).view(np.uint8).ravel()
        fields = (self.header(stamp, frame), 1, len(points), fields, False, 16, 16 * len(points), data, True)
        self.write(topic, "sensor_msgs/msg/PointCloud2", *fields, received=received or stamp)

    def transforms(self, stamp, *transforms, topic="/tf_static"):
        stamped = [
            self.make("geometry_msgs/msg/TransformStamped", self.header(stamp, a), b, self._transform(pose))
            for a, b, pose in transforms
        ]
        self.write(topic, "tf2_msgs/msg/TFMessage", stamped, received=stamp)

    def _transform(self, pose, kind="Transform", vector="Vector3"):
        t = self.make(f"geometry_msgs/msg/{vector}", *map(float, pose.translation))
        q = self.make("geometry_msgs/msg/Quaternion", *map(float, pose.quaternion))
        return self.make(f"geometry_msgs/msg/{kind}", t, q)

    def pose(self, stamp, pose):
        fields = (self.header(stamp, "world"), self._transform(pose, "Pose", "Point"))
        self.write(POSE, "geometry_msgs/msg/PoseStamped", *fields, received=stamp)


class Messages(Bag):
    """Messages as (topic, type, time received, bytes), for bags that rosbags does not write."""

    def __init__(self, kind):
        self.ros1, self.rows = kind == "ros1", []
        self.store = ROS1 if self.ros1 else ROS2

    def write_raw(self, topic, kind, raw, received):
        self.rows.append((topic, kind, received, raw))


def pose(seed):
    r = np.random.default_rng(seed)
    return Pose(Rotation.random(random_state=seed).as_matrix(), r.uniform(-2, 2, 3))


def stamps(n=FRAMES):
    return [START + 100 * MS * i for i in range(n)]


T_BASE_LIDAR, T_BASE_MOUNT, T_MOUNT_CAMERA = pose(1), pose(2), pose(3)
POSES = [pose(10 + i) for i in range(FRAMES)]


def fill(bag):
    """The usual bag: everything in sync, the first calibration after the first image."""
    bag.transforms(START, ("base", "/lidar", T_BASE_LIDAR), ("/base", "mount", T_BASE_MOUNT))
    bag.transforms(START, ("mount", "cam_optical", T_MOUNT_CAMERA))
    for i, stamp in enumerate(stamps()):
        bag.image(stamp, IMAGES[i])
        bag.info(stamp + MS, fx=50.0 + i)
        bag.cloud(stamp, CLOUDS[i], received=stamp + 7 * MS)
        bag.pose(stamp, POSES[i])


def messages(filling=fill, kind="mcap"):
    """Rows of Messages of a filling."""
    bag = Messages(kind)
    filling(bag)
    return bag.rows


def definition(kind, ros1=False):
    """Text of the definition of a type and of all that it needs."""
    return (ROS1 if ros1 else ROS2).generate_msgdef(kind, ros_version=1 if ros1 else 2)[0]


def written(tmp_path, kind="mcap", filling=fill, **options):
    path = tmp_path / ("bag.bag" if kind == "ros1" else "bag")
    with Bag(path, kind, **options) as bag:
        filling(bag)
    return path
