# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Batch norm folded into the layer before it, for inference."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from i2p_ros.networks.blocks.sparse import FoldedSparseConv, SparseConv, SparseResidual, SparseUNet

T = TypeVar("T", bound=nn.Module)


def folded(network: T) -> T:
    """A copy in evaluation mode with the same outputs, up to rounding. It can no longer be trained."""
    network = copy.deepcopy(network).eval()
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            _fold_in_line(module)
        if isinstance(module, SparseResidual):
            _fold_pair(module, "conv1", "norm1")
            _fold_pair(module, "conv2", "norm2")
        if isinstance(module, SparseUNet):
            _fold_pair(module, "stem", "stem_norm")
            for convs, norms in ((module.down, module.down_norm), (module.up, module.up_norm)):
                for i, (conv, norm) in enumerate(zip(convs, norms, strict=True)):
                    convs[i], norms[i] = _fold_sparse(conv, norm)
    return network.requires_grad_(False)


def _fold_in_line(line: nn.Sequential) -> None:
    for i in range(1, len(line)):
        layer, norm = line[i - 1], line[i]
        if isinstance(norm, nn.BatchNorm2d) and isinstance(layer, nn.Conv2d):
            line[i - 1], line[i] = fuse_conv_bn_eval(layer, norm), nn.Identity()
        if isinstance(norm, nn.BatchNorm1d) and isinstance(layer, nn.Linear):
            line[i - 1], line[i] = fuse_linear_bn_eval(layer, norm), nn.Identity()


def _fold_pair(module: nn.Module, conv: str, norm: str) -> None:
    for name, layer in zip((conv, norm), _fold_sparse(getattr(module, conv), getattr(module, norm)), strict=True):
        setattr(module, name, layer)


def _fold_sparse(conv: nn.Module, norm: nn.Module) -> tuple[FoldedSparseConv, nn.Identity]:
    assert isinstance(conv, SparseConv)
    scale, shift = _scale_and_shift(norm)
    return FoldedSparseConv(conv.per_offset() * scale, shift), nn.Identity()


@torch.no_grad()
def _scale_and_shift(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Scale and shift of batch norm in evaluation mode: x * scale + shift."""
    assert isinstance(norm, nn.BatchNorm1d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale
