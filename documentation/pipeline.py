# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The figure of the pipeline: the lines of `Localizer._localize`, with the functions that they call."""

from __future__ import annotations

import ast
import html
import re
import textwrap
from collections.abc import Iterator

from documentation.library import package

HOMES = {"self": "localizer.Localizer", "search": "search.selection.PoseSearch"}  # classes of the names in the method


def steps() -> list[tuple[str, str, str]]:
    """Name of the called function, what it returns, and the first sentence of its docstring; one for each line."""
    method = package()["localizer.Localizer._localize"]
    (function,) = ast.parse(textwrap.dedent(method.source)).body
    assert isinstance(function, ast.FunctionDef)
    return [step for line in function.body for step in _step(line)]


def figure() -> str:
    """An ordered list in HTML, which the style sheet draws as boxes with arrows."""
    boxes = "".join(
        f"<li><code>{html.escape(name)}</code><span>{_marked(text)}</span><em>{html.escape(returned)}</em></li>"
        for name, returned, text in steps()
    )
    caption = "Each box is a line of <code>Localizer._localize</code>. What it returns stands below it."
    return f'<figure class="pipeline"><ol>{boxes}</ol><figcaption>{caption}</figcaption></figure>'


def _step(line: ast.stmt) -> Iterator[tuple[str, str, str]]:
    value = getattr(line, "value", None)
    call = value.body if isinstance(value, ast.IfExp) else value
    if not isinstance(call, ast.Call):
        return  # the docstring
    returned = line.targets[0].id if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name) else "pose"
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
        home = HOMES[call.func.value.id]
        yield call.func.attr.lstrip("_"), returned, _sentence(f"{home}.{call.func.attr}")
    elif isinstance(call.func, ast.Name):
        yield call.func.id, returned, _sentence(f"search.selection.{call.func.id}")


def _sentence(name: str) -> str:
    return " ".join(re.split(r"(?<=\.)\s", package()[name].docstring.value)[0].split())


def _marked(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
