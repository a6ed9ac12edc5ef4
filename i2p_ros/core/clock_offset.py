# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A constant offset between the clocks of camera and lidar, measured by the times at which messages were received."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Entry = tuple[int, int]  # header stamp, time received: ns
LEAST = 2  # messages of each topic
LONGEST_DELAY_S = 15.0  # between stamp and reception, as over a slow link. A larger difference is one of clocks
SPREAD = 0.05  # largest share of an offset by which the single messages differ from it
KNOWN_S = {37.0: "TAI - UTC is 37 s", 18.0: "GPS time - UTC is 18 s", 19.0: "TAI - GPS time is 19 s"}
NEAR_S = 0.3  # an offset this near to a known one is taken for it: the delays of the sensors differ by as much


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """The clock of the clouds minus that of the images, s. `spread_s` is the range of the middle 80 % of messages."""

    seconds: float
    spread_s: float

    @property
    def is_steady(self) -> bool:
        """Whether it is the same for all messages."""
        return self.spread_s <= SPREAD * abs(self.seconds)

    @property
    def is_sure(self) -> bool:
        """Whether it is the same for all messages, and larger than their delays can be."""
        return self.is_steady and abs(self.seconds) > LONGEST_DELAY_S

    @property
    def correction_s(self) -> float:
        """The pairing.time_offset_s that corrects it: known offsets of time scales are taken as they are defined."""
        known = next((known for known in KNOWN_S if abs(abs(self.seconds) - known) < NEAR_S), abs(self.seconds))
        return -known if self.seconds > 0 else known

    @property
    def text(self) -> str:
        """The offset, and the setting that corrects it."""
        why = f" ({KNOWN_S[known]})" if (known := abs(self.correction_s)) in KNOWN_S else ""
        side = "ahead of" if self.seconds > 0 else "behind"
        return (
            f"the clock of the clouds is {abs(self.seconds):.3f} s {side} that of the images{why}, by the times at "
            f"which messages were received: pairing.time_offset_s={self.correction_s:.3f} corrects it"
        )


def clock_offset(images: Sequence[Entry], clouds: Sequence[Entry]) -> ClockOffset | None:
    """The difference of the medians of stamp minus time received.

    Only messages count that were received while both topics were. None if these are too few: the parts of a merged
    recording may have been received at different times.
    """
    if min(len(images), len(clouds)) < LEAST:
        return None
    i, c = np.asarray(images, np.int64), np.asarray(clouds, np.int64)
    step = max(int(np.ptp(rows[:, 1])) // (len(rows) - 1) for rows in (i, c))
    begin, end = max(i[:, 1].min(), c[:, 1].min()) - step, min(i[:, 1].max(), c[:, 1].max()) + step
    i, c = (rows[(rows[:, 1] >= begin) & (rows[:, 1] <= end)] for rows in (i, c))
    if min(len(i), len(c)) < LEAST:
        return None
    origin = int(i[0, 0] - i[0, 1])  # float64 is exact to 1 ns near it
    ahead_i, ahead_c = ((rows[:, 0] - rows[:, 1] - origin).astype(np.float64) for rows in (i, c))
    spread = max(float(np.ptp(np.quantile(ahead, [0.1, 0.9]))) for ahead in (ahead_i, ahead_c))
    return ClockOffset(float(np.median(ahead_c) - np.median(ahead_i)) / 1e9, spread / 1e9)


class OffsetWatch:
    """The clock offset of live topics, by their latest messages."""

    def __init__(self, kept: int = 64) -> None:
        self._entries: dict[str, deque[Entry]] = {kind: deque(maxlen=kept) for kind in ("image", "points")}

    def add(self, kind: str, stamp: int, received: int) -> None:
        """Add a message of `image` or `points`. Times are in ns."""
        self._entries[kind].append((stamp, received))

    def clear(self) -> None:
        """Forget all messages, after a jump of time."""
        for entries in self._entries.values():
            entries.clear()

    def ahead_ns(self, kind: str) -> int:
        """Median of stamp minus time received of `image` or `points`, ns; 0 without messages."""
        entries = self._entries[kind]
        return int(np.median([stamp - received for stamp, received in entries])) if entries else 0

    def measured(self) -> ClockOffset | None:
        """The offset if it is sure, or if it is none beyond the delays of messages. Else none: it is not known."""
        offset = clock_offset(list(self._entries["image"]), list(self._entries["points"]))
        known = offset is not None and (offset.is_sure or abs(offset.seconds) <= LONGEST_DELAY_S)
        return offset if known else None
