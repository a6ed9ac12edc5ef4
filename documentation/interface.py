# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The tables of topics, services and diagnostics of a node."""

from __future__ import annotations

from i2p_ros.ros.interface import DIAGNOSTICS, INTERFACES


def topics(node: str) -> str:
    """A row for each topic and service."""
    rows = [f"| `{one.name}` | {one.way} | {one.kind} | {one.text} |" for one in INTERFACES if one.node == node]
    return "\n".join(["| name | way | type | meaning |", "|---|---|---|---|", *rows])


def diagnostics(node: str) -> str:
    """A row for each key of /diagnostics."""
    rows = [f"| {_code(keys)} | {text} |" for keys, text in DIAGNOSTICS[node].items()]
    return "\n".join(["| key | meaning |", "|---|---|", *rows])


def _code(keys: str) -> str:
    return ", ".join(key if key == "..." else f"`{key}`" for key in keys.split(", "))
