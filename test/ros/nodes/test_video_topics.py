# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A node that listens to video. sensor_msgs/CompressedImage stands for the type: only installed types have topics."""

import cv2
import numpy as np
import pytest
from helpers.video import encoded, moving_images

graph = pytest.importorskip("helpers.graph", reason="needs ROS 2 (pip install .[ros], python pip_ros/install.py)")

from helpers.faults import dropped  # noqa: E402

from i2p_ros.core.errors import MissingPackageError  # noqa: E402
from i2p_ros.core.messages import IMAGE_MESSAGES, IMAGE_TRANSPORTS, VIDEO_MESSAGES, image_from_frame  # noqa: E402
from i2p_ros.ros.messages import message_class  # noqa: E402

STAND_IN = IMAGE_TRANSPORTS["compressed"]


def test_every_message_of_a_video_is_decoded_and_a_loss_is_named(ros_context, monkeypatch):
    monkeypatch.setitem(VIDEO_MESSAGES, STAND_IN, lambda message: (message.header, message.format))
    monkeypatch.setitem(IMAGE_MESSAGES, STAND_IN, image_from_frame)
    images = [cv2.resize(image, (96, 64)) for image in moving_images(8)]
    packets = encoded(images, group=6)
    for built in graph.made(ros_context):
        known = graph.KnownLocalizer()
        node = built(known, compressed=True, node__image_transport="compressed", node__diagnostics_s=0.1)
        seen = []
        for index in (0, 1, 2, 4, 5, 6, 7):  # the message of image 3 is lost
            parts = node.messages(index)
            parts["image"].format, parts["image"].data = "h264", packets[index]
            if index in (4, 5):
                node.send(parts)
                node.until(lambda: False, 0.2)
                continue
            assert node.play(parts)["status"] == "ok"
            seen.append(index)
        assert len(known.pairs) == len(seen)
        for pair, index in zip(known.pairs, seen, strict=True):
            assert np.abs(pair.image.astype(int) - images[index]).mean() < 6, index
        assert node.until(lambda node=node: {"video.gap": 1, "video.no_keyframe": 1}.items() <= dropped(node).items())


def test_a_type_that_is_not_installed_is_named():
    for transport in ("ffmpeg", "foxglove"):
        with pytest.raises(MissingPackageError, match="install the ROS package"):
            message_class(IMAGE_TRANSPORTS[transport])
