# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p models`, `i2p config` and `i2p doctor`: the models, the settings and the installation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.markup import escape
from rich.table import Table

from i2p_ros.cli.parts import (
    NONE,
    Files,
    JsonFile,
    Model,
    Overrides,
    check_targets,
    output,
    print_lines,
    progress,
    write_json,
)
from i2p_ros.core import parameters
from i2p_ros.core.config import load_settings

models = typer.Typer(invoke_without_command=True)


@models.callback(epilog="Example: i2p models show vp2p-small")
def list_models(context: typer.Context, json_file: JsonFile = None) -> None:
    """List the models, one on a line: size, scores on pairs outside the training data, and licence.

    A score is the share of pairs that are localized within 2 m and 5 deg. `i2p models show NAME` prints the rest.
    """
    if context.invoked_subcommand:
        return
    from i2p_ros.runtime.manifest import models_folder, read_manifest

    check_targets(json_file)
    entries = {name: _described(name) for name in read_manifest(models_folder())}
    write_json(entries, json_file)
    if json_file == Path("-"):
        return
    table = Table(
        "model", "family", "MB", "parameters", "within 2 m, 5 deg; rooms: 10 cm", "licence", box=None, pad_edge=False
    )
    for name, entry in entries.items():
        missing = entry["bytes"] is None
        size = ("-", "missing") if missing else (f"{entry['bytes'] / 1e6:.1f}", f"{entry['parameters'] / 1e6:.2f} M")
        table.add_row(name, entry["family"], *size, _key_scores(entry["scores"]), entry["licence"].split(" (")[0])
    print_lines(table)


@models.command(epilog="Example: i2p models show vp2p-small --json | jq .scores")
def show(name: Model, json_file: JsonFile = None) -> None:
    """Show all of one model as YAML: training data, scores, licence, calibration, settings and hash."""
    check_targets(json_file)
    entry = _described(name)
    write_json(entry, json_file)
    if json_file != Path("-"):
        typer.echo(yaml.safe_dump({name: entry}, sort_keys=False, width=120, allow_unicode=True).rstrip())


def _described(name: str) -> dict[str, Any]:
    """Manifest entry of a model, and the number of its parameters and bytes; none where its weights are missing."""
    from i2p_ros.runtime.manifest import count_parameters, find_entry

    entry, weights = find_entry(name)
    there = weights.is_file()
    size = {
        "parameters": count_parameters(weights) if there else None,
        "bytes": weights.stat().st_size if there else None,
    }
    return entry.model_dump(mode="json") | size


def _key_scores(scores: dict[str, Any]) -> str:
    """Recall of the first score, and of the first one of KITTI or of rooms, in words."""
    found: dict[str, str] = {}
    for about, text in scores.items():
        in_rooms = "rooms" in about
        recall = re.search(rf"{'registration_recall' if in_rooms else 'recall_2m_5deg'} ([\d.]+)", str(text))
        if recall and "(trained on" not in about:
            found.setdefault("rooms" if in_rooms else about.split()[0], recall[1])
    return ", ".join(f"{recall} {data}" for data, recall in list(found.items())[:2])


def config(
    table: Annotated[bool, typer.Option("--table", help="Print a Markdown table of the nodes' parameters.")] = False,
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Print all settings as YAML, with those of files and options."""
    if table:
        typer.echo(parameters.table(), nl=False)
        return
    settings = load_settings(files, overrides)
    write_json(settings.model_dump(mode="json"), json_file)
    if json_file != Path("-"):
        typer.echo(yaml.safe_dump(settings.model_dump(), sort_keys=False).rstrip())


def doctor(json_file: JsonFile = None) -> None:
    """Report installed and missing packages, and the device, runtime and model in use. Exit code 1: not usable."""
    from i2p_ros.doctor import checks

    check_targets(json_file)
    with progress("checking"):
        found = checks()
    write_json({c.name: {"ok": c.ok, "needed": c.needed, "says": c.says} for c in found}, json_file)
    if json_file != Path("-"):
        table = Table("part", "", "what was found, and what to do", show_lines=False)
        for c in found:
            mark = "[green]ok[/]" if c.ok else "[red]missing[/]" if c.needed else "[yellow]absent[/]"
            table.add_row(c.name, mark, escape(c.says))
        output.print(table)
    raise typer.Exit(any(c.needed and not c.ok for c in found))
