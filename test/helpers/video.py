# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Videos that tests encode with PyAV, as messages of topics."""

from fractions import Fraction
from types import SimpleNamespace

import av
import cv2
import numpy as np
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from helpers.messages import header
from i2p_ros.core.messages.video import COMPRESSED_VIDEO, FFMPEG_PACKET

WIDTH, HEIGHT, FRAMES, GROUP = 64, 48, 12, 5  # frames between keyframes
STEP = 10**8  # ns
DEFINITIONS = {
    COMPRESSED_VIDEO: "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format",
    FFMPEG_PACKET: "std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\nuint8 flags\n"
    "bool is_bigendian\nuint8[] data",
}
STORE = get_typestore(Stores.ROS2_JAZZY)
for kind, text in DEFINITIONS.items():
    STORE.register(get_types_from_msg(text, kind))


def moving_images(count=FRAMES):
    """Images (H, W, 3) of one scene that moves, so that each shows what the one before does not."""
    rng = np.random.default_rng(7)
    scene = cv2.resize(rng.integers(40, 216, (6, 24, 3), np.uint8), (4 * WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    return [scene[:, 8 * i : 8 * i + WIDTH] for i in range(count)]


def encoded(images, codec="libx264", group=GROUP, b_frames=0, pixels="yuv420p", **options):
    """Packets of H.264 or H.265 in Annex B, in the order of the stream."""
    context = av.CodecContext.create(codec, "w")
    context.height, context.width = images[0].shape[:2]
    context.pix_fmt, context.time_base, context.framerate = pixels, Fraction(1, 10), Fraction(10)
    context.gop_size, context.max_b_frames = group, b_frames
    fast = {} if b_frames else {"tune": "zerolatency"}
    quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    context.options = {"preset": "fast", "crf": "10", **fast, **quiet, **options}
    packets = []
    for number, image in enumerate(images):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
        frame.pts = number
        packets += context.encode(frame)
    return [bytes(packet) for packet in packets + context.encode(None)]


def video_message(kind, data, codec, stamp=STEP):
    """A CompressedVideo or an FFMPEGPacket."""
    head = header(stamp, "camera")
    if kind == COMPRESSED_VIDEO:
        return SimpleNamespace(timestamp=head.stamp, frame_id=head.frame_id, data=data, format=codec)
    return SimpleNamespace(
        header=head, width=WIDTH, height=HEIGHT, encoding=codec, pts=0, flags=0, is_bigendian=False, data=data
    )


def video_messages(kind, packets, codec):
    return [video_message(kind, data, codec, STEP * (i + 1)) for i, data in enumerate(packets)]


def write_video(bag, kind, packets, codec, stamps, topic="/cam/image_raw/video"):
    """Write packets into a Bag whose store is STORE."""
    for data, stamp in zip(packets, stamps, strict=True):
        head, values = bag.header(stamp, "cam_optical"), np.frombuffer(data, np.uint8)
        if kind == COMPRESSED_VIDEO:
            bag.write(topic, kind, head.stamp, head.frame_id, values, codec, received=stamp)
        else:
            bag.write(topic, kind, head, WIDTH, HEIGHT, codec, 0, 0, False, values, received=stamp)
