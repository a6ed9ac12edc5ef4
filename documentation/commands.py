# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The reference of the command line, from its own help."""

from __future__ import annotations

import re

import typer
from typer.cli import get_docs_for_click

from i2p_ros.cli.app import app

LIST = re.compile(r"^\*\*Commands\*\*:\n\n(?:\* .*\n)+\n?", re.MULTILINE)
EXAMPLE = re.compile(r"^Example: (i2p .*)$", re.MULTILINE)


def reference() -> str:
    """A section for each command, with its arguments and options."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="i2p")
    _, _, text = text.partition("\n\n")  # the heading
    return EXAMPLE.sub(r"Example: `\1`", LIST.sub("", text)).strip()
