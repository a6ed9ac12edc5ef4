# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""libFuzzer's loop around one decoder: `python -m fuzz.loop image|compressed|cloud|camera|bag FIGURES [its arguments]`.

`python -m fuzz` starts one process for each decoder, because libFuzzer ends its process.
"""

import json
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["i2p_ros.core", "i2p_ros.sources"]):
    from fuzz.target import Target

_, name, figures, *arguments = sys.argv
target = Target(name)


def one(data: bytes) -> None:
    """Decode one input, and write the figures after every 500."""
    target.check(target.build(data), len(data))
    if target.seen.total() % 500 == 0:
        Path(figures).write_text(json.dumps(target.figures()))


atheris.Setup([sys.argv[0], *arguments], one)
atheris.Fuzz()
