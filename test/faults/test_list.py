# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""docs/faults.md and the tests name the same rows, and the list names settings and diagnostics that there are."""

import re

from helpers import ROOT, TESTS

from i2p_ros.core.config import Settings
from i2p_ros.core.parameters import leaves
from i2p_ros.ros.interface import DIAGNOSTICS
from i2p_ros.ros.soak.faults import SPOILT

LIST = (ROOT / "docs" / "faults.md").read_text()
ROWS = {
    int(cells[0]): cells[1:]
    for line in LIST.splitlines()
    if (cells := re.findall(r"[^|]+", line)) and cells[0].strip().isdigit()
}


def rows_of_tests() -> set[int]:
    """The rows that tests name."""
    texts = [path.read_text() for path in TESTS.rglob("test_*.py")]
    return {int(number) for text in texts for number in re.findall(r"def test_row_(\d+)_", text)}


def test_rows_are_numbered_without_a_gap() -> None:
    assert [*ROWS] == [*range(1, 63)] and all(len(cells) == 4 for cells in ROWS.values())


def test_every_row_has_a_test_and_every_test_a_row() -> None:
    assert rows_of_tests() == ROWS.keys()


def test_faults_of_the_soak_test_are_rows() -> None:
    assert {int(name.partition("_")[0]) for name in SPOILT} <= ROWS.keys()


def test_the_list_names_settings_that_there_are() -> None:
    known = {name for name, _, _ in leaves(Settings())} | {"use_sim_time", "qos_overrides.<topic>.subscription.*"}
    named = {name for cells in ROWS.values() for name in re.findall(r"`([^`]+)`", cells[3])}
    assert named <= known


def test_the_list_names_reasons_that_there_are() -> None:
    source = "".join(path.read_text() for path in (ROOT / "i2p_ros").rglob("*.py"))
    written = {name.removeprefix("dropped.") for cells in ROWS.values() for name in re.findall(r"`([^`]+)`", cells[2])}
    keys = " ".join(
        f"`{text}`" for keys, meaning in DIAGNOSTICS["localizer"].items() for text in (*keys.split(", "), meaning)
    )
    unknown = {
        name for name in written
        if f'"{name}"' not in source and f"`{name}`" not in keys and f'"{name.rpartition(".")[2]}"' not in source
        and not name.startswith("unpaired_")
    }  # fmt: skip
    assert not unknown, unknown
