# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Overlays and plots, judged by where a known colour lands."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Correspondences, PointCloud, Status
from i2p_ros.evaluation import plots
from i2p_ros.evaluation.metrics import Score
from i2p_ros.synthetic.rigs import CAMERAS
from i2p_ros.viz import draw_matches, overlay
from i2p_ros.viz.overlays import BAD, GOOD, UNKNOWN, cells_shaded, depth_colours

CAMERA = Camera(100.0, 100.0, 100.0, 40.0, 201, 81)
BLACK = np.zeros((81, 201, 3), np.uint8)
GREY = np.full((81, 201, 3), 100, np.uint8)


def cloud(*points: tuple[float, float, float]) -> PointCloud:
    return PointCloud(np.array(points, np.float32))


def test_a_point_lands_where_it_projects_in_the_colour_of_its_depth() -> None:
    drawn = overlay(BLACK, CAMERA, cloud((0.5, 0.2, 10.0)), Pose.identity())
    rows, columns = np.nonzero(drawn.any(axis=2))
    assert (rows.mean(), columns.mean()) == (42, 105)
    np.testing.assert_array_equal(drawn[42, 105], depth_colours(np.array([10.0]))[0])


def test_the_nearer_point_is_on_top_whatever_the_order() -> None:
    near, far = (0.0, 0.0, 5.0), (0.0, 0.0, 50.0)
    expected = depth_colours(np.array([5.0]))[0]
    for points in ((near, far), (far, near)):
        np.testing.assert_array_equal(overlay(BLACK, CAMERA, cloud(*points), Pose.identity())[40, 100], expected)


def test_a_fisheye_shows_points_beside_it_in_the_colour_of_their_distance() -> None:
    camera = CAMERAS["tum_vi"][0]
    drawn = overlay(np.zeros((512, 512, 3), np.uint8), camera, cloud((-20.0, -20.0, -1.0)), Pose.identity())
    (u, v), inside = (values[0] for values in camera.project([[-20.0, -20.0, -1.0]]))
    assert inside
    np.testing.assert_array_equal(drawn[round(v), round(u)], depth_colours(np.array([28.3]))[0])


def test_colours_go_from_red_to_blue() -> None:
    near, far = depth_colours(np.array([4.0, 40.0])).astype(int)
    assert near[0] > near[2] + 50 and far[2] > far[0] + 50


def test_the_pose_is_applied_and_the_image_kept() -> None:
    image = GREY.copy()
    drawn = overlay(image, CAMERA, cloud((0.0, 0.0, 0.0)), Pose(np.eye(3), np.array([0.0, 0.0, 10.0])), dim=1.0)
    assert (drawn[40, 100] != 100).any() and (drawn[0, 0] == 100).all()
    np.testing.assert_array_equal(image, GREY)


@pytest.mark.parametrize(
    "points", [np.zeros((0, 3)), [[0, 0, -5]], [[np.nan, 0, 5]], [[1e30, 0, 5]], [[0, 0, 0]], [[1.0, 0.4, 1.0]]]
)
def test_points_out_of_view_or_at_the_border_raise_no_error(points: np.ndarray) -> None:
    assert overlay(BLACK, CAMERA, PointCloud(np.asarray(points, np.float32)), Pose.identity()).shape == BLACK.shape


def test_no_more_points_than_asked_for() -> None:
    rng = np.random.default_rng(0)
    many = PointCloud(rng.uniform([-8, -3, 10], [8, 3, 10.1], (5000, 3)).astype(np.float32))
    drawn = overlay(BLACK, CAMERA, many, Pose.identity(), max_points=10)
    assert 0 < np.count_nonzero(drawn.any(axis=2)) <= 10 * 5


def has(image: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((image == colour).all(axis=2).any())


def test_matches_are_coloured_as_inliers_outliers_or_unknown() -> None:
    points = np.array([[0.0, 0.0, 10.0], [0.0, 0.0, 10.0], [0.0, 0.0, -1.0]])
    matches = Correspondences(np.array([[100.0, 40.0], [20.0, 20.0], [180.0, 60.0]]), points, np.ones(3))
    drawn = draw_matches(BLACK, CAMERA, matches, Pose.identity(), np.array([True, False, False]))
    assert tuple(drawn[40, 100]) == GOOD and tuple(drawn[20, 20]) == BAD and tuple(drawn[60, 180]) == BAD
    assert drawn[24:27, 40, 0].max() > 100  # on the line from (20, 20) to the projection at (100, 40)
    unknown = draw_matches(BLACK, CAMERA, matches)
    assert has(unknown, UNKNOWN) and not has(unknown, GOOD) and not has(unknown, BAD)


def test_the_matches_of_the_largest_weights_are_drawn() -> None:
    matches = Correspondences(np.array([[50.0, 40.0], [150.0, 40.0]]), np.ones((2, 3)), np.array([0.1, 0.9]))
    drawn = draw_matches(BLACK, CAMERA, matches, max_matches=1)
    assert not drawn[40, 50].any() and drawn[40, 150].any()
    assert not draw_matches(BLACK, CAMERA, matches.selected(np.zeros(0, int))).any()


def scores() -> list[Score]:
    good = [
        Score(f"d/{k}", Status.OK, 0.1 * k, 0.1, 1.0, 1.0, 9, 0.5, 30.0, {"network": 20.0, "pose": 10.0}, "", k * 10**8)
        for k in range(5)
    ]
    good = [replace(s, nees=3.0 * k, std_m=0.1, failed=False, junk=False, overlap=0.1) for k, s in enumerate(good)]
    return [*good, Score("d/5", Status.NO_CONSENSUS, stamp=5 * 10**8)]


PLOTS = [
    plots.error_over_time,
    plots.recall_curves,
    plots.error_over_overlap,
    plots.latency,
    plots.calibration,
    plots.ranking,
]


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("rows", [scores(), scores()[-1:], [], [Score("a", Status.OK, 0.0, 0.0, 0.0, 0.0)]])
def test_plots_are_pictures_of_any_scores(plot, rows: list[Score], recwarn: pytest.WarningsRecorder) -> None:  # type: ignore[no-untyped-def]
    image = cv2.imdecode(np.frombuffer(plot(rows), np.uint8), cv2.IMREAD_UNCHANGED)
    assert image.shape[2] == 4 and image[2, 2, 3] == 0  # a clear background
    assert np.count_nonzero(image[..., 3]) > 1000
    assert [f"{w.filename}: {w.message}" for w in recwarn] == []


def lines(draw, *arguments) -> dict[str, np.ndarray]:  # type: ignore[no-untyped-def]
    """(2, N) x and y of each line of a panel, by its label."""
    axes = Figure().subplots()
    draw(axes, *arguments)
    return {str(line.get_label()): np.array(line.get_data(), float) for line in axes.lines}


def test_recall_curves_count_all_pairs_and_meet_at_the_recall_of_the_summary() -> None:
    metres = np.array([0.1, 0.3, 1.0, 3.0, np.nan])
    gate = np.array([True, False, True, True, False])  # the last has no pose
    drawn = lines(plots._recall, metres, gate, "red", "m", 2.0, "gated")
    x, alone = drawn["alone"]
    at = [int(np.searchsorted(x, limit)) for limit in (0.05, 0.2, 2.0, 200.0)]
    np.testing.assert_allclose(alone[at], [0, 1 / 5, 3 / 5, 4 / 5])
    np.testing.assert_allclose(drawn["gated"][1][at], [0, 1 / 5, 2 / 5, 3 / 5])
    assert (drawn["2 m"][0] == 2.0).all()


def test_shares_by_overlap_are_of_neighbours() -> None:
    overlap = np.random.default_rng(0).permutation(40) / 40.0
    axes = Figure().subplots()
    plots._recall_by(axes, overlap, overlap >= 0.5)
    x, share = np.array(axes.lines[0].get_data(), float)
    np.testing.assert_allclose(x, np.arange(40).reshape(4, 10).mean(axis=1) / 40.0)
    np.testing.assert_allclose(share, [0.0, 0.0, 1.0, 1.0])


def test_coverage_of_a_true_covariance_lies_on_the_diagonal() -> None:
    nees = np.random.default_rng(0).chisquare(6, 5000)
    stated, observed = lines(plots._reliability, nees)["observed"]
    np.testing.assert_allclose(observed, stated, atol=0.03)
    assert (lines(plots._reliability, 4 * nees)["observed"][1][20:80] < 0.2).all()


def test_bars_hold_every_pose() -> None:
    axes = Figure().subplots()
    plots._nees(axes, np.array([1.0, 2.0, 1e9, 29.9]))
    bars: Any = axes.patches[0]
    heights, edges, _ = bars.get_data()
    assert (heights * np.diff(edges)).sum() == pytest.approx(1.0) and heights[-1] * 1.5 == pytest.approx(0.5)


def test_dropping_by_deviation_lies_between_random_and_oracle() -> None:
    rng = np.random.default_rng(0)
    errors = rng.exponential(size=300)
    said = errors * rng.lognormal(size=300)
    rows = [Score("", Status.OK, e, e, 1.0, 1.0, std_m=s) for e, s in zip(errors, said, strict=True)]
    drawn = lines(plots._sparsification, rows)
    ours, oracle, none = (drawn[key][1] for key in ("by stated deviation", "by true error", "random"))
    assert (oracle <= ours + 1e-12).all() and oracle.mean() < ours.mean() < none.mean()
    np.testing.assert_allclose([ours[0], oracle[0], none[0], oracle[-1]], [*[errors.mean()] * 3, errors.min()])


def test_thresholds_count_what_is_kept_and_what_of_it_is_right() -> None:
    found = [Score("", Status.OK, confidence=c, failed=f) for c, f in ((0.9, False), (0.6, True), (0.5, False))]
    withheld = Score("", Status.UNCERTAIN, confidence=0.1, failed=True)
    drawn = lines(plots._thresholds, [*found, withheld, Score("", Status.NO_CONSENSUS)])
    least, kept = drawn["kept, of all pairs"]
    (right,) = (y for label, (_, y) in drawn.items() if label.startswith("within"))
    at = [int(np.flatnonzero(np.isclose(least, value))[0]) for value in (0.0, 0.3, 0.55, 0.7)]
    np.testing.assert_allclose(kept[at], [4 / 5, 3 / 5, 2 / 5, 1 / 5])
    np.testing.assert_allclose(right[at], [2 / 4, 2 / 3, 1 / 2, 1.0])


def test_plots_are_the_same_for_the_same_scores() -> None:
    assert plots.error_over_time(scores()) == plots.error_over_time(scores())


def test_time_is_the_axis_of_one_recording_only() -> None:
    assert plots._when(scores())[1] == "time (s)"
    assert plots._when([*scores(), Score("e/0", Status.OK, stamp=10**9)])[1] == "pair"
    assert plots._when(scores()[::-1])[1] == "pair"


def test_cells_are_as_bright_as_their_values_and_dark_below_zero():
    white = np.full((2, 6, 3), 200, np.uint8)
    shaded = cells_shaded(white, np.array([[0, 0, 4.0], [0, 1, 1.0], [0, 2, -1.0]]), 2.0)
    assert shaded[0, ::2, 0].tolist() == [200, 125, 50]  # 0.25 + 0.75 * sqrt(value / largest)
