# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""docs/check.md and the code say the same about findings, and every finding has a test."""

import re

from helpers import ROOT

from i2p_ros.cli.checking import EXIT_CODES
from i2p_ros.inspection.codes import CODES, TASKS

PAGE = (ROOT / "docs" / "check.md").read_text()


def row(code: str) -> str:
    """The row of the page for a code."""
    kind = CODES[code]
    hurt = ", ".join(f"{task}: {kind.works(task)}" for task in TASKS if kind.works(task) != "yes")
    return f"| `{code}` | {kind.level} | {kind.what} | {kind.why} | {kind.cure} | {hurt} |"


def test_the_page_has_a_row_for_every_finding_and_no_other() -> None:
    listed = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|.*$", PAGE, re.MULTILINE)
    assert listed == list(CODES)
    assert [line for line in PAGE.splitlines() if line.startswith("| `") and ". |" in line] == list(map(row, CODES))


def test_the_page_has_the_exit_codes() -> None:
    for verdict, code in EXIT_CODES.items():
        assert f"| {code} | {verdict} |" in PAGE


def test_every_finding_is_made_by_a_recording_of_a_test() -> None:
    tests = "".join(file.read_text() for file in (ROOT / "test" / "inspection").glob("test_*.py"))
    sources = "".join(file.read_text() for file in (ROOT / "i2p_ros" / "inspection").glob("*.py"))
    assert [code for code in CODES if f'"{code}"' not in tests] == []
    sensors = {f"{sensor}.{what}" for sensor in ("image", "cloud") for what in ("missing", "low_rate", "gaps", "lost")}
    assert [code for code in CODES if sources.count(f'"{code}"') < 2 and code not in sensors] == []
