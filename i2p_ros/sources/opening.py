# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Open a source by name, or by looking at what lies at a path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.types import Sample
from i2p_ros.sources.base import Source, lost_by

BAG_SUFFIXES = (".mcap", ".db3", ".bag")
SYNTHETIC_SAMPLES = 200


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller of open_source asked for."""

    root: Path | None
    settings: Settings
    seed: int
    n: int | None
    kitti: dict[str, Any]

    def path(self, kind: str) -> Path:
        """The root, which a recording must have."""
        if self.root is None:
            raise InputError(f"source {kind!r} needs a root: the folder or file to read", "source.root")
        return self.root


@dataclass(frozen=True)
class First:
    """The first `n` samples of a source that has more."""

    source: Source
    n: int

    @property
    def name(self) -> str:
        """The name of the whole."""
        return f"{self.source.name} (first {self.n} of {len(self.source)})"

    @property
    def lost(self) -> Counter[str]:
        """What the whole has lost."""
        return lost_by(self.source)

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Sample:
        return self.source[range(self.n)[index]]


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
    """The source of a kind (synthetic, kitti, rosbag), or with `auto` whatever lies at root.

    `seed` makes the synthetic world; `n` is how many samples it has, and the most that are taken of a recording.
    `cameras` and `drives` choose among those of a KITTI folder. Raises InputError for a wrong name, root or choice.
    """
    root = None if root is None else Path(root)
    if kind == "auto":
        kind = recognised(root)
    if kind not in OPENERS:
        raise InputError(f"no source {kind!r}; there are auto, {', '.join(OPENERS)}", "source.kind")
    if n is not None and n < 1:
        raise InputError(f"a source needs at least one sample, got n={n}", "source.n")
    chosen = {key: value for key, value in (("cameras", cameras), ("drives", drives)) if value is not None}
    if chosen and kind != "kitti":
        raise InputError(f"{' and '.join(chosen)} are for KITTI folders, not for source {kind!r}", "source.choice")
    if root and kind == "synthetic":
        raise InputError(f"source 'synthetic' reads no root; for {root} choose auto, kitti or rosbag", "source.root")
    source = OPENERS[kind](Request(root, settings, seed, n, chosen))
    return source if n is None or n >= len(source) else First(source, n)


def recognised(root: Path | None) -> str:
    """The kind of what lies at root: a bag file or folder, or else a KITTI folder."""
    if root is None:
        raise InputError("give a root to look at, or source 'synthetic'", "source.root")
    if not root.exists():
        raise InputError(
            f"{root} does not exist; expected a KITTI folder, a bag folder or a bag file", "source.missing"
        )
    if root.is_dir():
        is_bag = (root / "metadata.yaml").exists() or any(p.suffix in BAG_SUFFIXES for p in root.iterdir())
        return "rosbag" if is_bag else "kitti"
    if root.suffix not in BAG_SUFFIXES:
        raise InputError(f"{root} is not a bag; bag files end in {', '.join(BAG_SUFFIXES)}", "source.layout")
    return "rosbag"


def _synthetic(request: Request) -> Source:
    from i2p_ros.synthetic import SyntheticSource

    return SyntheticSource(request.settings.synthetic, request.seed, request.n or SYNTHETIC_SAMPLES)


def _kitti(request: Request) -> Source:
    from i2p_ros.sources.kitti import KittiSource

    return KittiSource(request.path("kitti"), **request.kitti)


def _rosbag(request: Request) -> Source:
    from i2p_ros.sources.rosbag import RosbagSource

    return RosbagSource(request.path("rosbag"), request.settings.pairing, None)


OPENERS: dict[str, Callable[[Request], Source]] = {"synthetic": _synthetic, "kitti": _kitti, "rosbag": _rosbag}
