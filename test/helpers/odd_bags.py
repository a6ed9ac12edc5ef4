# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags with the oddities of real drivers, three frames each."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from helpers.bags import HEIGHT, IMAGES, ROS2, START, WIDTH, D, K, P, stamps, written

COUNT = 3
COLUMNS, ROWS = 32, 8  # of the clouds
XYZ = np.random.default_rng(9).uniform(-30, 30, (COUNT, ROWS * COLUMNS, 3)).astype(np.float32)
COUNTS = np.random.default_rng(10).integers(0, 3000, (COUNT, ROWS * COLUMNS))
DATATYPES = {"u1": 2, "u2": 4, "u4": 6, "f4": 7, "f8": 8}


@dataclass(frozen=True)
class Odd:
    """A kind of bag: its topics, its messages of frame k, and the settings by which it is read."""

    image: str = "/camera/image_raw"
    pixels: object = lambda k: {}
    info: object = lambda k: {}
    cloud: object = lambda k: {}
    settings: dict = field(default_factory=dict)
    zero: tuple = ()  # kinds of messages whose stamps are zero
    others: object = lambda bag, k, stamp: None  # writes topics that are not to be read
    frame: str = "camera_optical"

    @property
    def info_topic(self):
        return self.image.removesuffix("/compressed").rpartition("/")[0] + "/camera_info"

    def written(self, tmp_path):
        def filling(bag):
            for k, stamp in enumerate(stamps(COUNT)):
                for kind, topic, message in (
                    ("info", self.info_topic, info_message(self.frame, **self.info(k))),
                    ("image", self.image, image_message(IMAGES[k], self.frame, **self.pixels(k))),
                    ("cloud", "/lidar/points", cloud_message(XYZ[k], **self.cloud(k))),
                ):
                    message.header.stamp = time(0 if kind in self.zero else stamp)
                    bag.write_raw(topic, message.__msgtype__, bag.serialize(message, message.__msgtype__), stamp)
                self.others(bag, k, stamp)

        return written(tmp_path, filling=filling)


def make(kind, **fields):
    return ROS2.types[kind](**fields)


def time(stamp):
    sec, nanosec = divmod(stamp, 10**9)
    return make("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)


def header(frame):
    return make("std_msgs/msg/Header", stamp=time(START), frame_id=frame)


def image_message(pixels, frame, encoding="rgb8", padding=0, bigendian=False, suffix=""):
    """An Image, each row followed by padding, or a CompressedImage of a suffix."""
    if suffix:
        data = cv2.imencode(suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].ravel()
        text = f"rgb8; {suffix[1:]} compressed bgr8"
        return make("sensor_msgs/msg/CompressedImage", header=header(frame), format=text, data=data)
    if encoding == "mono16":
        pixels = (pixels[:, :, 1].astype(np.uint16) << 8).astype(">u2" if bigendian else "<u2")
    rows = np.ascontiguousarray(pixels).reshape(HEIGHT, -1).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=7)
    layout = {"height": HEIGHT, "width": WIDTH, "step": rows.shape[1], "is_bigendian": int(bigendian)}
    return make("sensor_msgs/msg/Image", header=header(frame), encoding=encoding, data=rows.ravel(), **layout)


def info_message(frame, model="plumb_bob", d=D, k=K):
    """A CameraInfo whose P is that of the rectified image."""
    matrices = {"d": np.array(d), "k": np.array(k), "r": np.eye(3).ravel(), "p": np.array(P)}
    roi = make("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    return make(
        "sensor_msgs/msg/CameraInfo", header=header(frame), height=HEIGHT, width=WIDTH, distortion_model=model,
        binning_x=0, binning_y=0, roi=roi, **matrices,
    )  # fmt: skip


def cloud_message(xyz, columns=(), bigendian=False, padding=0, step=None, frame="lidar"):
    """A PointCloud2 of ROWS rows, each followed by padding. `columns` are (name, values, type)."""
    order, offset, places = "><"[not bigendian], 0, []
    for name, values, kind in [*((name, xyz[:, k], "f4") for k, name in enumerate("xyz")), *columns]:
        places.append((name, values, kind, offset))
        offset += np.dtype(kind).itemsize
    step = step or offset
    layout = {"names": [p[0] for p in places], "formats": [order + p[2] for p in places]}
    points = np.zeros(len(xyz), np.dtype({**layout, "offsets": [p[3] for p in places], "itemsize": step}))
    for name, values, _, _ in places:
        points[name] = values
    rows = np.frombuffer(points.tobytes(), np.uint8).reshape(ROWS, -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=7)
    fields = [
        make("sensor_msgs/msg/PointField", name=name, offset=at, datatype=DATATYPES[kind], count=1)
        for name, _, kind, at in places
    ]
    return make(
        "sensor_msgs/msg/PointCloud2", header=header(frame), height=ROWS, width=COLUMNS, fields=fields,
        is_bigendian=bigendian, point_step=step, row_step=rows.shape[1], data=rows.ravel(), is_dense=True,
    )  # fmt: skip


def ouster(k):
    """Fields of ouster-ros: photon counts as float32 intensity, times in ns, reflectivity."""
    counts, times = COUNTS[k], np.linspace(0, 99e6, ROWS * COLUMNS)
    columns = [("intensity", counts, "f4"), ("t", times, "u4"), ("reflectivity", counts % 256, "u2")]
    return {"columns": columns, "step": 48}


def intensities(k, kind="f4"):
    return [("intensity", COUNTS[k] % 256, kind)]


def microseconds(k):
    return {"columns": [*intensities(k), ("time", np.linspace(0, 99e3, ROWS * COLUMNS), "f4")]}


def second_camera(bag, k, stamp):
    """A camera without calibration, a lidar's own picture, and obstacles as points."""
    bag.image(stamp, IMAGES[k], "/a_camera/image_raw", "a_optical")
    bag.image(stamp, IMAGES[k], "/a_lidar/nearir_image", "lidar")
    bag.cloud(stamp, np.pad(XYZ[k][:20], ((0, 0), (0, 1))), "/a_obstacles")


ODD = {
    "ouster photon counts": Odd(cloud=ouster),
    "ouster reflectivity": Odd(cloud=ouster, settings={"node.intensity_field": "reflectivity"}),
    "kitti2bag": Odd("/kitti/camera_color_left/image_raw", info=lambda k: {"k": [1.33 * v for v in K[:8]] + [1.0]}),
    "two cameras": Odd("/b_camera/image_raw", others=second_camera),
    "equidistant of five": Odd(info=lambda k: {"model": "equidistant", "d": [0.1, 0.01, 0.0, 0.0, 0.0]}),
    "camera_info with stamp zero": Odd(zero=("info",), info=lambda k: {"k": [50.0 + k, *K[1:]]}),
    "times in microseconds": Odd(cloud=microseconds),
    "padded rows": Odd(pixels=lambda k: {"padding": 5}, cloud=lambda k: {"columns": intensities(k), "padding": 12}),
    "bigendian cloud": Odd(cloud=lambda k: {"columns": intensities(k, "u2"), "bigendian": True}),
    "mono16 bigendian": Odd(pixels=lambda k: {"encoding": "mono16", "bigendian": True}),
    "compressed image": Odd("/camera/image_raw/compressed", pixels=lambda k: {"suffix": ".png"}),
    "rectified image": Odd("/camera/image_rect_color"),
    "no stamps": Odd(zero=("image", "info", "cloud"), settings={"pairing.use_arrival_time": True}),
}
