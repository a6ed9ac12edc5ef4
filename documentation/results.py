# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measured figures of results/*.json as tables and sentences of pages.

A file has `title`, `command`, `version`, and either `figures`, by the keys of the JSON of the command, or a table of
`columns` and `rows`. `notes` are sentences. `recorded` names the text that its figures were taken from; without it they
are those that the command printed. `$KITTI` in a command is a folder with KITTI's `raw` and `odometry`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import i2p_ros
from documentation import ROOT

RESULTS = ROOT / "results"
KEPT = (
    "n", "localized", "recall_2m_5deg", "recall_05m_2deg", "rte_camera_m", "rre_geodesic_deg", "junk_rate", "coverage",
    "spread", "indoor",
)  # fmt: skip
"""Keys of an evaluation that pages show. Those of each pair are left out."""
IN_README = ("synthetic", "synthetic_prior", "kitti_9002", "kitti_04", "kitti_04_prior")
TIMES = {
    "pair_ms": ("a pair, median (95 %)", "{0[median]:.0f} ms ({0[p95]:.0f} ms)"),
    "pair_ms_busy": ("the same with one core kept busy by another program, median", "{0[median]:.0f} ms"),
    "busy_ratio": ("over the time without it", "{0:.2f} times"),
    "published_ms": ("the published architecture, same input, median", "{0[median]:.0f} ms"),
    "ratio_to_published": ("over our time", "{0:.1f} times"),
    "floor_ms": ("the machine's floor of the same work", "{0:.0f} ms"),
    "ratio_to_floor": ("our time over the floor", "{0:.1f} times"),
    "tracked_ms": (
        "a pair with a prior as good as a tracked pose, median (95 %)",
        "{0[median]:.0f} ms ({0[p95]:.0f} ms)",
    ),
    "baseline_ms": ("the baseline, in turn, median (95 %)", "{0[median]:.0f} ms ({0[p95]:.0f} ms)"),
    "ratio_to_baseline": ("our median over that of the baseline", "{0:.2f} times"),
    "p95_ratio_to_baseline": ("the same of the 95th percentiles", "{0:.2f} times"),
    "cpu_ratio_to_baseline": ("the same of the time of all cores", "{0:.2f} times"),
    "align_ratio_to_baseline": ("the same of the alignment alone", "{0:.2f} times"),
    "peak_rss_mb": ("peak memory of the process", "{0:.0f} MB"),
    "peak_rss_mb_large": ("the same with 2,000,000 points and 8 megapixels", "{0:.0f} MB"),
}


def result(name: str) -> dict[str, Any]:
    """The content of results/NAME.json."""
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return content


def figures(name: str) -> dict[str, Any]:
    """The figures of a file, by the keys of its command's JSON."""
    found: dict[str, Any] = result(name)["figures"]
    return found


def table(name: str) -> str:
    """The table of a file, and how it was made."""
    content = result(name)
    return f"{_markdown(content['columns'], content['rows'])}\n\n{made_by(name)}"


def notes(name: str) -> str:
    """The sentences of a file, a list item each."""
    return "\n".join(f"- {note}" for note in result(name).get("notes", ()))


def made_by(*names: str) -> str:
    """The commands of files, folded away."""
    lines = [f"    {_provenance(name)}" for name in names]
    return "\n".join(['??? note "How it was measured"', "", *(line for each in lines for line in (each, ""))]).rstrip()


def localization(names: Sequence[str]) -> str:
    """A table of evaluations, a row for each of results/localize_NAME.json."""
    columns = ["data", "pairs", "with a pose", "within 2 m, 5 deg", "0.5 m, 2 deg", "median error", "junk",
               "95 % ellipsoids hold"]  # fmt: skip
    return _markdown(columns, [_localized(f"localize_{name}") for name in names])


def coverage(names: Sequence[str]) -> str:
    """A table of the shares of poses in their ellipsoids, a row for each of results/localize_NAME.json."""
    rows = []
    for name in names:
        content = result(f"localize_{name}")
        f = content["figures"]
        rows.append([content["title"], str(f["localized"]), *(f"{share:.2f}" for share in f["coverage"].values())])
    levels = [f"{100 * float(level):.0f} % hold" for level in figures(f"localize_{names[0]}")["coverage"]]
    return _markdown(["data", "with a pose", *levels], rows)


def rooms(names: Sequence[str]) -> str:
    """A table of evaluations in rooms, a row for each of results/localize_NAME.json."""
    columns = ["data", "pairs", "rooms", "with a pose", "registered", "by P3P from the same matches", "matched",
               "inlier ratio", "median RMSE", "95 % ellipsoids hold"]  # fmt: skip
    return _markdown(columns, [_in_rooms(f"localize_{name}") for name in names])


def in_readme() -> str:
    """The table of the README."""
    columns = ["data", "pairs", "within 2 m, 5 deg", "0.5 m, 2 deg", "median error"]
    rows = [_localized(f"localize_{name}") for name in IN_README]
    return _markdown(columns, [[*row[:2], *row[3:6]] for row in rows])


def timing(name: str) -> str:
    """The table of `i2p bench`, with what was timed, and the limits that the project has set itself."""
    content = result(name)
    limits = content.get("limits", {})
    rows = [
        [text, form.format(content["figures"][key]), limits.get(key, "")]
        for key, (text, form) in TIMES.items()
        if key in content["figures"]
    ]
    about = f"{content['title'][0].upper()}{content['title'][1:]}. Version {content['version']}."
    return f"{about}\n\n{_markdown(['', 'measured', 'limit'], rows)}\n\n{made_by(name)}"


def models_in_turn(name: str) -> str:
    """The table of `i2p bench models`."""
    columns = ["model", "parameters", "first pass, time of all cores", "over the first model", "a pair, median",
               "over the first model", "peak memory"]  # fmt: skip
    rows = [
        [
            f"`{row['model']}`", f"{row['parameters'] / 1e6:.1f} M", f"{row['first_pass_cpu_ms']['median']:.0f} ms",
            f"{row['first_pass_ratio']:.2f}", f"{row['pair_ms']['median']:.0f} ms", f"{row['ratio']:.2f}",
            f"{row['peak_rss_mb']:.0f} MB",
        ]
        for row in figures(name)
    ]  # fmt: skip
    return f"{_markdown(columns, rows)}\n\n{made_by(name)}"


def ablation(name: str, protocol: str, recall: str = "recall_2m_5deg") -> str:
    """The table of `i2p bench ablation` for one protocol. Figures are means over the seeds (least to largest). What a
    part gives is the difference of the two runs of each seed."""
    columns = ["family", "part", "beside", "right matches", "more than beside", "found", "median error"]
    runs = {(row["family"], row["part"], row["seed"]): row["figures"][protocol] for row in figures(name)}
    parts = {(row["family"], row["part"]): row["beside"] for row in figures(name)}
    rows = []
    for (family, part), beside in parts.items():
        of = {seed: run for (f, p, seed), run in runs.items() if (f, p) == (family, part)}
        right = {seed: run["right_matches"] for seed, run in of.items()}
        more = [right[seed] - runs[family, beside, seed]["right_matches"] for seed in right] if beside else []
        found, errors = _extent([run[recall] for run in of.values()]), _mean_errors(list(of.values()))
        rows.append([f"`{family}`", part, beside, _extent([*right.values()]), _extent(more, "+"), found, errors])
    return f"{_markdown(columns, rows)}\n\n{made_by(name)}"


def measure_again(file: Path) -> None:
    """Run the command of a file, and replace its figures by those that it prints. Its notes, which were about the old
    figures, are removed. Raises CalledProcessError when the command fails."""
    content = json.loads(file.read_text())
    done = subprocess.run(["bash", "-euc", content["command"]], stdout=subprocess.PIPE, check=True)
    printed = json.loads(done.stdout)
    evaluation = isinstance(printed, dict) and "recall_2m_5deg" in printed
    kept = {key: printed[key] for key in KEPT if key in printed} if evaluation else printed
    fresh = {key: content[key] for key in ("title", "command", "limits") if key in content}
    fresh |= {"version": i2p_ros.__version__, "figures": kept}
    file.write_text(json.dumps(fresh, indent=2, ensure_ascii=False) + "\n")


def _localized(name: str) -> list[str]:
    """Row of an evaluation."""
    content = result(name)
    f, spread = content["figures"], content["figures"].get("spread", {})

    def share(key: str) -> str:
        of_seeds = spread.get(key)
        return f"{f[key]:.2f}" + (f" ({of_seeds['min']:.2f}-{of_seeds['max']:.2f})" if of_seeds else "")

    error = f"{f['rte_camera_m']['median']:.2f} m, {f['rre_geodesic_deg']['median']:.2f} deg"
    junk = round((f["junk_rate"] or 0.0) * f["localized"])
    return [content["title"], str(f["n"]), str(f["localized"]), share("recall_2m_5deg"), share("recall_05m_2deg"),
            error, str(junk), f"{f['coverage']['0.95']:.2f}"]  # fmt: skip


def _in_rooms(name: str) -> list[str]:
    """Row of an evaluation in rooms."""
    content = result(name)
    f, indoor = content["figures"], content["figures"]["indoor"]
    of = indoor["micro"]
    shares = ("registration_recall", "registration_recall_p3p", "feature_matching_recall", "inlier_ratio")
    rmse = "none" if of["median_rmse_m"] is None else f"{of['median_rmse_m']:.2f} m"
    return [content["title"], str(indoor["pairs"]), str(indoor["scenes"]), str(f["localized"]),
            *(f"{of[key]:.2f}" for key in shares), rmse, f"{f['coverage']['0.95']:.2f}"]  # fmt: skip


def _extent(values: Sequence[float], sign: str = "") -> str:
    """Mean (least to largest) of the values, if there are any."""
    return f"{np.mean(values):{sign}.3f} ({min(values):{sign}.3f} to {max(values):{sign}.3f})" if values else ""


def _mean_errors(runs: Sequence[dict[str, Any]]) -> str:
    """Means of the median errors of runs, of those that have a pose."""
    known = {key: [run[key] for run in runs if run[key] is not None] for key in ("median_m", "median_deg")}
    means = [f"{np.mean(known[key]):.2f} {key.removeprefix('median_')}" for key in known if known[key]]
    return ", ".join(means) or "none"


def _provenance(name: str) -> str:
    content = result(name)
    what = f"`{content['command']}`" if content["command"] else f"Source: {content['source']}."
    recorded = f" Figures as recorded in {content['recorded']}." if "recorded" in content else ""
    return f"`results/{name}.json`, version {content['version']}: {what}{'' if what.endswith('.') else '.'}{recorded}"


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, [":--"] * len(columns), *rows]  # by this alignment the style sheet knows a table of results
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
