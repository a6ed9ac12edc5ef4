# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The Parquet tables of `i2p fleet`, read and checked for the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from i2p_ros.core.drifts import AXES, Level
from i2p_ros.core.errors import InputError, one_line
from i2p_ros.fleet.tables import COLUMNS, schema

UNREAD = {"settings_id", "T", *(f"std_{axis}" for axis in AXES)}  # columns of verdicts and pairs
PAGE_COLUMNS = {
    "verdicts": [column for column in COLUMNS["verdicts"] if column not in UNREAD],
    "windows": [*COLUMNS["windows"]],
    "pairs": [column for column in COLUMNS["pairs"] if column not in UNREAD],
    "quarantine": [*COLUMNS["quarantine"]],
    "index": ["uri", "recording_id", "vehicle", "verdict", "findings"],
}
"""The columns that the page reads of each table. Further columns are left alone."""
EXTRA = "index"  # not a result
OPTIONAL = {"quarantine": {"vehicle"}}  # columns that are null where a table lacks them


@dataclass(frozen=True, slots=True)
class PageTables:
    """The tables of PAGE_COLUMNS by name, without rows where a table is missing. Times are integers, ns since 1970."""

    verdicts: Any
    windows: Any
    pairs: Any
    quarantine: Any
    index: Any


def read_tables(files: Any, folder: str) -> PageTables:
    """The tables in a folder of an fsspec file system.

    Raises InputError where there is no result, where a file is no table, and where a column is missing or foreign.
    """
    found = {name: path for name in PAGE_COLUMNS if _exists(files, path := f"{folder}/{name}.parquet")}
    if not found.keys() - {EXTRA}:
        names = ", ".join(f"{name}.parquet" for name in PAGE_COLUMNS if name != EXTRA)
        raise InputError(f"{folder} has none of {names}; give the folder that `i2p fleet` wrote", "fleet.tables")
    tables = {name: _read(files, found[name], name) if name in found else _empty(name) for name in PAGE_COLUMNS}
    if not any(table.num_rows for name, table in tables.items() if name != EXTRA):
        raise InputError(f"the tables in {folder} have no rows: no recording was judged or refused", "fleet.tables")
    _check_levels(folder, tables)
    return PageTables(**tables)


def opened(out: str) -> tuple[Any, str]:
    """The fsspec file system and the folder of a path or URI. Raises InputError for a URI that cannot be used."""
    try:
        files, folder = fsspec.core.url_to_fs(out)
        return files, folder.rstrip("/")
    except (ValueError, ImportError, OSError) as error:
        raise InputError(f"{out} cannot be opened: {one_line(error)}", "fleet.uri") from error


def _exists(files: Any, path: str) -> bool:
    try:
        return bool(files.exists(path))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {one_line(error)}", "fleet.uri") from error


def _read(files: Any, path: str, name: str) -> Any:
    wanted = _schema(name)
    try:
        with files.open(path, "rb") as stream:
            parquet = pq.ParquetFile(stream)
            missing = [column for column in wanted.names if column not in parquet.schema_arrow.names]
            if not OPTIONAL.get(name, set()).issuperset(missing):
                raise InputError(
                    f"{path} has no column {', '.join(missing)}: `i2p fleet` did not write it", "fleet.tables"
                )
            table = parquet.read(columns=wanted.names)
            for column in missing:
                table = table.append_column(column, pa.nulls(table.num_rows, wanted.field(column).type))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is no readable Parquet table: {one_line(error)}", "fleet.tables") from error
    return pa.table(
        {
            column: _cast(table.column(column), kind, f"{path}: {column}")
            for column, kind in zip(wanted.names, wanted.types, strict=True)
        }
    )


def _cast(column: Any, kind: Any, what: str) -> Any:
    try:
        return column.cast(kind).cast(pa.int64()) if pa.types.is_timestamp(kind) else column.cast(kind)
    except (pa.ArrowException, ValueError) as error:
        raise InputError(f"{what} is {column.type} and not {kind}: {one_line(error, 120)}", "fleet.tables") from error


def _empty(name: str) -> Any:
    return _schema(name).empty_table()


def _schema(name: str) -> Any:
    """The columns that the page reads of a table, with the types that they are written with."""
    return pa.schema([schema(name).field(column) for column in PAGE_COLUMNS[name]])


def _check_levels(folder: str, tables: dict[str, Any]) -> None:
    known = {*(level.value for level in Level), "", None}
    for name in ("verdicts", "windows"):
        foreign = sorted(set(tables[name].column("level").unique().to_pylist()) - known)
        if foreign:
            levels = ", ".join(level.value for level in Level)
            raise InputError(
                f"{folder}/{name}.parquet has the level {one_line(ValueError(foreign[0]), 40)!r}; levels are {levels}",
                "fleet.tables",
            )
