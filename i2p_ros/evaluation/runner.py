# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run a localizer over a source and score every pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.metrics import Score, score, summarise
from i2p_ros.core.types import Pair, PoseEstimate, Prior, Sample
from i2p_ros.sources.base import Source
from i2p_ros.sources.perturb import PROTOCOLS, perturbed
from i2p_ros.sources.perturb import Protocol as Perturbation


class Localizes(Protocol):
    """What can be evaluated. It never sees more than the pair and a prior."""

    def localize_pair(self, pair: Pair, prior: Prior | None = None) -> PoseEstimate:
        """T_camera_lidar, or a status that says why not."""
        ...


@dataclass(frozen=True)
class Seen:
    """One evaluated pair, for whoever wants to draw or record it; `T_given_lidar` is how its cloud was moved."""

    score: Score
    sample: Sample
    estimate: PoseEstimate
    T_given_lidar: Pose


@dataclass(frozen=True)
class Report:
    """Scores, and in `meta` what they are of: model, source, protocol, seed, and whatever the caller adds."""

    rows: list[Score]
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> dict[str, Any]:
        """Over all pairs; see core.metrics.summarise."""
        return summarise(self.rows)

    @property
    def per_drive(self) -> dict[str, dict[str, Any]]:
        """The summary of each recording, by name; empty where pairs belong to none, as in a made-up world."""
        names = dict.fromkeys(row.drive for row in self.rows if row.drive)
        drives = {name: summarise([row for row in self.rows if row.drive == name]) for name in names}
        for summary in drives.values():
            del summary["definitions"]
        return drives

    def to_json(self) -> dict[str, Any]:
        """The whole as plain values, valid JSON: meta, summary, per_drive and one row per pair."""
        content = {**self.meta, **self.summary, "per_drive": self.per_drive}
        if (protocol := self.meta.get("protocol")) in PROTOCOLS:
            content["definitions"]["protocol"] = f"{protocol}: {PROTOCOLS[protocol]}; drawn from the seed"
        return {**content, "rows": [{**asdict(row), "status": row.status.value} for row in self.rows]}


def evaluate(
    localizer: Localizes,
    source: Source,
    protocol: Perturbation = "vp2p",
    seed: int = 0,
    n: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    watch: Callable[[Seen], None] | None = None,
    model: str = "",
) -> Report:
    """Scores of the first n pairs of source (all of them by default), each moved as the protocol and seed say.

    `progress` is told (done, total), `watch` gets every pair with its answer and the truth. Raises InputError for an
    empty source, an unknown protocol, and a recording without calibration: there is no truth to score against.
    """
    total = len(source) if n is None else min(n, len(source))
    _check(source, protocol, total)
    rows = []
    for index in range(total):
        seen = _evaluated(localizer, source[index], protocol, seed, index)
        rows.append(seen.score)
        if watch:
            watch(seen)
        if progress:
            progress(index + 1, total)
    return Report(rows, {"model": model, "source": source.name, "protocol": protocol, "seed": seed})


def _evaluated(localizer: Localizes, sample: Sample, protocol: Perturbation, seed: int, index: int) -> Seen:
    given, T_given_lidar = perturbed(sample, protocol, seed, index)
    if given.T_camera_lidar is None:
        what = f"{sample.pair.name or 'a pair'} has no true T_camera_lidar"
        raise InputError(f"{what}; evaluation needs a source with calibration", "evaluation.truth")
    estimate = localizer.localize_pair(given.pair, given.prior)
    result = score(estimate, given.T_camera_lidar, given.pair.name, given.pair.stamp)
    return Seen(result, given, estimate, T_given_lidar)


def _check(source: Source, protocol: str, total: int) -> None:
    if protocol not in PROTOCOLS:
        raise InputError(f"no protocol {protocol!r}; there are {', '.join(PROTOCOLS)}", "evaluation.protocol")
    if total < 1:
        raise InputError(f"nothing to evaluate: {source.name} has {len(source)} pairs", "evaluation.empty")
