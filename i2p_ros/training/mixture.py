# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a run learns from, synthetic places with recordings mixed in, and what it is validated on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from i2p_ros.core.config import Settings
from i2p_ros.core.protocols import ProtocolName
from i2p_ros.networks.vp2p import VP2P
from i2p_ros.runtime.torch_runtime import choose_device
from i2p_ros.sources.base import Source
from i2p_ros.sources.kitti import KittiSource
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.training import TRAINING_WORLDS, VALIDATION_WORLDS
from i2p_ros.training.data import CachedSource
from i2p_ros.training.validation import VIEWS, FixedPairs, OneBatch, Validation


@dataclass(frozen=True)
class Mixture:
    """Sources with their shares, and the recorded drives among them."""

    sources: list[tuple[Source, float]]
    drives: tuple[str, ...] = ()

    def describe(self) -> str:
        """In words, for the manifest."""
        return ", ".join(f"{source.name} ({len(source)} pairs) {share:.0%}" for source, share in self.sources)


def mixture(
    settings: Settings, cache: Path, seed: int, worlds: int,
    kitti: Path | None = None, drives: Sequence[str] | None = None, kitti_share: float = 0.0,
) -> Mixture:  # fmt: skip
    """`worlds` places that only training sees, and a share of the samples from drives of a KITTI folder.

    A GPU renders all places at once, under torchrun each its part; a CPU renders them as they are needed.
    Raises InputError when the KITTI folder cannot be used.
    """
    made_up = SyntheticSource(settings.synthetic, TRAINING_WORLDS + seed, worlds)
    places = CachedSource(made_up, cache, str(settings.synthetic))
    if choose_device(settings.device)[0].type == "cuda":
        rank, local, processes = (
            int(os.environ.get(k, d)) for k, d in (("RANK", 0), ("LOCAL_RANK", 0), ("WORLD_SIZE", 1))
        )
        places.fill(partial(made_up.samples, device=f"cuda:{local}"), rank, processes)
    if not kitti:
        return Mixture([(places, 1.0)])
    recorded = KittiSource(kitti, drives=drives)
    kept = CachedSource(recorded, cache, str(kitti.resolve()))
    return Mixture([(places, 1 - kitti_share), (kept, kitti_share)], recorded.drives)


def unseen(settings: Settings, cache: Path) -> Validation:
    """Places that no training sees."""
    pairs = settings.training.validate_pairs
    places = CachedSource(SyntheticSource(settings.synthetic, VALIDATION_WORLDS, pairs), cache, str(settings.synthetic))
    return Validation(places, _first(settings), VALIDATION_WORLDS, pairs)


def one_batch(family: VP2P, settings: Settings, seed: int) -> tuple[OneBatch, Validation]:
    """A batch to learn by heart, and its pairs to see whether it was."""
    pairs = max(1, settings.training.batch // VIEWS)
    places = SyntheticSource(settings.synthetic, TRAINING_WORLDS + seed, pairs)
    fixed = Validation(FixedPairs(places, pairs), _first(settings), seed, pairs)
    return OneBatch(family, fixed, settings.training.samples, settings.training.parts), fixed


def _first(settings: Settings) -> ProtocolName:
    return next(iter(settings.training.protocols))
