# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Published pairs of the indoor benchmarks of 2D3D-MATR (Li et al. 2023), of 7-Scenes and RGB-D Scenes v2.

The folder 7scenes-2d3d-25 or rgbd-2d3d-25 as downloaded: metadata/NAME.pkl are lists of pairs, whose files lie in
data/SCENE. Each pair has scene_name, image_file, depth_file (PNG, mm), cloud_file (.npy, N x 3), overlap and
cloud_to_image (4 x 4, T_camera_cloud); data/SCENE/camera-intrinsics.txt has K. The root is the folder, whose test pairs
are read, or one of its lists. As published, pairs of 7-Scenes count from an overlap of 0.5 on, and all pairs of RGB-D
Scenes. Fragments are turned to x forward, y left and z up, as those of raw sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from i2p_ros.core.camera import Camera
from i2p_ros.core.depths import AXES
from i2p_ros.core.errors import InputError, first_fault, one_line
from i2p_ros.core.geometry import Pose
from i2p_ros.core.hints import refuse_unknown
from i2p_ros.core.source import Source
from i2p_ros.core.types import Pair, PointCloud, Sample
from i2p_ros.sources.kinds import PUBLISHED_PAIRS_LAYOUT
from i2p_ros.sources.plain_pickle import read_plain_pickle
from i2p_ros.sources.rgbd import read_image_and_depth, read_matrix

LEAST_OVERLAP = 0.5  # of lists that have a suffix -full, as those of 7-Scenes
TESTS = ("test-full.pkl", "test.pkl")
SECOND = 10**9  # ns


class PublishedPair(BaseModel):
    """One entry of a list, with paths below `data`. Other keys are left aside."""

    model_config = ConfigDict(extra="ignore", frozen=True, arbitrary_types_allowed=True)

    scene_name: str
    image_file: str
    depth_file: str
    cloud_file: str
    overlap: float
    cloud_to_image: Any


def is_published(root: Path) -> bool:
    """Whether a folder has lists of published pairs and their data, or a file is one of these lists."""
    folder = root / "metadata" if root.is_dir() else root.parent
    if root.is_file() and root.suffix != ".pkl":
        return False
    return folder.name == "metadata" and any(folder.glob("*.pkl")) and (folder.parent / "data").is_dir()


class PublishedPairSource(Source):
    """The pairs of one list in its order, one second apart. `drives` are names of scenes; without them all are read.

    Raises InputError for a list that is missing, broken, or holds anything but plain types and arrays, for an unknown
    scene, and for a broken file when it is read.
    """

    def __init__(self, root: Path, drives: Sequence[str] | None = None) -> None:
        self._list = _list_of(root)
        self._data = self._list.parent.parent / "data"
        pairs = _pairs(self._list)
        known = dict.fromkeys(pair.scene_name for pair in pairs)
        refuse_unknown(str(self._list), "drive", drives, known)
        self._pairs = [pair for pair in pairs if drives is None or pair.scene_name in drives]
        if not self._pairs:
            raise InputError(f"{self._list} has no pairs", "source.empty")

    @property
    def name(self) -> str:
        """Name of the folder and of the list."""
        return f"published pairs {self._data.parent.name}/{self._list.stem}"

    @property
    def frames(self) -> tuple[str, str]:
        """Names of the frames of camera and fragment."""
        return "camera", "fragment"

    @property
    def drives(self) -> tuple[str, ...]:
        """Names of the scenes."""
        return tuple(dict.fromkeys(pair.scene_name for pair in self._pairs))

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Sample:
        pair = self._pairs[index]
        image, depth = read_image_and_depth(self._path(pair.image_file), self._path(pair.depth_file))
        K = read_matrix(self._path(f"{pair.scene_name}/camera-intrinsics.txt"), 3, 3, "calibration")
        cloud = AXES.inverse().apply(_cloud(self._path(pair.cloud_file))).astype(np.float32)
        camera = Camera.from_matrix(K, image.shape[1], image.shape[0])
        number = range(len(self))[index]
        name = f"{pair.scene_name}/{number:06d}"
        made = Pair(image, camera, PointCloud(cloud), number * SECOND, name)
        try:
            T_camera_cloud = Pose.from_matrix(pair.cloud_to_image)
        except (InputError, TypeError, ValueError) as error:
            raise InputError(f"{self._list}, {name}: cloud_to_image: {one_line(error)}", "poses") from error
        return Sample(made, T_camera_cloud @ AXES, depth=depth)

    def _path(self, name: str) -> Path:
        """A file below `data`; InputError for a path that leads out of it."""
        path = (self._data / name).resolve()
        if not path.is_relative_to(self._data.resolve()):
            raise InputError(f"{self._list} names {name!r}, outside {self._data}", "source.layout")
        return path


def _list_of(root: Path) -> Path:
    root = root.absolute()
    if root.is_file():
        return root
    found = [root / "metadata" / name for name in TESTS if (root / "metadata" / name).is_file()]
    if not found:
        what = f"has no metadata/{' or '.join(TESTS)}"
        raise InputError(f"{root} {what}; expected {PUBLISHED_PAIRS_LAYOUT}", "source.layout")
    return found[0]


def _pairs(path: Path) -> list[PublishedPair]:
    try:
        pairs = TypeAdapter(list[PublishedPair]).validate_python(read_plain_pickle(path))
    except ValidationError as error:
        raise InputError(f"{path} is not a list of published pairs: {first_fault(error)}", "source.layout") from error
    least = LEAST_OVERLAP if path.stem.endswith("-full") else 0.0
    return [pair for pair in pairs if pair.overlap >= least]


def _cloud(path: Path) -> np.ndarray:
    """Points (N, 3) of a .npy file, m; InputError for another file."""
    try:
        points = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is not a readable .npy file: {one_line(error)}", "cloud.broken") from error
    if points.ndim != 2 or points.shape[1] != 3 or points.dtype.kind != "f":
        raise InputError(f"{path} needs (N, 3) floats, got {points.shape} of {points.dtype}", "cloud.shape")
    return np.asarray(points)
