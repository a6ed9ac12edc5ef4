# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures for a report: the first pairs and the worst ones, drawn while they pass by."""

from __future__ import annotations

from dataclasses import dataclass

from i2p_ros.core.metrics import Score
from i2p_ros.core.types import Image
from i2p_ros.evaluation.runner import Seen
from i2p_ros.viz.overlays import before_after


@dataclass(frozen=True)
class Overlay:
    """A titled RGB picture."""

    title: str
    image: Image


class Gallery:
    """Give it to `evaluate` as `watch`: it keeps overlays before and after of a few pairs, and so little memory."""

    def __init__(self, first: int = 4, worst: int = 4) -> None:
        self.first, self.worst = first, worst
        self._first: list[Overlay] = []
        self._worst: list[tuple[tuple[int, float], Overlay]] = []

    def __call__(self, seen: Seen) -> None:
        """Draw the pair if it is among the first or, so far, among the worst."""
        if len(self._first) < self.first:
            self._first.append(drawn(seen))
            return
        bad = how_bad(seen.score)
        if self.worst and (len(self._worst) < self.worst or bad > self._worst[-1][0]):
            kept = [*self._worst, (bad, drawn(seen))]
            self._worst = sorted(kept, key=lambda item: item[0], reverse=True)[: self.worst]

    @property
    def overlays(self) -> list[Overlay]:
        """The first pairs in their order, then the worst of the others, the worst first."""
        return [*self._first, *(overlay for _, overlay in self._worst)]


def drawn(seen: Seen) -> Overlay:
    """Before: the given cloud as if nobody had moved it, at the calibrated pose. After: at the estimated pose."""
    pair, truth = seen.sample.pair, seen.sample.T_camera_lidar
    assert truth is not None  # evaluate refuses samples without
    before, estimate = truth @ seen.T_given_lidar, seen.estimate
    image = before_after(pair.image, pair.camera, pair.cloud, before, estimate.pose, estimate.status.value)
    return Overlay(f"{pair.name}: {in_words(seen.score)}", image)


def in_words(score: Score) -> str:
    """The error of a pose in short, or the status."""
    if score.rte_m is None or score.rre_deg is None:
        return score.status.value
    return f"{score.rte_m:.2f} m, {score.rre_deg:.2f} deg"


def how_bad(score: Score) -> tuple[int, float]:
    """Sorts pairs: right poses, then no pose, then wrong poses, which are the worst; each kind by rte_m."""
    if score.rte_m is None:
        return 1, 0.0
    return (0 if score.within(2.0, 5.0) else 2), score.rte_m
