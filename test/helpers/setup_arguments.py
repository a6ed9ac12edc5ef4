# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What setup.py says, without installing anything."""

import runpy
from typing import Any

import pytest

from helpers import ROOT


def setup_arguments() -> dict[str, Any]:
    """What setup.py tells setuptools. Skips the test without setuptools."""
    setuptools = pytest.importorskip("setuptools")
    told: dict[str, Any] = {}
    real, setuptools.setup = setuptools.setup, lambda **values: told.update(values)
    try:
        runpy.run_path(str(ROOT / "setup.py"))
    finally:
        setuptools.setup = real
    return told
