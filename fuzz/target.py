# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One decoder under test, with the conditions that must hold for any message."""

import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fuzz import formats
from i2p_ros.core.errors import I2PError, InputError
from i2p_ros.core.messages import camera_from_message, cloud_from_message, image_from_compressed, image_from_message
from i2p_ros.sources.bag_reader import bag_errors, open_reader, read_header
from i2p_ros.sources.unpacking import MOST_BYTES

MAX_PIXELS = 1_000_000  # of images here, so small that a fuzzer can exceed it
BASE = 1_000_000  # bytes that a decoder may need for any message
PER_BYTE = 40  # bytes more for each byte of the message: three i1 of a point become float32, then float64
BAG = 4 * MOST_BYTES  # bytes that a bag may need: a chunk and its messages
PER_PIXEL = 8  # bytes more for each pixel that a compressed image may have
TAILS = (b"\x00" * 64, b"\xff" * 64)  # bytes after the data, which must not change the result


def _image(message: Any) -> Any:
    return image_from_message(message, MAX_PIXELS)


def _compressed(message: Any) -> Any:
    return image_from_compressed(message, MAX_PIXELS)


def _cloud(message: Any) -> Any:
    found = cloud_from_message(message, max_points=1000)
    assert np.isfinite(found.xyz).all() and 4 <= len(found) <= message.width * message.height
    assert found.intensity is None or (found.intensity.min() >= 0 and found.intensity.max() <= 1)
    return found.xyz


def _camera(message: Any) -> Any:
    found = camera_from_message(message, message.rectified)
    assert found.fx > 0 and found.fy > 0 and found.width > 0 and found.height > 0
    return found.matrix


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
    "camera": (formats.camera, _camera),
    "bag": (formats.bag, _bag),
}


class Target:
    """Checks of one decoder. A failed check raises AssertionError, or the exception that the decoder should catch."""

    def __init__(self, name: str) -> None:
        self.build, self.decode = DECODERS[name]
        self.has_data = name not in ("camera", "bag")
        self.bound = BASE + {"compressed": PER_PIXEL * MAX_PIXELS, "bag": BAG}.get(name, 0)
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
        assert peak <= self.bound + PER_BYTE * size, f"{peak} bytes for a message of {size}"
        self.peak, self.seen[outcome] = max(self.peak, peak), self.seen[outcome] + 1
        if decoded is not None and self.has_data:
            self._check_tail(message, decoded)
        return decoded

    def _outcome(self, message: Any) -> tuple[str, Any]:
        try:
            return "decoded", self.decode(message)
        except InputError as error:
            assert error.reason and str(error)
            return error.reason, None
        except I2PError as error:
            return type(error).__name__, None

    def _check_tail(self, message: Any, decoded: Any) -> None:
        """Compare the results for different bytes after the data, which a decoder that reads too far would use."""
        content = bytes(message.data)
        for tail in TAILS:
            message.data = memoryview(content + tail)[: len(content)]
            np.testing.assert_array_equal(self.decode(message), decoded)

    def figures(self) -> dict[str, Any]:
        """Number of inputs, largest memory in bytes, and number of inputs by outcome."""
        return {"inputs": self.seen.total(), "peak_bytes": self.peak, "outcomes": dict(self.seen.most_common())}
