# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The localizer: from a pair to a pose with covariance. The page to read first.

`Localizer._localize` is the method, one line per step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from i2p_ros.alignment.estimate import made_exact
from i2p_ros.alignment.signal import View, view_of
from i2p_ros.core.camera import Camera
from i2p_ros.core.config import Settings
from i2p_ros.core.errors import DeviceMemoryError, InputError, ModelError, NonFiniteError, one_line
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
from i2p_ros.search import ForwardPass, PassResult, PoseSearch

GUESS_STD_M, GUESS_STD_DEG = 1.0, 10.0


class Localizer:
    """Finds the camera in the cloud. Threads may share one: nothing of a pair is kept in it."""

    def __init__(
        self, family: VP2P, runtime: Runtime, settings: Settings, name: str, calibration: Calibration | None = None
    ) -> None:
        self.family, self.runtime, self.settings, self.name = family, runtime, settings, name
        self.calibration = calibration or Calibration()

    def localize(self, image: Image, camera: Camera, cloud: PointCloud, prior: Prior | None = None) -> PoseEstimate:
        """T_camera_lidar of an RGB image (H, W, 3) uint8 in a cloud, with covariance; or a status that says why not."""
        return self.localize_pair(Pair(image, camera, cloud), prior)

    def localize_pair(self, pair: Pair, prior: Prior | None = None, refined: bool = True) -> PoseEstimate:
        """As `localize`. With `refined` false the pose is that of the network alone.

        Input that no pose can come from gives a status, never an exception. Raises DeviceError when the device is lost.
        """
        with recording() as record, stage("pose"):
            try:
                estimate = self._localize(pair, prior, self.settings, refined)
            except NoPoseError as none:
                estimate = PoseEstimate(none.status, str(none))
            except InputError as error:
                estimate = PoseEstimate(Status.BAD_INPUT, str(error))
            except NonFiniteError as error:
                estimate = PoseEstimate(Status.NONFINITE, str(error))
            except DeviceMemoryError as error:
                estimate = PoseEstimate(Status.NOT_PROCESSED, str(error))
        return replace(estimate, seconds=record.seconds)

    def _localize(self, pair: Pair, prior: Prior | None, settings: Settings, refined: bool) -> PoseEstimate:
        """The settings are an argument: a node may replace those of the localizer while a pair is running."""
        scene = self.prepare(pair)
        search = PoseSearch(pair.camera, settings.pnp, self.calibration, prior)
        guesses = self._guesses(scene, search)
        results = self._passes_near(guesses, scene, search)
        best = search.select(results)
        best = self._mirrored_pass(best, results, scene, search)
        estimate = self.refine(scene, best.estimate, settings) if refined else best.estimate
        return search.judge(estimate)

    def prepare(self, pair: Pair) -> Scene:
        """What all forward passes over a pair share. Raises InputError for an image or a cloud that shows nothing."""
        with stage("prepare"):
            return self.family.scene(pair)

    def _guesses(self, scene: Scene, search: PoseSearch) -> list[Pose]:
        """The prior's pose if the network was trained for priors as good, else proposals of a pass over the cloud."""
        if search.prior and _is_near(search.prior):
            return [search.prior.pose]
        return search.propose(self.predict(scene))

    def _passes_near(self, guesses: Sequence[Pose], scene: Scene, search: PoseSearch) -> list[PassResult]:
        """One forward pass near each guess, until one leaves no doubt. Raises InputError when no guess has points in
        view."""
        results, refused = list[PassResult](), list[InputError]()
        for guess in guesses:
            try:
                prediction = self.predict(scene, guess)
            except InputError as error:
                refused.append(error)
                continue
            results.append(search.estimate(ForwardPass(prediction, guess)))
            if search.is_conclusive(results):
                break
        if not results:
            raise refused[0]
        return results

    def _mirrored_pass(
        self, best: PassResult, results: Sequence[PassResult], scene: Scene, search: PoseSearch
    ) -> PassResult:
        """The result of one more pass near the best pose, over the pair and its mirror image; or the best as it is,
        where that pose is at its guess already or the pass finds none."""
        if best.estimate.pose is None or best.is_settled:
            return best
        with suppress(InputError):
            guess = best.estimate.pose
            again = search.estimate(ForwardPass(self.predict(scene, guess, mirror=True), guess))
            if again.estimate.pose:
                return search.against(again, results)
        return best

    def refine(self, scene: Scene, estimate: PoseEstimate, settings: Settings | None = None) -> PoseEstimate:
        """The estimate at the local maximum of the mutual information of image and cloud near its pose.

        Raises NonFiniteError when the predicted signals are NaN, DeviceMemoryError when the device has no room.
        """
        if estimate.pose is None:
            return estimate
        s = settings or self.settings
        with stage("align"):
            return made_exact(estimate, scene.pair, self._view(scene), s.pnp, s.refinement, self.calibration)

    def _view(self, scene: Scene) -> View:
        with device_errors():
            signals = self.runtime.likeness(channels_of(scene.wide))
        if not np.isfinite(signals.sum(dtype=np.float64)):
            raise NonFiniteError("the predicted signals of the image are not finite")
        return view_of(network_camera(scene.camera, scene.wide.shape[1]), signals)

    def predict(self, scene: Scene, guess: Pose | None = None, mirror: bool = False) -> Prediction:
        """The prediction of one forward pass, over the points about the view of a guess of T_camera_lidar where there
        is one. With `mirror`, of the mean of the pass and one over the mirrored inputs, which is more accurate.

        Raises InputError on too few points, NonFiniteError when the network gives NaN, DeviceMemoryError when the
        device has no room for half of the points either.
        """
        with stage("prepare"):
            inputs = self.family.look(scene, guess)
        try:
            return self._predicted(inputs, scene, guess, mirror)
        except DeviceMemoryError:  # points come in random order: half of them are the same cloud, sparser
            fewer = {name: inputs[name][: len(inputs[name]) // 2] for name in ("points", "features")}
            return self._predicted({**inputs, **fewer}, scene, guess, mirror)

    def _predicted(self, inputs: Arrays, scene: Scene, guess: Pose | None, mirror: bool) -> Prediction:
        with device_errors():
            with stage("network"):
                outputs = self.runtime(inputs)
                if mirror:
                    outputs = both_ways(outputs, self.runtime(mirrored(inputs)))
                if not all(bool(t.sum().isfinite()) for t in outputs.values()):  # of unit vectors: none overflows
                    raise NonFiniteError("the output of the network is not finite")
            with stage("match"):
                return self.family.decode(inputs, outputs, scene.pair, guess, self.runtime.both)

    def describe(self) -> str:
        """One line: model, runtime and device."""
        return f"{self.name} with {self.runtime.describe()}"

    def warm_up(self) -> None:
        """Run once on a synthetic pair of noise, so that the first real pair is not slow."""
        noise = _made_up(512, 160)
        self.localize_pair(noise)
        self._view(self.prepare(noise))  # a pair without a pose is not refined


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

    None where `monitor.looks` asks for none. Raises ModelError as `load`.
    """
    if not settings.monitor.looks:
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
