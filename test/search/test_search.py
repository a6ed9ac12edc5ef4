# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses judged by descriptors: made-up descriptors of known truth, right and wrong candidates, and spoilt ones."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers.descriptors import ELSEWHERE, LENS, planted, similarity_of
from helpers.matches import CAMERA, is_near, is_sound, nees, prior_about, stds
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import PnpSettings
from i2p_ros.core.geometry import Pose, from_camera_axes, so3_log
from i2p_ros.core.headings import Headings
from i2p_ros.core.place import LidarPlace
from i2p_ros.core.types import Correspondences, DescriptorSimilarity, PoseEstimate, Prediction, Prior, Status
from i2p_ros.pnp import Calibration, NoPoseError
from i2p_ros.search import PoseSearch
from i2p_ros.search.hypotheses import Hypothesis, proposals
from i2p_ros.search.likelihood import DescriptorLikelihood
from i2p_ros.search.prior import rotation_vectors


def search(
    camera: Camera = CAMERA,
    settings: PnpSettings | None = None,
    calibration: Calibration | None = None,
    prior: Prior | None = None,
) -> PoseSearch:
    return PoseSearch(camera, settings or PnpSettings(), calibration or Calibration(), prior)


def with_values(prediction: Prediction, values: NDArray[np.float32]) -> DescriptorSimilarity:
    """The similarity of a prediction with other values."""
    similarity = prediction.similarity
    assert similarity is not None
    return similarity_of(similarity.points, values, similarity.camera)


def selected(passes: list[tuple[Prediction, Pose | None]], of: PoseSearch) -> PoseEstimate:
    """The estimate of several forward passes."""
    results = [of.estimate(*one) for one in passes]
    return of.judge(of.select(results), results)


def locate(
    prediction: Prediction,
    camera: Camera = CAMERA,
    settings: PnpSettings | None = None,
    calibration: Calibration | None = None,
    prior: Prior | None = None,
) -> PoseEstimate:
    """The estimate of one forward pass over the whole cloud."""
    return selected([(prediction, None)], search(camera, settings, calibration, prior))


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


def test_every_likely_pose_and_the_best_one_turned_are_proposed() -> None:
    for seed in range(4):
        world = planted(seed, twins=True)
        both = replace(world.prediction, candidates=(world.impostor, *world.prediction.candidates))
        proposed = search().propose(both)
        for right in (world.truth, ELSEWHERE @ world.truth):
            assert any(np.abs(pose.local(right)).max() < 1.0 for pose in proposed)
        alone = planted(seed)
        sets = alone.impostor, *alone.prediction.candidates
        best, turned = search().propose(replace(alone.prediction, candidates=sets))
        assert np.abs(best.local(alone.truth)).max() < 1.0
        np.testing.assert_allclose(turned.inverse().translation, best.inverse().translation, atol=1e-9)
        np.testing.assert_allclose((turned @ best.inverse()).rotation, np.diag([-1.0, 1.0, -1.0]), atol=1e-9)


def test_headings_choose_between_poses_that_agree_alike_and_where_the_best_is_turned_to() -> None:
    """The likelier heading comes first, unless descriptors say more. The turned one looks in the other heading."""
    frame, nothing = (
        Pose.from_rotvec([0.3, -1.0, 2.0]),
        Correspondences(np.zeros((0, 2)), np.zeros((0, 3)), np.zeros(0)),
    )
    level = Pose.from_rotvec([1.2, -1.2, 1.2])
    one, other = (
        level @ Pose.from_rotvec([0.0, 0.0, -np.radians(at)], [at / 10.0, 0.0, 0.0]) @ frame for at in (0.0, 90.0)
    )
    second = round(np.degrees(np.arctan2(*(other.rotation @ frame.rotation.T)[2, [1, 0]]))) % 360
    shares = np.full(360, 1e-4)
    shares[[second, (second + 180) % 360]] = 1.0, 0.5
    headings = Headings(shares / shares.sum(), frame)
    for ahead, expected in ((3.0, other), (20.0, one)):
        ranked = [Hypothesis(one, nothing, 50.0), Hypothesis(other, nothing, 50.0 - ahead)]
        best, turned, *_ = proposals(ranked, 120.0, headings)
        assert np.abs(best.local(expected)).max() < 1e-9 and proposals(ranked, 120.0)[0] is one
        np.testing.assert_allclose(turned.inverse().translation, best.inverse().translation, atol=1e-9)
        at = np.degrees(np.arctan2(*(turned.rotation @ frame.rotation.T)[2, [1, 0]]))
        assert abs((at - (second + 180 if expected is other else second) + 180) % 360 - 180) < 1.0


def test_the_pass_with_the_highest_score_is_selected_in_any_order() -> None:
    for seed in range(4):
        world = planted(seed)
        astray = (replace(world.prediction, candidates=(world.impostor,)), ELSEWHERE @ world.truth)
        passes = [astray, (world.prediction, world.truth)]
        for order in (passes, passes[::-1]):
            estimate = selected(order, search())
            assert is_near(estimate, world.truth, 0.4, 2.0)
            assert estimate.evidence is not None and estimate.evidence.margin > 0.1


def test_the_refinement_starts_from_poses_that_differ_the_best_first() -> None:
    world = planted(1)
    moved = replace(world.prediction.similarity, points=ELSEWHERE.inverse().apply(world.prediction.similarity.points))
    matches = world.prediction.candidates[0]
    away = Prediction((replace(matches, points=ELSEWHERE.inverse().apply(matches.points)),), moved)
    of = search()
    best, again, other = (of.estimate(each) for each in (world.prediction, world.prediction, away))
    refused = of.estimate(Prediction())
    assert of.starts(best, [again, refused, other], 1) == [best]
    assert [one.estimate.pose for one in of.starts(best, [again, refused, other], 3)] == [
        best.estimate.pose, other.estimate.pose
    ]  # fmt: skip
    assert of.starts(refused, [refused], 3) == [refused]


def test_passes_with_equal_scores_at_different_poses_are_rivals() -> None:
    for seed in range(4):
        world = planted(seed)
        moved = replace(
            world.prediction.similarity, points=ELSEWHERE.inverse().apply(world.prediction.similarity.points)
        )
        matches = world.prediction.candidates[0]
        away = replace(matches, points=ELSEWHERE.inverse().apply(matches.points))
        alone = selected([(world.prediction, None)], search())
        both = selected([(world.prediction, None), (Prediction((away,), moved), None)], search())
        assert alone.evidence is not None and both.evidence is not None
        assert alone.status is Status.OK and alone.evidence.rival < 0.1
        assert both.status is Status.UNCERTAIN and both.evidence.rival > 0.9
        assert both.confidence < alone.confidence


def test_of_two_equal_poses_the_one_near_the_lidar_is_selected() -> None:
    for seed in range(4):
        world = planted(seed)
        similarity, matches = world.prediction.similarity, world.prediction.candidates[0]
        assert similarity is not None
        away = Prediction(
            (replace(matches, points=ELSEWHERE.inverse().apply(matches.points)),),
            replace(similarity, points=ELSEWHERE.inverse().apply(similarity.points)),
        )
        near = replace(search(), place=LidarPlace(world.truth.inverse().translation, 0.3))
        for order in ([world.prediction, away], [away, world.prediction]):
            estimate = selected([(one, None) for one in order], near)
            assert is_near(estimate, world.truth, 0.4, 2.0)
            assert estimate.evidence is not None and estimate.evidence.rival < 0.1
            assert -1.0 < estimate.evidence.log_place <= 0.0


def test_a_pose_far_from_the_lidar_does_not_contradict_a_prior() -> None:
    world = planted(0)
    prior = Prior(world.truth, from_camera_axes(world.truth, np.diag([0.3] * 3 + [0.05] * 3) ** 2))
    far = LidarPlace(world.truth.inverse().translation + 50.0, 0.7)
    estimate = selected([(world.prediction, None)], replace(search(prior=prior), place=far))
    assert is_near(estimate, world.truth, 0.4, 2.0)
    assert estimate.evidence is not None and estimate.evidence.log_place < -20.0


def test_a_pass_without_a_pose_does_not_change_the_others() -> None:
    world = planted(0)
    nothing = (replace(world.prediction, candidates=()), None)
    assert is_near(selected([nothing, (world.prediction, None)], search()), world.truth, 0.4, 2.0)
    assert selected([nothing, nothing], search()).status is Status.TOO_FEW_MATCHES
    with pytest.raises(NoPoseError):
        search().propose(nothing[0])


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
    broken = world.prediction.similarity.values.copy()
    broken[:, ::7] = value
    prediction = replace(world.prediction, similarity=with_values(world.prediction, broken))
    estimate = locate(prediction, CAMERA)
    assert estimate.status is Status.NONFINITE and "similarity" in estimate.reason


def test_row_56_a_view_that_is_empty_or_behind_the_camera() -> None:
    world = planted(0)
    similarity, T = world.prediction.similarity, world.truth
    behind = T.inverse().apply(-np.abs(T.apply(similarity.points)) - [0.0, 0.0, 1.0]).astype(np.float32)
    for points, values in ((behind, similarity.values), (behind[:0], similarity.values[:0])):
        prediction = replace(world.prediction, similarity=similarity_of(points, values, similarity.camera))
        estimate = locate(prediction, CAMERA)
        assert estimate.status is Status.NO_CONSENSUS and "in view" in estimate.reason


def test_row_55_descriptors_that_tell_nothing_give_no_confident_pose() -> None:
    for seed in range(4):
        world = planted(seed)
        noise = np.random.default_rng(seed).normal(0.0, 0.2, world.prediction.similarity.values.shape)
        similarity = with_values(world.prediction, noise.astype(np.float32))
        estimate = locate(Prediction((world.impostor,), similarity), CAMERA, PnpSettings(max_std_m=1.0))
        if estimate.pose is not None:
            assert estimate.evidence is not None and estimate.evidence.shortfall > 0.5
            assert stds(estimate)[:3].max() > 0.2


def test_a_pose_that_sees_too_little_itself_is_never_given() -> None:
    """45 points in view and 40 beside it: samples about the pose may see enough, the pose itself does not."""
    for seed in range(6):
        world = planted(seed)
        similarity = world.prediction.similarity
        uv, seen = similarity.camera.project(world.truth.apply(similarity.points))
        off = np.where(seen, 0.0, np.abs(uv[:, 0] - similarity.camera.cx) / similarity.camera.width - 0.5)
        beside = np.flatnonzero((off > 0) & (world.truth.apply(similarity.points)[:, 2] > 1.0))
        few = np.r_[np.flatnonzero(seen)[:45], beside[np.argsort(off[beside])][:40]]
        cut = similarity_of(similarity.points[few], similarity.values[few], similarity.camera)
        estimate = locate(replace(world.prediction, similarity=cut), CAMERA)
        assert estimate.pose is None or (estimate.evidence is not None and estimate.evidence.similarity > 0.3)


def test_rotation_vectors_of_many_are_those_of_one() -> None:
    rng = np.random.default_rng(0)
    turns = [Pose.from_rotvec(scale * rng.normal(size=3)).rotation for scale in (0.0, 1e-9, 1e-3, 0.5, 1.5)]
    np.testing.assert_allclose(rotation_vectors(np.array(turns)), [so3_log(r) for r in turns], atol=1e-12)


WORLDS = [planted(seed, n=n) for seed, n in enumerate((4, 60, 300, 900))]
ODD = [0.0, 1e-30, 1e18, 1e30, np.inf, np.nan]


@st.composite
def predictions(draw: Any) -> tuple[Prediction, Prior | None]:
    """A world with a few odd numbers in it, and perhaps an odd prior."""
    world, rng = draw(st.sampled_from(WORLDS)), np.random.default_rng(draw(st.integers(0, 100)))
    similarity = world.prediction.similarity
    points, values = similarity.points.copy(), similarity.values.copy()
    matches = [
        replace(m, points=m.points.copy(), pixels=m.pixels.copy())
        for m in (*world.prediction.candidates, world.impostor)
    ]
    for array in draw(st.sets(st.sampled_from(range(4)), max_size=2)):
        spoilt = (points, values, matches[0].points, matches[1].pixels)[array]
        if spoilt.size:
            spoilt.flat[rng.integers(0, spoilt.size, draw(st.sampled_from([1, 50])))] = draw(st.sampled_from(ODD))
    chosen = draw(st.lists(st.sampled_from(matches), max_size=3))
    if not draw(st.booleans()):
        return Prediction(tuple(chosen), similarity_of(points, values, similarity.camera)), None
    off = draw(st.sampled_from([0.0, 0.1, 1.0, 1e6])) * rng.normal(size=6)
    std = draw(st.sampled_from([1e-6, 1e-2, 1.0, 1e3, 1e6]))
    prior = Prior(world.truth.retract(off), np.diag([std] * 3 + [min(std, 3.0)] * 3) ** 2)
    return Prediction(tuple(chosen), similarity_of(points, values, similarity.camera)), prior


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


def test_similarity_far_from_the_origin_is_as_near() -> None:
    world, far = planted(9), np.array([4000.0, -7000.0, 50.0])
    T = Pose(world.truth.rotation, world.truth.translation - world.truth.rotation @ far)
    points = world.prediction.similarity.points.astype(np.float64)
    here, there = (
        DescriptorLikelihood(replace(world.prediction.similarity, points=p), 1.0).mean_similarity(pose)
        for p, pose in ((points, world.truth), (points + far, T))
    )
    np.testing.assert_allclose(there, here, atol=1e-4)


def test_matches_alone_are_judged_by_the_solver() -> None:
    world = planted(0)
    few = world.prediction.candidates[0].selected(np.arange(30))
    bare = Prediction((few, world.prediction.candidates[0]))
    estimate = locate(bare)
    assert is_near(estimate, world.truth, 0.4, 2.0) and len(estimate.correspondences or ()) > 30
    (proposed,) = search().propose(bare)
    assert np.abs(proposed.local(world.truth)).max() < 1.0
    assert locate(Prediction()).status is Status.TOO_FEW_MATCHES
    with pytest.raises(NoPoseError):
        search().propose(Prediction((few.selected(np.arange(3)),)))


def test_matches_alone_that_support_two_poses_alike_are_rivals() -> None:
    world = planted(0)
    matches = world.prediction.candidates[0]
    away = replace(matches, points=ELSEWHERE.inverse().apply(matches.points))
    one, two = (Prediction((matches,)), None), (Prediction((away,)), None)
    both = selected([one, two], search())
    assert both.status is Status.UNCERTAIN and both.evidence is not None and both.evidence.rival > 0.9


def test_a_regressed_pose_is_taken_with_its_covariance_unless_that_is_weak() -> None:
    truth = planted(0).truth
    covariance = np.diag([0.1] * 3 + [0.01] * 3) ** 2
    estimate = locate(Prediction(pose=Prior(truth, covariance)), calibration=Calibration(std_scale=(2.0,) * 6))
    assert estimate.pose is not None and np.abs(estimate.pose.local(truth)).max() == 0.0
    np.testing.assert_allclose(estimate.covariance, 4.0 * covariance, rtol=1e-9, atol=1e-15)
    weak = locate(Prediction(pose=Prior(truth, 1e4 * np.eye(6))))
    assert weak.status is Status.DEGENERATE and "pnp.max_std_m" in weak.reason


@pytest.mark.parametrize("std_m", [0.1, 100.0])
def test_a_regressed_pose_is_proposed_and_with_headings_turned_to_the_likeliest_other(std_m: float) -> None:
    """However uncertain: a pass near a wrong proposal does no harm."""
    truth = planted(0).truth
    prediction = Prediction(pose=Prior(truth, std_m**2 * np.eye(6)))
    (alone,) = search().propose(prediction)
    assert alone is truth
    headings = Headings(np.full(360, 1.0 / 360.0), Pose.identity())
    best, other = search().propose(replace(prediction, headings=headings))
    assert best is truth
    np.testing.assert_allclose(other.inverse().translation, truth.inverse().translation, atol=1e-9)
    assert np.linalg.norm(so3_log(best.rotation @ other.rotation.T)) > np.radians(175.0)


def test_of_regressed_poses_the_one_with_the_most_support_is_selected() -> None:
    """The number of matches that agree does not tell: they agree with wrong poses as well."""
    world = planted(0)
    matches, covariance = world.prediction.candidates[0], np.diag([0.1] * 3 + [0.01] * 3) ** 2
    right = Prediction(pose=Prior(world.truth, covariance), support=0.6, shortfall=0.02)
    wrong = Prediction((matches,), pose=Prior(world.truth @ ELSEWHERE, covariance), support=0.5)
    for passes in ([(right, None), (wrong, None)], [(wrong, None), (right, None)]):
        found = selected(passes, search())
        assert found.pose is not None and np.abs(found.pose.local(world.truth)).max() == 0.0
        assert found.evidence is not None and found.evidence.similarity == 0.6 and found.evidence.shortfall == 0.02
        assert found.evidence.margin == pytest.approx(0.1) and found.evidence.rival < 1e-4


def test_a_calibration_applies_to_matches_alone_too() -> None:
    world = planted(0)
    bare = Prediction((world.prediction.candidates[0],))
    plain, scaled = locate(bare), locate(bare, calibration=Calibration(std_scale=(2.0,) * 6))
    np.testing.assert_allclose(scaled.covariance, 4.0 * np.asarray(plain.covariance), rtol=1e-6)
    strict = locate(bare, calibration=Calibration(min_confidence=1.0))
    assert strict.status is Status.UNCERTAIN and "pnp.min_confidence" in strict.reason
    sure = Calibration(confidence_weights=(20.0,) + (0.0,) * 8)
    assert locate(bare, settings=PnpSettings(min_confidence=0.99), calibration=sure).status is Status.OK


def test_a_prior_chooses_between_regressed_poses_and_between_matches_alone() -> None:
    world = planted(0)
    matches, here = world.prediction.candidates[0], world.truth
    away = replace(matches, points=ELSEWHERE.inverse().apply(matches.points))
    there = here @ ELSEWHERE
    covariance = np.diag([0.1] * 3 + [0.01] * 3) ** 2
    for pose, other in ((here, there), (there, here)):
        prior = Prior(pose, 4.0 * covariance)
        regressed = [(Prediction(pose=Prior(each, covariance)), None) for each in (other, pose)]
        found = selected(regressed, search(prior=prior))
        assert found.pose is not None and np.abs(found.pose.local(pose)).max() == 0.0
    wide = np.diag([2.0] * 3 + [0.2] * 3) ** 2
    bare = [(Prediction((each,)), None) for each in (away, matches)]
    found = selected(bare, search(prior=Prior(here, wide)))
    assert is_near(found, here, 0.4, 2.0)
