# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The dense parts of a network: what a compiler can take over, tensors in and tensors out, and how they are swapped."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from i2p_ros.networks.blocks.image import ImageUNet
from i2p_ros.networks.vp2p import VP2PNetwork

OF_POINTS = "point_descriptor"  # the part whose input is as long as there are points
PARTS = ("encode", "decode", "pixel_descriptor", OF_POINTS)
Part = Callable[..., Any]


class Encode(nn.Module):
    """The image branch down: an image to its maps."""

    def __init__(self, image: ImageUNet) -> None:
        super().__init__()
        self.stem, self.stages = image.stem, image.stages

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """As `ImageUNet.encode`."""
        return tuple(ImageUNet.encode(self, image))  # type: ignore[arg-type]


class Decode(nn.Module):
    """The image branch up: maps and what the cloud says to pixels."""

    def __init__(self, image: ImageUNet) -> None:
        super().__init__()
        self.context, self.decoder = image.context, image.decoder

    def forward(self, *maps_and_context: Tensor) -> Tensor:
        """As `ImageUNet.decode`."""
        *maps, context = maps_and_context
        return ImageUNet.decode(self, maps, context)  # type: ignore[arg-type]


class Cast(nn.Module):
    """A part that computes in another precision, between float32 and float32."""

    def __init__(self, part: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.part, self.dtype = copy.deepcopy(part).to(dtype), dtype

    def forward(self, *arguments: Tensor) -> Any:
        """As the part."""
        out = self.part(*(a.to(self.dtype) for a in arguments))
        return out.float() if isinstance(out, Tensor) else tuple(t.float() for t in out)


class _Image(nn.Module):
    """An image branch of two given parts."""

    def __init__(self, encode: Part, decode: Part) -> None:
        super().__init__()
        self.parts = encode, decode

    def encode(self, image: Tensor) -> list[Tensor]:
        """As `ImageUNet.encode`."""
        return [*self.parts[0](image)]

    def decode(self, maps: list[Tensor], context: Tensor) -> Tensor:
        """As `ImageUNet.decode`."""
        out: Tensor = self.parts[1](*maps, context)
        return out


class _Called(nn.Module):
    """A module that calls."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self._part = part

    def forward(self, *arguments: Tensor) -> Any:
        """As the part."""
        return self._part(*arguments)


def dense_parts(network: VP2PNetwork) -> dict[str, Any]:
    """Each of PARTS, with the network's own weights."""
    heads = {name: getattr(network, name) for name in PARTS[2:]}
    if isinstance(network.image, _Image):
        return {"encode": network.image.parts[0], "decode": network.image.parts[1], **heads}
    return {"encode": Encode(network.image), "decode": Decode(network.image), **heads}


def with_parts(network: VP2PNetwork, parts: dict[str, Part]) -> VP2PNetwork:
    """The same network with all of PARTS replaced; the rest is shared, not copied."""
    other = copy.copy(network)
    other._modules = dict(network._modules)
    other.image = _Image(parts["encode"], parts["decode"])  # type: ignore[assignment]
    for name in PARTS[2:]:
        setattr(other, name, _Called(parts[name]))
    return other


def in_precision(network: VP2PNetwork, dtype: torch.dtype) -> VP2PNetwork:
    """The same network, whose dense parts compute in another precision."""
    return with_parts(network, {name: Cast(part, dtype) for name, part in dense_parts(network).items()})


def arguments_of_parts(network: VP2PNetwork, inputs: dict[str, Tensor]) -> dict[str, tuple[Tensor, ...]]:
    """What each of PARTS is given when the network looks at inputs with a batch axis."""
    given: dict[str, tuple[Tensor, ...]] = {}

    def listening(name: str, part: Part) -> Part:
        def called(*arguments: Tensor) -> Any:
            given[name] = arguments
            return part(*arguments)

        return called

    parts = {name: listening(name, part) for name, part in dense_parts(network).items()}
    with torch.inference_mode():
        whole = with_parts(network, parts)
        whole.answer(lambda: whole.see(inputs["image"]), inputs["points"], inputs["features"], scores=False)
    return {name: tuple(a.clone() for a in arguments) for name, arguments in given.items()}
