# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line, run in the process of a test."""

import sys

import pytest

from i2p_ros import cli


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `i2p ARGUMENTS`."""
    monkey = pytest.MonkeyPatch()
    monkey.setattr(sys, "argv", ["i2p", *arguments])
    try:
        cli.main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    finally:
        monkey.undo()
    out = capsys.readouterr()
    return code, out.out, out.err
