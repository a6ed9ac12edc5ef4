# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Play a source into a localizer over topics, and collect its answers.

with start_localizer(settings) as process:
    rows = replay(source, settings.replay, check=process.check)
print(summary(rows))
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path

from rclpy.context import Context

from i2p_ros.core.config import ReplaySettings, Settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.source import Source
from i2p_ros.ros.replay.player import Matches, Player, Prepared, not_found, prepare
from i2p_ros.ros.replay.process import start_localizer
from i2p_ros.ros.replay.rows import Row, summary
from i2p_ros.sources.opening import open_source, recognised

__all__ = ["Row", "open_recording", "play", "replay", "start_localizer", "summary"]

STEP_S = 0.02  # between two checks of a condition, and between two messages on /clock
LONGEST_GAP_NS = 1_000_000_000  # longer gaps in a recording, as between two drives, are shortened to this
STANDARD_GAP_NS = 100_000_000  # between pairs whose stamps do not increase
LATE_S = 0.3  # longest wait for answers to older pairs after that to the newest


def open_recording(settings: Settings) -> Source:
    """The recording at settings.replay.data, or a synthetic drive if that is empty.

    Raises InputError if the recording is missing or cannot be read.
    """
    options, limit = settings.replay, settings.replay.limit or None
    if not options.data:
        drive = settings.synthetic.model_copy(update={"drive": True})
        settings = settings.model_copy(update={"synthetic": drive})
        return open_source("synthetic", settings=settings, seed=options.seed, n=limit)
    kind = recognised(Path(options.data))
    cameras = kind.cameras([options.camera] if options.camera else [])
    drives = [options.drive] if options.drive else None
    return open_source(kind.name, options.data, settings=settings, n=limit, cameras=cameras, drives=drives)


def replay(
    source: Source,
    options: ReplaySettings,
    on_row: Callable[[Row], None] = lambda row: None,
    check: Callable[[], None] = lambda: None,
    on_lost: Callable[[InputError], None] = lambda error: None,
    matches: dict[int, Matches] | None = None,
) -> list[Row]:
    """One row for each pair, in the order of the source. The localizer runs in another process or thread.

    `on_row` is called with each row when its pair is answered or given up. `check` is called a few times a second and
    may raise. A sample that cannot be read is left out, and `on_lost` is called with its error. The matches that the
    localizer publishes are added to `matches`, by the stamp of their row: at most `node.overlay_hz` a second. Raises
    InputError if no localizer is found within options.timeout_s.
    """
    context = Context()
    context.init()
    player = Player(options, context=context)
    if matches is not None:
        player.collect_matches(matches)
    try:
        return play(player, source, on_row, check, on_lost)
    finally:
        player.destroy_node()
        context.try_shutdown()


def play(
    player: Player,
    source: Source,
    on_row: Callable[[Row], None],
    check: Callable[[], None] = lambda: None,
    on_lost: Callable[[InputError], None] = lambda error: None,
) -> list[Row]:
    """As `replay`, with an existing node."""
    options, player.on_row = player.options, on_row
    if not _wait(player, lambda: player.connected, options.timeout_s, check):
        raise not_found(player)
    with ThreadPoolExecutor(1) as reader:
        for _ in count() if options.loop else range(1):
            _play_once(player, source, reader, check, on_lost)
            _wait(player, lambda: not player.waiting, options.timeout_s, check)
            player.spin(LATE_S)
            player.give_up()
    return player.rows


def _play_once(
    player: Player,
    source: Source,
    reader: ThreadPoolExecutor,
    check: Callable[[], None],
    on_lost: Callable[[InputError], None],
) -> None:
    """Send each sample at its time, or with rate 0 when the one before is answered."""
    options, pace = player.options, Pace(player.options.rate)
    size = min(len(source), options.limit or len(source))

    def read(index: int) -> Prepared:
        return prepare(index, source[index], options)

    ahead: Future[Prepared] = reader.submit(read, 0)
    for index in range(size):
        check()
        while not ahead.done():
            player.spin(0.005)
        done = ahead
        if index + 1 < size:
            ahead = reader.submit(read, index + 1)
        try:
            prepared = done.result()
        except InputError as error:
            on_lost(error)
            continue
        stamp = pace.stamp(prepared.stamp)
        while (early := pace.seconds_until(stamp)) > 0:
            player.tick(stamp - round(early * options.rate * 1e9))
            player.spin(min(early, STEP_S))
        player.send(prepared, stamp)
        if not options.rate and not _wait(player, lambda: not player.waiting, options.timeout_s, check):
            player.give_up()


class Pace:
    """Increasing stamps, and the time at which each is due."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._recorded: int | None = None
        self._last = 0
        self._origin: tuple[float, int] | None = None  # time.monotonic() (s) at a stamp (ns)

    def stamp(self, recorded: int) -> int:
        """Stamp (ns) of a played sample: the recorded one, with gaps that are positive and at most a second."""
        if self._recorded is None:
            self._last = recorded or STANDARD_GAP_NS  # a stamp of zero would count as not set
        else:
            gap = recorded - self._recorded
            self._last += min(gap, LONGEST_GAP_NS) if gap > 0 else STANDARD_GAP_NS
        self._recorded = recorded
        return self._last

    def seconds_until(self, stamp: int) -> float:
        """Time until a stamp is due, s, or 0 if it is late. A large delay shifts all later stamps, without a burst."""
        if not self.rate:
            return 0.0
        now = time.monotonic()
        start, first = self._origin or (now, stamp)
        early = start + (stamp - first) / 1e9 / self.rate - now
        self._origin = (start, first) if early > -LATE_S else (now, stamp)
        return max(early, 0.0)


def _wait(player: Player, done: Callable[[], bool], timeout_s: float, check: Callable[[], None]) -> bool:
    """Spin until a condition is true. Returns false if the time is over."""
    end = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > end:
            return False
        check()
        player.spin(STEP_S)
    return True
