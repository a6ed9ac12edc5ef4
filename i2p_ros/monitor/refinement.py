# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One drift for all frames of a window: the one at which images and intensities say most of each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from i2p_ros.core.config import RefinementSettings
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.monitor.signal import ROW, Frame, Ints, Terms, compared

DAMPING, EASIER, HARDER, STUCK = 1e-2, 0.2, 8.0, 1e4  # of Levenberg and Marquardt
FALL = 40.0  # nats by which information falls where its curvature is looked at
LEAST = 0.05  # of the promised curvature, that an axis is believed to have at least
GRID = np.radians([-2.25, -1.5, -0.75, 0.0, 0.75, 1.5, 2.25])
FEW, SOME = 3, 5  # frames that the grid and coarse images are looked at with
MOST = 3  # places that are followed to finer images
SAME = (0.02, np.radians(0.2))  # m, rad
ENOUGH = 0.5  # nats: a smaller gain ends a level


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
    none, top = np.zeros(6), len(frames[0].levels) - 1
    few, some = (frames[:: -(-len(frames) // most)] for most in (FEW, SOME))
    coarse = partial(_terms, few, nominal, level=top)
    reached = [_best(coarse, centre + _grid(), prior) for centre in (none, *known[-1:])]
    for level in range(top, 0, -1):
        at = partial(_terms, some, nominal, level=level)
        starts = _unlike([*reached, none, *known])
        climbed = _unlike([_climbed(at, delta, prior, settings.iterations) for delta in starts])
        reached = sorted(climbed, key=lambda delta: -_worth(at(delta, order=0), delta, prior))[:MOST]
    at = partial(_terms, frames, nominal, level=0)
    delta = _climbed(at, _best(at, reached, prior), prior, settings.iterations)
    here, there = at(delta), float(at(none, order=0).information.sum())
    nats = float(here.information.sum())
    half = partial(_terms, frames[::2], nominal, level=0)
    spread = covariance(here, half, delta, prior)
    return Drift(stamp, delta, spread, nats, nats - there, len(frames), _evidence(here))


def _evidence(terms: Terms) -> Array:
    cells, at = np.unique(terms.cells, return_inverse=True)
    return np.column_stack([*np.divmod(cells, ROW), np.bincount(at, terms.information, len(cells))])


def _unlike(starts: Sequence[Array]) -> list[Array]:
    """Those that are no repetition of one before: nearer than two centimetres and a fifth of a degree on every axis."""
    kept: list[Array] = []
    for delta in starts:
        if all((np.abs(delta - one) > np.repeat(SAME, 3)).any() for one in kept):
            kept.append(delta)
    return kept


def _grid() -> Array:
    """(K, 6) drifts of rotation alone, about the axes across and down: what moves the image most."""
    return np.array([[0.0, 0.0, 0.0, x, y, 0.0] for x in GRID for y in GRID])


def _best(at: Callable[..., Terms], starts: Iterable[Array], prior: Array) -> Array:
    return max(starts, key=lambda delta: _worth(at(delta, order=0), delta, prior))


def _terms(frames: Sequence[Frame], nominal: Pose, delta: Array, level: int, order: int = 2) -> Terms:
    return Terms.joined([compared(frame, nominal.translation, delta, level, order) for frame in frames])


def _climbed(at: Callable[..., Terms], delta: Array, prior: Array, iterations: int) -> Array:
    """The drift with most information near delta, by Levenberg and Marquardt."""
    now, damping = at(delta), DAMPING
    for _ in range(iterations):
        curvature = now.curvature + prior
        step = np.linalg.solve(
            curvature + damping * np.diag(np.diag(curvature)), now.gradient.sum(axis=0) - prior @ delta
        )
        new = at(delta + step)
        gain = _worth(new, delta + step, prior) - _worth(now, delta, prior)
        if gain > 0:
            delta, now, damping = delta + step, new, damping * EASIER
        else:
            damping *= HARDER
        if 0 < gain < ENOUGH or damping > STUCK:
            break
    return delta


def _worth(terms: Terms, delta: Array, prior: Array) -> float:
    return float(terms.information.sum() - 0.5 * delta @ prior @ delta)


def covariance(now: Terms, at: Callable[..., Terms], delta: Array, prior: Array) -> Array:
    """(6, 6) inv(H) B inv(H) of an estimate without a likelihood (Huber 1967): H is the curvature of `now`, at delta,
    and B the sum of the outer products of its gradients, which tells how many independent residuals there are: those of
    one cell of the image are not, for they are of the same things seen again (Liang and Zeger 1986).

    The curvature of Gauss and Newton promises too much where a cloud explains an image badly. So it only gives the
    directions, along each of which the information, here `at` some of the frames, is seen to fall by FALL nats.
    """
    of_cells = _summed(now.gradient, now.cells)
    spread = of_cells.T @ of_cells + prior
    values, vectors = np.linalg.eigh(now.curvature + prior)
    steps = vectors * np.sqrt(2.0 * FALL / values)  # columns, each of which should cost FALL nats of all frames
    slopes = [
        at(delta - step, order=1).gradient.sum(axis=0) - at(delta + step, order=1).gradient.sum(axis=0)
        for step in steps.T
    ]
    seen = steps.T @ (0.5 * np.transpose(slopes) + prior @ steps)
    promised = np.einsum("ik,ij,jk->k", steps, at(delta).curvature + prior, steps)
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
