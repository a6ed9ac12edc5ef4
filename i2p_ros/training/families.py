# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Learners by the name of their family: training examples and losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from i2p_ros.core.both import Lazy
from i2p_ros.core.config import TrainingSettings
from i2p_ros.core.errors import SettingsError
from i2p_ros.core.types import Sample
from i2p_ros.families import class_of
from i2p_ros.families.base import Family
from i2p_ros.networks.base import FamilyNetwork, Tensors
from i2p_ros.training.alignment import alignment_losses

LEARNERS = {  # module and class, imported when asked for
    "vp2p": "i2p_ros.training.vp2p:VP2PLearner",
    "icl": "i2p_ros.training.icl:ICLLearner",
    "relai2p": "i2p_ros.training.relai2p:RelaI2PLearner",
    "diff2i2p": "i2p_ros.training.diff2i2p:Diff2I2PLearner",
}
FamilyT = TypeVar("FamilyT", bound=Family[Any])


class Learner(nn.Module, ABC, Generic[FamilyT]):
    """A network, with the parameters that only training needs. It maps a batch of examples to its losses.

    Parts that `training.parts` leaves out have no gradients, and their batch norm no new statistics. `alignment` is the
    signal network, `matching` all else, of which `heads` are those modules that follow the descriptors.
    """

    def __init__(self, net: FamilyNetwork, settings: TrainingSettings) -> None:
        super().__init__()
        self.net, self.settings = net, settings
        self.half_precision: Callable[[], AbstractContextManager[Any]] = nullcontext
        self.fixed = [module for name, module in net.named_children() if not self._learns(name)]
        for module in self.fixed:
            module.requires_grad_(False)
        if settings.trunk_rate == 0.0:  # not even its gradients are computed
            for name, parameter in net.named_parameters():
                if ".trunk." in name:
                    parameter.requires_grad_(False)

    def train(self, mode: bool = True) -> Learner[FamilyT]:
        """As of a module. Parts that do not learn are always evaluated."""
        super().train(mode)
        for module in self.fixed:
            module.eval()
        return self

    def _learns(self, name: str) -> bool:
        parts = self.settings.parts
        if self.net.get_submodule(name) is self.net.signal_part:
            return parts in ("all", "alignment")
        return parts in ("all", "matching") or (parts == "heads" and name in self.net.head_names)

    def forward(self, batch: Tensors) -> Tensors:
        """Losses by name, scalars, with their weighted sum `loss`, of those parts that learn."""
        encoded = Lazy(lambda: self.net.encode_shared(batch))
        losses = {} if self.settings.parts == "alignment" else self.matching(batch, encoded)
        if self.settings.parts in ("all", "alignment") and self.net.signal_part is not None:
            with self.half_precision():
                signals = self.net.signals(encoded, batch)
            of_signals = alignment_losses(signals.float(), batch, self.net.signal_set)
            losses |= of_signals | {"loss": torch.stack([*of_signals.values()]).sum() + losses.get("loss", 0.0)}
        return losses

    @staticmethod
    @abstractmethod
    def example(family: FamilyT, sample: Sample, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Arrays that `matching` takes for a sample with a true pose: shared arrays, inputs and labels by name.

        The inputs are those near the prior of the sample if it has one. Shapes are the same for all samples. Raises
        InputError as `Family.prepare` and `Family.inputs`.
        """

    @staticmethod
    def notes(settings: TrainingSettings) -> list[str]:
        """What a user should know about a run with these settings: what is asked for but left out."""
        return []

    @abstractmethod
    def matching(self, batch: Tensors, encoded: Lazy[Any]) -> Tensors:
        """Losses by name, scalars, with their weighted sum `loss`, of all but the signals.

        `encoded` is the result of `encode_shared`. The network runs in the context `half_precision()`, and the losses
        outside of it.
        """


def learner_class(family: Family[Any]) -> type[Learner[Any]]:
    """The class of the learner of a family; raises ModelError for a family without one."""
    found: type[Learner[Any]] = class_of(LEARNERS, family.name)
    return found


def learner_of(family: Family[Any], net: FamilyNetwork, settings: TrainingSettings) -> Learner[Any]:
    """The learner of a network of a family.

    Raises ModelError for a family without one, SettingsError when the part that is to learn does not exist.
    """
    if settings.parts == "heads" and not net.head_names:
        raise SettingsError(f"training.parts=heads: nothing follows the descriptors of the family {family.name}")
    if settings.parts == "alignment" and net.signal_part is None:
        raise SettingsError(f"training.parts=alignment: the family {family.name} has no network that predicts signals")
    return learner_class(family)(net, settings)
