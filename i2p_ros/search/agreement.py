# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""T_camera_lidar of a prediction: hypotheses from its sets of matches, judged by how well descriptors agree under them.

Matches propose and agreement disposes. In a street that looks alike both ways a wrong pose may have more inliers than
the right one, but the descriptors of all that is in view tell them apart; and since they compare everything in view,
their likelihood has the spread of the pose's true error, which counts of inliers do not.

A network that can look near a pose is first asked where that is (`propose`), then looks near each of the answers, and
`best_of` these looks says where the camera is: seen from nearby, a wrong pose no longer agrees as well. A closer look,
near the best of them, has the right pose in the middle and narrows it down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import PnpSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose, so3_exp
from i2p_ros.core.stages import worked
from i2p_ros.core.types import Agreement, Correspondences, Evidence, PoseEstimate, Prediction, Prior, Status
from i2p_ros.pnp import covariance, posterior
from i2p_ros.pnp.calibration import Calibration
from i2p_ros.pnp.problem import NoPoseError, problem_of, usable_matches
from i2p_ros.pnp.solver import CONTRADICTION, judged, least_confidence, refuse_weak
from i2p_ros.pnp.start import robust_start

Rows = NDArray[np.int64]
Values = NDArray[np.float32]
Mask = NDArray[np.bool_]
SEARCHED_STD = np.array([1.0, 0.5, 1.0, 0.02, 0.02, 0.02])  # m, rad: how far about a hypothesis samples begin
IN_VIEW = 600  # points that the samples are judged by
CLIMBERS, CLIMB_POINTS, CLIMB_ROUNDS = 4, 300, 2  # hypotheses that first move to the best pose near them, quickly
MIN_IN_VIEW = 50  # fewer say nothing of a pose
MIN_SAMPLES = 30.0  # effective ones that sampling goes on for, so that they have a covariance
FEWEST_SAMPLES = 2.0  # below which one sample has all the weight, and its covariance is that of nothing
NOWHERE = -1.0  # agreement of a pose that sees nothing: no two descriptors are less alike
NEAR_PLANE = 0.5  # m
WIDENED = 1.3  # of the tangent of the view: what may come into it while samples move about
ANOTHER_M, ANOTHER_RAD = 3.0, np.radians(10.0)  # poses farther apart are different answers
SETTLED_M, SETTLED_RAD = 0.1, np.radians(0.5)  # a pose that moves less than this needs no closer look
_FLOP, _BYTE = 40, 16  # of a point under a pose: turned, projected, and blended from four similarities
TURNED = Pose.from_rotvec([0.0, np.pi, 0.0], [0.0, 0.0, 0.0])  # about the camera's vertical axis
MOST_PROPOSED, WORTH_A_LOOK = 3, 0.15  # poses beside the turned one, and how much less they may agree than the best


@dataclass(frozen=True)
class Look:
    """What a network says of a pair, of the points near the view of a `guess` of T_camera_lidar or of all of them."""

    prediction: Prediction
    guess: Pose | None = None


Tried = tuple[Look, PoseEstimate]


@dataclass(frozen=True)
class _Hypothesis:
    pose: Pose  # T_camera_lidar
    matches: Correspondences
    score: float = 0.0  # log likelihood


def locate(
    prediction: Prediction, camera: Camera, settings: PnpSettings | None = None,
    calibration: Calibration | None = None, prior: Prior | None = None,
) -> PoseEstimate:  # fmt: skip
    """T_camera_lidar that the prediction speaks for, with the covariance of its posterior; or a status that says why
    not. A prior is one more hypothesis, and a factor of the posterior. The same input gives the same answer."""
    return best_of([Look(prediction)], camera, settings, calibration, prior)


def propose(
    prediction: Prediction, camera: Camera, settings: PnpSettings | None = None,
    calibration: Calibration | None = None, prior: Prior | None = None,
) -> list[Pose]:  # fmt: skip
    """Values of T_camera_lidar near which a second look is worth it, no two alike: the best, the same turned round, as
    a street looks much alike both ways, and others that agree nearly as well.

    Raises NoPoseError when the matches give none.
    """
    calibration = calibration or Calibration()
    ranked = _climbing(Look(prediction), camera, settings or PnpSettings(), calibration, prior)
    best = ranked[0]
    others: list[Pose] = []
    for h in ranked:
        worth = h.score > best.score - calibration.sharpness * WORTH_A_LOOK
        if worth and all(_different(h.pose, other) for other in (best.pose, *others)):
            others.append(h.pose)
    others = others[: MOST_PROPOSED - 1]
    turned = TURNED @ best.pose
    seen = next((pose for pose in others if not _different(pose, turned)), turned)
    return [best.pose, seen, *(pose for pose in others if pose is not seen)]


def best_of(
    looks: Iterable[Look], camera: Camera, settings: PnpSettings | None = None,
    calibration: Calibration | None = None, prior: Prior | None = None, closer: Callable[[Pose], Look] | None = None,
    exact: Callable[[PoseEstimate], PoseEstimate] | None = None,
) -> PoseEstimate:  # fmt: skip
    """As `locate`, of several looks: the likeliest of what they say. A guess is one more hypothesis of its look.

    Looks are taken one by one, until one leaves no doubt beside another. Then `closer` takes another look, near the
    pose that was found; it may raise InputError when there is nothing to see. `exact` has the last word.
    """
    settings, calibration = settings or PnpSettings(), calibration or Calibration()
    tried: list[Tried] = []
    for look in looks:
        tried.append((look, _tried(look, camera, settings, calibration, prior)))
        if len(tried) > 1 and _leaves_no_doubt(_likeliest(tried, calibration, prior)[1], settings, calibration):
            break
    taken, best = _likeliest(tried, calibration, prior)
    if best.pose is None:
        return best
    if closer and not _settled(best.pose, taken):
        with suppress(InputError):
            again = _tried(closer(best.pose), camera, settings, calibration, prior)
            best = _against(again, tried, calibration, prior) if again.pose else best
    return judged(exact(best) if exact else best, settings, calibration)


def _likeliest(tried: list[Tried], calibration: Calibration, prior: Prior | None) -> Tried:
    """The look with the likeliest pose, with evidence against the others; the first look when none has one."""
    found = [each for each in tried if each[1].pose]
    if not found:
        return tried[0]
    look, best = max(found, key=lambda each: _score(each[1], calibration, prior))
    return look, _against(best, tried, calibration, prior)


def _leaves_no_doubt(estimate: PoseEstimate, settings: PnpSettings, calibration: Calibration) -> bool:
    """Whether a calibrated confidence is as high as another look could make it, and the pose will not be withheld."""
    enough = max(settings.early_exit_confidence, least_confidence(settings, calibration, estimate.evidence))
    return bool(estimate.pose and calibration.fitted_on and estimate.confidence >= enough)


def _settled(pose: Pose, look: Look) -> bool:
    return look.guess is not None and _within(pose, look.guess, SETTLED_M, SETTLED_RAD)


def _tried(
    look: Look, camera: Camera, settings: PnpSettings, calibration: Calibration, prior: Prior | None
) -> PoseEstimate:
    """What one look says, or a status that says why it says nothing."""
    most = max(look.prediction.candidates, key=len, default=None)
    try:
        return _located(look, camera, settings, calibration, prior)
    except NoPoseError as none:
        return PoseEstimate(none.status, str(none), correspondences=most)
    except (InputError, np.linalg.LinAlgError) as error:
        return PoseEstimate(Status.NONFINITE, f"the solver broke down: {error}", correspondences=most)


def _score(estimate: PoseEstimate, calibration: Calibration, prior: Prior | None) -> float:
    """Log likelihood over the sharpness."""
    assert estimate.pose is not None
    assert estimate.evidence is not None
    return estimate.evidence.agreement + _log_prior(estimate.pose, prior) / calibration.sharpness


def _against(best: PoseEstimate, others: list[Tried], calibration: Calibration, prior: Prior | None) -> PoseEstimate:
    """The best estimate, with evidence against those of other looks that say something else."""
    assert best.pose is not None
    assert best.evidence is not None
    mine = _score(best, calibration, prior)
    margins = [
        mine - _score(e, calibration, prior) for _, e in others if e.pose is not None and _different(e.pose, best.pose)
    ]
    if not margins:
        return best
    evidence = replace(
        best.evidence, margin=min(best.evidence.margin, *margins),
        rival=max(best.evidence.rival, float(np.exp(-calibration.sharpness * max(min(margins), 0.0)))),
    )  # fmt: skip
    return replace(best, evidence=evidence, confidence=calibration.confidence(evidence))


def _climbing(
    look: Look, camera: Camera, settings: PnpSettings, calibration: Calibration, prior: Prior | None
) -> list[_Hypothesis]:
    """Every hypothesis, and the best ones moved to the best pose near them; the likeliest first."""
    known = [pose for pose in (prior.pose if prior else None, look.guess) if pose]
    agreement = look.prediction.agreement
    ranked = _ranked(_hypotheses(look.prediction, camera, settings, known), agreement, calibration, prior)
    climbed = [_climbed(h, agreement, calibration, prior) for h in ranked[:CLIMBERS]]
    return _ranked([*climbed, *ranked], agreement, calibration, prior)


def _located(
    look: Look, camera: Camera, settings: PnpSettings, calibration: Calibration, prior: Prior | None
) -> PoseEstimate:
    prediction, ranked = look.prediction, _climbing(look, camera, settings, calibration, prior)
    best = ranked[0]
    found = _posterior(best.pose, prediction.agreement, calibration, prior, enough=MIN_SAMPLES)
    pose = _about_camera(best.pose, found.mean)
    if _agreement_of(pose, prediction.agreement) == NOWHERE:
        raise NoPoseError(Status.NO_CONSENSUS, "nothing that is in view of the best pose tells how good it is")
    if found.ess < FEWEST_SAMPLES:
        raise NoPoseError(Status.UNCERTAIN, "no spread of poses about the best explains the similarity")
    _refuse_contradiction(pose, ranked, prediction.agreement, calibration, prior)
    spread = calibration.scaled(found.covariance)
    refuse_weak(spread, settings)
    problem = problem_of(best.matches, camera, settings.threshold_deg)
    distance, inliers = problem.agreeing(problem.in_map(pose))
    if inliers.sum() < settings.min_inliers:
        agree = f"{inliers.sum()} of {len(inliers)} matches agree within {problem.gate:.1f} px"
        raise NoPoseError(Status.NO_CONSENSUS, f"{agree}; at least {settings.min_inliers} must (pnp.min_inliers)")
    evidence = _evidence(pose, ranked, prediction.agreement, calibration, prior, found.covariance, int(inliers.sum()))
    return PoseEstimate(
        Status.OK,
        pose=pose,
        covariance=covariance.with_origin(spread, pose, best.pose.inverse().translation),
        correspondences=best.matches,
        inliers=inliers,
        residual_px=float(np.sqrt(np.mean(distance[inliers] ** 2))),
        confidence=calibration.confidence(evidence),
        evidence=evidence,
    )


def _hypotheses(prediction: Prediction, camera: Camera, settings: PnpSettings, known: list[Pose]) -> list[_Hypothesis]:
    """One of each set of matches that gives one, and those known beforehand; raises the first reason when there is
    none of the former."""
    found, reasons = [], []
    quick = settings.model_copy(update={"iterations": min(settings.iterations, settings.view_iterations)})
    for matches in prediction.candidates:
        try:
            usable = matches.selected(usable_matches(matches, camera, settings))
            problem = problem_of(usable, camera, settings.threshold_deg)
            found.append(_Hypothesis(problem.in_lidar(robust_start(problem, quick, None)[0]), usable))
        except NoPoseError as none:
            reasons.append(none)
    if not found:
        raise reasons[0] if reasons else NoPoseError(Status.TOO_FEW_MATCHES, "the prediction has no matches")
    sets = [h.matches for h in found]
    for pose in known:
        found.append(_Hypothesis(pose, max(sets, key=lambda m: _support(m, camera, settings, pose))))
    return found


def _support(matches: Correspondences, camera: Camera, settings: PnpSettings, pose: Pose) -> int:
    problem = problem_of(matches, camera, settings.threshold_deg)
    return int(problem.agreeing(problem.in_map(pose))[1].sum())


def _ranked(
    hypotheses: list[_Hypothesis], agreement: Agreement, calibration: Calibration, prior: Prior | None
) -> list[_Hypothesis]:
    """The likeliest first, each with its log likelihood."""
    rotations, translations = (np.array([getattr(h.pose, k) for h in hypotheses]) for k in ("rotation", "translation"))
    scores = calibration.sharpness * _agreement(agreement, *_all(agreement), rotations, translations)
    scores = scores + _log_priors(prior, np.zeros(3), rotations, translations)
    scored = [_Hypothesis(h.pose, h.matches, float(s)) for h, s in zip(hypotheses, scores, strict=True)]
    return sorted(scored, key=lambda h: h.score, reverse=True)


def _climbed(h: _Hypothesis, agreement: Agreement, calibration: Calibration, prior: Prior | None) -> _Hypothesis:
    """The hypothesis at the mean of what agrees near it, or itself where it sees too little."""
    try:
        found = _posterior(h.pose, agreement, calibration, prior, CLIMB_POINTS, CLIMB_ROUNDS)
    except NoPoseError:
        return h
    return _Hypothesis(_about_camera(h.pose, found.mean), h.matches)


def _log_prior(pose: Pose, prior: Prior | None) -> float:
    return float(_log_priors(prior, np.zeros(3), pose.rotation[None], pose.translation[None])[0])


def _all(agreement: Agreement) -> tuple[Rows, Array]:
    return np.arange(len(agreement.points)), agreement.points.astype(np.float64)


def _agreement(agreement: Agreement, rows: Rows, points: Array, rotations: Array, translations: Array) -> Array:
    """(K,) mean similarity of the points in view and of where they fall, under each of K poses of `points`; bilinear
    between the middles of cells."""
    u, v, seen = _projected(agreement.camera, points, rotations, translations)
    width, flat = agreement.camera.width, agreement.similarity.ravel()
    column, row = u.astype(np.int32), v.astype(np.int32)
    cell = (row * width + column).astype(np.int64)
    cell += (rows * agreement.similarity.shape[1])[:, None]
    u -= column
    v -= row
    a, b, c, d = (flat[step:].take(cell, mode="clip") for step in (0, 1, width, width + 1))
    with np.errstate(invalid="ignore"):  # told below
        blended = _between(_between(a, b, u), _between(c, d, u), v)
        blended *= seen
        total = blended.sum(axis=0, dtype=np.float64)
    worked(_FLOP * seen.size, _BYTE * seen.size)
    if not np.isfinite(total).all():
        raise NoPoseError(Status.NONFINITE, "the similarity of points and pixels holds NaN or infinity")
    n = seen.sum(axis=0)
    return np.where(n >= MIN_IN_VIEW, total / np.maximum(n, 1), NOWHERE)


def _projected(camera: Camera, points: Array, rotations: Array, translations: Array) -> tuple[Values, Values, Mask]:
    """(N, K) column and row of points (N, 3) under K poses, 0 where they are not in view, and whether they are.

    One point's poses lie side by side in memory, as do the cells that it may fall into.
    """
    c, centre = camera, points.sum(axis=0) / max(len(points), 1)  # about which float32 is exact
    poses = np.concatenate([rotations, (translations + rotations @ centre)[:, :, None]], axis=2)
    projections = np.array([[c.fx, 0.0, c.cx], [0.0, c.fy, c.cy], [0.0, 0.0, 1.0]]) @ poses
    homogeneous = np.concatenate([points - centre, np.ones((len(points), 1))], axis=1)
    u, v, z = homogeneous.astype(np.float32) @ projections.transpose(1, 2, 0).astype(np.float32)
    seen = z > NEAR_PLANE
    np.maximum(z, NEAR_PLANE, out=z)
    for at, size in ((u, c.width), (v, c.height)):
        at /= z
        seen &= (at >= 0) & (at < size - 1)
    u *= seen
    v *= seen
    return u, v, seen


def _between(a: Values, b: Values, share: Values) -> Values:
    """From a to b, in b's place."""
    b -= a
    b *= share
    b += a
    return b


def _posterior(
    pose: Pose, agreement: Agreement, calibration: Calibration, prior: Prior | None,
    most: int = IN_VIEW, rounds: int = posterior.ROUNDS, enough: float = 0.0,
) -> posterior.Posterior:  # fmt: skip
    """Of the delta of pose about the camera."""
    centre = pose.inverse().translation
    points = agreement.points.astype(np.float64) - centre
    rows = _near_view(points @ pose.rotation.T, agreement.camera)[:most]
    if len(rows) < MIN_IN_VIEW:
        raise NoPoseError(Status.NO_CONSENSUS, f"{len(rows)} points lie in view of the best pose: too few to judge it")
    points = points[rows]

    def log_likelihood(rotations: Array, translations: Array) -> Array:
        turned = rotations @ pose.rotation
        scores = _agreement(agreement, rows, points, turned, translations)
        return calibration.sharpness * scores + _log_priors(prior, centre, turned, translations)

    return posterior.sample(log_likelihood, _searched(prior, centre), rounds, enough)


def _searched(prior: Prior | None, centre: Array) -> Array:
    """(6, 6) covariance about centre of where samples begin."""
    searched = np.diag(SEARCHED_STD**2)
    if prior is None:
        return searched
    known = covariance.with_origin(prior.covariance, prior.pose, -centre)
    return covariance.symmetric(searched @ np.linalg.inv(searched + known) @ known)


def _log_priors(prior: Prior | None, centre: Array, rotations: Array, translations: Array) -> Array:
    """(K,) log probability, up to a constant, of poses of points about centre.

    Compared about the prior's own camera, where position and rotation are least coupled.
    """
    if prior is None:
        return np.zeros(len(rotations))
    own = prior.pose.inverse().translation
    spread = covariance.with_origin(prior.covariance, prior.pose, -own)
    turns = _rotation_vectors(rotations @ prior.pose.rotation.T)
    deltas = np.concatenate([translations + rotations @ (own - centre), turns], axis=1)
    return np.asarray(-0.5 * np.einsum("ki,ik->k", deltas, np.linalg.solve(spread, deltas.T)))


def _rotation_vectors(rotations: Array) -> Array:
    """(K, 3) of rotations (K, 3, 3): `so3_log` of each, but at half a turn, where no prior reaches."""
    skewed = rotations - rotations.transpose(0, 2, 1)
    v = 0.5 * np.stack([skewed[:, 2, 1], skewed[:, 0, 2], skewed[:, 1, 0]], axis=1)
    sine = np.linalg.norm(v, axis=1)
    angle = np.arctan2(sine, 0.5 * (np.trace(rotations, axis1=1, axis2=2) - 1.0))
    return np.asarray(v * (angle / np.maximum(sine, 1e-12))[:, None])


def _near_view(points: Array, camera: Camera) -> Rows:
    """Rows of at most IN_VIEW points (N, 3) of the camera frame that are in its view or may come into it."""
    x, y, z = points.T
    left, right = -camera.cx / camera.fx, (camera.width - camera.cx) / camera.fx
    top, bottom = -camera.cy / camera.fy, (camera.height - camera.cy) / camera.fy
    ahead = np.maximum(z, NEAR_PLANE)
    wide = (x > WIDENED * left * ahead) & (x < WIDENED * right * ahead)
    high = (y > WIDENED * top * ahead) & (y < WIDENED * bottom * ahead)
    rows = np.flatnonzero(wide & high & (z > 0.0))
    return np.random.default_rng(0).permutation(rows)[:IN_VIEW]


def _about_camera(pose: Pose, delta: Array) -> Pose:
    """T_camera_lidar after a delta about the camera."""
    turned = so3_exp(delta[3:]) @ pose.rotation
    return Pose(turned, delta[:3] - turned @ pose.inverse().translation)


def _refuse_contradiction(
    pose: Pose, ranked: list[_Hypothesis], agreement: Agreement, calibration: Calibration, prior: Prior | None
) -> None:
    """Raises where the prior costs the pose more likelihood than a right prior would: for Gaussians, half the squared
    Mahalanobis distance between the prior and what the descriptors alone say."""
    if prior is None:
        return
    alone = max(h.score - _log_prior(h.pose, prior) for h in ranked)
    mine = calibration.sharpness * _agreement_of(pose, agreement) + _log_prior(pose, prior)
    if 2.0 * (alone - mine) > CONTRADICTION:
        apart = np.sqrt(2.0 * (alone - mine))
        raise NoPoseError(
            Status.UNCERTAIN, f"the prediction contradicts the prior: {apart:.1f} standard deviations apart"
        )


def _evidence(
    pose: Pose, ranked: list[_Hypothesis], agreement: Agreement, calibration: Calibration, prior: Prior | None,
    spread: Array, inliers: int,
) -> Evidence:  # fmt: skip
    mine, known = _agreement_of(pose, agreement), _log_prior(pose, prior) / calibration.sharpness
    others = [h.score / calibration.sharpness for h in ranked if _different(h.pose, pose)]
    margin = mine + known - (max(others) if others else float(agreement.similarity.mean()))
    rival = float(np.exp(-calibration.sharpness * max(margin, 0.0))) if others else 0.0
    std_m = float(np.sqrt(np.linalg.eigvalsh(spread[:3, :3])[-1]))
    shortfall = _most_of(pose, agreement) - mine
    return Evidence(inliers, len(ranked[0].matches), rival, mine, margin, shortfall, std_m)


def _most_of(pose: Pose, agreement: Agreement) -> float:
    """What the agreement would be if each point in view fell on the pixel most like it."""
    points = agreement.points.astype(np.float64)
    seen = _projected(agreement.camera, points, pose.rotation[None], pose.translation[None])[2][:, 0]
    most = agreement.similarity.max(axis=1)  # of all: to select first would copy megabytes
    return float(most[seen].mean()) if seen.sum() >= MIN_IN_VIEW else NOWHERE


def _agreement_of(pose: Pose, agreement: Agreement) -> float:
    return float(_agreement(agreement, *_all(agreement), pose.rotation[None], pose.translation[None])[0])


def _different(a: Pose, b: Pose) -> bool:
    return not _within(a, b, ANOTHER_M, ANOTHER_RAD)


def _within(a: Pose, b: Pose, metres: float, radians: float) -> bool:
    apart = np.linalg.norm(a.inverse().translation - b.inverse().translation)
    return bool(apart <= metres and np.linalg.norm(a.local(b)[3:]) <= radians)
