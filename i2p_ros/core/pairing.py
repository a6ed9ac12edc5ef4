# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairing of images and clouds by their stamps, for live topics and recordings. It has no ROS types."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np

QUEUE = 64  # messages that may wait in each queue: one second of a 60 Hz camera
BACKWARD_JUMP_NS = (
    1_000_000_000  # a stamp that is older than the newest by more than this is from before a jump of time
)
FORWARD_JUMP_NS = 60_000_000_000  # and one that is newer than all others by more than this is from after a jump
JUMP_COUNT = 3  # such messages in a row that confirm a jump; fewer are outliers
ImageT = TypeVar("ImageT")  # image, or its index
CloudT = TypeVar("CloudT")
T = TypeVar("T")


class _Queue(Generic[T]):
    """Queue of messages of one kind, by stamp (ns)."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.newest: int | None = None
        self.clear()

    def clear(self) -> None:
        """Empties the queue after a jump of time. The newest stamp before the jump is kept."""
        self.items: dict[int, T] = {}
        self.newest_before_jump, self.newest = self.newest, None
        self.last_paired: int | None = None
        self.recent: deque[int] = deque(maxlen=QUEUE)  # stamps, in the order of arrival
        self.outliers: list[tuple[int, T]] = []
        self._intervals: deque[int] = deque(maxlen=8)

    def is_late_after_jump(self, stamp: int) -> bool:
        """Whether a message after a jump is a late one from before it."""
        if self.newest_before_jump is None or abs(stamp - self.newest_before_jump) > BACKWARD_JUMP_NS:
            self.newest_before_jump = None
        return self.newest_before_jump is not None

    def jumps_back(self, stamp: int) -> bool:
        """Whether a stamp is too old to be late only."""
        return self.newest is not None and stamp < self.newest - BACKWARD_JUMP_NS

    def jumps_forward(self, stamp: int) -> bool:
        """Whether a stamp is far newer than all others of this kind."""
        return self.newest is not None and stamp > self.newest + FORWARD_JUMP_NS

    def put(self, stamp: int, item: T, dropped: Counter[str]) -> None:
        """Adds an item, unless it is a duplicate or too late. A full queue drops its oldest item."""
        if stamp in self.items or stamp == self.last_paired:
            dropped["duplicate"] += 1
            return
        if self.last_paired is not None and stamp < self.last_paired:
            dropped["out_of_order"] += 1
            return
        self.items[stamp] = item
        self.recent.append(stamp)
        if self.newest is not None and stamp > self.newest:
            self._intervals.append(stamp - self.newest)
        self.newest = stamp if self.newest is None else max(stamp, self.newest)
        if len(self.items) > QUEUE:
            del self.items[min(self.items)]
            dropped["overflow"] += 1

    def shift(self, by_ns: int) -> None:
        """Add an offset to all stamps."""
        self.items = {stamp + by_ns: item for stamp, item in self.items.items()}
        self.outliers = [(stamp + by_ns, item) for stamp, item in self.outliers]
        self.recent = deque((stamp + by_ns for stamp in self.recent), maxlen=QUEUE)
        self.newest = None if self.newest is None else self.newest + by_ns
        self.last_paired = None if self.last_paired is None else self.last_paired + by_ns

    def next_is_not_before(self, stamp: int) -> bool:
        """Whether the next message will not be older than a stamp.

        It comes at least half of the shortest recent interval after the newest one.
        """
        return self.newest is not None and self.newest + min(self._intervals, default=0) // 2 >= stamp

    def drop_stale(self, other_newest: int | None, waiting: set[int], slop_ns: int, dropped: Counter[str]) -> None:
        """Drops items that are older than the last pair, or too old for all messages that the other topic can still
        send in order."""
        reach = -(2**63) if other_newest is None else other_newest - slop_ns
        paired = -(2**63) if self.last_paired is None else self.last_paired
        for stamp in [s for s in self.items if s < paired or (s < reach and s not in waiting)]:
            del self.items[stamp]
            dropped[f"unpaired_{self.kind}"] += 1


class Pairer(Generic[ImageT, CloudT]):
    """Pairs of images and clouds with the nearest stamps, in order of time. Each message is used at most once.

    A pair is returned when no later message can make a nearer one. That is immediate if the stamps are equal, or if the
    rates exclude a nearer message. Else the next message is awaited, for at most one period of the slower stream. The
    pairs do not depend on which topic arrives first.

    Time may jump. A message whose stamp is far too old or too new waits. JUMP_COUNT such messages in a row on one
    topic, or one on each topic, confirm a jump. Pairing then restarts with them, so that a looped recording loses no
    message. Fewer such messages are dropped as out of order.

    `dropped` counts messages without a pair by reason: unpaired_image, unpaired_cloud, duplicate, out_of_order,
    overflow. It also counts jumps, as time_reset.
    """

    def __init__(self, slop_ns: int, time_offset_ns: int = 0, image_offset_ns: int = 0) -> None:
        """Offsets (ns) are added to the stamps of clouds and of images before these are compared."""
        self.slop_ns, self.time_offset_ns, self.image_offset_ns = slop_ns, time_offset_ns, image_offset_ns
        self.dropped: Counter[str] = Counter()
        self._images: _Queue[ImageT] = _Queue("image")
        self._clouds: _Queue[CloudT] = _Queue("cloud")

    def add_image(self, stamp: int, item: ImageT) -> list[tuple[ImageT, CloudT, int]]:
        """New pairs (image, cloud, gap) after an image. gap = image stamp - cloud stamp, each with its offset, ns."""
        return self._add(self._images, stamp + self.image_offset_ns, item)

    def add_cloud(self, stamp: int, item: CloudT) -> list[tuple[ImageT, CloudT, int]]:
        """New pairs after a cloud, as `add_image`."""
        return self._add(self._clouds, stamp + self.time_offset_ns, item)

    def correct(self, time_offset_ns: int) -> None:
        """Use another offset for the clouds, those that wait included."""
        self._clouds.shift(time_offset_ns - self.time_offset_ns)
        self.time_offset_ns = time_offset_ns

    def flush(self) -> list[tuple[ImageT, CloudT, int]]:
        """Pairs of the messages that still wait, at the end of the streams."""
        return self._match(at_end=True)

    def reset(self) -> list[tuple[ImageT, CloudT, int]]:
        """Restarts after a jump of time. Returns the pairs of the messages that still wait."""
        pairs = self.flush()
        self.dropped["time_reset"] += 1
        for queue in (self._images, self._clouds):
            self.dropped.update([f"unpaired_{queue.kind}"] * len(queue.items))
            queue.clear()
        return pairs

    def median_gap_ns(self) -> int | None:
        """`median_gap` of the latest messages, paired or not. None until both topics have messages."""
        return median_gap(self._images.recent, self._clouds.recent)

    @property
    def waiting(self) -> tuple[int, int]:
        """Numbers of images and of clouds that wait for a partner."""
        return len(self._images.items), len(self._clouds.items)

    @property
    def astray(self) -> tuple[int, int]:
        """Numbers of images and of clouds that wait for more messages to prove a jump of time."""
        return len(self._images.outliers), len(self._clouds.outliers)

    def _add(self, queue: _Queue[T], stamp: int, item: T) -> list[tuple[ImageT, CloudT, int]]:
        if queue.is_late_after_jump(stamp):
            self.dropped["out_of_order"] += 1
            return []
        forward = self._images.jumps_forward(stamp) and self._clouds.jumps_forward(stamp)
        if forward or queue.jumps_back(stamp):
            queue.outliers.append((stamp, item))
            return self._restart() if self._confirms_jump(queue, stamp) else []
        self.dropped.update(["out_of_order"] * len(queue.outliers))
        queue.outliers.clear()
        queue.put(stamp, item, self.dropped)
        return self._match()

    def _confirms_jump(self, queue: _Queue[Any], stamp: int) -> bool:
        """Whether an outlier is confirmed as a jump of time, by others of its topic or one of the other topic."""
        other: _Queue[Any] = self._clouds if queue.kind == "image" else self._images
        return len(queue.outliers) == JUMP_COUNT or any(
            abs(stamp - there) <= BACKWARD_JUMP_NS for there, _ in other.outliers
        )

    def _restart(self) -> list[tuple[ImageT, CloudT, int]]:
        """Restarts with the messages that confirm a jump of time."""
        queues: tuple[_Queue[Any], ...] = (self._images, self._clouds)
        outliers = [(stamp, queue, item) for queue in queues for stamp, item in queue.outliers]
        pairs = self.reset()
        for stamp, queue, item in sorted(outliers, key=lambda outlier: outlier[0]):
            pairs += self._add(queue, stamp, item)
        return pairs

    def _match(self, at_end: bool = False) -> list[tuple[ImageT, CloudT, int]]:
        """Pairs by a greedy search, the nearest first.

        A pair that is not final yet holds back all pairs that share a message with it or cross it.
        """
        images, clouds = self._images, self._clouds
        near = [(abs(i - c), i, c) for i in images.items for c in clouds.items if abs(i - c) <= self.slop_ns]
        better: list[tuple[int, int, bool]] = []  # stamps of image and cloud, whether the pair is final
        for gap, i, c in sorted(near):
            rivals = [final for bi, bc, final in better if (i - bi) * (c - bc) <= 0]
            if not any(rivals):
                final = at_end or (images.next_is_not_before(c + gap) and clouds.next_is_not_before(i + gap))
                better.append((i, c, final and not rivals))
        pairs = sorted((i, c) for i, c, final in better if final)
        found = [(images.items.pop(i), clouds.items.pop(c), i - c) for i, c in pairs]
        if pairs:
            images.last_paired, clouds.last_paired = pairs[-1]
        images.drop_stale(clouds.newest, {i for i, _, _ in better}, self.slop_ns, self.dropped)
        clouds.drop_stale(images.newest, {c for _, c, _ in better}, self.slop_ns, self.dropped)
        return found


def median_gap(images: Sequence[int], clouds: Sequence[int]) -> int | None:
    """Median of image stamp minus cloud stamp, ns, between each message of the slower stream and its nearest one.

    None where a stream is empty. The gap is ambiguous by multiples of the period of the faster stream. Of streams that
    do not overlap, it is that of their middles: both sensors were recorded at the same time.
    """
    if not images or not clouds:
        return None
    i, c = np.sort(np.asarray(images, np.int64)), np.sort(np.asarray(clouds, np.int64))
    if i[0] > c[-1] or c[0] > i[-1]:
        return (int(i[0]) - int(c[0]) + int(i[-1]) - int(c[-1])) // 2
    slow, fast = (c, i) if np.ptp(i) * len(c) < np.ptp(c) * len(i) else (i, c)
    inside = slow[(slow >= fast[0]) & (slow <= fast[-1])]
    slow = inside if len(inside) else slow
    after = np.searchsorted(fast, slow).clip(1, max(len(fast) - 1, 1))
    around = np.stack([fast[after - 1], fast[np.minimum(after, len(fast) - 1)]])
    gaps = slow - around
    nearest = gaps[np.abs(gaps).argmin(axis=0), np.arange(len(slow))]
    return int(np.median(nearest)) * (1 if fast is c else -1)


def pair_stamps(
    image_stamps: Sequence[int],
    cloud_stamps: Sequence[int],
    slop_ns: int,
    offset_ns: int = 0,
    image_offset_ns: int = 0,
) -> list[tuple[int, int]]:
    """Indices (image, cloud) of the pairs of a recording, in order of time. Stamps and offsets are in ns."""
    pairer: Pairer[int, int] = Pairer(slop_ns, offset_ns, image_offset_ns)
    arrivals = [(stamp + image_offset_ns, True, index) for index, stamp in enumerate(image_stamps)]
    arrivals += [(stamp + offset_ns, False, index) for index, stamp in enumerate(cloud_stamps)]
    pairs: list[tuple[int, int, int]] = []
    for _, is_image, index in sorted(arrivals):
        add, stamps = (pairer.add_image, image_stamps) if is_image else (pairer.add_cloud, cloud_stamps)
        pairs += add(stamps[index], index)
    return [(image, cloud) for image, cloud, _ in pairs + pairer.flush()]
