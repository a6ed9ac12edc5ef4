# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Learned queries that become matches: attention to the tokens of both branches, and heat maps over them (ICL++)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from i2p_ros.networks.blocks.attention import CrossAttention

HEAT_SCALE = 20.0  # from a cosine to a logit, as in the dense loss of VP2P
MASKED = -1e4  # logit of a token outside of the support: finite in half precision, and its exponential is 0


def tokens_of(channels: int, width: int) -> nn.Sequential:
    """Projection of features to tokens."""
    return nn.Sequential(nn.Linear(channels, width), nn.ReLU(), nn.Linear(width, width), nn.LayerNorm(width))


class QueryScale(nn.Module):
    """Self-attention, attention to the image, self-attention, attention to the points, and a heat map over each.

    The first `descriptor` channels of pixels and points are descriptors. The points that a query attends to are those
    whose descriptors are like the descriptor at its pixel. At first this similarity is all that there is: what the
    query itself adds to the logits begins with zero.
    """

    def __init__(self, width: int, descriptor: int, image_channels: int, point_channels: int) -> None:
        super().__init__()
        self.descriptor = descriptor
        self.image_tokens, self.point_tokens = tokens_of(image_channels, width), tokens_of(point_channels, width)
        self.before_image, self.before_points = CrossAttention(width, width), CrossAttention(width, width)
        self.to_image, self.to_points = (CrossAttention(width, width, is_normal=True) for _ in range(2))
        self.image_heat, self.point_heat = nn.LayerNorm(width), nn.LayerNorm(width)
        for heat in (self.image_heat, self.point_heat):
            nn.init.zeros_(heat.weight)

    def forward(
        self, queries: Tensor, pixels: Tensor, points: Tensor, image_prior: Tensor, point_prior: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Queries (B, Q, D) after attention to pixels (B, P, C), and then to points (B, M, C'); logits (B, Q, P) and
        (B, Q, M). The priors, of the sizes of the logits, are added to these."""
        image_tokens, point_tokens = self.image_tokens(pixels), self.point_tokens(points)
        seen = self.to_image(self.before_image(queries, queries), image_tokens, image_prior)
        image_logits = self._logits(self.image_heat(seen), image_tokens) + image_prior
        at_pixel = image_logits.softmax(2) @ pixels[..., : self.descriptor]
        alike = point_prior + similarity(at_pixel, points[..., : self.descriptor])
        placed = self.to_points(self.before_points(seen, seen), point_tokens, alike)
        return seen, placed, image_logits, self._logits(self.point_heat(placed), point_tokens) + alike

    def _logits(self, queries: Tensor, tokens: Tensor) -> Tensor:
        return queries @ tokens.mT * (HEAT_SCALE / tokens.shape[2])


def similarity(of: Tensor, to: Tensor) -> Tensor:
    """(B, Q, M) logits of descriptors (B, M, D) being those of queries (B, Q, D)."""
    return HEAT_SCALE * of @ to.mT


@dataclass(frozen=True)
class Keypoints:
    """Soft keypoints: `mean` (B, Q, D) positions under heat maps `heat` (B, Q, M) over tokens at `places` (B, M, D)."""

    mean: Tensor
    heat: Tensor
    places: Tensor

    @staticmethod
    def of(logits: Tensor, places: Tensor) -> Keypoints:
        """Keypoints of logits (B, Q, M)."""
        with torch.autocast(logits.device.type, enabled=False):  # half precision does not resolve places
            heat, places = logits.float().softmax(2), places.float()
            return Keypoints(heat @ places, heat, places)

    def where(self, chosen: Tensor, mean: Tensor) -> Keypoints:
        """These keypoints, with their means where `chosen` (B, Q) holds, and those of `mean` (B, Q, D) elsewhere."""
        return replace(self, mean=torch.where(chosen[..., None], self.mean, mean))

    @property
    def mode(self) -> Tensor:
        """(B, Q, D) the likeliest places, without a gradient. A mean over two places may be far from both."""
        best = self.heat.argmax(2, keepdim=True).expand(-1, -1, self.places.shape[2])
        return self.places.detach().gather(1, best)

    @cached_property
    def covariance(self) -> Tensor:
        """(B, Q, D, D) covariance of the position under the heat maps."""
        with torch.autocast(self.heat.device.type, enabled=False):
            places = self.places - self.places.mean(1, keepdim=True)  # squares of coordinates need the digits
            square = (places[..., :, None] * places[..., None, :]).flatten(2)
            second, mean = (self.heat @ square).unflatten(2, (places.shape[2],) * 2), self.heat @ places
            return second - mean[..., :, None] * mean[..., None, :]


def support(allowed: Tensor) -> tuple[Tensor, Tensor]:
    """The mask (B, Q, M) to add to logits for tokens that are allowed (B, Q, M), and which queries (B, Q) have any.

    One without any attends to all alike: its keypoint means nothing, and it must not count.
    """
    return torch.where(allowed, 0.0, MASKED), allowed.any(2)
