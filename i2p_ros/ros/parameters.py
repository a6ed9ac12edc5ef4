# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The settings tree as ROS parameters, by the same dotted names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from i2p_ros.core.config import Settings, validated

OF_OTHERS = ("training",)  # groups that no node reads
OF_ROS = ("use_sim_time", "start_type_description_service", "qos_overrides")  # parameters that rclpy handles itself


def declared_settings(node: Node) -> Settings:
    """The settings that a node was started with; every leaf but those of training becomes a read-only parameter.

    The node must have been made with automatically_declare_parameters_from_overrides=True, or it would not know of
    misspelt names. Raises SettingsError that names unknown or refused parameters.
    """
    tree: dict[str, Any] = {}
    given = {name: parameter.value for name, parameter in node.get_parameters_by_prefix("").items()}
    for name, value in given.items():
        if name.split(".")[0] not in OF_ROS:
            _plant(tree, name, value)
    settings = validated(tree)
    for name, field, value in leaves(settings):
        if node.has_parameter(name):
            node.undeclare_parameter(name)
        node.declare_parameter(name, value, _descriptor(field, value), ignore_override=True)
    return settings


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


def _plant(tree: dict[str, Any], name: str, value: Any) -> None:
    """Put a value into a nested tree by its dotted name."""
    *groups, last = name.split(".")
    for group in groups:
        tree = tree.setdefault(group, {})
    tree[last] = value


def _descriptor(field: FieldInfo, value: Any) -> ParameterDescriptor:
    """Description and bounds of a field; one-sided and open bounds can only be told in words."""
    bounds = {
        name: getattr(rule, name) for rule in field.metadata for name in ("ge", "gt", "le", "lt") if hasattr(rule, name)
    }
    words = ", ".join(f"{name} {bound}" for name, bound in bounds.items())
    choices = ", ".join(map(str, getattr(field.annotation, "__args__", ())))
    descriptor = ParameterDescriptor(
        description=field.description or "", additional_constraints=words or choices, read_only=True
    )
    if bounds.keys() == {"ge", "le"} and isinstance(value, float):
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(bounds["ge"]), to_value=float(bounds["le"]))
        ]
    if bounds.keys() == {"ge", "le"} and isinstance(value, int):
        descriptor.integer_range = [IntegerRange(from_value=bounds["ge"], to_value=bounds["le"])]
    return descriptor
