# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Source of pairs of an image and a fragment from sequences of an RGB-D camera."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from i2p_ros.core.errors import InputError
from i2p_ros.core.fragments import Fragment
from i2p_ros.core.hints import did_you_mean
from i2p_ros.core.source import Source
from i2p_ros.core.types import Pair, PointCloud, Sample
from i2p_ros.sources.fragments import fused
from i2p_ros.sources.pair_list import ListedPair, PairList, blocks_of, drawn_pairs, read_pairs
from i2p_ros.sources.rgbd import RgbdFrame, RgbdSequence, read_image_and_depth

SECOND = 10**9  # ns
KEPT = 64  # fragments that are kept for the next pairs


@dataclass(frozen=True, slots=True)
class RgbdDataset:
    """A dataset of RGB-D sequences: its `kind` of KINDS and name, its reader, and the least overlap of its pairs."""

    kind: str
    name: str
    find_sequences: Callable[[Path], list[RgbdSequence]]
    least_overlap: float

    def open(self, root: Path, seed: int, drives: Sequence[str] | None = None) -> RgbdPairSource:
        """The pairs of a list in the folder of its scenes, or those that a seed gives for a folder."""
        if root.is_file():
            pairs = read_pairs(root)
            if pairs.kind != self.kind:
                raise InputError(f"{root} has pairs of {pairs.kind}, not of {self.kind}", "source.kind")
            return RgbdPairSource(self.name, self.find_sequences(root.parent), pairs, drives)
        sequences = self.find_sequences(root)
        return RgbdPairSource(self.name, sequences, drawn_pairs(self.kind, sequences, seed, self.least_overlap), drives)


class RgbdPairSource(Source):
    """The pairs of a list, in its order, one second apart. The cloud of a pair is its fragment, without intensities.

    Its frame is the optical frame of the fragment's first image, with x forward, y left and z up. `drives` are names of
    scenes, sequences (SCENE/SEQUENCE, of the image), splits or SCENE/SPLIT; without them all pairs are read.
    Raises InputError if nothing is left, or a pair has no files, and for a broken file when it is read.
    """

    def __init__(
        self, dataset: str, sequences: Sequence[RgbdSequence], pairs: PairList, drives: Sequence[str] | None = None
    ) -> None:
        self._dataset, self.pair_list = dataset, pairs
        self._sequences = {sequence.place: sequence for sequence in sequences}
        self._frames = {place: {frame.number: frame for frame in s.frames} for place, s in self._sequences.items()}
        self._blocks = {
            (place, block[0].number): block for place, s in self._sequences.items() for block in blocks_of(s)
        }
        self._pairs = _chosen(pairs.pairs, drives)
        self._fragments: OrderedDict[tuple[str, int], Fragment] = OrderedDict()
        for pair in self._pairs:
            self._files(pair)

    @property
    def name(self) -> str:
        """The dataset with the scenes and the start of the list's hash."""
        return f"{self._dataset} {', '.join(self.drives)} (pairs {self.pair_list.digest[:12]})"

    @property
    def frames(self) -> tuple[str, str]:
        """Names of the frames of camera and fragment."""
        return "camera", "fragment"

    @property
    def drives(self) -> tuple[str, ...]:
        """Names of the scenes."""
        return tuple(dict.fromkeys(pair.scene for pair in self._pairs))

    @property
    def notes(self) -> Sequence[str]:
        """That the pairs are not those of the published benchmark."""
        made = f"fragments of {self.pair_list.frames} frames and pairs of seed {self.pair_list.seed}"
        return (f"{made} with an overlap of {self.pair_list.least_overlap:g}: not the published pairs of 2D3D-MATR",)

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Sample:
        pair = self._pairs[index]
        sequence, frame, place, block = self._files(pair)
        image, depth = read_image_and_depth(frame.image, frame.depth)
        fragment = self._fragment((place, block[0].number))
        T_camera_fragment = (fragment.T_world_fragment.inverse() @ frame.pose()).inverse()
        stamp = range(len(self))[index] * SECOND
        made = Pair(image, sequence.camera(image.shape), PointCloud(fragment.xyz), stamp, pair.name)
        return Sample(made, T_camera_fragment, fragment.T_world_fragment, depth=depth)

    def _fragment(self, key: tuple[str, int]) -> Fragment:
        if key not in self._fragments:
            self._fragments[key] = fused(self._sequences[key[0]], self._blocks[key])
            if len(self._fragments) > KEPT:
                self._fragments.popitem(last=False)
        self._fragments.move_to_end(key)
        return self._fragments[key]

    def _files(self, pair: ListedPair) -> tuple[RgbdSequence, RgbdFrame, str, tuple[RgbdFrame, ...]]:
        """Sequence and frame of the image, and place and frames of the fragment."""
        of_image, of_fragment = (f"{pair.scene}/{name}" for name in (pair.sequence, pair.fragment_sequence))
        frame = self._frames.get(of_image, {}).get(pair.image)
        block = self._blocks.get((of_fragment, pair.fragment))
        if frame is None or block is None:
            missing = f"image {pair.image} of {of_image}" if frame is None else f"{pair.fragment} of {of_fragment}"
            raise InputError(f"the list has the pair {pair.name}, but the recording has no {missing}", "source.missing")
        return self._sequences[of_image], frame, of_fragment, block


def _chosen(pairs: Sequence[ListedPair], drives: Sequence[str] | None) -> list[ListedPair]:
    """The pairs of some drives; InputError for a drive that there is not."""
    if drives is None:
        return list(pairs)
    names = [_names(pair) for pair in pairs]
    known = set().union(*names)
    if unknown := sorted(set(drives) - known):
        hints = "".join(did_you_mean(name, known) for name in unknown)
        there = f"{', '.join(sorted(known))}.{hints}"
        raise InputError(f"no drive {', '.join(unknown)} in the list of pairs; there are {there}", "source.drive")
    return [pair for pair, of in zip(pairs, names, strict=True) if of & set(drives)]


def _names(pair: ListedPair) -> set[str]:
    """Names of drives that choose a pair."""
    split = {pair.split, f"{pair.scene}/{pair.split}"} if pair.split else set[str]()
    return {pair.scene, f"{pair.scene}/{pair.sequence}"} | split
