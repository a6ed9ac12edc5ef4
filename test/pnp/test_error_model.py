# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The model of errors, judged by scipy and by simulated errors of a known distribution."""

import numpy as np
import pytest
import yaml
from scipy import stats
from scipy.optimize import approx_fprime

from i2p_ros.core.consistency import coverage
from i2p_ros.core.types import Evidence, RefinementEvidence
from i2p_ros.pnp.error_model import RIDGE, ErrorModel, StudentLikelihood, fit_errors, trends

SCALE, SLOPES, NU = np.array([2.0, 1.5, 3.0, 1.0, 0.7, 1.2]), np.array([-0.5, 0.4, 0.1, 20.0, -0.3]), 8.0


def evidence_of(rng: np.random.Generator) -> Evidence:
    known = RefinementEvidence(
        standout=rng.uniform(2.0, 30.0), steepness=rng.uniform(0.1, 1.0), moved=rng.uniform(0.2, 3.0),
        information=500.0, points=int(rng.integers(500, 14000)), std_m=0.1,
    )  # fmt: skip
    return Evidence(100, 200, shortfall=rng.uniform(0.01, 0.05), refinement=known)


def simulated(n: int, seed: int, nu: float = NU) -> tuple[np.ndarray, np.ndarray, list[Evidence]]:
    """Errors (n, 6) of a Student-t distribution, the covariances (n, 6, 6) that are stated, and the evidence."""
    rng = np.random.default_rng(seed)
    roots = 0.1 * rng.normal(size=(n, 6, 6))
    stated = roots @ roots.transpose(0, 2, 1) + 0.01 * np.eye(6)
    rounder = stated * (1.0 - 0.05 * (1.0 - np.eye(6)))
    known = [evidence_of(rng) for _ in range(n)]
    factors = SCALE * np.exp([SLOPES @ trends(e) for e in known])[:, None]
    draws = rng.normal(size=(n, 6)) / np.sqrt(rng.chisquare(nu, (n, 1)) / nu)
    return np.einsum("nij,nj->ni", np.linalg.cholesky(rounder), draws) * factors, stated, known


def fitted(n: int, seed: int, nu: float = NU) -> ErrorModel:
    errors, stated, known = simulated(n, seed, nu)
    return fit_errors(errors, stated, np.array([trends(e) for e in known]), np.ones(n))


def nees_of(model: ErrorModel, errors: np.ndarray, stated: np.ndarray, known: list[Evidence]) -> np.ndarray:
    covariances = [model.covariance(c, e) for c, e in zip(stated, known, strict=True)]
    return np.array([e @ np.linalg.solve(c, e) for e, c in zip(errors, covariances, strict=True)])


def test_the_distribution_of_the_errors_is_found() -> None:
    model = fitted(3000, 0)
    assert (np.abs(model.slopes - SLOPES) < [0.05, 0.05, 0.05, 2.0, 0.05]).all()
    assert model.degrees_of_freedom in (6.0, 8.0, 10.0) and model.diagonal_share == 0.05
    assert fitted(3000, 1, nu=1000.0).degrees_of_freedom == 40.0


@pytest.mark.parametrize("nu", [6.0, 20.0])
def test_ellipsoids_of_other_poses_hold_their_share_and_the_mean_nees_is_6(nu: float) -> None:
    model, others = fitted(3000, 2, nu), simulated(3000, 3, nu)
    nees = nees_of(model, *others)
    held = coverage(nees, [0.5, 0.95], model.degrees_of_freedom)
    assert (np.abs(held - [0.5, 0.95]) < [0.04, 0.02]).all()
    assert nees.mean() / 6.0 == pytest.approx(1.0, abs=0.12)
    gaussian = coverage(nees, [0.5])
    assert nu > 6.0 or gaussian[0] > held[0] + 0.06, "a Gaussian of the same covariance is too wide in the middle"


def test_one_factor_for_all_poses_is_not_enough() -> None:
    """Without trends, poses with good evidence have ellipsoids that are too large, and others too small."""
    errors, stated, known = simulated(2000, 4)
    given = np.array([trends(e) for e in known])
    plain = fit_errors(errors, stated, np.zeros_like(given), np.ones(2000))
    assert not any(plain.slopes)
    nees, wide = nees_of(plain, errors, stated, known), given @ SLOPES
    well, badly = nees[wide < np.quantile(wide, 0.2)], nees[wide > np.quantile(wide, 0.8)]
    assert np.median(badly) > 3.0 * np.median(well)
    nees = nees_of(fitted(2000, 4), errors, stated, known)
    well, badly = nees[wide < np.quantile(wide, 0.2)], nees[wide > np.quantile(wide, 0.8)]
    assert np.median(badly) == pytest.approx(np.median(well), rel=0.3)


def test_the_likelihood_is_scipys_and_its_gradient_is_true() -> None:
    errors, stated, known = simulated(40, 5)
    given, weights = np.array([trends(e) for e in known]), np.random.default_rng(0).uniform(0.5, 2.0, 40)
    likelihood = StudentLikelihood(errors, np.linalg.inv(stated), given, weights, NU)
    at = np.concatenate([np.log(SCALE), 0.9 * SLOPES])
    shapes = stated * np.exp(2.0 * (given @ at[6:]))[:, None, None] * np.outer(SCALE, SCALE)
    log_density = [stats.multivariate_t(shape=s, df=NU).logpdf(e) for s, e in zip(shapes, errors, strict=True)]
    offset = 0.5 * weights @ np.linalg.slogdet(stated)[1]
    expected = -weights @ log_density - offset + 0.5 * RIDGE * at[6:] @ at[6:]
    cost, gradient = likelihood.cost(at)
    assert cost == pytest.approx(expected)
    np.testing.assert_allclose(gradient, approx_fprime(at, lambda x: likelihood.cost(x)[0], 1e-6), rtol=1e-3, atol=1e-2)
    assert np.abs(likelihood.cost(likelihood.maximum(at))[1]).max() < 1e-2


def test_a_model_is_the_same_after_json_and_yaml() -> None:
    for model in (fitted(200, 6), ErrorModel()):
        assert ErrorModel.model_validate_json(model.model_dump_json()) == model
        assert ErrorModel.model_validate(yaml.safe_load(yaml.safe_dump(model.model_dump(mode="json")))) == model


def test_without_a_fit_the_covariance_is_the_stated_one() -> None:
    _, stated, known = simulated(1, 7)
    np.testing.assert_allclose(ErrorModel().covariance(stated[0], known[0]), stated[0])


def test_evidence_beyond_that_of_the_fit_counts_as_its_end() -> None:
    model, (_, stated, known) = fitted(300, 8), simulated(1, 9)
    assert known[0].refinement is not None
    far = [Evidence(100, 200, shortfall=s, refinement=known[0].refinement) for s in (0.06, 0.5)]
    near, beyond = (model.covariance(stated[0], e) for e in far)
    np.testing.assert_allclose(near, beyond)
