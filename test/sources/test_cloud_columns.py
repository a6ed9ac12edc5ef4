# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The number of columns of .bin files, over sweeps of many lidars whose sizes fit any number of columns."""

from pathlib import Path

import numpy as np
import pytest
from helpers.lidar import sweep

from i2p_ros.core.errors import InputError
from i2p_ros.sources.cloud_columns import count_of, parsed_columns
from i2p_ros.sources.cloud_files import read_cloud_file

CLOUDS = [sweep(seed) for seed in range(100)]


def layouts(cloud: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """The cloud as datasets write it, by the first digit of the key in so many columns."""
    rng, n = np.random.default_rng(seed), len(cloud)
    xyz, grey = cloud[:, :3], cloud[:, 3:]
    ring, none = (np.arange(n) % 32)[:, None], np.zeros((n, 1))
    time = np.linspace(0, 0.1, n)[:, None]
    return {
        "3": xyz,
        "4: KITTI": cloud,
        "4: 0 to 255": np.hstack([xyz, np.round(255 * grey)]),
        "4: photons": np.hstack([xyz, np.round(4000 * grey)]),
        "4: no intensity": np.hstack([xyz, none]),
        "5: nuScenes": np.hstack([xyz, np.round(255 * grey), ring]),
        "5: nuScenes, sweeps": np.hstack([xyz, np.round(255 * grey), none]),
        "5: time": np.hstack([cloud, time]),
        "6: Waymo": np.hstack([xyz, np.tanh(grey), rng.exponential(0.1, (n, 1)), np.arange(n)[:, None]]),
        "6: Waymo without values": np.hstack([cloud, none, none]),
        "6: Boreas": np.hstack([xyz, np.round(255 * grey), rng.integers(0, 128, (n, 1)), time]),
    }


@pytest.mark.slow
def test_no_file_of_four_columns_is_taken_for_another_and_no_other_for_four():
    decided = [
        (what, count_of(values.astype(np.float32).ravel(), Path("a.bin")))
        for seed, cloud in enumerate(CLOUDS)
        for what, values in layouts(cloud, seed).items()
    ]
    assert len(decided) == 1100
    assert [(what, count) for what, count in decided if count != int(what[0])] == []


@pytest.mark.parametrize(
    ("name", "column", "columns"),
    [
        ("4: KITTI", 1.0, 4),
        ("4: 0 to 255", 255.0, 4),
        ("5: nuScenes", 255.0, 5),
        ("6: Waymo", 1.0, 6),
        ("6: Boreas", 255.0, 6),
    ],
)
def test_columns_after_the_intensity_are_left_out_and_the_intensity_is_scaled(tmp_path, name, column, columns):
    values = layouts(CLOUDS[0], 0)[name].astype("<f4")
    path = tmp_path / "a.bin"
    values.tofile(path)
    found = read_cloud_file(path)
    assert found.columns == ("x", "y", "z", "intensity", "_", "_")[:columns] and found.intensity == "intensity"
    np.testing.assert_array_equal(found.cloud.xyz, values[:, :3])
    np.testing.assert_allclose(found.cloud.intensity, values[:, 3] / column, atol=1e-6)
    assert not found.offset.any()


def test_an_array_has_the_intensity_of_its_fourth_column(tmp_path):
    for name, values in layouts(CLOUDS[1], 0).items():
        np.save(tmp_path / "a.npy", values)
        cloud = read_cloud_file(tmp_path / "a.npy").cloud
        np.testing.assert_array_equal(cloud.xyz, values[:, :3].astype("f4"))
        if name == "4: 0 to 255":
            np.testing.assert_allclose(cloud.intensity, values[:, 3] / 255, atol=1e-6)


def refuses(path, reason, match, *columns):
    with pytest.raises(InputError, match=match) as caught:
        read_cloud_file(path, *columns)
    assert caught.value.reason == reason and path.name in str(caught.value)


REFUSED = {
    "eight columns": np.hstack([CLOUDS[0], CLOUDS[0][:, ::-1] * [1, 2, 3, 4]]),
    "doubles": CLOUDS[0].astype("f8"),
    "UTM": CLOUDS[0] + [459_000, 5_431_000, 115, 0],
    "normals": np.hstack([CLOUDS[0][:, :3], np.sin(CLOUDS[0][:, :3])]),
    "colours": np.hstack([CLOUDS[0][:, :3], np.round(255 * CLOUDS[0][:, [3, 3, 3]] ** [1, 0.9, 1.1])]),
    "noise": np.random.default_rng(0).normal(0, 10, 84_000),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_that_is_no_known_cloud_is_refused_with_the_option(tmp_path, what):
    values = REFUSED[what]
    values.astype("<f8" if what == "doubles" else "<f4").tofile(tmp_path / "a.bin")
    refuses(tmp_path / "a.bin", "cloud.columns", "--columns")


def test_a_file_that_is_cut_short_is_not_read_with_another_number_of_columns(tmp_path):
    numbers = layouts(CLOUDS[2], 0)["4: KITTI"].astype("<f4").ravel()
    numbers[:-5].tofile(tmp_path / "a.bin")  # fits 5 columns
    refuses(tmp_path / "a.bin", "cloud.truncated", "is cut short")


def test_a_small_file_has_four_columns(tmp_path):
    cloud = CLOUDS[3][:60].astype("<f4")
    cloud.tofile(tmp_path / "a.bin")
    np.testing.assert_array_equal(read_cloud_file(tmp_path / "a.bin").cloud.xyz, cloud[:, :3])


def test_the_option_names_the_columns(tmp_path):
    values = np.hstack([CLOUDS[4][:, [2, 0, 1]], np.full((len(CLOUDS[4]), 4), 7), CLOUDS[4][:, 3:]])
    values.astype("<f4").tofile(tmp_path / "a.bin")
    np.save(tmp_path / "a.npy", values)
    for file in ("a.bin", "a.npy"):
        found = read_cloud_file(tmp_path / file, "z, x, y, ring, _, _, _, Reflectivity")
        np.testing.assert_array_equal(found.cloud.xyz, CLOUDS[4][:, :3].astype("f4"))
        np.testing.assert_allclose(found.cloud.intensity, CLOUDS[4][:, 3], atol=1e-6)
        assert found.intensity == "reflectivity" and found.columns[3:5] == ("ring", "_")
        assert read_cloud_file(tmp_path / file, "8").columns == ("x", "y", "z", "intensity", *"____")
    refuses(tmp_path / "a.npy", "cloud.shape", r"\(N, 5\)", "5")


def test_reflectivity_is_used_where_it_is_asked_for(tmp_path):
    n = len(CLOUDS[5])
    photons, reflectivity = np.arange(n) % 1000, np.arange(n) % 256
    np.column_stack([CLOUDS[5][:, :3], photons, reflectivity]).astype("<f4").tofile(tmp_path / "a.bin")
    names = "x,y,z,intensity,reflectivity"
    for field, expected in (("", photons / 65535), ("reflectivity", reflectivity / 255)):
        found = read_cloud_file(tmp_path / "a.bin", names, field)
        np.testing.assert_allclose(found.cloud.intensity, expected, atol=1e-6)


def test_a_named_intensity_column_that_is_not_there_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", CLOUDS[4])
    with pytest.raises(InputError, match=r"a\.npy has no column gain; it has x, y, z, intensity") as caught:
        read_cloud_file(tmp_path / "a.npy", "", "Gain")
    assert caught.value.reason == "cloud.field_missing"


@pytest.mark.parametrize("text", ["2", "0", "9999", "x,y", "x,y,z,x", "x,y,z,", "four", "-4"])
def test_an_option_that_names_no_cloud_is_refused(text):
    with pytest.raises(InputError, match="--columns") as caught:
        parsed_columns(text)
    assert caught.value.reason == "cloud.columns"
