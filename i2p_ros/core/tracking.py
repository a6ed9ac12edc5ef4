# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the camera is being followed: a prediction for each pair, a gate on its answer, and a way back.

The state is T_camera_cloud with errors xi in T = Exp(xi) T_estimated, along the camera's axes (Sola et al. 2018, left
perturbation), and the velocity w of xi, which moves T to Exp(w dt) T. A localizer that gets the prediction as a prior
answers with the posterior of both, so its pose replaces the predicted one and is not fused with it again; the velocity
follows by its correlation with the pose.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from i2p_ros.core.config import TrackingSettings
from i2p_ros.core.geometry import Array, Pose, adjoint, from_camera_axes, skew, to_camera_axes
from i2p_ros.core.types import PoseEstimate, Prior, Status

GIVEN_STD = np.array([0.1] * 3 + [np.radians(2.0)] * 3)  # m, rad: nobody clicks better than this
LEAST_STD = np.repeat([1e-3, 1e-4], 3)  # m, rad: keeps what nobody is sure of to a micrometre invertible


class State(str, Enum):
    """Whether there is something to predict from."""

    SEARCHING = "searching"  # there has been no pose since the start or a reset
    TRACKING = "tracking"  # the last accepted pose is recent
    LOST = "lost"  # too many pairs in a row had none, or too much time went by


@dataclass(frozen=True)
class _Belief:
    """T_camera_cloud at a time (ns) with velocity (6,), m/s and rad/s, and the covariance (12, 12) of both."""

    stamp: int
    pose: Pose
    velocity: Array
    covariance: Array


class Tracker:
    """Follows the pose of one camera in one cloud's frame. Not safe to use from several threads at once."""

    def __init__(self, settings: TrackingSettings) -> None:
        self.settings = settings
        self.reset("just started")

    def reset(self, reason: str) -> None:
        """Know nothing, as at the start; the reason is for people."""
        self.state, self.reason, self.misses = State.SEARCHING, reason, 0
        self._belief: _Belief | None = None
        self._predicted: _Belief | None = None

    def expect(self, stamp: int, known: Prior) -> None:
        """Take a pose from outside as the last one; its covariance is its word."""
        self.reset("a pose was given")
        self._belief = self._at_rest(stamp, known.pose, to_camera_axes(known.pose, known.covariance))

    @property
    def since(self) -> int | None:
        """Stamp (ns) of the pose that the next prediction starts from, if there is one."""
        return None if self._belief is None else self._belief.stamp

    def predict(self, stamp: int, T_now_before: Pose | None = None) -> Prior | None:
        """The pose expected at a stamp (ns), if it is known well enough to help; `judge` then compares with it.

        `T_now_before` is the camera's own motion since `since`, by odometry; without, its velocity stays as it is.
        """
        before, self._predicted = self._belief, None
        if before is None:
            return None
        seconds = (stamp - before.stamp) * 1e-9
        if not 0.0 <= seconds <= self.settings.forget_after_s:
            self._lose(f"{seconds:.1f} s since the last pose")
            return None
        if T_now_before is None:
            self._predicted = self._coasted(before, stamp, seconds)
        else:
            self._predicted = self._moved(before, stamp, seconds, T_now_before)
        return self._handed_on(self._predicted)

    @property
    def prediction(self) -> Prior | None:
        """What `judge` will compare with, if there is anything."""
        predicted = self._predicted
        if predicted is None:
            return None
        return Prior(predicted.pose, from_camera_axes(predicted.pose, predicted.covariance[:6, :6]))

    def expected(self, stamp: int, known: Prior) -> Prior | None:
        """As `predict`, of a pose that somebody else knows for this stamp; none while lost: they may be wrong."""
        self._predicted = None
        if self.state is State.LOST:
            return None
        self._predicted = self._at_rest(stamp, known.pose, to_camera_axes(known.pose, known.covariance))
        return known

    def expect_nothing(self) -> None:
        """Let `judge` compare with nothing: no prediction could be made for this pair."""
        self._predicted = None

    def judge(self, stamp: int, estimate: PoseEstimate) -> PoseEstimate:
        """The estimate, or what is left of it: a pose too far off the prediction is withheld, as UNCERTAIN, and one
        whose covariance is not finite as NONFINITE."""
        if estimate.pose is None or estimate.covariance is None:
            self._miss(f"no pose: {estimate.status.value}")
            return estimate
        if not np.isfinite(estimate.covariance).all():
            self._miss("the covariance is not finite")
            return replace(estimate, status=Status.NONFINITE, reason="the covariance is not finite", pose=None)
        covariance = to_camera_axes(estimate.pose, estimate.covariance)
        distance2 = 0.0 if self._predicted is None else _mahalanobis2(self._predicted, estimate.pose, covariance)
        if distance2 > self.settings.gate:
            text = f"off the prediction: squared Mahalanobis distance {distance2:.3g} > {self.settings.gate:g}"
            self._miss(text)
            return replace(estimate, status=Status.UNCERTAIN, reason=text, pose=None, withheld=estimate.pose)
        self._adopt(stamp, estimate.pose, covariance)
        return estimate

    def _adopt(self, stamp: int, pose: Pose, covariance: Array) -> None:
        self.state, self.reason, self.misses = State.TRACKING, "", 0
        predicted = self._predicted
        self._belief = (
            self._at_rest(stamp, pose, covariance) if predicted is None else _conditioned(predicted, pose, covariance)
        )

    def _miss(self, reason: str) -> None:
        """One pair more without an accepted pose; too many of them, and the prediction may be what is wrong."""
        self.misses += 1
        if self.misses >= self.settings.lost_after and (self.state is State.TRACKING or self._predicted is not None):
            self._lose(f"{self.misses} pairs in a row without a pose, the last: {reason}")
        elif self.state is State.TRACKING:
            self.reason = reason

    def _lose(self, reason: str) -> None:
        """Search everywhere again: no prediction, so no gate and no prior."""
        misses = self.misses
        self.reset(reason)
        self.state, self.misses = State.LOST, misses

    def _at_rest(self, stamp: int, pose: Pose, covariance: Array) -> _Belief:
        """What is known when only the pose is."""
        speeds = np.repeat([self.settings.speed_std, np.radians(self.settings.turn_std_deg)], 3)
        both = np.zeros((12, 12))
        both[:6, :6], both[6:, 6:] = covariance + np.diag(LEAST_STD**2), np.diag(speeds**2)
        return _Belief(stamp, pose, np.zeros(6), both)

    def _coasted(self, before: _Belief, stamp: int, seconds: float) -> _Belief:
        """Constant velocity, disturbed by white acceleration (Bar-Shalom et al. 2001, eq. 6.2.2-12)."""
        step = Pose.exp(before.velocity * seconds)
        f = np.eye(12)
        f[:6, :6], f[:6, 6:] = adjoint(step), _se3_left_jacobian(before.velocity * seconds) * seconds
        noise = np.repeat([self.settings.acceleration, np.radians(self.settings.turn_acceleration_deg)], 3) ** 2
        q = np.kron([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]], np.diag(noise))
        return _Belief(stamp, step @ before.pose, before.velocity, f @ before.covariance @ f.T + q)

    def _moved(self, before: _Belief, stamp: int, seconds: float, T_now_before: Pose) -> _Belief:
        """By odometry, which errs by a share of the way and of the turn, and a little at rest."""
        f = adjoint(T_now_before)
        way, turn = np.linalg.norm(T_now_before.translation), np.linalg.norm(T_now_before.log()[3:])
        share = self.settings.odometry_error
        noise = np.repeat([share * way + 0.02 * seconds, share * turn + 0.005 * seconds], 3) ** 2
        pose_covariance = f @ before.covariance[:6, :6] @ f.T + np.diag(noise)
        return self._at_rest(stamp, T_now_before @ before.pose, pose_covariance)

    def _handed_on(self, predicted: _Belief) -> Prior | None:
        """The prediction as a prior, unless it is too vague: the whole cloud is searched then."""
        spread = predicted.covariance[:6, :6]
        std_m, std_rad = (np.linalg.eigvalsh(block).max() ** 0.5 for block in (spread[:3, :3], spread[3:, 3:]))
        if std_m > self.settings.prior_std_m or np.degrees(std_rad) > self.settings.prior_std_deg:
            return None
        return self.prediction


def of_body(T_camera_body: Pose, T_frame_body: Pose, covariance: Array, T_frame_cloud: Pose) -> Prior:
    """What a pose of a body, as of geometry_msgs/PoseWithCovariance, says of T_camera_cloud.

    Its covariance (6, 6) is along the fixed axes of its frame. GIVEN_STD is added: rviz sends zeros for z, roll and
    pitch. Raises InputError if it is no covariance.
    """
    T_body_frame, j = T_frame_body.inverse(), T_frame_body.inverse_jacobian
    carried = adjoint(T_camera_body) @ to_camera_axes(T_body_frame, j @ covariance @ j.T) @ adjoint(T_camera_body).T
    T_camera_cloud = T_camera_body @ T_body_frame @ T_frame_cloud
    return Prior(T_camera_cloud, from_camera_axes(T_camera_cloud, carried + np.diag(GIVEN_STD**2)))


def _se3_left_jacobian(xi: Array) -> Array:
    """(6, 6) J with Exp(xi + d) = Exp(J d) Exp(xi) to first order, to the third power of xi (Sola et al. 2018, 179)."""
    ad = np.zeros((6, 6))
    ad[:3, :3] = ad[3:, 3:] = skew(xi[3:])
    ad[:3, 3:] = skew(xi[:3])
    return np.asarray(np.eye(6) + ad / 2 + ad @ ad / 6 + ad @ ad @ ad / 24)


def _mahalanobis2(predicted: _Belief, pose: Pose, covariance: Array) -> float:
    """Squared distance of a pose from the prediction, by the covariances of both.

    A pose that was found with the prediction as prior is nearer than one found without: the gate is then wider, never
    narrower.
    """
    off = (pose @ predicted.pose.inverse()).log()
    return float(off @ np.linalg.solve(predicted.covariance[:6, :6] + covariance, off))


def _conditioned(predicted: _Belief, pose: Pose, covariance: Array) -> _Belief:
    """The belief when its pose is replaced by one of known covariance (Jeffrey's rule; exact for normal errors)."""
    joint, off = predicted.covariance, (pose @ predicted.pose.inverse()).log()
    own = covariance + np.diag(LEAST_STD**2)
    gain = np.linalg.solve(joint[:6, :6], joint[:6, 6:]).T
    both = np.zeros((12, 12))
    both[:6, :6], both[:6, 6:], both[6:, :6] = own, own @ gain.T, gain @ own
    both[6:, 6:] = joint[6:, 6:] - gain @ (joint[:6, :6] - own) @ gain.T
    return _Belief(predicted.stamp, pose, predicted.velocity + gain @ off, 0.5 * (both + both.T))
