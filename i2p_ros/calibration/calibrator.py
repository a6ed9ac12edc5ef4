# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The extrinsic calibration of a camera and a lidar from recordings, without a target and without an initial guess.

`Calibrator._calibrated` is the method, one line per step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from i2p_ros.alignment.pyramid import plain_pyramid
from i2p_ros.calibration.consensus import Consensus, NoConsensusError, find_consensus, median_pose
from i2p_ros.calibration.estimate import REFINEMENT_STEPS, RigEstimate, SeenPair, combined, information_at, refined
from i2p_ros.calibration.result import CalibrationResult, CalibrationStatus
from i2p_ros.calibration.selection import ChosenPairs, chosen_pairs, spread
from i2p_ros.core.config import RefinementSettings, Settings
from i2p_ros.core.errors import DeviceMemoryError, InputError, NonFiniteError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.observability import directions
from i2p_ros.core.progress import Localized, Progress, unheard
from i2p_ros.core.source import Source
from i2p_ros.core.types import Image, Pair
from i2p_ros.localizer import Localizer
from i2p_ros.viz.overlays import captioned, cells_shaded, overlay

LEAST_PAIRS = 4
MIN_STANDOUT = 6.0  # of pairs whose image and cloud are of one place and time: 9 and more; of others: up to 4
MOST_APART = np.repeat([0.5, np.radians(5.0)], 3)  # m, rad: halves that differ by more have found different places


class Calibrator:
    """Calibrates rigs with one localizer. Threads may share one: nothing of a rig is kept in it.

    `localized` is called with each pair that is localized near the pose on which the pairs agree, and with what was
    found.
    """

    def __init__(
        self, settings: Settings, localizer: Localizer,
        localized: Localized = unheard,
    ) -> None:  # fmt: skip
        self.settings, self.localizer, self._localized = settings, localizer, localized

    def result(self, *sources: Source, init: Pose | None = None, progress: Progress | None = None) -> CalibrationResult:
        """The calibration of one rig from all of its recordings, or a status that says why there is none.

        The calibration that a recording states is not used. `init`, a T_camera_lidar, is one more candidate: it may be
        wrong. Raises InputError for recordings that are not of one rig, or that cannot be read at all.
        """
        begun = time.perf_counter()
        step = _Steps(progress, self._expected_steps(sum(map(len, sources))))
        chosen = chosen_pairs(sources, self.settings.calibration.pairs, self.settings.calibration.min_change, step)
        if not chosen.pairs and set(chosen.left_out) - {"dark image", "blank image", "small cloud"}:
            raise InputError(f"{_name(sources)}: no pair can be used: {dict(chosen.left_out)}", "pairs")
        result = CalibrationResult(
            _name(sources), sources[0].frames, CalibrationStatus.OK, pairs=chosen.seen, used=len(chosen.pairs),
            systematic=self._systematic, stated=chosen.stated, left_out=chosen.left_out, notes=tuple(chosen.notes),
            camera=chosen.pairs[0].camera if chosen.pairs else None,
        )  # fmt: skip
        found = self._calibrated(result, chosen, init, step)
        return replace(found, seconds=time.perf_counter() - begun)

    def _expected_steps(self, pairs: int) -> int:
        """About how many steps a calibration takes: pairs that are chosen, localized twice, and refined twice."""
        most = self.settings.calibration
        return min(pairs, most.pairs) + 2 * min(pairs, most.network_pairs) + 2 * REFINEMENT_STEPS

    def _calibrated(
        self, result: CalibrationResult, chosen: ChosenPairs, init: Pose | None, step: Callable[[], None]
    ) -> CalibrationResult:
        """The method, one line per step."""
        pairs, settings = chosen.pairs, self.settings
        if len(pairs) < LEAST_PAIRS:
            few = f"{len(pairs)} of {chosen.seen} pairs can be used; {LEAST_PAIRS} are needed"
            return replace(result, status=CalibrationStatus.TOO_FEW_PAIRS, reason=few)
        of_network = spread(pairs, settings.calibration.network_pairs)
        try:
            candidates = find_consensus(self.localizer, of_network, [] if init is None else [init], step)
        except NoConsensusError as error:
            return replace(result, status=CalibrationStatus.NO_CONSENSUS, reason=str(error))
        refinement = settings.refinement.model_copy(update={"max_points": settings.calibration.max_points})
        consensus, starts = self._likeliest(of_network, candidates, refinement, step)
        starts += [] if init is None else [init]
        estimate = self._estimate(pairs, starts, refinement, step)
        return self._judged(result, chosen, consensus, estimate, init)

    def _estimate(
        self, pairs: Sequence[Pair], starts: Sequence[Pose], settings: RefinementSettings, step: Callable[[], None]
    ) -> RigEstimate:
        """The mean of the estimates by predicted and by plain signals. They err differently: predicted signals survive
        night and fog, plain ones do not depend on what the network was trained on."""
        inflation = self.settings.watch.inflation
        plain = [SeenPair(pair, plain_pyramid(pair, settings)) for pair in pairs]
        if self.localizer.family.signal_camera(pairs[0].camera) is None:
            return refined(plain, starts, settings, inflation, step)
        by_network = refined(self._predicted(pairs, settings), starts, settings, inflation, step)
        by_image = refined(plain, [by_network.pose, *starts[:2]], settings, inflation, step)
        return combined(by_image, by_network, self._limits)

    def _predicted(self, pairs: Sequence[Pair], settings: RefinementSettings) -> list[SeenPair]:
        """Pairs with the signals that the network predicts, or the plain ones of an image for which it cannot."""
        seen = []
        for pair in pairs:
            try:
                pyramid = self.localizer.pyramid(self.localizer.prepare(pair), settings)
                seen.append(SeenPair(pair, pyramid))
            except (InputError, NonFiniteError, DeviceMemoryError):
                continue
        return seen

    def _likeliest(
        self, pairs: Sequence[Pair], candidates: Sequence[Consensus], settings: RefinementSettings,
        step: Callable[[], None],
    ) -> tuple[Consensus, list[Pose]]:  # fmt: skip
        """The candidate with the largest mutual information, and where the refinement starts: at the median of the
        refined poses of single pairs near it first."""
        starts = [self._starts(pairs, candidate, step) for candidate in candidates]
        if len(candidates) == 1:
            return candidates[0], starts[0]
        seen = [SeenPair(pair, plain_pyramid(pair, settings)) for pair in pairs]
        best = int(np.argmax([information_at(seen, found[:2], settings).max() for found in starts]))
        return candidates[best], starts[best]

    def _starts(self, pairs: Sequence[Pair], consensus: Consensus, step: Callable[[], None]) -> list[Pose]:
        prior = self.localizer.family.trained_prior.about(consensus.pose)
        own = []
        for pair in pairs:
            estimate = self.localizer.localize_pair(pair, prior, self.settings.any_confidence)
            self._localized(pair, estimate)
            own += [] if estimate.pose is None else [estimate.pose]
            step()
        return [*([median_pose(own)] if own else []), consensus.pose, *own[:2]]

    def _judged(
        self, result: CalibrationResult, chosen: ChosenPairs, consensus: Consensus, found: RigEstimate,
        init: Pose | None,
    ) -> CalibrationResult:  # fmt: skip
        """The result with the numbers of an estimate, and with its pose if it is good enough."""
        watch = self.settings.watch
        result = replace(
            result, halves=found.halves, localized=consensus.pairs, agreeing=consensus.agreeing,
            margin=consensus.margin, nats=found.nats, standout=found.standout,
        )  # fmt: skip
        if found.nats < watch.min_nats:
            poor = f"image and cloud share {found.nats:.0f} nats a pair; {watch.min_nats:g} are needed (watch.min_nats)"
            return replace(result, status=CalibrationStatus.POOR_SCENE, reason=poor)
        if found.standout < MIN_STANDOUT:
            why = "are images and clouds of one time and place?"
            what = f"the mutual information stands out by {found.standout:.1f} deviations; {MIN_STANDOUT:g} are needed"
            return replace(result, status=CalibrationStatus.NO_MATCH, reason=f"{what}: {why}")
        if (found.halves > MOST_APART).any():
            apart = f"{found.halves[:3].max():.2f} m and {np.degrees(found.halves[3:].max()):.1f} deg"
            what = f"the calibrations of two halves of the pairs differ by up to {apart}"
            return replace(result, status=CalibrationStatus.NOT_REPEATABLE, reason=what)
        return replace(
            result, pose=found.pose, covariance=found.covariance, directions=directions(found.covariance, self._limits),
            pictures=_pictures(chosen, found, init, self.settings.refinement.columns),
        )  # fmt: skip

    @property
    def _limits(self) -> Array:
        return np.repeat([self.settings.watch.unseen_m, np.radians(self.settings.watch.unseen_deg)], 3)

    @property
    def _systematic(self) -> Array:
        return np.repeat([self.settings.watch.systematic_m, np.radians(self.settings.watch.systematic_deg)], 3)


class _Steps:
    """Counts steps, and tells their number and how many are expected."""

    def __init__(self, progress: Progress | None, expected: int) -> None:
        self._done, self._progress, self._expected = 0, progress, expected

    def __call__(self) -> None:
        self._done += 1
        if self._progress:
            self._progress(self._done, max(self._expected, self._done + 1))


def _name(sources: Sequence[Source]) -> str:
    return ", ".join(dict.fromkeys(source.name for source in sources))


def _pictures(chosen: ChosenPairs, found: RigEstimate, init: Pose | None, columns: int) -> dict[str, Image]:
    """Overlays of the cloud by title: of the initial and the stated calibration, and of the result; and where the
    evidence is."""
    pair = chosen.pairs[len(chosen.pairs) // 2]
    before = {"initial calibration": init, "calibration that the recording states": chosen.stated}
    poses = {title: pose for title, pose in before.items() if pose is not None} | {"result": found.pose}
    drawn = {
        title: captioned(overlay(pair.image, pair.camera, pair.cloud, pose), title) for title, pose in poses.items()
    }
    undistorted, camera = pair.camera.undistort(pair.image)
    shaded = cells_shaded(undistorted, found.evidence, camera.width / columns)
    return drawn | {"where the evidence is": captioned(shaded, "where the evidence is")}
