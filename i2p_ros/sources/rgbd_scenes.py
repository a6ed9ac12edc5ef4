# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scenes of the RGB-D Scenes Dataset v2 (Lai et al. 2014), in its own layout.

imgs/scene_NN/NNNNN-color.png and -depth.png (mm), and pc/NN.pose with T_world_camera of each frame in a line: a
quaternion w x y z and a translation x y z, m. Colour and depth are taken for one camera with the nominal calibration,
f = 570.3. Scenes 1 to 8 are of the split train, 9 and 10 of val, 11 to 14 of test.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.sources.kinds import RGBD_SCENES_LAYOUT
from i2p_ros.sources.pair_list import kind_of_list
from i2p_ros.sources.rgbd import RgbdFrame, RgbdSequence
from i2p_ros.sources.rgbd_pairs import RgbdDataset

NOMINAL = np.array([[570.3, 0.0, 320.0], [0.0, 570.3, 240.0], [0.0, 0.0, 1.0]])
SPLITS = {range(1, 9): "train", range(9, 11): "val", range(11, 15): "test"}  # by the numbers of the scenes
_SCENES, _DEPTHS = "imgs/scene_*", "*-depth.png"


def is_rgbd_scenes(root: Path) -> bool:
    """Whether a folder has scenes of RGB-D Scenes v2, or a file a list of their pairs."""
    return any(root.glob(_SCENES)) if root.is_dir() else kind_of_list(root) == DATASET.kind


def find_sequences(root: Path) -> list[RgbdSequence]:
    """All scenes at root; InputError `source.layout` if there are none, or one has no whole frame."""
    found = [_sequence(root.absolute(), folder) for folder in sorted(root.absolute().glob(_SCENES))]
    if not found:
        raise InputError(f"{root} has no scene of RGB-D Scenes v2; expected {RGBD_SCENES_LAYOUT}", "source.layout")
    return found


def _sequence(root: Path, folder: Path) -> RgbdSequence:
    number = folder.name.removeprefix("scene_")
    path = root / "pc" / f"{number}.pose"
    rows = _rows(path)
    frames = []
    for depth in sorted(folder.glob(_DEPTHS)):
        named = re.fullmatch(r"(\d+)-depth\.png", depth.name)
        image = depth.with_name(depth.name.replace("-depth", "-color"))
        if named and image.is_file() and int(named[1]) < len(rows):
            frames.append(RgbdFrame(int(named[1]), image, depth, partial(_pose, rows[int(named[1])], path)))
    if not frames:
        what = "has no frame with colour, depth and pose"
        raise InputError(f"{folder} {what}; expected {RGBD_SCENES_LAYOUT}", "source.layout")
    split = next((name for numbers, name in SPLITS.items() if number.isdigit() and int(number) in numbers), "")
    return RgbdSequence(folder.name, "seq-01", tuple(frames), NOMINAL, split)


def _rows(path: Path) -> list[Array]:
    """Seven numbers of each line; InputError if the file is missing or has other lines."""
    try:
        rows = [np.array(line.split(), np.float64) for line in path.read_text().splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the poses {path}: {error}", "poses") from error
    if wrong := [number for number, row in enumerate(rows, 1) if row.shape != (7,)]:
        raise InputError(f"{path}, line {wrong[0]}: needs a quaternion w x y z and a translation x y z", "poses")
    return rows


def _pose(row: Array, path: Path) -> Pose:
    try:
        return Pose.from_quaternion(row[[1, 2, 3, 0]], row[4:])
    except InputError as error:
        raise InputError(f"{path}: {error}", "poses") from error


DATASET = RgbdDataset("rgbd-scenes-v2", "RGB-D Scenes v2", find_sequences, 0.3)
