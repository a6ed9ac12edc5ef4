# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The moving picture: where its camera goes, and what its file holds."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT
from PIL import Image

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.optical_frame import T_OPTICAL_BODY
from i2p_ros.core.types import Pair, PointCloud, PoseEstimate, Status
from i2p_ros.viz.overlays import depth_colours
from i2p_ros.viz.pictures import moving

CAMERA = Camera(100.0, 100.0, 100.0, 40.0, 201, 81)
PAIR = Pair(np.full((81, 201, 3), 100, np.uint8), CAMERA, PointCloud(np.array([[10.0, 0.0, 0.0]], np.float32)))
BEFORE = T_OPTICAL_BODY @ Pose.from_rotvec([0, 0, 1.2], [4.0, -2.0, 0.0])
FOUND = PoseEstimate(Status.OK, "", T_OPTICAL_BODY, 1e-4 * np.eye(6), confidence=0.9)


def test_the_camera_goes_smoothly_from_the_pose_before_to_the_found_one() -> None:
    path = [BEFORE, *moving.poses_between(BEFORE, T_OPTICAL_BODY, 9), T_OPTICAL_BODY]
    seen = np.array([pose.inverse().translation for pose in path])
    steps = np.linalg.norm(np.diff(seen, axis=0), axis=1)
    np.testing.assert_allclose(steps, steps[::-1], atol=1e-9)
    assert steps.sum() == pytest.approx(np.linalg.norm(seen[-1] - seen[0])) and steps.argmax() in (4, 5)
    assert steps.max() < 2 * steps.mean() and steps[0] < steps[1] < steps[2]


def test_the_cloud_is_in_the_image_at_the_found_pose_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "STEPS", 2)
    frames = list(moving.frames_of(PAIR, FOUND, BEFORE, "moved", "off by 0 m"))
    assert [frame.ms for frame in frames] == [moving.BEFORE_MS, *2 * [moving.STEP_MS], moving.AFTER_MS]
    colour = depth_colours(np.array([10.0]))[0].astype(int)
    middle = [frame.image[100:200, 340:380].astype(int) for frame in frames]
    assert [bool((np.abs(part - colour).max(axis=2) < 60).any()) for part in middle] == [False, False, False, True]


@pytest.mark.parametrize("withheld", [None, T_OPTICAL_BODY])
def test_a_cloud_does_not_move_to_a_pose_that_is_not_published(withheld: Pose | None) -> None:
    none = replace(FOUND, status=Status.UNCERTAIN, reason="a rival", pose=None, withheld=withheld)
    assert [frame.ms for frame in moving.frames_of(PAIR, none, BEFORE, "moved", "")] == [
        moving.BEFORE_MS, moving.AFTER_MS
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", moving.SUFFIXES)
def test_the_file_has_all_frames_with_their_times_and_repeats(suffix: str) -> None:
    shades = [
        moving.Frame(np.full((40, 60, 3), shade, np.uint8), ms) for shade, ms in ((0, 500), (120, 60), (250, 900))
    ]
    file = Image.open(io.BytesIO(moving.encoded(shades, suffix)))
    assert (file.n_frames, file.info["loop"], file.size) == (3, 0, (60, 40))
    for index, frame in enumerate(shades):
        file.seek(index)
        file.load()
        assert file.info["duration"] == frame.ms
        assert np.abs(np.asarray(file.convert("RGB")).astype(int) - frame.image).max() < 12


def test_other_files_are_refused_by_name() -> None:
    moving.check_name(Path("a.WEBP"))
    with pytest.raises(InputError, match=r"must end in \.webp or \.gif"):
        moving.check_name(Path("a.mp4"))


def test_the_picture_of_the_readme_moves_for_a_few_seconds_and_is_small() -> None:
    path = ROOT / "docs" / "demo.webp"
    file = Image.open(path)
    total_ms = 0
    for index in range(file.n_frames):
        file.seek(index)
        file.load()
        total_ms += file.info["duration"]
    assert path.stat().st_size <= 3_000_000 and 3_000 <= total_ms <= 10_000
