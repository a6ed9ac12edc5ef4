# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of settings of earlier versions, which are refused with their new names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def old_names(tree: Any, renamed: Mapping[str, str]) -> str:
    """Text with a clause "old is now new" for each old dotted name in a plain tree; empty if there is none.

    `renamed` maps old to new names.
    """
    return "; ".join(f"{old} is now {new}" for old, new in renamed.items() if _holds(tree, old))


def _holds(tree: Any, name: str) -> bool:
    """Whether a plain tree has a value under a dotted name."""
    for part in name.split("."):
        if not isinstance(tree, Mapping) or part not in tree:
            return False
        tree = tree[part]
    return True
