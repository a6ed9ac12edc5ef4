# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hints for names that are nearly right."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from i2p_ros.core.errors import InputError


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Text " Did you mean 'x'?" with the most similar of some names. Empty where none is similar."""
    near = get_close_matches(name, list(names), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def refuse_unknown(where: str, what: str, asked: Iterable[str] | None, there: Collection[str]) -> None:
    """Raise InputError `source.WHAT` for names that are asked for and not there, with those that are there."""
    if unknown := sorted(set(asked or ()) - set(there)):
        hints = "".join(did_you_mean(name, there) for name in unknown)
        text = f"{where} has no {what} {', '.join(unknown)}; there are {', '.join(there)}.{hints}"
        raise InputError(text, f"source.{what}")
