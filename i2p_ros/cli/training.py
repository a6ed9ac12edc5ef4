# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p train`."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from i2p_ros.cli.parts import (
    NONE,
    Drives,
    Files,
    JsonFile,
    Overrides,
    check_targets,
    console,
    listed,
    output,
    progress,
    write_json,
)
from i2p_ros.core.config import Settings, load_settings
from i2p_ros.core.errors import SettingsError
from i2p_ros.core.plain import finite
from i2p_ros.families import FAMILIES, family_class

if TYPE_CHECKING:
    from i2p_ros.families.base import Family
    from i2p_ros.training.records import Outcome

NOT_LEARNED = 4  # exit code of `i2p train --overfit` when a pair is not localized
OVERFIT = ("training.samples=3000", "training.validate_every=160")  # defaults of --overfit
SIZES = "; ".join(f"{name} has {', '.join(entry.sizes)}" for name, entry in FAMILIES.items())


def train(
    out: Annotated[Path, typer.Option(help="Folder of the run; an unfinished run there is continued.")],
    family_name: Annotated[
        str, typer.Option("--family", help=f"Family of the network: {', '.join(FAMILIES)}.")
    ] = "vp2p",
    size: Annotated[str, typer.Option(help=f"Size of the network: {SIZES}.")] = "small",
    worlds: Annotated[int, typer.Option(min=1, help="Synthetic places.")] = 2500,
    kitti: Annotated[Path | None, typer.Option(help="KITTI folder to mix in.")] = None,
    drives: Drives = "",
    kitti_share: Annotated[float, typer.Option(min=0, max=1, help="Share of the KITTI samples.")] = 0.2,
    frames: Annotated[Path | None, typer.Option(help="Folder with frames.json to mix in, beside --kitti.")] = None,
    frame_drives: Annotated[str, typer.Option(help="Datasets or dataset/drive of --frames, with commas.")] = "",
    weights: Annotated[
        Path | None, typer.Option(help="Weights (.safetensors) that a new run starts from, where they fit.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes that make examples.")] = 1,
    overfit: Annotated[bool, typer.Option("--overfit", help="Learn one batch until all of it is localized.")] = False,
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Train a network on synthetic places and KITTI folders; resumable, and under torchrun in several processes.

    With --overfit: a network that cannot learn one batch by heart has a fault. Exit code 4: it did not.
    """
    _check_choice("--family", family_name, FAMILIES)
    _check_choice("--size", size, FAMILIES[family_name].sizes)
    from i2p_ros.training.data import TrainingSet
    from i2p_ros.training.families import learner_class
    from i2p_ros.training.loop import train as run
    from i2p_ros.training.mixture import mixture, unseen

    if os.environ.get("RANK", "0") != "0":  # of the processes of torchrun, the first one speaks
        console.quiet, output.quiet, json_file = True, True, None
    check_targets(out / "manifest.yaml", json_file)
    settings = load_settings(files, overrides, load_settings((), OVERFIT) if overfit else None)
    s, family_type = settings.training, family_class(family_name)
    family = family_type(family_type.sizes[size], settings.matching)
    about: dict[str, Any] = {"command": _command(), "protocols": s.protocols}
    if notes := learner_class(family).notes(s):
        about["notes"] = notes
        for note in notes:
            console.print(f"note: {note}", soft_wrap=True, highlight=False)
    if overfit:
        _overfit(family, out, settings, seed, about, json_file)
        return
    with progress("preparing"):
        mixed = mixture(
            settings, out / "cache", seed, worlds, kitti, listed(drives), kitti_share, frames, listed(frame_drives)
        )
    data = TrainingSet(family, mixed.sources, s.protocols, seed, s.samples, s.parts, s.aspect, s.wrong_guesses)
    about |= {"data": mixed.describe(), "drives": list(mixed.drives)}
    validation = unseen(settings, out / "cache")
    with progress("training", s.samples) as step:
        done = run(
            family, data, out, settings, start=weights, workers=workers, about=about, validation=validation,
            progress=lambda done, losses: step(done, text=_words(losses)), validating=step.inner("validating"),
        )  # fmt: skip
    _tell(done, out, json_file)
    console.print(escape(f"weights: {out / 'model.safetensors'}; try: i2p evaluate {out}"), soft_wrap=True)


def _check_choice(option: str, value: str, choices: Collection[str]) -> None:
    """Usage error unless the value of an option is one of the choices."""
    if value not in choices:
        names = ", ".join(map(repr, choices))
        raise typer.BadParameter(f"{value!r} is not one of {names}.", param_hint=option)


def _overfit(
    family: Family[Any], out: Path, settings: Settings, seed: int, about: dict[str, Any], json_file: Path | None
) -> None:  # fmt: skip
    """Train on one batch until all of its pairs are localized; exit code 4 if they are not."""
    from i2p_ros.training.loop import train as run
    from i2p_ros.training.mixture import one_batch

    if settings.training.parts == "alignment":
        raise SettingsError("--overfit trains until pairs are found, which training.parts=alignment does not teach")
    with progress("preparing"):
        batch, fixed = one_batch(family, settings, seed)
    with progress("training", settings.training.samples) as step:
        done = run(
            family, batch, out, settings, workers=0, about=about, validation=fixed, until=1.0,
            progress=lambda done, losses: step(done, text=_words(losses)), validating=step.inner("validating"),
        )  # fmt: skip
    _tell(done, out, json_file)
    found = f"{round(done.recall * fixed.pairs)} of {fixed.pairs} pairs within 2 m and 5 deg"
    if json_file != Path("-"):
        output.print(f"{found} after {done.samples} samples and {done.seconds:.0f} s")
    if done.recall < 1:
        raise typer.Exit(NOT_LEARNED)


def _tell(done: Outcome, out: Path, json_file: Path | None) -> None:
    """Print the throughput, or write it with the recall of the last validation and the weights as JSON."""
    numbers = asdict(done) | {"recall": finite(done.recall), "weights": str(out / "model.safetensors")}
    write_json(numbers, json_file)
    if json_file != Path("-"):
        output.print(_throughput_table(done.throughput))


def _words(losses: Mapping[str, float]) -> str:
    return " ".join(f"{name} {value:.2f}" for name, value in losses.items())


def _command() -> str:
    """The command line of this process, by which others can repeat the run. Local folders are left out."""
    words = [re.sub(r"(^|=)[~/].*/(?=[^/])", r"\1", word) for word in sys.argv[1:]]
    world = os.environ.get("WORLD_SIZE", "1")
    program = ["i2p"] if world == "1" else ["torchrun", f"--nproc_per_node={world}", "-m", "i2p_ros"]
    return shlex.join([*program, *words])


def _throughput_table(throughput: dict[str, Any]) -> Table:
    """Table of the stages of a run, with their shares of the time."""
    rate = throughput["samples_per_s"]
    table = Table("stage", "share", "s a sample", title=f"{rate:.3g} samples/s", title_justify="left", box=SIMPLE)
    for stage, share in throughput["share"].items():
        table.add_row(stage, f"{share:.0%}", f"{share / rate:.3g}" if rate else "")
    return table
