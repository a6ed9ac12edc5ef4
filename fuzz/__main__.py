# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fuzzes the decoders and the readers of files one after the other, and prints the results as JSON.

`python -m fuzz --inputs 50000` or `--seconds 15`, both per decoder. If an input makes a decoder fail, the exit code is
1, and the message names the folder with that input. The corpus holds valid inputs of each kind, and for each reason
of refusal the smallest input that causes it, in a file of that name.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from fuzz.target import DECODERS

CORPUS = Path(__file__).parent / "corpus"
MAX_BYTES = 4096  # of an input


def fuzzed(name: str, inputs: int, seconds: int, seed: int) -> dict[str, Any]:
    """Results of one decoder, in a process of its own."""
    work = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    figures, corpus = work / "figures.json", work / "corpus"
    corpus.mkdir()
    limits = [f"-runs={inputs}", f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={MAX_BYTES}"]
    places = [f"-artifact_prefix={work}/", "-print_final_stats=1", "-detect_leaks=0", str(corpus), str(CORPUS / name)]
    command = [sys.executable, "-m", "fuzz.loop", name, str(figures), *limits, *places]
    same = os.environ | {"PYTHONHASHSEED": "0"}  # sets have the same order in each run, so that inputs are the same
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, env=same)
    found = {} if not figures.exists() else json.loads(figures.read_text())
    peak = re.search(r"peak_rss_mb:\s+(\d+)", done.stderr)
    found |= {"rss_mb": int(peak[1]) if peak else None, "escaped": done.returncode != 0}
    if done.returncode:
        found["failure"] = f"{done.stdout[-3000:]}{done.stderr[-3000:]}\n{name}: the input is in {work}"
    else:
        shutil.rmtree(work)
    return found


def main() -> None:
    """Command line of `python -m fuzz`."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=-1, help="of each decoder; -1: until the time is over")
    parser.add_argument("--seconds", type=int, default=0, help="of each decoder; 0: until the inputs are through")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.inputs < 0 and given.seconds <= 0:
        parser.error("give --inputs or --seconds: this would never end")
    found = {name: fuzzed(name, given.inputs, given.seconds, given.seed) for name in DECODERS}
    failures = [figures.pop("failure") for figures in found.values() if figures["escaped"]]
    print(json.dumps(found, indent=2))
    print(*failures, sep="\n", file=sys.stderr)  # last, where the log of a failed run is read first
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
