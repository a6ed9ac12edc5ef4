# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p bench ablation`: networks learn with and without each part, from the same start."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.cli import run
from helpers.networks import pair
from safetensors.torch import load_file, save_file

from i2p_ros.core.config import load_settings
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Correspondences
from i2p_ros.families import FAMILIES
from i2p_ros.runtime import manifest
from i2p_ros.training import ablation
from i2p_ros.training.ablation import VARIANTS, Comparison, right_matches

SHORT = ("--samples", "8", "--start-samples", "8", "--pairs", "1", "--protocols", "prior", "--set",
         "training.parts=matching", "--set", "training.validate_every=0", "--set", "synthetic.points=4000")  # fmt: skip


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation, "WORLDS", 2)
    narrow = {"stem": 8, "image_stages": [8] * 4, "image_decoder": [8] * 3, "max_points": 256}
    monkeypatch.setattr(ablation, "SMALL", ablation.SMALL | narrow)


def test_every_part_is_compared_with_one_of_its_family() -> None:
    names = {(variant.rooms, variant.family, variant.part) for variant in VARIANTS}
    assert len({variant.folder for variant in VARIANTS}) == len(names) == len(VARIANTS)
    assert all((variant.rooms, variant.family, variant.beside) in names for variant in VARIANTS if variant.beside)
    assert {variant.family for variant in VARIANTS} == FAMILIES.keys()


@pytest.mark.parametrize("variant", VARIANTS, ids=[variant.folder for variant in VARIANTS])
def test_every_variant_is_a_network_that_can_be_made(variant: ablation.Variant) -> None:
    family = ablation._family(variant, load_settings())
    assert family.name == variant.family and sum(p.numel() for p in family.network().parameters()) > 1000


@pytest.mark.usefixtures("small")
def test_a_row_for_each_part_and_runs_that_are_there_are_not_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, file = tmp_path / "runs", tmp_path / "ablation.json"
    words = ("bench", "ablation", str(out), "--families", "vp2p,icl", "--seeds", "1", *SHORT, "--json", str(file))
    code, said, _ = run(capsys, *words)
    assert code == 0 and "intersection detection" in said
    rows = json.loads(file.read_text())
    expected = [v for v in VARIANTS if v.family in ("vp2p", "icl")]
    assert [row["part"] for row in rows] == [v.part for v in expected]
    for row, variant in zip(rows, expected, strict=True):
        assert row["seed"] == 1 and row["samples"] == 8 and 0.0 <= row["figures"]["prior"]["right_matches"] <= 1.0
        made = manifest.read_manifest(out / f"{variant.folder}-1")
        assert next(iter(made.values())).family == variant.family
    start, plain = (load_file(out / name / "model.safetensors") for name in ("start", f"{expected[0].folder}-1"))
    assert start.keys() == plain.keys() and any(not start[name].equal(plain[name]) for name in start)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("scores.json")}
    assert len(before) == len(expected)
    assert run(capsys, *words)[0] == 0 and json.loads(file.read_text()) == rows
    assert {path: path.stat().st_mtime_ns for path in out.rglob("scores.json")} == before


def test_the_start_of_a_model_is_without_its_tuning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "model.safetensors"
    ones = torch.ones(2)
    save_file({"tuning.0.weight": ones, "encode.weight": 2.0 * ones}, weights)
    monkeypatch.setattr(ablation, "find_model", lambda name: (None, weights))
    start = Comparison(tmp_path, load_settings(), 8, 8, 1, ("prior",)).start("a model")
    assert {name: value.tolist() for name, value in load_file(start).items()} == {"encode.weight": [2.0, 2.0]}


def test_a_distillation_without_a_teacher_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rooms = ("--families", "diff2i2p", "--set", "synthetic.rooms=true")
    code, _, error = run(capsys, "bench", "ablation", str(tmp_path / "runs"), *rooms, *SHORT)
    assert code == 1 and "training.distill_teacher" in error and not (tmp_path / "runs").exists()


def test_a_family_without_variants_for_rooms_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rooms = ("--families", "vp2p,diff2i2p", "--set", "synthetic.rooms=true")
    code, _, error = run(capsys, "bench", "ablation", str(tmp_path / "runs"), *rooms, *SHORT)
    assert code == 1 and "no parts of vp2p are compared in rooms" in error and not (tmp_path / "runs").exists()


def test_an_unknown_family_names_those_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = run(capsys, "bench", "ablation", str(tmp_path / "runs"), "--families", "vp2", *SHORT)
    assert code == 1 and "relai2p" in error


def test_a_match_is_right_within_two_degrees_of_the_ray() -> None:
    given, pixels = pair(), np.array([[64.0, 24.0], [64.0, 24.0], [10.0, 40.0]])
    off = np.tan(np.radians([1.9, 2.1, 0.0]))
    rays = given.camera.rays(pixels)
    points = 7.0 * rays / rays[:, 2:]
    points[:, 0] += 7.0 * off  # the first two are on the optical axis
    assert np.allclose(rays[0, :2], 0.0)
    truth = Pose.from_rotvec([0.3, -0.2, 1.0], [1.0, 2.0, 0.5])
    matches = Correspondences(pixels, truth.inverse().apply(points), np.ones(3))
    assert right_matches(matches, truth, given) == pytest.approx(2 / 3)
