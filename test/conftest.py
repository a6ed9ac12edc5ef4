# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shared fixtures. The real KITTI frames are not part of the repository: tests that need them skip when absent."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


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
