# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One drift for all frames of a window: the one at which images and intensities say most of each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from i2p_ros.alignment.search import Search, unlike
from i2p_ros.alignment.signal import ROW, Frame, Ints, Terms
from i2p_ros.core.config import RefinementSettings
from i2p_ros.core.geometry import Array, Pose

FALL = 40.0  # nats by which information falls where its curvature is looked at
LEAST = 0.05  # of the promised curvature, that an axis is believed to have at least
GRID = np.radians([-2.25, -1.5, -0.75, 0.0, 0.75, 1.5, 2.25])
FEW, SOME = 3, 5  # frames that the grid and coarse images are looked at with
MOST = 3  # places that are followed to finer images


@dataclass(frozen=True, slots=True, eq=False)
class Drift:
    """`delta` (6,): nominal.retract(delta) is the calibration that the frames speak for; m and rad, camera axes.

    `covariance` (6, 6) of it, `information` (nats) of all frames at delta and `gain` what they have more there than at
    the nominal calibration. `stamp` (ns) is that of the last frame. `evidence` (C, 3) has row, column and nats of each
    cell of the image that said something.
    """

    stamp: int
    delta: Array
    covariance: Array
    information: float = float("nan")
    gain: float = float("nan")
    frames: int = 1
    evidence: Array = field(default_factory=lambda: np.zeros((0, 3)))


def refine(
    frames: Sequence[Frame],
    nominal: Pose,
    settings: RefinementSettings,
    stamp: int = 0,
    known: Sequence[Array] = (),
) -> Drift:
    """The drift of a window of frames, which were `observed` from this nominal calibration.

    The search climbs from no drift and from what is `known`, such as the drift of the window before or what a network
    says, on coarse images from the best of a grid of rotations about no drift and about the last known too, and on each
    finer level also from where it came before. It goes on from where the finest images say most of each other.
    """
    prior = np.diag(1.0 / np.repeat([settings.max_m, np.radians(settings.max_deg)], 3) ** 2)
    none, top = np.zeros(6), len(frames[0].view.levels) - 1
    few, some = (frames[:: -(-len(frames) // most)] for most in (FEW, SOME))

    def on(level: int, seen: Sequence[Frame]) -> Search:
        return Search(seen, nominal.translation, prior, level)

    reached = [on(top, few).best(centre + _grid())[0] for centre in (none, *known[-1:])]
    for level in range(top, 0, -1):
        climbed = [on(level, some).climbed(delta, settings.iterations) for delta in unlike([*reached, none, *known])]
        reached = on(level, some).best(unlike(climbed), MOST)
    finest = on(0, frames)
    delta = finest.climbed(finest.best(reached)[0], settings.iterations)
    here, (nats, there) = finest.terms(delta), finest.information(np.array([delta, none])).tolist()
    spread = covariance(here, on(0, frames[::2]), delta)
    return Drift(stamp, delta, spread, nats, nats - there, len(frames), _evidence(here))


def _evidence(terms: Terms) -> Array:
    cells, at = np.unique(terms.cells, return_inverse=True)
    return np.column_stack([*np.divmod(cells, ROW), np.bincount(at, terms.information, len(cells))])


def _grid() -> Array:
    """(K, 6) drifts of rotation alone, about the axes across and down: what moves the image most."""
    return np.array([[0.0, 0.0, 0.0, x, y, 0.0] for x in GRID for y in GRID])


def covariance(now: Terms, some: Search, delta: Array) -> Array:
    """(6, 6) inv(H) B inv(H) of an estimate without a likelihood (Huber 1967): H is the curvature of `now`, at delta,
    and B the sum of the outer products of its gradients, which tells how many independent residuals there are: those of
    one cell of the image are not, for they are of the same things seen again (Liang and Zeger 1986).

    The curvature of Gauss and Newton promises too much where a cloud explains an image badly. So it only gives the
    directions, along each of which the information, here of `some` of the frames, is seen to fall by FALL nats.
    """
    prior = some.prior
    of_cells = _summed(now.gradient, now.cells)
    spread = of_cells.T @ of_cells + prior
    values, vectors = np.linalg.eigh(now.curvature + prior)
    steps = vectors * np.sqrt(2.0 * FALL / values)  # columns, each of which should cost FALL nats of all frames
    slopes = [
        some.terms(delta - step).gradient.sum(axis=0) - some.terms(delta + step).gradient.sum(axis=0)
        for step in steps.T
    ]
    seen = steps.T @ (0.5 * np.transpose(slopes) + prior @ steps)
    promised = np.einsum("ik,ij,jk->k", steps, some.terms(delta).curvature + prior, steps)
    seen /= np.sqrt(np.outer(promised, promised))  # 1 where it is as promised
    share, turn = np.linalg.eigh(0.5 * (seen + seen.T))
    root = steps @ turn * np.sqrt(1.0 / (2.0 * FALL))
    inverse = (root / np.clip(share, LEAST, 1.0)) @ root.T
    return np.asarray(inverse @ spread @ inverse)


def _summed(gradient: Array, cells: Ints) -> Array:
    """(C, 6) sums over the patches of one cell."""
    _, cell = np.unique(cells, return_inverse=True)
    sums = np.zeros((int(cell.max(initial=-1)) + 1, 6))
    np.add.at(sums, cell, gradient)
    return sums
