# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Matches that fix no pose, or more than one, give a named status or a large covariance, never a confident error."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers.matches import CAMERA, errors, is_sound, matches_of, nees, rays, stds, synthetic_matches
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Correspondences, Status
from i2p_ros.pnp import solve

Scene = tuple[Correspondences, Pose]
Rng = np.random.Generator
NO_POSE = set(Status) - {Status.OK, Status.NONFINITE, Status.NOT_PROCESSED}


def on_plane(rng: Rng, normal: list[float], distance: float, top: float = 0.0) -> Scene:
    found = rays(rng, 300, top)
    return matches_of(found * (distance / (found @ normal))[:, None], rng, 2.0)


def poster(rng: Rng, distance: float) -> Scene:
    flat = np.c_[rng.uniform(-3.0, 3.0, (100, 2)), np.zeros(100)] @ Pose.from_rotvec([0.5, 0.4, 0.0]).rotation.T
    return matches_of(flat + np.array([0.0, 0.0, distance]), rng, 2.0)


def tunnel(rng: Rng) -> Scene:
    around = rng.uniform(0.0, 2.0 * np.pi, 300)
    return matches_of(np.c_[2.0 * np.cos(around), 2.0 * np.sin(around), rng.uniform(9.0, 60.0, 300)], rng, 1.0)


def line(rng: Rng, sigma: float) -> Scene:
    return matches_of(np.linspace([-3.0, 0.0, 8.0], [3.0, 1.0, 12.0], 100), rng, sigma)


def far(rng: Rng, distance: float) -> Scene:
    return matches_of(rays(rng, 300) * rng.uniform(0.8, 1.2, (300, 1)) * distance, rng, 1.0)


def wrong(rng: Rng, clusters: int) -> Scene:
    matches, truth = synthetic_matches(int(rng.integers(1000)))
    centres = rng.uniform([0, 0], [512, 160], (clusters, 2))
    pixels = centres[rng.integers(0, clusters, 600)] + 3.0 * rng.normal(size=(600, 2))
    return Correspondences(pixels, matches.points, matches.weights), truth


def behind(rng: Rng) -> Scene:
    matches, truth = synthetic_matches(int(rng.integers(1000)), 1.0)
    mirrored = truth.inverse().apply(-truth.apply(matches.points))
    return Correspondences(matches.pixels, mirrored, matches.weights), truth


def copies(rng: Rng, of: int) -> Scene:
    matches, truth = synthetic_matches(int(rng.integers(1000)), 1.0)
    return matches.selected(np.repeat(np.arange(of), 40)), truth


def two_poses(rng: Rng, share: float) -> Scene:
    """A share of the matches follows the truth, the rest another pose."""
    matches, truth = synthetic_matches(int(rng.integers(1000)), 1.0)
    other, n, points = Pose.from_rotvec([0.0, 0.3, 0.0], [3.0, 0.0, 1.0]) @ truth, round(600 * share), matches.points
    points[n:] = other.inverse().apply(truth.apply(points[n:]))
    return Correspondences(matches.pixels, points, matches.weights), truth


# name: scene, what it may end in, and the axes (x y z of the camera) that must be stated far less certain than others
CASES: dict[str, tuple[Callable[[Rng], Scene], set[Status], tuple[int, ...]]] = {
    "small plane far away, two poses": (lambda g: poster(g, 60.0), {Status.UNCERTAIN, Status.OK}, (0, 1)),
    "small plane": (lambda g: poster(g, 15.0), {Status.OK, Status.UNCERTAIN}, ()),
    "facade": (lambda g: on_plane(g, [0.6, 0.0, 0.8], 8.0), {Status.OK}, ()),
    "ground": (lambda g: on_plane(g, [0.0, 1.0, 0.0], 1.65, 100.0), {Status.OK}, ()),
    "tunnel": (tunnel, {Status.OK}, ()),
    "line": (lambda g: line(g, 1.0), {Status.NO_CONSENSUS, Status.DEGENERATE}, ()),
    "exact line": (lambda g: line(g, 0.0), {Status.NO_CONSENSUS, Status.DEGENERATE}, ()),
    "300 m away": (lambda g: far(g, 300.0), {Status.OK}, (0, 1)),
    "10 km away": (lambda g: far(g, 1e4), {Status.DEGENERATE}, ()),
    "100 km away": (lambda g: far(g, 1e5), {Status.DEGENERATE, Status.NOT_CONVERGED}, ()),
    "5 matches": (lambda g: synthetic_matches(int(g.integers(1000)), 1.0, n=5), {Status.TOO_FEW_MATCHES}, ()),
    "12 matches": (lambda g: synthetic_matches(int(g.integers(1000)), 1.0, n=12), {Status.OK, Status.NO_CONSENSUS}, ()),
    "uniform pixels": (lambda g: synthetic_matches(int(g.integers(1000)), 1.0, 1.0), {Status.NO_CONSENSUS}, ()),
    "pixels in five places": (lambda g: wrong(g, 5), NO_POSE, ()),
    "pixels in one place": (lambda g: wrong(g, 1), NO_POSE, ()),
    "behind the camera": (behind, {Status.UNCERTAIN, Status.NO_CONSENSUS, Status.BEHIND_CAMERA}, ()),
    "copies of 5 matches": (lambda g: copies(g, 5), {Status.NO_CONSENSUS}, ()),
    "copies of 15 matches": (lambda g: copies(g, 15), {Status.NO_CONSENSUS}, ()),
    "two poses, 50/50": (lambda g: two_poses(g, 0.5), {Status.UNCERTAIN}, ()),
    "two poses, 60/40": (lambda g: two_poses(g, 0.6), {Status.OK}, ()),
}


@pytest.mark.parametrize("name", CASES)
def test_row_54_a_degenerate_scene_gives_a_named_status_or_a_covariance_that_holds_the_truth(name: str) -> None:
    scene, statuses, weak = CASES[name]
    values = []
    for seed in range(6):
        matches, truth = scene(np.random.default_rng([seed, 5]))
        estimate = solve(matches, CAMERA)
        assert estimate.status in statuses and is_sound(estimate), (seed, estimate.status, estimate.reason)
        if estimate.pose is not None:
            values.append(nees(estimate, truth))
            std = stds(estimate)[:3]
            assert all(std[axis] > max(0.1, 1.5 * std[2]) for axis in weak), std
    assert not values or (max(values) < 35 and np.mean(values) < 6 + 4 * np.sqrt(12 / len(values)))


def test_a_withheld_pose_is_reported() -> None:
    matches, truth = two_poses(np.random.default_rng(0), 0.5)
    estimate = solve(matches, CAMERA)
    assert estimate.pose is None and "another pose" in estimate.reason
    assert estimate.withheld is not None and estimate.covariance is not None
    other = Pose.from_rotvec([0.0, 0.3, 0.0], [3.0, 0.0, 1.0]) @ truth
    assert min(np.abs(estimate.withheld.local(pose)).max() for pose in (truth, other)) < 0.1


def test_a_minority_lowers_confidence_but_not_the_pose() -> None:
    split, truth = two_poses(np.random.default_rng(1), 0.6)
    estimate, alone = solve(split, CAMERA), solve(split.selected(np.arange(360)), CAMERA)
    assert max(errors(estimate, truth)) < 0.1 and estimate.confidence < alone.confidence
    assert estimate.evidence is not None and estimate.evidence.rival == pytest.approx(2 / 3, abs=0.05)


def test_row_54_weak_axes_are_named() -> None:
    estimate = solve(far(np.random.default_rng(0), 1e4)[0], CAMERA)
    assert "x (right)" in estimate.reason and "y (down)" in estimate.reason and "rotation" not in estimate.reason
    exact = solve(line(np.random.default_rng(0), 0.0)[0], CAMERA)
    assert exact.pose is None and exact.reason


def test_one_trusted_match_fixes_no_rotation() -> None:
    matches, _ = synthetic_matches(0, sigma=1.0)
    estimate = solve(Correspondences(matches.pixels, matches.points, np.r_[np.full(599, 1e-13), 1.0]), CAMERA)
    assert estimate.status is Status.DEGENERATE


ODD = [0.0, -0.0, 1e-300, -1e30, 1e18, 1e154, 1e300, np.inf, np.nan]
LENSES = [("plumb_bob", ()), ("plumb_bob", (50.0, -50.0, 3.0, 3.0)), ("equidistant", (-5.0, 9.0, 3.0, 1.0))]


@st.composite
def scenes(draw: Any) -> tuple[Correspondences, Camera]:
    """Matches that may be degenerate: flat, repeated, scaled, rounded, with extreme numbers, in an extreme camera."""
    matches, _ = synthetic_matches(
        draw(st.integers(0, 50)), draw(st.sampled_from([0.0, 1.0, 5.0])), n=draw(st.integers(12, 60))
    )
    rng, n = np.random.default_rng(draw(st.integers(0, 100))), len(matches)
    pixels, points, weights = matches.pixels, matches.points, rng.choice([1.0, 1.0, 0.5, 0.0], n)
    spoil = draw(st.sets(st.sampled_from(["repeat", "scale", "round", "odd", "same", "weights"]), max_size=2))
    if "repeat" in spoil:
        chosen = rng.integers(0, draw(st.integers(1, n)), n)
        pixels, points = pixels[chosen], points[chosen]
    if "scale" in spoil:
        points = points * draw(st.sampled_from([0.0, 1e-9, 1e-3, 1e6, 1e100]))
    if "round" in spoil:
        pixels, points = np.round(pixels / 50) * 50, np.round(points / 10) * 10
    if "odd" in spoil:
        array = draw(st.sampled_from([pixels, points, weights]))
        array.flat[rng.integers(0, array.size, draw(st.integers(1, 3)))] = draw(st.sampled_from(ODD))
    if "same" in spoil:
        points = points * np.array(draw(st.sampled_from([(0, 1, 1), (0, 0, 1), (1, 1, 0)])))
    focal = draw(st.sampled_from([360.0] * 8 + [1e-300, 1e-6, 1.0, 1e6, 1e30]))
    camera = Camera(focal, 360.0, 256.0, 80.0, 512, 160, *draw(st.sampled_from(LENSES[:1] * 6 + LENSES[1:])))
    return Correspondences(pixels, points, weights if "weights" in spoil else np.abs(weights) + 0.5), camera


@hypothesis_settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(scenes())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_any_input_gives_a_sound_answer(scene: tuple[Correspondences, Camera]) -> None:
    assert is_sound(solve(*scene))
