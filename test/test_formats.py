# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""docs/formats.md: each row names a test that there is, and reasons that the code gives."""

import re

import pytest
from helpers import ROOT, TESTS

PAGE = (ROOT / "docs" / "formats.md").read_text()
COLUMNS = 6
ROWS = [
    cells
    for line in PAGE.splitlines()
    if line.startswith("|") and "---" not in line and (cells := line.strip("|").split("|"))[-1].strip() != "test"
]
CODE = "".join(path.read_text() for path in (ROOT / "i2p_ros").rglob("*.py"))
DEFINED = {name for path in TESTS.rglob("test_*.py") for name in re.findall(r"def (test_\w+)\(", path.read_text())}


@pytest.mark.parametrize("row", ROWS, ids=lambda cells: cells[0].strip())
def test_a_row_names_tests_and_reasons_that_there_are(row: list[str]) -> None:
    assert len(row) == COLUMNS
    tests = re.findall(r"`(\w+)`", row[5])
    assert tests and set(tests) <= DEFINED, set(tests) - DEFINED
    reasons = re.findall(r"`([a-z_0-9]+\.[a-z_0-9]+)`", row[4])
    unknown = [reason for reason in reasons if f'"{reason}"' not in CODE]
    assert not unknown, unknown


def test_tests_named_in_the_text_are_there() -> None:
    assert set(re.findall(r"`(test_\w+)`", PAGE)) <= DEFINED
