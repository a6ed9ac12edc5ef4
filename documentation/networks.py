# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The tables of network families and of shipped models."""

from __future__ import annotations

from documentation.library import package
from i2p_ros.families import FAMILIES
from i2p_ros.runtime.manifest import models_folder, read_manifest


def families() -> str:
    """A row for each family of the table in the code."""
    rows = []
    for name, entry in FAMILIES.items():
        module = package()[entry.home.partition(":")[0].removeprefix("i2p_ros.")]
        sizes = ", ".join(f"`{size}`" for size in entry.sizes)
        rows.append(f"| `{name}` | {' '.join(module.docstring.value.split('. ')[0].split())} | {sizes} |")
    return "\n".join(["| family | network | sizes |", "|---|---|---|", *rows])


def models() -> str:
    """A row for each model that is shipped."""
    rows = [
        f"| `{name}` | `{entry.family}` | {entry.trained.get('samples', '')} | {entry.licence} |"
        for name, entry in read_manifest(models_folder()).items()
    ]
    return "\n".join(["| model | family | samples of training | licence of the weights |", "|---|---|---|---|", *rows])
