# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Selection of the pose of a pair among those of its forward passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import PnpSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose, are_within, from_camera_axes, to_camera_axes
from i2p_ros.core.place import LidarPlace, log_place
from i2p_ros.core.types import Evidence, PoseEstimate, Prediction, Prior, Status
from i2p_ros.pnp import covariance
from i2p_ros.pnp.calibration import SHARPNESS, Calibration
from i2p_ros.pnp.limits import judged, refuse_weak
from i2p_ros.pnp.problem import NoPoseError, problem_of
from i2p_ros.pnp.solver import unjudged
from i2p_ros.search.draws import drawn_poses
from i2p_ros.search.hypotheses import are_different, hypotheses, moved_about_camera, proposals
from i2p_ros.search.judgement import evidence_of, refuse_contradiction, refuse_unsupported
from i2p_ros.search.likelihood import SEARCH_STD, DescriptorLikelihood
from i2p_ros.search.prior import log_density

MIN_ESS = 30.0  # effective samples that sampling continues for, so that they have a covariance
SETTLED_M, SETTLED_RAD = 0.1, np.radians(0.5)  # a pose nearer to its guess needs no further pass
ALIKE = 0.1, np.radians(2.0)  # m, rad: from nearer poses the refinement is about the same
CLOSE_M, CLOSE_RAD = 0.3, np.radians(3.0)  # the same where the guess is that of a prior


@dataclass(frozen=True, eq=False)
class PassResult:
    """The estimate of one forward pass. `score` is the logarithm of its likelihood or support, with the prior, over the
    sharpness of the model: a higher score is a better pose, and a difference of 1 / sharpness is a factor of e."""

    guess: Pose | None
    estimate: PoseEstimate
    score: float


@dataclass(frozen=True)
class PoseSearch:
    """The search for the pose of one camera: from predictions to proposals, estimates and a selection.

    A prediction with descriptor similarity is scored by its likelihood, and one with matches alone by its inliers. A
    regressed pose is taken with its covariance. `search_std` is as in `DescriptorLikelihood`. The same input gives the
    same answer.
    """

    camera: Camera
    settings: PnpSettings
    calibration: Calibration
    prior: Prior | None = None
    search_std: tuple[float, ...] = SEARCH_STD
    place: LidarPlace | None = None

    @property
    def thorough(self) -> PoseSearch:
        """The same search, for which no passes are conclusive."""
        return replace(self, settings=self.settings.model_copy(update={"early_exit_confidence": np.inf}))

    def propose(self, prediction: Prediction) -> list[Pose]:
        """Values of T_camera_lidar near which another forward pass may find the pose. A regressed pose is one, however
        uncertain, and with headings so is the same turned to the likeliest other one.

        Raises NoPoseError when the prediction gives none.
        """
        if prediction.similarity is None:
            pose = prediction.pose.pose if prediction.pose else self._of_matches(prediction)
            return [pose, prediction.headings.turned_to_other(pose)] if prediction.headings else [pose]
        # the sharpness is that of no model: a new calibration of a model must not change what it proposes
        likelihood = DescriptorLikelihood(prediction.similarity, SHARPNESS, self.prior, self.search_std, self.place)
        given = [self.prior.pose] if self.prior else []
        drawn = drawn_poses(likelihood, prediction.viewpoint) if prediction.viewpoint else []
        ranked = hypotheses(prediction, self.camera, self.settings, likelihood, [*given, *drawn])
        return proposals(ranked, likelihood.sharpness, prediction.headings)

    def estimate(self, prediction: Prediction, guess: Pose | None = None) -> PassResult:
        """The estimate of one forward pass, near a guess or over the whole cloud; or a status that says why it has
        none. Never raises for bad numbers."""
        most = max(prediction.candidates, key=len, default=None)
        try:
            return self._estimate(prediction, guess)
        except NoPoseError as none:
            failed = PoseEstimate(none.status, str(none), correspondences=most)
        except (InputError, np.linalg.LinAlgError) as error:
            what = f"the solver broke down: {error}"
            failed = PoseEstimate(Status.NONFINITE, what, correspondences=most)
        return PassResult(guess, failed, -np.inf)

    def select(self, results: Sequence[PassResult]) -> PassResult:
        """The result with the highest score; the first when none has a pose."""
        found = [each for each in results if each.estimate.pose]
        return max(found, key=lambda each: each.score) if found else results[0]

    def against(self, best: PassResult, others: Sequence[PassResult]) -> PassResult:
        """The best result, with evidence against those of the others that are different poses."""
        estimate = best.estimate
        if estimate.pose is None or estimate.evidence is None:
            return best
        margins = [
            best.score - other.score
            for other in others
            if other.estimate.pose is not None and are_different(other.estimate.pose, estimate.pose)
        ]
        if not margins:
            return best
        rival = float(np.exp(-self.calibration.sharpness * max(min(margins), 0.0)))
        evidence = replace(
            estimate.evidence,
            margin=min(estimate.evidence.margin, *margins),
            rival=max(estimate.evidence.rival, rival),
        )
        confidence = self.calibration.confidence(evidence)
        return replace(best, estimate=replace(estimate, evidence=evidence, confidence=confidence))

    def starts(
        self, best: PassResult, results: Sequence[PassResult], most: int, behind: float = np.inf
    ) -> list[PassResult]:  # fmt: skip
        """The best result and then others whose poses differ, by their score. They are less than `behind` of the log
        likelihood worse than the best."""
        kept, least = [best], best.score - behind / self.calibration.sharpness
        for one in sorted(results, key=lambda each: -each.score):
            poses = [each.estimate.pose for each in kept]
            alike = any(a and one.estimate.pose and are_within(one.estimate.pose, a, *ALIKE) for a in poses)
            if len(kept) < most and one.estimate.pose and one.score > least and not alike:
                kept.append(one)
        return kept

    def is_conclusive(self, results: Sequence[PassResult]) -> bool:
        """Whether no further pass is needed: at least two were made, or one near the prior's pose, and the selected
        pose is sure. It may be less so after the refinement.

        Without a prior one pass is not enough: where a street looks alike in both directions, it may be sure of the
        wrong one.
        """
        is_enough = len(results) > 1 or bool(self.prior and results[0].guess is self.prior.pose)
        return is_enough and self.is_sure(self.against(self.select(results), results).estimate)

    def is_sure(self, estimate: PoseEstimate) -> bool:
        """Whether a pose has a calibrated confidence as high as `pnp.early_exit_confidence`."""
        calibrated = bool(estimate.pose and self.calibration.fitted_on)
        return calibrated and estimate.confidence >= self.settings.early_exit_confidence

    def is_settled(self, result: PassResult) -> bool:
        """Whether the pose of a pass is as near to its guess as more passes would bring it."""
        pose, guess = result.estimate.pose, result.guess
        near = (SETTLED_M, SETTLED_RAD) if self.prior is None else (CLOSE_M, CLOSE_RAD)
        return bool(pose and guess and are_within(pose, guess, *near))

    def judge(self, best: PassResult, others: Sequence[PassResult]) -> PoseEstimate:
        """The estimate of the best result, with evidence against the others. Its pose is withheld where a rival
        is too likely or the confidence too low."""
        estimate = self.against(best, others).estimate
        return estimate if estimate.pose is None else judged(estimate, self.settings, self.calibration)

    def _estimate(self, prediction: Prediction, guess: Pose | None) -> PassResult:
        if prediction.similarity is not None:
            sharpness = self.calibration.sharpness
            likelihood = DescriptorLikelihood(prediction.similarity, sharpness, self.prior, self.search_std, self.place)
            return self._by_descriptors(prediction, guess, likelihood)
        if prediction.pose is not None:
            return self._regressed(prediction, prediction.pose, guess)
        return self._by_matches(prediction, guess)

    def _by_descriptors(
        self, prediction: Prediction, guess: Pose | None, likelihood: DescriptorLikelihood
    ) -> PassResult:  # fmt: skip
        """The posterior mean near the likeliest hypothesis. Raises NoPoseError where there is none to trust."""
        prior = self.prior.pose if self.prior else None
        given = [pose for pose in (prior, None if guess is prior else guess) if pose]
        ranked = hypotheses(prediction, self.camera, self.settings, likelihood, given)
        best = ranked[0]
        found = likelihood.sample_near(best.pose, min_ess=MIN_ESS)
        pose = moved_about_camera(best.pose, found.mean)
        refuse_unsupported(pose, found, likelihood)
        refuse_contradiction(pose, ranked, likelihood)
        spread = self.calibration.scaled(found.covariance)
        refuse_weak(spread, self.settings)
        problem = problem_of(best.matches, self.camera, self.settings.threshold_deg)
        distance, inliers = problem.agreeing(problem.in_map(pose))
        if inliers.sum() < self.settings.min_inliers:
            agree = f"{inliers.sum()} of {len(inliers)} matches agree within {problem.gate:.1f} px"
            what = f"{agree}; at least {self.settings.min_inliers} must (pnp.min_inliers)"
            raise NoPoseError(Status.NO_CONSENSUS, what)
        evidence = evidence_of(pose, ranked, likelihood, found.covariance, int(inliers.sum()))
        estimate = PoseEstimate(
            Status.OK,
            pose=pose,
            covariance=covariance.with_origin(spread, pose, best.pose.inverse().translation),
            correspondences=best.matches,
            inliers=inliers,
            residual_px=float(np.sqrt(np.mean(distance[inliers] ** 2))),
            confidence=self.calibration.confidence(evidence),
            evidence=evidence,
        )
        score = evidence.similarity + likelihood.log_prior(pose) / likelihood.sharpness
        return PassResult(guess, estimate, score)

    def _of_matches(self, prediction: Prediction) -> Pose:
        """The pose of matches alone. Raises NoPoseError when they give none."""
        found = self.estimate(prediction).estimate
        if found.pose is None:
            raise NoPoseError(found.status, found.reason)
        return found.pose

    def _by_matches(self, prediction: Prediction, guess: Pose | None) -> PassResult:
        """The pose with the most inliers among those of the candidate sets. Raises NoPoseError when none has one."""
        results, reasons = list[PassResult](), list[tuple[Status, str]]()
        for matches in prediction.candidates:
            try:
                found = unjudged(matches, self.camera, self.settings, self.prior)
            except NoPoseError as none:
                reasons.append((none.status, str(none)))
                continue
            log_support = float(np.log(max(found.n_inliers, 1)))
            results.append(self._calibrated(found, log_support, guess))
        if not results:
            raise NoPoseError(*(reasons or [(Status.TOO_FEW_MATCHES, "the prediction has no matches")])[0])
        return self.against(self.select(results), results)

    def _regressed(self, prediction: Prediction, regressed: Prior, guess: Pose | None) -> PassResult:
        """The regressed pose with its covariance, and how many of its matches, if there are any, agree with it.

        Its score is its support. A prior affects the score alone.
        """
        pose, stated = regressed.pose, to_camera_axes(regressed.pose, regressed.covariance)
        std_m = float(np.sqrt(np.linalg.eigvalsh(stated[:3, :3])[-1]))
        found = PoseEstimate(Status.OK, pose=pose, covariance=regressed.covariance)
        count = agreeing = 0
        for matches in prediction.candidates[:1]:  # it is regressed from one set
            problem = problem_of(matches, self.camera, self.settings.threshold_deg)
            distance, inliers = problem.agreeing(problem.in_map(pose))
            count, agreeing = len(matches), int(inliers.sum())
            residual = float(np.sqrt(np.mean(distance[inliers] ** 2))) if agreeing else float("nan")
            found = replace(found, correspondences=matches, inliers=inliers, residual_px=residual)
        support, shortfall = prediction.support, prediction.shortfall
        evidence = Evidence(agreeing, count, similarity=support, margin=support, shortfall=shortfall, std_m=std_m)
        return self._calibrated(replace(found, evidence=evidence), self.calibration.sharpness * support, guess)

    def _calibrated(self, found: PoseEstimate, log_support: float, guess: Pose | None) -> PassResult:
        """The result of an estimate without descriptors: covariance and confidence by the model's calibration.

        Raises NoPoseError where the covariance is too large.
        """
        assert found.pose is not None
        assert found.covariance is not None
        assert found.evidence is not None
        spread = self.calibration.scaled(to_camera_axes(found.pose, found.covariance))
        refuse_weak(spread, self.settings)
        evidence = replace(found.evidence, log_place=log_place(self.place, found.pose))
        estimate = replace(
            found,
            covariance=from_camera_axes(found.pose, spread),
            confidence=self.calibration.confidence(evidence),
            evidence=evidence,
        )
        score = (log_support + log_density(self.prior, found.pose, self.place)) / self.calibration.sharpness
        return PassResult(guess, estimate, score)
