# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How long a whole pair takes, from messages to a pose with covariance, where the time goes, and how far that is from
what the machine could do and from what the published network takes. All in one run, each beside the others.
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from i2p_ros.bench.counting import Counting, Machine, measured
from i2p_ros.bench.published import Published
from i2p_ros.core.camera import Camera
from i2p_ros.core.config import Settings
from i2p_ros.core.errors import I2PError, one_line
from i2p_ros.core.messages import cloud_from_message, image_from_message
from i2p_ros.core.stages import Work, recording, stage, worked
from i2p_ros.core.types import Image, Pair, PointCloud, PoseEstimate
from i2p_ros.families.base import Family
from i2p_ros.localizer import Localizer, load
from i2p_ros.networks.base import Arrays, FamilyNetwork
from i2p_ros.pnp.baselines import BASELINES
from i2p_ros.runtime.choosing import runtime_for
from i2p_ros.runtime.torch_runtime import TorchRuntime
from i2p_ros.sources.perturb import perturbed
from i2p_ros.synthetic import SyntheticSource

SEED = 11
INPUT = {"width": 1242, "height": 375, "points": 120_000}  # as KITTI's
LARGE = {"width": 3264, "height": 2448, "points": 2_000_000}
COUNTS = (5_000, 10_000, 20_000, 50_000, 120_000, 250_000, 500_000, 1_000_000, 2_000_000)
STAGES = ("decode", "prepare", "voxelize", "image", "sparse", "point", "heads", "match", "align", "pose")
RUNTIMES: dict[str, dict[str, Any]] = {
    "torch float32, in turn": {"backend": "torch", "precision": "float32", "branches": 1},
    "torch float32": {"backend": "torch", "precision": "float32"},
    "torch bf16": {"backend": "torch", "precision": "bf16"},
    "torch float16": {"backend": "torch", "precision": "float16", "device": "cuda"},
    "tensorrt": {"backend": "tensorrt"},
}  # settings
COUNTED = {"device": "cpu", "backend": "torch"}  # settings under which work is counted: a graph on a GPU hides it
THRESHOLD_PX = 1.0  # of the published solver, on its map
SPIN = "while True: pass"

DEFINITIONS = {
    "pair_ms": "wall time of one pair, from Image and PointCloud2 messages to a pose with covariance or the reason why "
    "there is none, ms; made-up places, clouds in frames drawn as protocol vp2p says, first pair left out",
    "pair_ms_busy": "the same while another process keeps one core busy; busy_ratio is the median over that without",
    "published_ms": "the same for VP2P-Match as published, at its widths, with random weights: messages to EPnP in 500 "
    "iterations, without covariance; each pair right after ours, with as many threads as there are cores",
    "ratio_to_published": "median over the pairs of published_ms over pair_ms",
    "pair_cpu_ms": "the same in time of all cores together, which other processes disturb less; published_cpu_ms and "
    "cpu_ratio_to_published likewise",
    "floor_ms": "least time for the counted work at the rates of `machine`, all cores, median of those measured beside "
    "each pair; of the stages: each by the larger of computing and moving; of the pair: their sum",
    "ratio_to_floor": "median of pair_ms over floor_ms of the pair",
    "stages": "mean over the pairs, one after another in one thread, all looks of a pair together; gflop and mbyte: of "
    "matrix products and convolutions (operands and results once), of samples of the pose, and of input and output; "
    "network: what is between its parts",
    "peak_rss_mb": "most resident memory of a process of its own that localizes the same input; peak_rss_mb_large: "
    "2,000,000 points and 8 megapixels",
    "points": "points of the cloud, median ms of the pairs",
    "networks": "one pass of each size of network by each runtime, with random weights, without looks, matches and "
    "pose; no ms where the runtime is not there, which `says` explains",
}  # fmt: skip


@dataclass(frozen=True)
class Raw:
    """A pair as it arrives: messages, by attribute, and the camera."""

    image: Any
    cloud: Any
    camera: Camera

    @staticmethod
    def of(pair: Pair) -> Raw:
        """The messages of a pair."""
        return Raw(image_message(pair.image), cloud_message(pair.cloud), pair.camera)

    def decoded(self) -> Pair:
        """The pair again."""
        with stage("decode"):
            pair = Pair(image_from_message(self.image), self.camera, cloud_from_message(self.cloud))
            worked(byte=len(self.image.data) + len(self.cloud.data) + _size(pair))
        return pair


def image_message(image: Image) -> Any:
    """A sensor_msgs/Image, bgr8."""
    height, width = image.shape[:2]
    return SimpleNamespace(
        height=height, width=width, encoding="bgr8", is_bigendian=0, step=3 * width, data=image[..., ::-1].tobytes()
    )


def cloud_message(cloud: PointCloud) -> Any:
    """A sensor_msgs/PointCloud2 of x, y, z and intensity."""
    intensity = np.zeros(len(cloud), np.float32) if cloud.intensity is None else cloud.intensity
    rows = np.concatenate([cloud.xyz, intensity[:, None]], axis=1)
    fields = [
        SimpleNamespace(name=name, offset=4 * i, datatype=7, count=1)
        for i, name in enumerate(("x", "y", "z", "intensity"))
    ]
    return SimpleNamespace(
        height=1, width=len(rows), fields=fields, is_bigendian=False, point_step=16, row_step=16 * len(rows),
        data=rows.tobytes(),
    )  # fmt: skip


def _size(pair: Pair) -> int:
    intensity = 0 if pair.cloud.intensity is None else pair.cloud.intensity.nbytes
    return pair.image.nbytes + pair.cloud.xyz.nbytes + intensity


def made_up(n: int, settings: Settings) -> list[Raw]:
    """Pairs of the input, each of another place and in another frame."""
    source = SyntheticSource(settings.synthetic.model_copy(update=INPUT), SEED, n)
    return [Raw.of(perturbed(source[i], "vp2p", SEED, i)[0].pair) for i in range(n)]


def resampled(raw: Raw, width: int, height: int, points: int) -> Raw:
    """The same place at another resolution: points are drawn again with 2 cm of noise, pixels interpolated."""
    pair, rng = raw.decoded(), np.random.default_rng(0)
    rows = rng.permutation(np.resize(rng.permutation(len(pair.cloud)), points))
    cloud = pair.cloud.selected(rows)
    noisy = cloud.xyz + rng.normal(0.0, 0.02, cloud.xyz.shape).astype(np.float32)
    image = np.asarray(cv2.resize(pair.image, (width, height)), np.uint8)
    return Raw.of(Pair(image, pair.camera.resized(width, height), replace(cloud, xyz=noisy)))


def localized(localizer: Localizer, raw: Raw) -> PoseEstimate:
    """From messages to the answer."""
    return localizer.localize_pair(raw.decoded())


def published(network: Published, raw: Raw) -> None:
    """The same, as published."""
    uv, points, camera = network.matches(raw.decoded())
    with stage("pose"):
        BASELINES["opencv_epnp_500"](uv, points, camera, THRESHOLD_PX)


def bench(
    settings: Settings, model: str, pairs: int = 6, rounds: int = 5, full: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The numbers that DEFINITIONS explains, as plain values. Without `full`, no networks and no series of points.

    Every pair is timed in every round: ours, as published, and ours beside a busy core, one after the other.
    """
    raws = made_up(pairs + 1, settings)
    localizer = load(model, settings)
    cores = len(os.sched_getaffinity(0))
    rival = Published(cores, localizer.runtime.device.type)
    localized(localizer, raws[0])
    localizer.runtime.wait()
    localized(localizer, raws[0])
    published(rival, raws[0])
    times, found, machine = _timed(localizer, rival, raws[1:], rounds, progress)
    stages = _stages(settings, model, raws[1:], machine)
    floor_ms = sum(row["floor_ms"] for row in stages)
    memory = {key: _peak_mb(settings, model, size) for key, size in (("", INPUT), ("_large", LARGE))}
    (ours, theirs, busy), (cpu, their_cpu, _) = (
        [np.array(times[key])[:, clock] for key in ("ours", "published", "busy")] for clock in (0, 1)
    )
    return {
        "model": model,
        "runtime": localizer.runtime.describe(),
        "device": localizer.runtime.device.type,
        "threads": localizer.runtime.threads,
        "cpu": _cpu(),
        "input": INPUT,
        "pair_ms": _summary(ours),
        "pair_ms_busy": _summary(busy),
        "busy_ratio": float(np.median(busy / ours)),
        "published_ms": _summary(theirs),
        "ratio_to_published": float(np.median(theirs / ours)),
        "pair_cpu_ms": _summary(cpu),
        "published_cpu_ms": _summary(their_cpu),
        "cpu_ratio_to_published": float(np.median(their_cpu / cpu)),
        "floor_ms": floor_ms,
        "ratio_to_floor": float(np.median(ours) / floor_ms),
        "throughput_hz": 1e3 / float(ours.mean()),
        "with_pose": found,
        **{f"peak_rss_mb{key}": value for key, value in memory.items()},
        "machine": {"gflops": machine.gflops, "gbytes_s": machine.gbytes},
        "stages": stages,
        **(_more(localizer, settings, raws[1:], machine) if full else {}),
        "definitions": DEFINITIONS,
    }


def _timed(
    localizer: Localizer, rival: Published, raws: Sequence[Raw], rounds: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[dict[str, list[tuple[float, float]]], float, Machine]:  # fmt: skip
    """Milliseconds of each pair in each round, by the clock and of all cores together, the share with a pose, and the
    machine: measured beside each pair, for what else runs on it makes both slower."""
    rates, cores = list[Machine](), len(os.sched_getaffinity(0))
    times: dict[str, list[tuple[float, float]]] = {"ours": [], "published": [], "busy": []}
    poses = 0
    with neighbour() as busy:
        for turn in range(rounds * len(raws)):
            raw = raws[turn % len(raws)]
            ms, estimate = _clocked(localized, localizer, raw)
            poses += estimate.pose is not None
            rates.append(measured(localizer.runtime.device, cores))
            times["ours"].append(ms)
            times["published"].append(_clocked(published, rival, raw)[0])
            with busy():
                times["busy"].append(_clocked(localized, localizer, raw)[0])
            if progress:
                progress(turn + 1, rounds * len(raws))
    return times, poses / (rounds * len(raws)), Machine.median(rates)


def _clocked(work: Callable[..., Any], *arguments: Any) -> tuple[tuple[float, float], Any]:
    """Milliseconds by the clock and of all cores together, and the result."""
    start, before = time.perf_counter(), time.process_time()
    result = work(*arguments)
    return (1e3 * (time.perf_counter() - start), 1e3 * (time.process_time() - before)), result


@contextmanager
def neighbour() -> Iterator[Callable[[], Any]]:
    """A process that does nothing but keep one core busy, within the blocks that are made by what this gives."""
    process = subprocess.Popen([sys.executable, "-c", SPIN])
    process.send_signal(signal.SIGSTOP)

    @contextmanager
    def busy() -> Iterator[None]:
        process.send_signal(signal.SIGCONT)
        try:
            yield
        finally:
            process.send_signal(signal.SIGSTOP)

    try:
        yield busy
    finally:
        process.kill()
        process.wait()


def _stages(settings: Settings, model: str, raws: Sequence[Raw], machine: Machine) -> list[dict[str, Any]]:
    """Time, work and floor of each stage."""
    alone = settings.model_copy(update={"branches": 1})
    localizer = load(model, alone)
    localized(localizer, raws[0])
    seconds = _recorded(localizer, raws)
    with Counting():
        counted = _recorded(load(model, alone.model_copy(update=COUNTED)), raws)
    return [
        {
            "name": name,
            "ms": 1e3 * seconds[name].seconds / len(raws),
            "gflop": 1e-9 * counted[name].flop / len(raws),
            "mbyte": 1e-6 * counted[name].byte / len(raws),
            "floor_ms": machine.floor_ms(counted[name].flop, counted[name].byte) / len(raws),
        }
        for name in seconds
    ]


def _recorded(localizer: Localizer, raws: Sequence[Raw]) -> Mapping[str, Work]:
    """The work of every stage, also of one that no pair came to."""
    with recording(localizer.runtime.settle) as record:
        for raw in raws:
            localized(localizer, raw)
    return {name: Work() for name in STAGES} | record.stages


def _more(localizer: Localizer, settings: Settings, raws: Sequence[Raw], machine: Machine) -> dict[str, Any]:
    """All networks by all runtimes, and time against points."""
    pair = raws[0].decoded()
    return {
        "networks": [
            row
            for name in localizer.family.sizes
            for row in _by_all_runtimes(name, type(localizer.family), settings, pair, machine)
        ],
        "points": [[n, float(np.median([_with_points(localizer, raw, n) for raw in raws]))] for n in COUNTS],
    }


def _with_points(localizer: Localizer, raw: Raw, points: int) -> float:
    """Milliseconds of a pair with another number of points."""
    return _median_ms(localized, localizer, resampled(raw, raw.camera.width, raw.camera.height, points))


def _by_all_runtimes(
    name: str, kind: type[Family[Any]], settings: Settings, pair: Pair, machine: Machine
) -> list[dict[str, Any]]:
    """One forward pass of a network of this family and size."""
    family = kind(kind.sizes[name], settings.matching)
    network, scene = family.network(), family.prepare(pair)
    inputs = family.inputs(scene)
    with recording() as record, stage("all"), Counting():
        TorchRuntime(network, "cpu", settings.threads, 1).open(scene.shared)(inputs)
    work = Work()
    for part in record.stages.values():
        work.add(part)
    cost = {"gflop": 1e-9 * work.flop, "mbyte": 1e-6 * work.byte, "floor_ms": machine.floor_ms(work.flop, work.byte)}
    rows = []
    for how, update in RUNTIMES.items():
        ms, says = _pass_ms(network, settings.model_copy(update=update), scene.shared, inputs)
        rows.append({"size": name, "runtime": how, "ms": ms, "says": says, **cost})
    return rows


def _pass_ms(
    network: FamilyNetwork, settings: Settings, shared: Arrays, inputs: Arrays
) -> tuple[float | None, str]:  # fmt: skip
    """Of one runtime, and how it describes itself; or none, and why it is not there."""
    try:
        runtime = runtime_for(network, settings)
    except I2PError as error:
        return None, one_line(error)

    def once() -> None:
        runtime.open(shared)(inputs)
        runtime.settle()

    once()
    runtime.wait()
    return _median_ms(once), runtime.describe()


def _median_ms(work: Callable[..., Any], *arguments: Any) -> float:
    return float(np.median([_clocked(work, *arguments)[0][0] for _ in range(4)][1:]))


def _summary(times: Any) -> dict[str, float]:
    return {"median": float(np.median(times)), "p95": float(np.percentile(times, 95)), "mean": float(times.mean())}


def _peak_mb(settings: Settings, model: str, size: Mapping[str, int]) -> float:
    """Of a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(peak_mb, settings, model, size).result()


def peak_mb(settings: Settings, model: str, size: Mapping[str, int]) -> float:
    """Most resident memory of this process so far, MB, after it has localized some pairs of a size."""
    raw = resampled(made_up(1, settings)[0], size["width"], size["height"], size["points"])
    Path("/proc/self/clear_refs").write_text("5")  # what making the pair took is not counted
    localizer = load(model, settings)
    for _ in range(2):
        localized(localizer, raw)
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024.0


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{name}, {len(os.sched_getaffinity(0))} cores"
