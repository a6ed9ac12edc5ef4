# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lake that the tests of fleets share: 12 recordings, of which four drift. Tests read it and do not change it."""

from pathlib import Path

import pytest
from helpers.lake import settings

from i2p_ros.fleet.index import made_index, write_index
from i2p_ros.fleet.simulated import write_lake

DRIFTING = (1, 4, 7, 10)


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the recordings in `lake` and their index."""
    folder = tmp_path_factory.mktemp("fleet")
    write_lake(folder / "lake", 12, DRIFTING)
    write_index(str(folder / "index.parquet"), made_index(str(folder / "lake"), settings(), []).rows, settings())
    return folder
