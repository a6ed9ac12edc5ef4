# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`python -m documentation` builds the site, and `python -m documentation results/NAME.json...` measures results anew.

The site is in build/site. A broken link, a page that the navigation lacks, or a warning of the builder ends the build
with exit code 1.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from documentation import ROOT
from documentation.links import broken_links
from documentation.pages import write_pages, write_readme
from documentation.results import measure_again

COLOURS = re.compile(r"\x1b\[[\d;]*m")
SITE = ROOT / "build" / "site"


def build() -> list[str]:
    """Build the site. Returns what is wrong with it, a line each."""
    write_readme(ROOT / "README.md")
    write_pages(ROOT / "docs", ROOT / "build" / "docs")
    command = [Path(sys.executable).with_name("zensical"), "build", "--clean", "--strict"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = COLOURS.sub("", f"{done.stdout}{done.stderr}").partition("Traceback")[0]  # the strict mode ends with one
    if done.returncode or "Warning" in said:
        return [said]
    return broken_links(SITE)


def main() -> int:
    """Exit code 0 if all went well."""
    parser = argparse.ArgumentParser("python -m documentation", description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="*", type=Path, help="files of results/ to measure again by their commands")
    files = parser.parse_args().results
    for file in files:
        print(f"{file}: measuring again")
        measure_again(file)
    wrong = build()
    print("\n".join(wrong) or f"built {(SITE / 'index.html').relative_to(ROOT)}")
    return 1 if wrong else 0


sys.exit(main())
