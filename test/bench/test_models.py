# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p bench models`: models are timed on the same pairs, in the order in which they are named."""

import json
from pathlib import Path

import pytest
from helpers import icl
from helpers.cli import run
from helpers.networks import FAMILY, TINY

from i2p_ros.bench import inputs, models
from i2p_ros.core.config import Settings
from i2p_ros.families.icl import ICL
from i2p_ros.families.vp2p import VP2P
from i2p_ros.runtime.weights import save_model

SMALL = {"width": 96, "height": 64, "points": 3000}


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Models of two families with random weights, for small pairs."""
    monkeypatch.setattr(inputs, "INPUT", SMALL)
    monkeypatch.setattr(models, "INPUT", SMALL)
    monkeypatch.setattr(VP2P, "sizes", {"tiny": TINY})
    monkeypatch.setattr(ICL, "sizes", {"little": icl.LITTLE})
    found = []
    for family in (icl.FAMILY, FAMILY):
        folder = tmp_path / family.name
        folder.mkdir()
        save_model(folder, family, family.network(), Settings(), {})
        found.append(str(folder))
    return found


def test_a_row_for_each_model(folders: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "models.json"
    code, table, _ = run(capsys, "bench", "models", *folders, "--pairs", "2", "--rounds", "1", "--json", str(out))
    assert code == 0 and "parameters" in table
    rows = json.loads(out.read_text())
    assert [row["model"] for row in rows] == folders and [row["family"] for row in rows] == ["icl", "vp2p"]
    weights = sum(weight.numel() for weight in icl.FAMILY.network().parameters())
    assert rows[0]["parameters"] == weights and rows[0]["ratio"] == rows[0]["first_pass_ratio"] == 1.0
    for row in rows:
        assert row["first_pass_ms"]["median"] > 0.0 and 0.0 < row["pair_ms"]["median"] <= row["pair_ms"]["p95"]
        assert row["peak_rss_mb"] > 100.0 and row["ratio"] > 0.0


def test_a_model_that_is_not_there_is_named_before_anything_is_timed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, error = run(capsys, "bench", "models", "nothing", "--pairs", "1")
    assert code == 1 and "nothing" in error
