# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Table of the kinds of sources. A dataset is added by a module with its Source and a row in KINDS."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from i2p_ros.core.config import Settings

if TYPE_CHECKING:  # the command line imports this table at every start, and the types of core are slow to import
    from i2p_ros.core.source import Source

KITTI_LAYOUTS = (
    "raw (DATE/DATE_drive_NNNN_sync: the folder of the dates, a date or a drive), "
    "odometry (sequences/NN: the folder of `sequences`, or one sequence), "
    "object (training/velodyne: the folder of `training`), "
    "tracking (training/velodyne/NNNN: the folder of `training`), "
    "KITTI-360 (the folder of data_2d_raw, data_3d_raw and calibration, or a drive), "
    "or a folder that holds these as `raw`, `odometry`, `object`, `tracking` and `KITTI-360`"
)
SEVEN_SCENES_LAYOUT = "SCENE/seq-NN/frame-NNNNNN.color.png, .depth.png and .pose.txt"
RGBD_SCENES_LAYOUT = "imgs/scene_NN/NNNNN-color.png, -depth.png and pc/NN.pose"
PUBLISHED_PAIRS_LAYOUT = "metadata/test-full.pkl or test.pkl, and data/SCENE"
NUSCENES_LAYOUT = "v1.0-mini, v1.0-trainval or v1.0-test with sample_data.json, beside samples and sweeps"
BAG_SUFFIXES = (".mcap", ".db3", ".bag")
_BAG_ENDINGS = (*BAG_SUFFIXES, ".mcap.zstd", ".db3.zstd", ".bag.active")
SYNTHETIC_SAMPLES = 200
Choice = Literal["cameras", "drives"]


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """Arguments of open_source. `choices` has the names of the wanted cameras and drives, where any are given."""

    root: Path | None
    settings: Settings
    seed: int
    n: int | None
    choices: Mapping[Choice, Sequence[str]]

    @property
    def path(self) -> Path:
        """The root of a recording; open_source has checked that it is given."""
        assert self.root is not None
        return self.root


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A kind of source: its names, and how it is recognised and opened.

    `recognise` says whether an existing path is of this kind. Without it the samples are generated, not read from a
    path. `open` imports the module of the source only when it is called.
    """

    name: str  # of open_source and `--source`
    noun: str  # for messages
    open: Callable[[SourceRequest], Source]
    recognise: Callable[[Path], bool] | None = None
    layout: str = ""  # content of a folder of this kind, for messages
    suffixes: tuple[str, ...] = ()  # of files that are a recording each
    choices: tuple[Choice, ...] = ()  # what can be chosen of a recording; its drives are monitored one by one
    default_cameras: tuple[str, ...] = ()  # for a replay and for the monitor; several cameras are monitored one by one
    has_topics: bool = False  # which settings.topics may name
    frames_in_tf: bool = False  # whether Source.frames are the names in tf, URDF and calibration files

    @property
    def is_recorded(self) -> bool:
        """Whether the samples are read from a path."""
        return self.recognise is not None

    def cameras(self, chosen: Sequence[str]) -> Sequence[str] | None:
        """The chosen cameras, or the default ones if none are chosen.

        None means all cameras. It is returned too if the cameras of this kind cannot be chosen.
        """
        return (chosen or self.default_cameras or None) if "cameras" in self.choices else None


def _open_synthetic(request: SourceRequest) -> Source:
    from i2p_ros.synthetic import synthetic_source

    return synthetic_source(request.settings.synthetic, request.seed, request.n or SYNTHETIC_SAMPLES)


def _open_kitti(request: SourceRequest) -> Source:
    from i2p_ros.sources.kitti import KittiSource

    return KittiSource(request.path, request.choices.get("cameras"), request.choices.get("drives"))


def _open_bag(request: SourceRequest) -> Source:
    from i2p_ros.sources.bag_topics import BagTopics
    from i2p_ros.sources.rosbag import RosbagSource

    settings = request.settings
    topics, field, rectified = BagTopics.of(settings.topics), settings.node.intensity_field, settings.node.rectified
    return RosbagSource(request.path, settings.pairing, topics, rectified=rectified, intensity_field=field)


def _open_frames(request: SourceRequest) -> Source:
    from i2p_ros.sources.frames import FramesSource

    return FramesSource(request.path, request.choices.get("drives"))


def _open_seven_scenes(request: SourceRequest) -> Source:
    from i2p_ros.sources.seven_scenes import DATASET

    return DATASET.open(request.path, request.seed, request.choices.get("drives"))


def _is_seven_scenes(path: Path) -> bool:
    from i2p_ros.sources.seven_scenes import is_seven_scenes

    return is_seven_scenes(path)


def _open_rgbd_scenes(request: SourceRequest) -> Source:
    from i2p_ros.sources.rgbd_scenes import DATASET

    return DATASET.open(request.path, request.seed, request.choices.get("drives"))


def _is_rgbd_scenes(path: Path) -> bool:
    from i2p_ros.sources.rgbd_scenes import is_rgbd_scenes

    return is_rgbd_scenes(path)


def _open_published_pairs(request: SourceRequest) -> Source:
    from i2p_ros.sources.published_pairs import PublishedPairSource

    return PublishedPairSource(request.path, request.choices.get("drives"))


def _is_published_pairs(path: Path) -> bool:
    from i2p_ros.sources.published_pairs import is_published

    return is_published(path)


def _open_nuscenes(request: SourceRequest) -> Source:
    from i2p_ros.sources.nuscenes import NuscenesSource

    return NuscenesSource(request.path, request.choices.get("cameras"), request.choices.get("drives"))


def _is_nuscenes(path: Path) -> bool:
    from i2p_ros.sources.nuscenes import is_nuscenes

    return is_nuscenes(path)


def _is_bag(path: Path) -> bool:
    if path.is_file():
        return path.name.endswith(_BAG_ENDINGS)
    return (path / "metadata.yaml").exists() or any(file.name.endswith(_BAG_ENDINGS) for file in path.iterdir())


def _is_kitti(path: Path) -> bool:
    from i2p_ros.sources.kitti_layouts import find_drives

    return path.is_dir() and bool(find_drives(path))


KINDS: dict[str, SourceKind] = {
    kind.name: kind
    for kind in (  # a path that two kinds recognise is of the later one
        SourceKind("synthetic", "synthetic world", _open_synthetic),
        SourceKind(
            "kitti", "KITTI folder", _open_kitti, _is_kitti, KITTI_LAYOUTS, choices=("cameras", "drives"),
            default_cameras=("image_02",),
        ),
        SourceKind(
            "frames", "pair list", _open_frames, lambda path: (path / "frames.json").is_file(), "frames.json",
            choices=("drives",),
        ),
        SourceKind(
            "7scenes", "7-Scenes folder", _open_seven_scenes, _is_seven_scenes, SEVEN_SCENES_LAYOUT,
            choices=("drives",),
        ),
        SourceKind(
            "rgbd-scenes-v2", "RGB-D Scenes folder", _open_rgbd_scenes, _is_rgbd_scenes, RGBD_SCENES_LAYOUT,
            choices=("drives",),
        ),
        SourceKind(
            "2d3d", "2D-3D pair folder", _open_published_pairs, _is_published_pairs, PUBLISHED_PAIRS_LAYOUT,
            choices=("drives",),
        ),
        SourceKind(
            "nuscenes", "nuScenes folder", _open_nuscenes, _is_nuscenes, NUSCENES_LAYOUT,
            choices=("cameras", "drives"), default_cameras=("CAM_FRONT",),
        ),
        SourceKind(
            "rosbag", "bag", _open_bag, _is_bag, f"metadata.yaml or files that end in {', '.join(_BAG_ENDINGS)}",
            BAG_SUFFIXES, has_topics=True, frames_in_tf=True,
        ),
    )
}  # fmt: skip


def nouns(choice: Choice) -> str:
    """The kinds that take a choice, in words."""
    return " or ".join(kind.noun for kind in KINDS.values() if choice in kind.choices)


def default_cameras() -> str:
    """The default cameras of the kinds that have any, in words."""
    kinds = [kind for kind in KINDS.values() if kind.default_cameras]
    return ", ".join(f"{' and '.join(kind.default_cameras)} of a {kind.noun}" for kind in kinds)
