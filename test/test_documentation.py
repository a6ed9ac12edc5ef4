# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The documentation site: it is built without a complaint, names all that is public, and invents no number."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT
from helpers.browser import CHROMIUM, chromium

pytest.importorskip("zensical", reason="the site needs the extra docs")
pytest.importorskip("griffe", reason="the site needs the extra docs")
pytest.importorskip("latex2mathml", reason="the site needs the extra docs")

import typer

import i2p_ros
from documentation import links, pages, pipeline, results
from i2p_ros.cli.app import app

SITE = ROOT / "build" / "site"
SIZES = ((1280, 900), (390, 844))
RESULTS = sorted((ROOT / "results").glob("*.json"))
RESULT_PAGES = sorted((ROOT / "docs" / "results").glob("*.md"))
OF_NAMES = re.compile(r"\b(VP2P|T_\w+)\b")


@pytest.fixture(scope="module")
def site() -> Path:
    """The built site."""
    done = subprocess.run(
        [sys.executable, "-m", "documentation"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return SITE


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


def text_of(page: str) -> str:
    return re.sub(r"<[^>]+>", "", (SITE / page).read_text())


def test_every_page_of_docs_is_in_the_site(site: Path) -> None:
    written = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    built = {path.relative_to(site) for path in site.rglob("*.html")}
    assert built == written | {Path("404.html")}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[a](nowhere.md)", "nowhere"),
        ("[a](glossary.md#nothing)", "nothing"),
        ("![a](nothing.png)", "nothing.png"),
        ('{{ table("nothing") }}', "nothing.json"),
    ],
)
def test_a_broken_link_fails_the_build(tmp_path: Path, line: str, said: str) -> None:
    for name in ("results", "i2p_ros", "models", "config"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("documentation", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("README.md", "zensical.toml"):
        shutil.copy(ROOT / name, tmp_path)
    with (tmp_path / "docs" / "index.md").open("a") as page:
        page.write(f"\n{line}\n")
    run = [sys.executable, "-m", "documentation"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and said in done.stdout + done.stderr


def test_a_page_without_a_link_is_told(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text('<a href="a.html#b">a</a> <a href="https://example.org/x">x</a>')
    (tmp_path / "a.html").write_text('<h2 id="b">b</h2><img src="no.png">')
    (tmp_path / "c.html").write_text('<a href="a.html#d">d</a>')
    assert links.broken_links(tmp_path) == [
        "a.html: no.png is not there", "c.html: a.html#d has no such anchor", "c.html: no page links to it",
    ]  # fmt: skip


def public_names() -> Iterator[str]:
    """Names of the package and of each `__all__`, found without the generator."""
    yield from i2p_ros._HOMES
    for path in (ROOT / "i2p_ros").rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
                yield from (f"{module}.{name}" for name in ast.literal_eval(node.value))


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    text = text_of("python.html")
    assert [name for name in public_names() if name not in text] == []


def commands(command: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    """Every command with its options."""
    yield path, [name for one in command.params for name in one.opts if name.startswith("-")]
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, f"{path} {name}")


def test_every_command_and_option_is_in_the_reference(site: Path) -> None:
    text = text_of("commands.html")
    for path, options in commands(typer.main.get_command(app), "i2p"):
        assert path in text and [option for option in options if option not in text] == [], path


def test_the_figure_of_the_pipeline_has_the_calls_of_the_method() -> None:
    source = (ROOT / "i2p_ros" / "localizer.py").read_text()
    method = source[source.index("def _localize(") :].partition("\n    def ")[0]
    called = re.findall(r"\b(?:self\._?|search\.)(\w+)\(|\b(PoseSearch)\(", method)
    steps = pipeline.steps()
    assert [step.name for step in steps] == [first or second for first, second in called] and len(steps) >= 6
    assert all(step.text and step.condition.removeprefix("if ") in method for step in steps)


@pytest.mark.parametrize("file", RESULTS, ids=lambda file: file.stem)
def test_a_result_says_how_it_was_made(file: Path) -> None:
    content = json.loads(file.read_text())
    assert content["title"] and content["version"] and (content["command"] or content["source"])
    assert not re.search(r"/(home|tmp|work|root)/", file.read_text())
    assert "figures" in content or "notes" in content or all(len(r) == len(content["columns"]) for r in content["rows"])


@pytest.mark.parametrize("file", RESULTS, ids=lambda file: file.stem)
def test_a_result_is_shown(file: Path) -> None:
    sources = "".join(page.read_text() for page in [*RESULT_PAGES, ROOT / "docs" / "performance.md"])
    assert f'"{file.stem.removeprefix("localize_")}"' in sources


@pytest.mark.parametrize("page", RESULT_PAGES, ids=lambda page: page.stem)
def test_a_page_of_results_holds_no_number_of_its_own(page: Path) -> None:
    """All numbers come from expressions, which take them from results/. Code and link targets may hold digits."""
    assert numbers_of(page.read_text()) == []


def numbers_of(text: str) -> list[str]:
    """Words with digits outside of expressions, names of results, code and link targets."""
    for known in (r"\{\{.*?\}\}", r'figures\("[^"]*"\)', r"`[^`]*`", r"\]\([^)]*\)"):
        text = re.sub(known, "", text, flags=re.DOTALL)
    return [word for word in re.findall(r"\S*\d\S*", text) if not OF_NAMES.search(word)]


def test_a_number_in_a_page_of_results_would_be_found() -> None:
    assert numbers_of('recall is 0.93, `a 1`, {{ notes("x1") }} [b](c2.md)') == ["0.93,"]
    assert numbers_of('{% set a = figures("x04") -%}{% set b = 0.5 %}') == ["0.5"]


def test_the_table_of_the_readme_is_that_of_the_results() -> None:
    found = pages.TABLE.search((ROOT / "README.md").read_text())
    assert found and found[0] == f"{found[1]}{results.in_readme()}\n{found[2]}", "write it anew: make docs"
    assert len(results.in_readme().splitlines()) == 2 + 5


def test_measuring_again_replaces_the_figures_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    printed = {"n": 3, "recall_2m_5deg": 0.5, "rows": [1, 2, 3]}
    old = {"title": "t", "command": f"echo '{json.dumps(printed)}'", "version": "0", "recorded": "x", "notes": ["old"]}
    file.write_text(json.dumps(old))
    results.measure_again(file)
    assert json.loads(file.read_text()) == {
        "title": "t", "command": old["command"], "version": i2p_ros.__version__,
        "figures": {"n": 3, "recall_2m_5deg": 0.5},
    }  # fmt: skip


def test_formulas_become_mathml() -> None:
    text = pages.with_formulas("a $`x_i`$ b\n\n```math\n\\frac{1}{2}\n```\n\n`$HOME` costs $5")
    assert text.count("<math") == 2 and "<mfrac>" in text and text.endswith("`$HOME` costs $5")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt install chromium")
@pytest.mark.parametrize("size", SIZES, ids=["wide", "narrow"])
def test_pages_in_a_browser(site: Path, browser: Any, size: tuple[int, int]) -> None:
    """No error, no request to another server, nothing wider than the window, and formulas are drawn."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    complaints: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if "http" in request.url[:4] else None)
    page.on("requestfailed", lambda request: complaints.append(f"{request.url}: {request.failure}"))
    for file in sorted({*site.rglob("*.html")} - {site / "404.html"}):  # its paths are those of a server
        page.goto(file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], file
    page.goto((site / "how_it_works.html").as_uri())
    assert page.locator("math mfrac").count() > 5
    assert page.locator(".pipeline li").first.bounding_box()["width"] <= size[0]
    context.close()
    left = "net::ERR_ABORTED"  # requests of a page that was left before its icon came
    assert [each for each in complaints if left not in each] == []


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt install chromium")
def test_the_search_works_without_a_server(site: Path, browser: Any) -> None:
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("Control+k")
    page.get_by_placeholder("Search").first.fill("sharpness")
    page.get_by_text("The descriptor likelihood").first.wait_for(timeout=10_000)
    page.close()
