# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Estimates of a drift in, a verdict out.

The newest 1, 2, 3, 4, 6, 8, ... estimates are averaged by their information, and each axis of each average is tested
against no drift: the generalized likelihood ratio over the time of change, limited to a window and thinned (Lai 1998,
Information bounds and quick detection of parameter changes; Willsky and Jones 1976). The threshold is that of as many
Gaussian tests, by Bonferroni, so that the stated rate of false alarms is an upper bound. What all estimates may be off
alike averages out in none of them: it is a bound that an average must exceed, as well as the threshold.

What the drift is now is another question. The estimates are cut into steady states, and the last of these is averaged.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from i2p_ros.alignment.window import Drift
from i2p_ros.core.config import WatchSettings
from i2p_ros.core.drifts import AXES, INTERVAL, SCALES, UNITS
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array

Flags = NDArray[np.bool_]
DAY = 86400.0  # s
EVIDENCE = 30.0  # pairs of estimates that the expected correlation counts as
QUARANTINE = 16  # estimates that must pass before anything is learned from one
PENALTY = 20.0  # of chi squared with six degrees of freedom, which chance exceeds once in 360 times
CLEARER = 6.0  # of chi squared, by which one course must fit better than the other to be named


class Level(str, Enum):
    """What is to be thought of the calibration."""

    OK = "ok"
    WARN = "warn"  # it has moved, within the tolerance
    ALARM = "alarm"
    UNSURE = "unsure"  # not enough is seen to say that it has not moved


class Course(str, Enum):
    """How a drift came about."""

    KNOCK = "knock"  # at once
    CREEP = "creep"  # little by little
    UNDECIDED = "undecided"


Onset = tuple[Course, int]  # of a drift: how it came about, and since when, ns


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """`drift` (6,) from the nominal calibration or the accepted state, m and rad by AXES, with the `half` width (6,) of
    its 95 % intervals; NaN and infinite where nothing is known.

    `detectable` (6,) is the smallest drift that would now be noticed, and `observed` (6,) whether that is small enough.
    `moved` names the axes that moved for sure, `since` (ns) when and `course` how; `reasons` says all this in words.
    `baseline` (6,) is the slow variation that has been learned as normal.
    """

    stamp: int
    level: Level
    drift: Array
    half: Array
    detectable: Array
    observed: tuple[bool, ...]
    moved: tuple[str, ...] = ()
    since: int | None = None
    course: Course | None = None
    reasons: tuple[str, ...] = ()
    baseline: Array = field(default_factory=lambda: np.zeros(6))

    @property
    def onset(self) -> Onset | None:
        """Course and since together, or none."""
        return None if self.course is None or self.since is None else (self.course, self.since)


@dataclass(frozen=True, slots=True)
class Motion:
    """Of the vehicle while the frames of an estimate were taken: m/s and deg/s."""

    speed: float = 0.0
    turn_deg_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Average:
    """Of the newest estimates, less the reference and the baseline, which may be off by `systematic` (6,)."""

    mean: Array
    covariance: Array
    systematic: Array

    @property
    def std(self) -> Array:
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    @property
    def z(self) -> Array:
        beyond = np.maximum(np.abs(self.mean) - self.systematic, 0.0)
        return np.asarray(beyond / self.std)

    @property
    def half(self) -> Array:
        return np.asarray(INTERVAL * self.std + self.systematic)


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The state that drift is counted from: what estimates (6,) said when it was accepted, with covariance (6, 6)."""

    delta: Array
    covariance: Array


class Watch:
    """Keeps the newest estimates of one camera and lidar and judges them. The estimates must not share frames.

    Drift is counted from the nominal calibration, or from a `reference` that was accepted.
    """

    def __init__(self, settings: WatchSettings, period_s: float, reference: Reference | None = None) -> None:
        self.settings, self.period_s, self.reference = settings, period_s, reference
        self.kept: deque[Drift] = deque(maxlen=settings.memory)
        self._weights: deque[Array] = deque(maxlen=settings.memory)  # inverse covariances, and these times the drift
        self._pulls: deque[Array] = deque(maxlen=settings.memory)
        self.left_out: Counter[str] = Counter()
        self.baseline = np.zeros(6)
        self._products = np.array([settings.correlation * EVIDENCE, EVIDENCE])  # of neighbours, and squares
        self._onset: Onset | None = None  # of the last verdict

    @property
    def threshold(self) -> float:
        """Standard deviations that an average must be off for the stated rate of false alarms."""
        tests = 2 * len(AXES) * len(self._lengths(self.settings.memory)) * DAY / self.period_s
        return -NormalDist().inv_cdf(min(0.25, self.settings.false_alarms_per_day / tests))

    def delay_s(self, drift: float, deviation: float) -> float:
        """Time within which 95 % of sudden drifts of this size are noticed, on an axis that a single estimate sees with
        this standard deviation.

        An average over n estimates exceeds the threshold by 1.645 deviations when n = ((threshold + 1.645) deviation /
        drift)^2; what is tested is at most 1.5 times as many.
        """
        power = NormalDist().inv_cdf(0.95)
        n = ((self.threshold + power) * deviation / abs(drift)) ** 2 * self._variance_factor()
        return next(m for m in self._lengths(2 * int(np.ceil(n))) if m >= n) * self.period_s

    def resume(self, drifts: Iterable[Drift], baseline: Array, onset: Onset | None = None) -> None:
        """Take over what another watch had kept and learned."""
        self.forget()
        for drift in drifts:
            if not self._refused(drift, Motion()):
                self._keep(drift)
        self.baseline, self._onset = np.array(baseline, np.float64), onset

    def present(self) -> Reference:
        """The present state: the average of what is kept. Raises InputError where there is nothing to average."""
        if not self.kept:
            raise InputError("no estimate yet: there is no present state to accept", "drift.empty")
        weights, pulls = np.sum(self._weights, axis=0), np.sum(self._pulls, axis=0)
        covariance = np.linalg.inv(weights)
        return Reference(covariance @ pulls, covariance * self._variance_factor())

    def forget(self) -> None:
        """Begin anew, with the same reference."""
        for kept in (self.kept, self._weights, self._pulls):
            kept.clear()
        self.left_out.clear()
        self.baseline, self._onset = np.zeros(6), None

    @property
    def systematic(self) -> Array:
        """(6,) how far all estimates may be off alike, m and rad."""
        s = self.settings
        if self.reference is None:
            return self._per_axis(s.systematic_m, s.systematic_deg)
        return self._per_axis(s.accepted_m, s.accepted_deg)

    def update(self, drift: Drift, motion: Motion | None = None) -> Verdict:
        """The verdict after one more estimate, which is left out if the gates close on it.

        Raises InputError for one that is not newer than the last: a clock that was set back, or estimates out of order.
        """
        if self.kept and drift.stamp <= self.kept[-1].stamp:
            raise InputError(f"the estimate of {drift.stamp} ns is not after {self.kept[-1].stamp} ns", "drift.order")
        if reason := self._refused(drift, motion or Motion()):
            self.left_out[reason] += 1
        else:
            self._keep(drift)
        verdict = self.verdict(drift.stamp)
        self._onset = verdict.onset
        if verdict.level is Level.OK and not reason:
            self._learn()
        return verdict

    def verdict(self, now: int) -> Verdict:
        """What to think at the time `now` (ns)."""
        blind = not self.kept or (now - self.kept[-1].stamp) * 1e-9 > self.settings.stale_s
        return replace(self._blind(now) if blind else self._judged(now), baseline=self.baseline.copy())

    def _judged(self, now: int) -> Verdict:
        averages = self._averages()
        loudest = max(averages, key=lambda a: a.z.max())
        moved = loudest.z > self.threshold
        course, since = self._begun() if moved.any() else (None, None)
        shown = self._present()
        detectable = self.threshold * averages[-1].std + self.systematic
        observed = detectable <= self._per_axis(self.settings.unseen_m, self.settings.unseen_deg)
        beyond = moved & (np.abs(shown.mean) > self._per_axis(self.settings.tolerance_m, self.settings.tolerance_deg))
        level = Level.ALARM if beyond.any() else Level.WARN if moved.any() else Level.OK
        level = Level.UNSURE if level is Level.OK and not observed.all() else level
        half, drift = shown.half, shown.mean + self.baseline
        reasons = _in_words(drift, half, detectable, moved, observed)
        names = tuple(np.array(AXES)[moved].tolist())
        return Verdict(now, level, drift, half, detectable, tuple(observed.tolist()), names, since, course, reasons)

    def _blind(self, now: int) -> Verdict:
        why = ", ".join(f"{count} {reason}" for reason, count in self.left_out.items())
        reason = f"no usable estimate within {self.settings.stale_s:g} s" + (f": {why}" if why else "")
        wide = np.full(6, np.inf)
        return Verdict(now, Level.UNSURE, np.full(6, np.nan), wide, wide, (False,) * 6, reasons=(reason,))

    def _refused(self, drift: Drift, motion: Motion) -> str:
        s = self.settings
        sound = np.isfinite(drift.delta).all() and np.isfinite(drift.covariance).all()
        if not sound or np.linalg.eigvalsh(drift.covariance).min() <= 0:
            return "not finite"
        if drift.information < s.min_nats * drift.frames:
            return "poor scene"
        if abs(motion.speed) > s.max_speed:
            return "too fast"
        return "turning" if abs(motion.turn_deg_s) > s.max_turn_deg_s else ""

    def _keep(self, drift: Drift) -> None:
        weight: Array = np.asarray(np.linalg.inv(drift.covariance), np.float64)
        self.kept.append(drift)
        self._weights.append(weight)
        self._pulls.append(weight @ drift.delta)

    def _averages(self) -> list[_Average]:
        """Of the newest 1, 2, 3, 4, 6, 8, ... and of all."""
        return self._over(self._lengths(len(self.kept)))

    def _present(self) -> _Average:
        """Where the camera is now: the last of the steady states that the kept estimates are cut into at the least
        chi squared plus PENALTY for each cut (Jackson et al. 2005, An algorithm for optimal partitioning of data)."""
        n = len(self.kept)
        weights, pulls = (np.cumsum([np.zeros_like(v[0]), *v], axis=0) for v in (self._weights, self._pulls))
        cheapest, begins = np.zeros(n + 1), np.zeros(n + 1, np.int64)
        for end in range(1, n + 1):
            weight, pull = weights[end] - weights[:end], pulls[end] - pulls[:end]
            explained = np.einsum("ki,ki->k", pull, np.linalg.solve(weight, pull[..., None])[..., 0])
            costs = cheapest[:end] - explained / self._variance_factor() + PENALTY
            begins[end] = np.argmin(costs)
            cheapest[end] = costs[begins[end]]
        return self._over([n - int(begins[n])])[0]

    def _over(self, lengths: list[int]) -> list[_Average]:
        ns = np.array(lengths)
        weights = np.cumsum(np.stack(self._weights)[::-1], axis=0)[ns - 1]
        pulls = np.cumsum(np.stack(self._pulls)[::-1], axis=0)[ns - 1]
        covariances = np.linalg.inv(weights)
        means = np.einsum("nij,nj->ni", covariances, pulls) - self._zero
        factors = np.where(ns == 1, self.settings.inflation, self._variance_factor())
        covariances = covariances * factors[:, None, None] + (self.reference.covariance if self.reference else 0.0)
        return [_Average(*row, self.systematic) for row in zip(means, covariances, strict=True)]

    @property
    def _zero(self) -> Array:
        """What estimates are expected to say."""
        return self.baseline + (self.reference.delta if self.reference else 0.0)

    def _variance_factor(self) -> float:
        """Of an average over many estimates: successive ones that err alike, as in an AR(1) process, count for less."""
        rho = float(np.clip(self._products[0] / self._products[1], 0.0, 0.9))
        return self.settings.inflation * (1.0 + rho) / (1.0 - rho)

    def _learn(self) -> None:
        """The slow variation that is normal, as far as the settings allow, and how successive estimates correlate.

        From estimates that are old enough that a drift in them would have been noticed.
        """
        if len(self.kept) <= QUARANTINE:
            return
        drift = self.kept[-QUARANTINE]
        share = min(1.0, self.period_s / (self.settings.baseline_days * DAY))
        most = self._per_axis(self.settings.baseline_m, self.settings.baseline_deg)
        self.baseline = np.clip(self.baseline + share * (drift.delta - self._zero), -most, most)
        new, old = self._whitened(drift), self._whitened(self.kept[-QUARANTINE - 1])
        self._products += [new @ old / 6.0, 0.5 * (new @ new + old @ old) / 6.0]

    def _whitened(self, drift: Drift) -> Array:
        """(6,) standard normal where the covariance is right."""
        return np.linalg.solve(np.linalg.cholesky(drift.covariance), drift.delta - self._zero)

    def _begun(self) -> Onset:
        """As told before, if that is older than what is kept. A step with the first estimate ever may have been any."""
        course, first = self._course()
        if self._onset and len(self.kept) == self.kept.maxlen and self._onset[1] <= self.kept[0].stamp:
            return self._onset
        known = first > 0 or course is Course.CREEP
        return course if known else Course.UNDECIDED, self.kept[first].stamp

    def _course(self) -> tuple[Course, int]:
        """How it came about, and with which of the kept estimates: a step or a ramp, from where each fits best."""
        t = np.array([d.stamp for d in self.kept]) * 1e-9
        later = t[None] - t[:, None]
        step, ramp = (self._fits(shapes) for shapes in ((later >= 0.0).astype(float), np.maximum(later, 0.0)))
        lead = (step.max() - ramp.max()) / self._variance_factor()
        course = Course.KNOCK if lead > CLEARER else Course.CREEP if lead < -CLEARER else Course.UNDECIDED
        first = int(np.argmax(ramp if course is Course.CREEP else step))
        return course, first

    def _fits(self, shapes: Array) -> Array:
        """By how much chi squared falls when the kept estimates follow each of the shapes (K, n), at its best size."""
        weights, pulls = np.stack(self._weights), np.stack(self._pulls)
        pulls = pulls - weights @ self._zero
        left = np.einsum("kn,nij->kij", np.square(shapes), weights)
        right = shapes @ pulls
        return np.einsum("ki,kij,kj->k", right, np.linalg.pinv(left, hermitian=True), right)

    @staticmethod
    def _lengths(n: int) -> list[int]:
        """1, 2, 3, 4, 6, 8, 12, ... and n."""
        return sorted({m for k in range(n.bit_length()) for m in (2**k, 3 * 2**k) if m < n} | {n})

    @staticmethod
    def _per_axis(metres: float, degrees: float) -> Array:
        return np.repeat([metres, np.radians(degrees)], 3)


def _in_words(drift: Array, half: Array, detectable: Array, moved: Flags, observed: Flags) -> tuple[str, ...]:
    scale, unit = SCALES, UNITS
    lines = []
    for i, axis in enumerate(AXES):
        if moved[i]:
            lines.append(f"{axis} moved by {drift[i] * scale[i]:+.2f} +- {half[i] * scale[i]:.2f} {unit[i]}")
        elif not observed[i]:
            lines.append(
                f"{axis} is not observed: less than {detectable[i] * scale[i]:.2f} {unit[i]} would go unnoticed"
            )
    return tuple(lines)
