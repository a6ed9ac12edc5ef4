# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every source of pairs answers."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from i2p_ros.core.types import Sample


class Source(Protocol):
    """Samples in order of time, read when asked for; the same index gives the same sample."""

    @property
    def name(self) -> str:
        """What the samples are, for reports: dataset and drives, or world seed."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


def lost_by(source: Source) -> Counter[str]:
    """What a recording has lost on the way to its samples, by reason; nothing of sources that lose nothing."""
    return Counter(getattr(source, "lost", {}))
