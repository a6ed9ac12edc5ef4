# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decoder of topics with video: foxglove_msgs/CompressedVideo and ffmpeg_image_transport_msgs/FFMPEGPacket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from i2p_ros.core.errors import InputError, install_command, one_line
from i2p_ros.core.messages.h264 import FrameNumbers, is_keyframe
from i2p_ros.core.messages.images import MAX_PIXELS
from i2p_ros.core.messages.reading import attribute, bytes_of
from i2p_ros.core.types import Image

COMPRESSED_VIDEO = "foxglove_msgs/msg/CompressedVideo"
FFMPEG_PACKET = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"
_TRANSPORTS = {COMPRESSED_VIDEO: "foxglove", FFMPEG_PACKET: "ffmpeg"}


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """A decoded message of a video: its stamp and frame as `header`, and the picture as PyAV holds it."""

    header: Any
    picture: Any


def image_from_frame(frame: VideoFrame, topic: str = "") -> Image:
    """RGB image (H, W, 3) uint8 of a frame that a VideoDecoder has made of a message. `topic` is not needed."""
    return np.ascontiguousarray(attribute(frame, "picture").to_ndarray(format="rgb24"))


class VideoDecoder:
    """Frames of the messages of one topic, which must come in their order: most show what has changed since the last.

    `kind` is the message type, one of VIDEO_MESSAGES. A stream may begin anywhere, and lack messages: what comes before
    the next keyframe is then refused.
    """

    def __init__(self, kind: str, max_pixels: int = MAX_PIXELS) -> None:
        self._kind, self._max_pixels = kind, max_pixels
        self._codec, self._numbers = "", FrameNumbers()
        self._context: Any = None  # PyAV's decoder
        self._ready = False  # whether all pictures since a keyframe are decoded

    def frame(self, message: Any) -> VideoFrame:
        """The frame of a message, which holds one picture of H.264 or H.265 in Annex B, without B-frames.

        Raises InputError: `image.encoding` for another codec or without PyAV, `video.no_keyframe`, `video.gap` where
        messages are missing, `video.damaged`, `video.delayed` for a picture that needs later messages.
        """
        header, stated = VIDEO_MESSAGES[self._kind](message)
        codec, data = self._known(stated), bytes_of(message).tobytes()
        ready, self._ready = self._ready and codec == self._codec, False
        if is_keyframe(codec, data):
            self._restart(codec)
        elif not ready:
            raise InputError("the video has had no keyframe yet, or none since messages were lost", "video.no_keyframe")
        if codec == "h264" and not self._numbers.follow(data):
            raise InputError("messages before this one are missing, and its image depends on them", "video.gap")
        picture = self._picture(data)
        self._ready = True
        return VideoFrame(header, picture)

    def is_keyframe(self, message: Any) -> bool:
        """Whether a message can be decoded without those before it."""
        return is_keyframe(self._known(VIDEO_MESSAGES[self._kind](message)[1]), bytes_of(message).tobytes())

    def _known(self, stated: str) -> str:
        """PyAV's name of the codec that a message states, as `h264`, `libx265` or `hevc;yuv420p;bgr8;rgb8`."""
        codec, _, source = stated.lower().partition(";")
        grey_mosaic = "bayer_" in source and "bgr8" not in source and "rgb8" not in source
        if "16" not in source and "32fc1" not in source and not grey_mosaic:
            for name, marks in (("h264", ("264",)), ("hevc", ("265", "hevc"))):
                if any(mark in codec for mark in marks):
                    return name
        raise InputError(
            f"a {self._kind} of {stated!r} cannot be read, but H.264 and H.265 in colour or grey of 8 bits; "
            + _convert(self._kind),
            "image.encoding",
        )

    def _restart(self, codec: str) -> None:
        if self._context is not None and codec == self._codec:
            self._context.flush_buffers()
            return
        try:
            import av
        except ImportError as error:
            raise InputError(
                f"a {self._kind} needs PyAV ({install_command('compressed')}); or {_convert(self._kind)}",
                "image.encoding",
            ) from error
        context = av.CodecContext.create(codec, "r")
        context.thread_count = 1  # threads would give each frame some messages later
        context.options = {"max_pixels": str(self._max_pixels), "flags": "low_delay"}
        self._context, self._codec, self._numbers = context, codec, FrameNumbers()

    def _picture(self, data: bytes) -> Any:
        """The one picture of a message."""
        import av

        packet = av.Packet(data)
        packet.pts = packet.dts = 0
        try:
            pictures = self._context.decode(packet)
        except (av.FFmpegError, ValueError) as error:
            self._context = None
            what = f"the video is damaged or larger than {self._max_pixels} pixels"
            raise InputError(f"{what}: {one_line(error)}", "video.damaged") from error
        if len(pictures) != 1:
            raise InputError(
                "a message of a video must give one image at once: messages before this one are missing, or it has "
                f"B-frames, which need later ones; in that case {_convert(self._kind)}",
                "video.delayed",
            )
        if pictures[0].is_corrupt:
            raise InputError("the video is damaged", "video.damaged")
        return pictures[0]


def _of_foxglove(message: Any) -> tuple[Any, str]:
    header = SimpleNamespace(stamp=attribute(message, "timestamp"), frame_id=attribute(message, "frame_id"))
    return header, str(attribute(message, "format"))


def _of_packet(message: Any) -> tuple[Any, str]:
    return attribute(message, "header"), str(attribute(message, "encoding"))


# message type -> function that gives the header and the stated codec of a message
VIDEO_MESSAGES: dict[str, Callable[[Any], tuple[Any, str]]] = {
    COMPRESSED_VIDEO: _of_foxglove,
    FFMPEG_PACKET: _of_packet,
}


def _convert(kind: str) -> str:
    name = _TRANSPORTS[kind]
    return (
        f"convert it: `ros2 run image_transport republish --ros-args -p in_transport:={name} -p out_transport:=raw "
        f"--remap in/{name}:=TOPIC --remap out:=/camera/image`"
    )
