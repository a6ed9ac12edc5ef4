# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lists of pairs, frames.json: pairs of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.lidar import sweep

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.source import Source
from i2p_ros.sources.opening import open_source

T_CAMERA_LIDAR = [[0.0, -1, 0, 0.1], [0, 0, -1, 0.2], [1, 0, 0, 0.3], [0, 0, 0, 1]]
ENTRY = {"K": [[50, 0, 31.5], [0, 50, 15.5], [0, 0, 1]], "T_camera_lidar": T_CAMERA_LIDAR}


def written(folder: Path, *entries: dict[str, Any]) -> Path:
    """A folder with these pairs, each of an image 64x32 and of 500 points."""
    rng = np.random.default_rng(0)
    for entry in entries:
        image = folder / f"{entry['name']}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(image), rng.integers(0, 255, (32, 64, 3), np.uint8))
        rng.random((500, 4), np.float32).tofile(image.with_suffix(".bin"))
    (folder / "frames.json").write_text(json.dumps([{**ENTRY, **entry} for entry in entries]))
    return folder


def opened(root: Path, drives: list[str] | None = None) -> Source:
    return open_source("auto", root, settings=Settings(), drives=drives)


def test_pairs_of_several_rigs_are_read_in_their_order(tmp_path: Path) -> None:
    fisheye = {"name": "b/0", "dataset": "b", "model": "equidistant", "distortion": [0.1, 0, 0, 0], "intensity": False}
    source = opened(written(tmp_path, {"name": "a/0", "dataset": "a", "drive": "1"}, fisheye))
    first, second = source[0], source[1]
    assert (len(source), source.name, source.drives) == (2, "frames a, b", ("a/1", "b"))
    assert (first.pair.name, first.pair.camera.fx, first.pair.camera.cx, first.pair.camera.width) == (
        "a/0",
        50,
        31.5,
        64,
    )
    assert first.pair.cloud.intensity is not None and second.pair.cloud.intensity is None
    assert second.pair.camera.model == "equidistant" and second.pair.camera.distortion == (0.1, 0, 0, 0)
    assert first.T_camera_lidar is not None
    np.testing.assert_allclose(first.T_camera_lidar.matrix, T_CAMERA_LIDAR, atol=1e-12)
    assert second.pair.stamp - first.pair.stamp == 10**9


def test_recordings_are_chosen_by_dataset_or_by_drive(tmp_path: Path) -> None:
    entries = [{"name": f"{d}{k}", "dataset": d, "drive": str(k)} for d in "ab" for k in (1, 2)]
    root = written(tmp_path, *entries)
    assert opened(root, drives=["a", "b/2"]).drives == ("a/1", "a/2", "b/2")
    with pytest.raises(InputError, match=r"no drive c; there are a, a/1, a/2, b, b/1, b/2"):
        opened(root, drives=["c"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not a list of pairs"),
        ('[{"name": "a"}]', "K: Field required"),
        ("[]", "has no pairs"),
        ("3", "valid list"),
    ],
)
def test_a_list_that_cannot_be_read_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "frames.json").write_text(text)
    with pytest.raises(InputError, match=says):
        opened(tmp_path)


SKEWED = [[50, 40, 31.5], [0, 50, 15.5], [0, 0, 1]]
IDENTITY = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"K": SKEWED}, "camera_info.k"),
        ({"K": IDENTITY}, "camera_info.uncalibrated"),
        ({"model": "zoom"}, "camera_info.distortion_model"),
        ({"model": "equidistant"}, "camera_info.distortion_length"),
        ({"T_camera_lidar": [[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]}, "pose"),
        ({"width": 32}, "image.size"),
    ],
)
def test_a_wrong_calibration_in_a_list_is_refused_with_the_name_of_the_pair(
    tmp_path: Path, wrong: dict[str, Any], reason: str
) -> None:
    source = opened(written(tmp_path, {"name": "a/0", **wrong}))
    with pytest.raises(InputError, match="pair a/0") as caught:
        source[0]
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "wrong",
    [
        {"K": [[50, 0, 31.5], [0, 50]]}, {"K": [[50, 0, 31.5], [0, 50, 15.5]]}, {"K": 5},
        {"T_camera_lidar": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}, {"T_camera_lidar": [[1, 0, 0, 0], [0, 1]]},
        {"T_camera_Lidar": T_CAMERA_LIDAR}, {"intensities": False},
    ],
)  # fmt: skip
def test_a_list_with_a_misspelt_field_or_a_ragged_matrix_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    root = written(tmp_path, {"name": "a", **wrong})
    with pytest.raises(InputError, match=rf"frames\.json is not a list of pairs: 0\.{next(iter(wrong))}") as caught:
        opened(root)
    assert caught.value.reason == "source.layout"


def test_a_list_may_say_more_about_its_pairs(tmp_path: Path) -> None:
    more = {"day": "2011_09_26", "frame": "0000000108", "use": "train", "whole_turn": True, "points": 500}
    source = opened(written(tmp_path, {"name": "a", **more, "width": 64, "height": 32, "model": "fisheye",
                                       "distortion": [0.1, 0, 0, 0]}))  # fmt: skip
    assert source[0].pair.camera.model == "equidistant"


def test_a_pair_whose_files_are_missing_is_named(tmp_path: Path) -> None:
    source = opened(written(tmp_path, {"name": "a"}))
    (tmp_path / "a.bin").unlink()
    with pytest.raises(InputError, match=r"a\.bin"):
        source[0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"K": [[50, 40, 31.5], [0, 50, 15.5], [0, 0, 1]]}, "skew"),
        ({"K": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}, "placeholder"),
        ({"K": [[50, 0], [0, 50, 15.5], [0, 0, 1]]}, "K.0"),
        ({"T_camera_lidar": [[1, 0, 0, 0]]}, "T_camera_lidar"),
        ({"T_camera_Lidar": T_CAMERA_LIDAR}, "T_camera_Lidar"),
    ],
)
def test_a_calibration_that_cannot_be_right_is_refused(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        opened(written(tmp_path, {"name": "a", **change}))[0]


def test_the_lens_may_have_the_name_of_a_driver(tmp_path: Path) -> None:
    source = opened(written(tmp_path, {"name": "a", "model": "fisheye", "distortion": [0.1, 0, 0, 0, 0]}))
    assert source[0].pair.camera.model == "equidistant"


def test_a_cloud_of_nuscenes_has_five_columns(tmp_path: Path) -> None:
    root = written(tmp_path, {"name": "a"})
    cloud = sweep(1).astype(np.float32)
    np.column_stack([cloud, np.arange(len(cloud)) % 32]).astype(np.float32).tofile(root / "a.bin")
    np.testing.assert_array_equal(opened(root)[0].pair.cloud.xyz, cloud[:, :3])
