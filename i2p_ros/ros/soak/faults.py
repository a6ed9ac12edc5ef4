# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of single messages for the soak test. The numbers in the names are rows of docs/faults.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Parts = dict[str, Any]  # info, points, image
Spoil = Callable[[Parts], None]


def _bytes(message: Any, count: int) -> None:
    """Truncate the data to a number of bytes."""
    message.data = message.data[:count]


def _point_step(parts: Parts) -> None:
    parts["points"].point_step = 0


def _row_step(parts: Parts) -> None:
    parts["points"].row_step -= 1


def _short_cloud(parts: Parts) -> None:
    _bytes(parts["points"], len(parts["points"].data) // 2)


def _false_width(parts: Parts) -> None:
    parts["points"].width = 1_000_000


def _no_z(parts: Parts) -> None:
    parts["points"].fields = [field for field in parts["points"].fields if field.name != "z"]


def _unknown_type(parts: Parts) -> None:
    parts["points"].fields[0].datatype = 99


def _two_of_a_name(parts: Parts) -> None:
    parts["points"].fields = [*parts["points"].fields, parts["points"].fields[0]]


def _filled(parts: Parts, value: float) -> None:
    """Set every number of the cloud to one value."""
    count = len(parts["points"].data) // 4
    parts["points"].data = np.full(count, value, "<f4").tobytes()


def _empty_cloud(parts: Parts) -> None:
    parts["points"].width = parts["points"].row_step = 0
    _bytes(parts["points"], 0)


def _no_frame(parts: Parts) -> None:
    parts["points"].header.frame_id = ""


def _encoding(parts: Parts) -> None:
    parts["image"].encoding = "32FC1"


def _no_pixels(parts: Parts) -> None:
    parts["image"].width = 0


def _image_step(parts: Parts) -> None:
    parts["image"].step = 3


def _short_image(parts: Parts) -> None:
    _bytes(parts["image"], len(parts["image"].data) - 1)


def _other_size(parts: Parts) -> None:
    parts["info"].width += 7


def _uncalibrated(parts: Parts) -> None:
    parts["info"].k, parts["info"].p = np.zeros(9), np.zeros(12)


def _nan_calibration(parts: Parts) -> None:
    parts["info"].k = np.full(9, np.nan)


def _unknown_lens(parts: Parts) -> None:
    parts["info"].distortion_model, parts["info"].d = "my_lens", [0.1]


def _zero_stamp(parts: Parts) -> None:
    parts["image"].header.stamp.sec = parts["image"].header.stamp.nanosec = 0


def _future_stamp(parts: Parts) -> None:
    parts["image"].header.stamp.sec += 3600


def _no_image(parts: Parts) -> None:
    del parts["image"]


def _no_cloud(parts: Parts) -> None:
    del parts["points"]


SPOILT: dict[str, Spoil] = {
    "01_point_step": _point_step,
    "02_row_step": _row_step,
    "03_short_cloud": _short_cloud,
    "04_false_width": _false_width,
    "06_no_z": _no_z,
    "07_unknown_type": _unknown_type,
    "08_two_of_a_name": _two_of_a_name,
    "10_all_nan": lambda parts: _filled(parts, float("nan")),
    "11_empty_cloud": _empty_cloud,
    "12_all_equal": lambda parts: _filled(parts, 1.0),
    "14_all_huge": lambda parts: _filled(parts, 1e30),
    "15_no_frame": _no_frame,
    "17_encoding": _encoding,
    "18_no_pixels": _no_pixels,
    "19_image_step": _image_step,
    "20_short_image": _short_image,
    "25_other_size": _other_size,
    "28_uncalibrated": _uncalibrated,
    "28_nan_calibration": _nan_calibration,
    "31_unknown_lens": _unknown_lens,
    "39_zero_stamp": _zero_stamp,
    "39_future_stamp": _future_stamp,
    "42_no_image": _no_image,
    "42_no_cloud": _no_cloud,
}
