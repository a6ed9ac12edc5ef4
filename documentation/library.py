# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The reference of the Python library, from signatures and docstrings. griffe reads them from the source."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import griffe

import i2p_ros
from documentation import ROOT

EXTENSIONS = (
    "families.base.Family", "networks.base.FamilyNetwork", "core.source.Source", "core.lenses.Lens",
    "alignment.signals.Signal",
)  # fmt: skip
"""Classes that a new family, dataset, lens or signal derives from."""
ERRORS = "core.errors"


@cache
def package() -> Any:
    """The package as griffe reads it."""
    return griffe.load("i2p_ros", search_paths=[ROOT], resolve_aliases=True)


def public_names() -> list[str]:
    """All public names: of the package itself, of `__all__` of each of its modules, base classes and errors."""
    of_package = [f"i2p_ros.{name}" for name in i2p_ros._HOMES]
    of_modules = [f"{module.path}.{name}" for module in _modules(package()) for name in _exports(module)]
    errors = [f"i2p_ros.{ERRORS}.{name}" for name, one in package()[ERRORS].classes.items() if not name.startswith("_")]
    return [*of_package, *of_modules, *(f"i2p_ros.{name}" for name in EXTENSIONS), *errors]


def reference() -> str:
    """A section for each public name: signature, docstring, and the public methods of a class."""
    return "\n\n".join(_section(name) for name in public_names())


def _modules(module: Any) -> Iterator[Any]:
    yield module
    for each in module.modules.values():
        if not each.is_alias:
            yield from _modules(each)


def _exports(module: Any) -> list[str]:
    return [str(name) for name in module.exports or ()]


def _section(name: str) -> str:
    found = _found(name)
    head = f"## `{name}`\n\n{_described(found)}"
    methods = found.functions.values() if found.is_class else ()
    public = [each for each in methods if not each.name.startswith("_")]
    return "\n\n".join([head, *(f"### `{found.name}.{each.name}`\n\n{_described(each)}" for each in public)])


def _found(name: str) -> Any:
    """What a name is. In a package, a function may have the name of the module that it is imported from."""
    home, _, last = name.rpartition(".")
    parent = package()[home.removeprefix("i2p_ros.")] if home != "i2p_ros" else package()
    found = parent.members[last]
    if found.is_module:
        found = package()[parent.imports[last].removeprefix("i2p_ros.")]
    return found.final_target if found.is_alias else found


def _described(found: Any) -> str:
    """Signature as code, then docstring."""
    text = found.docstring.value if found.docstring else ""
    return f"```python\n{_signature(found)}\n```\n\n{text}".strip()


def _signature(found: Any) -> str:
    if found.is_function:
        return str(found.signature())
    if found.is_class:
        bases = ", ".join(str(base) for base in found.bases)
        fields = [f"    {_field(each)}" for each in found.attributes.values() if _is_field(each)]
        return "\n".join([f"class {found.name}{f'({bases})' if bases else ''}", *fields])
    return f"{found.name}: {found.annotation}" if found.annotation else str(found.name)


def _is_field(attribute: Any) -> bool:
    return bool(attribute.annotation) and not attribute.name.startswith("_") and "property" not in attribute.labels


def _field(attribute: Any) -> str:
    value = f" = {attribute.value}" if attribute.value is not None and len(str(attribute.value)) < 60 else ""
    return f"{attribute.name}: {attribute.annotation}{value}"
