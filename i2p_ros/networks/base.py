# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The interface between the networks of families and everything that runs or trains them."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from i2p_ros.alignment.signals import LIDAR, SignalSet
from i2p_ros.core.both import Both, Lazy, in_turn

Arrays = dict[str, NDArray[np.float32]]
Tensors = dict[str, Tensor]
Part = Callable[..., Any]  # tensors in, a tensor or a tuple of tensors out


@dataclass(frozen=True)
class PassInputs:
    """Inputs of one forward pass, with a batch axis. All passes over a scene have the same `shared`."""

    shared: Tensors
    inputs: Tensors

    @staticmethod
    def of(shared: Arrays, inputs: Arrays, device: torch.device | str = "cpu") -> PassInputs:
        """Inputs of one forward pass, made of arrays of one scene without a batch axis."""
        return PassInputs(batched(shared, device), batched(inputs, device))

    def to(self, device: torch.device) -> PassInputs:
        """The same on another device."""
        return PassInputs(*({k: t.to(device) for k, t in part.items()} for part in (self.shared, self.inputs)))


def batched(arrays: Arrays, device: torch.device | str = "cpu") -> Tensors:
    """Tensors with a batch axis of one."""
    return {name: torch.from_numpy(np.ascontiguousarray(array))[None].to(device) for name, array in arrays.items()}


class FamilyNetwork(nn.Module, ABC):
    """The network of a family."""

    part_names: ClassVar[tuple[str, ...]] = ()  # parts that a compiler may replace: tensors in, tensors out
    dynamic_parts: ClassVar[frozenset[str]] = frozenset()  # those of them whose second axis is as long as the cloud
    head_names: ClassVar[frozenset[str]] = frozenset()  # modules that follow the descriptors, if they can learn alone
    rounded_outputs: ClassVar[frozenset[str]] = frozenset()  # that may come in bf16, such as descriptors but no places

    def forward(self, *_: Any, **batch: Any) -> Tensors:
        """Outputs of `training_pass` for a batch of all inputs by name."""
        return self.training_pass(Lazy(lambda: self.encode_shared(batch)), batch)

    def training_pass(self, encoded: Lazy[Any], inputs: Tensors) -> Tensors:
        """As `forward_pass`, with the outputs that only losses need."""
        return self.forward_pass(encoded, inputs)

    def encode_shared(self, shared: Tensors) -> Any:
        """Features that are computed once for all forward passes over a scene, from the tensors that they share."""
        return shared

    def load_pretrained(self) -> None:
        """Load what training does not begin from random weights. Raises MissingPackageError when it is not there."""

    @abstractmethod
    def forward_pass(self, encoded: Lazy[Any], inputs: Tensors, both: Both = in_turn) -> Tensors:
        """Outputs by name, each with a batch axis, of one forward pass.

        `encoded` is the result of `encode_shared`; the first pass over a scene computes it. `both` may run branches in
        parallel.
        """

    @abstractmethod
    def example(self) -> PassInputs:
        """Random inputs of the usual size, always the same. Backends are compared on them."""

    @property
    def signal_part(self) -> nn.Module | None:
        """The module with the weights that predict signals and do nothing else; none without."""
        return None

    @property
    def signal_set(self) -> SignalSet:
        """The signals that are predicted, if any are."""
        return LIDAR

    def signals(self, encoded: Lazy[Any], shared: Tensors) -> Tensor:
        """(B, C, H, W) predicted signals in grey levels, one channel for each of `signal_set`.

        `shared` has the `channels` (B, C', H, W) of the image that they are predicted from.
        """
        raise NotImplementedError("the network predicts no signals")

    def dense_parts(self) -> dict[str, nn.Module]:
        """Each of `part_names`, with the weights of this network."""
        return {name: self.get_submodule(name) for name in self.part_names}

    def with_parts(self, parts: Mapping[str, Part]) -> FamilyNetwork:
        """The same network with all of `part_names` replaced. Its other modules are shared with this one."""
        return with_modules(self, {name: Called(parts[name]) for name in self.part_names})

    def with_spconv(self, half: bool) -> FamilyNetwork | None:
        """The same network with its sparse convolutions by spconv, in half precision if asked for; none without any.

        Raises ImportError when spconv is not installed.
        """
        return None


N = TypeVar("N", bound=FamilyNetwork)


class Called(nn.Module):
    """A module that calls a part."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self._part = part

    def forward(self, *arguments: Tensor) -> Any:
        """The result of the part."""
        return self._part(*arguments)


def with_modules(network: N, modules: Mapping[str, nn.Module]) -> N:
    """A shallow copy of the network with some of its modules replaced."""
    other = copy.copy(network)
    other._modules = {**network._modules, **modules}
    return other


def single_pass(network: FamilyNetwork, given: PassInputs) -> Tensors:
    """Outputs of one forward pass."""
    return network.forward_pass(Lazy(lambda: network.encode_shared(given.shared)), given.inputs)
