# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hypotheses of T_camera_lidar: one of each candidate set of matches, ranked by the descriptor likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import PnpSettings
from i2p_ros.core.geometry import Array, Pose, are_within, so3_exp
from i2p_ros.core.headings import Headings
from i2p_ros.core.types import Correspondences, Prediction, Status
from i2p_ros.pnp.problem import NoPoseError, problem_of, usable_matches
from i2p_ros.pnp.start import robust_start
from i2p_ros.search.likelihood import DescriptorLikelihood

ASCENDED, ASCENT_POINTS, ASCENT_ROUNDS = 4, 300, 2  # hypotheses that move to a local maximum, by so many samples
DIFFERENT = 3.0, np.radians(10.0)  # m, rad: poses farther apart are different answers
TURNED = Pose.from_rotvec([0.0, np.pi, 0.0], [0.0, 0.0, 0.0])  # half a turn about the camera's vertical axis
MAX_PROPOSALS = 3  # beside the turned one
MAX_DEFICIT = 0.15  # of the mean similarity of a proposal, to the best


@dataclass(frozen=True)
class Hypothesis:
    """A pose T_camera_lidar, the candidate set that supports it best, and its log posterior once it is ranked."""

    pose: Pose
    matches: Correspondences
    log_posterior: float = 0.0


def hypotheses(
    prediction: Prediction, camera: Camera, settings: PnpSettings, likelihood: DescriptorLikelihood,
    known: Sequence[Pose] = (),
) -> list[Hypothesis]:  # fmt: skip
    """All hypotheses of a prediction, the likeliest first: poses of its candidate sets, `known` poses, and of the best
    ones the local maximum of the posterior near each.

    Raises NoPoseError with the first reason when no candidate set gives a pose.
    """
    ranked = _ranked(_from_matches(prediction, camera, settings, known), likelihood)
    ascended = [_ascended(h, likelihood) for h in ranked[:ASCENDED]]
    return _ranked([*ascended, *ranked], likelihood)


def proposals(ranked: Sequence[Hypothesis], sharpness: float, headings: Headings | None = None) -> list[Pose]:
    """Poses of ranked hypotheses that deserve a forward pass near them, no two alike: the best, the best turned by half
    a turn, since streets look much alike in both directions, and others that agree nearly as well.

    With a distribution of `headings` its likelihood ranks too, and the best is turned to the likeliest other heading.
    """
    if headings:
        ranked = _ranked_by(headings, ranked)
    best = ranked[0]
    others: list[Pose] = []
    for h in ranked:
        close = h.log_posterior > best.log_posterior - sharpness * MAX_DEFICIT
        if close and all(are_different(h.pose, other) for other in (best.pose, *others)):
            others.append(h.pose)
    others = others[: MAX_PROPOSALS - 1]
    turned = headings.turned_to_other(best.pose) if headings else TURNED @ best.pose
    opposite = next((pose for pose in others if not are_different(pose, turned)), turned)
    return [best.pose, opposite, *(pose for pose in others if pose is not opposite)]


def moved_about_camera(pose: Pose, delta: Array) -> Pose:
    """T_camera_lidar after a delta (6,) about its camera: translation and rotation vector along the camera axes."""
    turned = so3_exp(delta[3:]) @ pose.rotation
    return Pose(turned, delta[:3] - turned @ pose.inverse().translation)


def are_different(a: Pose, b: Pose) -> bool:
    """Whether two poses are different answers."""
    return not are_within(a, b, *DIFFERENT)


def _from_matches(
    prediction: Prediction, camera: Camera, settings: PnpSettings, known: Sequence[Pose]
) -> list[Hypothesis]:
    found, reasons = list[Hypothesis](), list[tuple[Status, str]]()
    quick = settings.model_copy(update={"iterations": min(settings.iterations, settings.view_iterations)})
    for matches in prediction.candidates:
        try:
            usable = matches.selected(usable_matches(matches, camera, settings))
            problem = problem_of(usable, camera, settings.threshold_deg)
            found.append(Hypothesis(problem.in_lidar(robust_start(problem, quick, None)[0]), usable))
        except NoPoseError as none:
            reasons.append((none.status, str(none)))  # an exception would keep the prediction alive by its traceback
    if not found:
        raise NoPoseError(*(reasons or [(Status.TOO_FEW_MATCHES, "the prediction has no matches")])[0])
    sets = [h.matches for h in found]
    for pose in known:
        found.append(Hypothesis(pose, max(sets, key=lambda m: _support(m, camera, settings, pose))))
    return found


def _support(matches: Correspondences, camera: Camera, settings: PnpSettings, pose: Pose) -> int:
    """The number of matches that agree with a pose."""
    problem = problem_of(matches, camera, settings.threshold_deg)
    return int(problem.agreeing(problem.in_map(pose))[1].sum())


def _ranked(found: Sequence[Hypothesis], likelihood: DescriptorLikelihood) -> list[Hypothesis]:
    logs = likelihood.log_posteriors([h.pose for h in found])
    scored = [replace(h, log_posterior=float(log)) for h, log in zip(found, logs, strict=True)]
    return sorted(scored, key=lambda h: h.log_posterior, reverse=True)


def _ranked_by(headings: Headings, found: Sequence[Hypothesis]) -> list[Hypothesis]:
    """Hypotheses after their headings have become part of their posteriors."""
    scored = [replace(h, log_posterior=h.log_posterior + headings.log_share(h.pose)) for h in found]
    return sorted(scored, key=lambda h: h.log_posterior, reverse=True)


def _ascended(h: Hypothesis, likelihood: DescriptorLikelihood) -> Hypothesis:
    """The hypothesis at the posterior mean near it, or unchanged where too few points are in view."""
    try:
        found = likelihood.sample_near(h.pose, ASCENT_POINTS, ASCENT_ROUNDS)
    except NoPoseError:
        return h
    return Hypothesis(moved_about_camera(h.pose, found.mean), h.matches)
