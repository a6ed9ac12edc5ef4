# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The picture of a localized pair, judged by the pixels of ellipses, scales and colours of known size."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from i2p_ros.core.camera import Camera
from i2p_ros.core.consistency import ellipsoid_radius
from i2p_ros.core.geometry import Pose
from i2p_ros.core.optical_frame import T_OPTICAL_BODY
from i2p_ros.core.types import Pair, PointCloud, PoseEstimate, Status
from i2p_ros.pnp.covariance import camera_in_lidar
from i2p_ros.viz.ellipses import ellipsoid, pixel_covariances, pose_errors, position_covariance
from i2p_ros.viz.overlays import FAR, NEAR, depth_colours
from i2p_ros.viz.pictures import panels
from i2p_ros.viz.pictures.panels import Canvas, metres, round_number
from i2p_ros.viz.pictures.still import (
    AT_ORIGIN,
    GAP,
    LOW_STRIP,
    STRIP,
    TITLE,
    WIDTH,
    error_words,
    localization_picture,
    magnified,
    result_words,
)

CAMERA = Camera(100.0, 100.0, 100.0, 40.0, 201, 81)
PINK = tuple(int(panels.ERROR[i : i + 2], 16) for i in (1, 3, 5))
RED = (0x90, 0, 0)


def pair(*points: tuple[float, float, float], camera: Camera = CAMERA) -> Pair:
    image = np.full((camera.height, camera.width, 3), 100, np.uint8)
    return Pair(image, camera, PointCloud(np.array(points, np.float32).reshape(-1, 3)))


def found(*std: float, nu: float = np.inf) -> PoseEstimate:
    """A camera that looks along the x axis of the lidar, with these deviations, m and rad, along camera axes."""
    covariance = np.diag(np.square([*std, *[1e-6] * (6 - len(std))]))
    return PoseEstimate(Status.OK, "", T_OPTICAL_BODY, covariance, confidence=0.9, degrees_of_freedom=nu)


def where(image: np.ndarray, colour: tuple[int, ...], within: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels of a colour."""
    return np.nonzero((np.abs(image.astype(int) - colour) <= within).all(axis=2))


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_radii_are_those_of_scipy(dimensions: int) -> None:
    for level in (0.5, 0.95, 0.99):
        gaussian = np.sqrt(stats.chi2.ppf(level, dimensions))
        assert ellipsoid_radius(dimensions, np.inf, level) == pytest.approx(gaussian, rel=1e-3)
        for nu in (3.0, 6.0, 40.0):
            of_t = np.sqrt((nu - 2) / nu * dimensions * stats.f.ppf(level, dimensions, nu))
            assert ellipsoid_radius(dimensions, nu, level) == pytest.approx(of_t, rel=1e-3)


def test_an_ellipse_has_the_axes_of_its_covariance() -> None:
    turn = Pose.from_rotvec([0, 0, np.radians(30)]).rotation[:2, :2]
    found = ellipsoid(turn @ np.diag([9.0, 4.0]) @ turn.T)
    np.testing.assert_allclose(found.half_axes, 2.4477 * np.array([3.0, 2.0]), rtol=1e-3)
    assert found.angle_deg % 180 == pytest.approx(30) and np.linalg.det(found.axes) == pytest.approx(1)


def test_the_ellipse_of_the_position_holds_95_of_100_sampled_cameras() -> None:
    rng = np.random.default_rng(0)
    pose = Pose.from_rotvec([0.4, -1.1, 0.3], [3.0, -1.0, 2.0])
    root = rng.normal(size=(6, 6)) * ([0.1] * 3 + [0.002] * 3)
    covariance = root.T @ root
    position = position_covariance(pose, covariance)
    np.testing.assert_allclose(position, camera_in_lidar(pose, covariance)[:3, :3])
    sampled = [pose.retract(d).inverse().translation for d in rng.multivariate_normal(np.zeros(6), covariance, 4000)]
    shape = ellipsoid(position[:2, :2])
    along = (np.array(sampled) - pose.inverse().translation)[:, :2] @ shape.axes / shape.half_axes
    assert ((along**2).sum(axis=1) < 1).mean() == pytest.approx(0.95, abs=0.015)


def test_pixel_covariances_are_those_of_sampled_projections() -> None:
    rng = np.random.default_rng(1)
    camera = replace(CAMERA, distortion=(-0.1, 0.01, 0.0, 0.0))
    covariance = np.diag(np.square([0.02, 0.03, 0.05, 0.002, 0.003, 0.004]))
    points = np.array([[0.0, 0.0, 10.0], [4.0, 1.0, 8.0], [0.0, 0.0, -5.0]])
    stated = pixel_covariances(camera, Pose.identity(), covariance, points)
    moved = rng.multivariate_normal(np.zeros(6), covariance, 5000)
    pixels = np.array([camera.project(Pose.identity().retract(d).apply(points))[0] for d in moved])
    for k in (0, 1):
        np.testing.assert_allclose(stated[k], np.cov(pixels[:, k].T), rtol=0.06, atol=0.02)
    assert np.isnan(stated[2]).all()


def test_the_drawn_ellipse_is_as_long_as_the_scale_says() -> None:
    canvas = Canvas(400, 400)
    shape = ellipsoid(np.diag([0.2, 0.05]) ** 2)
    panels.error_panel(canvas.axes(0, 0, 400, 400), shape, np.zeros(2))
    drawn = canvas.image()
    rows, columns = where(drawn, PINK)
    bar_rows, bar_columns = where(drawn[300:], (26, 26, 26))
    bar = np.ptp(bar_columns[bar_rows == np.bincount(bar_rows).argmax()]) + 1
    length = round_number(0.66 * 1.6 * shape.half_axes[0])  # what the bar is labelled with, m
    assert length == 0.5
    assert np.ptp(columns) * length / bar == pytest.approx(2 * 2.4477 * 0.2, rel=0.03)
    assert np.ptp(rows) * length / bar == pytest.approx(2 * 2.4477 * 0.05, rel=0.08)


def test_the_ellipse_in_the_image_is_that_of_the_covariance_times_the_stated_factor() -> None:
    one, estimate = pair((10.0, 0.0, 0.0)), found(0.05, 0.02)
    errors = pose_errors(one, estimate)
    assert errors is not None
    np.testing.assert_allclose(errors.pixels, [[100.0, 40.0]])
    np.testing.assert_allclose(errors.in_image[0].half_axes, 2.4477 * np.array([0.5, 0.2]), rtol=1e-3)
    top, height = TITLE + GAP + round(WIDTH * 81 / 201) + TITLE, round(WIDTH * 81 / 201)
    drawn = localization_picture(one, estimate)[top : top + height]
    rows, columns = where(drawn, PINK)
    scale, factor = WIDTH / 201, 2  # 0.03 * 201 px is 4.9 times as large, and 2 is the largest round number below
    assert np.ptp(columns) == pytest.approx(2 * 2.4477 * 0.5 * scale * factor + 3, abs=2)  # and the line is 3 px wide
    assert np.ptp(rows) == pytest.approx(2 * 2.4477 * 0.2 * scale * factor + 3, abs=2)
    assert columns.mean() == pytest.approx(100.5 * scale, abs=1.5) and rows.mean() == pytest.approx(40.5 * scale, abs=2)


def test_heavy_tails_make_ellipses_larger() -> None:
    gaussian, heavy = (pose_errors(pair((10.0, 0.0, 0.0)), found(0.05, nu=nu)) for nu in (np.inf, 3.0))
    assert gaussian is not None and heavy is not None
    ratio = heavy.position.half_axes[0] / gaussian.position.half_axes[0]
    assert ratio == pytest.approx(np.sqrt(1 / 3 * 2 * stats.f.ppf(0.95, 2, 3) / stats.chi2.ppf(0.95, 2)), rel=1e-3)


def test_the_colour_bar_has_the_colours_of_its_depths_from_end_to_end() -> None:
    canvas = Canvas(600, 100)
    panels.colour_bar(canvas.axes(50, 10, 500, 40))
    row = canvas.image()[30].astype(int)
    for metre in (NEAR, *panels.TICKS, FAR):
        at = 50 + 500 * np.log(metre / NEAR) / np.log(FAR / NEAR)
        column = int(np.clip(at, 52, 547))  # beside the frame
        assert np.abs(row[column] - depth_colours(np.array([metre]))[0]).max() < 25, metre
    assert (row[:49] == 255).all() and (row[552:] == 255).all()


def test_an_image_shows_the_points_at_the_pose_that_it_names() -> None:
    ahead, behind = (tuple(int(c) for c in depth_colours(np.array([metre]))[0]) for metre in (10.0, 20.0))
    turned = Pose.from_rotvec([0, np.pi, 0]) @ T_OPTICAL_BODY
    drawn = localization_picture(pair((10.0, 0.0, 0.0), (-20.0, 0.0, 0.0)), found(1e-6, 1e-6), turned, "turned")
    height = TITLE + round(WIDTH * 81 / 201)
    before, after = drawn[:height], drawn[height + GAP : 2 * height + GAP]
    seen = [[len(where(image, colour, 3)[0]) > 0 for colour in (ahead, behind)] for image in (before, after)]
    assert seen == [[False, True], [True, False]]


def test_a_withheld_pose_and_none_say_so_with_their_reason() -> None:
    one, right = pair((10.0, 0.0, 0.0)), found(0.05, 0.02)
    withheld = replace(right, status=Status.UNCERTAIN, reason="too little confidence", pose=None, withheld=right.pose)
    none = PoseEstimate(Status.NO_CONSENSUS, "too few matches agree")
    assert result_words(right) == "the found pose, confidence 0.90"
    assert result_words(withheld) == "WITHHELD, not published (uncertain)"
    assert result_words(none) == "NO POSE (no consensus)"
    pictures = [localization_picture(one, estimate) for estimate in (right, withheld, none)]
    assert [len(where(picture, RED, 2)[0]) > 3000 for picture in pictures] == [False, True, True]
    height = 2 * (TITLE + GAP + round(WIDTH * 81 / 201))
    assert [len(picture) for picture in pictures] == [height + STRIP, height + STRIP, height + LOW_STRIP]
    assert not len(where(pictures[2][height // 2 + TITLE : height], PINK)[0])


def test_images_that_are_not_wide_are_side_by_side() -> None:
    square = pair((10.0, 0.0, 0.0), camera=Camera(100.0, 100.0, 40.0, 40.0, 81, 81))
    assert localization_picture(square, found(0.05)).shape == (TITLE + (WIDTH - GAP) // 2 + GAP + STRIP, WIDTH, 3)


def test_no_title_reaches_into_the_other_image() -> None:
    square = pair((10.0, 0.0, 0.0), camera=Camera(100.0, 100.0, 40.0, 40.0, 81, 81))
    withheld = replace(found(0.05), status=Status.UNCERTAIN, pose=None, withheld=T_OPTICAL_BODY)
    others = [PoseEstimate(status) for status in Status if status is not Status.OK]
    befores = (AT_ORIGIN, "the cloud as given, turned and moved")
    shown = [(found(0.05), befores[0]), (withheld, befores[1]), *((other, befores[0]) for other in others)]
    for estimate, before in shown:
        titles = localization_picture(square, estimate, T_OPTICAL_BODY, before)[:TITLE]
        assert (titles[:, WIDTH // 2 - 2 : WIDTH // 2 + GAP // 2] == 255).all(), (before, estimate.status)
        assert (titles[:, -2:] == 255).all() and (titles[:, :300] < 255).any()


def test_words_have_the_sizes_of_the_ellipses() -> None:
    for std, factor, words in ((0.05, 2, "±1.2 px, drawn 2 times as large"), (2.0, 1, "±49 px, drawn in true size")):
        one = pair((10.0, 0.0, 0.0))
        errors = pose_errors(one, found(std))
        assert errors is not None and magnified(errors, one) == factor
        assert error_words(one, errors).endswith(words) and metres(2.4477 * std) in error_words(one, errors)


@pytest.mark.parametrize("covariance", [None, np.full((6, 6), np.nan)])
def test_a_pose_without_a_covariance_has_no_ellipse(covariance: np.ndarray | None) -> None:
    estimate = replace(found(0.1), covariance=covariance)
    assert pose_errors(pair((10.0, 0.0, 0.0)), estimate) is None
    assert localization_picture(pair((10.0, 0.0, 0.0)), estimate).shape[1] == WIDTH


def test_an_empty_view_is_a_picture_too() -> None:
    assert localization_picture(pair((-10.0, 0.0, 0.0)), found(0.1)).shape[1] == WIDTH
    assert localization_picture(pair(), found(0.1)).shape[1] == WIDTH


def test_lengths_have_the_unit_that_reads_well() -> None:
    assert [metres(v) for v in (12.3, 1.0, 0.5, 0.05, 0.0123, 0.002)] == [
        "12 m",
        "1 m",
        "50 cm",
        "5 cm",
        "1.2 cm",
        "2 mm",
    ]
    assert [round_number(v) for v in (0.3, 5.0, 0.99, 1999.0)] == [0.2, 5.0, 0.5, 1000.0]
