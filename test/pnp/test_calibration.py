# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration on synthetic observations of a known distribution, and logistic regression against scipy."""

from dataclasses import replace

import numpy as np
import pytest
import yaml
from pydantic import ValidationError
from scipy.optimize import minimize

from i2p_ros.core.errors import InputError
from i2p_ros.core.types import Evidence, RefinementEvidence
from i2p_ros.pnp.calibration import (
    CLEAR_LEAD,
    EXPECTED_JUNK,
    RIDGE,
    Calibration,
    Observation,
    StatedError,
    confidence_threshold,
    features,
    fit,
    logistic_regression,
)

SCALE = np.array([2.0, 1.5, 3.0, 1.0, 0.7, 1.2])
WEIGHTS = 4.0 * np.array([-10.0, 2.0, 0.5, -0.5, -1.0, 3.0, 8.0, -6.0, 0.0])


def observed(n: int, seed: int, tails: bool = False) -> list[Observation]:
    """Observations that are right with the probability of WEIGHTS, with errors SCALE times as large as stated."""
    rng = np.random.default_rng(seed)
    root = 0.1 * rng.normal(size=(6, 6))
    stated = root @ root.T + 0.01 * np.eye(6)
    draw = rng.standard_t(4, (n, 6)) if tails else rng.normal(size=(n, 6))
    errors = draw @ np.linalg.cholesky(stated).T * SCALE
    found = []
    for error in errors:
        agreement, margin, rival, shortfall = rng.uniform([0.1, 0.0, 0.0, 0.0], [0.8, 0.6, 1.0, 0.5])
        matches = int(rng.integers(50, 600))
        inliers = int(matches * rng.uniform(0.05, 0.9))
        evidence = Evidence(inliers, matches, rival, agreement, margin, shortfall, rng.uniform(0.1, 2.0))
        right = rng.random() < 1.0 / (1.0 + np.exp(-features(evidence) @ WEIGHTS))
        error = error if right else 50.0 * error
        nats = float(np.exp(rng.normal(7.0 if right else 5.0, 0.5)))
        known = RefinementEvidence(6.0, 0.5, 1.0, nats, 5000, 0.1)
        of_refined = replace(evidence, rival=0.0, refinement=known)
        unrefined = StatedError(evidence, error, stated)
        found.append(Observation(bool(right), unrefined, StatedError(of_refined, 0.1 * error, stated)))
    return found


@pytest.fixture(scope="module")
def fitted() -> Calibration:
    return fit(observed(2000, 0), "synthetic")


def test_the_scale_of_each_axis_is_found(fitted: Calibration) -> None:
    np.testing.assert_allclose(fitted.std_scale, SCALE, rtol=0.1)
    np.testing.assert_allclose(fitted.aligned_errors.scale, 0.1 * SCALE, rtol=0.1)
    assert fitted.fitted_on == "synthetic"


def test_row_59_scaled_covariances_contain_the_stated_share_of_errors(fitted: Calibration) -> None:
    for tails, calibration in ((False, fitted), (True, fit(observed(2000, 2, tails=True), ""))):
        kept = [o for o in observed(2000, 3 if not tails else 2, tails) if o.right]
        stated = [o.unrefined for o in kept]
        inside = [s.error @ np.linalg.solve(calibration.scaled(s.covariance), s.error) < 12.59 for s in stated]
        assert np.mean(inside) == pytest.approx(0.95, abs=0.02)


def test_confidence_is_the_share_of_right_poses(fitted: Calibration) -> None:
    fresh = observed(2000, 1)
    confidence = np.array([fitted.confidence(o.unrefined.evidence) for o in fresh])
    right = np.array([o.right for o in fresh])
    bins = np.digitize(confidence, [0.2, 0.4, 0.6, 0.8])
    for k in np.unique(bins):
        assert right[bins == k].mean() == pytest.approx(confidence[bins == k].mean(), abs=0.1)


def test_a_pose_without_a_rival_is_no_surer_than_one_with_a_clear_lead(fitted: Calibration) -> None:
    clear = fitted.most_margin
    assert clear == CLEAR_LEAD / fitted.sharpness < Calibration().most_margin == 1.0
    stated = observed(1, 1)[0]
    assert stated.refined
    for evidence in (stated.unrefined.evidence, stated.refined.evidence):
        half, whole, more = (fitted.confidence(replace(evidence, margin=k * clear)) for k in (0.5, 1.0, 2.0))
        assert half != whole == more


def test_the_threshold_leaves_few_wrong_poses(fitted: Calibration) -> None:
    of_fit = observed(2000, 0)
    kept = [o.right for o in of_fit if fitted.confidence(o.unrefined.evidence) >= fitted.min_confidence]
    refined = [
        o.right for o in of_fit if o.refined and fitted.confidence(o.refined.evidence) >= fitted.aligned_min_confidence
    ]
    assert len(refined) > len(kept) and 1.0 - np.mean(refined) <= EXPECTED_JUNK
    assert len(kept) > 100 and 1.0 - np.mean(kept) <= EXPECTED_JUNK
    fresh = [o.right for o in observed(2000, 1) if fitted.confidence(o.unrefined.evidence) >= fitted.min_confidence]
    assert 1.0 - np.mean(fresh) <= 2 * EXPECTED_JUNK  # other poses: a handful of wrong ones more or less


def test_the_threshold_by_hand() -> None:
    confidence = np.array([0.9, 0.2, 0.8, 0.7])
    assert confidence_threshold(confidence, np.array([True, True, True, True])) == 0.2
    assert confidence_threshold(confidence, np.array([True, True, True, False])) == 0.8
    assert confidence_threshold(confidence, np.array([False, False, False, False])) == 1.0


def test_one_wrong_pose_of_high_confidence_does_not_decide_the_threshold() -> None:
    confidence, right = np.linspace(1.0, 0.9, 130), np.ones(130, bool)
    right[[2, 129]] = False
    assert confidence_threshold(confidence, right) == pytest.approx(0.98, abs=1e-3)  # the mean of all above is 0.99


@pytest.mark.parametrize("share", [0.5, 0.05, 1.0])
def test_logistic_regression_minimises_its_loss(share: float) -> None:
    rng = np.random.default_rng(0)
    x = np.c_[np.ones(300), rng.normal([5.0, 0.0, -2.0], [10.0, 0.1, 1.0], (300, 3)), np.full(300, 7.0)]
    y = rng.random(300) < share / (1.0 + np.exp(-x[:, 1] / 10 - x[:, 3]))
    inside = np.c_[np.ones(300), (x[:, 1:4] - x[:, 1:4].mean(axis=0)) / x[:, 1:4].std(axis=0)]

    def loss(w: np.ndarray) -> float:
        z = inside @ w
        return float(np.logaddexp(0.0, z).sum() - z @ y + 0.5 * RIDGE * w[1:] @ w[1:])

    judged = inside @ minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-7}).x
    np.testing.assert_allclose(x @ logistic_regression(x, y), judged, atol=2e-3)


def test_separable_and_all_right_observations_give_finite_weights() -> None:
    for wrong in (0, 5):
        some = [o for o in observed(400, 0) if o.right][:60]
        bad = [o for o in observed(400, 0) if not o.right][:wrong]
        calibration = fit([*some, *bad], "")
        assert np.isfinite(calibration.confidence_weights).all() and np.isfinite(calibration.std_scale).all()
        assert min(calibration.confidence(o.unrefined.evidence) for o in some) > 0.3


def test_too_few_observations() -> None:
    right = [o for o in observed(400, 0) if o.right]
    wrong = [o for o in observed(400, 0) if not o.right]
    for few in ([], right[:29], [*right[:14], *wrong[:30]]):
        with pytest.raises(InputError, match="needs 30 poses"):
            fit(few, "")


def test_a_calibration_is_the_same_after_json_and_yaml(fitted: Calibration) -> None:
    assert Calibration.model_validate_json(fitted.model_dump_json()) == fitted
    assert Calibration.model_validate(yaml.safe_load(yaml.safe_dump(fitted.model_dump(mode="json")))) == fitted
    with pytest.raises(ValidationError):
        Calibration.model_validate({"std_scale": [1.0] * 5})
    with pytest.raises(ValidationError):
        Calibration.model_validate({"temperature": 1.0})


def test_a_rival_of_a_refined_pose_takes_its_share_of_the_probability(fitted: Calibration) -> None:
    known = RefinementEvidence(6.0, 0.5, 1.0, 2000.0, 5000, 0.1)
    alone = fitted.confidence(Evidence(300, 600, rival=0.0, margin=0.3, refinement=known))
    assert alone > 0.9
    assert fitted.confidence(Evidence(300, 600, rival=0.5, margin=0.3, refinement=known)) == pytest.approx(alone / 1.5)


def test_one_in_twenty_may_be_wrong_if_hardly_any_is_junk() -> None:
    confidence, every = np.linspace(0.9, 0.5, 400), np.ones(400, bool)
    right = every.copy()
    right[19::40] = False  # one in forty, none of the first
    assert confidence_threshold(confidence, right, ~every) == 0.5
    assert confidence_threshold(confidence, right, ~right) == confidence_threshold(confidence, right) > 0.85
    right[9::10] = False
    assert confidence_threshold(confidence, right, ~every) > 0.85


def test_each_source_keeps_its_share_of_wrong_poses_small() -> None:
    """One source of few pairs is hard: the least confidence is as high as it needs."""
    easy = [replace(o, source="easy") for o in observed(1500, 5)]
    hard = [replace(o, source="hard", unrefined=o.unrefined) for o in observed(300, 6)]
    turned = [replace(o, right=not o.right) if k % 9 == 0 else o for k, o in enumerate(hard)]
    low, high = fit([*easy, *hard], "").min_confidence, fit([*easy, *turned], "").min_confidence
    assert high > low


def test_pairs_of_one_block_are_left_out_together() -> None:
    """Copies of a pair tell the cross-validation nothing new, if they are in one block."""
    some = observed(120, 7)
    copies = [replace(o, block=f"{k}") for k, o in enumerate(some) for _ in range(5)]
    leaky = [replace(o, block="") for o in copies]
    assert fit(copies, "").min_confidence >= fit(leaky, "").min_confidence


@pytest.mark.parametrize("old", [{"aligned_scale": [1.0] * 6}, {"confidence_weights": [0.0] * 8}])
def test_a_calibration_of_an_earlier_version_is_refused_with_the_cure(old: dict[str, list[float]]) -> None:
    with pytest.raises(ValidationError, match="run i2p calibrate-covariance"):
        Calibration.model_validate({"std_scale": [1.0] * 6, **old})


def test_without_a_fit_confidence_grows_with_inliers_and_falls_with_rivals() -> None:
    few, many = Calibration().confidence(Evidence(15, 600)), Calibration().confidence(Evidence(300, 600))
    rivalled = Calibration().confidence(Evidence(300, 600, rival=0.7))
    assert 0.0 < few < many < 1.0 and rivalled < many
