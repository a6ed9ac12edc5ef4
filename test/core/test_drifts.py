# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Levels of a calibration: one order, which diagnostics and exit codes follow."""

from i2p_ros.cli.monitoring import EXIT_CODES
from i2p_ros.core.drifts import AXES, Level, axis_rows, verdict_values


def test_levels_have_one_order_which_diagnostics_and_exit_codes_follow() -> None:
    order = sorted(Level, key=lambda level: level.severity)
    assert [level.value for level in order] == ["ok", "unsure", "warn", "alarm"]
    assert [level.diagnostic for level in order] == [0, 1, 1, 2]
    assert [EXIT_CODES[level.value] for level in order] == [0, 6, 7, 8]


def test_rows_of_axes_have_states_units_and_unknown_numbers() -> None:
    verdict = {
        "level": "alarm", "course": "step", "since": 5, "moved": ["rx"],
        "observed": [True, False, True, False, True, True], "drift": [0.012, None, 0.0, 0.0123456, 0.0, 0.0],
        "half": [0.001, None, 0.0, 0.0, 0.0, 0.0], "detectable": [0.01, None, 0.0, 0.0, 0.0, 0.0],
    }  # fmt: skip
    rows = axis_rows(verdict)
    assert tuple(row.axis for row in rows) == AXES
    assert [row.state for row in rows] == ["steady", "not observed", "steady", "moved", "steady", "steady"]
    assert rows[0].texts() == {"drift": "1.20 cm", "half": "0.10 cm", "detectable": "1.00 cm"}
    assert {*rows[1].texts("?").values()} == {"?"} and rows[3].texts()["drift"] == "0.71 deg"
    values = verdict_values(verdict)
    assert (values["level"], values["course"], values["since"]) == ("alarm", "step", "5")
    assert (values["rx"], values["rx_deg"], values["ty_cm"], values["tx_half_cm"]) == (
        "moved",
        "0.7074",
        "unknown",
        "0.1",
    )
