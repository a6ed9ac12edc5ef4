# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of an RGB-D camera before a flat wall, and tiny folders of them in the layouts of datasets."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def write_rgbd_scenes(root: Path, scene: str, frames: int) -> None:
    """Write one scene in the layout of RGB-D Scenes v2."""
    images, poses = root / "imgs" / f"scene_{scene}", root / "pc"
    images.mkdir(parents=True)
    poses.mkdir(exist_ok=True)
    rows = []
    for k in range(frames):
        one = shot(k)
        cv2.imwrite(str(images / f"{k:05d}-color.png"), one.image, FAST)
        cv2.imwrite(str(images / f"{k:05d}-depth.png"), one.depth, FAST)
        x, y, z, w = one.T_world_camera.quaternion
        rows.append(" ".join(f"{v:.12g}" for v in (w, x, y, z, *one.T_world_camera.translation)))
    (poses / f"{scene}.pose").write_text("\n".join(rows) + "\n")


def write_published(root: Path, entries: Any, name: str = "test-full.pkl") -> Path:
    """Write the layout of the published pairs: a list, which is returned, and the files of one pair of scene chess."""
    scene = root / "data" / "chess"
    if not scene.exists():
        scene.mkdir(parents=True)
        (root / "metadata").mkdir()
        one = shot(0)
        cv2.imwrite(str(scene / "image_0.png"), one.image, FAST)
        cv2.imwrite(str(scene / "depth_0.png"), one.depth, FAST)
        np.savetxt(scene / "camera-intrinsics.txt", K)
        rng = np.random.default_rng(0)
        np.save(scene / "cloud_0.npy", rng.uniform([-1.0, -1.0, WALL], [1.0, 1.0, WALL], (500, 3)).astype(np.float32))
    file = root / "metadata" / name
    file.write_bytes(entries if isinstance(entries, bytes) else pickle.dumps(entries))
    return file


def published_entry(overlap: float = 0.7, **changes: Any) -> dict[str, Any]:
    """An entry of a published list. T_camera_cloud moves by 0.1 m to the right."""
    entry = {
        "scene_name": "chess", "image_file": "chess/image_0.png", "depth_file": "chess/depth_0.png",
        "cloud_file": "chess/cloud_0.npy", "overlap": overlap,
        "cloud_to_image": Pose(np.eye(3), np.array([0.1, 0.0, 0.0])).matrix,
    }  # fmt: skip
    return entry | changes
