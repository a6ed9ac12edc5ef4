# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The published 2D-3D pairs, whose pickles are read without running any of their code."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.rgbd import WALL, published_entry, shot, write_published

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.sources.opening import open_source, recognised
from i2p_ros.sources.plain_pickle import read_plain_pickle


class Runs:
    """Something that writes a file when it is unpickled."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self._made = (call, arguments)

    def __reduce__(self) -> Any:
        return self._made


def test_the_test_pairs_of_a_folder_are_read(tmp_path: Path) -> None:
    write_published(tmp_path, [published_entry(0.7), published_entry(0.4), published_entry(0.5)])
    source = open_source("auto", tmp_path, settings=Settings())
    assert recognised(tmp_path).name == "2d3d" and len(source) == 2 and source.drives == ("chess",)
    sample = source[1]
    assert (sample.pair.name, sample.pair.stamp) == ("chess/000001", 10**9) and sample.depth is not None
    assert sample.T_camera_lidar is not None
    np.testing.assert_allclose(sample.pair.cloud.xyz[:, 0], WALL, atol=1e-6)  # x is forward
    points = sample.T_camera_lidar.apply(sample.pair.cloud.xyz)
    raw = np.load(tmp_path / "data" / "chess" / "cloud_0.npy")
    np.testing.assert_allclose(points, raw + np.array([0.1, 0.0, 0.0]), atol=1e-6)
    np.testing.assert_array_equal(sample.pair.image, shot(0).image[:, :, ::-1])


def test_a_list_is_chosen_by_its_file_and_only_lists_in_full_are_filtered(tmp_path: Path) -> None:
    file = write_published(tmp_path, [published_entry(0.7), published_entry(0.4)], "val.pkl")
    assert len(open_source("auto", file, settings=Settings())) == 2
    with pytest.raises(InputError, match=r"has no metadata/test-full.pkl or test.pkl; expected metadata"):
        open_source("2d3d", tmp_path, settings=Settings())
    with pytest.raises(InputError, match=r"has no drive ches; there are chess. Did you mean"):
        open_source("2d3d", file, settings=Settings(), drives=["ches"])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_types_and_arrays_are_read_as_they_are(tmp_path: Path, protocol: int) -> None:
    file = tmp_path / "a.pkl"
    plain = {"a": [1, 2.5, None, True, "x", b"y"], "b": (1, {"c": -(2**70)})}
    arrays = [
        np.arange(6, dtype=np.float32).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(3, dtype=">f8"), np.array([True, False]), np.zeros((0, 3)), np.float64(0.25), np.int32(7),
    ]  # fmt: skip
    file.write_bytes(pickle.dumps({"plain": plain, "arrays": arrays}, protocol))
    read = read_plain_pickle(file)
    assert read["plain"] == plain
    for array, expected in zip(read["arrays"], arrays, strict=True):
        np.testing.assert_array_equal(array, expected)
        assert array.dtype.kind == expected.dtype.kind and array.shape == expected.shape


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_anything_else_is_refused_by_name_and_runs_nothing(tmp_path: Path, protocol: int) -> None:
    trace = tmp_path / "trace"
    for value, name in (
        (Runs(exec, f"open({str(trace)!r}, 'w')"), r"(__builtin__|builtins)\.exec"),
        (Runs(Path.touch, trace), "touch|getattr|pathlib"),
        (Runs(np.load, "x.npy"), r"numpy.*\.load"),
        (OrderedDict(a=1), "collections.OrderedDict"),
        (np.array([1, "a"], object), "an array of O8"),
        (np.array(["a"]), "an array of U1"),
        (np.zeros(2, [("x", "f4")]), "an array of V4"),
        ({1, 2}, "set"),
        (1j, "complex"),
    ):
        file = tmp_path / "a.pkl"
        file.write_bytes(pickle.dumps([{"scene_name": value}], protocol))
        with pytest.raises(InputError, match=f"a.pkl is refused: it holds .*({name})") as caught:
            read_plain_pickle(file)
        assert caught.value.reason == "pickle.refused" and not trace.exists()


def test_a_pickle_cannot_change_the_reader(tmp_path: Path) -> None:
    """The opcode BUILD sets attributes: here the default encoding of the function that stands for _codecs.encode."""
    file = tmp_path / "a.pkl"
    file.write_bytes(b"c_codecs\nencode\n(N(dS'__defaults__'\n(S'rot13'\ntstb.")
    with pytest.raises(InputError, match="a state of something that is no array"):
        read_plain_pickle(file)


def test_changed_bytes_raise_nothing_else_and_take_no_memory(tmp_path: Path) -> None:
    file, rng = tmp_path / "a.pkl", np.random.default_rng(0)
    for protocol in (0, 2, 4, 5):
        whole = np.frombuffer(pickle.dumps([published_entry(0.5), np.float32(1)], protocol), np.uint8)
        for _ in range(300):
            changed = whole.copy()
            changed[rng.integers(0, len(whole), 3)] = rng.integers(0, 256, 3)
            file.write_bytes(changed.tobytes())
            with suppress(InputError):
                read_plain_pickle(file)
    file.write_bytes(b"\x80\x04Nr\xff\xff\xff\xff.")  # the memo of number 2^32 - 1
    assert read_plain_pickle(file) is None


def test_the_source_refuses_such_a_list(tmp_path: Path) -> None:
    write_published(tmp_path, [published_entry(overlap=Runs(print, "run"))])
    with pytest.raises(InputError, match=r"test-full.pkl is refused: it holds builtins\.print"):
        open_source("2d3d", tmp_path, settings=Settings())


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is not a readable pickle"),
        (b"no pickle", "is not a readable pickle"),
        (pickle.dumps([published_entry()])[:-40], "is not a readable pickle"),
        (pickle.dumps({"a": 1}), "is not a list of published pairs"),
        (pickle.dumps([{"scene_name": "chess"}]), r"is not a list of published pairs: 0\.image_file"),
        (pickle.dumps([published_entry(0.1)]), "has no pairs"),
    ],
)
def test_a_broken_list_is_named(tmp_path: Path, content: bytes, match: str) -> None:
    write_published(tmp_path, content)
    with pytest.raises(InputError, match=match):
        open_source("2d3d", tmp_path, settings=Settings())


def test_broken_files_of_a_pair_are_named(tmp_path: Path) -> None:
    scene = tmp_path / "data" / "chess"
    for changes, match in (
        ({"image_file": "../../etc/x.png"}, "outside"),
        ({"depth_file": "chess/none.png"}, "none.png is not a readable depth image"),
        ({"cloud_file": "chess/bad.npy"}, "bad.npy is not a readable .npy file"),
        ({"cloud_file": "chess/flat.npy"}, r"flat.npy needs \(N, 3\) floats"),
        ({"cloud_to_image": np.eye(3)}, "cloud_to_image: a pose matrix is"),
        ({"cloud_to_image": None}, "cloud_to_image"),
    ):
        write_published(tmp_path, [published_entry(**changes)])
        (scene / "bad.npy").write_bytes(pickle.dumps([1]))
        np.save(scene / "flat.npy", np.zeros(3))
        with pytest.raises(InputError, match=match):
            open_source("2d3d", tmp_path, settings=Settings())[0]
    write_published(tmp_path, [published_entry()])
    (scene / "camera-intrinsics.txt").unlink()
    with pytest.raises(InputError, match=r"cannot read .*camera-intrinsics.txt"):
        open_source("2d3d", tmp_path, settings=Settings())[0]
