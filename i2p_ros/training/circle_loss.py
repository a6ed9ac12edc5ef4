# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The circle loss over distances of unit descriptors (Sun et al. 2020, as 2D3D-MATR has it)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

NEAR, FAR = 0.1, 1.4  # margin and optimum of distances of positive and of negative pairs


def circle_loss(
    distance: Tensor, positive: Tensor, negative: Tensor, scale: float, weight: Tensor | float = 1.0
) -> Tensor:
    """Scalar: mean over rows plus mean over columns of distances (..., T, M), of those that have pairs of both kinds.

    softplus(LSE over positives of g w a_p (d - 0.1) + LSE over negatives of g a_n (1.4 - d)) / g, with weights a_p =
    max(0, d - 0.1), a_n = max(0, 1.4 - d) that carry no gradient, and w of positive pairs. Pairs of neither kind are
    left out: they are -inf in both sums. In the published code they are 0, and count as pairs at the optimum.
    """
    d = distance.detach()
    pull = scale * weight * (d - NEAR).clamp(min=0.0) * (distance - NEAR)
    push = scale * (FAR - d).clamp(min=0.0) * (FAR - distance)
    pull, push = pull.masked_fill(~positive, -torch.inf), push.masked_fill(~negative, -torch.inf)
    return (_over_rows(pull, push) + _over_rows(pull.mT, push.mT)) / scale


def _over_rows(pull: Tensor, push: Tensor) -> Tensor:
    both = pull.isfinite().any(-1) & push.isfinite().any(-1)
    if not both.any():
        return torch.zeros((), dtype=pull.dtype, device=pull.device)
    return F.softplus(pull[both].logsumexp(-1) + push[both].logsumexp(-1)).mean()
