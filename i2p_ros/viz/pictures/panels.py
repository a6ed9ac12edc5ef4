# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The panels of a picture: image, top view, error ellipse, colour bar. Each is drawn into axes of matplotlib."""

from __future__ import annotations

import textwrap
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.spacing import thinned
from i2p_ros.core.types import Image, Pair, PointCloud
from i2p_ros.viz.ellipses import Ellipsoid
from i2p_ros.viz.overlays import FAR, NEAR, WITHOUT_POSE, depth_colours, depths, dimmed, overlay

DPI = 100  # px an inch
TEXT = 30  # px: height of a line of text
ERROR, BEFORE, INK = "#d6008f", "#e07000", "#1a1a1a"
REACH = 25.0  # m: from the camera to the edge of a top view
TOP_VIEW_POINTS = 15_000
TICKS = (3, 5, 10, 20, 40, 60)  # m


class Canvas:
    """A white figure of a size in px. `axes` are placed by their left, top, width and height in px."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)

    def axes(self, left: float, top: float, width: float, height: float, **options: Any) -> Axes:
        """Axes without ticks."""
        place = (left / self.width, 1.0 - (top + height) / self.height, width / self.width, height / self.height)
        axes = self._figure.add_axes(place, **options)
        axes.set_xticks([])
        axes.set_yticks([])
        return axes

    def text(self, left: float, top: float, text: str, bold: bool = False, colour: str = INK, size: int = TEXT) -> None:
        """Text whose lines begin at `left` and whose first line begins at `top`, px."""
        self._figure.text(
            left / self.width, 1.0 - top / self.height, text, va="top", fontsize=points(size), color=colour,
            fontweight="bold" if bold else "normal", linespacing=1.3,
        )  # fmt: skip

    def image(self) -> Image:
        """The drawn picture, RGB."""
        canvas = FigureCanvasAgg(self._figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba(), np.uint8)[:, :, :3].copy()


def points(pixels: float) -> float:
    """A font size in points."""
    return 0.72 * pixels * 72 / DPI  # letters fill some 0.72 of a line


def wrapped(text: str, width: float, size: int = TEXT) -> str:
    """Text in lines of at most a width, px."""
    return "\n".join(textwrap.wrap(text, max(10, int(width / (0.42 * size)))))


def shown_image(pair: Pair, width: int) -> tuple[Image, Camera]:
    """The image resized to a width, px, and its camera."""
    height = round(width * pair.camera.height / pair.camera.width)
    way = cv2.INTER_AREA if width < pair.camera.width else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pair.image, (width, height), interpolation=way)), pair.camera.resized(width, height)


def image_panel(axes: Axes, pair: Pair, T_camera_lidar: Pose | None, width: int, dim: float = 0.6) -> Camera:
    """Draw the image with the cloud at a pose, or the dark image without one. Returns its camera."""
    image, camera = shown_image(pair, width)
    if T_camera_lidar is None:
        drawn = dimmed(image, WITHOUT_POSE)
    else:
        drawn = overlay(image, camera, pair.cloud, T_camera_lidar, dim=dim)
    axes.imshow(drawn, interpolation="none", aspect="auto")
    axes.set_axis_off()
    return camera


def draw_ellipse(axes: Axes, centre: Array, ellipse: Ellipsoid, magnified: float = 1.0, **style: Any) -> None:
    """Draw an ellipse about a centre (2,), in the units of the axes."""
    width, height = 2.0 * magnified * ellipse.half_axes
    axes.add_patch(Ellipse((centre[0], centre[1]), width, height, angle=ellipse.angle_deg, **style))


def top_view(axes: Axes, cloud: PointCloud, camera: Camera, T_camera_lidar: Pose, T_before: Pose | None = None) -> None:
    """Draw the cloud about the camera from above, along z of its frame, with the view of the camera and a scale.

    Points in view have the colours of the image panel. `T_before` is another T_camera_lidar, in orange.
    """
    centre = T_camera_lidar.inverse().translation
    near = np.flatnonzero((np.abs(cloud.xyz[:, :2] - centre[:2]) < REACH).all(axis=1))
    xyz = cloud.xyz[thinned(near, TOP_VIEW_POINTS)]
    in_camera = T_camera_lidar.apply(xyz)
    in_view = camera.project(in_camera)[1]
    colours = np.where(in_view[:, None], depth_colours(depths(camera, in_camera)), 190) / 255.0
    order = np.argsort(in_view, kind="stable")
    axes.scatter(xyz[order, 0], xyz[order, 1], s=1.2, c=colours[order], linewidths=0)
    if T_before is not None:
        draw_camera(axes, camera, T_before, BEFORE)
    draw_camera(axes, camera, T_camera_lidar, ERROR)
    _frame(axes, centre, REACH)
    scale_bar(axes, REACH)


def draw_camera(axes: Axes, camera: Camera, T_camera_lidar: Pose, colour: str) -> None:
    """Draw the two edges of the view of a camera from above, 8 m long, in the frame of the lidar."""
    T_lidar_camera = T_camera_lidar.inverse()
    middle = (camera.height - 1) / 2
    edges = camera.rays([[0.0, middle], [camera.width - 1.0, middle]])
    ends = T_lidar_camera.apply(8.0 * edges)
    start = T_lidar_camera.translation
    for end in ends[np.isfinite(ends).all(axis=1)]:
        axes.plot(*zip(start[:2], end[:2], strict=True), color=colour, linewidth=2.2)
    axes.plot(*start[:2], "o", color=colour, markersize=7)


def error_panel(axes: Axes, ellipse: Ellipsoid, heading: Array) -> None:
    """Draw the 95 % ellipse of the camera's position from above, m, with a scale and the camera's heading (2,)."""
    reach = 1.6 * max(float(ellipse.half_axes[0]), 1e-4)
    for line in (axes.axhline, axes.axvline):
        line(0.0, color="#cccccc", linewidth=1)
    draw_ellipse(axes, np.zeros(2), ellipse, facecolor=ERROR + "30", edgecolor=ERROR, linewidth=2.5)
    length = float(np.linalg.norm(heading))
    if length > 0.1:
        axes.annotate(
            "", xy=tuple(0.85 * reach * heading / length), xytext=(0, 0), arrowprops={"arrowstyle": "->", "lw": 2}
        )
    _frame(axes, np.zeros(2), reach)
    scale_bar(axes, reach)


def scale_bar(axes: Axes, reach: float) -> None:
    """Draw a bar of a round length, about a third of the panel, with its length, into axes `reach` m to each side."""
    length = round_number(0.66 * reach)
    (left, _), (bottom, _) = axes.get_xlim(), axes.get_ylim()
    x, y = left + 0.12 * reach, bottom + 0.14 * reach
    axes.plot([x, x + length], [y, y], color=INK, linewidth=5, solid_capstyle="butt")
    axes.text(x, y + 0.07 * reach, metres(length), fontsize=points(TEXT), color=INK, va="bottom").set_bbox(
        {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1}
    )


def colour_bar(axes: Axes, of: str = "depth") -> None:
    """Draw the colours of depths, with ticks in m on a logarithmic scale."""
    depths = np.geomspace(NEAR, FAR, 512)
    axes.imshow(depth_colours(depths)[None], aspect="auto", extent=(0.0, 1.0, 0.0, 1.0), interpolation="nearest")
    axes.set_xticks([np.log(tick / NEAR) / np.log(FAR / NEAR) for tick in TICKS], [str(tick) for tick in TICKS])
    axes.tick_params(labelsize=points(TEXT), length=5, width=1.5)
    axes.set_xlabel(f"{of} (m)", fontsize=points(TEXT), labelpad=1)


def round_number(value: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is at most the value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(digit for digit in (1, 2, 5) if digit * power <= value * (1 + 1e-9)) * power)


def metres(value: float) -> str:
    """A length with its unit: m, cm or mm."""
    for factor, unit in ((1.0, "m"), (100.0, "cm"), (1000.0, "mm")):
        if value * factor >= 0.995 or unit == "mm":
            return f"{value * factor:.2g} {unit}" if value * factor < 99.5 else f"{value * factor:.0f} {unit}"
    raise AssertionError


def _frame(axes: Axes, centre: Array, reach: float) -> None:
    axes.set_xlim(centre[0] - reach, centre[0] + reach)
    axes.set_ylim(centre[1] - reach, centre[1] + reach)
    for spine in axes.spines.values():
        spine.set_color("#999999")
