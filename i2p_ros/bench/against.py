# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time of a pair by this build, beside that by another build of this package: a baseline.

Each build runs in a process of its own and keeps one localizer. They take turns pair by pair, so that other load hits
them alike.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from i2p_ros.bench import build_worker
from i2p_ros.bench.inputs import MessagePair
from i2p_ros.bench.measuring import summary
from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.progress import Progress

SHARED = ("device", "backend", "precision", "threads", "branches")  # settings that all builds have
DEFINITIONS = {
    "baseline_ms": "pair_ms of the build in the folder of --against, and build_ms that of this build, each in a "
    "process of its own; the builds take turns pair by pair; build_align_ms and baseline_align_ms: the stage align",
    "ratio_to_baseline": "median of build_ms over median of baseline_ms; p95_ratio_to_baseline: of the 95th "
    "percentiles; align_ratio_to_baseline: of the medians of the stage align; cpu_ratio_to_baseline: of the medians of "
    "the time of all cores together",
}

Ask = Callable[[int], dict[str, Any]]  # the answer of `build_worker` to a pair


def against(
    folder: Path, settings: Settings, model: str, inputs: Sequence[MessagePair], rounds: int,
    progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The numbers that DEFINITIONS explains. `folder` is a checkout of the baseline, with its environment in .venv.

    Without .venv, the running interpreter runs it. Raises InputError if there is no build, or if it cannot run.
    """
    if not (folder / "i2p_ros" / "localizer.py").is_file():
        raise InputError(f"{folder} has no package i2p_ros: --against takes a checkout of another version")
    own, total = Path(build_worker.__file__).parents[2], rounds * len(inputs)
    answers: dict[str, list[dict[str, Any]]] = {"ours": [], "baseline": []}
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / "pairs.npz"
        np.savez(file, **_arrays(inputs))
        with _build(own, file, settings, model) as ours, _build(folder, file, settings, model) as baseline:
            for turn in range(total):
                builds = [("ours", ours), ("baseline", baseline)]
                for name, ask in builds[:: 1 if turn % 2 else -1]:
                    answers[name].append(ask(turn % len(inputs)))
                if progress:
                    progress(turn + 1, total)
    return _compared(answers["ours"], answers["baseline"])


def _compared(ours: Sequence[dict[str, Any]], baseline: Sequence[dict[str, Any]]) -> dict[str, Any]:
    times = {
        f"{build}_{key}": summary(np.array([answer[key] for answer in answers]))
        for build, answers in (("build", ours), ("baseline", baseline))
        for key in ("ms", "cpu_ms", "align_ms")
    }

    def ratio(key: str, which: str = "median") -> float | None:
        whole = times[f"baseline_{key}"][which]
        return times[f"build_{key}"][which] / whole if whole else None  # without a pose there is no alignment

    return {
        **times,
        "ratio_to_baseline": ratio("ms"),
        "p95_ratio_to_baseline": ratio("ms", "p95"),
        "align_ratio_to_baseline": ratio("align_ms"),
        "cpu_ratio_to_baseline": ratio("cpu_ms"),
        "with_pose_of_both": [float(np.mean([answer["pose"] for answer in answers])) for answers in (ours, baseline)],
    }


@contextmanager
def _build(folder: Path, file: Path, settings: Settings, model: str) -> Iterator[Ask]:
    """The worker of a build. Raises InputError if it ends early, with the last line that it wrote."""
    own = folder / ".venv" / "bin" / "python"
    python = str(own) if own.is_file() else sys.executable
    arguments = [str(file), str(Path(model).resolve()) if Path(model).exists() else model, _shared(settings)]
    with TemporaryDirectory() as scratch:
        says = Path(scratch) / "stderr"
        with says.open("w") as log:
            process = subprocess.Popen(
                [python, "-c", Path(build_worker.__file__).read_text(), *arguments], cwd=folder, text=True,
                env={**os.environ, "PYTHONPATH": str(folder)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log,
            )  # fmt: skip

        def answer() -> str:
            assert process.stdout
            if line := process.stdout.readline():
                return line
            process.wait()
            last = says.read_text().strip().rpartition("\n")[2]
            raise InputError(f"the build in {folder} cannot be timed: {last or process.returncode}")

        def ask(pair: int) -> dict[str, Any]:
            assert process.stdin
            print(pair, file=process.stdin, flush=True)
            found: dict[str, Any] = json.loads(answer())
            return found

        try:
            answer()
            yield ask
        finally:
            process.kill()
            process.communicate()


def _shared(settings: Settings) -> str:
    return json.dumps({name: getattr(settings, name) for name in SHARED})


def _arrays(inputs: Sequence[MessagePair]) -> dict[str, Any]:
    """Pairs as arrays that any build can read."""
    cameras = [messages.camera for messages in inputs]
    arrays = {"cameras": np.array([[c.fx, c.fy, c.cx, c.cy, c.width, c.height] for c in cameras])}
    for i, messages in enumerate(inputs):
        image, cloud = messages.image, messages.cloud
        arrays[f"image{i}"] = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)
        arrays[f"cloud{i}"] = np.frombuffer(cloud.data, np.float32).reshape(-1, 4)
    return arrays
