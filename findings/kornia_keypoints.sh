#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A spot in an image of 64 by 48 pixels, its keypoint and a box around it are given to kornia's AugmentationSequential.
# 5 seeds of each augmentation.
#
# Expected: spot, keypoint and box stay together, as with RandomAffine, RandomPerspective and Resize, or an augmentation
# that cannot move keypoints says so, as RandomFisheye and RandomThinPlateSpline do for masks (NotImplementedError).
# Seen in kornia 0.9.0: RandomFisheye, RandomThinPlateSpline and RandomElasticTransform move the spot, by up to 5 px,
# and return keypoint and box as they were. Nothing is said.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import warnings

import kornia
import torch
from kornia import augmentation as augment

warnings.simplefilter("error", UserWarning)
fisheye = [torch.tensor(limits) for limits in ([-0.1, 0.1], [-0.1, 0.1], [0.4, 0.5])]
MOVES = {
    augment.RandomAffine(10.0, (0.1, 0.1), (0.8, 1.2), p=1.0): True,
    augment.RandomPerspective(0.3, p=1.0): True,
    augment.Resize((96, 128)): True,
    augment.RandomFisheye(*fisheye, p=1.0): False,
    augment.RandomThinPlateSpline(p=1.0): False,
    augment.RandomElasticTransform(p=1.0): False,
}


def centre(image: torch.Tensor) -> torch.Tensor:
    weights = image[0, 0] / image.sum()
    rows, columns = (torch.arange(float(size)) for size in weights.shape)
    return torch.stack([(weights.sum(0) * columns).sum(), (weights.sum(1) * rows).sum()])


image, point, box = torch.zeros(1, 1, 48, 64), torch.tensor([[[20.0, 16.0]]]), torch.tensor([[[15.0, 12, 25, 20]]])
image[0, 0, 16, 20] = 1
image = kornia.filters.gaussian_blur2d(image, (7, 7), (1.2, 1.2))
print("kornia", kornia.__version__, "px between spot and keypoint, at most:")
for augmentation, is_moved in MOVES.items():
    apart = []
    for seed in range(5):
        torch.manual_seed(seed)
        augmentations = augment.AugmentationSequential(augmentation, data_keys=["input", "keypoints", "bbox_xyxy"])
        found, moved, moved_box = augmentations(image, point, box)
        apart.append((centre(found) - moved.reshape(2)).norm().item())
        assert is_moved or (torch.equal(moved, point) and torch.equal(moved_box, box)), "the behaviour has changed"
    print(f"  {type(augmentation).__name__}: {max(apart):.2f}")
    assert max(apart) < 0.1 if is_moved else max(apart) > 0.3, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet kornia==0.9.0 torch==2.13.0 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"
