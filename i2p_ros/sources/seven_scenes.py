# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sequences of 7-Scenes (Shotton et al. 2013) and of folders in its layout.

SCENE/seq-NN/frame-NNNNNN.color.png (or .jpg), .depth.png (mm; 65535 and 0 are holes) and .pose.txt (T_world_camera).
Depth and colour of the raw dataset are not registered: their cameras are 2 to 3 cm apart. As in the published
benchmarks, both are taken for one camera. It has the nominal calibration of a Kinect, unless a camera-intrinsics.txt
(3x3) lies in the folder of the sequence, of the scene or above. Sequences that TrainSplit.txt and TestSplit.txt of the
scene list are of the split train or test.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np

from i2p_ros.core.errors import InputError
from i2p_ros.sources.kinds import SEVEN_SCENES_LAYOUT
from i2p_ros.sources.pair_list import kind_of_list
from i2p_ros.sources.rgbd import RgbdFrame, RgbdSequence, read_matrix, read_pose
from i2p_ros.sources.rgbd_pairs import RgbdDataset

NOMINAL = np.array([[585.0, 0.0, 320.0], [0.0, 585.0, 240.0], [0.0, 0.0, 1.0]])  # K of a Kinect, as its website says
INTRINSICS = "camera-intrinsics.txt"
_DEPTHS, _NAME = "frame-*.depth.png", re.compile(r"frame-(\d+)\.depth\.png")


def is_seven_scenes(root: Path) -> bool:
    """Whether a folder is a sequence, a scene or a folder of scenes of 7-Scenes, or a file a list of their pairs."""
    return next(iter(_sequence_folders(root)), None) is not None if root.is_dir() else kind_of_list(root) == "7scenes"


def find_sequences(root: Path) -> list[RgbdSequence]:
    """All sequences at root; InputError `source.layout` if there are none, or one has no whole frame."""
    root = root.absolute()
    found = [_sequence(folder) for folder in sorted(_sequence_folders(root))]
    if not found:
        raise InputError(f"{root} has no sequence of 7-Scenes; expected {SEVEN_SCENES_LAYOUT}", "source.layout")
    return found


def _sequence_folders(root: Path) -> Iterable[Path]:
    if next(root.glob(_DEPTHS), None):
        return iter([root])
    folders = (folder for pattern in ("seq-*", "*/seq-*") for folder in root.glob(pattern))
    return (folder for folder in folders if folder.is_dir() and next(folder.glob(_DEPTHS), None))


def _sequence(folder: Path) -> RgbdSequence:
    frames = tuple(frame for depth in sorted(folder.glob(_DEPTHS)) if (frame := _frame(depth)))
    if not frames:
        raise InputError(
            f"{folder} has no frame with colour, depth and pose; expected {SEVEN_SCENES_LAYOUT}", "source.layout"
        )
    scene = folder.parent
    calibration = next((p / INTRINSICS for p in (folder, scene, scene.parent) if (p / INTRINSICS).is_file()), None)
    K = NOMINAL if calibration is None else read_matrix(calibration, 3, 3, "calibration")
    return RgbdSequence(scene.name, folder.name, frames, K, _split(folder))


def _frame(depth: Path) -> RgbdFrame | None:
    """The frame of a depth image, or none if its colour or pose is missing."""
    named = _NAME.fullmatch(depth.name)
    stem = depth.name.removesuffix(".depth.png")
    images = (depth.with_name(f"{stem}.color.{kind}") for kind in ("png", "jpg"))
    image, pose = next((path for path in images if path.is_file()), None), depth.with_name(f"{stem}.pose.txt")
    if not named or not image or not pose.is_file():
        return None
    return RgbdFrame(int(named[1]), image, depth, partial(read_pose, pose))


def _split(folder: Path) -> str:
    """train or test, as the lists of the scene say; empty if neither has the sequence."""
    number = re.search(r"\d+$", folder.name)
    for split in ("train", "test"):
        file = folder.parent / f"{split.capitalize()}Split.txt"
        if number and file.is_file():
            listed = {int(n) for n in re.findall(r"\d+", file.read_text(errors="replace"))}
            if int(number[0]) in listed:
                return split
    return ""


DATASET = RgbdDataset("7scenes", "7-Scenes", find_sequences, 0.5)
