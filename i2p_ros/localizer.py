# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The localizer: from a pair to a pose with covariance. The page to read first.

`Localizer._localize` is the method, one line per step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import ValidationError

from i2p_ros.alignment.around import poses_around, poses_near
from i2p_ros.alignment.estimate import refine_estimate
from i2p_ros.alignment.pair import refine_pair
from i2p_ros.alignment.pyramid import ImagePyramid, plain_pyramid, predicted_pyramid
from i2p_ros.core.both import Lazy
from i2p_ros.core.camera import Camera
from i2p_ros.core.config import RefinementSettings, Settings
from i2p_ros.core.errors import DeviceMemoryError, InputError, ModelError, NonFiniteError, one_line
from i2p_ros.core.geometry import Pose, to_camera_axes
from i2p_ros.core.noise import noise_pair
from i2p_ros.core.place import LidarPlace
from i2p_ros.core.progress import Localized, unheard
from i2p_ros.core.stages import recording, stage
from i2p_ros.core.types import Image, Pair, PointCloud, PoseEstimate, Prediction, Prior, Status
from i2p_ros.families import family_class
from i2p_ros.families.base import Family, PriorRange
from i2p_ros.families.surroundings import lidar_place
from i2p_ros.networks.base import Arrays, FamilyNetwork, Tensors
from i2p_ros.networks.folding import folded
from i2p_ros.pnp import Calibration, NoPoseError
from i2p_ros.runtime.choosing import runtime_for
from i2p_ros.runtime.export import build_engines, write_onnx
from i2p_ros.runtime.manifest import ModelEntry, find_model
from i2p_ros.runtime.torch_runtime import Passes, Runtime, device_errors
from i2p_ros.runtime.weights import load_weights
from i2p_ros.search import PassResult, PoseSearch

A = TypeVar("A")
WARM_UP_SPREAD = 1e-4 * np.eye(6)  # m, rad
TRACKED = PriorRange(0.3, 3.0)  # the pose of one pass near so good a prior is as accurate as that of more passes
NEAR_PRIOR = 3.0  # times the range of trained priors: within it the signals search near a prior
NATS_PER_LOG = 15.0  # so much mutual information counts as 1 of the log likelihood of descriptors
LEAST_LOG_PLACE = -6.5  # of a prior's pose, by the place of the lidar: 3.3 m by the default of pnp.lidar_std_m
MOST_BEHIND = 15.0  # of this log likelihood, between the best result and another one that is refined too
TRACKED_EFFORT = 0.5  # fewer points and drifts are as good there


@dataclass(frozen=True)
class PreparedPair:
    """The scene of a pair and the forward passes over it. It belongs to one call.

    `signals` (C, H, W) are predicted from the image by the network: beside the first search if the pose `is_refined`
    later. It `is_tracked` if there is a prior as good as that of a tracked camera. The lidar stood at a `place`, if the
    cloud is its full turn and the camera is not tracked.
    """

    scene: Any  # of the family
    passes: Passes
    signals: Lazy[Any]
    is_refined: bool = False
    is_tracked: bool = False
    place: LidarPlace | None = None

    @property
    def effort(self) -> float:
        """The share of the usual number of points that are matched, and of drifts that the refinement draws."""
        return TRACKED_EFFORT if self.is_tracked else 1.0


class Localizer:
    """Finds the camera in the cloud. Threads may share one: nothing of a pair is kept in it."""

    def __init__(
        self, family: Family[Any], runtime: Runtime, settings: Settings, name: str,
        calibration: Calibration | None = None,
    ) -> None:  # fmt: skip
        self.family, self.runtime, self.settings, self.name = family, runtime, settings, name
        self.calibration = calibration or Calibration()

    def localize(self, image: Image, camera: Camera, cloud: PointCloud, prior: Prior | None = None) -> PoseEstimate:
        """T_camera_lidar of an RGB image (H, W, 3) uint8 in a cloud, with covariance; or a status that says why not."""
        return self.localize_pair(Pair(image, camera, cloud), prior)

    def localize_pair(
        self, pair: Pair, prior: Prior | None = None, settings: Settings | None = None, refined: bool = True
    ) -> PoseEstimate:
        """As `localize`. `settings` replace those of the localizer for this pair, but for its runtime. With `refined`
        false the pose is that of the network alone.

        Input that no pose can come from gives a status, never an exception. Raises DeviceError when the device is lost.
        """
        with recording() as record, stage("pose"):
            try:
                estimate = self._localize(pair, prior, settings or self.settings, refined)
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
        """The method, one line per step. Raises what `localize_pair` turns into a status."""
        prepared = self.prepare(pair, prior, refined, settings)
        search = self.pose_search(pair.camera, settings, prior, prepared.place)
        guesses, results = self._guesses(prepared, search)
        for each in (search, search.thorough):  # the second where the pose of the first is not good enough
            results = self._passes_near(guesses, prepared, each, results)
            best, results = self._last_pass(results, prepared, each)
            final = self._refined_best(best, results, prepared, search, settings) if refined else (best, results)
            estimate = search.judge(*final)
            good = each.is_sure(estimate) if self.family.signal_guesses else estimate.pose is not None
            if good or not each.is_conclusive(results):
                break
        return estimate

    def pose_search(
        self, camera: Camera, settings: Settings | None = None, prior: Prior | None = None,
        place: LidarPlace | None = None,
    ) -> PoseSearch:  # fmt: skip
        """The search for the pose of a camera, with this model's calibration."""
        pnp = (settings or self.settings).pnp
        return PoseSearch(camera, pnp, self.calibration, prior, self.family.search_std, place)

    def prepare(
        self, pair: Pair, prior: Prior | None = None, refined: bool = False, settings: Settings | None = None
    ) -> PreparedPair:
        """The scene of a pair, for all forward passes over it. `prior` and `refined` tell how its pose is searched.

        Raises InputError for an image without contrast, and for a pair that lacks what the family needs.
        """
        with stage("prepare"):
            place_of = partial(self._place, pair.cloud, prior, settings or self.settings)
            scene, place = self.runtime.both(partial(self.family.prepare, pair), place_of)
            passes = self.runtime.open(scene.shared)
            signals = Lazy(device_errors()(passes.signals))
            has_signals = self.family.signal_camera(pair.camera) is not None
            return PreparedPair(scene, passes, signals, refined and has_signals, _is_tracked(prior), place)

    def _place(self, cloud: PointCloud, prior: Prior | None, settings: Settings) -> LidarPlace | None:
        """The place of the lidar of a vehicle, where its cloud shows it. None where the camera is tracked, or a narrow
        prior is far from it: the vehicle is long, or the cloud is a map."""
        is_sought = self.family.on_vehicles and not _is_tracked(prior)
        position = lidar_place(cloud.xyz) if is_sought else None
        if position is None:
            return None
        place = LidarPlace(position, settings.pnp.lidar_std_m)
        is_far = prior and self._is_narrow(prior) and place.log_density(prior.pose) < LEAST_LOG_PLACE
        return None if is_far else place

    def _is_narrow(self, prior: Prior) -> bool:
        """Whether poses are searched near a prior: it is not much wider than those of training."""
        return self.family.trained_prior.times(NEAR_PRIOR).covers(prior)

    def _guesses(self, prepared: PreparedPair, search: PoseSearch) -> tuple[Iterator[Sequence[Pose]], list[PassResult]]:
        """The prior's pose if the network was trained with priors as wide, else proposals of a pass over the cloud, and
        then those of the refinement's signals, in groups of one or two; and results that take the place of passes near
        the first of them: a pose without descriptors, if it is the only proposal of the pass, is a result itself.

        Raises NoPoseError when the pass proposes none.
        """
        prior = search.prior
        if prior and self.family.trained_prior.covers(prior):
            return self._more_guesses([prior.pose], prepared, prior), []

        def proposals(prediction: Prediction) -> tuple[list[Pose], list[PassResult]]:
            poses = search.propose(prediction)
            is_result = prediction.similarity is None and len(poses) == 1
            return poses, [search.estimate(prediction)] if is_result else []

        poses, results = self._found(proposals, prepared)
        return (iter(()) if results else self._more_guesses(poses, prepared, prior)), results

    def _more_guesses(
        self, proposed: Sequence[Pose], prepared: PreparedPair, prior: Prior | None
    ) -> Iterator[Sequence[Pose]]:
        """The first two proposals; and then, two by two, those of the signals, or if there are none the other ones."""
        yield proposed[:2]
        others = self._by_signals(proposed[0], prepared, prior) or proposed[2:]
        for k in range(0, len(others), 2):
            yield others[k : k + 2]

    def _by_signals(self, first: Pose, prepared: PreparedPair, prior: Prior | None) -> list[Pose]:
        """Poses at which image and cloud have much information about each other: near a prior, or without one that is
        narrow enough about the lidar, in all headings from that of the first guess. None where the camera is tracked.
        """
        most, pair, s = self.family.signal_guesses, prepared.scene.pair, self.settings.refinement
        place = prepared.place
        if not most or not prepared.is_refined or prepared.is_tracked:
            return []
        with stage("align"):
            if prior and self._is_narrow(prior):
                pose, spread = prior.pose, to_camera_axes(prior.pose, prior.covariance)
                pose, spread = place.product(pose, spread) if place else (pose, spread)
                return poses_near(pose, spread, pair, self.pyramid(prepared, s), s, most - 1)
            if place is None:
                return []
            return poses_around(place.position, first, pair, self.pyramid(prepared, s), s, most, self.runtime.both)

    def _passes_near(
        self, guesses: Iterator[Sequence[Pose]], prepared: PreparedPair, search: PoseSearch,
        known: Sequence[PassResult] = (),
    ) -> list[PassResult]:  # fmt: skip
        """One forward pass near each guess, those of a group in parallel, until they are conclusive. Raises InputError
        when no guess has points in view.

        The results begin with those that are `known` already.
        """
        results, refused = [*known], list[InputError]()
        for group in guesses:
            one, *other = [partial(self._pass_near, guess, prepared, search) for guess in group]
            for found in self.runtime.both(one, other[0]) if other else [one()]:
                if isinstance(found, InputError):
                    refused.append(found)
                else:
                    results.append(found)
            if results and search.is_conclusive(results):
                break
        if not results:
            raise refused[0]
        return results

    def _pass_near(self, guess: Pose, prepared: PreparedPair, search: PoseSearch) -> PassResult | InputError:
        """The result of the pass near a guess, or the reason why there is none."""
        try:
            return self._found(lambda prediction: search.estimate(prediction, guess), prepared, guess)
        except InputError as error:
            return error.with_traceback(None)  # a traceback would keep the pair alive

    def _last_pass(
        self, results: list[PassResult], prepared: PreparedPair, search: PoseSearch
    ) -> tuple[PassResult, list[PassResult]]:
        """The best result, and all of them with that of one more pass near its pose, averaged with a mirrored pass. The
        new one is the best if its score is higher, or the family has mirrored passes.

        There is no more pass where the camera is tracked, the results are conclusive without a prior, the best pose is
        at its guess, or there is none.
        """
        best = search.select(results)
        is_enough = search.prior is None and search.is_conclusive(results)
        is_good = prepared.is_tracked or search.is_settled(best) or is_enough
        if best.estimate.pose is None or is_good:
            return best, results
        with suppress(InputError):
            guess = best.estimate.pose
            again = search.estimate(self.predict(prepared, guess, mirror=True), guess)
            if again.estimate.pose:
                better = again.score >= best.score or self.family.mirrors
                return again if better else best, [*results, again]
        return best, results

    def _refined_best(
        self, best: PassResult, results: Sequence[PassResult], prepared: PreparedPair, search: PoseSearch,
        settings: Settings,
    ) -> tuple[PassResult, list[PassResult]]:  # fmt: skip
        """The best result after refinement; or another one, if the family refines several and this one is likelier by
        the mutual information of image and cloud, and by the score if that counts for the family.

        And all results: if the score counts, those of the refined ones have the mutual information in theirs, and the
        other ones count as if they had as much of it as the best.
        """
        sharpness, weight = search.calibration.sharpness, self.family.score_weight
        starts = search.starts(best, results, self.family.refined_results, MOST_BEHIND if weight else np.inf)
        estimates = [self.refine(prepared, start.estimate, settings) for start in starts]
        gains = [_information(estimate) / NATS_PER_LOG / sharpness for estimate in estimates]
        chosen = int(np.argmax([weight * start.score + gain for start, gain in zip(starts, gains, strict=True)]))
        refined = [
            replace(start, estimate=estimate, score=start.score + weight * gain)
            for start, estimate, gain in zip(starts, estimates, gains, strict=True)
        ]
        others = [replace(one, score=one.score + weight * gains[chosen]) for one in results if one not in starts]
        return refined[chosen], [*refined, *others]

    def refine(self, prepared: PreparedPair, estimate: PoseEstimate, settings: Settings | None = None) -> PoseEstimate:
        """The estimate at the local maximum of the mutual information of image and cloud near its pose.

        Raises NonFiniteError when the predicted signals are NaN, DeviceMemoryError when the device has no room.
        """
        if estimate.pose is None:
            return estimate
        s, pair = settings or self.settings, prepared.scene.pair
        with stage("align"):
            pyramid = self.pyramid(prepared, s.refinement)
            drifts = round(prepared.effort * s.refinement.drifts)
            refinement = self.family.signal_set.adapted(s.refinement).model_copy(update={"drifts": drifts})
            how = self.calibration, self.runtime.both, self.family.std_inflation, self.family.signal_set, prepared.place
            return refine_estimate(estimate, pair, pyramid, s.pnp, refinement, *how)

    def pyramid(self, prepared: PreparedPair, settings: RefinementSettings) -> ImagePyramid:
        """The predicted signals of the image, or its grey values and edges for a family that predicts none.

        Raises NonFiniteError when the predicted signals are NaN, DeviceMemoryError when the device has no room.
        """
        camera = self.family.signal_camera(prepared.scene.pair.camera)
        if camera is None:
            return plain_pyramid(prepared.scene.pair, settings)
        signals = prepared.signals()
        if not np.isfinite(signals.sum(dtype=np.float64)):
            raise NonFiniteError("the predicted signals of the image are not finite")
        return predicted_pyramid(camera, signals, self.family.signal_set.signals)

    def predict(self, prepared: PreparedPair, guess: Pose | None = None, mirror: bool = False) -> Prediction:
        """The prediction of one forward pass: near the view of a guess of T_camera_lidar, or over the whole cloud.

        With `mirror` its outputs are averaged with those of a mirrored pass, which is more accurate. A family without a
        mirrored pass ignores it.

        Raises InputError on too few points, NonFiniteError when the network gives NaN, DeviceMemoryError when the
        device has no room for half of the points either.
        """
        return self._found(lambda prediction: prediction, prepared, guess, mirror)

    def _found(
        self, search: Callable[[Prediction], A], prepared: PreparedPair, guess: Pose | None = None, mirror: bool = False
    ) -> A:
        """What a search finds in the prediction of `predict`. Beside the first search the signals are predicted that
        the refinement takes."""
        with stage("prepare"):
            inputs = self.family.inputs(prepared.scene, guess)

        def found(inputs: Arrays) -> A:
            outputs = self._outputs(inputs, prepared, mirror)

            def searched() -> A:
                with device_errors(), stage("match"):
                    how = guess, self.runtime.both, prepared.effort
                    prediction = self.family.decode(prepared.scene, inputs, outputs, *how)
                return search(prediction)

            if not prepared.is_refined or prepared.signals.ready:
                return searched()
            return self.runtime.both(searched, prepared.signals)[0]

        try:
            return found(inputs)
        except DeviceMemoryError:
            fewer = self.family.halved(inputs)
            if fewer is None:
                raise
            return found(fewer)

    def _outputs(self, inputs: Arrays, prepared: PreparedPair, mirror: bool) -> Tensors:
        with device_errors(), stage("network"):
            if mirror and self.family.mirrors:
                shared, mirrored = (self.family.mirror(arrays) for arrays in (prepared.scene.shared, inputs))
                outputs = self.family.merge(
                    *self.runtime.both(partial(prepared.passes, inputs), partial(self.runtime.open(shared), mirrored))
                )
            else:
                outputs = prepared.passes(inputs)
            if not all(bool(t.sum().isfinite()) for t in outputs.values()):  # of unit vectors: none overflows
                raise NonFiniteError("the output of the network is not finite")
            return outputs

    def describe(self) -> str:
        """One line: model, runtime and device."""
        return f"{self.name} with {self.runtime.describe()}"

    def warm_up(self) -> None:
        """Run once on a synthetic pair of noise, so that the first real pair is not slow."""
        noise = noise_pair(512, 160)
        self.localize_pair(noise)
        pyramid = self.pyramid(self.prepare(noise), self.settings.refinement)
        refine_pair(noise, pyramid, Pose.identity(), WARM_UP_SPREAD, self.settings.refinement)  # there is no pose yet


def _is_tracked(prior: Prior | None) -> bool:
    """Whether a prior is as good as that of a tracked camera."""
    return prior is not None and TRACKED.covers(prior)


def _information(estimate: PoseEstimate) -> float:
    """Mutual information of image and cloud at a refined pose, nats; 0 where none is refined."""
    found = estimate.evidence.refinement if estimate.evidence else None
    return found.information if found else 0.0


def load(model: str | None = None, settings: Settings | None = None) -> Localizer:
    """The localizer of a shipped model's name or of a training folder.

    Raises ModelError when the weights are missing, damaged or of another network.
    """
    settings = settings or Settings()
    name = model or settings.model
    family, network, entry = _trained(name, settings)
    runtime = runtime_for(network, settings, entry.sha256)
    return Localizer(family, runtime, settings, name, entry.calibration)


def load_network_pose(settings: Settings, localized: Localized = unheard) -> Callable[[Pair, Pose], Pose | None] | None:
    """A function that gives T_camera_lidar of a pair near a nominal one, by the model of the settings, however low its
    confidence; or none where `monitor.network_pairs` is 0. It is what monitor.Monitor takes.

    `localized` is called with each pair and what was found. Raises ModelError as `load`.
    """
    if not settings.monitor.network_pairs:
        return None
    localizer = load(settings=settings.any_confidence)

    def network_pose(pair: Pair, nominal: Pose) -> Pose | None:
        estimate = localizer.localize_pair(pair, localizer.family.trained_prior.about(nominal))
        localized(pair, estimate)
        return estimate.pose

    return network_pose


def export(
    model: str, onnx: Path | None, width: int, height: int, settings: Settings | None = None
) -> tuple[list[Path], str]:
    """The ONNX files of a model's dense parts, written to a folder if there is one, and what the runtime says after it
    has built what it builds for images of this size."""
    settings = settings or Settings()
    family, network, entry = _trained(model, settings)
    scene = family.prepare(noise_pair(width, height))
    inputs = family.inputs(scene)
    written = write_onnx(folded(network), scene.shared, inputs, onnx) if onnx else {}
    runtime = runtime_for(network, settings, entry.sha256)
    return [*written.values()], build_engines(runtime, scene.shared, inputs)


def _trained(name: str, settings: Settings) -> tuple[Family[Any], FamilyNetwork, ModelEntry]:
    entry, file = find_model(name)
    try:
        family = family_class(entry.family)(entry.settings, settings.matching)
    except ValidationError as error:
        raise ModelError(f"the manifest of {name} has no usable network settings: {one_line(error)}") from error
    network = family.network()
    load_weights(network, file)
    return family, network, entry
