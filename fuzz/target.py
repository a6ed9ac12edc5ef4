# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One decoder under test, with the conditions that must hold for any message."""

import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from fuzz import formats
from i2p_ros.core.errors import I2PError, InputError
from i2p_ros.core.messages import (
    VideoDecoder,
    camera_from_message,
    camera_of_image,
    cloud_from_compressed,
    cloud_from_message,
    image_from_compressed,
    image_from_frame,
    image_from_message,
)
from i2p_ros.core.messages.video import COMPRESSED_VIDEO
from i2p_ros.sources.bag_reader import bag_errors, open_reader, read_header
from i2p_ros.sources.cloud_files import read_cloud_file
from i2p_ros.sources.unpacking import MOST_BYTES

FILES = ("bin", "npy", "pcd", "ply", "las", "laz")  # formats of clouds
PACKAGES = ("laspy", "lazrs", "numpy.ma", "plyfile", "pypcd4")  # imported before memory is measured
MAX_PIXELS = 1_000_000  # of images here, so small that a fuzzer can exceed it
MAX_CLOUD = 1_000_000  # bytes of an unpacked cloud here
BASE = 1_000_000  # bytes that a decoder may need for any message
PER_BYTE = 40  # bytes more for each byte of the message: three i1 of a point become float32, then float64
PER_PACKED_BYTE = 1000  # of a file with packed points: LZF and LAZ unpack to 100 times their size
BAG = 4 * MOST_BYTES  # bytes that a bag may need: a chunk and its messages
PER_PIXEL = 8  # bytes more for each pixel that a compressed image may have
TAILS = (b"\x00" * 64, b"\xff" * 64)  # bytes after the data, which must not change the result


def _image(message: Any) -> Any:
    return image_from_message(message, max_pixels=MAX_PIXELS)


def _compressed(message: Any) -> Any:
    return image_from_compressed(message, max_pixels=MAX_PIXELS)


def _cloud(message: Any) -> Any:
    found = cloud_from_message(message, max_points=1000)
    assert np.isfinite(found.xyz).all() and 4 <= len(found) <= message.width * message.height
    assert found.intensity is None or (found.intensity.min() >= 0 and found.intensity.max() <= 1)
    return found.xyz


def _compressed_cloud(message: Any) -> Any:
    return cloud_from_compressed(message, max_points=1000, max_bytes=MAX_CLOUD).xyz


def _video(messages: list[Any]) -> Any:
    """Image of the last message. Those before it may be refused."""
    decoder = VideoDecoder(COMPRESSED_VIDEO, MAX_PIXELS)
    for message in messages[:-1]:
        with suppress(InputError):
            decoder.frame(message)
    if not messages:
        raise InputError("no message", "message.type")
    found = image_from_frame(decoder.frame(messages[-1]))
    assert found.ndim == 3 and found.shape[0] * found.shape[1] <= MAX_PIXELS
    return found


def _camera(message: Any) -> Any:
    with suppress(InputError):
        camera_of_image(message, "/camera/image", image_size=(64, 48))
    found = camera_from_message(message, message.rectified)
    assert found.fx > 0 and found.fy > 0 and found.width > 0 and found.height > 0
    return found.matrix


def _file(path: Path) -> Any:
    found = read_cloud_file(path)
    assert found.cloud.intensity is None or ((found.cloud.intensity >= 0) & (found.cloud.intensity <= 1)).all()
    assert np.isfinite(found.offset).all()
    return found.cloud.xyz


def _bag(message: Any) -> Any:
    """Times of all messages of a bag, and their headers, as a source reads them at first."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bag"
        path.write_bytes(message.data)
        reader, cut_off = open_reader(path)
        times, lost = list[int](), Counter[str]()
        try:
            with bag_errors(path, "bag.unreadable"):
                for _, time, raw in reader.messages():
                    times.append(time)
                    try:
                        read_header(raw, reader.is2)
                    except InputError as error:
                        lost[error.reason] += 1
            assert cut_off in (0, 1) and all(count > 0 for count in (lost + reader.lost({"/points"})).values())
        finally:
            reader.close()
    return np.array(times)


DECODERS: dict[str, tuple[Callable[[bytes], Any], Callable[[Any], Any]]] = {
    "image": (formats.image, _image),
    "compressed": (formats.compressed, _compressed),
    "cloud": (formats.cloud, _cloud),
    "compressed_cloud": (formats.compressed_cloud, _compressed_cloud),
    "video": (formats.video, _video),
    "camera": (formats.camera, _camera),
    **{kind: (formats.file(kind), _file) for kind in FILES},
    "bag": (formats.bag, _bag),
}
DATA = {"image": "data", "compressed": "data", "cloud": "data", "compressed_cloud": "compressed_data"}
UNPACKED = {  # bytes, at most
    "compressed": PER_PIXEL * MAX_PIXELS,
    "compressed_cloud": PER_BYTE * MAX_CLOUD,
    "video": PER_PIXEL * MAX_PIXELS,
    "bag": BAG,
}


class Target:
    """Checks of one decoder. A failed check raises AssertionError, or the exception that the decoder should catch."""

    def __init__(self, name: str) -> None:
        for package in PACKAGES if name in FILES else ():
            import_module(package)
        self.build, self.decode = DECODERS[name]
        self.data = DATA.get(name)  # the attribute with the data
        self.bound = BASE + UNPACKED.get(name, 0)
        self.per_byte = PER_PACKED_BYTE if name in ("pcd", "laz") else PER_BYTE
        self.seen: Counter[str] = Counter()
        self.peak = 0  # bytes, of any input

    def check(self, message: Any, size: int) -> Any:
        """Result of decoding a message of `size` bytes, or none if it was refused."""
        tracemalloc.start()  # for each message anew: tracing slows down everything else
        try:
            outcome, decoded = self._outcome(message)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak <= self.bound + self.per_byte * size, f"{peak} bytes for a message of {size}"
        self.peak, self.seen[outcome] = max(self.peak, peak), self.seen[outcome] + 1
        if decoded is not None and self.data:
            self._check_tail(message, self.data, decoded)
        return decoded

    def _outcome(self, message: Any) -> tuple[str, Any]:
        try:
            return "decoded", self.decode(message)
        except InputError as error:
            assert error.reason and str(error)
            return error.reason, None
        except I2PError as error:
            return type(error).__name__, None

    def _check_tail(self, message: Any, name: str, decoded: Any) -> None:
        """Compare the results for different bytes after the data, which a decoder that reads too far would use."""
        content = bytes(vars(message)[name])
        for tail in TAILS:
            setattr(message, name, memoryview(content + tail)[: len(content)])
            np.testing.assert_array_equal(self.decode(message), decoded)

    def figures(self) -> dict[str, Any]:
        """Number of inputs, largest memory in bytes, and number of inputs by outcome."""
        return {"inputs": self.seen.total(), "peak_bytes": self.peak, "outcomes": dict(self.seen.most_common())}
