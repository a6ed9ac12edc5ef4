# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drift estimates in, a verdict out.

The newest 1, 2, 3, 4, 6, 8, ... estimates are averaged by their information. Each axis of each average is tested
against no drift. This is the generalized likelihood ratio test over the time of change, limited to a set of windows
(Lai 1998, Information bounds and quick detection of parameter changes; Willsky and Jones 1976). The threshold is that
of as many Gaussian tests, by Bonferroni. The stated rate of false alarms is therefore an upper bound. A systematic
offset of all estimates does not average out. It is a bound that an average must exceed in addition to the threshold.

The present drift is the average over the last steady state.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from i2p_ros.alignment.window import Drift
from i2p_ros.core.config import WatchSettings
from i2p_ros.core.drifts import AXES, Level
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose, so3_log
from i2p_ros.monitor.estimates import Average, Estimates, window_lengths
from i2p_ros.monitor.segmentation import last_steady_state, step_or_ramp
from i2p_ros.monitor.verdict import Course, Flags, Onset, Verdict, reasons_in_words

DAY = 86400.0  # s
EVIDENCE = 30.0  # pairs of estimates that the expected correlation counts as
QUARANTINE = 16  # estimates that must pass before anything is learned from one


@dataclass(frozen=True, slots=True)
class Motion:
    """Speed (m/s) and turn rate (deg/s) of the vehicle while the pairs of an estimate were taken."""

    speed: float = 0.0
    turn_deg_s: float = 0.0

    @staticmethod
    def between(T_world_before: Pose, T_world_now: Pose, seconds: float) -> Motion:
        """Mean motion between two poses of one sensor in a fixed frame, `seconds` (positive) apart."""
        moved = T_world_before.inverse() @ T_world_now
        turn = float(np.degrees(np.linalg.norm(so3_log(moved.rotation))))
        return Motion(float(np.linalg.norm(moved.translation)) / seconds, turn / seconds)


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The accepted state that drift is counted from: the mean (6,) of the estimates then, and its covariance (6, 6)."""

    delta: Array
    covariance: Array


class SequentialTest:
    """Test of the newest estimates of one camera and one lidar. Estimates must not share pairs.

    Drift is counted from the nominal calibration, or from an accepted `reference`.
    """

    def __init__(self, settings: WatchSettings, period_s: float, reference: Reference | None = None) -> None:
        self.settings, self.period_s, self.reference = settings, period_s, reference
        self.left_out: Counter[str] = Counter()
        self.baseline = np.zeros(6)
        self._estimates = Estimates(settings.memory)
        self._products = np.array([settings.correlation * EVIDENCE, EVIDENCE])  # of neighbours, and squares
        self._onset: Onset | None = None  # of the last verdict

    @property
    def kept(self) -> deque[Drift]:
        """The estimates that the test uses, in the order of time."""
        return self._estimates.drifts

    @property
    def threshold(self) -> float:
        """Standard deviations that an average must exceed, for the stated rate of false alarms."""
        tests = 2 * len(AXES) * len(window_lengths(self.settings.memory)) * DAY / self.period_s
        return -NormalDist().inv_cdf(min(0.25, self.settings.false_alarms_per_day / tests))

    @property
    def systematic(self) -> Array:
        """Bound (6,) of the systematic offset of all estimates, m and rad."""
        s = self.settings
        if self.reference is None:
            return _per_axis(s.systematic_m, s.systematic_deg)
        return _per_axis(s.accepted_m, s.accepted_deg)

    @property
    def variance_factor(self) -> float:
        """Factor on the variance of an average over many estimates.

        Errors of successive estimates correlate as in an AR(1) process, whose correlation is learned.
        """
        rho = float(np.clip(self._products[0] / self._products[1], 0.0, 0.9))
        return self.settings.inflation * (1.0 + rho) / (1.0 - rho)

    def delay_s(self, drift: float, deviation: float) -> float:
        """Time (s) within which 95 % of all steps of this size are detected, on an axis on which one estimate has this
        standard deviation.

        An average over n estimates exceeds the threshold by 1.645 deviations when n = ((threshold + 1.645) deviation /
        drift)^2. The next larger tested window has at most 1.5 times as many.
        """
        power = NormalDist().inv_cdf(0.95)
        n = ((self.threshold + power) * deviation / abs(drift)) ** 2 * self.variance_factor
        return next(m for m in window_lengths(2 * int(np.ceil(n))) if m >= n) * self.period_s

    def resume(self, drifts: Iterable[Drift], baseline: Array, onset: Onset | None = None) -> None:
        """Continue from the estimates, baseline and onset of an earlier test."""
        self.forget()
        for drift in drifts:
            if not self._refused(drift, Motion()):
                self._estimates.add(drift)
        self.baseline, self._onset = np.array(baseline, np.float64), onset

    def present(self) -> Reference:
        """The present state: the average of all kept estimates. Raises InputError where there are none."""
        if not self.kept:
            raise InputError("no estimate yet: there is no present state to accept", "drift.empty")
        mean, covariance = self._estimates.mean_of_all()
        return Reference(mean, covariance * self.variance_factor)

    def forget(self) -> None:
        """Remove all estimates. The reference stays."""
        self._estimates.clear()
        self.left_out.clear()
        self.baseline, self._onset = np.zeros(6), None

    def update(self, drift: Drift, motion: Motion | None = None) -> Verdict:
        """The verdict after one more estimate. An estimate that fails a check is left out and counted in `left_out`.

        Raises InputError if the estimate is not newer than the last one.
        """
        if self.kept and drift.stamp <= self.kept[-1].stamp:
            raise InputError(f"the estimate of {drift.stamp} ns is not after {self.kept[-1].stamp} ns", "drift.order")
        if reason := self._refused(drift, motion or Motion()):
            self.left_out[reason] += 1
        else:
            self._estimates.add(drift)
        verdict = self.verdict(drift.stamp)
        self._onset = verdict.onset
        if verdict.level is Level.OK and not reason:
            self._learn()
        return verdict

    def verdict(self, now: int) -> Verdict:
        """The verdict at the time `now`, ns."""
        stale = not self.kept or (now - self.kept[-1].stamp) * 1e-9 > self.settings.stale_s
        return replace(self._unknown(now) if stale else self._judged(now), baseline=self.baseline.copy())

    def _judged(self, now: int) -> Verdict:
        s = self.settings
        averages = self._averages(window_lengths(len(self.kept)))
        strongest = max(averages, key=lambda average: average.z.max())
        moved = strongest.z > self.threshold
        onset = self._onset_now() if moved.any() else None
        present = self._present_average()
        detectable = self.threshold * averages[-1].std + self.systematic
        observed = detectable <= _per_axis(s.unseen_m, s.unseen_deg)
        beyond = moved & (np.abs(present.mean) > _per_axis(s.tolerance_m, s.tolerance_deg))
        half, drift = present.half, present.mean + self.baseline
        return Verdict(
            now,
            _level(beyond, moved, observed),
            drift,
            half,
            detectable,
            observed=tuple(observed.tolist()),
            moved=tuple(np.array(AXES)[moved].tolist()),
            since=onset.since if onset else None,
            course=onset.course if onset else None,
            reasons=reasons_in_words(drift, half, detectable, moved, observed),
        )

    def _unknown(self, now: int) -> Verdict:
        """The verdict without a recent estimate."""
        why = ", ".join(f"{count} {reason}" for reason, count in self.left_out.items())
        reason = f"no usable estimate within {self.settings.stale_s:g} s" + (f": {why}" if why else "")
        wide = np.full(6, np.inf)
        return Verdict(now, Level.UNSURE, np.full(6, np.nan), wide, wide, (False,) * 6, reasons=(reason,))

    def _refused(self, drift: Drift, motion: Motion) -> str:
        """Reason to leave an estimate out, or "" if there is none."""
        s = self.settings
        sound = np.isfinite(drift.delta).all() and np.isfinite(drift.covariance).all()
        if not sound or np.linalg.eigvalsh(drift.covariance).min() <= 0:
            return "not finite"
        if drift.information < s.min_nats * drift.frames:
            return "poor scene"
        if abs(motion.speed) > s.max_speed:
            return "too fast"
        return "turning" if abs(motion.turn_deg_s) > s.max_turn_deg_s else ""

    def _present_average(self) -> Average:
        """The average over the last steady state."""
        count = last_steady_state(self._estimates.matrices, self._estimates.vectors, self.variance_factor)
        return self._averages([count])[0]

    def _averages(self, counts: list[int]) -> list[Average]:
        """Averages of the newest estimates less the expected state, one for each count."""
        ns = np.array(counts)
        means, covariances = self._estimates.means_of_newest(ns)
        factors = np.where(ns == 1, self.settings.inflation, self.variance_factor)
        covariances = covariances * factors[:, None, None] + (self.reference.covariance if self.reference else 0.0)
        return [Average(*row, self.systematic) for row in zip(means - self._expected, covariances, strict=True)]

    @property
    def _expected(self) -> Array:
        """The state (6,) that estimates have without a drift."""
        return self.baseline + (self.reference.delta if self.reference else 0.0)

    def _learn(self) -> None:
        """Update the baseline, within the settings' limits, and the correlation of successive estimates.

        Only an estimate that is QUARANTINE estimates old is used: a drift in it would have been detected by now.
        """
        if len(self.kept) <= QUARANTINE:
            return
        drift = self.kept[-QUARANTINE]
        share = min(1.0, self.period_s / (self.settings.baseline_days * DAY))
        most = _per_axis(self.settings.baseline_m, self.settings.baseline_deg)
        self.baseline = np.clip(self.baseline + share * (drift.delta - self._expected), -most, most)
        new, old = self._whitened(drift), self._whitened(self.kept[-QUARANTINE - 1])
        self._products += [new @ old / 6.0, 0.5 * (new @ new + old @ old) / 6.0]

    def _whitened(self, drift: Drift) -> Array:
        """Deviation (6,) from the expected state. It is standard normal if the covariance is right."""
        return np.linalg.solve(np.linalg.cholesky(drift.covariance), drift.delta - self._expected)

    def _onset_now(self) -> Onset:
        """The onset of the present drift. An earlier onset stays if it is older than all kept estimates.

        The course is undecided if the drift is in the first estimate: it may have begun in any way before that.
        """
        course, first = self._fitted_onset()
        if self._onset and self._estimates.is_full and self._onset.since <= self.kept[0].stamp:
            return self._onset
        decided = first > 0 or course is Course.RAMP
        return Onset(course if decided else Course.UNDECIDED, self.kept[first].stamp)

    def _fitted_onset(self) -> tuple[Course, int]:
        matrices, vectors = self._estimates.matrices, self._estimates.vectors
        stamps = np.array([drift.stamp for drift in self.kept])
        return step_or_ramp(stamps, matrices, vectors - matrices @ self._expected, self.variance_factor)


def _level(beyond: Flags, moved: Flags, observed: Flags) -> Level:
    """Level of a verdict by the axes (6,) that moved beyond the tolerance, that moved, and that are observed."""
    if beyond.any():
        return Level.ALARM
    if moved.any():
        return Level.WARN
    return Level.OK if observed.all() else Level.UNSURE


def _per_axis(metres: float, degrees: float) -> Array:
    """(6,) in m and rad."""
    return np.repeat([metres, np.radians(degrees)], 3)
