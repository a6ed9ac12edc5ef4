# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The camera against OpenCV, against pictures, and by its own laws."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from i2p_ros.core import lenses
from i2p_ros.core.camera import MIN_DEPTH, Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array

PLAIN = Camera(300.0, 310.0, 319.5, 239.0, 640, 480)
LENSES = {
    "plumb_bob": (-0.28, 0.07, 0.0004, -0.0003, -0.01),
    "rational_polynomial": (0.4, 0.05, 0.0002, -0.0001, 0.002, 0.75, 0.12, 0.01),
    "equidistant": (-0.01, 0.02, -0.015, 0.003),
}
CAMERAS = [PLAIN, replace(PLAIN, distortion=(-0.2, 0.05, 0.001, 0.002))] + [
    replace(PLAIN, model=model, distortion=lens) for model, lens in LENSES.items()
]
IDS = ["none", "plumb_bob4", *LENSES]
every_camera = pytest.mark.parametrize("camera", CAMERAS, ids=IDS)


def points(n: int = 300) -> Array:
    """Points that all cameras see or nearly see."""
    rng = np.random.default_rng(1)
    z = rng.uniform(1.0, 40.0, n)
    return np.column_stack([rng.uniform(-0.9, 0.9, n) * z, rng.uniform(-0.7, 0.7, n) * z, z])


def opencv_pixels(camera: Camera, xyz: Array) -> Array:
    """cv2's own projection, or the textbook formula of a fisheye (Kannala and Brandt 2006)."""
    if camera.model == "equidistant":
        x, y = xyz[:, 0] / xyz[:, 2], xyz[:, 1] / xyz[:, 2]
        r = np.hypot(x, y)
        a = np.arctan(r)
        k1, k2, k3, k4 = camera.distortion
        s = a * (1 + k1 * a**2 + k2 * a**4 + k3 * a**6 + k4 * a**8) / r
        return np.column_stack([camera.fx * s * x + camera.cx, camera.fy * s * y + camera.cy])
    d = np.array(camera.distortion or np.zeros(5))
    return cv2.projectPoints(xyz[:, None], np.zeros(3), np.zeros(3), camera.matrix, d)[0].reshape(-1, 2)


@every_camera
def test_project_is_opencvs(camera: Camera) -> None:
    pixels, inside = camera.project(points())
    expected = opencv_pixels(camera, points())
    assert_allclose(pixels, expected, atol=1e-6)
    (u, v) = expected.T
    np.testing.assert_array_equal(inside, (u >= -0.5) & (u < 639.5) & (v >= -0.5) & (v < 479.5))
    assert inside.sum() > 100


@every_camera
def test_unproject_undoes_project(camera: Camera) -> None:
    xyz = points()
    pixels, inside = camera.project(xyz)
    assert_allclose(camera.unproject(pixels[inside]), (xyz[:, :2] / xyz[:, 2:])[inside], atol=1e-6)
    assert camera.unproject(np.zeros((0, 2))).shape == (0, 2)


@every_camera
def test_nothing_is_seen_behind_and_no_points_are_fine(camera: Camera) -> None:
    xyz = np.array([[0.1, 0.1, -5], [0, 0, 0], [0, 0, MIN_DEPTH / 2], [np.nan, 0, 5], [0, np.inf, 5], [0, 0, 5]])
    pixels, inside = camera.project(xyz)
    assert inside.tolist() == [False] * 5 + [True]
    assert np.isnan(pixels[:5]).all()
    assert_allclose(pixels[5], [camera.cx, camera.cy], atol=1e-9)
    pixels, inside = camera.project(np.zeros((0, 3)))
    assert (pixels.shape, inside.shape) == ((0, 2), (0,))


@pytest.mark.parametrize("camera", CAMERAS[1:], ids=IDS[1:])
def test_points_do_not_fold_back_into_the_image(camera: Camera) -> None:
    """The pixel moves outwards with the angle, or there is none."""
    angles = np.radians(np.linspace(0.5, 89, 400))
    xyz = 5.0 * np.column_stack([np.sin(angles), np.zeros(400), np.cos(angles)])
    u = camera.project(xyz)[0][:, 0]
    seen = np.isfinite(u)
    assert seen[:50].all()
    assert (np.diff(u[seen]) > 0).all()
    assert not seen[np.argmin(seen) :].any() or seen.all()


def test_a_barrel_lens_would_fold() -> None:
    camera = replace(PLAIN, distortion=LENSES["plumb_bob"])
    far = np.array([[14.0, 0.0, 5.0]])
    folded = opencv_pixels(camera, far)[0, 0]
    assert folded < camera.width  # OpenCV sees it in the picture or left of it
    assert np.isnan(camera.project(far)[0]).all()


def test_half_pixel_borders() -> None:
    camera = Camera(100, 100, 4.5, 2.5, 10, 6)
    edges = np.array([[-0.5, 0], [-0.51, 0], [9.49, 0], [9.5, 0], [0, 5.49], [0, 5.5], [0, -0.5], [0, -0.6]])
    xyz = np.column_stack([camera.unproject(edges), np.ones(8)]) * 7.0
    assert camera.project(xyz)[1].tolist() == [True, False, True, False, True, False, True, False]


@given(st.integers(8, 400), st.integers(8, 300), st.integers(8, 400), st.integers(8, 300))
@settings(max_examples=50, deadline=None, derandomize=True, database=None)
def test_resized_keeps_rays_and_undoes(width: int, height: int, new_width: int, new_height: int) -> None:
    camera = Camera(120.0, 130.0, width / 2 - 0.7, height / 2 + 0.3, width, height)
    small = camera.resized(new_width, new_height)
    corners = np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]])
    scaled = np.array([[-0.5, -0.5], [new_width - 0.5, new_height - 0.5]])
    assert_allclose(small.unproject(scaled), camera.unproject(corners), atol=1e-9)
    back = small.resized(width, height)
    assert_allclose(back.matrix, camera.matrix, atol=1e-9)


def test_resized_agrees_with_an_area_average() -> None:
    """The bright spot of a picture moves to where the resized camera says."""
    big = np.zeros((48, 64), np.float32)
    big[20:24, 32:36] = 1.0
    camera = Camera(50, 50, 33.5, 21.5, 64, 48)  # the spot's centre is the optical axis
    small = cv2.resize(big, (16, 12), interpolation=cv2.INTER_AREA)
    rows, cols = np.mgrid[:12, :16]
    centre = [(cols * small).sum() / small.sum(), (rows * small).sum() / small.sum()]
    assert_allclose(camera.resized(16, 12).project([[0, 0, 1.0]])[0][0], centre, atol=1e-5)


@every_camera
def test_cropped_is_a_shift(camera: Camera) -> None:
    crop = camera.cropped(100, 50, 200, 150)
    assert (crop.width, crop.height) == (200, 150)
    assert_allclose(crop.project(points())[0], camera.project(points())[0] - [100, 50], atol=1e-9)


@pytest.mark.parametrize("camera", CAMERAS[1:], ids=IDS[1:])
def test_undistort_puts_things_where_the_pinhole_sees_them(camera: Camera) -> None:
    """A picture whose colours are the pixel coordinates, so every pixel tells where it came from."""
    cols, rows = np.meshgrid(np.arange(640), np.arange(480))
    picture = np.dstack([cols * 255 / 639, rows * 255 / 479, cols * 0]).round().astype(np.uint8)
    flat, pinhole = camera.undistort(picture)
    assert (pinhole.distortion, flat.shape, flat.dtype) == ((), picture.shape, np.uint8)
    assert_allclose(pinhole.matrix, camera.matrix)
    uv = np.stack(np.meshgrid(np.arange(200, 440, 30), np.arange(150, 330, 30)), -1).reshape(-1, 2)
    rays = np.column_stack([pinhole.unproject(uv), np.ones(len(uv))])
    source = camera.project(rays)[0]
    assert_allclose(flat[uv[:, 1], uv[:, 0], :2], source * [255 / 639, 255 / 479], atol=1.6)


@every_camera
def test_distorted_takes_pinhole_pixels_to_the_lens(camera: Camera) -> None:
    through_lens, inside = camera.project(points())
    pinhole = camera.undistorted.project(points())[0]
    assert_allclose(camera.distorted(pinhole[inside]), through_lens[inside], atol=1e-6)
    assert camera.distorted(np.zeros((0, 2))).shape == (0, 2)


def test_undistort_without_a_lens_gives_the_same_image() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    same, camera = PLAIN.undistort(image)
    assert same is image
    assert camera is PLAIN
    assert CAMERAS[2].undistorted == PLAIN
    assert CAMERAS[2].stated_distortion == (CAMERAS[2].model, CAMERAS[2].distortion)
    assert PLAIN.stated_distortion == ("plumb_bob", (0.0, 0.0, 0.0, 0.0, 0.0))


def test_from_matrix_and_back() -> None:
    k = [[300, 0, 319.5], [0, 310, 239], [0, 0, 1]]
    camera = Camera.from_matrix(k, 640, 480)
    assert camera == PLAIN
    assert all(type(v) is float for v in (camera.fx, camera.fy, camera.cx, camera.cy))
    np.testing.assert_array_equal(camera.matrix, k)
    assert Camera.from_matrix(k, 640, 480, "plumb_bob", np.zeros(5)) == PLAIN
    assert Camera.from_matrix(k, 640, 480, "equidistant", [0, 0.1, 0, 0]).distortion == (0, 0.1, 0, 0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"width": 0}, "camera_info.size"),
        ({"height": -5}, "camera_info.size"),
        ({"fx": 0.0}, "camera_info.uncalibrated"),
        ({"fy": -1.0}, "camera_info.uncalibrated"),
        ({"cx": float("nan")}, "camera_info.uncalibrated"),
        ({"cy": float("inf")}, "camera_info.uncalibrated"),
        ({"model": "mei"}, "camera_info.distortion_model"),
        ({"distortion": (0.1,)}, "camera_info.distortion_length"),
        ({"model": "equidistant", "distortion": (0.1,) * 5}, "camera_info.distortion_length"),
        ({"distortion": (0.1, 0.1, 0.1, float("nan"))}, "camera_info.distortion"),
    ],
)
def test_what_is_no_camera_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(InputError) as caught:
        replace(PLAIN, **changes)  # type: ignore[arg-type]
    assert caught.value.reason == reason


def test_a_lens_is_added_by_a_class_and_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lens that scales x/z and y/z by its one coefficient."""

    class Scaling:
        name, aliases, counts, zero_is_pinhole, is_fisheye = "scaling", ("zoom",), (1,), False, False

        def project(self, rays: Array, d: Array) -> Array:
            normalised = rays[:, :2] / rays[:, 2:]
            return np.where(np.hypot(*normalised.T)[:, None] < 1.0, normalised * d, np.nan)

        def rays(self, distorted: Array, d: Array) -> Array:
            rays = np.column_stack([distorted / d, np.ones(len(distorted))])
            return rays / np.linalg.norm(rays, axis=1, keepdims=True)

    monkeypatch.setitem(lenses.LENSES, "scaling", Scaling())
    camera = Camera.from_matrix(PLAIN.matrix, 640, 480, lenses.lens_name("zoom"), [0.5])
    assert camera.model == "scaling" and camera.undistort(np.ones((480, 640, 3), np.uint8))[0].any()
    assert camera.undistort(np.zeros((480, 640, 3), np.uint8))[1] == PLAIN
    uv, inside = camera.project([[2.0, 1.0, 4.0], [9.0, 0.0, 4.0]])
    assert_allclose(uv[0], [319.5 + 300 * 0.25, 239 + 310 * 0.125])
    assert inside.tolist() == [True, False] and np.isnan(uv[1]).all()
    assert_allclose(camera.unproject(uv[:1]), [[0.5, 0.25]])
    with pytest.raises(InputError, match="known are plumb_bob, rational_polynomial, equidistant, scaling"):
        replace(PLAIN, model="mei")


def test_a_matrix_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"\(3, 3\), got \(3, 4\)"):
        Camera.from_matrix(np.eye(4)[:3], 10, 10)
