# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames and calibrations of KITTI folders, and KITTI's own formula of the projection."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from i2p_ros.core.types import Sample

SIZE = (48, 24)  # width, height
K = np.array([[40.0, 0, 23.0], [0, 41.0, 12.0], [0, 0, 1]])
R_RECT = Rotation.from_rotvec([0.01, -0.02, 0.015]).as_matrix()
R_VELO = Rotation.from_rotvec([0.02, 0.01, -0.01]).as_matrix() @ np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
T_VELO = np.array([-0.01, -0.08, -0.27])
T_IMU = np.array([-0.8, 0.3, -0.8])
P = {c: np.column_stack([K, K @ [0.06 - 0.5 * (c == 3), 0.001 * c, 0.003]]) for c in (0, 2, 3)}


def text(values: object) -> str:
    return " ".join(repr(float(v)) for v in np.ravel(np.asarray(values)))


def points(index: int) -> np.ndarray:
    rng = np.random.default_rng(index)
    return np.column_stack([rng.uniform([2, -5, -2], [30, 5, 2], (50, 3)), rng.uniform(0, 1, 50)]).astype("<f4")


def picture(index: int) -> np.ndarray:
    return np.random.default_rng(100 + index).integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8)


def write_frame(images: Sequence[Path], clouds: Path, stem: str) -> None:
    for number, folder in enumerate(images):
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{stem}.png"), picture(10 * int(stem) + number)[..., ::-1])
    clouds.mkdir(parents=True, exist_ok=True)
    points(int(stem)).tofile(clouds / f"{stem}.bin")


def kitti_pixels(camera: int, xyz: np.ndarray, t_velo: np.ndarray = T_VELO) -> np.ndarray:
    """The development kit: x = P_rect R_rect (R | T) X, in homogeneous coordinates."""
    rect, velo = np.eye(4), np.eye(4)
    rect[:3, :3], velo[:3, :3], velo[:3, 3] = R_RECT, R_VELO, t_velo
    x = P[camera] @ rect @ velo @ np.column_stack([xyz, np.ones(len(xyz))]).T
    return (x[:2] / x[2]).T


def check_projection(sample: Sample, camera: int, t_velo: np.ndarray = T_VELO) -> None:
    xyz = sample.pair.cloud.xyz.astype(np.float64)
    assert sample.T_camera_lidar is not None
    ours = sample.pair.camera.project(sample.T_camera_lidar.apply(xyz))[0]
    np.testing.assert_allclose(ours, kitti_pixels(camera, xyz, t_velo), atol=1e-8)
