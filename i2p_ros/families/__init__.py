# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The families of networks by name. A new one is a folder here, one row of this table and one of training.families."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from i2p_ros.core.errors import ModelError

if TYPE_CHECKING:
    from i2p_ros.families.base import Family

FAMILIES = {"vp2p": "i2p_ros.families.vp2p:VP2P"}  # module and class, imported when asked for


def family_class(name: str) -> type[Family[Any]]:
    """The class of a family. Raises ModelError, which lists the families, when there is none of this name."""
    found: type[Family[Any]] = class_of(FAMILIES, name)
    return found


def class_of(table: Mapping[str, str], name: str) -> Any:
    """The class that a table of "module:class" has for a name; raises ModelError for a name that is not in it."""
    if name not in table:
        raise ModelError(f"there is no family {name!r}; there are {', '.join(table)}")
    module, _, attribute = table[name].partition(":")
    return vars(import_module(module))[attribute]
