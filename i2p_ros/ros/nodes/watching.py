# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a channel notices from pair to pair: another calibration, a frozen camera, covariances that are too small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from i2p_ros.core.changes import CameraHistory, FrozenImage
from i2p_ros.core.consistency import LiveConsistency
from i2p_ros.core.geometry import from_camera_axes, to_camera_axes
from i2p_ros.core.types import Pair, PoseEstimate, Prior
from i2p_ros.ros.nodes.health import Health


class Watch:
    """Tells the diagnostics, and people by `say`. Used by one thread; `values` may be read by others."""

    def __init__(self, health: Health, say: Callable[[str], None]) -> None:
        self.values: dict[str, Any] = {}
        self._health, self._say = health, say
        self._cameras, self._frozen, self._consistency = CameraHistory(), FrozenImage(), LiveConsistency()
        self._said: set[str] = set()

    def once(self, about: str, text: str) -> None:
        """Say it, unless that was said before."""
        if about not in self._said:
            self._said.add(about)
            self._say(text)

    def pair(self, pair: Pair) -> str:
        """Look at a pair; what has changed, if poses found before are not to be compared with this one's, or ""."""
        if pair.cloud.intensity is None:
            self.once("intensity", "clouds have no intensity, and models do worse without: see node.intensity_field")
        frozen = self._frozen.update(pair.image)
        text = f"the camera is frozen: {self._frozen.repeats} times the same image" if frozen else ""
        self._health.concern("frozen", text)
        changed = self._cameras.update(pair.camera)
        self._note(calib_epoch=self._cameras.epoch)
        return changed

    def compare(self, estimate: PoseEstimate, known: Prior | None) -> None:
        """Look at a pose beside one from elsewhere, by the covariances of both.

        An estimate that had the other as its prior is nearer to it: what is told of errors is then too little.
        """
        if estimate.pose is None or estimate.covariance is None or known is None:
            return
        spread = from_camera_axes(estimate.pose, to_camera_axes(known.pose, known.covariance))
        self._consistency.add(estimate.pose, estimate.covariance + spread, known.pose)
        if (ratio := self._consistency.ratio) is not None:
            text = f"covariances are too small: squared errors are {ratio:.1f} times what they state"
            self._health.concern("overconfident", text if self._consistency.overconfident else "")
            self._note(covariance_ratio=ratio)

    def _note(self, **values: Any) -> None:
        self.values = self.values | values
