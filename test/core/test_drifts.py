# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Levels of a calibration: one order, which diagnostics and exit codes follow."""

from i2p_ros.cli.monitoring import EXIT_CODES
from i2p_ros.core.drifts import Level


def test_levels_have_one_order_which_diagnostics_and_exit_codes_follow() -> None:
    order = sorted(Level, key=lambda level: level.severity)
    assert [level.value for level in order] == ["ok", "unsure", "warn", "alarm"]
    assert [level.diagnostic for level in order] == [0, 1, 1, 2]
    assert [EXIT_CODES[level] for level in order] == [0, 6, 7, 8]
