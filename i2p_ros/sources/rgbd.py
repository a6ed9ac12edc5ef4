# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sequences of an RGB-D camera: images, depths and poses of a scene, and points of a depth image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.depths import Depth, at_edges, back_projected
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Image
from i2p_ros.sources.image_files import read_image

FARTHEST = 6.0  # m; a Kinect measures no farther, and 7-Scenes marks holes with 65535 mm
KINECT_SIZE = (640, 480)  # px, width and height


@dataclass(frozen=True, slots=True)
class RgbdFrame:
    """Files of one frame of a sequence. `pose` reads T_world_camera; it raises InputError for a frame without one."""

    number: int
    image: Path
    depth: Path
    pose: Callable[[], Pose]


@dataclass(frozen=True, slots=True)
class RgbdSequence:
    """One recording in a scene: frames in order of time, and the matrix K (3, 3) for images of KINECT_SIZE.

    `split` is the part of the dataset that the sequence belongs to, train or test, or empty.
    """

    scene: str
    name: str
    frames: tuple[RgbdFrame, ...]
    K: Array
    split: str = ""

    @property
    def place(self) -> str:
        """Scene and name of the sequence: SCENE/SEQUENCE."""
        return f"{self.scene}/{self.name}"

    def camera(self, shape: tuple[int, ...]) -> Camera:
        """Camera of an image or depth of `shape` (H, W, ...); InputError for another size than K is of."""
        if (shape[1], shape[0]) != KINECT_SIZE:
            what = f"{self.place} has images of {shape[1]}x{shape[0]}, and K is for {KINECT_SIZE[0]}x{KINECT_SIZE[1]}"
            raise InputError(what, "image.size")
        return Camera.from_matrix(self.K, *KINECT_SIZE)

    def points(self, frame: RgbdFrame, stride: int) -> Array:
        """Points (N, 3) of every stride-th pixel of a frame in both directions, m, in its optical frame.

        Pixels at the edges of objects are left out.
        """
        depth = read_depth(frame.depth)
        return back_projected(self.camera(depth.shape), np.where(at_edges(depth), 0.0, depth), stride)


def read_depth(path: Path) -> Depth:
    """Depth (H, W) of a 16-bit PNG in mm; 0 for holes and beyond FARTHEST. InputError for another file."""
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if stored is None or stored.dtype != np.uint16 or stored.ndim != 2:
        raise InputError(f"{path} is not a readable depth image: expected a PNG of 16 bits, one channel", "depth")
    depth = stored.astype(np.float32) / 1000.0
    return np.where(depth > FARTHEST, np.float32(0.0), depth)


def read_image_and_depth(image: Path, depth: Path) -> tuple[Image, Depth]:
    """The image (H, W, 3) and the depth (H, W) of a frame; InputError if one cannot be read, or their sizes differ."""
    colours, measured = read_image(image), read_depth(depth)
    if colours.shape[:2] != measured.shape:
        raise InputError(f"{image} and {depth} have different sizes", "image.size")
    return colours, measured


def read_matrix(path: Path, rows: int, columns: int, reason: str) -> Array:
    """Matrix of a text file of numbers; InputError if the file is missing or holds another matrix."""
    try:
        numbers = np.array(path.read_text().split(), np.float64)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path} as {rows}x{columns} numbers: {error}", reason) from error
    if numbers.size != rows * columns or not np.isfinite(numbers).all():
        raise InputError(f"{path} needs {rows}x{columns} finite numbers, got {numbers.size} numbers", reason)
    return numbers.reshape(rows, columns)


def read_pose(path: Path) -> Pose:
    """T_world_camera of a text file of 4x4 numbers; InputError if they are no rigid transform."""
    try:
        return Pose.from_matrix(read_matrix(path, 4, 4, "poses"))
    except InputError as error:
        raise error if error.reason == "poses" else InputError(f"{path}: {error}", "poses") from error
