# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Imports point one way, heavy packages stay at home, files are short and class names are unique.

Read from the syntax tree: imports in functions count.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import ROOT

PACKAGE = ROOT / "i2p_ros"
LAYERS = [  # parts of one layer do not see each other
    {"core"},
    {"pnp", "synthetic", "viz"},
    {"sources", "search", "alignment"},
    {"writers", "networks", "monitor", "inspection"},
    {"families"},
    {"runtime"},
    {"localizer"},
    {"evaluation"},
    {"bench", "training", "calibration"},
    {"ros", "doctor", "fleet"},
    {"cli"},
    {"__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
MESSAGES = (
    "sensor_msgs", "geometry_msgs", "diagnostic_msgs", "rosgraph_msgs", "std_msgs", "std_srvs", "visualization_msgs",
    "lifecycle_msgs", "builtin_interfaces",
)  # fmt: skip
ROS = ("rclpy", "tf2_ros", "tf2_msgs", "cv_bridge", "sensor_msgs_py", "rcl_interfaces", *MESSAGES)
HOMES = {
    **{name: {"ros"} for name in ROS},
    "torch": {"networks", "families", "runtime", "bench", "training", "pnp/probabilistic", "synthetic"},
    "lightning_fabric": {"training"},
    "tensorboardX": {"training"},
    "diffusers": {"training/distillation"},
    "transformers": {"training/distillation"},
    "tensorrt": {"runtime"},
    "torch_tensorrt": {"runtime"},
    "spconv": {"networks"},
    "rosbags": {"sources", "writers"},
    "pyarrow": {"evaluation", "fleet", "sources/pair_list"},
    **{name: {"fleet"} for name in ("ray", "fsspec", "psutil", "plotly")},
    "poselib": {"pnp"},
    "numba": {"core/compiled", "alignment/kernels"},
    "llvmlite": {"alignment/kernels"},
    **{name: {"sources"} for name in ("pypcd4", "plyfile", "laspy", "lazrs")},
    "matplotlib": {"evaluation", "viz/pictures"},
    "rerun": {"viz/recording"},
    "PIL": {"viz/pictures"},
    "launch": {"ros/launching"},
    "launch_ros": {"ros/launching"},
    "typer": {"cli"},
    "rich": {"cli"},
}
MODULES = sorted(PACKAGE.rglob("*.py"))
TEST_MODULES = sorted((ROOT / "test").rglob("*.py"))
MOST_LINES = 300
SCOPES = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER
}  # fmt: skip


def part(path: Path) -> str:
    """core, sources, ... or cli: the box of the architecture that a file is in."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def code_lines(source: str) -> int:
    """Lines that are neither blank nor only a comment or a docstring."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    lines = {line for t in tokens if t.type not in NO_CODE for line in range(t.start[0], t.end[0] + 1)}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, SCOPES) and ast.get_docstring(node, clean=False) is not None:
            lines -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return len(lines)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    here = part(path)
    if here == "__init__":
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "i2p_ros" and parts[1] != here and parts[1] in LEVEL:
            assert LEVEL[parts[1]] < LEVEL[here], f"{here} must not import {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_packages_stay_at_home(path: Path) -> None:
    where = path.relative_to(PACKAGE).with_suffix("").as_posix()
    for name in imports(path):
        homes = HOMES.get(name.split(".")[0])
        at_home = homes is None or any(where == home or where.startswith(f"{home}/") for home in homes)
        assert at_home, f"{name} belongs to {homes}, not to {where}"


def test_every_part_has_a_layer() -> None:
    assert {part(path) for path in MODULES} <= {*LEVEL, "__init__"}


@pytest.mark.parametrize(
    "module", ["i2p_ros", "i2p_ros.core.types", "i2p_ros.sources.opening", "i2p_ros.pnp", "i2p_ros.cli.app"]
)
def test_importing_needs_neither_torch_nor_ros(module: str) -> None:
    code = f"import sys, {module}; sys.exit(any(m in sys.modules for m in ('torch', 'rclpy', 'matplotlib', 'rosbags')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_lines_of_code_are_counted_without_comments_and_docstrings() -> None:
    source = '''"""A docstring
    of two lines."""

# a comment
x = """no
docstring"""


def f() -> int:  # counted
    """Docstring."""
    # a comment
    return (
        1
    )
'''
    assert code_lines(source) == 2 + 1 + 3


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_are_short_or_say_why_not(path: Path) -> None:
    source = path.read_text()
    says_why = re.search(r"(^|[.:]\s+)Long because ", ast.get_docstring(ast.parse(source)) or "")
    assert code_lines(source) <= MOST_LINES or says_why, f"{code_lines(source)} lines of code, without a reason"


def test_public_class_names_are_unique() -> None:
    homes = defaultdict(list)
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(str(path.relative_to(PACKAGE)))
    assert {name: paths for name, paths in homes.items() if len(paths) > 1} == {}


@pytest.mark.parametrize("path", TEST_MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_tests_import_no_other_tests(path: Path) -> None:
    assert [name for name in imports(path) if re.match(r"(test|conftest)(\.|$)|(.*\.)?test_", name)] == []
