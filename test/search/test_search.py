# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses judged by descriptors: made-up descriptors of known truth, right and wrong candidates, and spoilt ones."""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.matches import CAMERA, is_near, is_sound, nees, prior_about, rays, stds
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import PnpSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose, so3_log
from i2p_ros.core.types import Agreement, Correspondences, Prediction, Prior, Status
from i2p_ros.pnp import Calibration, NoPoseError
from i2p_ros.search import Look, best_of, locate, propose
from i2p_ros.search.agreement import _agreement, _rotation_vectors

LENS = Camera(360.0, 350.0, 250.0, 90.0, 512, 160, "plumb_bob", (-0.3, 0.1, 1e-3, -1e-3, 0.0))
ELSEWHERE = Pose.from_rotvec([0.0, 0.0, 2.0], [4.0, 1.0, 0.0])


@dataclass(frozen=True)
class World:
    """A prediction whose agreement knows the truth, and an `impostor`: matches of another pose, more and better."""

    prediction: Prediction
    truth: Pose
    impostor: Correspondences


def planted(seed: int, camera: Camera = CAMERA, offset: float = 0.0, n: int = 1500, twins: bool = False) -> World:
    """n points, half of them in view: those have the descriptor of where they fall, plus noise.

    Twins: half of those in view fall there from another pose.
    """
    rng = np.random.default_rng(seed)
    few = camera.undistorted.resized(64, 20)
    cells = cv2.GaussianBlur(rng.normal(size=(few.height, few.width, 16)), (0, 0), 1.0)
    cells /= np.linalg.norm(cells, axis=2, keepdims=True)
    ahead = rays(rng, n // 2, camera=few) * rng.uniform(4.0, 40.0, (n // 2, 1))
    points = np.r_[ahead, rng.uniform([-40.0, -5.0, -40.0], [40.0, 5.0, 40.0], (n - n // 2, 3))]
    pixels, inside = few.project(points)
    seen = cv2.remap(
        cells, *pixels[inside].T.astype(np.float32)[..., None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    descriptors = rng.normal(size=(n, 16))
    descriptors[inside] = seen[:, 0] + 0.3 * rng.normal(size=(inside.sum(), 16))
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    truth = Pose.from_rotvec(rng.normal(size=3), rng.uniform(-10.0, 10.0, 3))
    lidar = truth.inverse().apply(points)
    if twins:
        other = inside & (np.arange(n) % 2 == 0)
        lidar[other] = (ELSEWHERE @ truth).inverse().apply(points[other])
    truth, lidar = truth @ Pose(np.eye(3), np.full(3, -offset)), lidar + offset
    agreement = Agreement(lidar.astype(np.float32), (descriptors @ cells.reshape(-1, 16).T).astype(np.float32), few)
    shown, visible = camera.project(truth.apply(lidar))
    some = np.flatnonzero(visible)[:300]
    wrong = rng.random(len(some)) < 0.6
    right = np.where(
        wrong[:, None], rng.uniform([0, 0], [512, 160], (len(some), 2)), shown[some] + rng.normal(size=(len(some), 2))
    )
    false = rays(rng, 400, camera=camera) * rng.uniform(4.0, 40.0, (400, 1))
    impostor = Correspondences(camera.project(false)[0], (ELSEWHERE @ truth).inverse().apply(false), np.ones(400))
    return World(Prediction((Correspondences(right, lidar[some], np.ones(len(some))),), agreement), truth, impostor)


def test_descriptors_choose_the_right_pose_though_another_has_more_inliers() -> None:
    for seed in range(6):
        world = planted(seed)
        both = replace(world.prediction, candidates=(world.impostor, *world.prediction.candidates))
        estimate = locate(both, CAMERA)
        assert is_near(estimate, world.truth, 0.4, 2.0) and estimate.n_inliers < len(world.impostor) / 2
        assert estimate.evidence is not None and estimate.evidence.margin > 0.2 and estimate.evidence.rival < 0.01


@pytest.mark.parametrize("camera", [CAMERA, LENS], ids=["pinhole", "lens"])
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_the_covariance_holds_the_error(camera: Camera, offset: float) -> None:
    values, positions = [], []
    for seed in range(8):
        world = planted(seed, camera, offset)
        estimate = locate(world.prediction, camera)
        values.append(nees(estimate, world.truth))
        positions.append(stds(estimate)[:3])
    assert np.mean(values) < 9.0 and np.max(positions) < 0.5


def test_map_coordinates_of_a_million_metres_cost_no_more_than_float32_does() -> None:
    for seed in range(4):
        world = planted(seed, offset=1e6)  # float32 tells points 6 cm apart there
        estimate = locate(world.prediction, CAMERA)
        assert is_near(estimate, world.truth, 0.6, 3.0) and nees(estimate, world.truth) < 25.0


def test_two_poses_that_agree_alike_are_not_trusted_and_a_prior_chooses() -> None:
    for seed in range(4):
        world = planted(seed, twins=True)
        candidates = (world.impostor, *world.prediction.candidates)
        estimate = locate(replace(world.prediction, candidates=candidates), CAMERA)
        poses = (world.truth, ELSEWHERE @ world.truth)
        found = estimate.pose or estimate.withheld
        assert found is not None and min(np.abs(found.local(p)).max() for p in poses) < 1.0
        assert estimate.evidence is not None and estimate.evidence.margin < 0.05  # 0.4 without twins
        certain = locate(planted(seed).prediction, CAMERA)
        assert estimate.confidence < certain.confidence
        for right in poses:
            prior = prior_about(right, np.array([0.5] * 3 + [0.03] * 3), np.random.default_rng(seed))
            chosen = locate(replace(world.prediction, candidates=candidates), CAMERA, prior=prior)
            assert is_near(chosen, right, 0.6, 3.0)


@pytest.mark.parametrize("std", [0.02, 0.1, 0.5])
def test_a_prior_narrows_the_covariance_and_keeps_it_true(std: float) -> None:
    values, deviations = [], np.array([std] * 3 + [0.1 * std] * 3)
    for seed in range(20):
        world = planted(seed % 5, offset=30.0)
        estimate = locate(
            world.prediction, CAMERA, prior=prior_about(world.truth, deviations, np.random.default_rng(seed))
        )
        values.append(nees(estimate, world.truth))
        assert (stds(estimate) < 1.2 * deviations).all()  # 1.2: of a few hundred samples
    assert np.mean(values) < 8.0


@pytest.mark.parametrize("off", [[5.0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0.4, 0], [0.6, 0, 0, 0, 0, 0]])
def test_row_57_descriptors_that_contradict_the_prior_leave_the_pose_uncertain(off: list[float]) -> None:
    world = planted(0)
    prior = Prior(world.truth.retract(off), np.diag([0.04] * 3 + [0.01] * 3) ** 2)
    estimate = locate(world.prediction, CAMERA, prior=prior)
    assert estimate.status is Status.UNCERTAIN and "contradicts the prior" in estimate.reason


def test_every_pose_worth_a_look_is_proposed_the_best_turned_round_and_no_other() -> None:
    for seed in range(4):
        world = planted(seed, twins=True)
        both = replace(world.prediction, candidates=(world.impostor, *world.prediction.candidates))
        proposed = propose(both, CAMERA)
        for right in (world.truth, ELSEWHERE @ world.truth):
            assert any(np.abs(pose.local(right)).max() < 1.0 for pose in proposed)
        alone = planted(seed)
        sets = alone.impostor, *alone.prediction.candidates
        best, turned = propose(replace(alone.prediction, candidates=sets), CAMERA)
        assert np.abs(best.local(alone.truth)).max() < 1.0
        np.testing.assert_allclose(turned.inverse().translation, best.inverse().translation, atol=1e-9)
        np.testing.assert_allclose((turned @ best.inverse()).rotation, np.diag([-1.0, 1.0, -1.0]), atol=1e-9)


def test_the_look_that_agrees_best_is_taken_whatever_the_order() -> None:
    for seed in range(4):
        world = planted(seed)
        astray = Look(replace(world.prediction, candidates=(world.impostor,)), ELSEWHERE @ world.truth)
        looks = [astray, Look(world.prediction, world.truth)]
        for order in (looks, looks[::-1]):
            estimate = best_of(order, CAMERA)
            assert is_near(estimate, world.truth, 0.4, 2.0)
            assert estimate.evidence is not None and estimate.evidence.margin > 0.1


def test_looks_that_agree_alike_on_different_poses_are_rivals() -> None:
    for seed in range(4):
        world = planted(seed)
        moved = replace(world.prediction.agreement, points=ELSEWHERE.inverse().apply(world.prediction.agreement.points))
        matches = world.prediction.candidates[0]
        away = replace(matches, points=ELSEWHERE.inverse().apply(matches.points))
        alone = best_of([Look(world.prediction)], CAMERA)
        both = best_of([Look(world.prediction), Look(Prediction((away,), moved))], CAMERA)
        assert alone.evidence is not None and both.evidence is not None
        assert alone.status is Status.OK and alone.evidence.rival < 0.1
        assert both.status is Status.UNCERTAIN and both.evidence.rival > 0.9
        assert both.confidence < alone.confidence


def test_a_look_that_finds_nothing_takes_nothing_from_the_others() -> None:
    world = planted(0)
    nothing = Look(replace(world.prediction, candidates=()))
    assert is_near(best_of([nothing, Look(world.prediction)], CAMERA), world.truth, 0.4, 2.0)
    assert best_of([nothing, nothing], CAMERA).status is Status.TOO_FEW_MATCHES
    with pytest.raises(NoPoseError):
        propose(nothing.prediction, CAMERA)


def test_same_input_same_answer() -> None:
    world = planted(0)
    first, second = locate(world.prediction, CAMERA), locate(world.prediction, CAMERA)
    assert first.pose is not None and second.pose is not None
    np.testing.assert_array_equal(first.pose.matrix, second.pose.matrix)
    np.testing.assert_array_equal(first.covariance, second.covariance)


def test_too_few_matches() -> None:
    world = planted(0)
    none = locate(replace(world.prediction, candidates=()), CAMERA)
    assert none.status is Status.TOO_FEW_MATCHES and none.correspondences is None
    few = tuple(world.impostor.selected(np.arange(n)) for n in (0, 5, 11))
    estimate = locate(replace(world.prediction, candidates=few), CAMERA)
    assert estimate.status is Status.TOO_FEW_MATCHES and len(estimate.correspondences or ()) == 11


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_row_53_similarity_that_is_not_finite(value: float) -> None:
    world = planted(0)
    broken = world.prediction.agreement.similarity.copy()
    broken[:, ::7] = value
    prediction = replace(world.prediction, agreement=replace(world.prediction.agreement, similarity=broken))
    estimate = locate(prediction, CAMERA)
    assert estimate.status is Status.NONFINITE and "similarity" in estimate.reason


def test_row_56_a_view_that_is_empty_or_behind_the_camera() -> None:
    world = planted(0)
    agreement, T = world.prediction.agreement, world.truth
    behind = T.inverse().apply(-np.abs(T.apply(agreement.points)) - [0.0, 0.0, 1.0]).astype(np.float32)
    for points, similarity in ((behind, agreement.similarity), (behind[:0], agreement.similarity[:0])):
        prediction = replace(world.prediction, agreement=replace(agreement, points=points, similarity=similarity))
        estimate = locate(prediction, CAMERA)
        assert estimate.status is Status.NO_CONSENSUS and "in view" in estimate.reason


def test_row_55_descriptors_that_tell_nothing_give_no_confident_pose() -> None:
    for seed in range(4):
        world = planted(seed)
        noise = np.random.default_rng(seed).normal(0.0, 0.2, world.prediction.agreement.similarity.shape)
        agreement = replace(world.prediction.agreement, similarity=noise.astype(np.float32))
        estimate = locate(Prediction((world.impostor,), agreement), CAMERA, PnpSettings(max_std_m=1.0))
        if estimate.pose is not None:
            assert estimate.evidence is not None and estimate.evidence.shortfall > 0.5
            assert stds(estimate)[:3].max() > 0.2


def test_a_pose_that_sees_too_little_itself_is_never_given() -> None:
    """45 points in view and 40 beside it: samples about the pose may see enough, the pose itself does not."""
    for seed in range(6):
        world = planted(seed)
        agreement = world.prediction.agreement
        uv, seen = agreement.camera.project(world.truth.apply(agreement.points))
        off = np.where(seen, 0.0, np.abs(uv[:, 0] - agreement.camera.cx) / agreement.camera.width - 0.5)
        beside = np.flatnonzero((off > 0) & (world.truth.apply(agreement.points)[:, 2] > 1.0))
        few = np.r_[np.flatnonzero(seen)[:45], beside[np.argsort(off[beside])][:40]]
        cut = Agreement(agreement.points[few], agreement.similarity[few], agreement.camera)
        estimate = locate(replace(world.prediction, agreement=cut), CAMERA)
        assert estimate.pose is None or (estimate.evidence is not None and estimate.evidence.agreement > 0.3)


def test_a_closer_look_has_the_last_word_unless_it_sees_nothing() -> None:
    world, asked = planted(0), list[Pose]()
    all_ = world.prediction.agreement
    rough = Look(replace(world.prediction, agreement=Agreement(all_.points[::5], all_.similarity[::5], all_.camera)))
    nothing = Look(replace(world.prediction, candidates=()))

    def closer(pose: Pose) -> Look:
        asked.append(pose)
        return Look(world.prediction, pose)

    def blind(pose: Pose) -> Look:
        raise InputError("nothing in view")

    first, second = best_of([rough], CAMERA), best_of([rough], CAMERA, closer=closer)
    assert first.pose is not None and second.pose is not None and len(asked) == 1
    assert np.abs(asked[0].local(first.pose)).max() == 0.0
    alone = best_of([closer(first.pose)], CAMERA)
    assert alone.pose is not None and np.abs(alone.pose.local(second.pose)).max() == 0.0
    for refused in (blind, lambda pose: nothing):
        kept = best_of([rough], CAMERA, closer=refused)
        assert kept.pose is not None and np.abs(kept.pose.local(first.pose)).max() == 0.0


def test_a_pose_that_is_where_it_was_guessed_needs_no_closer_look() -> None:
    world = planted(0)
    settled = best_of([Look(world.prediction)], CAMERA).pose
    assert settled is not None

    def closer(pose: Pose) -> Look:
        raise AssertionError("asked for another look")

    best_of([Look(world.prediction, settled)], CAMERA, closer=closer)


def test_rotation_vectors_of_many_are_those_of_one() -> None:
    rng = np.random.default_rng(0)
    turns = [Pose.from_rotvec(scale * rng.normal(size=3)).rotation for scale in (0.0, 1e-9, 1e-3, 0.5, 1.5)]
    np.testing.assert_allclose(_rotation_vectors(np.array(turns)), [so3_log(r) for r in turns], atol=1e-12)


WORLDS = [planted(seed, n=n) for seed, n in enumerate((4, 60, 300, 900))]
ODD = [0.0, 1e-30, 1e18, 1e30, np.inf, np.nan]


@st.composite
def predictions(draw: Any) -> tuple[Prediction, Prior | None]:
    """A world with a few odd numbers in it, and perhaps an odd prior."""
    world, rng = draw(st.sampled_from(WORLDS)), np.random.default_rng(draw(st.integers(0, 100)))
    agreement = world.prediction.agreement
    points, similarity = agreement.points.copy(), agreement.similarity.copy()
    matches = [
        replace(m, points=m.points.copy(), pixels=m.pixels.copy())
        for m in (*world.prediction.candidates, world.impostor)
    ]
    for array in draw(st.sets(st.sampled_from(range(4)), max_size=2)):
        spoilt = (points, similarity, matches[0].points, matches[1].pixels)[array]
        if spoilt.size:
            spoilt.flat[rng.integers(0, spoilt.size, draw(st.sampled_from([1, 50])))] = draw(st.sampled_from(ODD))
    chosen = draw(st.lists(st.sampled_from(matches), max_size=3))
    if not draw(st.booleans()):
        return Prediction(tuple(chosen), replace(agreement, points=points, similarity=similarity)), None
    off = draw(st.sampled_from([0.0, 0.1, 1.0, 1e6])) * rng.normal(size=6)
    std = draw(st.sampled_from([1e-6, 1e-2, 1.0, 1e3, 1e6]))
    prior = Prior(world.truth.retract(off), np.diag([std] * 3 + [min(std, 3.0)] * 3) ** 2)
    return Prediction(tuple(chosen), replace(agreement, points=points, similarity=similarity)), prior


@hypothesis_settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(predictions(), st.sampled_from([CAMERA, LENS]))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_any_prediction_gives_a_sound_answer(given_: tuple[Prediction, Prior | None], camera: Camera) -> None:
    assert is_sound(locate(given_[0], camera, prior=given_[1]))


def test_a_calibration_scales_deviations_and_sets_the_least_confidence() -> None:
    world = planted(0, offset=30.0)
    plain = locate(world.prediction, CAMERA)
    scaled = locate(world.prediction, CAMERA, calibration=Calibration(std_scale=(2.0,) * 6))
    np.testing.assert_allclose(scaled.covariance, 4.0 * np.asarray(plain.covariance), rtol=1e-6)
    strict = Calibration(min_confidence=1.0)
    refused = locate(world.prediction, CAMERA, calibration=strict)
    assert refused.status is Status.UNCERTAIN and "pnp.min_confidence" in refused.reason
    assert locate(world.prediction, CAMERA, PnpSettings(min_confidence=0.0), strict).status is Status.OK


@pytest.mark.parametrize(
    ("fitted_on", "enough", "least", "looks"),
    [("some", 0.5, 0.0, 3), ("some", 1.1, 0.0, 4), ("", 0.5, 0.0, 4), ("some", 0.5, 1.0, 4)],
)
def test_looks_end_where_a_calibrated_model_has_no_doubt(
    fitted_on: str, enough: float, least: float, looks: int
) -> None:
    world, taken = planted(8), list[Pose | None]()
    guess = Pose(world.truth.rotation, world.truth.translation + 0.3)

    def look(pose: Pose | None) -> Look:
        taken.append(pose)
        return Look(world.prediction, pose)

    sure = Calibration(confidence_weights=(20.0,) + (0.0,) * 7, fitted_on=fitted_on, min_confidence=least)
    settings = PnpSettings(early_exit_confidence=enough, max_rival=10.0)
    best_of((look(pose) for pose in (guess, guess, guess)), CAMERA, settings, sure, closer=look)
    assert len(taken) == looks


def test_agreement_far_from_the_origin_is_as_near() -> None:
    world, far = planted(9), np.array([4000.0, -7000.0, 50.0])
    T = Pose(world.truth.rotation, world.truth.translation - world.truth.rotation @ far)
    points = world.prediction.agreement.points.astype(np.float64)
    rows = np.arange(len(points))
    here, there = (
        _agreement(world.prediction.agreement, rows, p, pose.rotation[None], pose.translation[None])
        for p, pose in ((points, world.truth), (points + far, T))
    )
    np.testing.assert_allclose(there, here, atol=1e-4)
