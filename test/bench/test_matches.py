# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p bench pnp`: problems are what they say by OpenCV, solvers are judged alike, rows keep their contract."""

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from i2p_ros import cli
from i2p_ros.bench import matches as bench_pnp
from i2p_ros.bench.matches import CAMERA, CONDITIONS, SOLVERS, Condition, MatchProblem, bench, draw_problem
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Correspondences, PoseEstimate, Status
from i2p_ros.pnp.baselines import BASELINES

CONTRACT = {
    "solver", "outliers", "noise_px", "matches", "geometry", "success", "rot_deg", "trans_m", "anees", "ms",
}  # fmt: skip
TWO = (Condition(outliers=0.3, matches=60), Condition(outliers=0.5, matches=80, geometry="plane", origin_m=10.0))


def projected(problem: MatchProblem) -> tuple[Array, Array]:
    """(M, 2) px between pixels and OpenCV's projections by the truth, and (M, 3) the points in the camera frame."""
    T = problem.T_camera_lidar
    rotation = cv2.Rodrigues(T.rotation)[0]
    pixels = cv2.projectPoints(problem.matches.points, rotation, T.translation, CAMERA.matrix, None)[0]
    in_camera = (T.rotation @ problem.matches.points.T).T + T.translation
    return problem.matches.pixels - pixels.reshape(-1, 2), in_camera


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda c: c.name)
def test_a_problem_has_the_stated_outliers_and_noise(condition: Condition) -> None:
    problems = [draw_problem(condition, 5, draw) for draw in range(3)]
    for problem in problems:
        assert len(problem.matches) == condition.matches and (problem.matches.weights == 1).all()
        assert problem.wrong.sum() == round(condition.outliers * condition.matches)
        assert np.linalg.norm(problem.T_camera_lidar.translation) == pytest.approx(condition.origin_m)
    off = np.concatenate([projected(s)[0] for s in problems])
    wrong = np.concatenate([s.wrong for s in problems])
    few = 4.0 / math.sqrt(2.0 * (~wrong).sum())  # four standard deviations of a standard deviation, and more of a mean
    assert off[~wrong].std() == pytest.approx(condition.noise_px, rel=few)
    assert np.abs(off[~wrong].mean(axis=0)).max() < 2 * few * condition.noise_px
    assert np.median(np.linalg.norm(off[wrong], axis=1)) > 20 if wrong.any() else condition.outliers == 0


def test_wrong_matches_cover_the_image_and_stand_anywhere_in_the_list() -> None:
    problem = draw_problem(Condition(outliers=0.95, matches=2000), 0, 0)
    u, v = problem.matches.pixels[problem.wrong].T
    assert np.histogram(u, 4, (-0.5, 511.5))[0].min() > 400 and np.histogram(v, 4, (-0.5, 159.5))[0].min() > 400
    assert problem.wrong[:100].mean() == pytest.approx(0.95, abs=0.1)


def test_geometries_are_what_they_are_called() -> None:
    def drawn(name: Any) -> tuple[Array, Array]:
        problem = draw_problem(Condition(outliers=0.0, noise_px=0.0, geometry=name), 1, 0)
        return problem.matches.pixels, projected(problem)[1]

    def flatness(points: Array) -> float:
        return float(np.linalg.svd(points - points.mean(axis=0))[1][-1])

    pixels, points = drawn("volume")
    assert 4 < points[:, 2].min() < 5 and 44 < points[:, 2].max() < 45 and flatness(points) > 10
    assert pixels.min(axis=0) == pytest.approx([0, 0], abs=5) and pixels.max(axis=0) == pytest.approx([511, 159], abs=5)
    pixels, points = drawn("plane")
    assert flatness(points) < 1e-9 and points[:, 2].min() < 4.5 and points[:, 2].max() > 35
    assert (pixels[:, 0].argmin(), pixels[:, 0].argmax()) == (points[:, 2].argmin(), points[:, 2].argmax())
    pixels, points = drawn("ground")
    assert np.ptp(points[:, 1]) < 1e-9 and points[0, 1] == pytest.approx(1.65)
    assert 20 < points[:, 2].max() < 45 and pixels.max() < 512
    pixels, points = drawn("one_sided")
    assert pixels[:, 0].max() < 512 / 3 < pixels[:, 0].max() + 5 and flatness(points) > 10
    assert 40 < drawn("far")[1][:, 2].min() < 42


def test_the_conditions_are_those_of_the_published_table() -> None:
    assert [c.outliers for c in CONDITIONS[:6]] == [0, 0.3, 0.6, 0.8, 0.9, 0.95]
    assert Condition() == Condition(0.3, 2.0, 600, "volume", 0.0)
    assert len(set(CONDITIONS)) == len(CONDITIONS) == len({c.name for c in CONDITIONS})
    assert CAMERA.matrix.tolist() == [[360, 0, 256], [0, 360, 80], [0, 0, 1]]
    angle = math.radians(bench_pnp.SETTINGS.threshold_deg)
    assert CAMERA.fx * math.tan(angle) == pytest.approx(bench_pnp.THRESHOLD_PX) == pytest.approx(8)


@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_finds_an_easy_pose(name: str) -> None:
    problem = draw_problem(Condition(noise_px=0.1, origin_m=10.0), 3, 0)
    pose = SOLVERS[name](problem.matches).pose
    assert pose is not None
    assert np.abs(pose.inverse().translation - problem.T_camera_lidar.inverse().translation).max() < 0.05
    assert np.abs(pose.rotation - problem.T_camera_lidar.rotation).max() < 1e-3


@pytest.mark.parametrize("name", BASELINES)
def test_a_rival_gives_a_pose_or_none_whatever_comes(name: str) -> None:
    matches = draw_problem(Condition(), 0, 0).matches
    same = np.ones((600, 3))
    for uv, points in (
        (matches.pixels[:2], matches.points[:2]),
        (matches.pixels, same),
        (matches.pixels, np.nan * same),
    ):
        pose = BASELINES[name](uv, points, CAMERA, 8.0)
        assert pose is None or np.isfinite(pose.matrix).all()
    assert BASELINES[name](matches.pixels[:2], matches.points[:2], CAMERA, 8.0) is None


def solvers(monkeypatch: pytest.MonkeyPatch, **solver: Callable[[Correspondences], PoseEstimate]) -> None:
    """The bench with ours and the reference replaced, and no others."""
    monkeypatch.setattr(bench_pnp, "SOLVERS", {"poselib": solver["poselib"], "i2p": solver["i2p"]})


def test_no_pose_is_no_success_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = iter([True, False] * 3)
    given = {draw: draw_problem(TWO[0], 0, draw) for draw in range(2)}

    def right_or_none(matches: Correspondences) -> PoseEstimate:
        problem = next(s for s in given.values() if (s.matches.pixels == matches.pixels).all())
        return PoseEstimate(Status.OK, pose=problem.T_camera_lidar) if next(truth) else PoseEstimate(Status.DEGENERATE)

    def never(matches: Correspondences) -> PoseEstimate:
        return PoseEstimate(Status.NO_CONSENSUS)

    next(truth)  # the call before the measurement takes the second: none
    solvers(monkeypatch, poselib=right_or_none, i2p=never)
    monkeypatch.setattr(bench_pnp, "CONSISTENT_UP_TO", -1.0)
    theirs, ours = bench(2, 0, TWO[:1])
    assert theirs["success"] == 0.5 and theirs["status"] == {"degenerate": 1, "ok": 1}
    assert theirs["rot_deg"] == pytest.approx(0, abs=1e-5) and theirs["trans_m"] == 0
    assert ours["success"] == 0 and ours["status"] == {"no_consensus": 2}
    assert ours["rot_deg"] is ours["trans_m"] is ours["anees"] is None and ours["ms"] > 0


@pytest.mark.parametrize(("metres", "degrees", "success"), [(0.9, 1.9, 1), (1.1, 0, 0), (0, 2.1, 0)])
def test_success_is_within_one_metre_and_two_degrees_of_the_camera(
    monkeypatch: pytest.MonkeyPatch, metres: float, degrees: float, success: float
) -> None:
    condition = Condition(origin_m=30.0)
    T = draw_problem(condition, 0, 0).T_camera_lidar
    turn = Pose.from_rotvec(np.radians([0, 0, degrees]))
    off = turn @ T @ Pose(np.eye(3), np.array([0.0, metres, 0.0]))  # the camera moved by metres, then turned

    def estimate(matches: Correspondences) -> PoseEstimate:
        return PoseEstimate(Status.OK, pose=off)

    solvers(monkeypatch, poselib=estimate, i2p=estimate)
    monkeypatch.setattr(bench_pnp, "CONSISTENT_UP_TO", -1.0)
    row = bench(1, 0, [condition])[0]
    assert row["rot_deg"] == pytest.approx(degrees, abs=1e-5) and row["trans_m"] == pytest.approx(metres)
    assert row["success"] == success


def test_anees_is_the_mean_of_errors_weighed_by_the_stated_covariance(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, draws = np.random.default_rng(0), 10
    truths = [draw_problem(TWO[0], 0, draw) for draw in range(10 * draws)]
    root = rng.normal(size=(6, 6)) * 1e-3
    covariance = root @ root.T
    errors = rng.normal(size=(len(truths), 6)) @ root.T
    answers = {s.matches.pixels.tobytes(): s.T_camera_lidar.retract(e) for s, e in zip(truths, errors, strict=True)}

    def noisy(matches: Correspondences) -> PoseEstimate:
        return PoseEstimate(Status.OK, pose=answers[matches.pixels.tobytes()], covariance=covariance)

    monkeypatch.setattr(bench_pnp, "_effective_samples", lambda *_: None)  # there are no matches to sample
    monkeypatch.setattr(bench_pnp, "_ours", noisy)
    solvers(monkeypatch, poselib=SOLVERS["poselib"], i2p=noisy)
    row = bench(draws, 0, TWO[:1])[1]
    nees = np.einsum("ni,ij,nj->n", errors, np.linalg.inv(covariance), errors)
    assert row["anees"] == pytest.approx(nees.mean(), rel=0.02) and row["anees_ratio"] == row["anees"] / 6
    assert row["anees_draws"] == 100 and row["draws"] == draws
    assert row["coverage"]["0.95"] == pytest.approx((nees < 12.5916).mean(), abs=0.021)  # chi-square, 6 degrees
    assert all(value > 0.8 for value in row["coverage_axes"].values()) and len(row["coverage_axes"]) == 6


def test_rows_keep_the_contract_and_depend_on_the_seed_alone() -> None:
    told: list[tuple[int, int]] = []
    threads = cv2.getNumThreads()
    rows = bench(2, 7, TWO, lambda *at: told.append(at))
    assert told == [(1, 2), (2, 2)] and cv2.getNumThreads() == threads
    assert [r["solver"] for r in rows] == [*BASELINES, "i2p"] * 2
    for row in rows:
        assert row.keys() >= CONTRACT and row["draws"] == sum(row["status"].values()) == 2
        assert (row["anees"] is None) == (row["solver"] != "i2p")
    assert [r["geometry"] for r in rows] == ["volume"] * 5 + ["plane"] * 5
    assert [r["ms_ratio"] for r in rows if r["solver"] == "poselib"] == [1, 1]

    def timeless(seed: int) -> list[dict[str, Any]]:
        return [{k: v for k, v in row.items() if k not in ("ms", "ms_ratio")} for row in bench(2, seed, TWO)]

    again, other = timeless(7), timeless(8)
    assert again == [{k: v for k, v in row.items() if k not in ("ms", "ms_ratio")} for row in rows] != other


def run(*arguments: str) -> int:
    """Exit code of `i2p bench pnp ARGUMENTS`."""
    monkey = pytest.MonkeyPatch()
    monkey.setattr(sys, "argv", ["i2p", "bench", "pnp", *arguments])
    try:
        cli.main()
        return 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    finally:
        monkey.undo()


def test_the_command_prints_or_writes_a_list_of_rows(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_pnp, "CONDITIONS", TWO)
    assert run("--draws", "1", "--json", "-") == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 10 and all(row.keys() >= CONTRACT for row in rows)
    target = tmp_path / "pnp.json"
    assert run("--draws", "1", "--json", str(target)) == 0
    shown = capsys.readouterr()
    assert [row["solver"] for row in json.loads(target.read_text())] == [row["solver"] for row in rows]
    assert all(name in shown.out for name in (*SOLVERS, *(condition.name for condition in TWO)))
    assert "camera centre" in shown.err


def test_the_command_helps_and_refuses_bad_targets_before_the_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run("--help") == 0 and "Example: i2p bench pnp" in " ".join(capsys.readouterr().out.split())
    assert run("--json", str(tmp_path)) == 1 and "it is a folder" in capsys.readouterr().err
    assert run("--draws", "0") == 2
