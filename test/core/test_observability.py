# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Words and shares of information of the axes of a calibration."""

import numpy as np

from i2p_ros.core.drifts import AXES, INTERVAL
from i2p_ros.core.observability import Seen, directions, information_shares

LIMITS = np.repeat([0.1, np.radians(0.5)], 3)


def of_half(*shares_of_limit: float) -> np.ndarray:
    """Diagonal covariance whose 95 % intervals are these shares of the limits."""
    return np.diag((np.array(shares_of_limit) * LIMITS / INTERVAL) ** 2)


def test_axes_seen_alike_and_independently_have_all_information() -> None:
    assert np.allclose(information_shares(of_half(*[0.1] * 6), LIMITS), 1.0)


def test_shares_do_not_depend_on_the_length_of_the_recording() -> None:
    covariance = of_half(0.1, 0.2, 0.3, 0.1, 0.1, 0.2)
    assert np.allclose(information_shares(covariance, LIMITS), information_shares(covariance / 7.0, LIMITS))


def test_an_axis_that_cannot_be_told_from_another_loses_information_as_the_schur_complement_does() -> None:
    information = np.eye(6) / np.outer(LIMITS, LIMITS) * 1e4
    information[1, 3] = information[3, 1] = 0.99 * np.sqrt(information[1, 1] * information[3, 3])
    shares = information_shares(np.linalg.inv(information), LIMITS)
    rest = information[1, 1] - information[1, 3] ** 2 / information[3, 3]
    assert np.isclose(shares[1] / shares[0], rest / information[1, 1]) and np.isclose(shares.sum(), 6.0)
    words = {direction.axis: direction.word for direction in directions(np.linalg.inv(information), LIMITS)}
    assert words == {axis: Seen.WEAK if axis in ("ty", "rx") else Seen.WELL for axis in AXES}


def test_wide_intervals_are_weak_or_not_seen_and_have_a_cure() -> None:
    found = directions(of_half(0.4, 0.6, 1.1, 0.4, 0.4, 0.4), LIMITS)
    assert [direction.word for direction in found[:3]] == [Seen.WELL, Seen.WEAK, Seen.NOT]
    assert not found[0].cure and "closer" in found[2].cure and found[1].cure
    assert found[2].to_json()["word"] == "not seen"
