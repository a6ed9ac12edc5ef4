# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The settings tree as ROS parameters, by the same dotted names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic.fields import FieldInfo
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node

from i2p_ros.core.config import Settings, validated
from i2p_ros.core.errors import SettingsError
from i2p_ros.core.parameters import bounds, changed, is_live, leaves, limits, plant

OF_ROS = ("use_sim_time", "start_type_description_service", "qos_overrides")  # parameters of rclpy itself


def declared_settings(node: Node) -> Settings:
    """The settings that a node was started with. Every setting becomes a parameter, read-only unless it is live.

    The node must be constructed with automatically_declare_parameters_from_overrides=True: otherwise misspelt names are
    not detected. Raises SettingsError that names unknown, renamed and refused parameters.
    """
    tree: dict[str, Any] = {}
    given = {name: parameter.value for name, parameter in node.get_parameters_by_prefix("").items()}
    for name, value in given.items():
        if name.split(".")[0] not in OF_ROS:
            plant(tree, name, value)
    settings = validated(tree)
    for name, field, value in leaves(settings):
        if node.has_parameter(name):
            node.undeclare_parameter(name)
        node.declare_parameter(name, value, _descriptor(name, field, value), ignore_override=True)
    return settings


def follow_changes(node: Node, current: Callable[[], Settings], apply: Callable[[Settings], None]) -> None:
    """Call `apply` with new settings when live parameters change. Invalid values are refused with a reason."""

    def on_set(given: list[Any]) -> SetParametersResult:
        values = {parameter.name: parameter.value for parameter in given if is_live(parameter.name)}
        try:
            apply(changed(current(), values))
        except SettingsError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(on_set)


def _descriptor(name: str, field: FieldInfo, value: Any) -> ParameterDescriptor:
    """Description and bounds of a field. One-sided and open bounds are only in its text."""
    between = bounds(field)
    descriptor = ParameterDescriptor(
        description=field.description or "", additional_constraints=limits(field), read_only=not is_live(name)
    )
    if between.keys() == {"ge", "le"} and isinstance(value, float):
        ends = {"from_value": float(between["ge"]), "to_value": float(between["le"])}
        descriptor.floating_point_range = [FloatingPointRange(**ends)]
    if between.keys() == {"ge", "le"} and isinstance(value, int):
        descriptor.integer_range = [IntegerRange(from_value=between["ge"], to_value=between["le"])]
    return descriptor
