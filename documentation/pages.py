# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pages of the site: the files of docs/, in which Jinja expressions call functions of this package and formulas are
LaTeX. Formulas become MathML, which browsers draw without a script."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from latex2mathml.converter import convert

from documentation import interface, library, networks, pipeline, results

TABLE = re.compile(r"(<!-- results -->\n).*?(<!-- end of results -->)", re.DOTALL)
BLOCK = re.compile(r"^```math\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"\$`([^`]+)`\$")
RESULTS = (
    "ablation", "coverage", "figures", "localization", "made_by", "models_in_turn", "notes", "rooms", "table", "timing"
)  # fmt: skip
"""Functions that pages take."""


def functions() -> dict[str, Any]:
    """What the expressions of pages may call."""
    from documentation import commands  # heavy: it imports the whole command line

    return {
        **{name: vars(results)[name] for name in RESULTS},
        "commands": commands.reference,
        "diagnostics": interface.diagnostics,
        "families": networks.families,
        "models": networks.models,
        "pipeline": pipeline.figure,
        "public_names": library.reference,
        "topics": interface.topics,
    }


def write_pages(docs: Path, out: Path) -> None:
    """Write the pages of the site, and the other files of docs/ beside them."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(docs, out)
    environment = Environment(undefined=StrictUndefined, comment_start_string="{#-#", keep_trailing_newline=True)
    known = functions()
    for page in out.rglob("*.md"):
        page.write_text(with_formulas(environment.from_string(page.read_text()).render(known)))


def write_readme(readme: Path) -> None:
    """Write the table of results into the README, which no program renders."""
    text = readme.read_text()
    written = TABLE.sub(lambda found: f"{found[1]}{results.in_readme()}\n{found[2]}", text)
    if written != text:
        readme.write_text(written)


def with_formulas(text: str) -> str:
    """A page with MathML in place of LaTeX in blocks ```math, and in $`...`$ within a line."""
    text = BLOCK.sub(lambda found: f'<div class="formula">{convert(found[1].strip(), display="block")}</div>', text)
    return INLINE.sub(
        lambda found: f"<span>{convert(found[1])}</span>", text
    )  # a line that begins with <math> is a block
