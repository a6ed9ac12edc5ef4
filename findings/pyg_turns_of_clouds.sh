#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Transforms of PyTorch Geometric turn clouds: points on a sphere whose normals (`normal`, as its SamplePoints names
# them) are their directions from the centre, and 200 clouds of 100 points around the origin.
#
# Expected: normals turn with their points. NormalizeRotation, "rotates all points", rotates.
# Seen in torch-geometric 2.8.1:
#   RandomRotate, RandomFlip, RandomShear and LinearTransformation move `pos` and leave `normal` as it was: after a
#   rotation by 30 degrees normals are up to 30 degrees off their surface. NormalizeRotation alone turns both
#   NormalizeRotation gives the mirror image of all 200 clouds (determinant -1): left and right are swapped. It
#   multiplies by the eigenvectors as they come
# Nothing is said. A network that is trained with them learns from wrong normals, or from a mirrored world.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import torch
import torch_geometric
from torch_geometric import transforms
from torch_geometric.data import Data

turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
TURNS_NORMALS = {
    "NormalizeRotation": (transforms.NormalizeRotation(), True),
    "RandomRotate": (transforms.RandomRotate((30, 30), axis=2), False),
    "RandomFlip": (transforms.RandomFlip(axis=0, p=1.0), False),
    "RandomShear": (transforms.RandomShear(0.3), False),
    "LinearTransformation": (transforms.LinearTransformation(turn), False),
}
print("torch-geometric", torch_geometric.__version__, "degrees between normals and surface, at most:")
torch.manual_seed(0)
sphere = torch.nn.functional.normalize(torch.randn(500, 3), dim=1)
for name, (transform, turns_normals) in TURNS_NORMALS.items():
    data = transform(Data(pos=sphere.clone(), normal=sphere.clone()))
    outwards = torch.nn.functional.normalize(data.pos, dim=1)
    off = float((outwards - data.normal).norm(dim=1).div(2).clamp(max=1).arcsin().mul(2).rad2deg().max())
    print(f"  {name}: {off:.2f}")
    assert not torch.equal(data.pos, sphere) and torch.equal(data.normal, sphere) != turns_normals, "it has changed"
    assert (off < 0.1) if turns_normals else (off > 5), "the behaviour has changed"

mirrored = 0
for _ in range(200):
    cloud = torch.randn(100, 3, dtype=torch.float64) * torch.tensor([3.0, 2, 1], dtype=torch.float64)
    cloud -= cloud.mean(dim=0)
    turned = transforms.NormalizeRotation()(Data(pos=cloud.clone())).pos
    matrix = torch.linalg.lstsq(cloud, turned).solution
    assert torch.allclose(matrix @ matrix.T, torch.eye(3, dtype=torch.float64)), "the behaviour has changed"
    mirrored += int(matrix.det() < 0)
print("  clouds that NormalizeRotation mirrors:", mirrored, "of 200")
assert mirrored > 50, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 torch-geometric==2.8.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"
