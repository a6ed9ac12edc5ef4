# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A node that builds an engine, as a function that a new process can import."""

import time
from pathlib import Path

from i2p_ros.runtime.engines import EngineCache, key_of

KEY = key_of({"weights": "a", "gpu": "b"})


def one_node(folder: str, log: str) -> None:
    """Take the engine of KEY from the cache in a folder; a line in the log says that it was built."""

    def build() -> bytes:
        with Path(log).open("a") as file:
            file.write("built\n")
        time.sleep(0.5)
        return b"engine"

    assert EngineCache(Path(folder)).get(KEY, build, bytes)[0] == b"engine"
