# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Some messages of the topics of a bag, spread over its time. The indexes say where they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from i2p_ros.core.clock_offset import Entry
from i2p_ros.core.errors import InputError
from i2p_ros.core.messages import VIDEO_MESSAGES, VideoDecoder, transform_from_stamped
from i2p_ros.core.spacing import evenly_spaced
from i2p_ros.inspection.timing import Times
from i2p_ros.sources.bag_index import is_tf
from i2p_ros.sources.bag_reader import BagReader, bag_errors, read_header
from i2p_ros.sources.bag_topics import TopicSurvey
from i2p_ros.sources.chunked_file import BagConnection
from i2p_ros.sources.static_transforms import FixedTransforms, StaticTransforms

T = TypeVar("T")
HEADERS = 12  # messages of each sensor whose headers are read
DECODED = 5  # messages of each sensor that are decoded
FIRST_TRANSFORMS, MORE_TRANSFORMS = 100, 16  # messages of transforms: the first ones, and some of the others
VIDEO_FRAMES = 60  # messages of a video that are read from each place on, until one can be decoded


class BagSamples:
    """Some messages of an open bag. `times` are the times received (n,) by topic, ns, in order.

    `refused` are the errors of messages that could not be used, by topic.
    """

    def __init__(self, reader: BagReader, path: Path, survey: TopicSurvey) -> None:
        self._reader, self._path, self._survey = reader, path, survey
        every = reader.times()
        empty: Times = np.array([], np.int64)
        self.times = {topic: every.get((topic, kind), empty) for topic, kind in survey.types.items()}
        self.refused = defaultdict[str, list[str]](list)

    def entries(self, topic: str) -> list[Entry]:
        """Stamps of headers and times received of some messages, in the order received."""
        is2 = self._reader.is2
        found = self._each(topic, HEADERS, lambda connection, time, raw: (read_header(raw, is2, check=False)[0], time))
        return [entry for _, entry in found]

    def entries_within(self, topic: str, ranges: Sequence[tuple[int, int]]) -> list[Entry]:
        """The same for all messages received in some ranges of time (first and last, ns)."""
        found, connections = set[Entry](), self._survey.connections(topic)
        for first, last in ranges:
            for _, time, raw in self._reader.messages(connections, first, last + 1):
                with self._noted(topic):
                    found.add((read_header(raw, self._reader.is2, check=False)[0], time))
        return sorted(found)

    def decoded(self, topic: str, decode: Callable[[Any], T], most: int = DECODED) -> list[tuple[int, T]]:
        """Time received of some messages, and what `decode` gives of each. Messages of a video are given as frames."""
        if self._survey.types[topic] in VIDEO_MESSAGES:
            return self._of_video(topic, decode, most)
        return self._each(topic, most, lambda connection, time, raw: decode(self._message(connection, raw)))

    def raw(self, topic: str, use: Callable[[BagConnection, bytes], T], most: int = DECODED) -> list[tuple[int, T]]:
        """Time received of some messages, and what `use` gives of the connection and the bytes of each."""
        return self._each(topic, most, lambda connection, time, raw: use(connection, raw))

    def static_transforms(self) -> StaticTransforms:
        """The transforms of /tf_static, by the time from which on they were received."""
        tree = StaticTransforms()
        self._transforms("tf_static", tree)
        return tree

    def fixed_transforms(self, tree: StaticTransforms) -> None:
        """Add the transforms of /tf that are the same in all messages that are read."""
        fixed = FixedTransforms()
        self._transforms("tf", fixed)
        fixed.add_to(tree)

    def _transforms(self, name: str, transforms: StaticTransforms | FixedTransforms) -> None:
        connections = [c for c in self._reader.connections if is_tf(c, name)]
        if not connections:
            return
        with bag_errors(self._path, "bag.unreadable"):
            first = [(time, c, raw) for c, time, raw in islice(self._reader.messages(connections), FIRST_TRANSFORMS)]
        last = first[-1][0] if first else 0
        later = [times[times > last] for c in connections if (times := self.times.get(c.topic)) is not None]
        more = [
            (time, c, raw)
            for at in sorted({time for times in later for time in spread(times, MORE_TRANSFORMS)})
            for c, time, raw in self._at(connections, at)
        ]
        for time, connection, raw in [*first, *more]:
            with self._noted(connection.topic):
                for transform in self._message(connection, raw).transforms:
                    transforms.add(*transform_from_stamped(transform), time)

    def _each(self, topic: str, most: int, use: Callable[[BagConnection, int, bytes], T]) -> list[tuple[int, T]]:
        """Time received of some messages, and what `use` gives of each; messages that it refuses are left out."""
        found, connections = list[tuple[int, T]](), self._survey.connections(topic)
        for at in spread(self.times[topic], most):
            for connection, time, raw in self._at(connections, at):
                with self._noted(topic):
                    found.append((time, use(connection, time, raw)))
        return found

    def _of_video(self, topic: str, decode: Callable[[Any], T], most: int) -> list[tuple[int, T]]:
        """The same for a video: from each place on, messages are read until one can be decoded."""
        found, connections, kind = list[tuple[int, T]](), self._survey.connections(topic), self._survey.types[topic]
        for at in spread(self.times[topic], most):
            decoder = VideoDecoder(kind)
            for connection, time, raw in islice(self._reader.messages(connections, at), VIDEO_FRAMES):
                with suppress(InputError), bag_errors(self._path, "bag.message"):
                    found.append((time, decode(decoder.frame(self._message(connection, raw)))))
                    break
        return found

    def _at(self, connections: Sequence[BagConnection], time: int) -> list[tuple[BagConnection, int, bytes]]:
        """Messages received at a time (ns)."""
        with bag_errors(self._path, "bag.unreadable"):
            return list(self._reader.messages(connections, time, time + 1))

    def _message(self, connection: BagConnection, raw: bytes) -> Any:
        return self._reader.deserialize(raw, connection.msgtype)

    @contextmanager
    def _noted(self, topic: str) -> Iterator[None]:
        """Context that notes an InputError, or any error of a damaged message, in `refused`."""
        try:
            with bag_errors(self._path, "bag.message"):
                yield
        except InputError as error:
            self.refused[topic].append(str(error))


def spread(times: Times, most: int) -> list[int]:
    """At most so many of the times (n,), from the first to the last, each once."""
    return [int(time) for time in np.unique(times[evenly_spaced(len(times), most)])]
