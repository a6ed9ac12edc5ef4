# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The objective of alignment: its ascent, and what counts as the same drift."""

import numpy as np
from helpers.alignment import SETTINGS, SPREAD, offset, place

from i2p_ros.alignment.objective import Objective, distinct
from i2p_ros.alignment.pair_signals import PairSignals


def test_an_ascent_never_ends_lower() -> None:
    pair, true = place(3)
    objective = Objective([PairSignals.of(pair, true, SETTINGS)], np.linalg.inv(SPREAD), 0)
    starts = np.array([0.3 * offset(k) for k in range(6)])
    ends = np.array([objective.ascend(start, 8) for start in starts])
    assert (objective.values(ends) >= objective.values(starts)).all()
    assert np.array_equal(objective.best(starts)[0], starts[np.argmax(objective.values(starts))])


def test_repeated_drifts_are_left_out() -> None:
    one = np.zeros(6)
    near, far = one + 0.001, one + np.array([0.05, 0, 0, 0, 0, 0])
    assert [*map(id, distinct([one, near, far]))] == [id(one), id(far)]


def test_a_race_ends_with_nearly_the_best_drifts() -> None:
    pair, true = place(3)
    objective = Objective([PairSignals.of(pair, true, SETTINGS)], np.linalg.inv(SPREAD), 0)
    drifts = np.array([offset(k) for k in range(200)])
    winners, values = objective.values(np.array(objective.raced(drifts, 8))), np.sort(objective.values(drifts))[::-1]
    assert len(winners) == 8 and (np.diff(winners) <= 1e-6).all()
    assert winners[0] == values[0] and winners.mean() > values[16]
