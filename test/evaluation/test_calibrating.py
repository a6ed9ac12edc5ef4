# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs of a calibration, and those without the right guesses."""

import numpy as np

import i2p_ros as i2p
from i2p_ros.core.config import Settings
from i2p_ros.core.source import Source
from i2p_ros.evaluation.calibrating import LOST_EVERY, LOST_RAD, LostLocalizer, Part, _observed
from i2p_ros.localizer import Localizer
from i2p_ros.pnp import Calibration


def uncalibrated() -> Localizer:
    loaded = i2p.load("vp2p-small")
    before = Calibration(sharpness=loaded.calibration.sharpness)
    return Localizer(loaded.family, loaded.runtime, loaded.settings, loaded.name, before)


def places(n: int) -> Source:
    return i2p.open_source("synthetic", settings=Settings(), seed=7, n=n)


def test_a_lost_localizer_has_a_wrong_answer_of_lower_confidence() -> None:
    raw, calibrated, sample = uncalibrated(), i2p.load("vp2p-small"), places(1)[0]
    truth = sample.T_camera_lidar
    assert truth is not None
    found = raw.localize_pair(sample.pair).pose
    assert found is not None and np.linalg.norm(found.local(truth)[3:]) < 0.02
    wrong = LostLocalizer(raw, truth).localize_pair(sample.pair, settings=raw.settings.any_confidence)
    assert wrong.pose is not None and np.linalg.norm(wrong.pose.local(truth)[3:]) > 0.5 * LOST_RAD
    lost, right = (one.localize_pair(sample.pair) for one in (LostLocalizer(calibrated, truth), calibrated))
    assert right.pose is not None and lost.confidence < right.confidence - 0.02


def test_one_pair_of_a_few_is_observed_a_second_time_as_a_lost_one() -> None:
    n = LOST_EVERY + 1
    observed = _observed(uncalibrated(), Part(places(n), "vp2p", 7, "places"), lambda done, total: None)
    wrong = [o for o in observed if not o.right]
    assert len(observed) - len(wrong) == n and 1 <= len(wrong) <= 2
    assert {o.block for o in wrong} <= {f"{places(n).name}/{k}" for k in (0, LOST_EVERY)}
    assert all(o.refined is None or o.refined.is_junk for o in wrong)
