# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Source of nuScenes (Caesar et al. 2020), layout v1.0: key frames of the cameras with sweeps of LIDAR_TOP.

A cloud is the sweep of the key frame with the sweeps 4, 8 and 12 before and after it, all in the frame of the lidar at
the key frame, as CorrI2P and its followers put them together. At the ends of a scene there are fewer. Objects that move
are not corrected for. Points of the vehicle itself are left out, as in nuscenes-devkit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError, one_line
from i2p_ros.core.geometry import Pose
from i2p_ros.core.hints import refuse_unknown
from i2p_ros.core.source import Source
from i2p_ros.core.types import Pair, PointCloud, Sample
from i2p_ros.sources.image_files import read_image
from i2p_ros.sources.kinds import NUSCENES_LAYOUT

LIDAR = "LIDAR_TOP"
BESIDE, STEP = 3, 4  # sweeps before and after the key frame's, and every how manyth
VEHICLE = 1.0  # m; points within this distance in x and in y are of the vehicle
FIELDS = 5  # float32 of a point: x, y, z, intensity 0..255, ring

Row = dict[str, Any]
Table = dict[str, Row]


@dataclass(frozen=True, slots=True)
class NuscenesFrame:
    """An image and the sweep of its key frame, as rows of sample_data."""

    scene: str
    camera: str
    image: Row
    sweep: Row

    @property
    def name(self) -> str:
        """Name of the pair: SCENE/CAMERA/MICROSECONDS."""
        return f"{self.scene}/{self.camera}/{self.image['timestamp']}"


class NuscenesSource(Source):
    """Key frames in the order of scene, time and camera. Poses of the vehicle are those of both stamps.

    `cameras` are channels, such as CAM_FRONT; without them all cameras are read. `drives` are names of scenes, such as
    scene-0061. Raises InputError if a table is missing or broken, or there is no such scene or camera, and for a broken
    file when it is read.
    """

    def __init__(self, root: Path, cameras: Sequence[str] | None = None, drives: Sequence[str] | None = None) -> None:
        self._version = _version(Path(root).absolute())
        self._root = self._version.parent
        self._mounts, self._vehicle = self._table("calibrated_sensor"), self._table("ego_pose")
        self._data = self._table("sample_data")
        try:
            self._frames = list(self._listed(cameras, drives))
        except (KeyError, TypeError) as error:
            raise InputError(f"{self._version}: a table has no {error}", "source.layout") from error
        if not self._frames:
            raise InputError(f"{self._version} has no key frame with an image and a sweep of {LIDAR}", "source.empty")

    @property
    def name(self) -> str:
        """`nuscenes` with the version and the scenes."""
        return f"nuscenes {self._version.name} {', '.join(self.drives)}"

    @property
    def drives(self) -> tuple[str, ...]:
        """Names of the scenes."""
        return tuple(dict.fromkeys(frame.scene for frame in self._frames))

    @property
    def cameras(self) -> tuple[str, ...]:
        """Channels of the cameras."""
        return tuple(sorted({frame.camera for frame in self._frames}))

    @property
    def frames(self) -> tuple[str, str]:
        """Channels of the first camera and of the lidar."""
        return self._frames[0].camera, LIDAR

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Sample:
        frame = self._frames[index]
        image = read_image(self._root / frame.image["filename"])
        try:
            K = self._mounts[frame.image["calibrated_sensor_token"]]["camera_intrinsic"]
            camera = Camera.from_matrix(K, image.shape[1], image.shape[0])
            T_world_camera, T_world_lidar = self._pose(frame.image), self._pose(frame.sweep)
            cloud = self._cloud(frame.sweep, T_world_lidar)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self._version}, {frame.name}: no {one_line(error)}", "source.layout") from error
        pair = Pair(image, camera, cloud, 1000 * int(frame.image["timestamp"]), frame.name)
        return Sample(pair, T_world_camera.inverse() @ T_world_lidar, T_world_lidar)

    def _listed(self, cameras: Sequence[str] | None, drives: Sequence[str] | None) -> Iterator[NuscenesFrame]:
        sensors = {token: row["channel"] for token, row in self._table("sensor").items()}
        channels = {token: sensors[row["sensor_token"]] for token, row in self._mounts.items()}
        there = sorted({name for name in channels.values() if name.startswith("CAM")})
        scenes = {token: row["name"] for token, row in self._table("scene").items()}
        refuse_unknown(str(self._version), "camera", cameras, there)
        refuse_unknown(str(self._version), "drive", drives, sorted(scenes.values()))
        key_frames: dict[str, dict[str, Row]] = {}
        for row in self._data.values():
            if row["is_key_frame"]:
                key_frames.setdefault(row["sample_token"], {})[channels[row["calibrated_sensor_token"]]] = row
        samples = self._table("sample")
        order = sorted(
            key_frames, key=lambda token: (scenes[samples[token]["scene_token"]], samples[token]["timestamp"])
        )
        for token in order:
            scene, rows = scenes[samples[token]["scene_token"]], key_frames[token]
            for channel in there if drives is None or scene in drives else ():
                if channel in rows and LIDAR in rows and (cameras is None or channel in cameras):
                    yield NuscenesFrame(scene, channel, rows[channel], rows[LIDAR])

    def _table(self, name: str) -> Table:
        """Rows of a table by their tokens."""
        path = self._version / f"{name}.json"
        try:
            return {row["token"]: row for row in json.loads(path.read_bytes())}
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}", "source.missing") from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is not a table of nuScenes: {one_line(error)}", "source.layout") from error

    def _pose(self, data: Row) -> Pose:
        """T_world_sensor when a row of sample_data was measured."""
        rows = (self._vehicle[data["ego_pose_token"]], self._mounts[data["calibrated_sensor_token"]])
        T_world_vehicle, T_vehicle_sensor = (
            Pose.from_quaternion(np.roll(row["rotation"], -1), row["translation"]) for row in rows
        )  # rotations are w x y z
        return T_world_vehicle @ T_vehicle_sensor

    def _cloud(self, key: Row, T_world_key: Pose) -> PointCloud:
        parts = [(self._points(key), Pose.identity())]
        for link in ("prev", "next"):
            row = key
            for number in range(1, BESIDE * STEP + 1):
                if not row[link]:
                    break
                row = self._data[row[link]]
                if number % STEP == 0:
                    parts.append((self._points(row), T_world_key.inverse() @ self._pose(row)))
        xyz = np.concatenate([T.apply(points[:, :3]) for points, T in parts]).astype(np.float32)
        intensity = np.concatenate([points[:, 3] for points, _ in parts]) / 255.0
        return PointCloud(xyz, intensity.astype(np.float32))

    def _points(self, data: Row) -> np.ndarray:
        """Points (N, 5) of a sweep without those of the vehicle."""
        path = self._root / data["filename"]
        try:
            numbers = np.fromfile(path, "<f4")
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}", "cloud.broken") from error
        if not numbers.size or numbers.size % FIELDS:
            raise InputError(f"{path} has {numbers.size} numbers, not {FIELDS} a point: cut short?", "cloud.broken")
        points = numbers.reshape(-1, FIELDS)
        return points[(np.abs(points[:, :2]) >= VEHICLE).any(axis=1)]


def is_nuscenes(root: Path) -> bool:
    """Whether a folder has tables of nuScenes, or is the folder of tables of one version."""
    return root.is_dir() and bool(_versions(root))


def _versions(root: Path) -> list[Path]:
    return [folder for folder in (root, *sorted(root.glob("v1.0-*"))) if (folder / "sample_data.json").is_file()]


def _version(root: Path) -> Path:
    """Folder of the tables; InputError if there is none or more than one."""
    found = _versions(root)
    if not found:
        raise InputError(f"{root} has no tables of nuScenes; expected {NUSCENES_LAYOUT}", "source.layout")
    if len(found) > 1:
        names = ", ".join(folder.name for folder in found)
        raise InputError(f"{root} has the versions {names}: give the folder of one of them", "source.layout")
    return found[0]
