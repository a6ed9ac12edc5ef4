# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of rerun, read back by its own reader."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow


def rows_of(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Rows by entity, in the order of time: values by column, with times as integers and components as lists."""
    from rerun.chunk import RrdReader

    rows = defaultdict(list)
    for chunk in RrdReader(path).stream().to_chunks():
        batch = chunk.to_record_batch()
        for i in range(chunk.num_rows):
            rows[chunk.entity_path[1:]].append({name: _plain(batch.column(name)[i]) for name in batch.schema.names})
    return {entity: sorted(found, key=lambda row: row.get("log_time", 0)) for entity, found in rows.items()}


def _plain(value: Any) -> Any:
    return value.value if pyarrow.types.is_timestamp(value.type) else value.as_py()
