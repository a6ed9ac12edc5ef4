# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A new family is one file and two table rows: then it is trained, localized, evaluated and exported as VP2P is."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers import ROOT, TESTS
from helpers.training_job import WORLD, chosen, places

import i2p_ros as i2p
from i2p_ros.alignment.pyramid import plain_pyramid
from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.types import Pair, PointCloud, PoseEstimate, Status
from i2p_ros.evaluation.runner import evaluate
from i2p_ros.families import FAMILIES, FamilyEntry, family_class
from i2p_ros.localizer import export
from i2p_ros.runtime.manifest import find_model
from i2p_ros.runtime.weights import load_weights
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.training.data import TrainingSet
from i2p_ros.training.families import LEARNERS
from i2p_ros.training.loop import train

OWN_FILE = "test/helpers/toy_family.py"
TOUCHED = {  # what a new family adds beside its own file: a row each
    "i2p_ros/families/__init__.py": (FAMILIES, FamilyEntry("helpers.toy_family:Toy", ("small",))),
    "i2p_ros/training/families.py": (LEARNERS, "helpers.toy_family:ToyLearner"),
}
CPU = Settings(device="cpu")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for table, row in TOUCHED.values():
        monkeypatch.setitem(table, "toy", row)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Weights after one step of training."""
    family, settings = toy(), chosen("training.samples=4", "training.precision=float32")
    data = TrainingSet(family, [(places(), 1.0)], {"vp2p": 0.5, "prior": 0.5}, 1, 4)
    train(family, data, tmp_path / "run", settings, workers=0)
    return tmp_path / "run"


def toy():  # type: ignore[no-untyped-def]
    kind = family_class("toy")
    return kind(kind.sizes["small"], CPU.matching)


def test_at_most_two_files_are_touched_beside_its_own() -> None:
    assert len(TOUCHED) <= 2
    assert len((ROOT / OWN_FILE).read_text().splitlines()) <= 60
    for file, (table, row) in TOUCHED.items():
        assert "vp2p" in table and (ROOT / file).is_file()
        home = row.home if isinstance(row, FamilyEntry) else row
        assert (TESTS / home.partition(":")[0].replace(".", "/")).with_suffix(".py") == ROOT / OWN_FILE


def test_nothing_but_its_own_files_imports_a_family() -> None:
    for path in (ROOT / "i2p_ros").rglob("*.py"):
        place = path.relative_to(ROOT).with_suffix("").parts
        if place[1] == "families":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.startswith(f"i2p_ros.families.{family}") for name in names for family in FAMILIES)


def test_it_learns_in_a_step(folder: Path) -> None:
    torch.manual_seed(1)  # as the run
    before, after = toy().network(), toy().network()
    load_weights(after, folder / "model.safetensors")
    assert any((a != b).any() for a, b in zip(before.parameters(), after.parameters(), strict=True))
    assert find_model(str(folder))[0].family == "toy"


def test_it_is_localized_and_evaluated(folder: Path) -> None:
    localizer = i2p.load(str(folder), CPU)
    source = SyntheticSource(WORLD, 5, 2)
    estimate = localizer.localize_pair(source[0].pair)
    assert isinstance(estimate, PoseEstimate) and (estimate.status is Status.OK or estimate.reason)
    report = evaluate(localizer, source, "prior", 0)
    assert len(report.rows) == 2 and report.summary["n"] == 2


def test_a_pair_without_what_it_needs_is_refused_by_name(folder: Path) -> None:
    given: Pair = places()[0].pair
    dark = replace(given, cloud=PointCloud(given.cloud.xyz))
    with pytest.raises(InputError, match="toy needs the intensity"):
        toy().prepare(dark)
    estimate = i2p.load(str(folder), CPU).localize_pair(dark)
    assert estimate.status is Status.BAD_INPUT and "intensity" in estimate.reason


def test_it_is_refined_by_grey_values_and_edges(folder: Path) -> None:
    """The signals of a family without a signal network."""
    localizer, sample = i2p.load(str(folder), CPU), SyntheticSource(WORLD, 5, 1)[0]
    prepared = localizer.prepare(sample.pair)
    assert localizer.family.signal_camera(sample.pair.camera) is None
    assert plain_pyramid(prepared.scene.pair, CPU.refinement).levels[0].shape[0] == 2
    with pytest.raises(NotImplementedError, match="predicts no signals"):
        prepared.passes.signals()


def test_it_is_exported(folder: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    files, says = export(str(folder), tmp_path / "onnx", 128, 40, CPU)
    assert [file.name for file in files] == ["pixels.onnx", "points.onnx"] and says.startswith("torch")
    for file in files:
        onnx.checker.check_model(str(file), full_check=True)
