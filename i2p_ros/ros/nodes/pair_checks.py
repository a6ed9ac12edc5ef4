# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks from pair to pair: a changed calibration, a frozen camera, covariances that are too small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from i2p_ros.core.changes import CameraHistory, FrozenImage
from i2p_ros.core.consistency import LiveConsistency
from i2p_ros.core.geometry import from_camera_axes, to_camera_axes
from i2p_ros.core.types import Pair, PoseEstimate, Prior
from i2p_ros.ros.nodes.health import Health


class PairChecks:
    """Reports to the diagnostics, and to the log by `warn`. One thread calls the checks; others may read `values`."""

    def __init__(self, health: Health, warn: Callable[[str], None]) -> None:
        self.values: dict[str, Any] = {}  # for the diagnostics
        self._health, self._warn = health, warn
        self._cameras, self._frozen, self._consistency = CameraHistory(), FrozenImage(), LiveConsistency()
        self._warned: set[str] = set()

    def warn_once(self, topic: str, text: str) -> None:
        """Warn, unless there was a warning on this topic before."""
        if topic not in self._warned:
            self._warned.add(topic)
            self._warn(text)

    def check(self, pair: Pair) -> str:
        """Check a pair against those before it.

        Returns how the calibration of the camera has changed, or "". After a change, earlier poses must not be compared
        with that of this pair.
        """
        if pair.cloud.intensity is None:
            self.warn_once("intensity", "clouds have no intensity: poses are less accurate, see node.intensity_field")
        frozen = self._frozen.update(pair.image)
        text = f"the camera is frozen: {self._frozen.repeats} times the same image" if frozen else ""
        self._health.set_warning("frozen", text)
        changed = self._cameras.update(pair.camera)
        self._note(calib_epoch=self._cameras.epoch)
        return changed

    def compare(self, estimate: PoseEstimate, reference: Prior | None) -> None:
        """Compare an estimate with a reference from another source, by the covariances of both.

        If the reference was the prior of the estimate, the error is underestimated.
        """
        if estimate.pose is None or estimate.covariance is None or reference is None:
            return
        spread = from_camera_axes(estimate.pose, to_camera_axes(reference.pose, reference.covariance))
        self._consistency.add(estimate.pose, estimate.covariance + spread, reference.pose)
        if (ratio := self._consistency.ratio) is not None:
            text = f"covariances are too small: squared errors are {ratio:.1f} times what they state"
            self._health.set_warning("overconfident", text if self._consistency.overconfident else "")
            self._note(covariance_ratio=ratio)

    def _note(self, **values: Any) -> None:
        self.values = self.values | values
