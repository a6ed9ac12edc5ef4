# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The settings of the nodes as parameters: dotted names, bounds, which of them are live, and their table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from i2p_ros.core.config import Settings, validated
from i2p_ros.core.errors import SettingsError

OF_OTHERS = ("training", "calibration", "fleet")  # groups that no node reads
BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
LIVE = {  # settings that apply from the next pair on; all others are read when the node starts
    "pnp": {"min_matches", "min_inliers", "max_std_m", "max_std_deg", "max_rival", "min_confidence"},
    "tracking": {
        "gate", "lost_after", "forget_after_s", "prior_std_m", "prior_std_deg", "speed_std", "turn_std_deg",
        "acceleration", "turn_acceleration_deg", "odometry_error",
    },
    "node": {
        "intensity_field", "diagonal_covariance", "transform_tolerance_s", "overlay_hz", "warn_after_s",
        "error_after_s", "stale_after_s", "exit_after_s",
    },
}  # fmt: skip


def leaves(group: BaseModel, prefix: str = "") -> Iterator[tuple[str, FieldInfo, Any]]:
    """Dotted name, field and value of every setting below a group that a node reads."""
    for name, field in type(group).model_fields.items():
        value = getattr(group, name)
        if prefix + name in OF_OTHERS:
            continue
        if isinstance(value, BaseModel):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, field, value


def is_live(name: str) -> bool:
    """Whether a setting may change while a node runs."""
    group, _, last = name.rpartition(".")
    return last in LIVE.get(group, ())


def bounds(field: FieldInfo) -> dict[str, Any]:
    """Bounds of a field by ge, gt, le and lt."""
    return {name: getattr(rule, name) for rule in field.metadata for name in BOUNDS if hasattr(rule, name)}


def limits(field: FieldInfo) -> str:
    """Bounds or choices of a field in words."""
    choices = ", ".join(map(str, get_args(field.annotation)))
    return ", ".join(f"{BOUNDS[name]} {bound}" for name, bound in bounds(field).items()) or choices


def changed(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """Settings with new values by dotted names. Raises SettingsError for unknown names and refused values."""
    tree = settings.model_dump()
    for name, value in values.items():
        plant(tree, name, value)
    return validated(tree)


def plant(tree: dict[str, Any], name: str, value: Any) -> None:
    """Set a value in a nested tree by its dotted name. Raises SettingsError where a setting is taken for a group."""
    *groups, last = name.split(".")
    for group in groups:
        tree = tree.setdefault(group, {})
        if not isinstance(tree, dict):
            raise SettingsError(f"{name}: {group} is a setting and no group")
    if isinstance(tree.get(last), dict):
        raise SettingsError(f"{name} is a setting and no group, but {name}.{next(iter(tree[last]))} is given too")
    tree[last] = value


def table() -> str:
    """Table of all parameters in Markdown. docs/parameters.md is this text."""
    head = (
        "# Parameters of the nodes\n\n"
        "`i2p config --table` writes this file. A parameter marked *live* may change while a node runs. The next pair\n"
        "uses the new value. All other parameters are read when the node starts. Each subscription also has the\n"
        "parameters `qos_overrides.<topic>.subscription.*`.\n\n"
        "| parameter | default | limits | live | description |\n|---|---|---|---|---|\n"
    )
    rows = (
        f"| `{name}` | `{value!r}` | {limits(field)} | {'live' if is_live(name) else ''} | {field.description or ''} |"
        for name, field, value in leaves(Settings())
    )
    return head + "\n".join(rows) + "\n"
