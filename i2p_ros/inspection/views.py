# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What some images and clouds of a recording show: exposure, motion, points and overlap."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Array, Pose, so3_log
from i2p_ros.core.types import PointCloud
from i2p_ros.inspection.result import FindingList

FEW_POINTS = 3000  # a turn of a lidar with 16 beams has about 29000
FLAT = 1e-6  # range of an intensity in 0..1 that is constant
BLANK_STD, DARK, BRIGHT = 3.0, 8.0, 247.0  # grey levels
SMALL_OVERLAP = 0.02
STILL_M, STILL_DEG = 0.5, 5.0  # a vehicle that moves and turns by less stands still


def judge_images(thumbnails: Sequence[Array], findings: FindingList) -> None:
    """Add a finding if most of the images are blank. Thumbnails are those of core.thumbnails."""
    blank = [t for t in thumbnails if t.std() < BLANK_STD or not DARK <= t.mean() <= BRIGHT]
    if thumbnails and 2 * len(blank) > len(thumbnails):
        grey = float(np.mean([t.mean() for t in blank]))
        findings.add("image.blank", f"{len(blank)} of {len(thumbnails)} images are blank (mean grey level {grey:.0f})")


def judge_change(changes: Sequence[float], min_change: float, findings: FindingList) -> str:
    """Motion in words, by the changes between successive images; adds a finding if there is none."""
    if not changes:
        return "unknown: there are not two images to compare"
    if max(changes) < min_change:
        text = f"images change by {max(changes):.1f} grey levels at most; {min_change:g} are needed"
        findings.add("motion.stationary", text)
        return f"stands still: {text}"
    moving = sum(change >= min_change for change in changes)
    return f"moves in {moving} of {len(changes)} parts, by the change of images"


def judge_path(poses: Sequence[Pose], source: str, findings: FindingList) -> str:
    """Motion in words, by some poses of the vehicle in order of time; adds a finding if there is none."""
    metres = sum(float(np.linalg.norm(b.translation - a.translation)) for a, b in pairwise(poses))
    degrees = max(
        (float(np.degrees(np.linalg.norm(so3_log(poses[0].rotation.T @ p.rotation)))) for p in poses), default=0.0
    )
    text = f"{metres:.1f} m or more and turns of up to {degrees:.0f} deg by {source}"
    if metres < STILL_M and degrees < STILL_DEG:
        findings.add("motion.stationary", f"the vehicle moves by {metres:.2f} m and {degrees:.1f} deg by {source}")
        return f"stands still: {text}"
    return f"moves: {text}"


def judge_clouds(clouds: Sequence[PointCloud], findings: FindingList) -> int:
    """Median number of points of some clouds. Adds findings about points, intensities and times."""
    points = int(np.median([len(cloud) for cloud in clouds]))
    if points < FEW_POINTS:
        findings.add("cloud.few_points", f"a cloud has {points} points; at least {FEW_POINTS} are expected")
    intensities = [cloud.intensity for cloud in clouds if cloud.intensity is not None]
    if not intensities:
        findings.add("cloud.no_intensity")
    elif all(float(np.ptp(values)) < FLAT for values in intensities):
        findings.add("cloud.flat_intensity")
    return points


def judge_overlap(views: Sequence[tuple[Camera, PointCloud, Pose]], findings: FindingList) -> float | None:
    """Mean share of the points of some clouds that project into the image at T_camera_lidar; none without clouds."""
    if not views:
        return None
    shares = [float(camera.project(pose.apply(cloud.xyz))[1].mean()) for camera, cloud, pose in views]
    share = float(np.mean(shares))
    if share == 0.0:
        findings.add("overlap.none")
    elif share < SMALL_OVERLAP:
        findings.add("overlap.small", f"{share:.1%} of the points of a cloud are in the image")
    return share


def lens_of(camera: Camera, findings: FindingList) -> str:
    """Name of the lens model, or pinhole. Adds a finding for a lens that is too wide for a pinhole image."""
    if not camera.distortion:
        return "pinhole"
    flat = camera.undistorted
    if (flat.width, flat.height) != (camera.width, camera.height):
        findings.add("lens.wide")
    return camera.model
