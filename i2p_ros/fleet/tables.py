# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The tables of a fleet: their columns, and Parquet files of them. Lengths are in m, angles in rad, times in UTC."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from i2p_ros.core.drifts import AXES
from i2p_ros.core.errors import InputError, MissingPackageError, install_command, one_line

Row = dict[str, Any]
RIG = {"vehicle": "text", "camera": "text", "lidar": "text"}
TOPIC = {"name": "text", "type": "text", "count": "integer", "rate_hz": "number", "largest_gap_s": "number"}
FINDING = {"level": "text", "code": "text", "text": "text", "cure": "text"}


def _axes(prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}{axis}": "number" for axis in AXES}


COLUMNS: dict[str, dict[str, Any]] = {
    "verdicts": {
        "recording_id": "text", "uri": "text", "task": "text", **RIG, "start": "time", "end": "time", "level": "text",
        "text": "text", **_axes(), **_axes("half_"), **_axes("detectable_"), "pairs": "integer", "windows": "integer",
        "seconds": "number", "settings_id": "text",
    },
    "windows": {
        "recording_id": "text", **RIG, "time": "time", "frames": "integer", **_axes(), **_axes("std_"), "level": "text",
        "text": "text", "picture": "text",
    },
    "pairs": {
        "recording_id": "text", **RIG, "time": "time", "status": "text", "confidence": "number", "T": ["number"],
        **_axes("std_"), "error_m": "number", "error_deg": "number",
    },
    "calibrations": {
        "recording_id": "text", "uri": "text", **RIG, "start": "time", "end": "time", "status": "text", "text": "text",
        "T": ["number"], **_axes("std_"), **_axes("half_"), "directions": ["text"], "pairs": "integer",
        "used": "integer",
    },
    "quarantine": {
        "recording_id": "text", "uri": "text", "vehicle": "text", "task": "text", "code": "text", "reason": "text",
        "attempts": "integer", "time": "time",
    },
    "index": {
        "uri": "text", "files": ["text"], "bytes": "integer", "recording_id": "text", **RIG, "start": "time",
        "end": "time", "kind": "text", "topics": [TOPIC], "lens": "text", "motion": "text", "overlap": "number",
        "verdict": "text", "findings": [FINDING], "seconds": "number",
    },
}  # fmt: skip


@cache
def schema(name: str) -> Any:
    """The pyarrow schema of a table. Raises MissingPackageError without pyarrow."""
    pa = _pyarrow()
    return pa.schema([(column, _type(pa, kind)) for column, kind in COLUMNS[name].items()])


def table(name: str, rows: Sequence[Row]) -> Any:
    """The pyarrow table of some rows. Times are integers, ns. Values that a row lacks are null."""
    return _pyarrow().Table.from_pylist(list(rows), schema(name))


def concatenated(name: str, parts: Iterable[Any]) -> Any:
    """The rows of several tables, in their order."""
    return _pyarrow().concat_tables([schema(name).empty_table(), *parts]).combine_chunks()


def parquet(content: Any) -> bytes:
    """A Parquet file (zstd) of a table."""
    from pyarrow import parquet as files

    target = io.BytesIO()
    files.write_table(content, target, compression="zstd")
    return target.getvalue()


def read_table(content: bytes, name: str, uri: str) -> tuple[list[Row], dict[str, str]]:
    """Rows of a Parquet file, with times as integers (ns), and the texts that it carries.

    Raises InputError `index` for a file that is no such table.
    """
    pa = _pyarrow()
    from pyarrow import parquet as files

    try:
        found = files.read_table(io.BytesIO(content))
        texts = {key.decode(): value.decode() for key, value in (found.schema.metadata or {}).items()}
        found = found.select(schema(name).names).cast(schema(name))
    except (pa.ArrowException, KeyError, ValueError, OSError) as error:
        raise InputError(f"{uri} is no table that `i2p index` wrote: {one_line(error)}", "index") from error
    times = [column for column, kind in COLUMNS[name].items() if kind == "time"]
    for column in times:
        at = found.schema.get_field_index(column)
        found = found.set_column(at, column, found.column(column).cast(pa.int64()))
    return found.to_pylist(), texts


def with_texts(content: Any, texts: dict[str, str]) -> Any:
    """A table that carries texts, by name."""
    return content.replace_schema_metadata(texts)


def _type(pa: Any, kind: Any) -> Any:
    """The pyarrow type of a column: a word, a list of one kind, or a struct."""
    if isinstance(kind, list):
        return pa.list_(_type(pa, kind[0]))
    if isinstance(kind, dict):
        return pa.struct([(name, _type(pa, inner)) for name, inner in kind.items()])
    words = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "time": pa.timestamp("ns", tz="UTC")}
    return words[kind]


def _pyarrow() -> Any:
    try:
        import pyarrow as pa
    except ImportError as error:
        what = f"i2p index and i2p fleet need pyarrow: {install_command('fleet')}"
        raise MissingPackageError(what) from error
    return pa
