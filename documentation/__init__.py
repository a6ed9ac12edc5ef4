# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Builds the documentation site from docs/, the code and results/*.json: `python -m documentation`, or `make docs`."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
