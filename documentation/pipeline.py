# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The figure of the pipeline: the calls in `Localizer._localize`, with their docstrings."""

from __future__ import annotations

import ast
import html
import re
import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from documentation.library import package

HOMES = {"self": "localizer.Localizer", "search": "search.selection.PoseSearch"}  # classes of the names in the method


class Step(NamedTuple):
    """A call in the method: the function, on which condition it is called, what its line assigns, and its docstring."""

    name: str
    condition: str
    returned: str
    text: str


def steps() -> list[Step]:
    """The calls in the method of functions of the localizer and of the search, in order."""
    (function,) = ast.parse(textwrap.dedent(package()["localizer.Localizer._localize"].source)).body
    assert isinstance(function, ast.FunctionDef)
    return [step for line in function.body for step in _steps(line, "", "pose")]


def figure() -> str:
    """An ordered list in HTML, which the style sheet draws as boxes with arrows."""
    boxes = "".join(
        f"<li><code>{html.escape(step.name)}</code> <small>{html.escape(step.condition)}</small>"
        f"<span>{_marked(step.text)}</span><em>{html.escape(step.returned)}</em></li>"
        for step in steps()
    )
    caption = "Each box is a call in <code>Localizer._localize</code>. What it gives stands below it."
    return f'<figure class="pipeline"><ol>{boxes}</ol><figcaption>{caption}</figcaption></figure>'


def _steps(node: ast.AST, condition: str, returned: str) -> Iterator[Step]:
    """Steps in a part of the syntax tree. `returned` is the name that its line assigns."""
    if isinstance(node, ast.Call) and (home := _home(node.func)):
        name = home.rpartition(".")[2].lstrip("_")
        yield Step(name, condition, returned, _sentence(home))
        return
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        returned = node.targets[0].id
    if isinstance(node, ast.If | ast.IfExp):
        condition = f"if {ast.unparse(node.test)}"
    for child in ast.iter_child_nodes(node):
        yield from _steps(child, condition, returned)


def _home(function: ast.expr) -> str | None:
    """Dotted name of a called function of HOMES, or of one of its classes; none for other functions."""
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id in HOMES:
        return f"{HOMES[function.value.id]}.{function.attr}"
    named = function.id if isinstance(function, ast.Name) else ""
    return next((home for home in HOMES.values() if home.endswith(f".{named}")), None) if named else None


def _sentence(name: str) -> str:
    return " ".join(re.split(r"(?<=\.)\s", package()[name].docstring.value)[0].split())


def _marked(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
