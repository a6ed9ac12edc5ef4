# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training examples: a sample, varied and perturbed, as tensors with labels. Example k of a seed is always the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from i2p_ros.core.config import Parts
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.protocols import ProtocolName
from i2p_ros.core.source import Source
from i2p_ros.core.types import Prior, Sample
from i2p_ros.families.base import Family, PriorRange
from i2p_ros.networks.base import Tensors
from i2p_ros.sources.perturb import perturbed, random_prior
from i2p_ros.training.alignment import ASPECT, alignment_example
from i2p_ros.training.augmentation import varied, wrong_guess
from i2p_ros.training.families import learner_class

ATTEMPTS = 10  # draws of a sample
PRIOR_SCALES = 0.05, 1.0  # of the range of priors that the family is trained with


class TrainingSet(Dataset[Tensors]):
    """Examples of several sources and protocols, in given shares.

    Example k follows from the seed and k: a source, one of its items, and a protocol are drawn, and the item is varied
    and perturbed. A prior is off by any share of the range that the family is trained with, since a second forward pass
    has a better guess than the first. Some priors are wrong, as where a street looks the same in both directions.
    """

    def __init__(
        self, family: Family[Any], sources: Sequence[tuple[Source, float]], protocols: Mapping[ProtocolName, float],
        seed: int, samples: int, parts: Parts = "all", aspect: float = ASPECT, wrong_guesses: float = 0.35,
    ) -> None:  # fmt: skip
        self.family, self.sources, self.protocols, self.seed, self.samples = family, sources, protocols, seed, samples
        self.parts: Parts = parts
        self.aspect, self.wrong_guesses = aspect, wrong_guesses
        self._shares = np.array([share for _, share in sources]) / sum(share for _, share in sources)
        self._protocol_shares = np.array(list(protocols.values())) / sum(protocols.values())

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, k: int) -> Tensors:
        """Example k. It is drawn again when the network would get no points, as near a guess that sees none."""
        attempt = 0
        while True:
            try:
                return self._drawn(k, np.random.default_rng([self.seed, k, attempt]))
            except InputError:
                attempt += 1
                if attempt == ATTEMPTS:
                    raise

    def _drawn(self, k: int, rng: np.random.Generator) -> Tensors:
        source = self.sources[rng.choice(len(self.sources), p=self._shares)][0]
        sample = varied(source[int(rng.integers(len(source)))], rng, self.aspect)
        protocol = list(self.protocols)[rng.choice(len(self.protocols), p=self._protocol_shares)]
        if protocol == "prior" and sample.T_camera_lidar:
            wrong, scale = rng.random() < self.wrong_guesses, rng.uniform(*PRIOR_SCALES)
            T = sample.T_camera_lidar
            prior = drawn_prior(self.family.trained_prior, wrong_guess(T, rng) if wrong else T, rng, scale)
            sample = replace(sample, prior=prior)
        else:
            sample, _ = perturbed(sample, protocol, self.seed, k)
        return example(self.family, sample, rng, self.parts, self.aspect)


def drawn_prior(within: PriorRange, T_camera_lidar: Pose, rng: np.random.Generator, scale: float = 1.0) -> Prior:
    """A random prior: a pose moved uniformly within `scale` times a range, with its true covariance."""
    return random_prior(T_camera_lidar, rng, scale, within.metres, np.radians(within.degrees))


def example(
    family: Family[Any], sample: Sample, rng: np.random.Generator, parts: Parts = "all", aspect: float = ASPECT
) -> Tensors:
    """Inputs and labels for the parts of the network that learn; raises InputError for a sample without a true pose."""
    if sample.T_camera_lidar is None:
        raise InputError(f"{sample.pair.name} has no true pose: it cannot be trained on", "training.truth")
    if parts == "alignment":
        given: dict[str, Any] = dict(family.prepare(sample.pair, rng).shared)
    else:
        given = learner_class(family).example(family, sample, rng)
    if parts in ("matching", "heads"):
        given.pop("channels", None)
    elif family.signal_width is not None:
        given |= alignment_example(sample, family.signal_width, rng, aspect, family.start_std, family.signal_set)
    return {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in given.items()}
