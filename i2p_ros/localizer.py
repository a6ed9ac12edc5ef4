# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a pair to a pose: prepare, run, decode, solve. The page to read first."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from pydantic import ValidationError

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError, ModelError, one_line
from i2p_ros.core.types import Image, Pair, PointCloud, PoseEstimate, Prediction, Prior, Status
from i2p_ros.networks.vp2p import VP2P
from i2p_ros.pnp import Calibration, locate
from i2p_ros.runtime.torch_runtime import Runtime, TorchRuntime
from i2p_ros.runtime.weights import find_model, load_weights


class Localizer:
    """Finds the camera in the cloud."""

    def __init__(
        self, family: VP2P, runtime: Runtime, settings: Settings, name: str, calibration: Calibration | None = None
    ) -> None:
        self.family, self.runtime, self.settings, self.name = family, runtime, settings, name
        self.calibration = calibration or Calibration()

    def localize(self, image: Image, camera: Camera, cloud: PointCloud, prior: Prior | None = None) -> PoseEstimate:
        """T_camera_lidar of an RGB image (H, W, 3) uint8 in a cloud, with covariance; or a status that says why not."""
        return self.localize_pair(Pair(image, camera, cloud), prior)

    def localize_pair(self, pair: Pair, prior: Prior | None = None) -> PoseEstimate:
        """As `localize`. Input that no pose can come from gives a status, never an exception."""
        clock = _Clock()
        try:
            prediction = self.predict(pair, clock)
        except InputError as error:
            return PoseEstimate(Status.BAD_INPUT, str(error), seconds=clock.seconds)
        except FloatingPointError as error:
            return PoseEstimate(Status.NONFINITE, str(error), seconds=clock.seconds)
        estimate = locate(prediction, pair.camera, self.settings.pnp, self.calibration, prior)
        clock.lap("pose")
        return replace(estimate, seconds=clock.seconds)

    def predict(self, pair: Pair, clock: _Clock | None = None) -> Prediction:
        """Matches of a pair. Raises InputError on too few points, FloatingPointError when the network gives NaN."""
        clock = clock or _Clock()
        inputs = self.family.prepare(pair)
        clock.lap("prepare")
        outputs = self.runtime(inputs)
        clock.lap("network")
        if not all(bool(t.isfinite().all()) for t in outputs.values()):
            raise FloatingPointError("the network's answer is not finite")
        prediction = self.family.decode(inputs, outputs, pair)
        clock.lap("match")
        return prediction

    def describe(self) -> str:
        """One line: model, runtime and device."""
        return f"{self.name} with {self.runtime.describe()}"

    def warm_up(self) -> None:
        """Run once on a made-up pair, so that the first real one is not slow."""
        rng = np.random.default_rng(0)
        xyz = rng.uniform([-30, -30, -2], [30, 30, 5], (20000, 3)).astype(np.float32)
        image = rng.integers(0, 255, (160, 512, 3)).astype(np.uint8)
        self.localize(image, Camera(300.0, 300.0, 256.0, 80.0, 512, 160), PointCloud(xyz))


class _Clock:
    """Seconds of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = now - self._last
        self._last = now


def load(model: str | None = None, settings: Settings | None = None) -> Localizer:
    """The localizer of a shipped model's name or of a training folder.

    Raises ModelError when the weights are missing, damaged or of another network.
    """
    settings = settings or Settings()
    name = model or settings.model
    entry, file = find_model(name)
    try:
        family = VP2P(entry.settings, settings.matching)
    except ValidationError as error:
        raise ModelError(f"the manifest of {name} has no usable network settings: {one_line(error)}") from error
    network = family.network()
    load_weights(network, file)
    return Localizer(
        family, TorchRuntime(network, settings.device, settings.threads), settings, name, entry.calibration
    )
