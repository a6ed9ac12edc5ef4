# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p fleet report`: the tables of a fleet as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from i2p_ros.cli.parts import JsonFile, check_targets, console, progress, write_json
from i2p_ros.core.errors import InputError, MissingPackageError, install_command

EXAMPLE = "fleet report results/fleet"


def report(
    out: Annotated[str, typer.Argument(help="Folder or URI with the tables that `i2p fleet` wrote.")],
    page: Annotated[
        Path | None, typer.Option("--out", help="Folder for the page; empty: the folder `page` beside the tables.")
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Write a page that shows which vehicles need a mechanic: open index.html of its folder in a browser."""
    try:
        from i2p_ros.fleet.report import write_fleet_page
    except ImportError as error:
        raise MissingPackageError(f"i2p fleet needs more packages: {install_command('fleet')}") from error

    check_targets(json_file)
    if page is None and "://" in out:
        raise InputError(f"{out} is a URI: name a folder of this machine for the page with --out", "output")
    folder = page or Path(out) / "page"
    with progress("writing the page"):
        found = write_fleet_page(out, folder)
    write_json(found, json_file)
    levels = ", ".join(f"{count} {level}" for level, count in found["levels"].items() if count)
    console.print(escape(f"{found['vehicles']} vehicles ({levels}), {found['refused']} refusals"), highlight=False)
    if found["missing_pictures"]:
        console.print(f"{found['missing_pictures']} pictures are not below {escape(out)} and left out", highlight=False)
    console.print(escape(f"page: {folder / 'index.html'}"), soft_wrap=True, highlight=False)
