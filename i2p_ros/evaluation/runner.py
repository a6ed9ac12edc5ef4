# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run a localizer over a source and score every pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.progress import Progress
from i2p_ros.core.protocols import PROTOCOLS, ProtocolName
from i2p_ros.core.source import Source
from i2p_ros.core.types import Pair, PoseEstimate, Prior, Sample
from i2p_ros.evaluation.indoor import indoor_score
from i2p_ros.evaluation.metrics import Draw, Score, numbers, overlap, score
from i2p_ros.evaluation.summary import spread, summarise
from i2p_ros.sources.perturb import perturbed

if TYPE_CHECKING:  # it imports torch
    from i2p_ros.localizer import Localizer

SPREAD_IN_WORDS = (
    "mean, min and max over the seeds of each headline figure; the figures beside it are over the pairs of all seeds"
)


class Localizes(Protocol):
    """A localizer as evaluation needs it. It gets the pair and a prior, never the truth."""

    def localize_pair(self, pair: Pair, prior: Prior | None = None) -> PoseEstimate:
        """Estimate of T_camera_lidar, or a status that gives the reason for none."""
        ...


@dataclass(frozen=True)
class NetworkAlone:
    """A localizer whose pose is that of the network, without refinement."""

    localizer: Localizer

    def localize_pair(self, pair: Pair, prior: Prior | None = None) -> PoseEstimate:
        """As of the localizer."""
        return self.localizer.localize_pair(pair, prior, refined=False)


@dataclass(frozen=True)
class EvaluatedPair:
    """One evaluated pair with its score and estimate. `T_given_lidar` is the transform applied to its cloud."""

    score: Score
    sample: Sample
    estimate: PoseEstimate
    T_given_lidar: Pose


@dataclass(frozen=True)
class Report:
    """Scores, and in `meta` their model, source, protocol, seed, and whatever the caller adds."""

    rows: list[Score]
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> dict[str, Any]:
        """Summary of all pairs; see `summarise`."""
        return summarise(self.rows)

    @property
    def per_drive(self) -> dict[str, dict[str, Any]]:
        """Summary of each recording, by name; empty if pairs belong to none, as in a synthetic world."""
        return self._parts(lambda row: row.drive)

    @property
    def per_seed(self) -> dict[str, dict[str, Any]]:
        """Summary of each seed; empty without several seeds."""
        seeds = self._parts(lambda row: str(row.draw.seed) if row.draw else "")
        return seeds if len(seeds) > 1 else {}

    @property
    def spread(self) -> dict[str, dict[str, float | None]]:
        """Mean, min and max over the seeds of each headline figure; empty without several seeds."""
        return spread([*seeds.values()]) if (seeds := self.per_seed) else {}

    def _parts(self, name_of: Callable[[Score], str]) -> dict[str, dict[str, Any]]:
        """Summaries of the pairs of each name except the empty one, without definitions."""
        names = dict.fromkeys(name for row in self.rows if (name := name_of(row)))
        parts = {name: summarise([row for row in self.rows if name_of(row) == name]) for name in names}
        for summary in parts.values():
            del summary["definitions"]
        return parts

    def to_json(self) -> dict[str, Any]:
        """Report as plain values for JSON: meta, summary, per_drive, a row per pair, and the figures of several seeds
        with their spread."""
        content = {**self.meta, **self.summary, "per_drive": self.per_drive}
        if (protocol := self.meta.get("protocol")) in PROTOCOLS:
            content["definitions"]["protocol"] = f"{protocol}: {PROTOCOLS[protocol]}; drawn from the seed"
        if seeds := self.per_seed:
            content |= {"seeds": seeds, "spread": self.spread}
            content["definitions"] |= {"seeds": "figures of each seed", "spread": SPREAD_IN_WORDS}
        rows = [{**asdict(row), "status": row.status.value, "kind": row.kind} for row in self.rows]
        return {**content, "rows": rows}


def evaluate(
    localizer: Localizes,
    source: Source,
    protocol: ProtocolName = "vp2p",
    seed: int = 0,
    n: int | None = None,
    progress: Progress | None = None,
    watch: Callable[[EvaluatedPair], None] | None = None,
    model: str = "",
) -> Report:
    """Scores of the first n pairs of a source (default: all), each perturbed by the protocol and the seed.

    `progress` gets the number of pairs done and of all, `watch` gets each evaluated pair. Pairs that cannot be read
    have no row. `lost` in the meta of the report counts them and the messages that the source has lost, by reason.
    `notes` has what the source says of how it reads the recording.
    Raises InputError for a source without pairs or without readable pairs, an unknown protocol, and a pair without a
    true pose, as of a recording without calibration.
    """
    total = len(source) if n is None else min(n, len(source))
    _check(source, protocol, total)
    rows, unread = list[Score](), Counter[str]()
    for index in range(total):
        try:
            sample = source[index]
        except InputError as error:
            unread[error.reason] += 1
            if unread.total() == total:
                raise
            continue
        evaluated = _evaluated(localizer, source, sample, protocol, seed, index)
        rows.append(evaluated.score)
        if watch:
            watch(evaluated)
        if progress:
            progress(index + 1, total)
    lost = dict(source.lost + unread)
    meta = {"model": model, "source": source.name, "protocol": protocol, "seed": seed, "lost": lost}
    return Report(rows, meta | {"notes": list(source.notes)})


def evaluate_seeds(
    localizer: Localizes,
    sources: Mapping[int, Source],
    protocol: ProtocolName = "vp2p",
    progress: Progress | None = None,
    watch: Callable[[EvaluatedPair], None] | None = None,
    model: str = "",
) -> Report:
    """One report over several seeds, each with its source: `evaluate` of each, one after the other."""
    rows, lost, notes = list[Score](), Counter[str](), list[str]()
    total = sum(len(source) for source in sources.values())

    def step(done: int, of: int) -> None:
        if progress:
            progress(len(rows) + done, total)

    for seed, source in sources.items():
        report = evaluate(localizer, source, protocol, seed, progress=step, watch=watch, model=model)
        rows += report.rows
        lost.update(report.meta["lost"])
        notes += [note for note in source.notes if note not in notes]
    names = "; ".join(dict.fromkeys(source.name for source in sources.values()))
    seeds = seed if len(sources) == 1 else ",".join(map(str, sources))
    meta = {"model": model, "source": names, "protocol": protocol, "seed": seeds, "lost": dict(lost)}
    return Report(rows, meta | {"notes": notes})


def _evaluated(
    localizer: Localizes, source: Source, sample: Sample, protocol: ProtocolName, seed: int, index: int
) -> EvaluatedPair:
    given, T_given_lidar = perturbed(sample, protocol, seed, index)
    if given.T_camera_lidar is None:
        what = f"{sample.pair.name or 'a pair'} has no true T_camera_lidar"
        raise InputError(f"{what}; evaluation needs a calibration, and {source.name} has none", "evaluation.truth")
    estimate = localizer.localize_pair(given.pair, given.prior)
    result = score(estimate, given.T_camera_lidar, given.pair.name, given.pair.stamp)
    share = overlap(given.pair, given.T_camera_lidar)
    draw = _draw(given.T_camera_lidar, given.prior, T_given_lidar, seed, index)
    result = replace(result, overlap=share, draw=draw, indoor=indoor_score(estimate, given))
    return EvaluatedPair(result, given, estimate, T_given_lidar)


def _draw(T_camera_lidar: Pose, prior: Prior | None, T_given_lidar: Pose, seed: int, index: int) -> Draw:
    """Draw of a pair, as plain numbers."""
    prior_numbers = None if prior is None else numbers(prior.pose)
    return Draw(seed, index, numbers(T_given_lidar), numbers(T_camera_lidar), prior_numbers)


def _check(source: Source, protocol: str, total: int) -> None:
    if protocol not in PROTOCOLS:
        raise InputError(f"no protocol {protocol!r}; there are {', '.join(PROTOCOLS)}", "evaluation.protocol")
    if total < 1:
        raise InputError(f"nothing to evaluate: {source.name} has {len(source)} pairs", "evaluation.empty")
