# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Topics and services of a running node, and those that the documentation names."""

from __future__ import annotations

from typing import Any

from i2p_ros.ros.interface import INTERFACES

OF_EVERY_NODE = {"/parameter_events", "/rosout", "/clock"}
OF_LIFECYCLE = ("change_state", "get_", "list_", "describe_", "set_parameters")


def interfaces_of(node: Any) -> set[tuple[str, str, str]]:
    """Way, name and type of the topics and services that a node has made itself."""
    name = f"{node.get_fully_qualified_name()}/"
    services = [one for one in node.services if not one.service_name.removeprefix(name).startswith(OF_LIFECYCLE)]
    found = {
        *(("in", one.topic_name, one.msg_type.__name__) for one in node.subscriptions),
        *(("out", one.topic_name, one.msg_type.__name__) for one in node.publishers),
        *(("service", one.service_name, one.srv_type.__name__) for one in services),
    }
    return {each for each in found if each[1] not in OF_EVERY_NODE and not each[1].endswith("/transition_event")}


def written_interfaces(node: str) -> set[tuple[str, str, str]]:
    """The same from the table of the documentation."""
    return {
        (one.way, f"/{one.name.replace('~', node).lstrip('/')}", one.kind.rpartition("/")[2])
        for one in INTERFACES
        if one.node == node
    }
