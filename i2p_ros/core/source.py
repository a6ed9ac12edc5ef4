# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The protocol of all sources of samples, and the base of sources that wrap another."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from i2p_ros.core.errors import InputError
from i2p_ros.core.types import Sample


class Source(Protocol):
    """Samples in order of time. Each is read when it is asked for, and the same index gives the same sample.

    A class that derives from this one needs `name`, `__len__` and `__getitem__`, and inherits the rest.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the samples in reports: the dataset with its drives, or the kind of world with its seed."""
        ...

    @property
    def frames(self) -> tuple[str, str]:
        """Names of the frames of camera and lidar."""
        return "camera", "lidar"

    @property
    def drives(self) -> tuple[str, ...]:
        """Names of the drives that the samples are of; empty if the source has no drives."""
        return ()

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras that the samples are of; empty if the source cannot choose among cameras."""
        return ()

    @property
    def lost(self) -> Counter[str]:
        """Numbers of messages and files of a recording that no sample could be made of, by reason."""
        return Counter()

    @property
    def notes(self) -> Sequence[str]:
        """What was chosen or seen when the recording was opened and that its user should know, in sentences."""
        return ()

    @property
    def is_recalibrated(self) -> bool:
        """Whether the recording itself changes the calibration at some time. `notes` say when."""
        return False

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """The sample; raises IndexError beyond the last, and InputError for data that cannot be read."""
        ...


def first_readable(source: Source, order: Iterable[int]) -> Sample | None:
    """The first sample in an order of indices that can be read, or none."""
    for index in order:
        with suppress(InputError):
            return source[index]
    return None


class WrappedSource(Source):
    """A source made of another, whose members it has. A subclass overrides those that differ."""

    def __init__(self, source: Source) -> None:
        self.source = source

    @property
    def name(self) -> str:
        """Name of the wrapped source."""
        return self.source.name

    @property
    def frames(self) -> tuple[str, str]:
        """Frames of the wrapped source."""
        return self.source.frames

    @property
    def drives(self) -> tuple[str, ...]:
        """Drives of the wrapped source."""
        return self.source.drives

    @property
    def cameras(self) -> tuple[str, ...]:
        """Cameras of the wrapped source."""
        return self.source.cameras

    @property
    def lost(self) -> Counter[str]:
        """Losses of the wrapped source."""
        return self.source.lost

    @property
    def notes(self) -> Sequence[str]:
        """Notes of the wrapped source."""
        return self.source.notes

    @property
    def is_recalibrated(self) -> bool:
        """Whether the wrapped source changes the calibration."""
        return self.source.is_recalibrated

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Sample:
        return self.source[index]


class Successive(WrappedSource):
    """Successive samples of a source that has more: `n` of them, from the number `first` on."""

    def __init__(self, source: Source, first: int, n: int) -> None:
        super().__init__(source)
        self._chosen = range(first, first + n)

    @property
    def name(self) -> str:
        """Name of the whole source, with the samples that are chosen."""
        which = f"{self._chosen.start} to {self._chosen[-1]}" if self._chosen.start else f"first {len(self)}"
        return f"{self.source.name} ({which} of {len(self.source)})"

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int) -> Sample:
        return self.source[self._chosen[index]]
