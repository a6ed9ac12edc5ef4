# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A process that builds an engine. It is in a module of its own, so that a spawned process can import it."""

import time
from pathlib import Path

from i2p_ros.runtime.engines import EngineCache, key_of


def one_node(folder: str, log: str) -> None:
    def build() -> bytes:
        with Path(log).open("a") as file:
            file.write("built\n")
        time.sleep(0.5)
        return b"engine"

    assert EngineCache(Path(folder)).get(key_of({"weights": "a"}), build, bytes)[0] == b"engine"
