# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Records of a history as a table for spreadsheets and notebooks, or as messages for Foxglove."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from i2p_ros.core.drifts import AXES
from i2p_ros.core.errors import InputError, install_command
from i2p_ros.evaluation.files import write_bytes

RIG = ("vehicle", "camera", "lidar", "epoch", "stamp")
BY_AXIS = ("drift", "half", "detectable", "observed", "baseline", "moved", "estimate", "std")
COLUMNS = (
    *RIG, "level", "course", *(f"{name}_{axis}" for name in BY_AXIS for axis in AXES), "information", "gain", "frames",
    "since", "reasons",
)  # fmt: skip
TEXTS, INTEGERS, FLAGS = {*RIG[:3], "level", "course", "reasons"}, {*RIG[3:], "frames", "since"}, ("observed", "moved")
Rows = Sequence[dict[str, Any]]


def exported(rows: Iterable[dict[str, Any]], file: Path) -> int:
    """Number of records written to a .csv, .parquet or .mcap file, which appears whole or not at all."""
    if file.suffix not in WRITERS:
        raise InputError(f"cannot write {file}: a history is exported as {', '.join(WRITERS)}", "output")
    kept = list(rows)
    write_bytes(file, WRITERS[file.suffix](kept))
    return len(kept)


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A record with one value for each of COLUMNS: m and rad by axis, stamps in ns."""
    verdict, estimate = row["verdict"], row["estimate"]
    columns = {name: row[name] for name in RIG} | {"level": verdict["level"], "course": verdict["course"]}
    for name in ("drift", "half", "detectable", "observed", "baseline"):
        columns |= {f"{name}_{axis}": value for axis, value in zip(AXES, verdict[name], strict=True)}
    columns |= {f"moved_{axis}": axis in verdict["moved"] for axis in AXES}
    columns |= {f"estimate_{axis}": value for axis, value in zip(AXES, estimate["delta"], strict=True)}
    columns |= {f"std_{axis}": estimate["covariance"][i][i] ** 0.5 for i, axis in enumerate(AXES)}
    columns |= {name: estimate[name] for name in ("information", "gain", "frames")}
    return columns | {"since": verdict["since"], "reasons": "; ".join(verdict["reasons"])}


def _csv(rows: Rows) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(map(flat, rows))
    return text.getvalue().encode()


def _parquet(rows: Rows) -> bytes:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(f"Parquet needs pyarrow: {install_command('parquet')}", "output") from error
    types = {name: pa.string() for name in TEXTS} | {name: pa.int64() for name in INTEGERS}
    types |= {f"{name}_{axis}": pa.bool_() for name in FLAGS for axis in AXES}
    schema = pa.schema([(name, types.get(name, pa.float64())) for name in COLUMNS])  # the same, whatever there is
    target = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist([flat(row) for row in rows], schema), target)
    return target.getvalue()


def _mcap(rows: Rows) -> bytes:
    from i2p_ros.writers.drift_bag import drift_mcap

    return drift_mcap(rows)


WRITERS: dict[str, Callable[[Rows], bytes]] = {".csv": _csv, ".parquet": _parquet, ".mcap": _mcap}
