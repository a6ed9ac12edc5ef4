# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of Image and CompressedImage, rows 17 to 26 of docs/faults.md: refused by name, or read as they are meant."""

import struct
import tracemalloc
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from helpers.messages import (
    ENCODED,
    GOOD,
    GRAY,
    INFO,
    JPEG,
    PNG,
    RGB,
    WEBP,
    changed,
    compressed,
    image,
    png_bomb,
    refused,
    wide,
)  # fmt: skip

from i2p_ros.core.changes import FROZEN, FrozenImage
from i2p_ros.core.errors import InputError
from i2p_ros.core.messages import camera_from_message, image_from_compressed, image_from_message


def refuses(reason, **fields):
    refused(reason, image_from_message, changed(GOOD, **fields))


def refuses_file(reason, data, fmt="png"):
    refused(reason, image_from_compressed, SimpleNamespace(format=fmt, data=data))


@pytest.mark.parametrize("encoding", ENCODED)
@pytest.mark.parametrize("padding", [0, 6])
def test_row_17_encodings_are_converted(encoding, padding):
    stored, expected = ENCODED[encoding]
    decoded = image_from_message(image(stored, encoding, padding=padding))
    np.testing.assert_array_equal(decoded, expected)
    assert decoded.dtype == np.uint8 and decoded.flags.c_contiguous and decoded.flags.writeable


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_row_17_bayer_of_one_colour_gives_that_colour(pattern, bits):
    colour = {"r": 200, "g": 90, "b": 30}
    tile = np.array([colour[c] for c in pattern], np.uint8).reshape(2, 2)
    mosaic = np.tile(tile, (4, 5))
    decoded = image_from_message(image(mosaic if bits == 8 else wide(mosaic), f"bayer_{pattern}{bits}"))
    assert decoded.shape == (8, 10, 3)
    assert (decoded == list(colour.values())).all()


@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuv422_yuy2", "yuyv"])
def test_row_17_yuv422_against_bt601(encoding):
    colour = np.array([180.0, 60.0, 110.0])
    r, g, b = colour / 255
    luma = 16 + 65.481 * r + 128.553 * g + 24.966 * b
    u, v = 128 - 37.797 * r - 74.203 * g + 112 * b, 128 + 112 * r - 93.786 * g - 18.214 * b
    pair = [[u, luma], [v, luma]] if encoding in ("yuv422", "uyvy") else [[luma, u], [luma, v]]
    decoded = image_from_message(image(np.tile(np.round(pair).astype(np.uint8), (4, 3, 1)), encoding))
    assert decoded.shape == (4, 6, 3)
    assert np.abs(decoded - colour).max() <= 3


@pytest.mark.parametrize("encoding", ["rgb12", "32FC1", "yuv444", ""])
def test_row_17_unknown_encodings_are_named(encoding):
    with pytest.raises(InputError, match=f"encoding '{encoding}' is not supported; known are rgb8"):
        image_from_message(changed(GOOD, encoding=encoding))
    refuses("image.encoding", encoding=encoding)


@pytest.mark.parametrize("encoding", ["16UC1", "mono16"])
def test_row_17_16_bits_of_a_topic_that_is_named_depth_are_refused(encoding):
    message = image(wide(GRAY), encoding)
    refused("image.encoding", image_from_message, message, "/camera/Depth/image_raw")
    assert image_from_message(message, "/thermal/image_raw").shape == RGB.shape
    assert image_from_message(image(GRAY, "mono8"), "/depth_camera/infra1").shape == RGB.shape


@pytest.mark.parametrize("size", [{"width": 0}, {"height": 0}, {"height": -1}])
def test_row_18_no_width_or_height(size):
    refuses("image.size", **size)
    refuses_file("image.size", png_bomb(0))


@pytest.mark.parametrize("step", [0, 23, -24])
def test_row_19_rows_that_are_too_short(step):
    refuses("image.step", step=step)


def test_row_19_padding_after_a_row_is_no_pixel():
    np.testing.assert_array_equal(image_from_message(image(RGB, "rgb8", padding=5)), RGB)


@pytest.mark.parametrize("data", [GOOD.data[:-1], GOOD.data + b"0", b"", GOOD.data * 2])
def test_row_20_data_of_another_length(data):
    refuses("image.length", data=data)


def test_row_20_a_width_beyond_the_row():
    refuses("image.step", width=65537)
    refuses("image.length", step=25)
    refuses("image.too_large", width=2**32 - 1, height=2**32 - 1)
    refuses("image.size", encoding="yuyv", width=3, step=24)


@pytest.mark.parametrize("encoding", [name for name in ENCODED if name.endswith("16")])
def test_row_21_16_bits_in_big_endian_order(encoding):
    stored, expected = ENCODED[encoding]
    np.testing.assert_array_equal(image_from_message(image(stored, encoding, bigendian=1)), expected)


def planar(encoding, step, rows, width=8, height=6):
    data = bytes(step * rows)
    return SimpleNamespace(encoding=encoding, is_bigendian=0, width=width, height=height, step=step, data=data)


def test_row_19_and_20_planes_that_are_too_short():
    for encoding, rows in (("nv12", 9), ("nv21", 9), ("nv24", 18)):
        assert image_from_message(planar(encoding, 8, rows)).shape == (6, 8, 3)
        refused("image.step", image_from_message, planar(encoding, 7, rows))
        refused("image.length", image_from_message, planar(encoding, 8, rows - 1))
        refused("image.length", image_from_message, planar(encoding, 8, 6))
        refused("image.size", image_from_message, planar(encoding, 8, rows, width=7))
        refused("image.too_large", image_from_message, planar(encoding, 2**16, 9, width=2**16, height=2**16))


@pytest.mark.parametrize(
    "data",
    [
        WEBP[:-20],
        WEBP[:25],
        WEBP[:12] + b"ALPH" + WEBP[16:],
        WEBP[:23] + b"xxx" + WEBP[26:],
        PNG[:-20],
        PNG[:20],
        PNG[:16] + b"IEND",
        PNG[:60] + b"XXXX" + PNG[64:],
        png_bomb(8),
        JPEG[:-20],
        JPEG[:30],
        JPEG[:3] + bytes(50) + JPEG[53:],
        b"II*\0" + bytes(100),
        b"",
    ],
)
def test_row_22_files_that_are_damaged_or_cut_off(data):
    refuses_file("image.compressed", data)


@pytest.mark.parametrize("length", [2**31 - 1, 2**24, 200, len(PNG)])
def test_row_22_a_chunk_longer_than_the_file_is_seen_before_memory_is_given_to_it(length):
    """OpenCV takes such a length at its word: gigabytes, and half a minute."""
    claimed = struct.pack(">I", length)
    for damaged in (PNG[:33] + claimed + PNG[37:], PNG[:-12] + claimed + PNG[-8:]):
        with pytest.raises(InputError, match="the PNG data is truncated or damaged"):
            image_from_compressed(SimpleNamespace(format="png", data=damaged))


def test_row_23_a_bomb_is_not_unpacked():
    refuses_file("image.too_large", png_bomb(30000))
    for decoder, message in (
        (image_from_message, GOOD),
        (image_from_compressed, compressed()),
        (image_from_compressed, compressed(".jpg")),
    ):
        refused("image.too_large", decoder, message, max_pixels=47)
        decoder(message, max_pixels=48)


@pytest.mark.parametrize("marker", [0x01, 0xD0, 0xD8, 0xD9])
def test_row_23_a_bomb_behind_a_marker_that_decoders_pass_over(marker):
    """What follows such a marker is the next segment to libjpeg; taken for its length it would hide the true size."""
    start = JPEG.index(b"\xff\xc0")
    huge = JPEG[start : start + 5] + struct.pack(">HH", 20000, 20000) + JPEG[start + 9 :]
    hidden = JPEG[:2] + bytes([0xFF, marker]) + JPEG[2:start] + huge
    small = JPEG[start : start + 19]
    bomb = hidden + bytes(0xFFE0 + 4 - len(hidden)) + small + b"\xff\xd9"
    tracemalloc.start()
    try:
        refuses_file("image.compressed", bomb, "jpeg")
        assert tracemalloc.get_traced_memory()[1] < 10 * len(bomb)
    finally:
        tracemalloc.stop()


def webp_of(kind, body):
    chunk = kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def test_row_23_a_webp_that_states_a_huge_size():
    lossy = b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 16383, 16383)
    lossless = b"\x2f" + struct.pack("<I", 16382 | 16382 << 14) + bytes(5)
    extended = bytes(4) + b"\xff\xff\xff\xff\xff\x00"
    for kind, body in ((b"VP8 ", lossy), (b"VP8L", lossless), (b"VP8X", extended)):
        refuses_file("image.too_large", webp_of(kind, body), "webp")


def test_row_22_a_webp_animation_is_no_image():
    with pytest.raises(InputError, match="an animation, not one image"):
        image_from_compressed(SimpleNamespace(format="webp", data=webp_of(b"VP8X", b"\x02" + bytes(9))))


@pytest.mark.parametrize("fmt", ["16UC1; compressedDepth png", "16UC1; png compressed ", "32FC1; compressedDepth"])
def test_row_24_compressed_depth(fmt):
    refuses_file("image.encoding", PNG, fmt)
    refuses_file("image.encoding", PNG, "bayer_wxyz8; png compressed ")


def test_row_25_an_image_smaller_by_a_whole_number_is_a_binned_one():
    """A ramp that is averaged over bins: the value under a ray is where the full camera sees it."""
    full = camera_from_message(changed(INFO, d=[]))
    binned = full.fitted(160, 120)
    ramp = np.dstack(np.meshgrid(np.arange(640.0), np.arange(480.0)))
    small = cv2.resize(ramp, (160, 120), interpolation=cv2.INTER_AREA)
    rays = np.array([[-0.2, -0.1, 1.0], [0.3, 0.15, 1.0]])
    for pixel, expected in zip(binned.project(rays)[0], full.project(rays)[0], strict=True):
        column, row = np.floor(pixel).astype(int)
        np.testing.assert_allclose(small[row, column] + 4 * (pixel % 1), expected)
    assert full.fitted(640, 480) is full


@pytest.mark.parametrize("size", [(320, 120), (319, 240), (1280, 960), (427, 320), (640, 479), (0, 0), (-320, -240)])
def test_row_25_another_size_is_refused(size):
    refused("image.size", camera_from_message(INFO).fitted, *size)


def test_row_26_a_frozen_camera_is_noticed_and_one_that_moves_on_again_too():
    rng, watch = np.random.default_rng(0), FrozenImage()
    frames = [rng.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(3)]
    assert not any(watch.update(frame) for frame in frames * 20)
    told = [watch.update(frames[0]) for _ in range(FROZEN + 3)]
    assert told == [False] * FROZEN + [True] * 3
    changed_once = frames[0].copy()
    changed_once[19, 29, 2] ^= 1
    assert not watch.update(changed_once)


def test_numbers_and_bytes_of_another_type():
    refuses("message.type", width=8.0)
    refuses("message.type", data="text")
    refuses("message.type", step=None)
