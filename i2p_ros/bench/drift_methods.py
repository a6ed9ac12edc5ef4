# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Methods that look for a drift in a run: the monitor, and simple rivals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from i2p_ros.alignment.mutual_information import information
from i2p_ros.alignment.pair_signals import PairSignals
from i2p_ros.alignment.signals import RANGE_JUMP
from i2p_ros.bench.drift_cases import DriftRun
from i2p_ros.core.config import Settings
from i2p_ros.core.drifts import Level
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array
from i2p_ros.core.types import Pair
from i2p_ros.monitor.history import MonitoredRig
from i2p_ros.monitor.session import Finding, Monitor, NetworkPose

EDGE_STEPS = (0.05, 0.05, 0.1, *np.radians([0.5, 0.5, 0.5]))  # of the poses that the edge score compares, m and rad
ALARM_STD = 5.5  # standard deviations at which a mean of poses alarms, as the monitor's threshold
Z95 = 1.96  # standard deviations of a 95 % interval


@dataclass
class Detection:
    """Result of a method on a run: `alarms` are times since the start, s, and `loudest` is its strongest evidence.

    `estimate`, `half` and `detectable` (6,) are those of the end, m and rad: the drift, half of its 95 % intervals, and
    the detectable drift.
    """

    alarms: list[float]
    loudest: float
    estimate: Array | None = None
    half: Array | None = None
    detectable: Array | None = None


Method = Callable[[DriftRun, Settings], Detection]


def i2p(run: DriftRun, settings: Settings) -> Detection:
    """Detection by the monitor."""
    found = Detection([], 0.0)
    for finding, when in _findings(run, settings):
        verdict = finding.verdict
        if verdict.level in (Level.WARN, Level.ALARM):
            found.alarms.append(when)
        found.loudest = max(found.loudest, float(np.max(np.abs(verdict.drift) / verdict.detectable)))
        found.detectable = verdict.detectable if np.isfinite(verdict.detectable).all() else None
        finite = bool(np.isfinite(verdict.drift).all())
        found.estimate, found.half = (verdict.drift, verdict.half) if finite else (None, None)
    return found


def fixed_threshold(run: DriftRun, settings: Settings) -> Detection:
    """Detection by each window's estimate against the tolerance, without statistics."""
    tolerance = np.repeat([settings.watch.tolerance_m, np.radians(settings.watch.tolerance_deg)], 3)
    found = Detection([], 0.0)
    for finding, when in _findings(run, settings):
        share = float(np.max(np.abs(finding.drift.delta) / tolerance))
        found.alarms += [when] * (share > 1.0)
        found.loudest = max(found.loudest, share)
        found.estimate = finding.drift.delta
    return found


def edge_score(run: DriftRun, settings: Settings) -> Detection:
    """Detection by jumps of range that fit image edges better at most poses beside the nominal calibration than at it
    (after Levinson and Thrun 2013, Automatic online calibration of cameras and lasers)."""
    found = Detection([], 0.0)
    drifts = np.vstack([np.zeros(6), np.diag(EDGE_STEPS), -np.diag(EDGE_STEPS)])
    for window in _windows(run.moved(), settings.monitor.window):
        pairs = [PairSignals.of(pair, run.true, settings.refinement) for pair in window]
        at = np.sum([information(p, drifts, 0)[:, p.pyramid.signals.index(RANGE_JUMP)] for p in pairs], axis=0)
        better = float(np.mean(at[1:] > at[0]))
        found.alarms += [run.seconds(window[-1].stamp)] * (better > 0.5)
        found.loudest = max(found.loudest, better)
    return found


def single_shot(run: DriftRun, settings: Settings) -> Detection:
    """Detection by the mean of the network's poses, one a window near the nominal calibration, against their scatter.

    Raises InputError when the settings have no network.
    """
    network_pose = _network_pose(settings)
    if network_pose is None:
        what = "the mean of the network's poses needs the network, but monitor.network_pairs is 0"
        raise InputError(what, "monitor.network_pairs")
    found, deltas = Detection([], 0.0), list[Array]()
    for window in _windows(run.moved(), settings.monitor.window):
        pose = network_pose(window[-1], run.true)
        deltas += [] if pose is None else [run.true.local(pose)]
        if len(deltas) < 3:
            continue
        mean, spread = np.mean(deltas, axis=0), np.std(deltas, axis=0, ddof=1) / np.sqrt(len(deltas))
        share = float(np.max(np.abs(mean) / spread)) / ALARM_STD
        found.alarms += [run.seconds(window[-1].stamp)] * (share > 1.0)
        found.loudest = max(found.loudest, share)
        found.estimate, found.half = mean, Z95 * spread
    return found


METHODS: dict[str, Method] = {
    "i2p": i2p, "single_shot": single_shot, "edge_score": edge_score, "fixed_threshold": fixed_threshold
}  # fmt: skip


def run_methods(run: DriftRun, methods: Sequence[str], settings: Settings) -> dict[str, Detection]:
    """Detection of each method on a run, by its name."""
    return {name: METHODS[name](run, settings) for name in methods}


def forget_drive() -> None:
    """Forget the windows of the drive at hand: another drive's pairs may get the same id."""
    _CACHE.clear()


_CACHE: dict[tuple[Any, ...], Any] = {}  # of the drive at hand: methods share a run's windows, cases those before it
_LOADED: dict[str, NetworkPose | None] = {}  # network of each model, loaded once a process


def _findings(run: DriftRun, settings: Settings) -> list[tuple[Finding, float]]:
    """Findings of the monitor, with the time since the start, s."""
    key = (id(run.pairs), run.case)
    if key not in _CACHE:
        pairs, first = run.moved(), run.unmoved
        if (id(run.pairs), first) not in _CACHE:
            _CACHE.clear()
            monitor = Monitor(run.true, MonitoredRig("a", "b", "c"), settings, network_pose=_network_pose(settings))
            _CACHE[id(run.pairs), first] = _watched(monitor, pairs[:first])
        monitor, before = _CACHE[id(run.pairs), first]
        monitor, after = _watched(deepcopy(monitor), pairs[first:])
        last = monitor.finish()
        found = [*before, *after, *([last] if last else [])]
        _CACHE[key] = [(finding, run.seconds(finding.drift.stamp)) for finding in found]
    return list(_CACHE[key])


def _watched(monitor: Monitor, pairs: Sequence[Pair]) -> tuple[Monitor, list[Finding]]:
    return monitor, [finding for pair in pairs if (finding := monitor.add(pair)) is not None]


def _windows(pairs: Sequence[Pair], length: int) -> list[Sequence[Pair]]:
    return [pairs[k : k + length] for k in range(0, len(pairs) - min(length, len(pairs)) + 1, length)]


def _network_pose(settings: Settings) -> NetworkPose | None:
    from i2p_ros.localizer import load_network_pose

    if settings.model not in _LOADED:
        _LOADED[settings.model] = load_network_pose(settings)
    return _LOADED[settings.model]
