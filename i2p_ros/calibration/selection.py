# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pairs of a recording that a calibration is computed from: spread over time, and of different views."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.source import Source
from i2p_ros.core.spacing import evenly_spaced, thinned
from i2p_ros.core.thumbnails import image_change, thumbnail
from i2p_ros.core.types import Pair, Sample

LOOKED_AT = 3  # pairs that are read for each pair that is chosen
THUMBNAIL = (80, 24)  # px: size at which images are compared
MIN_GREY, MIN_CONTRAST = 12.0, 6.0  # grey levels: mean and standard deviation of an image that shows something
MIN_POINTS = 500  # finite points of a cloud
SAME_CALIBRATION = 1e-4  # m and rad: calibrations that differ by less are the same


@dataclass
class ChosenPairs:
    """The chosen `pairs` in the order of the recordings, the number of pairs `seen`, and what was not used, by reason.

    `stated` is the T_camera_lidar that the recordings state, or None where none does.
    """

    pairs: list[Pair] = field(default_factory=list)
    seen: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    stated: Pose | None = None


def chosen_pairs(
    sources: Sequence[Source], most: int, min_change: float, step: Callable[[], None] = lambda: None
) -> ChosenPairs:
    """At most `most` pairs of the recordings of one rig.

    The recordings are divided into as many stretches of equal length. Of the few pairs that are read of each, the one
    is chosen whose image differs most from those chosen before. Dark and blank images, small clouds, and images that
    differ by less than `min_change` grey levels from a chosen one are left out.

    Raises InputError `calibration.rig` if the images differ in size, or one recording states several calibrations.
    """
    chosen, thumbnails = ChosenPairs(), list[Array]()
    total = sum(len(source) for source in sources)
    for source in sources:
        chosen.notes += source.notes
        chosen.left_out += source.lost
        reader = _Reader(source, chosen)
        stretches = np.array_split(np.arange(len(source)), max(1, min(len(source), round(most * len(source) / total))))
        for stretch in stretches:
            candidates = reader.read(thinned(stretch, LOOKED_AT).tolist())
            changes = [min((image_change(t, small) for t in thumbnails), default=np.inf) for _, small in candidates]
            chosen.left_out["image like another"] += sum(change < min_change for change in changes)
            if max(changes, default=-1.0) >= min_change:
                pair, small = candidates[int(np.argmax(changes))]
                chosen.pairs.append(pair)
                thumbnails.append(small)
            step()
    chosen.left_out += Counter()  # removes zeros
    return chosen


def spread(pairs: Sequence[Pair], most: int) -> list[Pair]:
    """At most `most` of the pairs, evenly spaced."""
    return [pairs[k] for k in evenly_spaced(len(pairs), most)]


@dataclass
class _Reader:
    """Reads pairs of one source, and takes note of what cannot be used."""

    source: Source
    chosen: ChosenPairs
    first: Sample | None = None  # that could be read

    def read(self, indices: Sequence[int]) -> list[tuple[Pair, Array]]:
        """The usable pairs of these indices, with their thumbnails."""
        found = []
        for index in indices:
            self.chosen.seen += 1
            try:
                sample = self.source[index]
            except InputError as error:
                self.chosen.left_out[error.reason] += 1
                continue
            self._check(sample)
            small = thumbnail(sample.pair.image, THUMBNAIL)
            if reason := _useless(sample.pair, small):
                self.chosen.left_out[reason] += 1
            else:
                found.append((sample.pair, small))
        return found

    def _check(self, sample: Sample) -> None:
        """Raises InputError where a sample cannot be of the same rig as those before."""
        self.first = self.first or sample
        self.chosen.stated = self.chosen.stated or self.first.T_camera_lidar
        for other in (self.first.pair, *self.chosen.pairs[:1]):
            if sample.pair.image.shape != other.image.shape:
                one, two = (f"{pair.camera.width}x{pair.camera.height}" for pair in (other, sample.pair))
                what = f"{self.source.name}: images of {one} and of {two} are not of one camera"
                raise InputError(what, "calibration.rig")
        mine, before = sample.T_camera_lidar, self.first.T_camera_lidar
        if mine is None or before is None or self.source.is_recalibrated:
            return
        if np.abs(before.local(mine)).max() > SAME_CALIBRATION:
            what = f"{self.source.name} states several calibrations: that of {sample.pair.name} is another than before"
            raise InputError(f"{what}; give one camera and one rig", "calibration.rig")


def _useless(pair: Pair, small: Array) -> str:
    """Why a pair with this thumbnail is of no use for a calibration, or an empty text."""
    if small.mean() < MIN_GREY:
        return "dark image"
    if small.std() < MIN_CONTRAST:
        return "blank image"
    return "small cloud" if np.isfinite(pair.cloud.xyz).all(axis=1).sum() < MIN_POINTS else ""
