# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drifts of known size, put into drives whose calibration is known, before the monitor and before simple rivals.

A camera that moves by d is made by moving the clouds the other way: the image of every pair is then taken at
T_camera_lidar.retract(d), while the nominal calibration stays. Each run is a drive of its own. The windows from before
a drift sets in are the same whatever drift follows, so they are refined once per drive; no run borrows from another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from i2p_ros.alignment.signal import information, observed
from i2p_ros.core.config import Settings
from i2p_ros.core.drifts import AXES, Level
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Pair
from i2p_ros.monitor.history import MonitoredRig
from i2p_ros.monitor.session import Finding, Monitor, NetworkPose
from i2p_ros.sources.base import Source
from i2p_ros.sources.opening import open_source

DRIVE_S = 60.0  # of a made-up run
ONSET_S = (15.0, 25.0)  # a drift sets in at random between these
NOTICED_S = 30.0  # later is not detected
RAMP_S = 20.0  # that a ramp takes to its full size
SHAKE_S = 5.0  # a loose camera is at another place after so long
EDGE_STEPS = (0.05, 0.05, 0.1, *np.radians([0.5, 0.5, 0.5]))  # by which the edge score looks around, m and rad
LOUD = 5.5  # standard deviations at which a mean of poses alarms, as the monitor's threshold
DEFINITIONS = {
    "detected": "runs with a warning or alarm within 30 s of the onset (real frames: at all), and none before",
    "delay_s": "median time from the onset to that warning",
    "false_alarms": "runs with a warning or alarm without a drift, or before it",
    "error": "median of |estimated - true| at the end, of the axis that moved (mixed: of the worst), in cm or deg",
    "coverage95": "share of 95 % intervals of all axes that hold the truth at the end",
    "detectable": "median of the smallest drift that would have been noticed at the end, by axis, in cm or deg",
    "auc": "area under the ROC of the loudest evidence in a run, against the runs without drift of the same source",
}


@dataclass(frozen=True)
class Case:
    """A drift (6,) and how it comes about: none, step, ramp, loosening or constant."""

    kind: str
    axis: str
    drift: tuple[float, ...]

    def at(self, since_s: float) -> Array:
        """The drift so long after its onset; before it there is none."""
        full = np.array(self.drift)
        if self.kind == "constant":
            return full
        if since_s < 0 or self.kind == "none":
            return np.zeros(6)
        if self.kind == "ramp":
            return full * min(1.0, since_s / RAMP_S)
        if self.kind == "loosening":
            return full * (1.0 if int(since_s / SHAKE_S) % 2 == 0 else 0.5)
        return full


@dataclass
class Outcome:
    """What a method made of one run: times are since the start, `loudest` is its strongest evidence."""

    alarms: list[float]
    loudest: float
    estimate: Array | None = None
    half: Array | None = None
    detectable: Array | None = None


@dataclass(frozen=True)
class Run:
    """Pairs of one drive whose camera moves by a case from the onset (s) on."""

    pairs: Sequence[Pair]
    true: Pose
    case: Case
    onset: float

    def moved(self) -> list[Pair]:
        """The pairs as the moved camera would have seen them."""
        start = self.pairs[0].stamp
        return [_moved(pair, self.true, self.case.at((pair.stamp - start) * 1e-9 - self.onset)) for pair in self.pairs]

    @property
    def unmoved(self) -> int:
        """How many pairs there are before the onset."""
        start = self.pairs[0].stamp
        return sum((pair.stamp - start) * 1e-9 < self.onset for pair in self.pairs)

    @property
    def truth(self) -> Array:
        """The drift at the end."""
        return self.case.at((self.pairs[-1].stamp - self.pairs[0].stamp) * 1e-9 - self.onset)


Method = Callable[[Run, Settings], Outcome]


def i2p(run: Run, settings: Settings) -> Outcome:
    """The monitor."""
    outcome = Outcome([], 0.0)
    for finding, when in _findings(run, settings):
        verdict = finding.verdict
        if verdict.level in (Level.WARN, Level.ALARM):
            outcome.alarms.append(when)
        outcome.loudest = max(outcome.loudest, float(np.max(np.abs(verdict.drift) / verdict.detectable)))
        outcome.detectable = verdict.detectable if np.isfinite(verdict.detectable).all() else None
        known = bool(np.isfinite(verdict.drift).all())
        outcome.estimate, outcome.half = (verdict.drift, verdict.half) if known else (None, None)
    return outcome


def fixed_threshold(run: Run, settings: Settings) -> Outcome:
    """Each window's estimate against the tolerance, without statistics."""
    tolerance = np.repeat([settings.watch.tolerance_m, np.radians(settings.watch.tolerance_deg)], 3)
    outcome = Outcome([], 0.0)
    for finding, when in _findings(run, settings):
        share = float(np.max(np.abs(finding.drift.delta) / tolerance))
        outcome.alarms += [when] * (share > 1.0)
        outcome.loudest = max(outcome.loudest, share)
        outcome.estimate = finding.drift.delta
    return outcome


def edge_score(run: Run, settings: Settings) -> Outcome:
    """Whether edges of range fit edges of the image better beside the nominal calibration than at it, on most sides
    (after Levinson and Thrun 2013, Automatic online calibration of cameras and lasers)."""
    outcome = Outcome([], 0.0)
    drifts = np.vstack([np.zeros(6), np.diag(EDGE_STEPS), -np.diag(EDGE_STEPS)])
    start = run.pairs[0].stamp
    for window in _windows(run.moved(), settings.monitor.window):
        frames = [observed(pair, run.true, settings.refinement) for pair in window]
        at = np.sum([information(f, run.true.translation, drifts, 0)[:, 1] for f in frames], axis=0)
        better = float(np.mean(at[1:] > at[0]))
        outcome.alarms += [(window[-1].stamp - start) * 1e-9] * (better > 0.5)
        outcome.loudest = max(outcome.loudest, better)
    return outcome


def single_shot(run: Run, settings: Settings) -> Outcome:
    """The mean of the network's poses, one a window, each around the nominal calibration, against its own scatter."""
    look = _look(settings)
    if look is None:
        raise InputError(
            "the mean of the network's poses needs the network, but monitor.network_pairs is 0", "monitor.network_pairs"
        )
    outcome, found, start = Outcome([], 0.0), [], run.pairs[0].stamp
    for window in _windows(run.moved(), settings.monitor.window):
        pose = look(window[-1], run.true)
        found += [] if pose is None else [run.true.local(pose)]
        if len(found) < 3:
            continue
        mean, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
        share = float(np.max(np.abs(mean) / spread)) / LOUD
        outcome.alarms += [(window[-1].stamp - start) * 1e-9] * (share > 1.0)
        outcome.loudest = max(outcome.loudest, share)
        outcome.estimate, outcome.half = mean, 1.96 * spread
    return outcome


METHODS: dict[str, Method] = {
    "i2p": i2p, "single_shot": single_shot, "edge_score": edge_score, "fixed_threshold": fixed_threshold
}  # fmt: skip


def cases(kinds: Iterable[str], degrees: Iterable[float], centimetres: Iterable[float]) -> list[Case]:
    """None, and each kind on each axis and mixed, in each size."""
    found = [Case("none", "none", (0.0,) * 6)]
    for kind in kinds:
        for deg, cm in zip(degrees, centimetres, strict=True):
            sizes = np.repeat([cm / 100.0, np.radians(deg)], 3)
            found += [Case(kind, axis, tuple(sizes * np.eye(6)[i])) for i, axis in enumerate(AXES)]
            found.append(Case(kind, "mixed", tuple(sizes * np.array([1, -1, 1, -1, 1, -1]) / np.sqrt(3.0))))
    return found


def synthetic(seed: int, wanted: Sequence[Case], methods: Sequence[str], settings: Settings) -> list[dict[str, Any]]:
    """One made-up drive of 60 s, by every case and method."""
    rate = settings.monitor.rate_hz
    world = settings.synthetic.model_copy(update={"drive": True, "rate_hz": rate})
    n = round(DRIVE_S * rate)
    source = open_source("synthetic", settings=settings.model_copy(update={"synthetic": world}), seed=seed, n=n)
    onset = float(np.random.default_rng(seed).uniform(*ONSET_S))
    return _rows("synthetic", *_read(source, n), onset, wanted, methods, settings)


def real(
    source: Source, name: str, wanted: Sequence[Case], methods: Sequence[str], settings: Settings
) -> list[dict[str, Any]]:
    """One recording, whose camera is off from its first pair on."""
    return _rows(name, *_read(source, len(source)), 0.0, wanted, methods, settings)


def many(
    seeds: Sequence[int], wanted: Sequence[Case], methods: Sequence[str], settings: Settings, workers: int,
    progress: Callable[[int], None] | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of many made-up drives, in processes of their own."""
    job = partial(synthetic, wanted=wanted, methods=methods, settings=settings)
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(workers) as pool:
        for done, found in enumerate(pool.map(job, seeds), start=1):
            rows += found
            if progress:
                progress(done)
    return rows


@dataclass(frozen=True)
class Part:
    """So many drives, each by these cases and methods."""

    drives: int
    cases: tuple[Case, ...]
    methods: tuple[str, ...]


SHARP = {"systematic_m": 0.002, "systematic_deg": 0.01}  # rms of what the windows of a made-up drive are off alike
SIZES = ((0.05, 0.5), (0.1, 1.0), (0.5, 5.0), (1.0, 10.0), (2.0, 20.0))  # deg and cm
BAR = (0.2, 3.0)
NONE = tuple(cases((), (), ()))
STEPS = tuple(cases(("step",), BAR[:1], BAR[1:]))
ALL = (
    *STEPS,
    *cases(("step",), *zip(*SIZES, strict=True))[1:],
    *cases(("ramp", "loosening"), (0.2, 0.5), (3.0, 5.0))[1:],
)
CHEAP = ("i2p", "fixed_threshold")
QUICK = (Part(1, STEPS, CHEAP), Part(1, STEPS[:5:4], ("edge_score", "single_shot")))
FULL = (
    Part(2, ALL, CHEAP),
    Part(18, STEPS, CHEAP),
    Part(180, NONE, CHEAP),
    Part(5, STEPS, ("edge_score",)),
    Part(3, STEPS[:5:2], ("single_shot",)),
)


def run_plan(
    plan: Sequence[Part], settings: Settings, seed: int, workers: int, progress: Callable[[int], None]
) -> list[dict[str, Any]]:
    """Rows of made-up drives, all of different seeds."""
    sharp = settings.model_copy(update={"watch": settings.watch.model_copy(update=SHARP)})
    rows: list[dict[str, Any]] = []
    done = 0
    for part in plan:
        seeds = range(seed + done, seed + done + part.drives)
        rows += many(seeds, part.cases, part.methods, sharp, workers, partial(_further, progress, done))
        done += part.drives
    return rows


def _further(progress: Callable[[int], None], before: int, done: int) -> None:
    progress(before + done)


def of_kitti(root: Path, settings: Settings, full: bool) -> list[dict[str, Any]]:
    """Rows of the test rows of shared/data: 51 frames of odometry 04 at 10 Hz, and 15 places of raw drive 9002."""
    sizes = ((0.2, 0.5, 1.0), (5.0, 10.0, 20.0)) if full else ((0.5,), (10.0,))
    wanted = _both_ways(cases(("constant",), *sizes))
    rows = []
    for name, folder, drive, cameras, rate, window in REAL:
        monitor = settings.monitor.model_copy(update={"rate_hz": rate, "window": window})
        chosen = settings.model_copy(update={"monitor": monitor})
        for camera in cameras:
            source = open_source("kitti", root / folder, settings=settings, cameras=[camera], drives=[drive])
            rows += real(source, name, wanted, ("i2p", "fixed_threshold", "edge_score"), chosen)
    return rows


REAL = (
    ("kitti 04", "odometry", "04", ("image_2", "image_3"), 10.0, 25),
    ("kitti 9002", "raw", "2011_09_26_drive_9002_sync", ("image_02", "image_03"), 1.0, 15),
)


def _both_ways(wanted: Sequence[Case]) -> list[Case]:
    """Each case, and its drift the other way."""
    back = [replace(case, drift=tuple(-value for value in case.drift)) for case in wanted if case.kind != "none"]
    return [*wanted, *back]


def summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row per method, source, kind, axis and size, of all its runs."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in ("method", "source", "kind", "axis", "drift")), []).append(row)
    quiet = {key[:2]: [row["loudest"] for row in found] for key, found in groups.items() if key[2] == "none"}
    return [_summarised(key, found, quiet.get(key[:2], [])) for key, found in groups.items()]


def _summarised(key: tuple[Any, ...], found: Sequence[dict[str, Any]], quiet: Sequence[float]) -> dict[str, Any]:
    method, source, kind, axis, drift = key
    delays = [row["delay_s"] for row in found if row["detected"]]
    return {
        "method": method, "source": source, "axis": axis, "drift": drift, "kind": kind, "runs": len(found),
        "detected": sum(row["detected"] for row in found), "delay_s": _median(delays),
        "false_alarms": sum(row["false_alarm"] for row in found),
        "error": _median([row["error"] for row in found]), "coverage95": _mean([row["covered"] for row in found]),
        "auc": None if kind == "none" or not quiet else _auc([row["loudest"] for row in found], quiet),
        "detectable": _medians([row["detectable"] for row in found]),
    }  # fmt: skip


def _rows(
    source: str, pairs: Sequence[Pair], true: Pose, onset: float, wanted: Sequence[Case], methods: Sequence[str],
    settings: Settings,
) -> list[dict[str, Any]]:  # fmt: skip
    found = []
    _CACHE.clear()  # another drive's pairs may have had the same id
    for case in wanted:
        run = Run(pairs, true, case, onset)
        found += [_row(method, source, run, METHODS[method](run, settings)) for method in methods]
    return found


def _row(method: str, source: str, run: Run, outcome: Outcome) -> dict[str, Any]:
    case, truth = run.case, run.truth
    onset = run.onset if case.kind not in ("none", "constant") else 0.0 if case.kind == "constant" else np.inf
    before = [when for when in outcome.alarms if when < onset]
    after = [when - onset for when in outcome.alarms if when >= onset]
    in_time = [delay for delay in after if delay <= NOTICED_S or case.kind == "constant"]
    scale = np.array([100.0] * 3 + [np.degrees(1.0)] * 3)
    error, covered = None, None
    if outcome.estimate is not None and case.kind != "none":
        errors = np.abs(outcome.estimate - truth) * scale
        error = float(errors.max() if case.axis == "mixed" else errors[AXES.index(case.axis)])
    if outcome.estimate is not None and outcome.half is not None:
        covered = float(np.mean(np.abs(outcome.estimate - truth) <= outcome.half))
    size = np.abs(np.array(case.drift) * scale).max()
    return {
        "method": method, "source": source, "kind": case.kind, "axis": case.axis, "drift": round(float(size), 4),
        "detected": bool(in_time) and not before, "delay_s": in_time[0] if in_time else None,
        "false_alarm": bool(before), "error": error, "covered": covered, "loudest": outcome.loudest,
        "detectable": None if outcome.detectable is None else (outcome.detectable * scale).tolist(),
    }  # fmt: skip


_CACHE: dict[tuple[Any, ...], Any] = {}  # of the drive at hand: methods and cases share what is the same


def _findings(run: Run, settings: Settings) -> list[tuple[Finding, float]]:
    """What the monitor found, with the time since the start, s."""
    key = (id(run.pairs), run.case)
    if key not in _CACHE:
        pairs, first = run.moved(), run.unmoved
        if (id(run.pairs), first) not in _CACHE:
            _CACHE.clear()
            monitor = Monitor(run.true, MonitoredRig("a", "b", "c"), settings, network_pose=_look(settings))
            _CACHE[id(run.pairs), first] = _watched(monitor, pairs[:first])
        monitor, before = _CACHE[id(run.pairs), first]
        monitor, after = _watched(deepcopy(monitor), pairs[first:])
        last = monitor.finish()
        start = run.pairs[0].stamp
        found = [*before, *after, *([last] if last else [])]
        _CACHE[key] = [(finding, (finding.drift.stamp - start) * 1e-9) for finding in found]
    return list(_CACHE[key])


def _watched(monitor: Monitor, pairs: Sequence[Pair]) -> tuple[Monitor, list[Finding]]:
    return monitor, [finding for pair in pairs if (finding := monitor.add(pair)) is not None]


def _read(source: Source, n: int) -> tuple[list[Pair], Pose]:
    samples = [source[index] for index in range(n)]
    true = samples[0].T_camera_lidar
    assert true is not None
    return [sample.pair for sample in samples], true


def _moved(pair: Pair, true: Pose, drift: Array) -> Pair:
    return replace(pair, cloud=pair.cloud.transformed(true.retract(drift).inverse() @ true)) if drift.any() else pair


def _windows(pairs: Sequence[Pair], length: int) -> list[Sequence[Pair]]:
    return [pairs[k : k + length] for k in range(0, len(pairs) - min(length, len(pairs)) + 1, length)]


def _look(settings: Settings) -> NetworkPose | None:
    """The network, loaded once a process."""
    from i2p_ros.localizer import looker

    if settings.model not in _LOADED:
        _LOADED[settings.model] = looker(settings)
    return _LOADED[settings.model]


_LOADED: dict[str, NetworkPose | None] = {}


def _auc(loud: Sequence[float], quiet: Sequence[float]) -> float:
    """Probability that a run with drift is louder than one without (Mann and Whitney)."""
    a, b = np.array(loud)[:, None], np.array(quiet)[None]
    return float(np.mean((a > b) + 0.5 * (a == b)))


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _medians(values: Iterable[Sequence[float] | None]) -> list[float] | None:
    known = [value for value in values if value is not None]
    return np.median(known, axis=0).tolist() if known else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
