# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The families of networks by name. A new one is a folder here, one row of this table and one of training.families."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from i2p_ros.core.errors import ModelError

if TYPE_CHECKING:
    from i2p_ros.families.base import Family


@dataclass(frozen=True)
class FamilyEntry:
    """Row of FAMILIES. Its sizes can be listed without an import of the class, which imports torch."""

    home: str  # "module:class"
    sizes: tuple[str, ...]  # names of the sizes of the class


FAMILIES = {
    "vp2p": FamilyEntry("i2p_ros.families.vp2p:VP2P", ("small", "signals", "trunk", "base")),
    "icl": FamilyEntry("i2p_ros.families.icl:ICL", ("small", "single", "trunk")),
    "relai2p": FamilyEntry("i2p_ros.families.relai2p:RelaI2P", ("small", "unfused", "unrelated")),
    "diff2i2p": FamilyEntry("i2p_ros.families.diff2i2p:Diff2I2P", ("small", "street")),
}


def family_class(name: str) -> type[Family[Any]]:
    """The class of a family. Raises ModelError, which lists the families, when there is none of this name."""
    found: type[Family[Any]] = class_of({key: entry.home for key, entry in FAMILIES.items()}, name)
    return found


def class_of(table: Mapping[str, str], name: str) -> Any:
    """The class that a table from name to "module:class" has for a name.

    It is imported now. Raises ModelError, which lists the names, for a name that is not in the table.
    """
    if name not in table:
        raise ModelError(f"there is no family {name!r}; there are {', '.join(table)}")
    module, _, attribute = table[name].partition(":")
    return vars(import_module(module))[attribute]
