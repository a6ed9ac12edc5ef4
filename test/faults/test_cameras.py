# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of CameraInfo, rows 27 to 33 of docs/faults.md: refused by name, or read as they are meant."""

import cv2
import numpy as np
import pytest
from helpers.messages import INFO, ROI, K, P, at, changed, refused
from helpers.networks import FAMILY, prepared, street

from i2p_ros.core.changes import CameraHistory
from i2p_ros.core.config import NodeSettings, Settings
from i2p_ros.core.messages import camera_from_message
from i2p_ros.core.types import Pair, Status
from i2p_ros.localizer import load
from i2p_ros.ros.nodes.health import ERROR, OK, WARN, Health
from i2p_ros.runtime.weights import save_model
from i2p_ros.synthetic.rigs import CAMERAS


def refuses(reason, **fields):
    refused(reason, camera_from_message, changed(INFO, **fields))


def test_row_27_a_calibration_that_never_comes(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("i2p_ros.ros.nodes.health.time.monotonic", lambda: now[0])
    health, levels = Health(NodeSettings(), started=100.0), {}
    for now[0] in (102.9, 103.1, 109.9, 110.1):
        health.arrived("image")
        health.arrived("points")
        level, text, _ = health.report(None)
        levels[now[0]] = level if "camera_info" in text else OK
    assert levels == {102.9: OK, 103.1: WARN, 109.9: WARN, 110.1: ERROR}


@pytest.mark.parametrize("k", [[0.0] * 9, at(K, 0, -1.0), at(K, 0, 0.0), at(K, 4, np.nan), at(K, 2, np.inf)])
def test_row_28_a_camera_that_is_not_calibrated(k):
    refuses("camera_info.uncalibrated", k=k)


@pytest.mark.parametrize("k", [at(K, 1, 5.0), at(K, 3, np.nan), K[:8], "K", None])
def test_row_28_what_is_no_intrinsic_matrix(k):
    refuses("camera_info.k", k=k)
    refuses("camera_info.size", width=0)


def test_row_28_the_identity_is_the_placeholder_of_a_driver():
    """zed, ensenso and simulators send it before they are calibrated: a focal length of 1 px."""
    refuses("camera_info.uncalibrated", k=np.eye(3).ravel())
    refuses("camera_info.uncalibrated", k=at(at(K, 0, 1.0), 4, 1.0))


def test_row_28_a_size_of_zero_is_that_of_the_image_if_nothing_was_cut():
    message = changed(INFO, width=0, height=0)
    assert camera_from_message(message, image_size=(640, 480)) == camera_from_message(INFO)
    for fields in ({"binning_x": 2}, {"roi": changed(ROI, width=320, height=240)}):
        refused("camera_info.size", camera_from_message, changed(message, **fields), image_size=(640, 480))
    refuses("camera_info.size", width=0, height=0)


def test_row_28_bad_p_is_refused_only_if_it_is_used():
    message = changed(INFO, p=[0.0] * 12)
    camera_from_message(message)
    refused("camera_info.uncalibrated", camera_from_message, message, rectified=True)


def test_row_29_a_calibration_that_changes_begins_an_epoch_and_is_told():
    history = CameraHistory()
    old, new = camera_from_message(INFO), camera_from_message(changed(INFO, k=at(K, 0, 501.0)))
    assert [history.update(camera) for camera in (old, old)] == ["", ""] and history.epoch == 1
    told = history.update(new)
    assert "fx=500.0" in told and "fx=501.0" in told
    assert history.epoch == 2 and history.camera == new and history.update(new) == ""


LENSES = {
    "plumb_bob": INFO.d,
    "rational_polynomial": [0.1, 0.02, 0.001, 0.002, 0.01, 0.05, 0.01, 0.0],
    "equidistant": [0.02, -0.01, 0.003, 0.001],
    "fisheye": [0.02, -0.01, 0.003, 0.001],
}


@pytest.mark.parametrize("model", LENSES)
def test_row_30_lens_models_against_opencv(model):
    d, k, zero = np.array(LENSES[model]), np.reshape(K, (3, 3)), np.zeros(3)
    points = np.array([[0.3, -0.2, 1.0], [-1.0, 0.5, 2.5], [0.0, 0.0, 3.0]])
    pixels = camera_from_message(changed(INFO, distortion_model=model, d=d)).project(points)[0]
    lens = cv2.fisheye if model in ("equidistant", "fisheye") else cv2
    expected = lens.projectPoints(points[:, None], zero, zero, k, d)[0]
    np.testing.assert_allclose(pixels, expected.reshape(-1, 2), atol=1e-6)


def test_row_30_an_equidistant_lens_without_coefficients_is_no_pinhole():
    camera = camera_from_message(changed(INFO, distortion_model="equidistant", d=[0.0] * 4))
    pixels = camera.project([[1.0, 0.0, 1.0]])[0]
    np.testing.assert_allclose(pixels, [[K[2] + K[0] * np.pi / 4, K[5]]], atol=1e-6)


RATIONAL = LENSES["rational_polynomial"]


@pytest.mark.parametrize(
    ("model", "d", "used"),
    [
        ("equidistant", [-0.002, 0.0376, -0.0364, 0.0059, 0.0], 4),  # realsense-ros
        ("rational_polynomial", [*RATIONAL, 0.0, 0.0, 0.0, 0.0], 8),  # OpenCV with CALIB_RATIONAL_MODEL
        ("rational_polynomial", [*RATIONAL, *[0.0] * 6], 8),
        ("plumb_bob", [*INFO.d, *[0.0] * 9], 5),
        ("plumb_bob", [0.0] * 8, 0),
        ("Plumb Bob", INFO.d, 5),
        ("plumb-bob", INFO.d, 5),
        ("RATIONAL_POLYNOMIAL ", RATIONAL, 8),
        ("none", [], 0),
        ("None", [0.0] * 5, 0),
        ("pinhole", [0.0] * 5, 0),
        ("", [0.0] * 8, 0),
    ],
)
def test_row_31_padded_coefficients_and_other_spellings_are_read(model, d, used):
    camera = camera_from_message(changed(INFO, distortion_model=model, d=d))
    assert camera.distortion == tuple(d[:used])
    name = model.lower().replace(" ", "_").replace("-", "_").strip("_")
    assert camera.model == (name if used else "plumb_bob")


@pytest.mark.parametrize("extra", [[1e-3, -2e-4, 5e-4, 1e-4], [1e-3, -2e-4, 5e-4, 1e-4, 0.01, -0.02]])
def test_row_31_a_thin_prism_and_a_tilted_sensor_against_opencv(extra):
    d, zero = np.array([*RATIONAL, *extra]), np.zeros(3)
    points = np.array([[0.3, -0.2, 1.0], [-1.0, 0.5, 2.5], [0.0, 0.0, 3.0]])
    camera = camera_from_message(changed(INFO, distortion_model="rational_polynomial", d=d))
    expected = cv2.projectPoints(points[:, None], zero, zero, np.reshape(K, (3, 3)), d)[0].reshape(-1, 2)
    np.testing.assert_allclose(camera.project(points)[0], expected, atol=1e-6)
    without = camera_from_message(changed(INFO, distortion_model="rational_polynomial", d=RATIONAL))
    assert np.abs(expected - without.project(points)[0]).max() > 0.05
    np.testing.assert_allclose(camera.unproject(expected), points[:, :2] / points[:, 2:], atol=1e-6)


def test_row_30_a_fisheye_image_that_shows_nothing_of_the_middle_is_refused(tmp_path):
    camera = CAMERAS["tum_vi"][0].cropped(0, 0, 512, 100)
    image = np.random.default_rng(0).integers(0, 256, (100, 512, 3)).astype(np.uint8)
    refused("camera_info.too_wide", prepared, Pair(image, camera, street()))
    save_model(tmp_path, FAMILY, FAMILY.network(), Settings(), {"samples": 0})
    estimate = load(str(tmp_path)).localize_pair(Pair(image, camera, street()))
    assert estimate.status is Status.BAD_INPUT and "too wide" in estimate.reason


@pytest.mark.parametrize(
    ("model", "d", "reason"),
    [
        ("none", INFO.d, "distortion_model"),
        ("pinhole", INFO.d, "distortion_model"),
        ("plumb_bob", [*INFO.d, 0.0, 0.0, 0.1], "distortion_length"),
        ("rational_polynomial", [*RATIONAL, 0.1], "distortion_length"),
        ("brown_conrady", INFO.d, "distortion_model"),
        ("omni", [], "distortion_model"),
        ("", INFO.d, "distortion_model"),
        ("plumb_bob", [0.1] * 6, "distortion_length"),
        ("rational_polynomial", [0.1] * 5, "distortion_length"),
        ("equidistant", [*INFO.d[:4], 0.1], "distortion_length"),
        ("equidistant", [], "distortion_length"),
        ("plumb_bob", [np.nan] * 5, "distortion"),
        ("plumb_bob", "d", "distortion"),
    ],
)
def test_row_31_a_lens_that_is_not_known_is_no_pinhole(model, d, reason):
    refuses(f"camera_info.{reason}", distortion_model=model, d=d)


def test_row_31_no_distortion_is_a_pinhole():
    for model, d in (("", []), ("plumb_bob", []), ("plumb_bob", [0.0] * 5), ("rational_polynomial", [0.0] * 8)):
        assert camera_from_message(changed(INFO, distortion_model=model, d=d)).distortion == ()


def test_row_32_rectified_images_take_p_and_no_lens():
    rectified = camera_from_message(INFO, rectified=True)
    np.testing.assert_array_equal(rectified.matrix, np.reshape(P, (3, 4))[:, :3])
    assert rectified.distortion == () and camera_from_message(INFO).distortion == tuple(INFO.d)


def test_row_33_binning_and_roi_against_an_image_that_is_cut_and_binned():
    """A horizontal ramp has its column as value; so has, at the pixel of a ray, the image of the binned camera."""
    roi = changed(ROI, x_offset=100, y_offset=50, width=401, height=300)
    camera = camera_from_message(changed(INFO, d=[], roi=roi, binning_x=2, binning_y=4))
    assert (camera.width, camera.height) == (200, 75)
    u, v = np.meshgrid(np.arange(640.0), np.arange(480.0))
    cut = np.dstack([u, v])[50:350, 100:500]
    binned = cut.reshape(75, 4, 200, 2, 2).mean(axis=(1, 3))
    rays = np.array([[-0.2, -0.1, 1.0], [0.1, 0.05, 1.0], [0.3, 0.15, 1.0]])
    whole = camera_from_message(changed(INFO, d=[])).project(rays)[0]
    pixels, inside = camera.project(rays)
    assert inside.all()
    for pixel, expected in zip(pixels, whole, strict=True):
        (column, row), (du, dv) = np.floor(pixel).astype(int), pixel % 1
        assert binned[row, column, 0] + 2 * du == pytest.approx(expected[0])
        assert binned[row, column, 1] + 4 * dv == pytest.approx(expected[1])


@pytest.mark.parametrize("model", LENSES)
def test_row_33_binning_and_roi_of_a_distorted_image_against_its_full_pixels(model):
    info = changed(INFO, distortion_model=model, d=LENSES[model])
    rays = np.array([[-0.2, -0.1, 1.0], [0.1, 0.05, 1.0]])
    roi = changed(ROI, x_offset=100, y_offset=40, width=400, height=400)
    small = camera_from_message(changed(info, roi=roi, binning_x=2, binning_y=2)).project(rays)[0]
    full = camera_from_message(info).project(rays)[0]
    np.testing.assert_allclose(2 * small + 0.5 + [100, 40], full, atol=1e-6)


@pytest.mark.parametrize(
    "roi",
    [
        changed(ROI, x_offset=600, width=41, height=480),
        changed(ROI, y_offset=480),
        changed(ROI, x_offset=2**32 - 1, width=2**32 - 1),
        changed(ROI, x_offset=-1),
    ],
)
def test_row_33_a_region_outside_of_the_image(roi):
    refuses("camera_info.roi", roi=roi)
    refuses("camera_info.binning", binning_x=641)
