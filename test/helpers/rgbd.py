# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of an RGB-D camera before a flat wall, and tiny folders of them in the layouts of datasets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from i2p_ros.core.geometry import Array, Pose

K = np.array([[585.0, 0.0, 320.0], [0.0, 585.0, 240.0], [0.0, 0.0, 1.0]])
WALL = 2.01  # m, of the wall from the first camera, whose optical frame is turned by START
FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1]
START = Pose.from_rotvec([0.3, -0.2, 0.5], [1.0, 2.0, 3.0])


@dataclass(frozen=True, slots=True)
class Shot:
    """Image (H, W, 3) BGR, depth (H, W) in mm and pose of one frame."""

    image: Array
    depth: Array
    T_world_camera: Pose


def shot(k: int, step: float = 0.01) -> Shot:
    """Frame k: the camera moves right by `step` (m) a frame, before a flat wall with a hole in the depth."""
    depth = np.full((480, 640), round(1000 * WALL), np.uint16)
    depth[100:110, 200:220], depth[:4] = 65535, 0
    rng = np.random.default_rng(k)
    image = rng.integers(0, 255, (30, 40, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    return Shot(image, depth, START @ Pose(np.eye(3), np.array([step * k, 0.0, 0.0])))


def write_seven_scenes(folder: Path, frames: int, step: float = 0.01, first: int = 0) -> None:
    """Write one sequence in the layout of 7-Scenes."""
    folder.mkdir(parents=True)
    for k in range(frames):
        one, stem = shot(first + k, step), folder / f"frame-{k:06d}"
        cv2.imwrite(f"{stem}.color.png", one.image, FAST)
        cv2.imwrite(f"{stem}.depth.png", one.depth, FAST)
        rows = ["\t".join(f"{v:.12e}" for v in row) for row in one.T_world_camera.matrix]
        Path(f"{stem}.pose.txt").write_text("\n".join(rows) + "\n")
