# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras that rectification of OpenCV and ROS explains stay raw without a doubt; others are told."""

import cv2
import numpy as np
import pytest
from helpers.messages import INFO, changed, header
from scipy.spatial.transform import Rotation

from i2p_ros.core.messages import camera_of_image

WIDE_K = np.array([[700.0, 0, 655], [0, 702, 340], [0, 0, 1]])
SIZE = (1280, 720)
LENSES = {
    "none": np.zeros(5),
    "barrel": np.array([-0.29, 0.09, 1e-3, -2e-3, -0.012]),
    "pincushion": np.array([0.12, -0.05, 1e-3, 1e-3, 0.0]),
    "rational": np.array([0.55, -2.6, 8e-4, -4e-4, 1.46, 0.42, -2.43, 1.4]),
}


def info(k, d, p, r=None, size=SIZE, model="plumb_bob"):
    p = np.column_stack([p, [-40.0, 0, 0]]) if np.shape(p) == (3, 3) else p
    return changed(
        INFO, width=size[0], height=size[1], k=np.ravel(k), d=np.ravel(d), p=np.ravel(p), distortion_model=model,
        r=np.ravel(np.eye(3) if r is None else r), header=header(),
    )  # fmt: skip


def is_raw_without_doubt(message):
    chosen = camera_of_image(message, "/cam/image_raw")
    return not chosen.rectified and not chosen.doubt and chosen.camera.fx == message.k[0]


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_an_ordinary_raw_camera_stays_on_k_and_d(lens, alpha):
    d = LENSES[lens]
    p, _ = cv2.getOptimalNewCameraMatrix(WIDE_K, d, SIZE, alpha)
    model = "rational_polynomial" if d.size == 8 else "plumb_bob"
    assert is_raw_without_doubt(info(WIDE_K, d, p, model=model))


@pytest.mark.parametrize("alpha", [-1, 0, 1])
@pytest.mark.parametrize("degrees", [[0.3, -0.5, 0.2], [1, 4, -1]])
def test_an_ordinary_stereo_pair_stays_on_k_and_d(alpha, degrees):
    R, T = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix(), np.array([[-0.12], [0.002], [0.001]])
    k2, d = WIDE_K + np.array([[4.0, 0, -9], [0, 4, 6], [0, 0, 0]]), LENSES["barrel"]
    R1, R2, P1, P2 = cv2.stereoRectify(WIDE_K, d, k2, d, SIZE, R, T, alpha=alpha)[:4]
    assert is_raw_without_doubt(info(WIDE_K, d, P1, R1))
    assert is_raw_without_doubt(info(k2, d, P2, R2))


@pytest.mark.parametrize("r", [np.eye(3), np.zeros((3, 3))])
def test_a_driver_that_repeats_k_in_p_or_leaves_r_or_p_zero_stays_on_k_and_d(r):
    for lens in ("none", "barrel", "pincushion"):
        assert is_raw_without_doubt(info(WIDE_K, LENSES[lens], WIDE_K, r))
        assert is_raw_without_doubt(info(WIDE_K, LENSES[lens], np.zeros(12), r))


@pytest.mark.parametrize("balance", [0.0, 1.0])
def test_an_ordinary_fisheye_stays_on_k_and_d(balance):
    """A T265, with P of OpenCV's fisheye module, and with P = K as its driver sends it."""
    k, d = np.array([[286.0, 0, 420], [0, 287, 400], [0, 0, 1]]), np.array([-0.002, 0.0376, -0.0364, 0.0059])
    p = cv2.fisheye.estimateNewCameraMatrixForUndistortRectify(k, d, (848, 800), np.eye(3), balance=balance)
    for matrix in (p, k):
        assert is_raw_without_doubt(info(k, d, matrix, size=(848, 800), model="equidistant"))


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_k_of_another_resolution_than_p_is_told(scale):
    message = info(WIDE_K, [], np.diag([scale, scale, 1.0]) @ WIDE_K)
    chosen = camera_of_image(message, "/cam/image")
    assert not chosen.rectified and "node.lens=rectified takes P" in chosen.doubt
    for rectified in (False, True):
        assert camera_of_image(message, "/cam/image", rectified).doubt == ""


def test_numbers_of_no_camera_in_p_and_r_do_not_matter_to_raw_images():
    for p, r in (([np.nan] * 12, np.eye(3)), ([1e300] * 12, np.eye(3)), (np.zeros(12), [np.inf] * 9)):
        assert is_raw_without_doubt(info(WIDE_K, LENSES["barrel"], p, r))
