# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A long bad day for the node: valid pairs and faults, drawn by a seed, over DDS into a second process."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from tf2_msgs.msg import TFMessage

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import I2PError, InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.messages import stamp_ns
from i2p_ros.ros import messages
from i2p_ros.ros.replay.process import LocalizerProcess, start_localizer
from i2p_ros.ros.soak.faults import SPOILT, Parts
from i2p_ros.sources.opening import open_source

START = 1_700_000_000 * 10**9  # ns
SAMPLES = 6
SETTLE_S = 0.05  # so that what must come first does
ANSWER_S = 5.0  # longest wait for an answer before the next pair; a burst does not wait
UNHEARD = ("39_zero_stamp", "39_future_stamp", "42_no_image", "42_no_cloud")  # make no pair: nothing answers
LAST_S = 3.0  # for answers and counters that are still under way at the end
MINUTE_S = 60.0
MOST_CRASHES = 10


@dataclass
class Tally:
    """What was sent and what came back. A pair is known by its stamp; its kind is "" if nothing was wrong with it."""

    kinds: dict[int, str] = field(default_factory=dict)  # in the order of sending
    answers: dict[int, dict[str, str]] = field(default_factory=dict)
    posed: set[int] = field(default_factory=set)
    dropped: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, float, int]] = field(default_factory=list)  # s, MB, threads
    crashes: list[str] = field(default_factory=list)
    elapsed: float = 0.0  # s that a node was there

    def report(self) -> dict[str, Any]:
        """The numbers of `i2p soak --json`."""
        valid = [stamp for stamp, kind in self.kinds.items() if not kind]
        reasons = {stamp: self._reason(stamp) for stamp in valid}
        recovered = self._recoveries()
        return {
            "sent": len(self.kinds),
            "valid": len(valid),
            "answered": sum(reason == "" for reason in reasons.values()),
            "busy": sum(reason == "busy" for reason in reasons.values()),
            "refused_though_valid": dict(Counter(r for r in reasons.values() if r not in ("", "busy", "none"))),
            "unanswered": sum(reason == "none" for reason in reasons.values()),
            "faults": dict(sorted(Counter(kind for kind in self.kinds.values() if kind).items())),
            "dropped": dict(sorted(self.dropped.items())),
            "poses": len(self.posed),
            "junk_poses": sum(bool(self.kinds.get(stamp, "unknown stamp")) for stamp in self.posed),
            "recoveries": sum(recovered),
            "slow_recoveries": len(recovered) - sum(recovered),
            "crashes": len(self.crashes),
            "last_words": self.crashes,
            "rss_mb": [[round(t, 1), round(mb, 1)] for t, mb, _ in self.memory],
            "threads": [[round(t, 1), count] for t, _, count in self.memory],
            "rss_growth": self._growth(),
        }

    def _reason(self, stamp: int) -> str:
        """Why a pair has no answer; "none" if it was lost without a word."""
        answer = self.answers.get(stamp)
        return "none" if answer is None else answer.get("reason", "")

    def _growth(self) -> float | None:
        """By how much memory grew from the second minute to the last, in medians: a pair that runs needs more."""
        second = [mb for t, mb, _ in self.memory if MINUTE_S <= t < 2 * MINUTE_S]
        last = [mb for t, mb, _ in self.memory if t >= max(2 * MINUTE_S, self.elapsed - MINUTE_S)]
        return float(np.median(last) / np.median(second) - 1.0) if second and last else None

    def _recoveries(self) -> list[bool]:
        """For each run of faults, whether one of the first two pairs after it was answered; busy ones do not count."""
        found, after = list[bool](), None
        for stamp, kind in self.kinds.items():
            if kind:
                after = 0
            elif after is not None and (reason := self._reason(stamp)) != "busy":
                after += 1
                if reason == "" or after == 2:
                    found.append(reason == "")
                    after = None
        return found


class Injector(Node):
    """Sends pairs and faults, and writes down what it hears."""

    def __init__(self, tally: Tally, context: Context, name: str = "localizer") -> None:
        super().__init__("injector", context=context, use_global_arguments=False)
        self.tally = tally
        self.counters: dict[str, int] = {}
        self._image = self.create_publisher(Image, "image", 10)
        self._info = self.create_publisher(CameraInfo, "camera_info", 10)
        self._points = self.create_publisher(PointCloud2, "points", 10)
        self._clock_topic = self.create_publisher(Clock, "/clock", 10)
        self._tf = self.create_publisher(TFMessage, "/tf", 10)
        self.create_subscription(PoseWithCovarianceStamped, f"/{name}/pose", self._on_pose, 100)
        self.create_subscription(DiagnosticArray, f"/{name}/status", self._on_status, 100)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._spinner = SingleThreadedExecutor(context=context)
        self._spinner.add_node(self)

    @property
    def connected(self) -> bool:
        """Whether both sides have found each other."""
        return bool(self.counters) and all(p.get_subscription_count() for p in (self._image, self._info, self._points))

    def spin(self, seconds: float) -> None:
        """Take what comes, for some time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._spinner.spin_once(timeout_sec=left)

    def tick(self, stamp: int) -> None:
        """Set the clock, and wait until the node has."""
        self._clock_topic.publish(Clock(clock=messages.time_message(stamp)))
        self.spin(SETTLE_S)

    def send(self, parts: Parts, stamp: int, kind: str) -> None:
        """Publish what there is of a pair, and remember it by the stamp that it was meant to have."""
        self.tally.kinds[stamp] = kind
        for name, publisher in (("info", self._info), ("points", self._points), ("image", self._image)):
            if name in parts:
                publisher.publish(parts[name])

    def wait_for(self, stamp: int, seconds: float) -> None:
        """Until a pair has its answer, or the time is over."""
        end = time.monotonic() + seconds
        while stamp not in self.tally.answers and time.monotonic() < end:
            self.spin(SETTLE_S)

    def restart_points(self) -> None:
        """As when a lidar's driver is started again."""
        self.destroy_publisher(self._points)
        self._points = self.create_publisher(PointCloud2, "points", 10)
        end = time.monotonic() + 5.0
        while not self._points.get_subscription_count() and time.monotonic() < end:
            self.spin(SETTLE_S)

    def send_bad_frames(self, stamp: int) -> None:
        """A transform of NaN, a loop and a second parent."""
        broken = messages.transform_stamped(Pose.identity(), messages.header(stamp, "a"), "b")
        broken.transform.rotation.w = float("nan")
        links = (("a", "b"), ("b", "a"), ("c", "b"))
        loop = [messages.transform_stamped(Pose.identity(), messages.header(stamp, p), c) for p, c in links]
        self._tf.publish(TFMessage(transforms=[broken, *loop]))

    def _on_pose(self, message: Any) -> None:
        self.tally.posed.add(stamp_ns(message.header.stamp))

    def _on_status(self, message: Any) -> None:
        values = {value.key: value.value for value in message.status[0].values}
        self.tally.answers[stamp_ns(message.header.stamp)] = values

    def _on_diagnostics(self, message: Any) -> None:
        for value in (value for entry in message.status for value in entry.values):
            if value.key.startswith("dropped."):
                self.counters[value.key.removeprefix("dropped.")] = int(value.value)
        self.counters.setdefault("busy", 0)


class Day:
    """The seeded course of events. Each step is one pair, one spoilt pair, or one mishap."""

    def __init__(self, settings: Settings, seed: int, rate_hz: float, share: float) -> None:
        self._rng = np.random.default_rng(seed)
        self._samples = [open_source("synthetic", settings=settings, seed=seed, n=SAMPLES)[k] for k in range(SAMPLES)]
        self._step_ns, self._share = round(1e9 / rate_hz), share
        self._stamp = START
        self._mishaps: dict[str, Callable[[Injector, LocalizerProcess], None]] = {
            "34_time_back": lambda injector, process: self._jump(injector, -60),
            "36_time_forward": lambda injector, process: self._jump(injector, 3600),
            "37_out_of_order": self._send_old,
            "38_duplicate": self._send_twice,
            "42_silence": self._send_images_alone,
            "43_restart": lambda injector, process: injector.restart_points(),
            "50_burst": self._send_many,
            "51_stall": self._stall,
            "60_bad_frames": lambda injector, process: injector.send_bad_frames(self._stamp),
        }

    def step(self, injector: Injector, process: LocalizerProcess) -> None:
        """One event; at least every second one is a valid pair."""
        self._send(injector)
        if self._rng.uniform() >= 2 * self._share:
            self._send(injector)
            return
        names = [*SPOILT, *self._mishaps]
        name = names[self._rng.integers(len(names))]
        if name in SPOILT:
            self._send(injector, name)
        else:
            injector.tally.kinds[-len(injector.tally.kinds) - 1] = name  # it has no stamp of its own
            self._mishaps[name](injector, process)

    def _send(self, injector: Injector, kind: str = "", pause: bool = True) -> None:
        """The next pair, spoilt or not, and the time until the one after."""
        self._stamp += self._step_ns
        injector.tick(self._stamp)
        parts = self._parts()
        if kind in SPOILT:
            SPOILT[kind](parts)
        injector.send(parts, self._stamp, kind)
        if pause:
            injector.spin(self._step_ns / 1e9 - SETTLE_S)
            injector.wait_for(self._stamp, 0.0 if kind in UNHEARD else ANSWER_S)

    def _parts(self) -> Parts:
        pair = self._samples[self._rng.integers(SAMPLES)].pair
        camera, lidar = messages.header(self._stamp, "camera"), messages.header(self._stamp, "lidar")
        return {
            "info": messages.camera_info(pair.camera, camera),
            "points": messages.cloud_message(pair.cloud, lidar),
            "image": messages.image_message(pair.image, camera),
        }

    def _jump(self, injector: Injector, seconds: int) -> None:
        """No stamp comes twice: whoever jumps back lands between."""
        self._stamp += seconds * 10**9 + int(self._rng.integers(1, 10**6))
        injector.tick(self._stamp)

    def _send_old(self, injector: Injector, process: LocalizerProcess) -> None:
        now, self._stamp = self._stamp, self._stamp - 3 * self._step_ns // 2
        injector.send({"image": self._parts()["image"]}, self._stamp, "37_out_of_order")
        self._stamp = now

    def _send_twice(self, injector: Injector, process: LocalizerProcess) -> None:
        self._send(injector)
        parts = self._parts()
        del parts["info"]
        injector.send(parts, self._stamp, "")

    def _send_images_alone(self, injector: Injector, process: LocalizerProcess) -> None:
        for _ in range(round(1.5e9 / self._step_ns)):
            self._send(injector, "42_no_cloud")

    def _send_many(self, injector: Injector, process: LocalizerProcess) -> None:
        for _ in range(5):
            self._send(injector, pause=False)

    def _stall(self, injector: Injector, process: LocalizerProcess) -> None:
        """The node gets no processor for a second."""
        os.kill(process.popen.pid, signal.SIGSTOP)
        injector.spin(1.0)
        os.kill(process.popen.pid, signal.SIGCONT)


def soak(
    settings: Settings, minutes: float, seed: int, rate_hz: float, share: float, progress: Callable[[float], None]
) -> dict[str, Any]:
    """The numbers of a day of so many minutes, with a share of faults among the events.

    A node that dies is counted and started again. Raises I2PError if it does not come up at all.
    """
    tally, day = Tally(), Day(settings, seed, rate_hz, share)
    while tally.elapsed < 60.0 * minutes and len(tally.crashes) < MOST_CRASHES:
        with start_localizer(settings) as process:
            try:
                _run(tally, day, process, 60.0 * minutes, progress)
            except I2PError as error:
                if process.popen.poll() is None:
                    raise
                tally.crashes.append(str(error))
    return {"minutes": minutes, "seed": seed, "rate_hz": rate_hz, "share": share, **tally.report()}


def _run(tally: Tally, day: Day, process: LocalizerProcess, until: float, progress: Callable[[float], None]) -> None:
    """Events until so many seconds have passed in all, or until the node dies, which raises I2PError."""
    context = Context()
    context.init()
    injector = Injector(tally, context)
    try:
        _connect(injector, process)
        started, before = time.monotonic(), tally.elapsed
        while tally.elapsed < until:
            process.check()
            day.step(injector, process)
            tally.elapsed = before + time.monotonic() - started
            if not tally.memory or tally.elapsed - tally.memory[-1][0] > 1.0:
                tally.memory.append((tally.elapsed, *_size_of(process.popen.pid)))
                progress(tally.elapsed)
        injector.spin(LAST_S)
        process.check()
    finally:
        tally.dropped.update(injector.counters)
        injector.destroy_node()
        context.try_shutdown()


def _connect(injector: Injector, process: LocalizerProcess) -> None:
    end = time.monotonic() + 30.0
    while not injector.connected:
        process.check()
        if time.monotonic() > end:
            raise InputError("the localizer node is not heard", "localizer.missing")
        injector.spin(SETTLE_S)


def _size_of(pid: int) -> tuple[float, int]:
    """Resident memory in MB, and the number of threads."""
    folder = Path(f"/proc/{pid}")
    pages = int((folder / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, sum(1 for _ in (folder / "task").iterdir())
