# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lists of pairs of an image and a fragment: drawn from a seed, and kept as JSON or Parquet with their hash.

A list lies in the folder of its scenes. It does not hold clouds: these are fused again from the recording.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from i2p_ros.core.errors import InputError, MissingPackageError, first_fault, install_command, one_line
from i2p_ros.core.fragments import VOXEL, NearPoints
from i2p_ros.sources.fragments import FRAMES, OVERLAP_STRIDE, fused
from i2p_ros.sources.rgbd import RgbdFrame, RgbdSequence

SUFFIXES = (".json", ".parquet")
VALIDATION = 0.2  # share of the training blocks that is kept for validation
_KEY = b"i2p_pairs"  # of the header in the metadata of a Parquet file


class ListedPair(BaseModel):
    """One pair: numbers of the frame of the image and of the first frame of the fragment, and their overlap."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scene: str
    split: str
    sequence: str
    image: int
    fragment_sequence: str
    fragment: int
    overlap: float

    @property
    def name(self) -> str:
        """Name of the pair: SCENE/SEQUENCE-IMAGE/SEQUENCE-FRAGMENT."""
        return f"{self.scene}/{self.sequence}-{self.image:06d}/{self.fragment_sequence}-{self.fragment:06d}"


class PairList(BaseModel):
    """Pairs of one dataset (`kind` of KINDS), and how they were drawn. `frames` are those of each fragment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    seed: int
    least_overlap: float
    frames: int = Field(FRAMES, ge=FRAMES, le=FRAMES)
    voxel: float = Field(VOXEL, ge=VOXEL, le=VOXEL)
    pairs: tuple[ListedPair, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()


def blocks_of(sequence: RgbdSequence) -> list[tuple[RgbdFrame, ...]]:
    """Blocks of FRAMES successive frames; frames after the last whole block are left out."""
    whole = len(sequence.frames) // FRAMES
    return [sequence.frames[k * FRAMES : (k + 1) * FRAMES] for k in range(whole)]


def drawn_pairs(kind: str, sequences: Sequence[RgbdSequence], seed: int, least_overlap: float) -> PairList:
    """One image of each block of FRAMES frames, drawn at random, with each fragment of its scene and split that it
    overlaps.

    The overlap is the share of the image's pixels with a depth that have a point of the fragment within NEAR. Of the
    blocks of the split train a random fifth is of the split val.
    Raises InputError for a broken file, and `source.empty` if no pair has the overlap.
    """
    pairs: list[ListedPair] = []
    for scene in dict.fromkeys(sequence.scene for sequence in sequences):
        blocks = _split_blocks([one for one in sequences if one.scene == scene], seed)
        for split in dict.fromkeys(split for *_, split in blocks):
            part = [(sequence, block) for sequence, block, name in blocks if name == split]
            pairs += _pairs_of(part, split, seed, least_overlap)
    if not pairs:
        total = sum(len(blocks_of(sequence)) for sequence in sequences)
        what = f"no image has an overlap of {least_overlap:g} with a fragment of {FRAMES} frames"
        raise InputError(f"{what} in {len(sequences)} sequences with {total} whole fragments", "source.empty")
    return PairList(kind=kind, seed=seed, least_overlap=least_overlap, pairs=tuple(pairs))


def _split_blocks(
    sequences: Sequence[RgbdSequence], seed: int
) -> list[tuple[RgbdSequence, tuple[RgbdFrame, ...], str]]:
    """Blocks of the sequences of a scene, each with its sequence and its split."""
    blocks = [(sequence, block, sequence.split) for sequence in sequences for block in blocks_of(sequence)]
    training = [k for k, (*_, split) in enumerate(blocks) if split == "train"]
    rng = np.random.default_rng([seed, *sequences[0].scene.encode()])
    for k in rng.permutation(training)[: int(VALIDATION * len(training))]:
        blocks[k] = (*blocks[k][:2], "val")
    return blocks


def _pairs_of(
    blocks: Sequence[tuple[RgbdSequence, tuple[RgbdFrame, ...]]], split: str, seed: int, least: float
) -> Iterator[ListedPair]:
    """Pairs of the image of each block, with fragments of all blocks."""
    fragments = [(sequence, block[0], NearPoints(fused(sequence, block))) for sequence, block in blocks]
    for sequence, block in blocks:
        rng = np.random.default_rng([seed, block[0].number, *sequence.place.encode()])
        image = block[rng.integers(len(block))]
        points = image.pose().apply(sequence.points(image, OVERLAP_STRIDE))
        shares = [(of, first, near.share(points, least)) for of, first, near in fragments]
        for of, first, share in shares:
            if share >= least:
                yield ListedPair(
                    scene=sequence.scene, split=split, sequence=sequence.name, image=image.number,
                    fragment_sequence=of.name, fragment=first.number, overlap=round(share, 4),
                )  # fmt: skip


def encoded_pairs(pairs: PairList, suffix: str) -> bytes:
    """Content of the file of a list, .json or .parquet. Parquet has a row a pair, and all else in its metadata."""
    content = {**pairs.model_dump(mode="json"), "sha256": pairs.digest}
    if suffix == ".json":
        return (json.dumps(content, indent=1) + "\n").encode()
    pyarrow, parquet = _pyarrow()
    rows, buffer = pyarrow.Table.from_pylist(content.pop("pairs")), pyarrow.BufferOutputStream()
    parquet.write_table(rows.replace_schema_metadata({_KEY: json.dumps(content).encode()}), buffer)
    return bytes(buffer.getvalue())


def read_pairs(path: Path) -> PairList:
    """The list of a file; InputError for a file that is no list, or whose content does not have its hash."""
    try:
        content = json.loads(path.read_bytes()) if path.suffix == ".json" else _read_parquet(path)
        digest = content.pop("sha256")
        pairs = PairList.model_validate(content)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or one_line(error)}", "source.missing") from error
    except ValidationError as error:
        raise InputError(f"{path} is not a list of pairs: {first_fault(error)}", "source.layout") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a list of pairs: {one_line(error)}", "source.layout") from error
    if pairs.digest != digest:
        what = "was changed after it was written: its pairs do not have its hash"
        raise InputError(f"{path} {what}; make it again with `i2p pairs`", "source.hash")
    return pairs


def kind_of_list(path: Path) -> str | None:
    """Kind of the dataset of a list, or None for a file that is none. Only the start of other files is read."""
    try:
        if path.suffix == ".json":
            with path.open("rb") as file:
                found = re.match(rb'\{\s*"kind": "([^"]+)"', file.read(200))
            return found[1].decode() if found else None
        if path.suffix == ".parquet":
            header = (_pyarrow()[1].read_schema(path).metadata or {}).get(_KEY)
            return None if header is None else str(json.loads(header)["kind"])
    except (OSError, ValueError, KeyError, TypeError, MissingPackageError):
        return None
    return None


def _read_parquet(path: Path) -> dict[str, Any]:
    pyarrow, parquet = _pyarrow()
    try:
        table = parquet.read_table(path)
    except pyarrow.ArrowException as error:
        raise ValueError(one_line(error)) from error
    header: dict[str, Any] = json.loads((table.schema.metadata or {})[_KEY])
    return {**header, "pairs": table.to_pylist()}


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        what = f"a Parquet list needs pyarrow: {install_command('parquet')}, or use .json"
        raise MissingPackageError(what) from error
    return pyarrow, parquet
