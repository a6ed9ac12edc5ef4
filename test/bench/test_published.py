# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The published network is what its description says: sizes, operations, and its searches by brute force."""

import numpy as np
import torch
from helpers.networks import pair, street
from torch.utils.flop_counter import FlopCounterMode

from i2p_ros.bench.published import PixelBranch, PublishedVP2P, VoxelBranch, ball, farthest, prepared


def test_the_image_branch_is_a_resnet_34_with_its_decoder() -> None:
    branch = PixelBranch().eval()
    trunk = sum(p.numel() for part in (branch.stem, branch.stages) for p in part.parameters())
    assert abs(trunk / 1e6 - 21.28) < 0.05  # of ResNet-34, without its last layer
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        pixels, seen = branch(torch.zeros(1, 3, 160, 512))
    assert pixels.shape == (1, 64, 40, 128) and seen.shape == (1, 512)
    assert 18e9 < counter.get_total_flops() < 24e9


def test_the_voxel_branch_has_the_published_widths() -> None:
    shapes = [tuple(conv.weight.shape) for conv in VoxelBranch().down]
    assert [shape[0] for shape in shapes] == [16, 16, 32, 64]


def test_farthest_points_are_those_of_the_definition() -> None:
    points = torch.rand(60, 3)
    chosen = farthest(points, 10).tolist()
    for k in range(1, 10):
        distance = torch.cdist(points, points[chosen[:k]]).amin(1)
        assert distance[chosen[k]] == distance.max()


def test_balls_hold_the_first_of_what_is_near() -> None:
    points = torch.rand(3000, 3) * torch.tensor([10.0, 10.0, 1.0])
    points[0], points[-1] = torch.tensor([50.0, 0.0, 0.0]), torch.tensor([51.0, 0.0, 0.0])
    found = ball(points[:40], points, 2.0, 16)
    for k in range(40):
        near = (torch.linalg.norm(points - points[k], dim=1) <= 2.0).nonzero()[:, 0].tolist()
        assert found[k].tolist() == (near + [near[0]] * 16)[:16]
    assert found[0].tolist() == [0, 2999] + [0] * 14


def test_matches_are_as_many_as_published_and_lie_on_the_map() -> None:
    given = pair(1242, 375, street(20000))
    uv, points, camera = PublishedVP2P(1).matches(given)
    assert len(uv) == len(points) == 2800 and (camera.width, camera.height) == (128, 40)
    assert (uv >= 0).all() and (uv < [128, 40]).all()
    assert {tuple(p) for p in points.astype(np.float32)} <= {tuple(p) for p in given.cloud.xyz}
    assert abs(camera.fx - given.camera.fx / 8) / camera.fx < 1e-2


def test_inputs_have_the_published_sizes() -> None:
    inputs, _ = prepared(pair(200, 100, street(3000)))  # smaller than the crop
    assert inputs["image"].shape == (1, 3, 160, 512) and inputs["points"].shape == (1, 40960, 3)
