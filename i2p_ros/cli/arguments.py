# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Words of the command line: hints where one is nearly right, completion, and `--json` without a file."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import Any

import typer
from typer.core import TyperGroup

from i2p_ros.core.hints import did_you_mean


class HintingGroup(TyperGroup):
    """A group that tells which choice of an option was probably meant. Typer itself does so for commands."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            if found := re.search(r"'([^']*)' is not one of (.*)", error.message):
                error.message += did_you_mean(found[1], re.findall(r"'([^']*)'", found[2]))
            raise


def flow(group: typer.Typer) -> None:
    """Make each paragraph of the help of commands one line. Typer breaks lines where a docstring does."""
    for command in group.registered_commands:
        text = inspect.cleandoc(command.help or getattr(command.callback, "__doc__", "") or "")
        command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def with_json_targets(words: Sequence[str]) -> list[str]:
    """Words in which `--json` always has a value: where no file follows it, it is -, the standard output."""
    given: list[str] = []
    for word, following in zip_longest(words, words[1:], fillvalue="--"):
        given.append(word)
        if word == "--json" and following.startswith("-") and following != "-":
            given.append("-")
    return given


def completing(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Completion for an option or argument that takes one of some names."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return complete
