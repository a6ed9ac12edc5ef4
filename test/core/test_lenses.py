# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lenses and their inverses against scipy: wide fisheyes, strong barrels, and pixels that no ray reaches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import brentq, minimize_scalar, root

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array
from i2p_ros.core.lenses import MAX_ANGLE
from i2p_ros.synthetic.rigs import CAMERAS

TUM_VI, T265 = CAMERAS["tum_vi"][0], CAMERAS["t265"][0]
GROWING = Camera(300.0, 300.0, 319.5, 239.5, 640, 480, "equidistant", (0.3, 0.1, 0.05, 0.0))
FALLING = Camera(300.0, 310.0, 319.5, 239.5, 640, 480, "equidistant", (-0.15, 0.0, 0.0, 0.0))  # maximum at 85 deg
FISHEYES = {"tum_vi": TUM_VI, "t265": T265, "growing": GROWING, "falling": FALLING}
BARREL = Camera(300.0, 310.0, 319.5, 239.0, 640, 480, "plumb_bob", (-0.5, 0.1, 0.001, -0.002, -0.01))
RATIONAL = (0.4, 0.05, 0.0002, -0.0001, 0.002, 0.75, 0.12, 0.01)
OTHERS = {
    "barrel": BARREL,
    "pincushion": replace(BARREL, distortion=(0.4, 0.2, 0.001, 0.001)),
    "rational": replace(BARREL, model="rational_polynomial", distortion=RATIONAL),
}
every_fisheye = pytest.mark.parametrize("camera", FISHEYES.values(), ids=FISHEYES)
every_lens = pytest.mark.parametrize("camera", [*FISHEYES.values(), *OTHERS.values()], ids=[*FISHEYES, *OTHERS])


def radius_at(camera: Camera, angle: float) -> float:
    """The polynomial of Kannala and Brandt, as written in their paper."""
    k1, k2, k3, k4 = camera.distortion
    return angle + k1 * angle**3 + k2 * angle**5 + k3 * angle**7 + k4 * angle**9


def widest(camera: Camera) -> float:
    """The first maximum of the polynomial, by scipy, or the widest angle of any lens."""
    angles = np.linspace(0.0, MAX_ANGLE, 2000)
    falls = np.flatnonzero(np.diff([radius_at(camera, a) for a in angles]) < 0)
    if not len(falls):
        return float(MAX_ANGLE)
    bounds = angles[max(falls[0] - 1, 0)], angles[min(falls[0] + 1, 1999)]
    return float(minimize_scalar(lambda a: -radius_at(camera, a), bounds=bounds, method="bounded").x)


def pixels_of(camera: Camera, n: int = 400) -> Array:
    """Random pixels of the image and around it, and its corners."""
    around = np.random.default_rng(0).uniform([-100, -100], [camera.width + 100, camera.height + 100], (n, 2))
    return np.vstack([around, [[0, 0], [camera.width - 1, 0], [0, camera.height - 1]]])


def directions(n: int = 2000) -> Array:
    given = np.random.default_rng(1).normal(size=(n, 3))
    return np.asarray(given / np.linalg.norm(given, axis=1, keepdims=True))


@every_fisheye
def test_rays_of_wide_fisheyes_are_those_that_scipy_finds(camera: Camera) -> None:
    pixels = pixels_of(camera)
    rays = camera.rays(pixels)
    offset = (pixels - [camera.cx, camera.cy]) / [camera.fx, camera.fy]
    limit = widest(camera)
    for ray, (x, y) in zip(rays, offset, strict=True):
        radius = np.hypot(x, y)
        if radius >= radius_at(camera, limit):
            assert np.isnan(ray).all()
            continue
        angle = brentq(lambda a, r=radius: radius_at(camera, a) - r, 0.0, limit, xtol=1e-14)
        expected = [np.sin(angle) * x / radius, np.sin(angle) * y / radius, np.cos(angle)]
        assert_allclose(ray, expected, atol=1e-9 if angle < 0.98 * limit else 1e-4)
    assert np.isfinite(rays).any()


@pytest.mark.parametrize("camera", OTHERS.values(), ids=OTHERS)
def test_rays_of_polynomial_lenses_are_those_that_scipy_finds(camera: Camera) -> None:
    k1, k2, p1, p2, k3, k4, k5, k6 = np.pad(camera.distortion, (0, 8 - len(camera.distortion)))

    def distorted(at: Array) -> Array:
        (x, y), r2 = at, at @ at
        scale = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
        tangential = [2 * p1 * x * y + p2 * (r2 + 2 * x * x), p1 * (r2 + 2 * y * y) + 2 * p2 * x * y]
        return scale * at + tangential

    pixels = pixels_of(camera)
    found = camera.unproject(pixels)
    wanted = (pixels - [camera.cx, camera.cy]) / [camera.fx, camera.fy]
    seen = np.isfinite(found).all(axis=1)
    assert seen.sum() > 50
    for mine, target in zip(found[seen], wanted[seen], strict=True):
        judged = root(lambda at, t=target: distorted(at) - t, 0.99 * mine, tol=1e-13)
        assert_allclose(mine, judged.x, atol=1e-7)


@every_lens
def test_project_and_rays_are_inverse_in_both_directions(camera: Camera) -> None:
    pixels = pixels_of(camera, 3000)
    rays = camera.rays(pixels)
    seen = np.isfinite(rays).all(axis=1)
    assert_allclose(camera.project(7.0 * rays[seen])[0], pixels[seen], atol=1e-6)
    given = directions()
    projected, _ = camera.project(7.0 * given)
    shown = (np.abs(projected) < 1e5).all(axis=1)
    back = camera.rays(projected[shown])
    assert shown.sum() > 100 and np.isfinite(back).all()
    assert_allclose(camera.project(7.0 * back)[0], projected[shown], atol=1e-6)
    assert_allclose(np.sum(back * given[shown], axis=1), 1.0, atol=1e-7)


@pytest.mark.parametrize("camera", [TUM_VI, T265], ids=["tum_vi", "t265"])
def test_corners_of_wide_fisheyes_stay_on_their_side(camera: Camera) -> None:
    corners = np.array([[0.0, 0.0], [camera.width - 1.0, 0.0], [0.0, camera.height - 1.0]])
    rays = camera.rays(corners)
    assert (np.sign(rays[:, :2]) == np.sign(corners - [camera.cx, camera.cy])).all()
    assert (rays[:, 2] < 0).all()  # they look backwards
    assert np.isnan(camera.unproject(corners)).all()  # which x/z and y/z cannot say


def test_points_at_60_to_64_degrees_come_back_where_they_were() -> None:
    angles = np.radians([60.0, 61.0, 62.0, 63.0, 64.0])
    tangents = np.column_stack([np.tan(angles), np.zeros(5)])
    pixels, _ = GROWING.project(5.0 * np.column_stack([tangents, np.ones(5)]))
    assert_allclose(np.arctan(GROWING.unproject(pixels)[:, 0]), angles, atol=1e-9)


def test_a_fisheye_sees_points_beside_and_behind_it() -> None:
    angles = np.radians([89.0, 90.0, 91.0, 100.0])
    points = 5.0 * np.column_stack([np.sin(angles), np.zeros(4), np.cos(angles)])
    pixels, _ = TUM_VI.project(points)
    assert_allclose(pixels[:, 0], [190.978 * radius_at(TUM_VI, a) + 255.5 for a in angles], atol=1e-9)
    assert np.isnan(replace(TUM_VI, model="plumb_bob").project(points[1:])[0]).all()
    assert np.isnan(TUM_VI.project(0.01 * points)[0]).all()  # nearer than MIN_DEPTH


def test_pixels_beyond_the_fold_of_a_barrel_have_no_ray() -> None:
    fold = minimize_scalar(lambda r: -r * (1 - 0.5 * r**2), bounds=(0.0, 1.5), method="bounded").x
    camera = replace(BARREL, distortion=(-0.5, 0.0, 0.0, 0.0))
    widest_shown = 300.0 * fold * (1 - 0.5 * fold**2)
    inside, outside = [[319.5 + share * widest_shown, 239.0] for share in (0.999, 1.001)]
    assert np.isfinite(camera.unproject([inside])).all() and np.isnan(camera.unproject([outside])).all()
    assert np.isnan(camera.unproject([[0.0, 0.0]])).all()


def test_an_undistorted_barrel_is_black_where_the_lens_sees_nothing() -> None:
    camera = replace(BARREL, distortion=(-0.9, 0.0, 0.0, 0.0))
    image, flat = camera.undistort(np.full((480, 640, 3), 200, np.uint8))
    assert flat == camera.undistorted and (image[240, 320] == 200).all() and not image[:, :20].any()
    assert np.isnan(camera.distorted([[0.0, 0.0]])).all()


@pytest.mark.parametrize("model", ["plumb_bob", "rational_polynomial", "equidistant"])
@pytest.mark.parametrize("size", [1e-320, 1e3, 1e150, 1e308])
def test_odd_coefficients_give_pixels_or_nan_and_no_error(model: str, size: float) -> None:
    n = {"plumb_bob": 5, "rational_polynomial": 8, "equidistant": 4}[model]
    for signs in (np.ones(n), -np.ones(n), np.resize([1.0, -1.0], n)):
        camera = Camera(300.0, 300.0, 319.5, 239.5, 640, 480, model, tuple((signs * size).tolist()))
        rays = camera.rays(pixels_of(camera, 50))
        seen = np.isfinite(rays).all(axis=1)
        assert_allclose(camera.project(7.0 * rays[seen])[0], pixels_of(camera, 50)[seen], atol=1e-6)
        assert camera.undistort(np.zeros((480, 640, 3), np.uint8))[1] == camera.undistorted


@pytest.mark.parametrize("camera", [TUM_VI, T265], ids=["tum_vi", "t265"])
def test_of_a_fisheye_that_no_pinhole_image_holds_the_middle_is_undistorted(camera: Camera) -> None:
    image = np.zeros((camera.height, camera.width, 3), np.uint8)
    columns, rows = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    image[..., 0], image[..., 1] = columns * 255 // camera.width, rows * 255 // camera.height
    flat, pinhole = camera.undistort(image)
    assert flat.shape[:2] == (pinhole.height, pinhole.width) and not pinhole.distortion
    edges = pinhole.unproject([[-0.5, pinhole.cy], [pinhole.width - 0.5, pinhole.cy]])
    assert_allclose(np.degrees(np.arctan(edges[:, 0])), [-45, 45], atol=0.3)
    assert pinhole.width / pinhole.height == pytest.approx(16 / 5, rel=0.01)
    uv = np.random.default_rng(0).integers(1, [pinhole.width - 1, pinhole.height - 1], (50, 2))
    source = camera.project(np.column_stack([pinhole.unproject(uv), np.ones(50)]))[0]
    assert_allclose(flat[uv[:, 1], uv[:, 0], :2], source * [255 / camera.width, 255 / camera.height], atol=1.5)
    assert_allclose(camera.distorted(uv), source, atol=1e-9)


def test_other_fisheyes_keep_their_k_and_size() -> None:
    usual = replace(T265, fx=500.0, fy=500.0)  # 49 deg to the side, 64 deg to the corners
    assert usual.undistorted == replace(usual, model="plumb_bob", distortion=())


def test_a_part_of_a_wide_image_is_cut_to_what_it_shows() -> None:
    upper = TUM_VI.cropped(0, 0, 512, 256)
    flat = upper.undistorted
    assert flat.height == pytest.approx(60, abs=1) and flat.width == 382
    assert_allclose(flat.unproject([[0.0, flat.height - 0.5]])[0, 1], 0.0, atol=0.01)
    with pytest.raises(InputError, match="shows nothing of the middle") as caught:
        _ = TUM_VI.cropped(0, 0, 512, 100).undistorted
    assert caught.value.reason == "camera_info.too_wide"
