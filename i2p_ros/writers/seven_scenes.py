# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writer of frames of synthetic rooms in the layout of 7-Scenes, frame by frame."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array
from i2p_ros.synthetic.room_rendering import KINECT, RoomFrame
from i2p_ros.writers.kitti import write_image

HOLE = 65535  # mm, as in 7-Scenes
SPLITS = ("train", "test")  # of the first and the second sequence of each room


class ScenesWriter:
    """Writer of a folder of scenes, room-NNNN/seq-01 for training and room-NNNN/seq-02 for testing."""

    def __init__(self, root: Path) -> None:
        self._root = root
        (root / "camera-intrinsics.txt").write_text(_text(KINECT.matrix))

    def add(self, frame: RoomFrame) -> None:
        """Write the next frame."""
        scene, split = self._root / f"room-{frame.room:04d}", SPLITS[frame.sequence]
        folder = scene / f"seq-{frame.sequence + 1:02d}"
        if not folder.exists():
            folder.mkdir(parents=True)
            (scene / f"{split.capitalize()}Split.txt").write_text(f"sequence{frame.sequence + 1}\n")
        stem = f"frame-{frame.number:06d}"
        write_image(folder / f"{stem}.color.png", frame.image)
        millimetres = np.where(frame.depth > 0, np.round(1000.0 * frame.depth), HOLE).astype(np.uint16)
        if not cv2.imwrite(str(folder / f"{stem}.depth.png"), millimetres):
            raise InputError(f"cannot write {folder / stem}: is the disk full?", "writer.target")
        (folder / f"{stem}.pose.txt").write_text(_text(frame.T_world_camera.matrix))


def _text(matrix: Array) -> str:
    """Rows of numbers with 17 digits, so that they are read back exactly."""
    return "".join("\t".join(f"{v:.17g}" for v in row) + "\n" for row in matrix)
