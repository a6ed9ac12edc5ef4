# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs that are localized while a network learns: other ones than it learns from, or the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from i2p_ros.core.config import Parts, Settings
from i2p_ros.core.progress import Progress
from i2p_ros.core.protocols import ProtocolName
from i2p_ros.core.source import Source
from i2p_ros.core.types import Sample
from i2p_ros.evaluation.runner import evaluate
from i2p_ros.families.base import Family
from i2p_ros.localizer import Localizer
from i2p_ros.networks.base import FamilyNetwork
from i2p_ros.runtime.torch_runtime import TorchRuntime
from i2p_ros.sources.perturb import perturbed
from i2p_ros.training.alignment import ASPECT
from i2p_ros.training.augmentation import cropped, shrunk
from i2p_ros.training.data import drawn_prior, example

RECALL = "recall_2m_5deg"
MEDIANS = ("rte_m", "rre_deg", "rre_geodesic_deg")
VIEWS = 4  # examples of a pair in one batch: one as in a first forward pass, the others as in second ones
NEAR = 0.3  # of the range of priors: the error of the pose that a first pass finds
NEARBY = 24  # poses of a pair, near which second passes are learned


@dataclass(frozen=True)
class Validation:
    """The first `pairs` of a source, moved by protocol and seed as `i2p evaluate` moves them."""

    source: Source
    protocol: ProtocolName
    seed: int
    pairs: int

    def describe(self) -> dict[str, Any]:
        """Plain values from which the same pairs can be made again."""
        return {
            "source": self.source.name,
            "protocol": self.protocol,
            "seed": self.seed,
            "indices": list(range(self.pairs)),
        }

    def score(
        self, family: Family[Any], net: FamilyNetwork, settings: Settings, progress: Progress | None = None
    ) -> dict[str, float]:
        """Recalls and median errors of the whole localizer with this network; NaN where no pose came out."""
        runtime = TorchRuntime(net, settings.device, settings.threads, branches=1)  # the other cores learn
        localizer = Localizer(family, runtime, settings, "training")
        found = evaluate(localizer, self.source, self.protocol, self.seed, self.pairs, progress).summary
        recalls = {key: value for key, value in found.items() if key.startswith("recall_")}
        medians = {f"{key}_median": found[key]["median"] for key in MEDIANS}
        return {key: float("nan") if value is None else value for key, value in {**recalls, **medians}.items()}


class FixedPairs(Source):
    """A few samples of a source, kept, with images of one size."""

    def __init__(self, source: Source, pairs: int, aspect: float = ASPECT) -> None:
        rng = np.random.default_rng(0)
        self._samples = [cropped(shrunk(source[i]), rng, least=1.0, aspect=aspect) for i in range(pairs)]
        self._name = f"{source.name}, the first {pairs}"

    @property
    def name(self) -> str:
        """Name of the whole source, with the number of pairs."""
        return self._name

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Sample:
        return self._samples[index]


class OneBatch(Dataset[dict[str, Tensor]]):
    """Examples of the pairs of a validation, repeated. Each pair comes once as in a first forward pass, over the whole
    cloud, and VIEWS - 1 times as in second ones, near poses that a first pass may have found. A network that knew a
    few of these by heart would not know the one that the localizer takes."""

    def __init__(
        self, family: Family[Any], validation: Validation, samples: int, parts: Parts = "all",
        aspect: float = ASPECT,
    ) -> None:  # fmt: skip
        v = validation
        self.seed, self.samples, rng = v.seed, samples, np.random.default_rng(v.seed)
        self._examples = []  # of each pair: the first pass, and NEARBY second ones
        for i in range(v.pairs):
            given, _ = perturbed(v.source[i], v.protocol, v.seed, i)
            assert given.T_camera_lidar is not None
            near = [drawn_prior(family.trained_prior, given.T_camera_lidar, rng, NEAR) for _ in range(NEARBY)]
            passes = given, *(replace(given, prior=prior) for prior in near)
            self._examples.append([example(family, one, np.random.default_rng(0), parts, aspect) for one in passes])

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, k: int) -> dict[str, Tensor]:
        batch, place = divmod(k, VIEWS * len(self._examples))
        pair, view = divmod(place, VIEWS)
        return self._examples[pair][1 + (batch * (VIEWS - 1) + view - 1) % NEARBY if view else 0]
