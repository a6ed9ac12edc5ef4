# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The events of a soak test, drawn by a seed: pairs, pairs with a fault, and faults of time, rate and tf."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import numpy as np

from i2p_ros.core.config import Settings
from i2p_ros.ros import messages
from i2p_ros.ros.replay.process import LocalizerProcess
from i2p_ros.ros.soak.faults import SPOILT, Parts
from i2p_ros.ros.soak.injector import SETTLE_S, Injector
from i2p_ros.sources.opening import open_source

START = 1_700_000_000 * 10**9  # ns
SAMPLES = 6
ANSWER_S = 5.0  # longest wait for an answer before the next pair. A burst does not wait
WITHOUT_ANSWER = ("39_zero_stamp", "39_future_stamp", "42_no_image", "42_no_cloud")  # these make no pair


class Schedule:
    """Steps of one pair, one pair with a fault, or one fault between pairs. At least every second step is a pair."""

    def __init__(self, settings: Settings, seed: int, rate_hz: float, share: float) -> None:
        self._rng = np.random.default_rng(seed)
        self._samples = [open_source("synthetic", settings=settings, seed=seed, n=SAMPLES)[k] for k in range(SAMPLES)]
        self._step_ns, self._share = round(1e9 / rate_hz), share
        self._stamp = START
        self._between: dict[str, Callable[[Injector, LocalizerProcess], None]] = {
            "34_time_back": lambda injector, process: self._jump(injector, -60),
            "36_time_forward": lambda injector, process: self._jump(injector, 3600),
            "37_out_of_order": self._send_old,
            "38_duplicate": self._send_twice,
            "42_silence": self._send_images_alone,
            "43_restart": lambda injector, process: injector.restart_points(),
            "50_burst": self._send_burst,
            "51_stall": self._stall,
            "60_bad_frames": lambda injector, process: injector.send_bad_frames(self._stamp),
        }

    def step(self, injector: Injector, process: LocalizerProcess) -> None:
        """Send a pair, and after it the next event."""
        self._send(injector)
        if self._rng.uniform() >= 2 * self._share:
            self._send(injector)
            return
        names = [*SPOILT, *self._between]
        name = names[self._rng.integers(len(names))]
        if name in SPOILT:
            self._send(injector, name)
        else:
            injector.tally.kinds[-len(injector.tally.kinds) - 1] = name  # it has no stamp of its own
            self._between[name](injector, process)

    def _send(self, injector: Injector, kind: str = "", pause: bool = True) -> None:
        """Send the next pair, spoilt or not, and wait for its answer."""
        self._stamp += self._step_ns
        injector.tick(self._stamp)
        parts = self._parts()
        if kind in SPOILT:
            SPOILT[kind](parts)
        injector.send(parts, self._stamp, kind)
        if pause:
            injector.spin(self._step_ns / 1e9 - SETTLE_S)
            injector.wait_for(self._stamp, 0.0 if kind in WITHOUT_ANSWER else ANSWER_S)

    def _parts(self) -> Parts:
        pair = self._samples[self._rng.integers(SAMPLES)].pair
        camera, lidar = messages.header(self._stamp, "camera"), messages.header(self._stamp, "lidar")
        return {
            "info": messages.camera_info(pair.camera, camera),
            "points": messages.cloud_message(pair.cloud, lidar),
            "image": messages.image_message(pair.image, camera),
        }

    def _jump(self, injector: Injector, seconds: int) -> None:
        """Jump in time. A random part below 1 ms keeps every stamp unique."""
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

    def _send_burst(self, injector: Injector, process: LocalizerProcess) -> None:
        for _ in range(5):
            self._send(injector, pause=False)

    def _stall(self, injector: Injector, process: LocalizerProcess) -> None:
        """Stop the process of the node for a second."""
        os.kill(process.popen.pid, signal.SIGSTOP)
        injector.spin(1.0)
        os.kill(process.popen.pid, signal.SIGCONT)
