# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""open_source: a source by the name of its kind, or by what lies at a path."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.hints import did_you_mean
from i2p_ros.core.source import Source, Successive
from i2p_ros.sources.kinds import KINDS, Choice, SourceKind, SourceRequest


def open_source(
    kind: str,
    root: Path | str | None = None,
    *,
    settings: Settings,
    seed: int = 0,
    n: int | None = None,
    cameras: Sequence[str] | None = None,
    drives: Sequence[str] | None = None,
) -> Source:
    """The source of a kind, which is a key of KINDS, or with `auto` of the kind that lies at root.

    `seed` is that of a synthetic world. `n` is the number of its samples, and the largest number of samples of a
    recording. `cameras` and `drives` choose among those of a KITTI folder. Raises InputError `source.*` for a wrong
    kind, root or choice.
    """
    root = None if root is None else Path(root)
    found = find_kind(kind, root)
    if n is not None and n < 1:
        raise InputError(f"a source needs at least one sample, got n={n}", "source.n")
    choices = _choices(found, root, cameras, drives)
    if named := [name for name, topic in settings.topics.model_dump().items() if topic and not found.has_topics]:
        raise InputError(f"topics.{named[0]} is for bags, not for source {found.name!r}", "source.choice")
    if found.is_recorded and root is None:
        raise InputError(f"source {found.name!r} needs a root: the folder or file to read", "source.root")
    if root and not found.is_recorded:
        others = ["auto", *(other.name for other in _recorded())]
        choose = f"{', '.join(others[:-1])} or {others[-1]}"
        raise InputError(f"source {found.name!r} reads no root; for {root} choose {choose}", "source.root")
    source = found.open(SourceRequest(root, settings, seed, n, choices))
    return source if n is None or n >= len(source) else Successive(source, 0, n)


def find_kind(name: str, root: Path | None = None) -> SourceKind:
    """The kind of that name, or with `auto` the kind of what lies at root; raises InputError if there is none."""
    if name == "auto":
        return recognised(root)
    if name not in KINDS:
        there = f"there are auto, {', '.join(KINDS)}.{did_you_mean(name, ('auto', *KINDS))}"
        raise InputError(f"no source {name!r}; {there}", "source.kind")
    return KINDS[name]


def recognised(root: Path | None) -> SourceKind:
    """The kind of what lies at root; raises InputError `source.*` if there is nothing that is known."""
    if root is None:
        raise InputError("give a root to look at, or source 'synthetic'", "source.root")
    if not root.exists():
        expected = ", ".join(f"a {kind.noun}" for kind in _recorded())
        beside = root.absolute().parent
        near = did_you_mean(root.name, (path.name for path in beside.iterdir())) if beside.is_dir() else ""
        raise InputError(f"{root} does not exist; expected {expected}.{near}", "source.missing")
    for kind in reversed(_recorded()):
        if kind.recognise and kind.recognise(root):
            return kind
    raise InputError(_unrecognised(root), "source.layout")


def _recorded() -> list[SourceKind]:
    return [kind for kind in KINDS.values() if kind.is_recorded]


def _choices(
    kind: SourceKind, root: Path | None, cameras: Sequence[str] | None, drives: Sequence[str] | None
) -> dict[Choice, Sequence[str]]:
    """What was chosen; InputError for what this kind does not take."""
    given: tuple[tuple[Choice, Sequence[str] | None], ...] = (("cameras", cameras), ("drives", drives))
    choices: dict[Choice, Sequence[str]] = {choice: names for choice, names in given if names is not None}
    if refused := [choice for choice in choices if choice not in kind.choices]:
        takers = " or ".join(f"{k.noun}s" for k in KINDS.values() if set(refused) <= set(k.choices))
        where = f" ({root})" if root else ""
        raise InputError(
            f"{' and '.join(refused)} are for {takers}, not for source {kind.name!r}{where}", "source.choice"
        )
    return choices


def _unrecognised(root: Path) -> str:
    """A message for a path that no kind recognises."""
    if root.is_file():
        files = [kind for kind in _recorded() if kind.suffixes]
        endings = "; ".join(f"{kind.noun} files end in {', '.join(kind.suffixes)}" for kind in files)
        return f"{root} is not a {' or '.join(kind.noun for kind in files)}; {endings}"
    what = "has no layout that is known" if any(root.iterdir()) else "is empty"
    return f"{root} {what}; expected {'; or '.join(f'{kind.layout} (a {kind.noun})' for kind in _recorded())}"
