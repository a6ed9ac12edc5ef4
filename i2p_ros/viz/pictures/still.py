# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The picture of a localized pair: the cloud in the image before and after, and what the covariance means."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from i2p_ros.core.geometry import Pose
from i2p_ros.core.optical_frame import T_OPTICAL_BODY
from i2p_ros.core.types import Image, Pair, PoseEstimate
from i2p_ros.viz.ellipses import PoseErrors, pose_errors
from i2p_ros.viz.pictures.panels import (
    BEFORE,
    ERROR,
    TEXT,
    Canvas,
    colour_bar,
    draw_ellipse,
    error_panel,
    image_panel,
    metres,
    points,
    round_number,
    top_view,
    wrapped,
)

WIDTH = 1200  # px
GAP = 8  # px
TITLE = 44  # px: height of the line above an image
STRIP, LOW_STRIP = 344, 112  # px: height of the top views and the colour bar, and of the colour bar alone
SHOWN_ERROR = 0.03  # of the width: about the largest half axis of an ellipse in the image
AT_ORIGIN = "at the cloud's origin, along its x axis"


def localization_picture(
    pair: Pair, estimate: PoseEstimate, T_before: Pose = T_OPTICAL_BODY, before: str = AT_ORIGIN
) -> Image:
    """RGB picture, WIDTH px wide: the cloud in the image at T_before and at the found pose, with a colour bar of depth,
    the camera from above, and 95 % ellipses of the camera's position (m) and of projected points (px).

    A withheld pose is drawn, and called so with its reason. Without a pose the second image is dark and has the reason.
    `before` says what T_before is. The images are side by side if they are less than 1.6 times as wide as high.
    """
    stacked = pair.camera.width >= 1.6 * pair.camera.height
    width = WIDTH if stacked else (WIDTH - GAP) // 2
    height = image_height(pair, width)
    pose, errors = estimate.pose or estimate.withheld, pose_errors(pair, estimate)
    strip = (2 if stacked else 1) * (height + GAP)
    canvas = Canvas(WIDTH, strip + (STRIP if pose else LOW_STRIP))
    second = (0, height + GAP) if stacked else (width + GAP, 0)
    draw_titled(canvas, (0, 0), f"before: {before}", BEFORE, pair, T_before, width)
    axes = draw_titled(canvas, second, f"after: {result_words(estimate)}", ERROR, pair, pose, width)
    draw_result(axes, pair, estimate, errors, width)
    draw_strip(canvas, strip, pair, pose, errors, T_before, withheld=estimate.pose is None)
    return canvas.image()


def image_height(pair: Pair, width: int) -> int:
    """Height of a titled image of a width, px."""
    return TITLE + round(width * pair.camera.height / pair.camera.width)


def result_words(estimate: PoseEstimate) -> str:
    """What was found, in a few words."""
    if estimate.pose is not None:
        return f"the found pose, confidence {estimate.confidence:.2f}"
    status = estimate.status.value.replace("_", " ")
    return f"WITHHELD, not published ({status})" if estimate.withheld else f"NO POSE ({status})"


def draw_titled(
    canvas: Canvas, place: tuple[int, int], title: str, colour: str, pair: Pair, pose: Pose | None, width: int
) -> Axes:
    """Draw the image with the cloud at a pose below a title. Returns its axes, in px of the shown image."""
    canvas.text(place[0] + 4, place[1] + 5, title, bold=True, colour=colour)
    axes = canvas.axes(place[0], place[1] + TITLE, width, image_height(pair, width) - TITLE)
    image_panel(axes, pair, pose, width)
    return axes


def draw_result(axes: Axes, pair: Pair, estimate: PoseEstimate, errors: PoseErrors | None, width: int) -> None:
    """Draw the error ellipses of points into an image, and the reason if the pose is not published."""
    scale = width / pair.camera.width
    if errors is not None:
        for pixel, ellipse in zip(errors.pixels, errors.in_image, strict=True):
            centre = (pixel + 0.5) * scale - 0.5
            style = {"facecolor": "none", "edgecolor": ERROR, "linewidth": 2.5}
            draw_ellipse(axes, centre, ellipse, scale * magnified(errors, pair), **style)
    if estimate.pose is None and estimate.reason:
        axes.text(
            0.01, 0.97, wrapped(estimate.reason, 0.94 * width), transform=axes.transAxes, va="top", color="white",
            fontsize=points(TEXT), linespacing=1.3, bbox={"facecolor": "#900000", "linewidth": 0, "pad": 6},
        )  # fmt: skip


def draw_strip(
    canvas: Canvas, top: float, pair: Pair, pose: Pose | None, errors: PoseErrors | None, T_before: Pose,
    withheld: bool = False,
) -> None:  # fmt: skip
    """Draw the top view at a pose, the error ellipse, the colour bar and the words below the images."""
    right, side = 2 * STRIP, STRIP - TITLE - 2 * GAP
    depth = "distance" if pair.camera.is_fisheye else "depth"
    colour_bar(canvas.axes(right, top + GAP, WIDTH - right - 30, 40), depth)
    if pose is None:
        canvas.text(GAP, top + GAP, "No pose, so no error ellipse.", bold=True)
        return
    canvas.text(GAP, top + GAP, "from above", bold=True)
    top_view(canvas.axes(GAP, top + TITLE, side, side), pair.cloud, pair.camera, pose, T_before)
    if errors is not None:
        canvas.text(STRIP, top + GAP, "position, 95 %", bold=True, colour=ERROR)
        error_panel(canvas.axes(STRIP, top + TITLE, side, side), errors.position, pose.inverse().rotation[:2, 2])
        doubt = "If the withheld pose is right:\n" if withheld else ""
        canvas.text(right, top + (112 if withheld else 150), doubt + error_words(pair, errors))


def error_words(pair: Pair, errors: PoseErrors) -> str:
    """What the ellipses are, in lines."""
    half = " and ".join(f"±{metres(float(value))}" for value in errors.position.half_axes)
    words = f"95 % of the position, from above:\n{half}; arrow: view"
    if not errors.in_image:
        return words
    px = np.array([one.half_axes[0] for one in errors.in_image])
    size = magnified(errors, pair)
    least, most = (f"±{value:.{0 if value >= 9.95 else 1}f}" for value in (px.min(), px.max()))
    drawn = f"drawn {size:g} times as large" if size > 1 else "drawn in true size"
    return f"{words}\n95 % of a point in the image: {least}\nto {most} px, {drawn}"


def magnified(errors: PoseErrors, pair: Pair) -> float:
    """How many times as large the ellipses in the image are drawn: 1, 2, 5, 10, ..."""
    largest = max((float(one.half_axes[0]) for one in errors.in_image), default=1.0)
    return round_number(max(1.0, SHOWN_ERROR * pair.camera.width / max(largest, 1e-3)))
