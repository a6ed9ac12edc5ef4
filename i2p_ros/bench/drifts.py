# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The drift benchmark: drifts of known size in drives whose calibration is known, found by the monitor and by rivals.

Each run is a drive of its own. The windows before the onset are the same whatever drift follows, so they are refined
once per drive; no run uses windows of another drive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from i2p_ros.bench.drift_cases import DriftCase, DriftRun, cases
from i2p_ros.bench.drift_methods import forget_drive, run_methods
from i2p_ros.bench.drift_rows import row_of
from i2p_ros.core.config import Settings
from i2p_ros.core.geometry import Pose
from i2p_ros.core.progress import Progress
from i2p_ros.core.source import Source
from i2p_ros.core.types import Pair
from i2p_ros.sources.known_drives import ODOMETRY_04, SCATTERED
from i2p_ros.sources.opening import open_source

DRIVE_S = 60.0  # of a synthetic run
ONSET_S = (15.0, 25.0)  # the onset is drawn between these
SHARP = {"systematic_m": 0.002, "systematic_deg": 0.01}  # rms of the systematic offset of a synthetic drive
REAL = ((ODOMETRY_04, 25), (SCATTERED, 15))  # drives, and pairs of a window


@dataclass(frozen=True)
class PlanPart:
    """A number of synthetic drives, each run by these cases and methods."""

    drives: int
    cases: tuple[DriftCase, ...]
    methods: tuple[str, ...]


SIZES = ((0.05, 0.5), (0.1, 1.0), (0.5, 5.0), (1.0, 10.0), (2.0, 20.0))  # deg and cm
BAR = (0.2, 3.0)  # deg and cm
NONE = tuple(cases((), (), ()))
STEPS = tuple(cases(("step",), BAR[:1], BAR[1:]))
ALL = (
    *STEPS,
    *cases(("step",), *zip(*SIZES, strict=True))[1:],
    *cases(("ramp", "loosening"), (0.2, 0.5), (3.0, 5.0))[1:],
)
CHEAP = ("i2p", "fixed_threshold")
QUICK = (PlanPart(1, STEPS, CHEAP), PlanPart(1, STEPS[:5:4], ("edge_score", "single_shot")))
FULL = (
    PlanPart(2, ALL, CHEAP),
    PlanPart(18, STEPS, CHEAP),
    PlanPart(180, NONE, CHEAP),
    PlanPart(5, STEPS, ("edge_score",)),
    PlanPart(3, STEPS[:5:2], ("single_shot",)),
)


def run_plan(
    plan: Sequence[PlanPart], settings: Settings, seed: int, workers: int, progress: Progress
) -> list[dict[str, Any]]:
    """Rows of synthetic drives, all of different seeds; `progress` gets the number of drives done and of all."""
    sharp = settings.model_copy(update={"watch": settings.watch.model_copy(update=SHARP)})
    rows: list[dict[str, Any]] = []
    done, total = 0, sum(part.drives for part in plan)
    for part in plan:
        seeds = range(seed + done, seed + done + part.drives)
        rows += many(seeds, part.cases, part.methods, sharp, workers, partial(_further, progress, done, total))
        done += part.drives
    return rows


def _further(progress: Progress, before: int, total: int, done: int) -> None:
    progress(before + done, total)


def many(
    seeds: Sequence[int], wanted: Sequence[DriftCase], methods: Sequence[str], settings: Settings, workers: int,
    progress: Callable[[int], None] | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of many synthetic drives, in processes of their own."""
    job = partial(synthetic, wanted=wanted, methods=methods, settings=settings)
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(workers) as pool:
        for done, found in enumerate(pool.map(job, seeds), start=1):
            rows += found
            if progress:
                progress(done)
    return rows


def synthetic(
    seed: int, wanted: Sequence[DriftCase], methods: Sequence[str], settings: Settings
) -> list[dict[str, Any]]:
    """Rows of one synthetic drive of 60 s, by every case and method."""
    rate = settings.monitor.rate_hz
    world = settings.synthetic.model_copy(update={"drive": True, "rate_hz": rate})
    n = round(DRIVE_S * rate)
    source = open_source("synthetic", settings=settings.model_copy(update={"synthetic": world}), seed=seed, n=n)
    onset = float(np.random.default_rng(seed).uniform(*ONSET_S))
    return _rows("synthetic", *_read(source, n), onset, wanted, methods, settings)


def of_kitti(root: Path, settings: Settings, full: bool, progress: Progress) -> list[dict[str, Any]]:
    """Rows of the KITTI drives of REAL: 51 frames of odometry 04 at 10 Hz, and 15 places of raw drive 9002.

    `root` is a folder with KITTI's folders odometry and raw. `full`: drifts of all sizes.
    """
    sizes = ((0.2, 0.5, 1.0), (5.0, 10.0, 20.0)) if full else ((0.5,), (10.0,))
    found = cases(("constant",), *sizes)
    wanted = [*found, *(case.reversed for case in found if case.kind != "none")]
    rows, done = [], 0
    for drive, window in REAL:
        monitor = settings.monitor.model_copy(update={"rate_hz": drive.rate_hz, "window": window})
        chosen = settings.model_copy(update={"monitor": monitor})
        for source in drive.by_camera(root, settings).values():
            rows += real(source, drive.name, wanted, ("i2p", "fixed_threshold", "edge_score"), chosen)
            done += 1
            progress(done, sum(len(each.cameras) for each, _ in REAL))
    return rows


def real(
    source: Source, name: str, wanted: Sequence[DriftCase], methods: Sequence[str], settings: Settings
) -> list[dict[str, Any]]:
    """Rows of one recording, whose camera is off from its first pair on."""
    return _rows(name, *_read(source, len(source)), 0.0, wanted, methods, settings)


def _read(source: Source, n: int) -> tuple[list[Pair], Pose]:
    """The first n pairs, and the true T_camera_lidar."""
    samples = [source[index] for index in range(n)]
    true = samples[0].T_camera_lidar
    assert true is not None
    return [sample.pair for sample in samples], true


def _rows(
    source: str, pairs: Sequence[Pair], true: Pose, onset: float, wanted: Sequence[DriftCase], methods: Sequence[str],
    settings: Settings,
) -> list[dict[str, Any]]:  # fmt: skip
    """A row for each case and method."""
    rows = []
    forget_drive()
    for case in wanted:
        run = DriftRun(pairs, true, case, onset)
        rows += [row_of(method, source, run, found) for method, found in run_methods(run, methods, settings).items()]
    return rows
