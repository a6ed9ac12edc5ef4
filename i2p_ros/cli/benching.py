# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p bench`: how long pairs take, and our pose from matches beside others."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Column, Table

from i2p_ros.cli.parts import (
    NONE,
    Files,
    JsonFile,
    Overrides,
    check_targets,
    chosen_protocols,
    console,
    listed,
    loaded,
    output,
    progress,
    show,
    tell_definitions,
    write_json,
)
from i2p_ros.core.config import load_settings

bench = typer.Typer(invoke_without_command=True)


@bench.callback(epilog="Example: i2p bench --json bench.json --report results/bench")
def bench_pairs(
    context: typer.Context,
    model: Annotated[str, typer.Option(help="Name of a model, or a training folder.")] = "vp2p-small",
    device: Annotated[Literal["auto", "cpu", "cuda"] | None, typer.Option(help="In place of the setting.")] = None,
    backend: Annotated[
        Literal["auto", "torch", "tensorrt"] | None, typer.Option(help="In place of the setting.")
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Different pairs.")] = 6,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is timed.")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="Without other sizes of network and of clouds.")] = False,
    against: Annotated[
        Path | None,
        typer.Option(help="Checkout of another version, with its environment in .venv, that is timed in turn."),
    ] = None,
    json_file: JsonFile = None,
    report: Annotated[Path | None, typer.Option(help="Folder for bench.html with plots.")] = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Time whole pairs on this machine, stage by stage, beside the machine's limits and the published network."""
    if context.invoked_subcommand:
        return
    from i2p_ros.bench.pairs import bench as run
    from i2p_ros.bench.report import write_bench_report
    from i2p_ros.runtime.manifest import find_model

    check_targets(json_file, report and report / "bench.html")
    settings = load_settings(files, [*overrides, *_given(device=device, backend=backend)])
    find_model(model)  # before the pairs are made
    with progress("measuring", pairs * rounds) as step:
        numbers = run(settings, model, pairs, rounds, not quick, against, step)
    write_json(numbers, json_file)
    if report:
        with progress("writing the report"):
            write_bench_report(report, numbers)
        console.print(escape(f"pictures: {report / 'bench.html'}"), soft_wrap=True)
    if json_file != Path("-"):
        show({key: value for key, value in numbers.items() if key != "definitions"}, None)
        output.print(_stages_table(numbers))
        if "networks" in numbers:
            output.print(_networks_table(numbers["networks"]))
        tell_definitions(numbers["definitions"])


def _given(**options: str | None) -> list[str]:
    """Settings of the options that were given."""
    return [f"{name}={value}" for name, value in options.items() if value]


def _stages_table(numbers: dict[str, Any]) -> Table:
    """A line per stage, and the sum."""
    from i2p_ros.bench.report import with_sum

    keys = ("ms", "gflop", "mbyte", "floor_ms")
    table = Table("stage", *keys, "times the floor", box=SIMPLE)
    for row in with_sum(numbers["stages"]):
        times = f"{row['ms'] / row['floor_ms']:.1f}" if row["floor_ms"] > 0.01 else ""
        table.add_row(row["name"], *(f"{row[key]:.3g}" for key in keys), times)
    return table


def _networks_table(rows: list[dict[str, Any]]) -> Table:
    """A line per size of network and runtime; why a runtime is not there in place of its time."""
    table = Table("network", "runtime", "ms", "floor_ms", box=SIMPLE)
    for row in rows:
        ms = f"{row['ms']:.3g}" if row["ms"] else f"absent: {row['says']}"
        table.add_row(row["size"], row["runtime"], ms, f"{row['floor_ms']:.3g}")
    return table


@bench.command("pnp", epilog="Example: i2p bench pnp --draws 10 --json pnp.json")
def bench_pnp(
    draws: Annotated[int, typer.Option(min=1, help="Random problems per condition.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the problems.")] = 0,
    json_file: JsonFile = None,
) -> None:
    """Time and score our pose from matches beside OpenCV's and PoseLib's, on synthetic matches of known truth."""
    from i2p_ros.bench.matches import CONDITIONS, DEFINITIONS
    from i2p_ros.bench.matches import bench as run

    check_targets(json_file)
    with progress("measuring", len(CONDITIONS)) as step:
        rows = run(draws, seed, CONDITIONS, step)
    write_json(rows, json_file)
    if json_file != Path("-"):
        for condition, block in groupby(rows, lambda row: row["condition"]):
            output.print(_bench_table(condition, block))
        tell_definitions(DEFINITIONS)


def _bench_table(condition: str, rows: Iterable[dict[str, Any]]) -> Table:
    """A line per solver, ours in bold."""
    keys = ("success", "rot_deg", "trans_m", "ms", "ms_ratio", "anees_ratio")
    solver = Column("solver", min_width=17)  # the longest name
    headings = (solver, "success", "deg", "m", "ms", "ms_ratio", "anees/6", "95 %")
    table = Table(*headings, title=condition, title_justify="left", box=SIMPLE, collapse_padding=True)
    for row in rows:
        numbers = [*(row[key] for key in keys), row["coverage"] and row["coverage"]["0.95"]]
        texts = ["" if number is None else f"{number:.3g}" for number in numbers]
        table.add_row(row["solver"], *texts, style="bold" if row["solver"] == "i2p" else "")
    return table


@bench.command("models", epilog="Example: i2p bench models --pairs 10 --json models.json")
def bench_models(
    models: Annotated[
        list[str] | None, typer.Argument(help="Names of models, or training folders. Default: all that are shipped.")
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Different pairs.")] = 6,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is timed.")] = 5,
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Time models on the same pairs, in turn, with their sizes and their memory."""
    from i2p_ros.bench.models import DEFINITIONS, compared
    from i2p_ros.runtime.manifest import find_model, models_folder, read_manifest

    check_targets(json_file)
    chosen = models or list(read_manifest(models_folder()))
    for model in chosen:
        find_model(model)  # before the pairs are made
    with progress("measuring", pairs * rounds) as step:
        rows = compared(load_settings(files, overrides), chosen, pairs, rounds, step)
    write_json(rows, json_file)
    if json_file != Path("-"):
        table = Table("model", "million parameters", "first pass, ms", "pair, ms", "ratio", "MB", box=SIMPLE)
        for row in rows:
            first, pair = (f"{row[key]['median']:.0f}" for key in ("first_pass_ms", "pair_ms"))
            millions, ratio, memory = (
                f"{row['parameters'] / 1e6:.2f}",
                f"{row['ratio']:.2f}",
                f"{row['peak_rss_mb']:.0f}",
            )
            table.add_row(row["model"], millions, first, pair, ratio, memory)
        output.print(table)
        tell_definitions(DEFINITIONS)


@bench.command("ablation", epilog="Example: i2p bench ablation runs/ablation --json ablation.json")
def bench_ablation(
    out: Annotated[Path, typer.Argument(help="Folder of the runs; unfinished ones there are continued.")],
    families: Annotated[
        str, typer.Option(help="Families whose parts are compared, with commas.")
    ] = "vp2p,relai2p,icl,diff2i2p",
    model: Annotated[
        str | None, typer.Option(help="Model that all begin with. Default: a small network, which is trained.")
    ] = None,
    samples: Annotated[int, typer.Option(min=8, help="Samples that each learns from.")] = 2000,
    start_samples: Annotated[int, typer.Option(min=8, help="Samples of the start, if it is trained.")] = 16000,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each part.")] = 3,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs that they are compared on.")] = 60,
    protocols: Annotated[str, typer.Option(help="Protocols of these pairs, with commas.")] = "vp2p,prior",
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Train small networks with and without each published part, from the same start, and compare them."""
    from i2p_ros.training.ablation import DEFINITIONS, Comparison, compared

    check_targets(json_file)
    comparison = Comparison(
        out, load_settings(files, overrides), samples, start_samples, pairs, chosen_protocols(protocols)
    )
    with progress("training") as step:
        rows = compared(listed(families) or (), seeds, comparison, model, step)
    write_json(rows, json_file)
    if json_file != Path("-"):
        for protocol in comparison.protocols:
            output.print(_ablation_table(protocol, rows))
        tell_definitions(DEFINITIONS)


def _ablation_table(protocol: str, rows: list[dict[str, Any]]) -> Table:
    """A line per run: the share of right matches, the recall and the median error in m."""
    table = Table("family", "part", "seed", "right", "recall", "m", title=protocol, box=SIMPLE, collapse_padding=True)
    for row in rows:
        figures = row["figures"][protocol]
        registered = figures["registration_recall"]
        recall = figures["recall_2m_5deg"] if registered is None else registered
        numbers = (figures["right_matches"], recall, figures["median_m"])
        texts = ["" if number is None else f"{number:.2f}" for number in numbers]
        table.add_row(row["family"], row["part"], str(row["seed"]), *texts)
    return table


@bench.command("calibrate", epilog="Example: i2p bench calibrate --drives 20 --kitti ~/kitti --json calibrate.json")
def bench_calibrate(
    drives: Annotated[int, typer.Option(min=0, help="Synthetic drives.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first drive.")] = 0,
    kitti: Annotated[
        Path | None, typer.Option(help="Folder with KITTI's odometry, for drive 04, and raw, for 9002.")
    ] = None,
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Calibrate drives of known calibration, and check right and wrong calibrations by them."""
    from i2p_ros.calibration import Calibrator, proof
    from i2p_ros.calibration.windows import window_figures

    check_targets(json_file)
    settings = load_settings(files, overrides)
    sources = proof.kitti_sources(kitti, settings) if kitti else {}
    calibrator = Calibrator(settings, loaded(None, settings))
    with progress("KITTI") as step:
        of_kitti = list(proof.kitti_rows(calibrator, sources, step))
    with progress("windows of ten pairs") as step:
        scattered = proof.scattered_sources(kitti, settings) if kitti else {}
        windows = window_figures(calibrator, sources | scattered, progress=step)
    with progress("drives", drives) as step:
        rows = list(proof.synthetic_rows(calibrator, range(seed, seed + drives), step))
    numbers = {"synthetic": proof.summary(rows)} | {row["source"]: proof.summary([row]) for row in of_kitti}
    write_json({"summary": numbers, "windows": windows, "rows": [*rows, *of_kitti]}, json_file)
    if json_file != Path("-"):
        for name, values in (numbers | {f"{name}, windows": values for name, values in windows.items()}).items():
            output.print(f"[bold]{escape(name)}[/]: {escape(str(values))}", highlight=False, soft_wrap=True)
        tell_definitions(proof.DEFINITIONS)


@bench.command("fleet", epilog="Example: i2p bench fleet /tmp/lake --kills 10 --json fleet.json")
def bench_fleet(
    folder: Annotated[Path, typer.Argument(help="Empty folder for the lake and the outputs.")],
    recordings: Annotated[int, typer.Option(min=2, help="Recordings of six pairs.")] = 40,
    drifting: Annotated[int, typer.Option(min=0, help="Recordings whose calibration is off.")] = 12,
    kills: Annotated[int, typer.Option(min=0, help="Kills of workers and drivers at random times.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the drifting recordings and of the kills.")] = 0,
    json_file: JsonFile = None,
) -> None:
    """Monitor a simulated lake with one and with two workers, and while workers and drivers are killed."""
    from i2p_ros.fleet.proof import DEFINITIONS, proof

    check_targets(json_file)
    with progress("measuring") as step:
        numbers = proof(folder, recordings, min(drifting, recordings), kills, seed, step)
    write_json(numbers, json_file)
    if json_file != Path("-"):
        output.print_json(data=numbers)
        tell_definitions(DEFINITIONS)
