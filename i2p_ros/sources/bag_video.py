# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a video topic of a bag, in any order."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from i2p_ros.core.clock_offset import Entry
from i2p_ros.core.errors import InputError
from i2p_ros.core.messages import VideoDecoder
from i2p_ros.core.messages.video import VideoFrame


class BagVideo:
    """Frames of the messages of a topic. In the order of the bag each message is decoded once.

    Elsewhere, decoding starts at the last keyframe before the wanted message.
    """

    def __init__(self, kind: str, entries: list[Entry]) -> None:
        self._kind, self._entries = kind, entries
        self._positions = {entry: position for position, entry in enumerate(entries)}
        self._decoder, self._next = VideoDecoder(kind), 0  # the position that the decoder expects

    def frame(self, entry: Entry, read: Callable[[Entry], Any]) -> VideoFrame:
        """The frame of one entry. `read` gives the message of an entry. Raises InputError."""
        position = self._positions[entry]
        if position < self._next:
            self._decoder, self._next = VideoDecoder(self._kind), 0
        *before, last = self._needed(position, read)
        for message in before:
            with suppress(InputError):  # the decoder refuses what depends on it
                self._decoder.frame(message)
        self._next = position + 1
        return self._decoder.frame(last)

    def _needed(self, position: int, read: Callable[[Entry], Any]) -> list[Any]:
        """Messages up to the position, from the last keyframe, else from the next that the decoder expects."""
        messages = []
        for at in range(position, self._next - 1, -1):
            messages.append(read(self._entries[at]))
            if self._decoder.is_keyframe(messages[-1]):
                break
        return messages[::-1]
