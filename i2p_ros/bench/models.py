# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Size, time and memory of models, on the same pairs. They take turns, so that other load hits them alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from i2p_ros.bench.inputs import INPUT, synthetic_pairs
from i2p_ros.bench.measuring import clocked, localized, peak_mb_of_process, summary
from i2p_ros.core.config import Settings
from i2p_ros.core.progress import Progress
from i2p_ros.core.types import Pair
from i2p_ros.localizer import Localizer, load
from i2p_ros.pnp import NoPoseError
from i2p_ros.runtime.manifest import count_parameters, find_model

DEFINITIONS = {
    "parameters": "numbers that the network has learned",
    "first_pass_ms": "from a pair in memory to the poses that the pass over the whole cloud proposes, wall time",
    "pair_ms": "from Image and PointCloud2 messages to a refined pose with covariance, wall time",
    "cpu_ms": "pair_ms in time of all cores together; first_pass_cpu_ms likewise",
    "ratio": "median over the pairs and rounds of pair_ms over that of the first model; first_pass_ratio: of "
    "first_pass_cpu_ms",
    "peak_rss_mb": "most resident memory of a process that localizes pairs with this model alone",
}


def compared(
    settings: Settings, models: Sequence[str], pairs: int, rounds: int, progress: Progress
) -> list[dict[str, Any]]:
    """A row for each model, the numbers of which DEFINITIONS explains."""
    localizers, inputs = [load(model, settings) for model in models], synthetic_pairs(pairs, settings)
    times = np.empty((len(models), rounds * pairs, 2, 2))  # first pass and pair; wall time and that of all cores
    for localizer in localizers:
        localized(localizer, inputs[0])
    for turn in range(rounds * pairs):
        messages = inputs[turn % pairs]
        for k in range(len(models)) if turn % 2 else reversed(range(len(models))):
            times[k, turn, 0], _ = clocked(proposed, localizers[k], messages.decoded())
            times[k, turn, 1], _ = clocked(localized, localizers[k], messages)
        progress(turn + 1, rounds * pairs)
    return [
        {
            "model": model,
            "family": localizer.family.name,
            "parameters": count_parameters(find_model(model)[1]),
            "first_pass_ms": summary(of_model[:, 0, 0]),
            "first_pass_cpu_ms": summary(of_model[:, 0, 1]),
            "pair_ms": summary(of_model[:, 1, 0]),
            "cpu_ms": summary(of_model[:, 1, 1]),
            "ratio": float(np.median(of_model[:, 1, 0] / times[0, :, 1, 0])),
            "first_pass_ratio": float(np.median(of_model[:, 0, 1] / times[0, :, 0, 1])),
            "peak_rss_mb": peak_mb_of_process(settings, model, INPUT),
        }
        for model, localizer, of_model in zip(models, localizers, times, strict=True)
    ]


def proposed(localizer: Localizer, pair: Pair) -> int:
    """The number of poses that the first pass proposes."""
    search = localizer.pose_search(pair.camera)
    try:
        return len(search.propose(localizer.predict(localizer.prepare(pair))))
    except NoPoseError:
        return 0
