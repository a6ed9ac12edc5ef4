# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One camera and lidar under watch: pairs in, and with each window of them a verdict out. The same live and offline."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from i2p_ros.alignment.signal import Frame, observed
from i2p_ros.alignment.window import Drift, refine
from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Pair
from i2p_ros.monitor.history import Epoch, History, Rig
from i2p_ros.monitor.watch import DAY, Motion, Verdict, Watch

THUMBNAIL = (160, 48)  # px: what images are compared at
SAME_NOMINAL = 1e-6  # m and rad: nearer calibrations are one
LEAST = 0.4  # of a window: the last one may be shorter
Look = Callable[[Pair, Pose], Pose | None]  # T_camera_lidar near a nominal one, as a network sees it, or none


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """What a window gave."""

    drift: Drift
    verdict: Verdict


class Monitor:
    """Counts drift from `nominal`, T_camera_lidar, or from what was accepted since.

    With a history it goes on where the last one of this rig ended, if that had the same nominal calibration, and
    records what it finds. What cannot be recorded is kept, and goes with the next: `trouble` says why meanwhile.
    With `look` the search for a drift starts where a network sees the camera, too.
    """

    def __init__(
        self, nominal: Pose, rig: Rig, settings: Settings, history: History | None = None, look: Look | None = None
    ) -> None:
        self.nominal, self.rig, self.settings, self.history, self.look = nominal, rig, settings, history, look
        self.watch = Watch(settings.watch, settings.monitor.window / settings.monitor.rate_hz)
        self.trouble = ""
        self.waiting: list[tuple[Rig, Finding]] = []  # to be recorded
        self._anew = False
        self._frames: list[Frame] = []
        self._fastest = Motion()
        self._due = 0  # ns
        self._last = 0  # ns
        self._seen: Array | None = None
        self._known: list[Array] = []
        self._looked: list[Array] = []  # drifts by the network, of this window
        if history is not None:
            self._resume(history)

    def add(self, pair: Pair, motion: Motion | None = None) -> Finding | None:
        """What was found, if this pair completes a window. Pairs beyond the rate or of the same sight are left out."""
        if self._anew or pair.stamp < self._last:
            self.reset()
        if not self.wants(pair.stamp) or self._shown_before(pair):
            return None
        frame = observed(pair, self.nominal, self.settings.refinement)
        if self._frames and len(frame.view.levels) != len(self._frames[0].view.levels):
            self._clear()  # the camera has changed its size: images of a window are compared at the same scales
        self._look_at(pair)
        self._frames.append(frame)
        step = round(1e9 / self.settings.monitor.rate_hz)
        self._due = pair.stamp + step - min(step // 4, 10**8)  # stamps jitter
        self._last = pair.stamp
        motion = motion or Motion()
        self._fastest = Motion(
            max(self._fastest.speed, abs(motion.speed)), max(self._fastest.turn_deg_s, abs(motion.turn_deg_s))
        )
        return self._found() if len(self._frames) >= self.settings.monitor.window else None

    def wants(self, stamp: int) -> bool:
        """Whether a pair of this stamp (ns) would be looked at; one from before the last too, for time has jumped."""
        return self._anew or stamp >= self._due or stamp < self._last

    def begin_anew(self) -> None:
        """Reset before the next pair; for another thread than that of `add`."""
        self._anew = True

    def is_from(self, nominal: Pose) -> bool:
        """Whether this is the nominal calibration that drift is counted from."""
        return bool(np.abs(self.nominal.local(nominal)).max() <= SAME_NOMINAL)

    def finish(self) -> Finding | None:
        """What the pairs that wait say, if they are enough; for the end of a recording."""
        enough = len(self._frames) >= max(1, LEAST * self.settings.monitor.window)
        return self._found() if enough else None

    def verdict(self, now: int) -> Verdict:
        """What to think at the time `now` (ns)."""
        return self.watch.verdict(now)

    def estimated(self, verdict: Verdict) -> Pose | None:
        """T_camera_lidar with the drift of a verdict; none where nothing is known."""
        return self.nominal.retract(verdict.drift) if np.isfinite(verdict.drift).all() else None

    def accept(self) -> None:
        """Count drift from the present state; raises InputError where there is none, or it cannot be recorded."""
        reference = self.watch.present()
        if self.history is not None:
            self.rig = self.history.begin(self.rig, Epoch(self.nominal, reference), self.watch.kept[-1].stamp)
        self.watch.reference = reference
        self.watch.forget()

    def reset(self) -> None:
        """Forget all estimates; what drift is counted from stays."""
        self.watch.forget()
        self._clear()
        self._due, self._last, self._anew = 0, 0, False
        self._known, self._seen = [], None

    def _found(self) -> Finding:
        known = [*self._known, np.median(self._looked, axis=0)] if self._looked else self._known
        drift = refine(self._frames, self.nominal, self.settings.refinement, self._last, known)
        motion = self._fastest
        self._clear()
        self._known = [drift.delta]
        finding = Finding(drift, self.watch.update(drift, motion))
        if self.history is not None:
            self.waiting.append((self.rig, finding))
            self._record(self.history)
        return finding

    def _record(self, history: History) -> None:
        try:
            while self.waiting:
                rig, finding = self.waiting[0]
                history.record(rig, finding.drift, finding.verdict)
                self.waiting.pop(0)
            self.trouble = ""
        except InputError as error:
            self.trouble = f"{error}; {len(self.waiting)} findings wait to be recorded"

    def _clear(self) -> None:
        self._frames, self._looked, self._fastest = [], [], Motion()

    def _look_at(self, pair: Pair) -> None:
        """Have the network look at some pairs of a window, evenly."""
        window, looks = self.settings.monitor.window, self.settings.monitor.network_pairs
        if self.look and len(self._frames) in {k * window // looks for k in range(looks)}:
            pose = self.look(pair, self.nominal)
            self._looked += [] if pose is None else [self.nominal.local(pose)]

    def _shown_before(self, pair: Pair) -> bool:
        """Whether the image is much like the one before: standing still, many pairs say no more than one."""
        small = cv2.resize(cv2.cvtColor(pair.image, cv2.COLOR_RGB2GRAY), THUMBNAIL, interpolation=cv2.INTER_AREA)
        grey = small.astype(np.float64)
        if self._seen is not None and np.abs(grey - self._seen).mean() < self.settings.monitor.min_change:
            return True
        self._seen = grey
        return False

    def _resume(self, history: History) -> None:
        known = history.latest(self.rig)
        if known is None or not self.is_from(known[1].nominal):
            self.rig = history.begin(self.rig, Epoch(self.nominal), 0)
            return
        self.rig, self.watch.reference = known[0], known[1].reference
        drifts, baseline, onset = history.newest(self.rig, self.settings.watch.memory)
        self.watch.resume(drifts, baseline, onset)
        if drifts:
            self._last = drifts[-1].stamp  # a pair from before that: time has been set back meanwhile
            newest = min(self._last, time.time_ns())  # one stamp from the future must not make all others old
            history.forget(self.rig, newest - round(self.settings.monitor.retention_days * DAY * 1e9))
