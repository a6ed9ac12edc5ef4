# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The numbers of `i2p bench` as one HTML file without anything outside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from i2p_ros.evaluation import plots
from i2p_ros.evaluation.files import write_bytes
from i2p_ros.evaluation.report import data_uri, environment

TILES = {
    "pair_ms": "ms a pair",
    "published_ms": "ms, published network",
    "ratio_to_published": "times faster",
    "ratio_to_floor": "times the floor",
    "pair_ms_busy": "ms beside a busy core",
    "peak_rss_mb": "MB of memory at most",
}


def write_bench_report(folder: Path, numbers: dict[str, Any]) -> Path:
    """Path of folder/bench.html: numbers, their definitions, and plots of stages and of time against points."""
    path = Path(folder) / "bench.html"
    pictures = [("Stages", data_uri(plots.stages_over_floor(numbers["stages"]), "png"))]
    if "points" in numbers:
        pictures.append(("Time against points", data_uri(plots.time_over_points(numbers["points"]), "png")))
    tiles = [(_headline(numbers[key]), label) for key, label in TILES.items()]
    template = environment("i2p_ros.bench").get_template("bench.html.j2")
    write_bytes(
        path,
        template.render(numbers=numbers, stages=with_sum(numbers["stages"]), tiles=tiles, pictures=pictures).encode(),
    )
    return path


def with_sum(stages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Rows of all stages, and a row `all` with their sums."""
    return [
        *stages,
        {"name": "all", **{k: sum(row[k] for row in stages) for k in ("ms", "gflop", "mbyte", "floor_ms")}},
    ]


def _headline(value: Any) -> float:
    return float(value["median"] if isinstance(value, dict) else value)
