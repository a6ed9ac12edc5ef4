# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shared fixtures. The real KITTI frames are not part of the repository: tests that need them skip when absent."""

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent
SLOW = (
    "test_readme.py", "training/test_loop.py", "training/test_icl.py", "training/test_relai2p.py",
    "training/test_distillation.py", "training/test_diff2i2p.py", "monitor/test_watch.py", "cli/test_cli.py",
    "ros/soak", "faults/test_node.py", "ros/nodes/test_life.py", "ros/nodes/test_monitor.py", "cli/test_monitor.py",
    "ros/replay", "alignment/test_window.py", "bench/test_drifts.py", "bench/test_pairs.py",
    "fleet/test_page.py", "runtime/test_tensorrt.py", "test_documentation.py",
)  # fmt: skip
"""Files of more than 10 s, the longest first."""
DOMAINS = range(101, 233)  # ROS domains of tests: replay chooses from 1 to 100 by itself
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
CALLS = itertools.count(os.getpid())

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a job in the background; programs under test inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow files as `slow`, and put them first: the workers then end at about the same time."""
    ranks = {item: _rank(item.path.relative_to(TESTS)) for item in items}
    items.sort(key=ranks.__getitem__)
    for item in items:
        if ranks[item] < len(SLOW):
            item.add_marker("slow")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Seed torch: networks with random weights do not depend on the tests before."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def _rank(path: Path) -> int:
    """Place of a file in the list of slow ones; of a file that is not slow, behind it."""
    return next((k for k, slow in enumerate(SLOW) if path.is_relative_to(slow)), len(SLOW))


def ros_domain() -> int:
    """A domain that no other worker uses, and that this one has not used for long."""
    share = DOMAINS[WORKER::WORKERS]
    return share[next(CALLS) % len(share)]


@pytest.fixture(scope="session")
def kitti_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `raw` and `odometry`: $I2P_KITTI, or the packed frames beside the repository, unpacked."""
    if "I2P_KITTI" in os.environ:
        return Path(os.environ["I2P_KITTI"])
    packed = Path(__file__).parents[2] / "shared" / "data"
    if not (packed / "unpack.py").exists():
        pytest.skip("no KITTI frames here: set I2P_KITTI to a folder with raw/ and odometry/")
    out = tmp_path_factory.mktemp("kitti")
    subprocess.run([sys.executable, packed / "unpack.py", out, "--frames", "3"], check=True, capture_output=True)
    return out


@pytest.fixture
def ros_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """ROS nodes of a test see each other and nobody else: no node either that an earlier test left to be collected."""
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_DOMAIN_ID", str(ros_domain()))
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path))


@pytest.fixture
def ros_context(ros_network: None) -> Iterator[Any]:
    """A ROS context of the test's own."""
    context = pytest.importorskip("rclpy.context").Context()
    context.init()
    yield context
    context.try_shutdown()
