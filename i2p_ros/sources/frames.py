# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Source of a list of pairs, frames.json: the way to bring pairs of one's own, of any sensors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError, first_fault, one_line
from i2p_ros.core.geometry import Pose
from i2p_ros.core.hints import refuse_unknown
from i2p_ros.core.source import Source
from i2p_ros.core.stated_camera import stated_camera
from i2p_ros.core.types import Pair, PointCloud, Sample
from i2p_ros.sources.cloud_files import read_cloud_file
from i2p_ros.sources.image_files import read_image

LIST = "frames.json"
SECOND = 10**9  # ns


Row3 = tuple[float, float, float]
Row4 = tuple[float, float, float, float]


class FrameEntry(BaseModel):
    """One pair of the list. NAME.png and NAME.bin (float32 x, y, z in m, intensity 0..1) lie beside it.

    `day`, `frame`, `use`, `whole_turn` and `points` are notes for the reader of the list.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    dataset: str = "frames"
    drive: str = ""
    K: tuple[Row3, Row3, Row3]
    width: int | None = None  # of the image, px
    height: int | None = None
    model: str = "plumb_bob"
    distortion: list[float] = []
    T_camera_lidar: tuple[Row4, Row4, Row4] | tuple[Row4, Row4, Row4, Row4] | None = None
    intensity: bool = True  # whether the fourth column is one
    day: str = ""
    frame: str = ""
    use: str = ""
    whole_turn: bool | None = None
    points: int | None = None

    @property
    def recording(self) -> str:
        """Name of the recording: dataset/drive."""
        return f"{self.dataset}/{self.drive}" if self.drive else self.dataset


class FramesSource(Source):
    """The pairs of a folder with frames.json, in its order, one second apart.

    `drives` are names of recordings, `dataset/drive`, or of datasets; without them all pairs are read.
    Raises InputError if the list is missing or malformed or has no such drive, and for a broken file when it is read.
    """

    def __init__(self, root: Path, drives: Sequence[str] | None = None) -> None:
        self._root, file = Path(root), Path(root) / LIST
        entries = _entries(file)
        if drives is not None:
            known = {name for entry in entries for name in (entry.dataset, entry.recording)}
            refuse_unknown(str(file), "drive", drives, sorted(known))
            entries = [entry for entry in entries if {entry.dataset, entry.recording} & set(drives)]
        if not entries:
            raise InputError(f"{file} has no pairs", "source.empty")
        self._entries = entries

    @property
    def name(self) -> str:
        """`frames` with the names of the datasets."""
        return f"frames {', '.join(dict.fromkeys(entry.dataset for entry in self._entries))}"

    @property
    def drives(self) -> tuple[str, ...]:
        """Names of the recordings, dataset/drive."""
        return tuple(dict.fromkeys(entry.recording for entry in self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Sample:
        entry = self._entries[index]
        image = read_image(self._root / f"{entry.name}.png")
        try:
            camera, T_camera_lidar = _calibration(entry, (image.shape[1], image.shape[0]))
        except InputError as error:
            raise InputError(f"{self._root / LIST}, pair {entry.name}: {error}", error.reason) from error
        cloud = read_cloud_file(self._root / f"{entry.name}.bin").cloud
        if not entry.intensity:
            cloud = PointCloud(cloud.xyz)
        pair = Pair(image, camera, cloud, range(len(self))[index] * SECOND, entry.name)
        return Sample(pair, T_camera_lidar)


def _calibration(entry: FrameEntry, size: tuple[int, int]) -> tuple[Camera, Pose | None]:
    """The camera of a pair, and T_camera_lidar if it is known. `size` is width and height of the image, px."""
    width, height = size
    if (entry.width or width, entry.height or height) != size:
        raise InputError(f"the image is {width}x{height}, not {entry.width}x{entry.height}", "image.size")
    camera = stated_camera(np.array(entry.K), width, height, entry.model, entry.distortion)
    return camera, Pose.from_matrix(entry.T_camera_lidar) if entry.T_camera_lidar else None


def _entries(file: Path) -> list[FrameEntry]:
    try:
        tree: Any = json.loads(file.read_text())
        return TypeAdapter(list[FrameEntry]).validate_python(tree)
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}", "source.missing") from error
    except ValidationError as error:
        raise InputError(f"{file} is not a list of pairs: {first_fault(error)}", "source.layout") from error
    except ValueError as error:
        raise InputError(f"{file} is not a list of pairs: {one_line(error)}", "source.layout") from error
