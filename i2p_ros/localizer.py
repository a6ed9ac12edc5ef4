# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a pair to a pose: prepare, run, decode, solve; again, near the poses found; then the pose is made exact.

The page to read first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from i2p_ros.alignment.estimate import made_exact
from i2p_ros.alignment.signal import View, view_of
from i2p_ros.core.camera import Camera
from i2p_ros.core.config import Settings
from i2p_ros.core.errors import DeviceMemoryError, InputError, ModelError, one_line
from i2p_ros.core.geometry import Pose, from_camera_axes, to_camera_axes
from i2p_ros.core.stages import recording, stage
from i2p_ros.core.types import Image, Pair, PointCloud, PoseEstimate, Prediction, Prior, Status
from i2p_ros.networks.folding import folded
from i2p_ros.networks.likeness import channels_of
from i2p_ros.networks.vp2p import VP2P, Scene, VP2PNetwork, both_ways, mirrored, network_camera
from i2p_ros.pnp import Calibration, NoPoseError
from i2p_ros.runtime.choosing import runtime_for
from i2p_ros.runtime.export import build_engines, write_onnx
from i2p_ros.runtime.torch_runtime import Arrays, Runtime, device_errors
from i2p_ros.runtime.weights import ModelEntry, find_model, load_weights
from i2p_ros.search import Look, best_of, propose

GUESS_STD_M, GUESS_STD_DEG = 1.0, 10.0


class Localizer:
    """Finds the camera in the cloud."""

    def __init__(
        self, family: VP2P, runtime: Runtime, settings: Settings, name: str, calibration: Calibration | None = None
    ) -> None:
        self.family, self.runtime, self.settings, self.name = family, runtime, settings, name
        self.calibration = calibration or Calibration()
        self._last: tuple[Pair, Scene] | None = None

    def localize(self, image: Image, camera: Camera, cloud: PointCloud, prior: Prior | None = None) -> PoseEstimate:
        """T_camera_lidar of an RGB image (H, W, 3) uint8 in a cloud, with covariance; or a status that says why not."""
        return self.localize_pair(Pair(image, camera, cloud), prior)

    def localize_pair(self, pair: Pair, prior: Prior | None = None) -> PoseEstimate:
        """As `localize`. Input that no pose can come from gives a status, never an exception.

        Raises DeviceError when the device is lost.
        """
        with recording() as record, stage("pose"):
            estimate = self._answer(pair, prior, lambda found: self.made_exact(pair, found))
        return replace(estimate, seconds={name: work.seconds for name, work in record.stages.items()})

    def made_exact(self, pair: Pair, estimate: PoseEstimate) -> PoseEstimate:
        """The estimate after the pair itself has had the last word. Raises FloatingPointError when the network's view
        is NaN, DeviceMemoryError when the device has no room for it."""
        s = self.settings
        with stage("align"):
            return made_exact(estimate, pair, self._view(pair), s.pnp, s.refinement, self.calibration)

    def _view(self, pair: Pair) -> View:
        """The image of a pair as a lidar would see it; raises as `made_exact`."""
        wide = self._scene(pair).wide
        with device_errors():
            signals = self.runtime.likeness(channels_of(wide))
        if not np.isfinite(signals.sum(dtype=np.float64)):
            raise FloatingPointError("the network's view of the image is not finite")
        return view_of(network_camera(pair.camera, wide.shape[1]), signals)

    def located(self, pair: Pair, prior: Prior | None = None) -> PoseEstimate:
        """As `localize_pair`, not made exact: what the network alone says."""
        return self._answer(pair, prior)

    def _answer(
        self, pair: Pair, prior: Prior | None, exact: Callable[[PoseEstimate], PoseEstimate] | None = None
    ) -> PoseEstimate:
        try:
            guesses = [prior.pose] if prior and _is_near(prior) else self._guesses(pair, prior)
            looks = self._looks(pair, guesses)

            def closer(pose: Pose) -> Look:
                return Look(self.predict(pair, pose, in_mirror=True), pose)

            return best_of(looks, pair.camera, self.settings.pnp, self.calibration, prior, closer, exact)
        except InputError as error:
            return PoseEstimate(Status.BAD_INPUT, str(error))
        except FloatingPointError as error:
            return PoseEstimate(Status.NONFINITE, str(error))
        except NoPoseError as none:
            return PoseEstimate(none.status, str(none))
        except DeviceMemoryError as error:
            return PoseEstimate(Status.NOT_PROCESSED, str(error))

    def _guesses(self, pair: Pair, prior: Prior | None) -> list[Pose]:
        """Poses from the whole cloud."""
        return propose(self.predict(pair), pair.camera, self.settings.pnp, prior=prior)

    def _looks(self, pair: Pair, guesses: list[Pose]) -> Iterator[Look]:
        """One near each guess that sees some of the cloud; raises InputError when none does."""
        refused, any_sees = list[InputError](), False
        for guess in guesses:
            try:
                look = Look(self.predict(pair, guess), guess)
            except InputError as error:
                refused.append(error)
                continue
            any_sees = True
            yield look
        if not any_sees:
            raise refused[0]

    def predict(self, pair: Pair, guess: Pose | None = None, in_mirror: bool = False) -> Prediction:
        """Matches of a pair, of the points about the view of a guess of T_camera_lidar where there is one; if wanted,
        of what the network says of the pair and of its mirror image together, which is more exact.

        Raises InputError on too few points, FloatingPointError when the network gives NaN, DeviceMemoryError when the
        device has no room for half of the points either.
        """
        with stage("prepare"):
            inputs = self.family.look(self._scene(pair), guess)
        try:
            return self._predicted(inputs, pair, guess, in_mirror)
        except DeviceMemoryError:  # points come in random order: half of them are the same cloud, thinner
            fewer = {name: inputs[name][: len(inputs[name]) // 2] for name in ("points", "features")}
            return self._predicted({**inputs, **fewer}, pair, guess, in_mirror)

    def _scene(self, pair: Pair) -> Scene:
        """Made once for all looks at a pair, so that the runtime sees the image once."""
        if self._last is None or self._last[0] is not pair:
            self._last = pair, self.family.scene(pair)
        return self._last[1]

    def _predicted(self, inputs: Arrays, pair: Pair, guess: Pose | None, in_mirror: bool) -> Prediction:
        with device_errors():
            with stage("network"):
                outputs = self.runtime(inputs)
                if in_mirror:
                    outputs = both_ways(outputs, self.runtime(mirrored(inputs)))
                if not all(bool(t.sum().isfinite()) for t in outputs.values()):  # of unit vectors: none overflows
                    raise FloatingPointError("the network's answer is not finite")
            with stage("match"):
                return self.family.decode(inputs, outputs, pair, guess, self.runtime.both)

    def describe(self) -> str:
        """One line: model, runtime and device."""
        return f"{self.name} with {self.runtime.describe()}"

    def warm_up(self) -> None:
        """Run once on a made-up pair, so that the first real one is not slow."""
        noise = _made_up(512, 160)
        self.localize_pair(noise)
        self._view(noise)  # which a pair without a pose does not need


def _made_up(width: int, height: int) -> Pair:
    """A pair of noise."""
    rng = np.random.default_rng(0)
    xyz = rng.uniform([-30, -30, -2], [30, 30, 5], (20000, 3)).astype(np.float32)
    image = rng.integers(0, 255, (height, width, 3)).astype(np.uint8)
    camera = Camera(0.6 * width, 0.6 * width, width / 2, height / 2, width, height)
    return Pair(image, camera, PointCloud(xyz))


def _is_near(prior: Prior) -> bool:
    """Whether a prior is as good as those that networks are trained with: they find the camera near its pose."""
    at_camera = to_camera_axes(prior.pose, prior.covariance)
    most_m, most_rad = (np.linalg.eigvalsh(block).max() ** 0.5 for block in (at_camera[:3, :3], at_camera[3:, 3:]))
    return bool(most_m <= GUESS_STD_M and most_rad <= np.radians(GUESS_STD_DEG))


def load(model: str | None = None, settings: Settings | None = None) -> Localizer:
    """The localizer of a shipped model's name or of a training folder.

    Raises ModelError when the weights are missing, damaged or of another network.
    """
    settings = settings or Settings()
    name = model or settings.model
    family, network, entry = _trained(name, settings)
    runtime = runtime_for(network, family.settings, settings, entry.sha256)
    return Localizer(family, runtime, settings, name, entry.calibration)


def looker(settings: Settings) -> Callable[[Pair, Pose], Pose | None] | None:
    """T_camera_lidar near a nominal one, as the setting `model` sees it in a pair, sure or not; for monitor.Monitor.

    None where `monitor.network_pairs` asks for none. Raises ModelError as `load`.
    """
    if not settings.monitor.network_pairs:
        return None
    sure_or_not = settings.pnp.model_copy(update={"min_confidence": 0.0, "max_rival": 1.0})
    localizer = load(settings=settings.model_copy(update={"pnp": sure_or_not}))
    at_camera = np.diag(np.repeat([0.99 * GUESS_STD_M, np.radians(0.99 * GUESS_STD_DEG)], 3) ** 2)

    def look(pair: Pair, nominal: Pose) -> Pose | None:
        return localizer.localize_pair(pair, Prior(nominal, from_camera_axes(nominal, at_camera))).pose

    return look


def export(
    model: str, onnx: Path | None, width: int, height: int, settings: Settings | None = None
) -> tuple[list[Path], str]:
    """The ONNX files of a model's dense parts, written to a folder if there is one, and what the runtime says after it
    has built what it builds for images of this size."""
    settings = settings or Settings()
    family, network, entry = _trained(model, settings)
    inputs = family.prepare(_made_up(width, height))
    written = write_onnx(folded(network), inputs, onnx) if onnx else {}
    runtime = runtime_for(network, family.settings, settings, entry.sha256)
    return [*written.values()], build_engines(runtime, inputs)


def _trained(name: str, settings: Settings) -> tuple[VP2P, VP2PNetwork, ModelEntry]:
    entry, file = find_model(name)
    try:
        family = VP2P(entry.settings, settings.matching)
    except ValidationError as error:
        raise ModelError(f"the manifest of {name} has no usable network settings: {one_line(error)}") from error
    network = family.network()
    load_weights(network, file)
    return family, network, entry
