# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of a run while it goes on: plain CSV files, and the same for TensorBoard."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from i2p_ros.core.errors import MissingPackageError, install_command
from i2p_ros.evaluation.files import write_bytes

try:  # tensorboardX only writes; TensorBoard, which displays, is ten times its size
    from tensorboardX import SummaryWriter
except ImportError as error:
    raise MissingPackageError(f"training needs tensorboardX: {install_command('train')}") from error

NAMES = ("metrics", "validation")
FLUSH_S = 10


class Journal:
    """Rows of numbers by samples seen, in folder/NAME.csv and folder/tensorboard.

    Rows that an earlier turn wrote after its last checkpoint are removed: the run repeats these steps.
    """

    def __init__(self, folder: Path, samples: int) -> None:
        self.folder = folder
        for file in (folder / f"{name}.csv" for name in NAMES):
            if file.exists():
                _keep(file, samples)
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=samples + 1, flush_secs=FLUSH_S)

    def write(self, name: str, samples: int, values: Mapping[str, float]) -> None:
        """Add a row. All rows of a name have the same values."""
        file = self.folder / f"{name}.csv"
        new = not file.exists() or not file.stat().st_size
        with file.open("a", newline="") as stream:
            rows = csv.writer(stream, lineterminator="\n")
            if new:
                rows.writerow(["samples", *values])
            rows.writerow([samples, *(f"{value:.6g}" for value in values.values())])
        for key, value in values.items():
            if math.isfinite(value):
                self._board.add_scalar(f"{name}/{key}", value, samples)

    def close(self) -> None:
        """Close the files."""
        self._board.close()


def _keep(file: Path, samples: int) -> None:
    """Rewrite a CSV file without the rows after this number of samples and without an incomplete last row."""
    whole = [line for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
    kept = [*whole[:1], *(row for row in whole[1:] if int(row.partition(",")[0]) <= samples)]
    write_bytes(file, "".join(kept).encode())
