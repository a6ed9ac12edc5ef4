#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Covariance of a camera pose from pycolmap.refine_absolute_pose(..., return_covariance=True), against the spread of
# 300 poses that were refined from the same points with new noise of 1 px.
#
# Expected: variances of an angle in rad^2 and of a translation in m^2, as in ROS, GTSAM and OpenCV.
# Seen in pycolmap 4.2.1: the rotation comes first, and its tangent is half the rotation vector (the manifold of Ceres
# for quaternions). Standard deviations of angles have to be doubled, which the docstring does not say. Taken as
# angles, the mean squared Mahalanobis distance of the poses is 21, where 6 is right. With the default options (a
# Cauchy loss of 1 px), all standard deviations also fit poorly to Gaussian noise: those of the translation are 1.3
# times the spread.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import numpy as np
import pycolmap
from scipy.spatial.transform import Rotation

rng = np.random.default_rng(0)
camera = pycolmap.Camera(model="PINHOLE", width=1280, height=720, params=[700, 700, 640, 360])
turn, shift = Rotation.from_euler("xyz", [10, 20, -15], degrees=True), np.array([1.0, 2.0, 3.0])
seen = rng.uniform([-5, -3, 5], [5, 3, 20], (200, 3))
pixels, points = seen[:, :2] / seen[:, 2:] * 700 + [640, 360], turn.inv().apply(seen - shift)
true = pycolmap.Rigid3d(pycolmap.Rotation3d(turn.as_quat()), shift)


def refined(scale: float) -> tuple[np.ndarray, np.ndarray]:
    options = pycolmap.AbsolutePoseRefinementOptions()
    options.loss_function_scale = scale
    noisy = pixels + rng.normal(0, 1, pixels.shape)
    got = pycolmap.refine_absolute_pose(
        true, noisy, points, np.ones(200, bool), camera, options, return_covariance=True
    )
    pose = got["cam_from_world"]
    angles = (Rotation.from_quat(pose.rotation.quat) * turn.inv()).as_rotvec()
    return np.concatenate([angles, pose.translation - shift]), got["covariance"]


def distance(errors: np.ndarray, covariance: np.ndarray) -> float:
    return float(np.mean(np.einsum("ni,ij,nj->n", errors, np.linalg.inv(covariance), errors)))


print("pycolmap", version("pycolmap"))
for scale in (1e4, 1.0):  # squared errors, and the default loss
    runs = [refined(scale) for _ in range(300)]
    errors, covariance = np.array([error for error, _ in runs]), np.mean([cov for _, cov in runs], axis=0)
    ratios = errors.std(axis=0) / np.sqrt(np.diag(covariance))
    print("scale of the loss", scale, "px, spread / standard deviation: angles", ratios[:3], "translation", ratios[3:])
    if scale > 1:
        given, halved = distance(errors, covariance), distance(errors * ([0.5] * 3 + [1] * 3), covariance)
        print("mean squared Mahalanobis distance:", given, "and with half the angles:", halved)
        assert 20 < given < 30 and 5 < halved < 7, "the behaviour has changed"
        assert np.all(np.abs(ratios / [2, 2, 2, 1, 1, 1] - 1) < 0.15), "the behaviour has changed"
    else:
        assert np.all(ratios[3:] < 0.95), "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pycolmap==4.2.1 scipy==1.17.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"
