# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures for a report: the first pairs, and the worst pairs of each kind of failure, drawn during the evaluation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Image
from i2p_ros.evaluation.definitions import KINDS
from i2p_ros.evaluation.metrics import Score
from i2p_ros.evaluation.runner import EvaluatedPair
from i2p_ros.viz.overlays import WITHOUT_POSE, captioned, dimmed, overlay
from i2p_ros.viz.pictures.still import localization_picture


@dataclass(frozen=True)
class Overlay:
    """A titled RGB picture."""

    title: str
    image: Image


@dataclass(frozen=True)
class Failure:
    """Pictures of a pair that is not right: the cloud in the image at the true pose, and at the estimated pose."""

    title: str
    true: Image
    found: Image


class Gallery:
    """Pictures of a few pairs, drawn while `evaluate` runs: give it as `watch`.

    `overlays` are the first pairs, before and after; `failures` the worst of each kind of definitions.py, worst first.
    """

    def __init__(self, first: int = 4, worst: int = 3) -> None:
        self.first, self.worst = first, worst
        self.overlays: list[Overlay] = []
        self._failures: dict[str, list[tuple[tuple[int, float], Failure]]] = {}

    @property
    def failures(self) -> dict[str, list[Failure]]:
        """Pictures by kind of failure."""
        return {kind: [picture for _, picture in kept] for kind, kept in self._failures.items()}

    def __call__(self, evaluated: EvaluatedPair) -> None:
        """Draw the pair if it is among the first or, so far, among the worst of its kind."""
        if len(self.overlays) < self.first:
            self.overlays.append(drawn(evaluated))
        if self.worst and evaluated.score.kind != "right":
            self._add(evaluated, self._failures.setdefault(evaluated.score.kind, []))

    def _add(self, evaluated: EvaluatedPair, kept: list[tuple[tuple[int, float], Failure]]) -> None:
        bad = how_bad(evaluated.score)
        if len(kept) < self.worst or bad > kept[-1][0]:
            kept.append((bad, drawn_failure(evaluated)))
            kept.sort(key=lambda item: item[0], reverse=True)
            del kept[self.worst :]


def drawn(evaluated: EvaluatedPair) -> Overlay:
    """Picture of a pair before and after: the cloud at `pose_before`, and at the estimated pose."""
    T_before, words = pose_before(evaluated)
    image = localization_picture(evaluated.sample.pair, evaluated.estimate, T_before, words)
    return Overlay(f"{called(evaluated.score)}: {in_words(evaluated.score)}", image)


def pose_before(evaluated: EvaluatedPair) -> tuple[Pose, str]:
    """T_camera_lidar before localization, and what it is: the prior, or else the true pose in the unmoved cloud."""
    truth, prior = evaluated.sample.T_camera_lidar, evaluated.sample.prior
    assert truth is not None  # evaluate refuses samples without
    if prior:
        return prior.pose, "the prior"
    moved = np.abs(evaluated.T_given_lidar.local(Pose.identity())).max() > 0
    return truth @ evaluated.T_given_lidar, "the cloud as given, turned and moved" if moved else "the true pose"


def drawn_failure(evaluated: EvaluatedPair) -> Failure:
    """Pictures of a failure; a pair without a pose shows the withheld one, if any."""
    pair, truth, estimate = evaluated.sample.pair, evaluated.sample.T_camera_lidar, evaluated.estimate
    assert truth is not None
    at_truth = captioned(overlay(pair.image, pair.camera, pair.cloud, truth), "true pose")
    pose = estimate.pose or estimate.withheld
    if pose is None:
        dark = dimmed(pair.image, WITHOUT_POSE)
        return Failure(_failure_title(evaluated), at_truth, captioned(dark, f"no pose: {estimate.status.value}"))
    words = "estimated pose" if estimate.pose else f"withheld pose: {estimate.status.value}"
    return Failure(
        _failure_title(evaluated), at_truth, captioned(overlay(pair.image, pair.camera, pair.cloud, pose), words)
    )


def _failure_title(evaluated: EvaluatedPair) -> str:
    in_view = "" if evaluated.score.overlap is None else f"; {evaluated.score.overlap:.0%} of the points in view"
    return f"{called(evaluated.score)}: {in_words(evaluated.score)}{in_view}"


def called(score: Score) -> str:
    """Name of a pair, with the seed of its draw."""
    return score.name if score.draw is None else f"{score.name}, seed {score.draw.seed}"


def in_words(score: Score) -> str:
    """Error of a pose in short, or the status."""
    if score.rte_m is None or score.rre_deg is None:
        return score.status.value
    return f"{score.rte_m:.2f} m, {score.rre_deg:.2f} deg"


def how_bad(score: Score) -> tuple[int, float]:
    """Sort key of a pair: right poses, then no pose, then wrong poses in the order of KINDS; each kind by rte_m."""
    if score.rte_m is None:
        return 0, 0.0
    rank = [*KINDS].index(score.kind)
    return (-1 if rank == 0 else rank), score.rte_m
