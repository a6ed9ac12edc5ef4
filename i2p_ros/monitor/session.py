# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The monitor of one camera and one lidar: pairs in, a verdict after each window out. The same live and offline."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from i2p_ros.alignment.pair_signals import PairSignals
from i2p_ros.alignment.window import Drift, refine_window
from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.thumbnails import image_change, thumbnail
from i2p_ros.core.types import Pair
from i2p_ros.monitor.history import Epoch, History, MonitoredRig
from i2p_ros.monitor.sequential_test import DAY, Motion, SequentialTest
from i2p_ros.monitor.verdict import Verdict

SAME_NOMINAL = 1e-6  # m and rad: calibrations that differ by less are the same
NetworkPose = Callable[[Pair, Pose], Pose | None]  # a network's T_camera_lidar of a pair near a nominal one, or none


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """The drift estimate of one window, and the verdict after it."""

    drift: Drift
    verdict: Verdict


class Monitor:
    """Estimates the drift from `nominal`, T_camera_lidar, or from the state that was accepted since.

    With a history, the monitor continues where the last one of this rig ended, if that had the same nominal
    calibration. It records each finding. A finding that cannot be recorded waits in `unrecorded` and is recorded with
    the next one. `history_error` says why, and is empty otherwise. With `network_pose`, the search for a drift also
    starts from the poses that a network gives for some pairs of each window.
    """

    def __init__(
        self,
        nominal: Pose,
        rig: MonitoredRig,
        settings: Settings,
        history: History | None = None,
        network_pose: NetworkPose | None = None,
    ) -> None:
        self.nominal, self.rig, self.settings, self.history = nominal, rig, settings, history
        self.network_pose = network_pose
        self.test = SequentialTest(settings.watch, settings.monitor.window / settings.monitor.rate_hz)
        self.history_error = ""
        self.unrecorded: list[tuple[MonitoredRig, Finding]] = []
        self._must_reset = False
        self._frames: list[PairSignals] = []  # of this window
        self._fastest = Motion()  # of this window
        self._network_drifts: list[Array] = []  # of this window
        self._due = 0  # ns, of the next pair
        self._last = 0  # ns, of the last pair
        self._thumbnail: Array | None = None  # of the last pair
        self._start_drifts: list[Array] = []  # where the next search starts
        if history is not None:
            self._resume(history)

    def add(self, pair: Pair, motion: Motion | None = None) -> Finding | None:
        """The finding, if this pair completes a window.

        Pairs beyond the rate are left out, and pairs whose image is nearly that of the pair before.
        """
        if self._must_reset or pair.stamp < self._last:
            self.reset()
        if not self.wants(pair.stamp) or self._is_repeated(pair):
            return None
        frame = PairSignals.of(pair, self.nominal, self.settings.refinement)
        if self._frames and len(frame.pyramid.levels) != len(self._frames[0].pyramid.levels):
            self._clear_window()  # the image size has changed: images of a window are compared at the same scales
        self._localize_by_network(pair)
        self._frames.append(frame)
        self._take_note(pair.stamp, motion or Motion())
        return self._found() if len(self._frames) >= self.settings.monitor.window else None

    def wants(self, stamp: int) -> bool:
        """Whether a pair of this stamp (ns) is due. A stamp before the last one is: time has jumped back.

        May be called from another thread than `add`, which may then be changing the stamps. `add` checks again.
        """
        return self._must_reset or stamp >= self._due or stamp < self._last

    def reset_before_next(self) -> None:
        """Reset before the next pair. May be called from another thread than `add`."""
        self._must_reset = True

    def has_nominal(self, nominal: Pose) -> bool:
        """Whether this is the nominal calibration of the monitor."""
        return bool(np.abs(self.nominal.local(nominal)).max() <= SAME_NOMINAL)

    def finish(self) -> Finding | None:
        """The finding of the last, incomplete window of a recording, if it has enough pairs."""
        enough = len(self._frames) >= self.settings.monitor.least_pairs
        return self._found() if enough else None

    def verdict(self, now: int) -> Verdict:
        """The verdict at the time `now`, ns."""
        return self.test.verdict(now)

    def estimated(self, verdict: Verdict) -> Pose | None:
        """T_camera_lidar with the drift of a verdict, or none where the drift is unknown."""
        return self.nominal.retract(verdict.drift) if np.isfinite(verdict.drift).all() else None

    def accept(self) -> None:
        """Count drift from the present state. Raises InputError where there is none, or it cannot be recorded."""
        reference = self.test.present()
        if self.history is not None:
            self.rig = self.history.begin(self.rig, Epoch(self.nominal, reference), self.test.kept[-1].stamp)
        self.test.reference = reference
        self.test.forget()

    def reset(self) -> None:
        """Remove all estimates. The nominal calibration and the accepted state stay."""
        self._must_reset = False  # first: another thread may request the next reset meanwhile
        self.test.forget()
        self._clear_window()
        self._due, self._last = 0, 0
        self._start_drifts, self._thumbnail = [], None

    def _take_note(self, stamp: int, motion: Motion) -> None:
        """Remember when the next pair is due, and the fastest motion of the window."""
        step = round(1e9 / self.settings.monitor.rate_hz)
        self._due = stamp + step - min(step // 4, 10**8)  # stamps jitter
        self._last = stamp
        self._fastest = Motion(
            max(self._fastest.speed, abs(motion.speed)), max(self._fastest.turn_deg_s, abs(motion.turn_deg_s))
        )

    def _found(self) -> Finding:
        """Estimate the drift of the window and judge it."""
        starts = self._start_drifts
        if self._network_drifts:
            starts = [*starts, np.median(self._network_drifts, axis=0)]
        drift = refine_window(self._frames, self.settings.refinement, self._last, starts)
        motion = self._fastest
        self._clear_window()
        self._start_drifts = [drift.delta]
        finding = Finding(drift, self.test.update(drift, motion))
        if self.history is not None:
            self.unrecorded.append((self.rig, finding))
            self._record(self.history)
        return finding

    def _record(self, history: History) -> None:
        try:
            while self.unrecorded:
                rig, finding = self.unrecorded[0]
                history.record(rig, finding.drift, finding.verdict)
                self.unrecorded.pop(0)
            self.history_error = ""
        except InputError as error:
            self.history_error = f"{error}; {len(self.unrecorded)} findings wait to be recorded"

    def _clear_window(self) -> None:
        self._frames, self._network_drifts, self._fastest = [], [], Motion()

    def _localize_by_network(self, pair: Pair) -> None:
        """Localize the pair by the network, if it is one of the evenly spaced pairs of a window that are."""
        window, count = self.settings.monitor.window, self.settings.monitor.network_pairs
        if self.network_pose and len(self._frames) in {k * window // count for k in range(count)}:
            pose = self.network_pose(pair, self.nominal)
            self._network_drifts += [] if pose is None else [self.nominal.local(pose)]

    def _is_repeated(self, pair: Pair) -> bool:
        """Whether the image is nearly that of the pair before. Pairs of a vehicle at rest add no information."""
        grey, before = thumbnail(pair.image), self._thumbnail
        if before is not None and image_change(before, grey) < self.settings.monitor.min_change:
            return True
        self._thumbnail = grey
        return False

    def _resume(self, history: History) -> None:
        """Continue from the records of this rig, or begin a new epoch."""
        latest = history.latest(self.rig)
        if latest is None or not self.has_nominal(latest[1].nominal):
            self.rig = history.begin(self.rig, Epoch(self.nominal), 0)
            return
        self.rig, self.test.reference = latest[0], latest[1].reference
        drifts, baseline, onset = history.newest(self.rig, self.settings.watch.memory)
        self.test.resume(drifts, baseline, onset)
        if drifts:
            self._last = drifts[-1].stamp  # a pair before this stamp means that the clock was set back meanwhile
            newest = min(self._last, time.time_ns())  # one stamp from the future must not make all others old
            history.forget(self.rig, newest - round(self.settings.monitor.retention_days * DAY * 1e9))
