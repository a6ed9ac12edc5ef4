# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cross-attention between the few coarsest tokens of two branches (as in 2D3D-MATR, Li et al. 2023)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

HEADS = 4


def _silenced(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class CrossAttention(nn.Module):
    """A pre-norm transformer layer with queries of one branch, keys and values of another. Initially an identity.

    With `is_normal` the tokens of the other branch have been normalized already.
    """

    def __init__(self, channels: int, other: int, is_normal: bool = False) -> None:
        super().__init__()
        self.norm, self.mix_norm = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.other_norm = nn.Identity() if is_normal else nn.LayerNorm(other)
        self.query, self.key, self.value = (nn.Linear(c, channels, bias=False) for c in (channels, other, other))
        self.out = nn.Linear(channels, channels)
        self.mix = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))
        for last in (self.out, self.mix[-1]):
            _silenced(last)

    def forward(self, tokens: Tensor, others: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, N, C) from tokens (B, N, C) and others (B, M, C'); a mask (B, N, M) is added to the logits."""
        queries, others = self.norm(tokens), self.other_norm(others)
        q, k, v = (
            linear(x).unflatten(2, (HEADS, -1)).transpose(1, 2)
            for linear, x in ((self.query, queries), (self.key, others), (self.value, others))
        )
        of_heads = None if mask is None else mask[:, None]
        heard = F.scaled_dot_product_attention(q, k, v, of_heads).transpose(1, 2).flatten(2)
        tokens = tokens + self.out(heard)
        return tokens + self.mix(self.mix_norm(tokens))


class Exchange(nn.Module):
    """Rounds of cross-attention in both directions, with position encodings of both sides."""

    def __init__(self, first: int, second: int, first_place: int, second_place: int, rounds: int = 2) -> None:
        super().__init__()
        self.first_place, self.second_place = nn.Linear(first_place, first), nn.Linear(second_place, second)
        for place in (self.first_place, self.second_place):
            _silenced(place)
        self.to_first = nn.ModuleList(CrossAttention(first, second) for _ in range(rounds))
        self.to_second = nn.ModuleList(CrossAttention(second, first) for _ in range(rounds))

    def forward(self, first: Tensor, second: Tensor, first_at: Tensor, second_at: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, N, C) and (B, M, C') after the exchange; `_at` (B, N, P) and (B, M, P') are positions."""
        one, two = first + self.first_place(first_at), second + self.second_place(second_at)
        for to_first, to_second in zip(self.to_first, self.to_second, strict=True):
            one, two = to_first(one, two), to_second(two, one)
        return one, two
