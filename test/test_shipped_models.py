# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Each model of models/manifest.yaml is whole, calibrated and scored, and localizes unseen places: of streets, or of
rooms for a model of surfaces."""

import numpy as np
import pytest

import i2p_ros as i2p
from i2p_ros.core.config import load_settings
from i2p_ros.core.protocols import ProtocolName
from i2p_ros.core.types import Status
from i2p_ros.evaluation.runner import EvaluatedPair, evaluate
from i2p_ros.runtime.manifest import ModelEntry, find_model, models_folder, read_manifest
from i2p_ros.synthetic import synthetic_source

MODELS = read_manifest(models_folder())
PLACES = 10
LARGEST = 20e6  # bytes of a file of weights


def of_rooms(entry: ModelEntry) -> bool:
    """Whether a model is for rooms: it refines poses by the shape of surfaces."""
    return bool(entry.settings.get("signal_set") == "surfaces")


@pytest.mark.parametrize("name", MODELS)
def test_the_entry_is_complete(name: str) -> None:
    entry, file = find_model(name)  # checks the hash
    assert file.stat().st_size < LARGEST and file.parent == models_folder()
    assert entry.calibration is not None and 0.0 < entry.calibration.min_confidence < 1.0
    assert {"samples", "seed", "drives", "data", "command", "device", "hours"} <= entry.trained.keys()
    assert any(("synthetic rooms" if of_rooms(entry) else "synthetic places, vp2p") in row for row in entry.scores)
    assert entry.licence.startswith("CC-BY-NC-SA-3.0") or not entry.trained["drives"]


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if not of_rooms(entry)])
def test_half_of_unseen_places_are_localized_and_none_is_wrong(name: str) -> None:
    localized = localized_by(name, "vp2p")
    assert len(localized) >= PLACES / 2
    assert not any(row.junk for row in localized) and np.median([row.rte_camera_m for row in localized]) < 0.3


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if of_rooms(entry)])
def test_half_of_unseen_rooms_are_localized_and_few_are_wrong(name: str) -> None:
    localized = localized_by(name, "none", "synthetic.rooms=true")
    assert len(localized) >= PLACES / 2
    assert np.mean([row.rte_camera_m < 0.5 for row in localized]) >= 0.8


def localized_by(name: str, protocol: ProtocolName, *overrides: str) -> list[EvaluatedPair]:
    """The pairs of PLACES synthetic places with a pose by a model."""
    settings = load_settings(overrides=[f"model={name}", "device=cpu", *overrides])
    report = evaluate(i2p.load(name, settings), synthetic_source(settings.synthetic, 4321, PLACES), protocol, 4321)
    return [row for row in report.rows if row.status is Status.OK]
