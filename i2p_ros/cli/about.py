# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p models`, `i2p config` and `i2p doctor`: the models, the settings and the installation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.table import Table

from i2p_ros.cli.parts import NONE, Files, JsonFile, Overrides, write_json
from i2p_ros.core import parameters
from i2p_ros.core.config import load_settings


def models(json_file: JsonFile = None) -> None:
    """List the models, with their training data and their scores."""
    from i2p_ros.runtime.weights import models_folder, read_manifest

    manifest = read_manifest(models_folder())
    write_json({name: entry.model_dump() for name, entry in manifest.items()}, json_file)
    if json_file == Path("-"):
        return
    table = Table("model", "family", "trained on", "scores", "licence")
    for name, entry in manifest.items():
        scores = "\n".join(f"{k}: {v}" for k, v in entry.scores.items())
        table.add_row(name, entry.family, str(entry.trained.get("data", "")), scores, entry.licence)
    Console().print(table)


def config(
    table: Annotated[bool, typer.Option("--table", help="Print a Markdown table of the nodes' parameters.")] = False,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Print all settings as YAML, with those of files and options."""
    if table:
        typer.echo(parameters.table(), nl=False)
        return
    typer.echo(yaml.safe_dump(load_settings(files, overrides).model_dump(), sort_keys=False).rstrip())


def doctor(json_file: JsonFile = None) -> None:
    """Report installed and missing packages, and the device, runtime and model in use. Exit code 1: not usable."""
    from i2p_ros.doctor import checks

    found = checks()
    write_json({c.name: {"ok": c.ok, "needed": c.needed, "says": c.says} for c in found}, json_file)
    if json_file != Path("-"):
        table = Table("part", "", "what was found, and what to do", show_lines=False)
        for c in found:
            mark = "[green]ok[/]" if c.ok else "[red]missing[/]" if c.needed else "[yellow]absent[/]"
            table.add_row(c.name, mark, c.says)
        Console().print(table)
    raise typer.Exit(any(c.needed and not c.ok for c in found))
