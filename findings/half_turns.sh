#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Rotations by 180 degrees, such as that between the frames of a LiDAR that is mounted backwards and of its vehicle, and
# rotations that differ from them by what float32 rounds off.
#
# Expected: logarithms, quaternions and poses between are right to a millionth, as in scipy, GTSAM and Pinocchio.
# Seen:
#   spatialmath 1.1.18   the logarithm (trlog) of a rotation by 180 degrees less 1e-7 rad is off by up to 4 degrees
#   AHRS 0.4.0           DCM.to_quaternion: methods "hughes" and "sarabandi" give another rotation or NaN for 169
#                        and 165 of 200 half turns; the default is right
#   ouster-sdk 1.0.1     interp_pose gives no rotation at all, halfway between no turn and a half turn; 1e-7 rad less
#                        give 90 degrees
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from scipy.spatial.transform import Rotation

axes = np.random.default_rng(0).normal(size=(200, 3))
axes /= np.linalg.norm(axes, axis=1, keepdims=True)


def off(found: Rotation, true: Rotation) -> float:
    return float(np.degrees((found.inv() * true).magnitude()))


def spatialmath() -> None:
    from spatialmath.base import trlog

    for less in (0.0, 1e-9, 1e-7, 1e-3):
        turns = [Rotation.from_rotvec(axis * (np.pi - less)) for axis in axes]
        errors = [off(Rotation.from_rotvec(trlog(turn.as_matrix(), twist=True)), turn) for turn in turns]
        print("  180 degrees less", less, "rad: off by at most", max(errors), "degrees")
        assert (max(errors) > 3) == (less == 1e-7), "the behaviour has changed"


def ahrs() -> None:
    from ahrs import DCM

    for method, is_right in (("shepperd", True), ("hughes", False), ("sarabandi", False)):
        wrong = 0
        for axis in axes:
            turn = 2 * np.outer(axis, axis) - np.eye(3)
            w, *xyz = np.asarray(DCM(turn).to_quaternion(method=method))
            known = np.isfinite([w, *xyz]).all() and np.any([w, *xyz])
            wrong += not (known and off(Rotation.from_quat([*xyz, w]), Rotation.from_matrix(turn)) < 0.1)
        print(" ", method, "is wrong for", wrong, "of", len(axes), "half turns")
        assert (wrong == 0) if is_right else (wrong > 100), "the behaviour has changed"


def ouster() -> None:
    from ouster.sdk.core import interp_pose

    angles = {}
    for less in (0.0, 1e-7):
        poses = np.array([np.eye(4), np.eye(4)])
        poses[1, :3, :3] = Rotation.from_rotvec([0, 0, np.pi - less]).as_matrix()
        between = interp_pose(np.array([0.5]), np.array([0.0, 1.0]), poses)[0]
        angles[less] = round(float(np.degrees(Rotation.from_matrix(between[:3, :3]).magnitude())), 3)
    print("  halfway to 180 degrees less so many rad, in degrees:", angles)
    assert angles == {0.0: 0, 1e-7: 90}, "the behaviour has changed"


print(sys.argv[1], version(sys.argv[1]))
{"spatialmath-python": spatialmath, "ahrs": ahrs, "ouster-sdk": ouster}[sys.argv[1]]()
PYTHON
for package in spatialmath-python==1.1.18 ahrs==0.4.0 ouster-sdk==1.0.1; do
    python3 -m venv "$folder/$package"
    "$folder/$package/bin/pip" install --quiet "$package" scipy==1.17.1 numpy==2.4.6 2>/dev/null
    "$folder/$package/bin/python" -W ignore "$folder/run.py" "${package%%==*}"
done
