# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The dense parts of a network, which a compiler can take over: in another precision, and with their arguments."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from i2p_ros.networks.base import FamilyNetwork, Part, PassInputs, single_pass


class Cast(nn.Module):
    """A copy of a part that computes in another precision. Its arguments and results are float32."""

    def __init__(self, part: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.part, self.dtype = copy.deepcopy(part).to(dtype), dtype

    def forward(self, *arguments: Tensor) -> Any:
        """The result of the part."""
        out = self.part(*(a.to(self.dtype) for a in arguments))
        return out.float() if isinstance(out, Tensor) else tuple(t.float() for t in out)


def in_precision(network: FamilyNetwork, dtype: torch.dtype) -> FamilyNetwork:
    """The same network, whose dense parts compute in another precision."""
    return network.with_parts({name: Cast(part, dtype) for name, part in network.dense_parts().items()})


def arguments_of_parts(network: FamilyNetwork, given: PassInputs) -> dict[str, tuple[Tensor, ...]]:
    """The arguments that each dense part gets in a forward pass over the given inputs."""
    given_to: dict[str, tuple[Tensor, ...]] = {}

    def recording(name: str, part: Part) -> Part:
        def called(*arguments: Tensor) -> Any:
            given_to[name] = arguments
            return part(*arguments)

        return called

    parts = {name: recording(name, part) for name, part in network.dense_parts().items()}
    with torch.inference_mode():
        single_pass(network.with_parts(parts), given)
    return {name: tuple(a.clone() for a in arguments) for name, arguments in given_to.items()}
