# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time of a whole pair, from messages to a pose with covariance, beside the limits of the machine and beside the
published network. All are measured in one run, one after the other, so that other load hits them alike.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from i2p_ros.bench import against as other_build
from i2p_ros.bench.costs import costs
from i2p_ros.bench.counting import counting
from i2p_ros.bench.inputs import INPUT, LARGE, MessagePair, resampled, synthetic_pairs
from i2p_ros.bench.machine import Machine, measured
from i2p_ros.bench.measuring import (
    clocked,
    cpu_name,
    localized,
    median_ms,
    neighbour,
    peak_mb_of_process,
    summary,
    tracked,
)
from i2p_ros.bench.networks import all_networks
from i2p_ros.bench.published import PublishedVP2P
from i2p_ros.core.config import Settings
from i2p_ros.core.progress import Progress
from i2p_ros.core.stages import recording, stage
from i2p_ros.localizer import Localizer, load
from i2p_ros.pnp.baselines import BASELINES

COUNTS = (5_000, 10_000, 20_000, 50_000, 120_000, 250_000, 500_000, 1_000_000, 2_000_000)
STAGES = ("decode", "prepare", "voxelize", "image", "sparse", "point", "heads", "match", "align", "pose")
COUNTED = {"device": "cpu", "backend": "torch"}  # settings under which work is counted: a graph on a GPU hides it
THRESHOLD_PX = 1.0  # of the published solver, on its map

DEFINITIONS = {
    "pair_ms": "wall time of one pair, from Image and PointCloud2 messages to a pose with covariance or the reason why "
    "there is none, ms; synthetic places, clouds in frames drawn as protocol vp2p says, first pair left out",
    "pair_ms_busy": "the same while another process keeps one core busy; busy_ratio is the median over that without",
    "tracked_ms": "the same with a prior that is off by up to 0.3 m and 3 deg along and about each axis of the camera",
    "published_ms": "the same for VP2P-Match as published, at its widths, with random weights: messages to EPnP in 500 "
    "iterations, without covariance; each pair right after ours, with as many threads as there are cores",
    "ratio_to_published": "median over the pairs of published_ms over pair_ms",
    "pair_cpu_ms": "the same in time of all cores together, which other processes disturb less; published_cpu_ms and "
    "cpu_ratio_to_published likewise",
    "floor_ms": "least time for the counted work at the rates of `machine`, all cores, median of those measured beside "
    "each pair; of the stages: each by the larger of computing and moving; of the pair: their sum",
    "ratio_to_floor": "median of pair_ms over floor_ms of the pair",
    "stages": "mean over the pairs, one after another in one thread, all forward passes of a pair together; gflop and "
    "mbyte: of matrix products and convolutions (operands and results once), of descriptor likelihood and mutual "
    "information, and of input and output; network: what is between its parts",
    "peak_rss_mb": "most resident memory of a process of its own that localizes the same input; peak_rss_mb_large: "
    "2,000,000 points and 8 megapixels",
    "points": "points of the cloud, median ms of the pairs",
    "networks": "one forward pass of each size of network by each runtime, with random weights, without matches and "
    "pose; no ms where the runtime is absent: `says` gives the reason",
}  # fmt: skip

Times = dict[str, list[tuple[float, float]]]  # ms by the clock and of all cores, a row per pair and round


def bench(
    settings: Settings, model: str, pairs: int = 6, rounds: int = 5, full: bool = True, against: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The numbers that DEFINITIONS explains, as plain values. Without `full`, no networks and no series of points.

    Every pair is timed in every round: ours, the same with a prior, as published, and ours beside a busy core, one
    after the other. With a checkout of another build, ours and that one are timed before, see `bench.against`.
    """
    first, *inputs = synthetic_pairs(pairs + 1, settings)
    baseline = other_build.against(against, settings, model, inputs, rounds, progress) if against else {}
    localizer = load(model, settings)
    rival = PublishedVP2P(_cores(), localizer.runtime.device.type)
    localized(localizer, first)
    localizer.runtime.wait()
    localized(localizer, first)
    published(rival, first)
    times, with_pose, machine = _timed(localizer, rival, inputs, rounds, progress)
    stages = _stages(settings, model, inputs, machine)
    return {
        "model": model,
        "runtime": localizer.runtime.describe(),
        "device": localizer.runtime.device.type,
        "threads": localizer.runtime.threads,
        "cpu": cpu_name(),
        "input": INPUT,
        **_compared(times, sum(row["floor_ms"] for row in stages)),
        **baseline,
        "with_pose": with_pose,
        "peak_rss_mb": peak_mb_of_process(settings, model, INPUT),
        "peak_rss_mb_large": peak_mb_of_process(settings, model, LARGE),
        "machine": {"gflops": machine.gflops, "gbytes_s": machine.gbytes},
        "stages": stages,
        **(_more(localizer, settings, inputs, machine) if full else {}),
        "definitions": DEFINITIONS | (other_build.DEFINITIONS if against else {}),
    }


def published(network: PublishedVP2P, messages: MessagePair) -> None:
    """Pose from messages as published: the network's matches, then EPnP."""
    uv, points, camera = network.matches(messages.decoded())
    with stage("pose"):
        BASELINES["opencv_epnp_500"](uv, points, camera, THRESHOLD_PX)


def _timed(
    localizer: Localizer, rival: PublishedVP2P, inputs: Sequence[MessagePair], rounds: int,
    progress: Progress | None,
) -> tuple[Times, float, Machine]:  # fmt: skip
    """Times of each pair in each round, the share with a pose, and the machine.

    The machine is measured beside each pair, for other load makes both slower.
    """
    rates, times, poses, total = list[Machine](), defaultdict(list), 0, rounds * len(inputs)
    with neighbour() as busy:
        for turn in range(total):
            messages = inputs[turn % len(inputs)]
            ms, estimate = clocked(localized, localizer, messages)
            poses += estimate.pose is not None
            rates.append(measured(localizer.runtime.device, _cores()))
            times["ours"].append(ms)
            times["tracked"].append(clocked(tracked, localizer, messages)[0])
            times["published"].append(clocked(published, rival, messages)[0])
            with busy():
                times["busy"].append(clocked(localized, localizer, messages)[0])
            if progress:
                progress(turn + 1, total + 1)  # one more for what is measured after the pairs
    return times, poses / total, Machine.median(rates)


def _compared(times: Times, floor_ms: float) -> dict[str, Any]:
    """Times of a pair: ours, with a prior, as published, beside a busy core, and against the floor."""
    (ours, theirs, busy, prior), (cpu, their_cpu, *_) = (
        [np.array(times[key])[:, clock] for key in ("ours", "published", "busy", "tracked")] for clock in (0, 1)
    )
    return {
        "pair_ms": summary(ours),
        "pair_ms_busy": summary(busy),
        "tracked_ms": summary(prior),
        "busy_ratio": float(np.median(busy / ours)),
        "published_ms": summary(theirs),
        "ratio_to_published": float(np.median(theirs / ours)),
        "pair_cpu_ms": summary(cpu),
        "published_cpu_ms": summary(their_cpu),
        "cpu_ratio_to_published": float(np.median(their_cpu / cpu)),
        "floor_ms": floor_ms,
        "ratio_to_floor": float(np.median(ours) / floor_ms),
        "throughput_hz": 1e3 / float(ours.mean()),
    }


def _stages(settings: Settings, model: str, inputs: Sequence[MessagePair], machine: Machine) -> list[dict[str, Any]]:
    """Time, work and floor of each stage. Times and work are of two runs, for counting makes everything slower."""
    alone = settings.model_copy(update={"branches": 1})
    localizer = load(model, alone)
    localized(localizer, inputs[0])
    seconds = _recorded(localizer, inputs)
    counted = load(model, alone.model_copy(update=COUNTED))
    with counting(costs(counted.family)) as work:
        _recorded(counted, inputs)
    return [
        {
            "name": name,
            "ms": 1e3 * seconds[name] / len(inputs),
            "gflop": 1e-9 * work[name].flop / len(inputs),
            "mbyte": 1e-6 * work[name].byte / len(inputs),
            "floor_ms": machine.floor_ms(work[name].flop, work[name].byte) / len(inputs),
        }
        for name in seconds
    ]


def _recorded(localizer: Localizer, inputs: Sequence[MessagePair]) -> Mapping[str, float]:
    """Seconds of every stage, also of one that no pair came to."""
    with recording(localizer.runtime.settle) as record:
        for messages in inputs:
            localized(localizer, messages)
    return dict.fromkeys(STAGES, 0.0) | record.seconds


def _more(localizer: Localizer, settings: Settings, inputs: Sequence[MessagePair], machine: Machine) -> dict[str, Any]:
    """All networks by all runtimes, and time against points."""
    return {
        "networks": all_networks(type(localizer.family), settings, inputs[0].decoded(), machine),
        "points": [[n, float(np.median([_with_points(localizer, pair, n) for pair in inputs]))] for n in COUNTS],
    }


def _with_points(localizer: Localizer, messages: MessagePair, points: int) -> float:
    """Median ms of a pair with another number of points."""
    camera = messages.camera
    return median_ms(localized, localizer, resampled(messages, camera.width, camera.height, points))


def _cores() -> int:
    return len(os.sched_getaffinity(0))
