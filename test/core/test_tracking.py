# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The tracker against simulated drives, whose truth is known, and against finite differences and scipy."""

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import chi2

from i2p_ros.core.config import TrackingSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose, adjoint, from_camera_axes, skew, to_camera_axes
from i2p_ros.core.tracking import GIVEN_STD, State, Tracker, _se3_left_jacobian, prior_of_body
from i2p_ros.core.types import PoseEstimate, Prior, Status

HZ = 10.0
STEP = round(1e9 / HZ)
START = 1_700_000_000 * 10**9
R = np.diag(np.array([0.2, 0.1, 0.3, 0.01, 0.01, 0.02]) ** 2)  # of a localizer that gets no prior, in camera axes
MOVING = TrackingSettings(prior="constant_velocity")


def drive(n, rng, settings=MOVING):
    """T_camera_map and stamps of a camera that moves as the tracker believes."""
    pose = Pose.from_rotvec(rng.normal(size=3), rng.uniform(-30, 30, 3))
    velocity = np.array([0.0, 0.0, -8.0, 0.0, 0.2, 0.0])
    rates = np.repeat([settings.acceleration, np.radians(settings.turn_acceleration_deg)], 3)
    poses, fine = [], 4
    for _ in range(n):
        poses.append(pose)
        for _ in range(fine):
            velocity = velocity + rng.normal(size=6) * rates * np.sqrt(1 / HZ / fine)
            pose = Pose.exp(velocity / HZ / fine) @ pose
    return poses, [START + k * STEP for k in range(n)]


def localized(truth, prior, rng):
    """What a localizer with normal errors answers: its own finding, joined with the prior if it has one."""
    found = Pose.exp(rng.multivariate_normal(np.zeros(6), R)) @ truth
    covariance = R
    if prior is not None:
        known = to_camera_axes(prior.pose, prior.covariance)
        gain = known @ np.linalg.inv(known + R)
        found = Pose.exp(gain @ (found @ prior.pose.inverse()).log()) @ prior.pose
        covariance = (np.eye(6) - gain) @ known
    return PoseEstimate(Status.OK, pose=found, covariance=from_camera_axes(found, covariance))


def nees(truth, pose, covariance):
    off = (truth @ pose.inverse()).log()
    return off @ np.linalg.solve(to_camera_axes(pose, covariance), off)


def test_the_adjoint_moves_a_twist_past_a_pose():
    rng = np.random.default_rng(0)
    pose, xi = Pose.from_rotvec(rng.normal(size=3), rng.normal(size=3)), rng.normal(size=6)
    np.testing.assert_allclose((pose @ Pose.exp(xi)).matrix, (Pose.exp(adjoint(pose) @ xi) @ pose).matrix, atol=1e-12)


def test_the_left_jacobian_is_that_of_the_matrix_exponential():
    rng = np.random.default_rng(1)
    xi = 0.2 * rng.normal(size=6)

    def exp(v):
        hat = np.zeros((4, 4))
        hat[:3, :3], hat[:3, 3] = skew(v[3:]), v[:3]
        return Pose.from_matrix(expm(hat))

    numeric = np.stack([(exp(xi + 1e-6 * e) @ exp(xi).inverse()).log() / 1e-6 for e in np.eye(6)], axis=1)
    np.testing.assert_allclose(_se3_left_jacobian(xi), numeric, atol=2e-4)


def test_covariances_change_coordinates_as_samples_do():
    rng = np.random.default_rng(2)
    pose = Pose.from_rotvec(rng.normal(size=3), [3.0, -2.0, 5.0])
    known = np.diag(np.array([0.1, 0.2, 0.3, 0.01, 0.02, 0.03]) ** 2) * 1e-2
    drawn = [(pose.retract(d) @ pose.inverse()).log() for d in rng.multivariate_normal(np.zeros(6), known, 20_000)]
    sampled, ours = np.cov(np.array(drawn).T), to_camera_axes(pose, known)
    scale = np.sqrt(np.outer(np.diag(ours), np.diag(ours)))
    np.testing.assert_allclose(sampled / scale, ours / scale, atol=0.04)
    np.testing.assert_allclose(from_camera_axes(pose, ours), known, atol=1e-12)


def test_the_pose_of_a_body_becomes_that_of_the_camera_as_samples_do():
    rng = np.random.default_rng(3)
    T_camera_body, T_frame_body, T_frame_cloud = (
        Pose.from_rotvec(rng.normal(size=3), rng.normal(size=3) * 3) for _ in range(3)
    )
    known = np.diag(np.array([0.1, 0.2, 0.3, 0.01, 0.02, 0.03]) ** 2) * 1e-2
    given = prior_of_body(T_camera_body, T_frame_body, known, T_frame_cloud)
    drawn = [
        given.pose.local(T_camera_body @ T_frame_body.retract(d).inverse() @ T_frame_cloud)
        for d in rng.multivariate_normal(np.zeros(6), known, 20_000)
    ]
    ours = given.covariance - from_camera_axes(given.pose, np.diag(GIVEN_STD**2))
    scale = np.sqrt(np.outer(np.diag(ours), np.diag(ours)))
    np.testing.assert_allclose(np.cov(np.array(drawn).T) / scale, ours / scale, atol=0.04)
    with pytest.raises(InputError):
        prior_of_body(T_camera_body, T_frame_body, np.full((6, 6), np.nan), T_frame_cloud)


@pytest.mark.parametrize("fuses", [True, False], ids=["the localizer takes the prior", "it does not"])
def test_predictions_are_as_far_off_as_they_say(fuses):
    settings = MOVING.model_copy(update={"gate": 1e9, "prior_std_m": 99.0, "prior_std_deg": 179.0, "speed_std": 9.0})
    of_predictions, of_poses = [], []
    for seed in range(16):
        rng = np.random.default_rng(seed)
        tracker = Tracker(settings)
        for k, (truth, stamp) in enumerate(zip(*drive(40, rng), strict=True)):
            prior = tracker.predict(stamp)
            estimate = tracker.judge(stamp, localized(truth, prior if fuses else None, rng))
            if k > 5 and k % 5 == 0:  # neighbours are correlated
                of_predictions.append(nees(truth, prior.pose, prior.covariance))
                of_poses.append(nees(truth, estimate.pose, estimate.covariance))
    low, high = chi2.interval(0.999, 6 * len(of_poses)) / np.array(len(of_poses))
    assert low < np.mean(of_poses) < high
    assert 0.85 * low < np.mean(of_predictions) < 1.1 * high  # to first order


def test_a_prior_makes_poses_better():
    errors = {True: [], False: []}
    for fuses in errors:
        rng = np.random.default_rng(5)
        tracker = Tracker(MOVING)
        for truth, stamp in zip(*drive(100, np.random.default_rng(4)), strict=True):
            prior = tracker.predict(stamp)
            estimate = tracker.judge(stamp, localized(truth, prior if fuses else None, rng))
            errors[fuses].append(np.linalg.norm((estimate.pose @ truth.inverse()).log()[:3]))
    assert np.mean(errors[True]) < 0.9 * np.mean(errors[False])


def test_junk_is_withheld_and_the_drive_goes_on():
    rng, tracker = np.random.default_rng(6), Tracker(MOVING)
    withheld = []
    for k, (truth, stamp) in enumerate(zip(*drive(100, rng), strict=True)):
        junk = k > 5 and k % 7 == 0
        prior = tracker.predict(stamp)
        seen = Pose.exp(np.array([8.0, 0, 0, 0, 0.5, 0])) @ truth if junk else truth
        estimate = tracker.judge(stamp, localized(seen, None if junk else prior, rng))
        withheld.append((junk, estimate.pose is None))
        if estimate.pose is None:
            assert estimate.status is Status.UNCERTAIN and "far from the prediction" in estimate.reason
            assert estimate.withheld is not None and tracker.misses > 0
    missed = sum(junk and not out for junk, out in withheld)
    falsely = sum(out and not junk for junk, out in withheld)
    assert missed == 0 and falsely <= 1


def kidnapped(tracker, rng, steals_prior):
    """Pairs until a pose is accepted again after the camera was put elsewhere, and whether any junk went out."""
    poses, stamps = drive(60, rng)
    elsewhere = Pose.exp(np.array([20.0, 5.0, -10.0, 0.1, 1.5, 0.2]))
    for k, (truth, stamp) in enumerate(zip(poses, stamps, strict=True)):
        prior = tracker.predict(stamp)
        truth = truth if k < 20 else elsewhere @ truth
        if k >= 20 and prior is not None and steals_prior:  # looks near the prior alone, and finds nothing
            estimate = PoseEstimate(Status.NO_CONSENSUS, "nothing there")
        else:
            estimate = localized(truth, None, rng)
        estimate = tracker.judge(stamp, estimate)
        if k >= 20 and estimate.pose is not None:
            return k - 20, np.linalg.norm((estimate.pose @ truth.inverse()).log()[:3])
    raise AssertionError("locked out")


@pytest.mark.parametrize("steals_prior", [True, False])
def test_row_57_a_kidnapped_camera_is_found_again_after_as_many_rejections_as_are_allowed(steals_prior):
    for seed in range(6):
        tracker = Tracker(MOVING)
        pairs, off = kidnapped(tracker, np.random.default_rng(seed), steals_prior)
        assert pairs == MOVING.lost_after and off < 2.0
        assert tracker.state is State.TRACKING and tracker.misses == 0


def test_states_and_their_reasons():
    rng, tracker = np.random.default_rng(7), Tracker(MOVING)
    poses, stamps = drive(30, rng)
    assert (tracker.state, tracker.reason, tracker.since) == (State.SEARCHING, "just started", None)
    nothing = PoseEstimate(Status.TOO_FEW_MATCHES, "3")
    tracker.judge(stamps[0], nothing)
    assert tracker.state is State.SEARCHING and tracker.predict(stamps[0]) is None
    tracker.judge(stamps[1], localized(poses[1], None, rng))
    assert tracker.state is State.TRACKING and tracker.since == stamps[1]
    for k in range(2, 2 + MOVING.lost_after):
        assert tracker.state is State.TRACKING
        tracker.predict(stamps[k])
        tracker.judge(stamps[k], nothing)
    assert tracker.state is State.LOST and "5 pairs in a row" in tracker.reason and "too_few_matches" in tracker.reason
    assert tracker.predict(stamps[10]) is None
    tracker.judge(stamps[10], localized(poses[10], None, rng))
    assert tracker.state is State.TRACKING
    tracker.reset("asked to")
    assert (tracker.state, tracker.reason) == (State.SEARCHING, "asked to")


@pytest.mark.parametrize("jump_s", [3600.0, -1.0, 1e9, -1e9])
def test_row_36_nothing_is_predicted_over_a_jump_in_time(jump_s):
    rng, tracker = np.random.default_rng(8), Tracker(MOVING)
    (truth,), _ = drive(1, rng)
    tracker.judge(START, localized(truth, None, rng))
    stamp = START + round(jump_s * 1e9)
    assert tracker.predict(stamp) is None and tracker.state is State.LOST
    assert tracker.judge(stamp, localized(truth, None, rng)).pose is not None  # and no gate either


def test_equal_stamps_divide_nothing():
    rng, tracker = np.random.default_rng(9), Tracker(TrackingSettings(prior="constant_velocity", speed_std=1.0))
    (truth,), _ = drive(1, rng)
    for _ in range(3):
        prior = tracker.predict(START)
        assert tracker.judge(START, localized(truth, prior, rng)).pose is not None
    assert np.isfinite(tracker.predict(START + STEP).pose.matrix).all()


def test_odometry_leads_through_a_turn_that_no_velocity_foretells():
    rng, tracker = np.random.default_rng(10), Tracker(TrackingSettings(prior="odometry"))
    (truth,), _ = drive(1, rng)
    tracker.judge(START, localized(truth, None, rng))
    step = Pose.exp(np.array([0.0, 0.0, -1.0, 0.0, 0.6, 0.0]))
    ratios = []
    for k in range(1, 200):
        moved = np.concatenate([rng.normal(size=3) * 0.05 * 1.1, rng.normal(size=3) * 0.05 * 0.6])
        truth = step @ truth
        prior = tracker.predict(START + k * STEP, Pose.exp(moved) @ step)
        ratios.append(nees(truth, prior.pose, prior.covariance))
        tracker.judge(START + k * STEP, localized(truth, prior, rng))
        assert tracker.misses == 0
    assert 3.5 < np.mean(ratios) < 8.0


def test_a_vague_prediction_gates_but_is_not_handed_on():
    rng, tracker = np.random.default_rng(11), Tracker(MOVING)
    (truth,), _ = drive(1, rng)
    tracker.judge(START, localized(truth, None, rng))
    assert tracker.predict(START + 5 * STEP) is None  # 10 m/s are possible: 5 m
    far = Pose.exp(np.array([90.0, 0, 0, 0, 0, 0])) @ truth
    assert tracker.judge(START + 5 * STEP, localized(far, None, rng)).pose is None


def test_a_pose_from_outside_is_where_the_search_begins():
    rng, tracker = np.random.default_rng(12), Tracker(TrackingSettings(prior="constant_velocity", speed_std=1.0))
    (truth,), _ = drive(1, rng)
    tracker.start_from(START, Prior(truth, from_camera_axes(truth, R)))
    prior = tracker.predict(START + STEP)
    assert tracker.state is State.SEARCHING and np.abs(prior.pose.local(truth)).max() < 1e-9
    far = Pose.exp(np.array([50.0, 0, 0, 0, 0, 0])) @ truth
    assert tracker.judge(START + STEP, localized(far, None, rng)).pose is None
    for k in range(2, 9):  # the hint was wrong: it does not lock anybody out
        tracker.predict(START + k * STEP)
        if tracker.judge(START + k * STEP, localized(far, None, rng)).pose is not None:
            break
    assert k == MOVING.lost_after + 1 and tracker.state is State.TRACKING


def test_a_pose_that_somebody_else_expects_gates_too():
    rng, tracker = np.random.default_rng(13), Tracker(TrackingSettings(prior="tf"))
    (truth,), _ = drive(1, rng)
    far = Pose.exp(np.array([9.0, 0, 0, 0, 0, 0])) @ truth
    known = Prior(truth, np.eye(6) * 0.01)
    assert tracker.predict_from(START, known) is known
    assert tracker.judge(START, localized(truth, known, rng)).pose is not None
    for k in range(1, MOVING.lost_after + 1):
        assert tracker.predict_from(START + k * STEP, known) is known
        assert tracker.judge(START + k * STEP, localized(far, None, rng)).pose is None
    assert tracker.state is State.LOST and tracker.predict_from(START + k * STEP, known) is None  # it may be wrong
    assert tracker.judge(START + k * STEP, localized(far, None, rng)).pose is not None


def test_row_53_a_covariance_that_is_not_finite_is_no_pose_and_spoils_no_prediction():
    tracker, pose = Tracker(TrackingSettings()), Pose.exp([1, 2, 3, 0.1, 0.2, 0.3])
    tracker.judge(START, PoseEstimate(Status.OK, pose=pose, covariance=R))
    tracker.predict(START + STEP)
    before = tracker.prediction
    spoilt = tracker.judge(START + STEP, PoseEstimate(Status.OK, pose=pose, covariance=np.full((6, 6), np.nan)))
    assert spoilt.pose is None and spoilt.status is Status.NONFINITE and tracker.state is State.TRACKING
    tracker.predict(START + STEP)
    np.testing.assert_array_equal(tracker.prediction.covariance, before.covariance)
