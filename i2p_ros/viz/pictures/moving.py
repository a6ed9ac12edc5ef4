# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A moving picture: the cloud moves in the image from the pose before to the found pose."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image as Pillow

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Image, Pair, PoseEstimate
from i2p_ros.viz.ellipses import PoseErrors, pose_errors
from i2p_ros.viz.pictures.panels import BEFORE, ERROR, INK, Canvas
from i2p_ros.viz.pictures.still import (
    GAP,
    STRIP,
    WIDTH,
    draw_result,
    draw_strip,
    draw_titled,
    image_height,
    result_words,
)

STEPS = 16  # frames from the pose before to the found one
BEFORE_MS, STEP_MS, AFTER_MS = 600, 60, 1200  # time of the first frame of a pair, of those between, and of the last
SHOWN_WIDTH = 720  # px
QUALITY = 45  # of WebP
SUFFIXES = (".webp", ".gif")


class Frame(NamedTuple):
    """A picture, RGB, and for how many ms it is shown."""

    image: Image
    ms: int


def frames_of(pair: Pair, estimate: PoseEstimate, T_before: Pose, before: str, result: str) -> Iterable[Frame]:
    """The frames of one pair. Its cloud moves to the published pose only: a withheld one is not shown.

    `before` says what T_before is, and `result` is shown beside what was found.
    """
    errors = pose_errors(pair, estimate) if estimate.pose else None
    after = f"after: {result_words(estimate)}; {result}" if estimate.pose else f"after: {result_words(estimate)}"
    yield _frame(pair, f"before: {before}", BEFORE, T_before, T_before, BEFORE_MS)
    if estimate.pose is not None:
        for pose in poses_between(T_before, estimate.pose, STEPS):
            yield _frame(pair, "before → after: the camera moves to the found pose", INK, pose, T_before, STEP_MS)
    yield _frame(pair, after, ERROR, estimate.pose, T_before, AFTER_MS, estimate, errors)


def poses_between(T_before: Pose, T_after: Pose, count: int) -> list[Pose]:
    """So many T_camera_lidar between two, along a smooth motion of the camera in the lidar frame."""
    start = T_before.inverse()
    delta = start.local(T_after.inverse())
    shares = np.arange(1, count + 1) / (count + 1)
    return [start.retract(share * share * (3.0 - 2.0 * share) * delta).inverse() for share in shares]


def check_name(path: Path) -> None:
    """Raise InputError for a file that is neither WebP nor GIF."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"cannot write {path}: its name must end in {' or '.join(SUFFIXES)}", "output")


def encoded(frames: Sequence[Frame], suffix: str) -> bytes:
    """The content of an animated .webp or .gif file that repeats for ever."""
    first, *others = [Pillow.fromarray(frame.image) for frame in frames]
    content = io.BytesIO()
    first.save(
        content, format=suffix[1:].upper(), save_all=True, append_images=others, loop=0,
        duration=[frame.ms for frame in frames], quality=QUALITY,
    )  # fmt: skip
    return content.getvalue()


def _frame(
    pair: Pair, title: str, colour: str, pose: Pose | None, T_before: Pose, ms: int,
    estimate: PoseEstimate | None = None, errors: PoseErrors | None = None,
) -> Frame:  # fmt: skip
    height = image_height(pair, WIDTH)
    canvas = Canvas(WIDTH, height + GAP + STRIP)
    axes = draw_titled(canvas, (0, 0), title, colour, pair, pose, WIDTH)
    if estimate is not None:
        draw_result(axes, pair, estimate, errors, WIDTH)
    draw_strip(canvas, height + GAP, pair, pose, errors, T_before)
    size = SHOWN_WIDTH, round(SHOWN_WIDTH * canvas.height / WIDTH)
    return Frame(np.asarray(cv2.resize(canvas.image(), size, interpolation=cv2.INTER_AREA)), ms)
