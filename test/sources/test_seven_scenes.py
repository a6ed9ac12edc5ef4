# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""7-Scenes: the raw layout, fragments of 25 frames, and pairs of a seed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import ROOT
from helpers.cli import run
from helpers.rgbd import START, WALL, K, shot, write_seven_scenes

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import Settings
from i2p_ros.core.depths import AXES, back_projected
from i2p_ros.core.errors import InputError
from i2p_ros.core.fragments import NEAR, VOXEL, NearPoints
from i2p_ros.sources.fragments import fused
from i2p_ros.sources.opening import open_source, recognised
from i2p_ros.sources.pair_list import encoded_pairs, read_pairs
from i2p_ros.sources.rgbd import read_depth
from i2p_ros.sources.rgbd_pairs import RgbdPairSource
from i2p_ros.sources.seven_scenes import DATASET, find_sequences

BESIDE = ROOT.parent / "shared" / "data" / "7scenes_sample"
SAMPLE = Path(os.environ.get("I2P_7SCENES", BESIDE))  # a sequence of 25 frames or more
SETTINGS = Settings()


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scene a: a training sequence of two fragments and three frames, and a test sequence 5 m away. Scene b: one."""
    root = tmp_path_factory.mktemp("scenes")
    write_seven_scenes(root / "a" / "seq-01", 53)
    write_seven_scenes(root / "a" / "seq-02", 25, first=500)
    write_seven_scenes(root / "b" / "seq-01", 25)
    (root / "a" / "TrainSplit.txt").write_text("sequence1\n")
    (root / "a" / "TestSplit.txt").write_text("sequence2\r\n")
    return root


@pytest.fixture(scope="module")
def source(scenes: Path) -> RgbdPairSource:
    return opened(scenes)


def opened(root: Path, seed: int = 7, drives: list[str] | None = None) -> RgbdPairSource:
    source = open_source("auto", root, settings=SETTINGS, seed=seed, drives=drives)
    assert isinstance(source, RgbdPairSource)
    return source


def test_the_folder_of_scenes_a_scene_and_a_sequence_are_read(scenes: Path) -> None:
    for root, places in (
        (scenes, ["a/seq-01", "a/seq-02", "b/seq-01"]), (scenes / "a", ["a/seq-01", "a/seq-02"]),
        (scenes / "b" / "seq-01", ["b/seq-01"]),
    ):  # fmt: skip
        assert recognised(root).name == "7scenes"
        assert [sequence.place for sequence in find_sequences(root)] == places
    first, second, third = find_sequences(scenes)
    assert [s.split for s in (first, second, third)] == ["train", "test", ""] and len(first.frames) == 53
    np.testing.assert_array_equal(first.K, K)
    np.testing.assert_allclose(first.frames[7].pose().matrix, shot(7).T_world_camera.matrix, atol=1e-9)


def test_holes_have_no_depth(scenes: Path) -> None:
    depth = read_depth(scenes / "a" / "seq-01" / "frame-000000.depth.png")
    assert depth.dtype == np.float32 and (depth[100:110, 200:220] == 0).all() and (depth[:4] == 0).all()
    assert depth[50, 50] == pytest.approx(WALL)


def test_back_projection_gives_the_row_of_the_pixel_itself() -> None:
    """Not index / width as a fraction, which is up to one row too low."""
    camera = Camera.from_matrix(K, 640, 480)
    depth = np.zeros((480, 640), np.float32)
    depth[17, 600] = 2.0
    (point,) = back_projected(camera, depth)
    pixels, inside = camera.project([point])
    np.testing.assert_allclose(pixels, [[600.0, 17.0]], atol=1e-9)
    assert inside.all()


def test_a_fragment_is_in_the_frame_of_its_first_camera_with_x_forward(scenes: Path) -> None:
    sequence = find_sequences(scenes)[0]
    fragment = fused(sequence, sequence.frames[:25])
    np.testing.assert_allclose(fragment.xyz[:, 0], WALL, atol=1e-5)  # the wall is straight ahead
    left, right = fragment.xyz[:, 1].max(), fragment.xyz[:, 1].min()
    edge = WALL * 320 / 585
    assert left == pytest.approx(edge, abs=VOXEL) and right == pytest.approx(-edge - 0.24, abs=VOXEL)
    cells = np.floor(fragment.xyz / VOXEL)
    assert len(np.unique(cells, axis=0)) == len(cells)
    np.testing.assert_allclose(fragment.T_world_fragment.matrix, (START @ AXES).matrix, atol=1e-9)


def test_near_points_are_those_within_the_distance(scenes: Path) -> None:
    fragment = fused((sequence := find_sequences(scenes)[0]), sequence.frames[:25])
    near, T, rng = NearPoints(fragment), fragment.T_world_fragment, np.random.default_rng(3)
    at = rng.uniform([WALL - 0.1, -1.6, -1.0], [WALL + 0.1, 1.4, 1.0], (300, 3))
    distance = np.array([np.linalg.norm(fragment.xyz - q, axis=1).min() for q in at])
    assert 0.1 < (distance <= NEAR).mean() < 0.9
    assert near.share(T.apply(at)) == pytest.approx((distance <= NEAR).mean())
    assert near.share(T.apply(at + 50.0)) == 0.0 and near.share(np.zeros((0, 3))) == 0.0


def test_pairs_join_images_and_fragments_of_one_scene_and_split(scenes: Path, source: RgbdPairSource) -> None:
    pairs = source.pair_list.pairs
    assert {(p.scene, p.split) for p in pairs} == {("a", "train"), ("a", "test"), ("b", "")}
    assert {(p.sequence, p.fragment_sequence) for p in pairs if p.split == "test"} == {("seq-02", "seq-02")}
    assert all(0.5 <= p.overlap <= 1.0 for p in pairs)
    crossed = next(p for p in pairs if p.scene == "a" and p.image >= 25 and p.fragment == 0)
    moved = 0.01 * (crossed.image - 24)  # m, beyond the last image of the fragment
    assert crossed.overlap == pytest.approx(1.0 - moved / (WALL * 640 / 585), abs=0.03)
    sequences = find_sequences(scenes)
    for drives, n in (
        (["a"], 5), (["b"], 1), (["test", "b"], 2), (["a/train"], 4), (["a/seq-02"], 1), (["a", "b"], 6),
    ):  # fmt: skip
        assert len(RgbdPairSource("7-Scenes", sequences, source.pair_list, drives)) == n
    with pytest.raises(InputError, match="no drive c in the list of pairs; there are a, a/seq-01, a/seq-02, a/test"):
        RgbdPairSource("7-Scenes", sequences, source.pair_list, ["c"])


def test_a_sample_has_the_true_pose_the_depth_and_the_fragment(source: RgbdPairSource) -> None:
    for index, listed in enumerate(source.pair_list.pairs):
        sample = source[index]
        assert sample.pair.name == listed.name and sample.pair.stamp == index * 10**9
        assert sample.T_camera_lidar is not None and sample.depth is not None
        points = sample.T_camera_lidar.apply(sample.pair.cloud.xyz)
        np.testing.assert_allclose(points[:, 2], WALL, atol=1e-4)
        pixels, inside = sample.pair.camera.project(points)
        u, v = np.round(pixels[inside]).astype(int).T
        assert (np.abs(sample.depth[v, u] - WALL) < 1e-3).mean() > 0.95  # but for the hole
        number = listed.image + (500 if listed.sequence == "seq-02" else 0)
        np.testing.assert_array_equal(sample.pair.image, shot(number).image[:, :, ::-1])
    with pytest.raises(IndexError):
        source[len(source)]


def test_a_seed_gives_the_same_pairs_and_another_seed_others(scenes: Path, source: RgbdPairSource) -> None:
    first, again, other = source, opened(scenes), opened(scenes, seed=8)
    assert first.pair_list == again.pair_list and first.name == again.name
    assert [p.image for p in first.pair_list.pairs] != [p.image for p in other.pair_list.pairs]


def test_blocks_for_validation_share_no_pair_with_others(tmp_path: Path) -> None:
    write_seven_scenes(tmp_path / "a" / "seq-01", 125)
    (tmp_path / "a" / "TrainSplit.txt").write_text("sequence1\n")
    pairs = opened(tmp_path).pair_list.pairs
    blocks = {split: {p.image // 25 for p in pairs if p.split == split} for split in ("train", "val")}
    assert (len(blocks["train"]), len(blocks["val"])) == (4, 1) and not blocks["train"] & blocks["val"]
    assert all(p.fragment // 25 in blocks[p.split] for p in pairs)


@pytest.mark.parametrize("name", ["pairs.json", "pairs.parquet"])
def test_a_list_is_written_and_read_again(scenes: Path, source: RgbdPairSource, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    made, file = source.pair_list, scenes / name
    file.write_bytes(encoded_pairs(made, file.suffix))
    assert read_pairs(file) == made and recognised(file).name == "7scenes"
    again = opened(file, seed=99)  # the seed of the list counts
    assert again.pair_list == made and len(again) == len(made.pairs)
    file.unlink()


def test_a_list_that_was_changed_is_refused(scenes: Path, source: RgbdPairSource) -> None:
    file = scenes / "changed.json"
    file.write_bytes(encoded_pairs(source.pair_list, file.suffix))
    content = json.loads(file.read_text())
    content["pairs"][0]["overlap"] = 0.99
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="was changed after it was written"):
        open_source("7scenes", file, settings=SETTINGS)
    for broken, match in (("[1, 2]", "is not a list of pairs"), ("{", "is not a list of pairs"), ("{}", "sha256")):
        file.write_text(broken)
        with pytest.raises(InputError, match=match):
            open_source("7scenes", file, settings=SETTINGS)
    file.unlink()


def test_files_that_are_missing_or_broken_are_named(tmp_path: Path) -> None:
    root = tmp_path / "a" / "seq-01"
    write_seven_scenes(root, 26)
    (root / "frame-000003.pose.txt").unlink()  # a frame without a pose is no frame
    assert len(find_sequences(tmp_path)[0].frames) == 25
    source = opened(tmp_path)
    image = root / f"frame-{source.pair_list.pairs[0].image:06d}.color.png"
    image.write_bytes(image.read_bytes()[:100])
    with pytest.raises(InputError, match=f"{image.name} is not a readable image"):
        source[0]
    for name, content, match in (
        ("frame-000005.depth.png", b"no image", "frame-000005.depth.png is not a readable depth image"),
        ("frame-000005.pose.txt", b"1 2 3", "frame-000005.pose.txt needs 4x4 finite numbers, got 3"),
        ("frame-000005.pose.txt", b"2 " * 16, "frame-000005.pose.txt: the rotation of a pose must be orthonormal"),
        ("frame-000005.pose.txt", b"nan " * 16, "needs 4x4 finite numbers"),
    ):
        kept = (root / name).read_bytes()
        (root / name).write_bytes(content)
        with pytest.raises(InputError, match=match):
            opened(tmp_path)
        (root / name).write_bytes(kept)
    (root / "frame-000005.depth.png").unlink()
    with pytest.raises(InputError, match=r"no image has an overlap of .* with a fragment of 25 frames"):
        opened(tmp_path)
    for file in root.glob("*.pose.txt"):
        file.unlink()
    with pytest.raises(InputError, match="has no frame with colour, depth and pose; expected SCENE/seq-NN"):
        DATASET.open(tmp_path, 0)


def test_a_depth_of_eight_bits_and_another_size_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "depth.png"
    cv2.imwrite(str(file), np.zeros((480, 640), np.uint8))
    with pytest.raises(InputError, match="expected a PNG of 16 bits"):
        read_depth(file)
    write_seven_scenes(tmp_path / "a" / "seq-01", 25)
    cv2.imwrite(str(tmp_path / "a" / "seq-01" / "frame-000004.depth.png"), np.full((240, 320), 900, np.uint16))
    with pytest.raises(InputError, match="a/seq-01 has images of 320x240, and K is for 640x480"):
        opened(tmp_path)


def test_the_command_lists_the_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "scenes"
    write_seven_scenes(root / "a" / "seq-01", 25)
    code, out, err = run(capsys, "pairs", str(root), "mine.json", "--seed", "3", "--json", "-")
    assert code == 0, err
    report, listed = json.loads(out), read_pairs(root / "mine.json")
    assert (report["pairs"], report["sha256"], listed.seed) == (1, listed.digest, 3)
    assert listed == opened(root, seed=3).pair_list
    for words, what in (
        (("pairs", str(root), "../mine.json"), "a list lies in the folder of its scenes"),
        (("pairs", str(root), "mine.txt"), "give a name that ends in .json or .parquet"),
    ):
        code, _, err = run(capsys, *words)
        assert code == 1 and what in err


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="needs I2P_7SCENES, the folder of a sequence")
def test_the_real_sample_is_fused_and_agrees_with_its_depths() -> None:
    (sequence,) = find_sequences(SAMPLE)
    assert len(sequence.frames) == 25
    early = NearPoints(fused(sequence, sequence.frames[:5]))
    images = [f.pose().apply(sequence.points(f, 4)) for f in (sequence.frames[2], sequence.frames[12])]
    assert early.share(images[0]) == 1.0 and 0.3 < early.share(images[1]) < 0.8
    sample = opened(SAMPLE)[0]
    assert sample.depth is not None and sample.T_camera_lidar is not None
    points = sample.T_camera_lidar.apply(sample.pair.cloud.xyz)
    pixels, inside = sample.pair.camera.project(points)
    u, v = np.round(pixels[inside]).astype(int).T
    measured = sample.depth[v, u]
    near = np.abs(measured - points[inside, 2]) < 0.05
    assert near[measured > 0].mean() > 0.6  # the rest is hidden behind what is nearer
