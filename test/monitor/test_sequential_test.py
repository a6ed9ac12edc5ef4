# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sequential test, judged by made-up streams of estimates whose drift and errors are known."""

import numpy as np
import pytest

from i2p_ros.alignment.window import Drift
from i2p_ros.core.config import WatchSettings
from i2p_ros.core.drifts import AXES, Level
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.monitor.sequential_test import Motion, SequentialTest
from i2p_ros.monitor.verdict import Course, Verdict

PERIOD = 5.0  # s
SHARP = {"inflation": 1.0, "systematic_m": 0.0, "systematic_deg": 0.0}  # as of estimates that are off by chance alone
STD = np.repeat([0.01, np.radians(0.04)], 3)  # as 5 frames of a made-up drive give


def correlated(n: int, rho: float, rng: np.random.Generator) -> Array:
    """(n, 6) AR(1) noise of deviation 1."""
    noise = rng.standard_normal((n, 6))
    for k in range(1, n):
        noise[k] = rho * noise[k - 1] + np.sqrt(1.0 - rho**2) * noise[k]
    return noise


def stream(courses: Array, seed: int, rho: float = 0.0, settings: WatchSettings | None = None) -> list[Verdict]:
    """Verdicts over estimates (n, 6) of the true drift with correlated Gaussian errors."""
    test = SequentialTest(settings or WatchSettings(**SHARP), PERIOD)
    noisy = courses + STD * correlated(len(courses), rho, np.random.default_rng(seed))
    return [test.update(estimate(k, delta)) for k, delta in enumerate(noisy)]


def estimate(k: int, delta: Array, std: Array = STD, information: float = 1e3) -> Drift:
    return Drift(round((k + 1) * PERIOD * 1e9), np.asarray(delta, float), np.diag(std**2), information, 0.0, 5)


def step(axis: int, size: float, at: int, n: int) -> Array:
    courses = np.zeros((n, 6))
    courses[at:, axis] = size
    return courses


def ramp(n: int) -> Array:
    """Estimates (n, 6) of a slow turn about the second axis between the 20th and the 30th."""
    courses = np.zeros((n, 6))
    courses[:, 4] = np.radians(0.6) * np.clip((np.arange(n) - 20) / 10.0, 0.0, 1.0)
    return courses


def warned(verdicts: list[Verdict]) -> int | None:
    """Index of the first verdict that says that something moved."""
    return next((k for k, v in enumerate(verdicts) if v.level in (Level.WARN, Level.ALARM)), None)


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_false_alarms_stay_below_the_stated_rate(rho: float) -> None:
    """At a rate high enough to count: 20 streams of 100 estimates are 2.8 h, in which 800 a day make 93."""
    rate, runs, n = 800.0, 20, 100
    settings = WatchSettings(**SHARP, false_alarms_per_day=rate, correlation=rho, baseline_m=0, baseline_deg=0)
    episodes = 0
    for seed in range(runs):
        off = [v.level in (Level.WARN, Level.ALARM) for v in stream(np.zeros((n, 6)), seed, rho, settings)]
        episodes += sum(now and not before for before, now in zip([False, *off], off, strict=False))
    stated = rate * runs * n * PERIOD / 86400.0
    assert 0 < episodes <= stated, (episodes, stated)


def test_no_alarm_in_an_hour_by_default() -> None:
    assert all(warned(stream(np.zeros((12, 6)), seed)) is None for seed in range(60))


@pytest.mark.parametrize("axis", [0, 2, 4])
def test_a_step_is_detected_within_the_stated_delay(axis: int) -> None:
    size = 3.0 * STD[axis]
    verdicts = [stream(step(axis, size, 8, 24), seed) for seed in range(10)]
    first = [warned(v) for v in verdicts]
    assert all(k is not None and k >= 8 for k in first)
    stated = SequentialTest(WatchSettings(**SHARP), PERIOD).delay_s(size, STD[axis])
    assert np.mean([(k - 7) * PERIOD <= stated for k in first if k is not None]) >= 0.9
    assert all(AXES[axis] in v[-1].moved and v[-1].level is Level.ALARM for v in verdicts)
    since = [abs(v[-1].since * 1e-9 - 9 * PERIOD) for v in verdicts if v[-1].since is not None]
    assert np.median(since) <= PERIOD
    errors = np.array([abs(v[-1].drift[axis] - size) < v[-1].half[axis] for v in verdicts])
    assert errors.mean() > 0.8


def test_step_and_ramp_are_told_apart() -> None:
    rising = np.zeros((60, 6))
    rising[20:, 4] = np.radians(np.linspace(0.0, 0.8, 40))
    ramps = [stream(rising, seed)[-1].course for seed in range(10)]
    steps = [stream(step(4, np.radians(0.4), 20, 60), seed)[-1].course for seed in range(10)]
    assert ramps.count(Course.RAMP) >= 9 and steps.count(Course.STEP) >= 9


@pytest.mark.parametrize("kind", ["still", "step", "ramp", "loose"])
def test_intervals_hold_where_the_camera_is_now(kind: str) -> None:
    """After a ramp, an average since its begin would lag behind."""
    n = 48
    loose = np.radians(0.6) * np.eye(6)[4] * np.where(np.arange(n) // 12 % 2, 1.0, 0.5)[:, None]
    courses = {"still": np.zeros((n, 6)), "step": step(4, 0.01, 20, n), "ramp": ramp(n), "loose": loose}[kind]
    ends = [stream(courses, seed)[-1] for seed in range(20)]
    held = [np.abs(v.drift - courses[-1]) <= v.half for v in ends]
    assert (0.85 if kind == "ramp" else 0.9) <= np.mean(held) <= 0.99  # the last of a ramp is much like rest
    assert np.median([v.half[4] for v in ends]) < 0.7 * 1.96 * STD[4]  # and are those of an average


def test_since_when_is_not_forgotten_with_the_estimates_of_then() -> None:
    settings = WatchSettings(**SHARP, memory=16)
    for courses, course in ((step(4, np.radians(0.4), 20, 90), Course.STEP), (ramp(90), Course.RAMP)):
        verdicts = stream(courses, 1, settings=settings)
        told = [v.onset for v in verdicts if v.course is course]
        assert told and verdicts[-1].onset == told[-1] and told[-1][1] < verdicts[40].stamp, course
    off = stream(step(4, np.radians(0.4), 0, 90), 1, settings=settings)[-1]
    assert off.onset == (Course.UNDECIDED, round(PERIOD * 1e9)), "nobody saw how it came about"


def test_an_axis_that_is_not_seen_is_not_called_fine() -> None:
    blind = STD.copy()
    blind[2] = 0.3
    test = SequentialTest(WatchSettings(**SHARP), PERIOD)
    verdict = [test.update(estimate(k, np.zeros(6), blind)) for k in range(10)][-1]
    assert verdict.level is Level.UNSURE and verdict.observed == (True, True, False, True, True, True)
    assert any(reason.startswith("tz is not observed") for reason in verdict.reasons)


def test_a_small_drift_is_a_warning() -> None:
    verdict = stream(step(3, np.radians(0.08), 0, 64), 1)[-1]
    assert verdict.level is Level.WARN and verdict.moved == ("rx",)


@pytest.mark.parametrize(
    ("drift", "motion", "reason"),
    [
        (estimate(0, np.zeros(6), information=1.0), Motion(), "poor scene"),
        (estimate(0, np.zeros(6)), Motion(speed=50.0), "too fast"),
        (estimate(0, np.zeros(6)), Motion(turn_deg_s=-40.0), "turning"),
        (estimate(0, np.full(6, np.nan)), Motion(), "not finite"),
    ],
)
def test_gates_leave_estimates_out_and_say_so(drift: Drift, motion: Motion, reason: str) -> None:
    test = SequentialTest(WatchSettings(), PERIOD)
    verdict = test.update(drift, motion)
    assert verdict.level is Level.UNSURE and reason in verdict.reasons[0] and test.left_out == {reason: 1}


def test_motion_between_two_poses() -> None:
    before = Pose.from_rotvec([0.0, 0.0, 1.0], [5.0, -3.0, 1.0])
    motion = Motion.between(before, before @ Pose.from_rotvec([0.0, 0.0, np.radians(-8.0)], [3.0, 4.0, 0.0]), 0.5)
    assert motion.speed == pytest.approx(10.0) and motion.turn_deg_s == pytest.approx(16.0)


def test_silence_is_no_good_news() -> None:
    test = SequentialTest(WatchSettings(**SHARP), PERIOD)
    for k in range(10):
        assert test.update(estimate(k, np.zeros(6))).level in (Level.OK, Level.UNSURE)
    assert test.verdict(round(50e9)).level is Level.OK
    assert test.verdict(round(500e9)).level is Level.UNSURE


def test_slow_variation_becomes_normal_but_only_so_much() -> None:
    settings = WatchSettings(**SHARP, baseline_days=0.01, baseline_deg=0.05)
    warm = np.zeros((1000, 6))
    warm[:, 3] = np.radians(0.04) * np.sin(np.linspace(0.0, np.pi, 1000))
    assert warned(stream(warm, 3, settings=settings)) is None
    assert warned(stream(warm, 3, settings=WatchSettings(**SHARP, baseline_deg=0))) is not None
    assert warned(stream(4.0 * warm, 3, settings=settings)) is not None


def test_time_does_not_run_backwards() -> None:
    test = SequentialTest(WatchSettings(), PERIOD)
    test.update(estimate(5, np.zeros(6)))
    with pytest.raises(InputError, match="not after"):
        test.update(estimate(4, np.zeros(6)))


def test_what_estimates_are_off_alike_is_no_drift_and_widens_the_intervals() -> None:
    settings = WatchSettings(systematic_m=0.03, systematic_deg=0.2, unseen_deg=0.5, unseen_m=0.1)
    offset = np.tile([0.02, -0.02, 0.02, *np.radians([0.15, -0.15, 0.15])], (40, 1))
    verdicts = stream(offset, 5, settings=settings)
    assert warned(verdicts) is None and (verdicts[-1].half > [0.03] * 3 + [np.radians(0.2)] * 3).all()
    assert warned(stream(4.0 * offset, 5, settings=settings)) is not None
    assert warned(stream(offset, 5)) is not None


def test_drift_is_counted_from_the_state_that_was_accepted() -> None:
    rng, offset = np.random.default_rng(6), np.array([0.05, 0.0, 0.0, 0.0, np.radians(-0.3), 0.0])
    test = SequentialTest(WatchSettings(), PERIOD)

    def seen(first: int, true: Array) -> Verdict:
        noisy = true + STD * rng.standard_normal((20, 6))
        return [test.update(estimate(first + k, delta)) for k, delta in enumerate(noisy)][-1]

    assert seen(0, offset).level is not Level.OK
    accepted = test.reference = test.present()
    test.forget()
    assert np.abs((accepted.delta - offset) / np.sqrt(np.diag(accepted.covariance))).max() < 4.0
    assert seen(20, offset).level in (Level.OK, Level.UNSURE) and not test.verdict(test.kept[-1].stamp).moved
    moved = seen(40, offset + np.array([0.0, 0.0, 0.0, np.radians(0.4), 0.0, 0.0]))
    assert moved.moved == ("rx",) and abs(moved.drift[3] - np.radians(0.4)) < np.radians(0.05)
    test.forget()
    with pytest.raises(InputError, match="no estimate yet"):
        test.present()


@pytest.mark.parametrize("rho", [0.0, 0.4])
def test_it_learns_how_successive_estimates_correlate(rho: float) -> None:
    test = SequentialTest(WatchSettings(**SHARP, memory=1000, correlation=0.2), PERIOD)
    noisy = STD * correlated(600, rho, np.random.default_rng(7))
    for k, delta in enumerate(noisy):
        test.update(estimate(k, delta))
    learned = test.variance_factor
    assert 0.85 < learned / ((1.0 + rho) / (1.0 - rho)) < 1.15
