# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tracking of the camera: a prediction for each pair, a gate on its estimate, and recovery when tracking is lost.

The state is the pose T_camera_cloud and its velocity w. The error xi of the pose is defined by T = Exp(xi) T_estimated,
along the camera's axes (Sola et al. 2018, left perturbation). The velocity moves T to Exp(w dt) T. A localizer that
gets the prediction as a prior returns the posterior of both. Its pose therefore replaces the prediction, and is not
fused with it again. The velocity is corrected through its correlation with the pose.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from i2p_ros.core.config import TrackingSettings
from i2p_ros.core.geometry import Array, Pose, adjoint, from_camera_axes, skew, to_camera_axes
from i2p_ros.core.types import PoseEstimate, Prior, Status

GIVEN_STD = np.array([0.1] * 3 + [np.radians(2.0)] * 3)  # m, rad: error of a pose that is given by hand
MIN_STD = np.repeat([1e-3, 1e-4], 3)  # m, rad: keeps covariances invertible


class State(str, Enum):
    """State of the tracker."""

    SEARCHING = "searching"  # no pose since the start or a reset
    TRACKING = "tracking"  # the last accepted pose is recent
    LOST = "lost"  # too many pairs in a row without a pose, or too much time


@dataclass(frozen=True)
class _Belief:
    """T_camera_cloud at `stamp` (ns), its velocity (6,) in m/s and rad/s, and the covariance (12, 12) of both."""

    stamp: int
    pose: Pose
    velocity: Array
    covariance: Array


class Tracker:
    """Tracker of one camera in the frame of one cloud. It is not thread-safe."""

    def __init__(self, settings: TrackingSettings) -> None:
        self.settings = settings
        self.reset("just started")

    def reset(self, reason: str) -> None:
        """Returns to the state at the start. The reason is a text for diagnostics."""
        self.state, self.reason, self.misses = State.SEARCHING, reason, 0
        self._belief: _Belief | None = None
        self._predicted: _Belief | None = None

    def start_from(self, stamp: int, known: Prior) -> None:
        """Starts from a pose that was given from outside, with its covariance."""
        self.reset("a pose was given")
        self._belief = self._with_unknown_velocity(stamp, known.pose, to_camera_axes(known.pose, known.covariance))

    @property
    def since(self) -> int | None:
        """Stamp (ns) of the pose that the next prediction starts from, None without one."""
        return None if self._belief is None else self._belief.stamp

    def predict(self, stamp: int, T_now_before: Pose | None = None) -> Prior | None:
        """Prediction of the pose at a stamp (ns) as a prior. None where there is none, or it is too uncertain.

        `judge` then compares an estimate with the prediction. `T_now_before` is the camera's motion since `since`, by
        odometry. Without it the velocity is constant.
        """
        before, self._predicted = self._belief, None
        if before is None:
            return None
        seconds = (stamp - before.stamp) * 1e-9
        if not 0.0 <= seconds <= self.settings.forget_after_s:
            self._lose(f"{seconds:.1f} s since the last pose")
            return None
        if T_now_before is None:
            self._predicted = self._predicted_by_velocity(before, stamp, seconds)
        else:
            self._predicted = self._predicted_by_odometry(before, stamp, seconds, T_now_before)
        return self._as_prior(self._predicted)

    @property
    def prediction(self) -> Prior | None:
        """Prediction that `judge` compares with, None without one."""
        predicted = self._predicted
        if predicted is None:
            return None
        return Prior(predicted.pose, from_camera_axes(predicted.pose, predicted.covariance[:6, :6]))

    def predict_from(self, stamp: int, known: Prior) -> Prior | None:
        """As `predict`, with a pose for this stamp from another source. None while tracking is lost, since the source
        may be wrong."""
        self._predicted = None
        if self.state is State.LOST:
            return None
        self._predicted = self._with_unknown_velocity(stamp, known.pose, to_camera_axes(known.pose, known.covariance))
        return known

    def clear_prediction(self) -> None:
        """Removes the prediction. `judge` then accepts any pose."""
        self._predicted = None

    def judge(self, stamp: int, estimate: PoseEstimate) -> PoseEstimate:
        """The estimate, without its pose where this is refused.

        A pose that is too far from the prediction is withheld, with the status UNCERTAIN. One whose covariance is not
        finite is removed, with the status NONFINITE.
        """
        if estimate.pose is None or estimate.covariance is None:
            self._miss(f"no pose: {estimate.status.value}")
            return estimate
        if not np.isfinite(estimate.covariance).all():
            self._miss("the covariance is not finite")
            return replace(estimate, status=Status.NONFINITE, reason="the covariance is not finite", pose=None)
        covariance = to_camera_axes(estimate.pose, estimate.covariance)
        distance2 = 0.0 if self._predicted is None else _mahalanobis2(self._predicted, estimate.pose, covariance)
        if distance2 > self.settings.gate:
            text = f"far from the prediction: squared Mahalanobis distance {distance2:.3g} > {self.settings.gate:g}"
            self._miss(text)
            return replace(estimate, status=Status.UNCERTAIN, reason=text, pose=None, withheld=estimate.pose)
        self._adopt(stamp, estimate.pose, covariance)
        return estimate

    def _adopt(self, stamp: int, pose: Pose, covariance: Array) -> None:
        self.state, self.reason, self.misses = State.TRACKING, "", 0
        predicted = self._predicted
        self._belief = (
            self._with_unknown_velocity(stamp, pose, covariance)
            if predicted is None
            else _conditioned(predicted, pose, covariance)
        )

    def _miss(self, reason: str) -> None:
        """Counts a pair without an accepted pose. After too many the prediction may be wrong, and tracking is lost."""
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

    def _with_unknown_velocity(self, stamp: int, pose: Pose, covariance: Array) -> _Belief:
        """Belief of a pose with its covariance, and an unknown velocity."""
        speeds = np.repeat([self.settings.speed_std, np.radians(self.settings.turn_std_deg)], 3)
        both = np.zeros((12, 12))
        both[:6, :6], both[6:, 6:] = covariance + np.diag(MIN_STD**2), np.diag(speeds**2)
        return _Belief(stamp, pose, np.zeros(6), both)

    def _predicted_by_velocity(self, before: _Belief, stamp: int, seconds: float) -> _Belief:
        """Prediction with constant velocity and white noise acceleration (Bar-Shalom et al. 2001, eq. 6.2.2-12)."""
        step = Pose.exp(before.velocity * seconds)
        f = np.eye(12)
        f[:6, :6], f[:6, 6:] = adjoint(step), _se3_left_jacobian(before.velocity * seconds) * seconds
        noise = np.repeat([self.settings.acceleration, np.radians(self.settings.turn_acceleration_deg)], 3) ** 2
        q = np.kron([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]], np.diag(noise))
        return _Belief(stamp, step @ before.pose, before.velocity, f @ before.covariance @ f.T + q)

    def _predicted_by_odometry(self, before: _Belief, stamp: int, seconds: float, T_now_before: Pose) -> _Belief:
        """Prediction by odometry, whose error is a share of the distance and of the turn, and small at rest."""
        f = adjoint(T_now_before)
        way, turn = np.linalg.norm(T_now_before.translation), np.linalg.norm(T_now_before.log()[3:])
        share = self.settings.odometry_error
        noise = np.repeat([share * way + 0.02 * seconds, share * turn + 0.005 * seconds], 3) ** 2
        pose_covariance = f @ before.covariance[:6, :6] @ f.T + np.diag(noise)
        return self._with_unknown_velocity(stamp, T_now_before @ before.pose, pose_covariance)

    def _as_prior(self, predicted: _Belief) -> Prior | None:
        """The prediction as a prior, None where it is too uncertain. The whole cloud is searched then."""
        spread = predicted.covariance[:6, :6]
        std_m, std_rad = (np.linalg.eigvalsh(block).max() ** 0.5 for block in (spread[:3, :3], spread[3:, 3:]))
        if std_m > self.settings.prior_std_m or np.degrees(std_rad) > self.settings.prior_std_deg:
            return None
        return self.prediction


def prior_of_body(T_camera_body: Pose, T_frame_body: Pose, covariance: Array, T_frame_cloud: Pose) -> Prior:
    """Prior of T_camera_cloud, from the pose of a body as in geometry_msgs/PoseWithCovariance.

    `covariance` (6, 6) is along the fixed axes of the frame. GIVEN_STD is added, since rviz sends zeros for z, roll and
    pitch. Raises InputError where it is no covariance.
    """
    T_body_frame, j = T_frame_body.inverse(), T_frame_body.inverse_jacobian
    carried = adjoint(T_camera_body) @ to_camera_axes(T_body_frame, j @ covariance @ j.T) @ adjoint(T_camera_body).T
    T_camera_cloud = T_camera_body @ T_body_frame @ T_frame_cloud
    return Prior(T_camera_cloud, from_camera_axes(T_camera_cloud, carried + np.diag(GIVEN_STD**2)))


def _se3_left_jacobian(xi: Array) -> Array:
    """(6, 6) J with Exp(xi + d) = Exp(J d) Exp(xi) to first order in d, as a series to the third power of xi (Sola et
    al. 2018, eq. 179)."""
    ad = np.zeros((6, 6))
    ad[:3, :3] = ad[3:, 3:] = skew(xi[3:])
    ad[:3, 3:] = skew(xi[:3])
    return np.asarray(np.eye(6) + ad / 2 + ad @ ad / 6 + ad @ ad @ ad / 24)


def _mahalanobis2(predicted: _Belief, pose: Pose, covariance: Array) -> float:
    """Squared Mahalanobis distance of a pose from the prediction, by the covariances of both.

    A pose that was estimated with the prediction as a prior is nearer to it than an independent one. The gate is then
    wider, never narrower.
    """
    off = (pose @ predicted.pose.inverse()).log()
    return float(off @ np.linalg.solve(predicted.covariance[:6, :6] + covariance, off))


def _conditioned(predicted: _Belief, pose: Pose, covariance: Array) -> _Belief:
    """Belief after its pose is replaced by another one with its covariance (Jeffrey's rule, exact for Gaussians)."""
    joint, off = predicted.covariance, (pose @ predicted.pose.inverse()).log()
    measured = covariance + np.diag(MIN_STD**2)
    gain = np.linalg.solve(joint[:6, :6], joint[:6, 6:]).T
    both = np.zeros((12, 12))
    both[:6, :6], both[:6, 6:], both[6:, :6] = measured, measured @ gain.T, gain @ measured
    both[6:, 6:] = joint[6:, 6:] - gain @ (joint[:6, :6] - measured) @ gain.T
    return _Belief(predicted.stamp, pose, predicted.velocity + gain @ off, 0.5 * (both + both.T))
