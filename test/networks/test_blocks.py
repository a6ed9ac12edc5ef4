# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Blocks against brute force and against those of torch."""

import torch

from i2p_ros.networks.blocks.attention import CrossAttention
from i2p_ros.networks.blocks.image import ImageUNet
from i2p_ros.networks.blocks.point import PointNet, nearest


def test_nearest_agrees_with_brute_force() -> None:
    a, b = torch.randn(2, 5, 3), torch.randn(2, 9, 3)
    squared, index = nearest(a, b, 4)
    full = (a[:, :, None] - b[:, None]).square().sum(3)
    torch.testing.assert_close(squared, full.gather(2, index), atol=1e-4, rtol=1e-3)
    assert (squared.amax(2) <= full.sort(2).values[..., 3] + 1e-4).all()


def test_point_branch_runs_with_fewer_points_than_centres() -> None:
    net, points, features = PointNet(5, [64, 16], [8, 16], 12, 10).eval(), torch.randn(1, 20, 3), torch.randn(1, 20, 5)
    levels = net.encode(points, features)
    assert net.decode(points, features, *levels).shape == (1, 20, 10)
    assert [tuple(x.shape) for x in levels] == [(1, 20, 8), (1, 16, 16)]


def test_attention_at_first_changes_nothing_and_equals_that_of_torch() -> None:
    torch.manual_seed(0)
    layer, tokens, others = CrossAttention(8, 12), torch.randn(2, 5, 8), torch.randn(2, 7, 12)
    assert torch.equal(layer(tokens, others), tokens)
    judge = torch.nn.MultiheadAttention(8, 4, bias=False, kdim=12, vdim=12, batch_first=True)
    with torch.no_grad():
        layer.out.weight.copy_(torch.eye(8))
        judge.out_proj.weight.copy_(torch.eye(8))
        for name, linear in (("q", layer.query), ("k", layer.key), ("v", layer.value)):
            getattr(judge, f"{name}_proj_weight").copy_(linear.weight)
    asked, told = layer.norm(tokens), layer.other_norm(others)
    torch.testing.assert_close(layer(tokens, others) - tokens, judge(asked, told, told)[0], atol=1e-5, rtol=1e-4)


def test_image_branch_keeps_the_stride_of_its_first_stage() -> None:
    net = ImageUNet(3, 8, [8, 8, 8], [1, 1, 1], 2, [8, 8], 4).eval()
    out = net.decode(net.encode(torch.randn(1, 3, 32, 64)), torch.zeros(1, 4))
    assert out.shape == (1, 8, 8, 16)
