# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Node `localizer`: image, camera_info and points in; pose, tf, overlay, status and diagnostics out."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from i2p_ros.core.config import Settings
from i2p_ros.ros.nodes.input_topics import InputTopics
from i2p_ros.ros.nodes.lifecycle_node import PairLifecycleNode
from i2p_ros.ros.nodes.localizer_channel import LocalizerChannel, PairLocalizer
from i2p_ros.ros.nodes.pair_job import PairJob
from i2p_ros.ros.nodes.services import Services
from i2p_ros.ros.nodes.tf_listener import TfListener


def load_localizer(settings: Settings) -> PairLocalizer:
    """The localizer of the settings, after one run. Raises ModelError."""
    from i2p_ros.localizer import load  # heavy

    localizer = load(settings.model, settings)
    localizer.warm_up()
    return localizer


class LocalizerNode(PairLifecycleNode[LocalizerChannel]):
    """Pairs images with clouds, and answers each pair on ~/status: with a pose, or with the reason why there is none.

    All channels share one localizer, which `load` makes when the node is configured.
    """

    work = "localization"

    def __init__(self, load: Callable[[Settings], PairLocalizer] = load_localizer, **node_arguments: Any) -> None:
        super().__init__("localizer", **node_arguments)
        self._load = load
        self.jobs_at_once = self.settings.branches  # cameras that are localized side by side
        self._localizer: PairLocalizer | None = None
        Services(self, lambda: self._channels, Path(self.settings.node.calibration_dir))
        self.start()

    def load(self) -> None:
        """Load the localizer."""
        self._localizer = self._load(self.settings)

    def unload(self) -> None:
        """Release the localizer."""
        self._localizer = None
        gc.collect()

    def describe(self) -> str:
        """Model, runtime and device in one line."""
        return self._localizer.describe() if self._localizer else ""

    def values(self) -> dict[str, str]:
        """Model, device and runtime, for the diagnostics."""
        return {"model": self.settings.model, "device": self.settings.device, "runtime": self.describe()}

    def needs_tf(self) -> bool:
        """Whether a setting asks for a transform."""
        node = self.settings.node
        asked = self.settings.tracking.prior != "none" or node.base_frame or node.tf_mode == "map_to_odom"
        return bool(asked or node.motion_compensation)

    def channel(
        self,
        camera: str,
        lidar: str,
        tf: TfListener | None,
        put: Callable[[LocalizerChannel, PairJob], PairJob | None],
        topics: InputTopics,
    ) -> LocalizerChannel:
        """A channel of these names, subscribed to the topics."""
        assert self._localizer is not None
        return LocalizerChannel(self, self.settings, camera, lidar, tf, put, self._localizer, topics)
