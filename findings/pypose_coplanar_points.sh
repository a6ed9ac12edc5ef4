#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# The 48 corners of a chessboard and the same corners after a rigid motion, without noise: 100 random motions.
#
# Expected: pypose's svdtf, which aligns two lists of points that correspond, gives the motion, as its svdstf (with a
# scale), RoMa, scikit-image, rowan and transformations do.
# Seen in pypose 0.9.5: svdtf gives another rotation for half of the motions. It is a proper one, with a quaternion of
# length 1, and differs by a half turn about the normal of the board: corners are up to 0.9 m off on a board of 0.7 m.
# The same with three points, the least number that it takes, with 2 mm of noise, and for any place of the board. Where
# the product of the singular vectors is a reflection, all of it is negated, where only the axis of the least singular
# value should be. Points that are not in a plane are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import numpy as np
import pypose
import roma
import torch
from scipy.spatial.transform import Rotation

rng = np.random.default_rng(0)
rows, columns = np.mgrid[:6, :8].reshape(2, -1) * 0.1
board = np.stack([columns, rows, np.zeros(48)], axis=1)


def by_svdtf(source: torch.Tensor, target: torch.Tensor) -> np.ndarray:
    return pypose.svdtf(source, target).rotation().matrix().numpy()


def by_svdstf(source: torch.Tensor, target: torch.Tensor) -> np.ndarray:
    return pypose.svdstf(source, target).rotation().matrix().numpy()


def by_roma(source: torch.Tensor, target: torch.Tensor) -> np.ndarray:
    return roma.rigid_points_registration(source, target)[0].numpy()


POINTS = {
    "board": (lambda: board, 0),
    "board with noise": (lambda: board, 0.002),
    "three points": (lambda: rng.normal(size=(3, 3)), 0),
    "30 points in space": (lambda: rng.normal(size=(30, 3)), 0),
}
print({name: version(name) for name in ("pypose", "roma", "torch")}, "motions of 100 that are more than 5 degrees off:")
for name, (draw, noise) in POINTS.items():
    off = {by_svdtf: [], by_svdstf: [], by_roma: []}
    for _ in range(100):
        points, turn = draw(), Rotation.random(rng=rng)
        moved = turn.apply(points) + rng.normal(size=3) + rng.normal(0, noise, points.shape)
        for way, errors in off.items():
            found = way(torch.tensor(points), torch.tensor(moved))
            assert abs(np.linalg.det(found) - 1) < 1e-6, "the behaviour has changed"
            errors.append(np.degrees((turn.inv() * Rotation.from_matrix(found)).magnitude()))
    wrong = {way.__name__: int(np.sum(np.array(errors) > 5)) for way, errors in off.items()}
    mean = np.mean([error for error in off[by_svdtf] if error > 5] or [0])
    print(f"  {name}: {wrong}, those of svdtf {mean:.0f} degrees off on average")
    assert wrong["by_svdstf"] == wrong["by_roma"] == 0, "the behaviour has changed"
    assert wrong["by_svdtf"] == 0 if "space" in name else wrong["by_svdtf"] > 20, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pypose==0.9.5 roma==1.8.0 torch==2.13.0 scipy==1.17.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" -W ignore "$folder/run.py"
