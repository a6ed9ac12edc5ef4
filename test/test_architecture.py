# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Imports point one way, and heavy packages stay at home. Read from the syntax tree: imports in functions count."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import ROOT

PACKAGE = ROOT / "i2p_ros"
LAYERS = [  # parts of one layer do not see each other
    {"core"},
    {"pnp", "synthetic", "viz"},
    {"sources", "search", "alignment"},
    {"writers", "networks", "monitor"},
    {"families"},
    {"runtime"},
    {"localizer"},
    {"evaluation"},
    {"bench", "training"},
    {"ros", "doctor"},
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
    "torch": {"networks", "runtime", "bench", "training", "pnp/probabilistic", "synthetic"},
    "lightning_fabric": {"training"},
    "tensorboardX": {"training"},
    "tensorrt": {"runtime"},
    "torch_tensorrt": {"runtime"},
    "spconv": {"networks", "runtime"},
    "rosbags": {"sources", "writers"},
    "pyarrow": {"evaluation"},
    "poselib": {"pnp"},
    "matplotlib": {"evaluation"},
    "launch": {"ros/launching"},
    "launch_ros": {"ros/launching"},
    "typer": {"cli"},
    "rich": {"cli"},
}
MODULES = sorted(PACKAGE.rglob("*.py"))


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
    "module", ["i2p_ros", "i2p_ros.core.types", "i2p_ros.sources.opening", "i2p_ros.pnp", "i2p_ros.cli"]
)
def test_importing_needs_neither_torch_nor_ros(module: str) -> None:
    code = f"import sys, {module}; sys.exit(any(m in sys.modules for m in ('torch', 'rclpy', 'matplotlib', 'rosbags')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
