# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shared fixtures. The real KITTI frames are not part of the repository: tests that need them skip when absent."""

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DOMAINS = itertools.count(os.getpid())


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
    monkeypatch.setenv("ROS_DOMAIN_ID", str(1 + next(DOMAINS) % 100))
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path))


@pytest.fixture
def ros_context(ros_network: None) -> Iterator[Any]:
    """A ROS context of the test's own."""
    context = pytest.importorskip("rclpy.context").Context()
    context.init()
    yield context
    context.try_shutdown()
