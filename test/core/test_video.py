# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Topics with H.264 and H.265: their frames, losses and refusals."""

import sys

import numpy as np
import pytest
from helpers.bags import CLOUDS, START, Bag
from helpers.messages import refused
from helpers.video import (
    FRAMES,
    GROUP,
    STEP,
    STORE,
    encoded,
    moving_images,
    video_message,
    video_messages,
    write_video,
)  # fmt: skip

from i2p_ros.core.errors import InputError
from i2p_ros.core.messages import VideoDecoder, image_from_frame, stamp_of
from i2p_ros.core.messages.video import COMPRESSED_VIDEO, FFMPEG_PACKET
from i2p_ros.sources.bag_topics import BagTopics
from i2p_ros.sources.rosbag import RosbagSource

IMAGES = moving_images()
STREAMS = {"h264": encoded(IMAGES), "h265": encoded(IMAGES, "libx265")}
CODECS = [
    (COMPRESSED_VIDEO, "h264"), (COMPRESSED_VIDEO, "h265"),
    (FFMPEG_PACKET, "libx264"), (FFMPEG_PACKET, "h264_nvenc"), (FFMPEG_PACKET, "libx265"),
    (FFMPEG_PACKET, "hevc_vaapi"), (FFMPEG_PACKET, "h264;yuv420p;bgr8;rgb8"),
    (FFMPEG_PACKET, "hevc;nv12;bgr8;bayer_rggb8"),
]  # fmt: skip


def stream(codec):
    return STREAMS["h264" if "264" in codec else "h265"]


def shows(image, number):
    """Whether the image is that of the number, and of no other."""
    errors = [np.abs(image.astype(int) - other).mean() for other in IMAGES]
    return errors[number] < 5 and min(e for i, e in enumerate(errors) if i != number) > 2 * errors[number]


def outcomes(kind, codec, packets):
    """For each packet the number of the image, or the reason of the refusal."""
    decoder, found = VideoDecoder(kind), []
    for message in video_messages(kind, packets, codec):
        try:
            image = image_from_frame(decoder.frame(message))
            found.append(next(i for i in range(FRAMES) if shows(image, i)))
        except InputError as error:
            found.append(error.reason)
    return found


@pytest.mark.parametrize(("kind", "codec"), CODECS)
def test_every_message_gives_its_image(kind, codec):
    decoder = VideoDecoder(kind)
    for number, message in enumerate(video_messages(kind, stream(codec), codec)):
        frame = decoder.frame(message)
        image = image_from_frame(frame)
        assert image.dtype == np.uint8 and image.shape == IMAGES[0].shape and shows(image, number)
        assert stamp_of(frame) == STEP * (number + 1) and frame.header.frame_id == "camera"
        assert decoder.is_keyframe(message) == (number % GROUP == 0)


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_subscriber_that_comes_late_waits_for_a_keyframe(codec):
    assert outcomes(COMPRESSED_VIDEO, codec, stream(codec)[2:]) == ["video.no_keyframe"] * 3 + [*range(5, 12)]


@pytest.mark.parametrize(("codec", "reason"), [("h264", "video.gap"), ("h265", "video.delayed")])
@pytest.mark.parametrize("lost", [1, 2])
def test_row_22_a_lost_message_gives_no_wrong_image(codec, reason, lost):
    """libavcodec gives images of H.264 that are wrong until the next keyframe, and says nothing."""
    packets = stream(codec)
    found = outcomes(COMPRESSED_VIDEO, codec, packets[:2] + packets[2 + lost :])
    assert found == [0, 1, reason] + ["video.no_keyframe"] * (2 - lost) + [*range(5, 12)]


@pytest.mark.parametrize("group", [1, 100])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_streams_of_keyframes_only_and_of_one_keyframe(codec, group):
    packets = encoded(IMAGES, codec, group)
    assert outcomes(FFMPEG_PACKET, codec, packets) == [*range(FRAMES)]


@pytest.mark.parametrize("profile", ["baseline", "main", "high444"])
def test_profiles_of_h264(profile):
    pixels = "yuv444p" if profile == "high444" else "yuv420p"
    packets = encoded(IMAGES, pixels=pixels, profile=profile, **{"x264-params": "cqm=jvt"} if pixels > "yuv42" else {})
    assert outcomes(FFMPEG_PACKET, "libx264", packets) == [*range(FRAMES)]


def test_scaling_lists_and_slices_are_passed_over():
    packets = encoded(IMAGES, **{"x264-params": "cqm=jvt:slices=3:keyint=100:frame-packing=3"})
    assert outcomes(COMPRESSED_VIDEO, "h264", packets) == [*range(FRAMES)]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_b_frames_are_refused_with_the_command_that_converts(codec):
    packets = encoded(IMAGES, codec, 100, b_frames=2, **{"x264-params": "b-adapt=0"} if codec == "libx264" else {})
    decoder = VideoDecoder(FFMPEG_PACKET)
    with pytest.raises(InputError, match=r"B-frames, which need later ones.*in_transport:=ffmpeg"):
        decoder.frame(video_message(FFMPEG_PACKET, packets[0], codec))
    assert {*outcomes(FFMPEG_PACKET, codec, packets)} <= {"video.delayed", "video.no_keyframe"}


@pytest.mark.parametrize(
    ("kind", "codec"),
    [
        (COMPRESSED_VIDEO, "av1"),
        (COMPRESSED_VIDEO, ""),
        (FFMPEG_PACKET, "hevc;gray16le;mono16;mono16"),
        (FFMPEG_PACKET, "h264;gray;mono8;bayer_rggb8"),
    ],
)
def test_another_codec_is_refused_with_the_type_and_the_command_that_converts(kind, codec):
    with pytest.raises(InputError, match=f"a {kind} of '{codec}' cannot be read.*ros2 run image_transport republish"):
        VideoDecoder(kind).frame(video_message(kind, STREAMS["h264"][0], codec))
    refused("image.encoding", VideoDecoder(kind).frame, video_message(kind, b"", codec))


def test_video_without_its_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"CompressedVideo needs PyAV \(pip install '\.\[compressed\]' in the clone\)"):
        VideoDecoder(COMPRESSED_VIDEO).frame(video_message(COMPRESSED_VIDEO, STREAMS["h264"][0], "h264"))


def test_row_22_damaged_video_is_refused():
    key = STREAMS["h264"][0]
    for data in (key[: len(key) // 2][:60], key[key.index(b"\0\0\1\x65") - 1 :], b"\0\0\0\1\x65", b"\0\0\1\x67\x42"):
        message = video_message(COMPRESSED_VIDEO, data, "h264")
        with pytest.raises(InputError) as caught:
            VideoDecoder(COMPRESSED_VIDEO).frame(message)
        assert caught.value.reason in ("video.damaged", "video.delayed", "video.no_keyframe")
    refused("video.no_keyframe", VideoDecoder(COMPRESSED_VIDEO).frame, video_message(COMPRESSED_VIDEO, b"", "h265"))
    refused("message.type", VideoDecoder(FFMPEG_PACKET).frame, video_message(COMPRESSED_VIDEO, key, "h264"))
    refused("message.type", image_from_frame, video_message(COMPRESSED_VIDEO, key, "h264"))


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_row_23_a_video_larger_than_allowed_is_refused_before_memory_is_given_to_it(codec):
    decoder = VideoDecoder(COMPRESSED_VIDEO, max_pixels=64 * 47)
    with pytest.raises(InputError, match="larger than 3008 pixels"):
        decoder.frame(video_message(COMPRESSED_VIDEO, stream(codec)[0], codec))


def test_a_codec_that_changes_starts_anew():
    decoder = VideoDecoder(COMPRESSED_VIDEO)
    for codec in ("h264", "h265", "h264"):
        for number in range(3):
            message = video_message(COMPRESSED_VIDEO, stream(codec)[number], codec)
            assert shows(image_from_frame(decoder.frame(message)), number)
    refused("video.no_keyframe", decoder.frame, video_message(COMPRESSED_VIDEO, STREAMS["h265"][3], "h265"))


def test_frames_keep_their_image_when_later_ones_are_decoded():
    decoder = VideoDecoder(COMPRESSED_VIDEO)
    frames = [decoder.frame(m) for m in video_messages(COMPRESSED_VIDEO, STREAMS["h264"], "h264")]
    assert all(shows(image_from_frame(frame), number) for number, frame in enumerate(frames))


@pytest.fixture(params=[(COMPRESSED_VIDEO, "h264"), (FFMPEG_PACKET, "libx265")], ids=["foxglove", "ffmpeg"])
def bag(request, tmp_path):
    kind, codec = request.param
    with Bag(tmp_path / "bag", "mcap") as bag:
        bag.store = STORE
        stamps = [START + STEP * i for i in range(FRAMES)]
        bag.info(START)
        write_video(bag, kind, stream(codec), codec, stamps)
        for stamp in stamps[1:]:
            bag.cloud(stamp, CLOUDS[0])
    return tmp_path / "bag"


def test_a_bag_with_video_is_read_in_any_order(bag):
    with RosbagSource(bag) as source:
        assert source.topics.image == "/cam/image_raw/video" and len(source) == FRAMES - 1 and not source.lost
        assert source.frames == ("cam_optical", "lidar")
        for index in [*range(11), 3, 3, 10, 0, 7, 8, 4]:
            assert shows(source[index].pair.image, index + 1), index


def test_a_bag_decodes_each_message_once_in_its_order(bag, monkeypatch):
    decoded = []
    original = VideoDecoder.frame
    monkeypatch.setattr(VideoDecoder, "frame", lambda self, message: decoded.append(1) or original(self, message))
    with RosbagSource(bag) as source:
        decoded.clear()  # of the survey of the topics
        assert len([sample.pair.image for sample in source]) == FRAMES - 1
        assert len(decoded) == FRAMES
        source[0]
        assert len(decoded) == FRAMES + 2


def test_a_bag_that_begins_between_keyframes(tmp_path):
    with Bag(tmp_path / "bag", "mcap") as bag:
        bag.store = STORE
        stamps = [START + STEP * i for i in range(FRAMES - 2)]
        bag.info(START)
        write_video(bag, COMPRESSED_VIDEO, STREAMS["h264"][2:], "h264", stamps)
        for stamp in stamps:
            bag.cloud(stamp, CLOUDS[0])
    with RosbagSource(tmp_path / "bag", topics=BagTopics(image="/cam/image_raw/video")) as source:
        for index in (0, 2, 1):
            with pytest.raises(InputError, match="no keyframe yet"):
                source[index]
        assert shows(source[3].pair.image, 5) and shows(source[9].pair.image, 11)
