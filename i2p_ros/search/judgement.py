# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judgement of a pose: its evidence, and the reasons to refuse it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.place import log_place
from i2p_ros.core.types import Evidence, Status
from i2p_ros.pnp.posterior import Posterior
from i2p_ros.pnp.problem import NoPoseError
from i2p_ros.pnp.solver import CONTRADICTION
from i2p_ros.search.hypotheses import Hypothesis, are_different
from i2p_ros.search.likelihood import NO_SIMILARITY, DescriptorLikelihood
from i2p_ros.search.prior import log_density

MIN_SAMPLES = 2.0  # effective ones: below, one sample has all the weight and the covariance says nothing


def refuse_unsupported(pose: Pose, found: Posterior, likelihood: DescriptorLikelihood) -> None:
    """Raises NoPoseError where too few points are in view of a pose, or no distribution about it explains the
    similarity."""
    if likelihood.mean_similarity(pose) == NO_SIMILARITY:
        raise NoPoseError(Status.NO_CONSENSUS, "too few points in view of the best pose have a similarity")
    if found.ess < MIN_SAMPLES:
        raise NoPoseError(Status.UNCERTAIN, "no spread of poses about the best explains the similarity")


def refuse_contradiction(pose: Pose, ranked: Sequence[Hypothesis], likelihood: DescriptorLikelihood) -> None:
    """Raises NoPoseError where the prior costs the pose more likelihood than a right prior would.

    For Gaussians the cost is half the squared Mahalanobis distance between the prior and the pose of the descriptors
    alone.
    """
    if likelihood.prior is None:
        return
    alone = max(h.log_posterior - log_density(likelihood.prior, h.pose) for h in ranked)
    mine = likelihood.sharpness * likelihood.mean_similarity(pose) + likelihood.log_prior(pose)
    if 2.0 * (alone - mine) > CONTRADICTION:
        apart = np.sqrt(2.0 * (alone - mine))
        raise NoPoseError(
            Status.UNCERTAIN, f"the prediction contradicts the prior: {apart:.1f} standard deviations apart"
        )


def evidence_of(
    pose: Pose, ranked: Sequence[Hypothesis], likelihood: DescriptorLikelihood, spread: Array, inliers: int
) -> Evidence:
    """Evidence for a pose with covariance `spread` (6, 6) about its camera, against the other hypotheses."""
    sharpness = likelihood.sharpness
    similarity, log_prior = likelihood.mean_similarity(pose), likelihood.log_prior(pose)
    others = [h.log_posterior / sharpness for h in ranked if are_different(h.pose, pose)]
    margin = (
        similarity + log_prior / sharpness - (max(others) if others else float(likelihood.similarity.values.mean()))
    )
    rival = float(np.exp(-sharpness * max(margin, 0.0))) if others else 0.0
    std_m = float(np.sqrt(np.linalg.eigvalsh(spread[:3, :3])[-1]))
    shortfall = likelihood.best_mean_similarity(pose) - similarity
    near_lidar = log_place(likelihood.place, pose)
    return Evidence(inliers, len(ranked[0].matches), rival, similarity, margin, shortfall, std_m, near_lidar)
