# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images and clouds that belong together, by header stamp. No ROS types: live topics and recordings use the same."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np

QUEUE = 64  # messages that wait on each side: one second of a 60 Hz camera
BACK_NS = 1_000_000_000  # a stamp this much older than the newest of its kind comes from before
FORWARD_NS = 60_000_000_000  # and one this much newer than everything from long after
STRAYS = 3  # so many such in a row: it was time that jumped, and no message that strayed
ImageT = TypeVar("ImageT")  # what stands for an image
CloudT = TypeVar("CloudT")
T = TypeVar("T")


class _Queue(Generic[T]):
    """Messages of one kind, by stamp."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.newest: int | None = None
        self.clear()

    def clear(self) -> None:
        """Forget everything, as at the start, but where time was."""
        self.items: dict[int, T] = {}
        self.left, self.newest = self.newest, None
        self.last_paired: int | None = None
        self.recent: deque[int] = deque(maxlen=QUEUE)  # stamps, in the order of arrival
        self.strays: list[tuple[int, T]] = []
        self._intervals: deque[int] = deque(maxlen=8)

    def belongs_to_what_was_left(self, stamp: int) -> bool:
        """Whether the first messages after a jump are late ones from before it."""
        if self.left is None or abs(stamp - self.left) > BACK_NS:
            self.left = None
        return self.left is not None

    def comes_from_before(self, stamp: int) -> bool:
        """Whether the stamp is too old to be merely late."""
        return self.newest is not None and stamp < self.newest - BACK_NS

    def jumps_forward(self, stamp: int) -> bool:
        """Whether the stamp is far newer than anything of this kind."""
        return self.newest is not None and stamp > self.newest + FORWARD_NS

    def put(self, stamp: int, item: T, dropped: Counter[str]) -> None:
        """Keep the item, unless it comes twice or too late; a full queue loses its oldest."""
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

    def none_before(self, stamp: int) -> bool:
        """Whether the next message will not be older: at least half of the shortest recent interval is to pass."""
        return self.newest is not None and self.newest + min(self._intervals, default=0) // 2 >= stamp

    def forget_unless(self, other_newest: int | None, waiting: set[int], slop_ns: int, dropped: Counter[str]) -> None:
        """Drop what is older than the last pair, or than anything the other side can still send in order."""
        reach = -(2**63) if other_newest is None else other_newest - slop_ns
        paired = -(2**63) if self.last_paired is None else self.last_paired
        for stamp in [s for s in self.items if s < paired or (s < reach and s not in waiting)]:
            del self.items[stamp]
            dropped[f"unpaired_{self.kind}"] += 1


class Pairer(Generic[ImageT, CloudT]):
    """Pairs of the nearest image and cloud, each used at most once, in order of time.

    A pair is given out as soon as no message in order can make a nearer one: at once if the stamps are equal or the
    rates say that the next message is farther off, else when a newer one has come. That costs at most one period of the
    slower stream and makes pairs independent of which topic arrives first.

    Time may jump. Messages from long before or long after wait until STRAYS in a row on one topic, or one on each,
    prove it; then everything begins anew with them, so that a looped recording loses none. Fewer are out of order.

    `dropped` counts messages without a pair by reason: unpaired_image, unpaired_cloud, duplicate, out_of_order,
    overflow; and the jumps, as time_reset.
    """

    def __init__(self, slop_ns: int, time_offset_ns: int = 0, image_offset_ns: int = 0) -> None:
        """The offsets are added to the stamps of clouds and of images before they are compared."""
        self.slop_ns, self.time_offset_ns, self.image_offset_ns = slop_ns, time_offset_ns, image_offset_ns
        self.dropped: Counter[str] = Counter()
        self._images: _Queue[ImageT] = _Queue("image")
        self._clouds: _Queue[CloudT] = _Queue("cloud")

    def add_image(self, stamp: int, item: ImageT) -> list[tuple[ImageT, CloudT, int]]:
        """Pairs (image, cloud, gap) that are now sure; gap = image stamp - cloud stamp, each with its offset, ns."""
        return self._add(self._images, stamp + self.image_offset_ns, item)

    def add_cloud(self, stamp: int, item: CloudT) -> list[tuple[ImageT, CloudT, int]]:
        """As add_image."""
        return self._add(self._clouds, stamp + self.time_offset_ns, item)

    def flush(self) -> list[tuple[ImageT, CloudT, int]]:
        """The pairs among what still waits, when nothing more will come."""
        return self._settle(at_end=True)

    def reset(self) -> list[tuple[ImageT, CloudT, int]]:
        """Begin anew, for time has jumped; the pairs among what still waits."""
        pairs = self.flush()
        self.dropped["time_reset"] += 1
        for queue in (self._images, self._clouds):
            self.dropped.update([f"unpaired_{queue.kind}"] * len(queue.items))
            queue.clear()
        return pairs

    def median_gap_ns(self) -> int | None:
        """`median_gap` of what came last, whether it made pairs or not; none before both topics have come."""
        return median_gap(self._images.recent, self._clouds.recent)

    @property
    def waiting(self) -> tuple[int, int]:
        """Numbers of images and of clouds that wait for a partner."""
        return len(self._images.items), len(self._clouds.items)

    @property
    def astray(self) -> tuple[int, int]:
        """Numbers of images and of clouds that wait for more messages to prove a jump of time."""
        return len(self._images.strays), len(self._clouds.strays)

    def _add(self, queue: _Queue[T], stamp: int, item: T) -> list[tuple[ImageT, CloudT, int]]:
        if queue.belongs_to_what_was_left(stamp):
            self.dropped["out_of_order"] += 1
            return []
        forward = self._images.jumps_forward(stamp) and self._clouds.jumps_forward(stamp)
        if forward or queue.comes_from_before(stamp):
            queue.strays.append((stamp, item))
            return self._again() if self._proven(queue, stamp) else []
        self.dropped.update(["out_of_order"] * len(queue.strays))
        queue.strays.clear()
        queue.put(stamp, item, self.dropped)
        return self._settle()

    def _proven(self, queue: _Queue[Any], stamp: int) -> bool:
        """Whether time has jumped, and no message strayed: others of this topic, or one of the other, say so too."""
        other: _Queue[Any] = self._clouds if queue.kind == "image" else self._images
        return len(queue.strays) == STRAYS or any(abs(stamp - there) <= BACK_NS for there, _ in other.strays)

    def _again(self) -> list[tuple[ImageT, CloudT, int]]:
        """Begin anew with the messages that prove a jump."""
        queues: tuple[_Queue[Any], ...] = (self._images, self._clouds)
        strays = [(stamp, queue, item) for queue in queues for stamp, item in queue.strays]
        pairs = self.reset()
        for stamp, queue, item in sorted(strays, key=lambda stray: stray[0]):
            pairs += self._add(queue, stamp, item)
        return pairs

    def _settle(self, at_end: bool = False) -> list[tuple[ImageT, CloudT, int]]:
        """Match the nearest first. A match that is not sure yet holds back those that share a message or cross it."""
        images, clouds = self._images, self._clouds
        near = [(abs(i - c), i, c) for i in images.items for c in clouds.items if abs(i - c) <= self.slop_ns]
        better: list[tuple[int, int, bool]] = []  # image, cloud, whether it is sure
        for gap, i, c in sorted(near):
            rivals = [sure for bi, bc, sure in better if (i - bi) * (c - bc) <= 0]
            if not any(rivals):
                sure = at_end or (images.none_before(c + gap) and clouds.none_before(i + gap))
                better.append((i, c, sure and not rivals))
        pairs = sorted((i, c) for i, c, sure in better if sure)
        found = [(images.items.pop(i), clouds.items.pop(c), i - c) for i, c in pairs]
        if pairs:
            images.last_paired, clouds.last_paired = pairs[-1]
        images.forget_unless(clouds.newest, {i for i, _, _ in better}, self.slop_ns, self.dropped)
        clouds.forget_unless(images.newest, {c for _, c, _ in better}, self.slop_ns, self.dropped)
        return found


def median_gap(images: Sequence[int], clouds: Sequence[int]) -> int | None:
    """Median of image stamp minus cloud stamp, ns, between each message of the slower stream and the nearest other.

    None where a stream is empty. What is more than half a period of the faster stream cannot be told from the rest.
    """
    if not images or not clouds:
        return None
    i, c = np.sort(np.asarray(images, np.int64)), np.sort(np.asarray(clouds, np.int64))
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
    """Indices (image, cloud) of the pairs of a recording, by time; offsets are added as by `Pairer`."""
    pairer: Pairer[int, int] = Pairer(slop_ns, offset_ns, image_offset_ns)
    arrivals = [(stamp + image_offset_ns, True, index) for index, stamp in enumerate(image_stamps)]
    arrivals += [(stamp + offset_ns, False, index) for index, stamp in enumerate(cloud_stamps)]
    pairs: list[tuple[int, int, int]] = []
    for _, is_image, index in sorted(arrivals):
        add, stamps = (pairer.add_image, image_stamps) if is_image else (pairer.add_cloud, cloud_stamps)
        pairs += add(stamps[index], index)
    return [(image, cloud) for image, cloud, _ in pairs + pairer.flush()]
