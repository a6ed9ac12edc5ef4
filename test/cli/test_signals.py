# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Signals end a command with their exit code, also where the error that they raise gets lost or passes an exec()."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT

from i2p_ros.cli import INTERRUPTED, TERMINATED

SENT = "import os, signal, time; os.kill(os.getpid(), signal.{name}); time.sleep(60)"
WITHIN = {
    "a statement": "{sent}",
    "a destructor, which loses errors": """
class Ended:
    def __del__(self):
        {sent}
Ended()
time.sleep(60)
""",
    "an exec of text": "exec({sent!r})",
}


@pytest.mark.parametrize(("name", "code"), [("SIGINT", INTERRUPTED), ("SIGTERM", TERMINATED)])
@pytest.mark.parametrize("within", WITHIN)
def test_a_signal_ends_the_command(tmp_path: Path, within: str, name: str, code: int) -> None:
    """A module that calls the main function of the command line, with work of its own."""
    work = "import time\n" + WITHIN[within].format(sent=SENT.format(name=name))
    lines = [
        "import i2p_ros.cli as cli",
        f"WORK = compile({work!r}, 'work', 'exec')",
        "cli._run = lambda: exec(WORK, {})",
    ]
    (tmp_path / "command.py").write_text("\n".join([*lines, "cli.main()"]))
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    found = subprocess.run([sys.executable, "-m", "command"], check=False, env=env, capture_output=True, timeout=30)
    assert found.returncode == code
