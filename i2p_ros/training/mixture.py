# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sources of a run: synthetic places, with recordings mixed in, and the pairs that validate it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from i2p_ros.core.config import Settings
from i2p_ros.core.protocols import ProtocolName
from i2p_ros.core.source import Source
from i2p_ros.families.base import Family
from i2p_ros.runtime.torch_runtime import choose_device
from i2p_ros.sources.opening import open_source
from i2p_ros.synthetic import synthetic_source
from i2p_ros.training import TRAINING_WORLDS, VALIDATION_WORLDS
from i2p_ros.training.cache import CachedSource
from i2p_ros.training.validation import VIEWS, FixedPairs, OneBatch, Validation


@dataclass(frozen=True)
class Mixture:
    """Sources with their shares of the samples, and the names of the recorded drives."""

    sources: list[tuple[Source, float]]
    drives: tuple[str, ...] = ()

    def describe(self) -> str:
        """Sources and shares in words, for the manifest."""
        return ", ".join(f"{source.name} ({len(source)} pairs) {share:.0%}" for source, share in self.sources)


def mixture(
    settings: Settings, cache: Path, seed: int, worlds: int,
    recording: Path | None = None, drives: Sequence[str] | None = None, share: float = 0.0,
    frames: Path | None = None, frame_drives: Sequence[str] | None = None,
) -> Mixture:  # fmt: skip
    """`worlds` synthetic places of the training seeds, and a share of the samples from the drives of a recording.

    A GPU renders all places at the start, and under torchrun each process renders its part. A CPU renders places when
    they are needed. Samples are kept in the folder `cache`. The recording may be of any kind that is read from a path.
    Raises InputError if the recording cannot be used.
    """
    synthetic = synthetic_source(settings.synthetic, TRAINING_WORLDS + seed, worlds)
    cached = CachedSource(synthetic, cache, str(settings.synthetic))
    if choose_device(settings.device)[0].type == "cuda":
        rank, local, processes = (
            int(os.environ.get(k, d)) for k, d in (("RANK", 0), ("LOCAL_RANK", 0), ("WORLD_SIZE", 1))
        )
        cached.fill(partial(synthetic.samples, device=f"cuda:{local}"), rank, processes)
    if not recording:
        return Mixture([(cached, 1.0)])
    asked = [(recording, drives)] + ([(frames, frame_drives)] if frames else [])
    opened = [(root, open_source("auto", root, settings=settings, drives=chosen)) for root, chosen in asked]
    recorded = [CachedSource(source, cache, str(root.resolve())) for root, source in opened]
    pairs = sum(len(source) for source in recorded)
    shares = [(source, share * len(source) / pairs) for source in recorded]
    return Mixture([(cached, 1 - share), *shares], tuple(name for source in recorded for name in source.drives))


def unseen(settings: Settings, cache: Path) -> Validation:
    """Validation on synthetic places whose seeds no training uses."""
    pairs = settings.training.validate_pairs
    source = synthetic_source(settings.synthetic, VALIDATION_WORLDS, pairs)
    cached = CachedSource(source, cache, str(settings.synthetic))
    return Validation(cached, _first(settings), VALIDATION_WORLDS, pairs)


def one_batch(family: Family[Any], settings: Settings, seed: int) -> tuple[OneBatch, Validation]:
    """A batch for `i2p train --overfit`, and the validation on its pairs."""
    pairs = max(1, settings.training.batch // VIEWS)
    source = synthetic_source(settings.synthetic, TRAINING_WORLDS + seed, pairs)
    fixed = Validation(FixedPairs(source, pairs, settings.training.aspect), _first(settings), seed, pairs)
    t = settings.training
    return OneBatch(family, fixed, t.samples, t.parts, t.aspect), fixed


def _first(settings: Settings) -> ProtocolName:
    return next(iter(settings.training.protocols))
