# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Signals are in one file. A toy signal is added to them here, and alignment finds a drift by it.

| to add | files that are touched |
|---|---|
| a plain signal | `FILES_TOUCHED` |
| a predicted signal | the same file, and the network is trained again |
"""

import numpy as np
import pytest
from helpers import ROOT
from helpers.alignment import SETTINGS, drive, place

from i2p_ros.alignment.mutual_information import information, information_terms
from i2p_ros.alignment.pair_signals import PairSignals
from i2p_ros.alignment.pyramid import plain_pyramid
from i2p_ros.alignment.signals import LIDAR, PLAIN, POSITION, SIGNAL_SETS, Floats, PointsInView, Signal, basis_names
from i2p_ros.alignment.window import refine_window

FILES_TOUCHED = ("i2p_ros/alignment/signals.py",)


def reflective(points: PointsInView) -> Floats:
    assert points.intensity is not None
    return np.clip(points.intensity, 0.0, 0.5)


def bright(smooth: Floats) -> Floats:
    return np.maximum(smooth, 60.0)


TOY = Signal("reflective", reflective, POSITION, of_image=bright)


def test_a_toy_signal_is_compared_beside_the_others() -> None:
    pair, true = place(0)
    before = PairSignals.of(pair, true, SETTINGS)
    after = PairSignals.of(pair, true, SETTINGS, plain_pyramid(pair, SETTINGS, (*PLAIN, TOY)))
    assert after.cloud.names == (*before.cloud.names, "reflective")
    drifts = np.array([np.zeros(6), [0, 0, 0, 0.01, 0, 0], [0, 0, 0, 0, -0.01, 0]])
    nats, with_toy = information(before, drifts, 0), information(after, drifts, 0)
    assert with_toy.shape == (3, 3)
    np.testing.assert_allclose(with_toy[:, :2], nats, rtol=1e-5)
    assert with_toy[0, 2] > 1.5 * with_toy[1:, 2].max() > 0.0, "largest at the true pose"
    of_patches = information_terms(after, drifts[0], 0).information.reshape(3, -1)
    np.testing.assert_allclose(of_patches.sum(axis=1), with_toy[0], rtol=1e-5)


def test_a_drift_is_found_by_the_toy_signal_alone() -> None:
    samples, drift = drive(2, 10), np.array([0.0, 0.0, 0.0, *np.radians([0.5, -0.6, 0.0])])
    true = samples[0].T_camera_lidar
    assert true is not None
    nominal = true.retract(-drift)
    pyramids = [plain_pyramid(s.pair, SETTINGS, (TOY,)) for s in samples]
    pairs = [PairSignals.of(s.pair, nominal, SETTINGS, p) for s, p in zip(samples, pyramids, strict=True)]
    error = refine_window(pairs, SETTINGS).delta - nominal.local(true)
    assert np.linalg.norm(error[3:5]) < 0.1 * np.linalg.norm(drift[3:5])


def test_one_file_names_the_signals() -> None:
    users = [*(ROOT / "i2p_ros/alignment").glob("*.py"), *(ROOT / "i2p_ros").glob("*/alignment.py")]
    users += (ROOT / "i2p_ros/networks").glob("*.py")
    names = {signal.name for given in SIGNAL_SETS.values() for signal in given.signals}
    naming = [str(path.relative_to(ROOT)) for path in users if any(f'"{name}"' in path.read_text() for name in names)]
    assert len(users) > 10 and tuple(naming) == FILES_TOUCHED


def test_the_shipped_weights_fix_the_predicted_signals() -> None:
    assert [s.name for s in LIDAR.signals] == ["intensity", "range_jump", "inverse_range", "height"]
    surfaces = [s.name for s in SIGNAL_SETS["surfaces"].signals]
    assert surfaces == ["inverse_range", "height", "normal_x", "normal_y", "normal_z"]
    rows = ["constant", "column", "row", "inverse_range", "intensity", "range_jump", "height"]
    assert [*basis_names(LIDAR.signals)] == rows


@pytest.mark.parametrize("regressed", [(), ("column",), ("constant", "row"), ("constant", "nothing")])
def test_nuisance_terms_are_regressed_out_in_their_order(regressed: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="reflective must regress out the first of"):
        Signal("reflective", reflective, regressed, of_image=bright)
