# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The voxel branch by spconv: the same state_dict, the same answers and the same gradients as by plain PyTorch."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from i2p_ros.networks.blocks.sparse import Pyramid, SparseUNet

pytest.importorskip("spconv.pytorch", reason="spconv is not installed")

from i2p_ros.networks.blocks.spconv_unet import SpconvUNet, algorithm

WIDTHS = (8, [16, 24, 32], [24, 16], 6)


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread: with more, spconv's kernels for the CPU (2.3.8) write over one another. A stream of none: its
    backward pass asks for CUDA's without need. No corners: where rounding moves a value over one, gradients jump."""
    monkeypatch.setattr("spconv.pytorch.ops.get_current_stream", lambda: 0)
    monkeypatch.setattr(torch.nn.functional, "relu", torch.nn.functional.silu)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def scan(batch: int = 1) -> tuple[Pyramid, Tensor]:
    """Cells of a flat scene, several points in some."""
    places = (torch.randn(batch, 700, 3) * torch.tensor([15.0, 15.0, 2.0])).round().long()
    places -= places.amin((0, 1))
    return Pyramid.of_clouds(places, 2), torch.randn(batch * 700, WIDTHS[0])


def answer(net: nn.Module, pyramid: Pyramid, x: Tensor, context: Tensor) -> tuple[Tensor, ...]:
    """What the network says, its gradient by x, and those by its weights."""
    x = x.clone().requires_grad_()
    net.zero_grad()
    y = net.decode_points(pyramid, net.encode_points(pyramid, x), context)
    (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
    return y.detach(), x.grad, *(p.grad for _, p in sorted(net.named_parameters()))


@pytest.mark.parametrize("batch", [1, 2])
def test_both_ways_agree_forward_and_backward(batch: int) -> None:
    torch.manual_seed(0)
    ours = SparseUNet(*WIDTHS).eval()
    theirs = SpconvUNet(*WIDTHS, algorithm(torch.device("cpu"))).eval()
    theirs.load_state_dict(ours.state_dict())
    (pyramid, x), context = scan(batch), torch.randn(batch, WIDTHS[3])
    for one, other in zip(*(answer(net, pyramid, x, context) for net in (ours, theirs)), strict=True):
        assert (one - other).abs().max() <= 1e-5 * one.abs().max()


def test_the_coarsest_cells_are_the_same() -> None:
    torch.manual_seed(1)
    ours, theirs = SparseUNet(*WIDTHS).eval(), SpconvUNet(*WIDTHS, algorithm(torch.device("cpu"))).eval()
    theirs.load_state_dict(ours.state_dict())
    pyramid, x = scan(2)
    with torch.no_grad():
        found = [net.coarsest(pyramid, net.encode_points(pyramid, x)) for net in (ours, theirs)]
    for entry in range(2):
        one, other = (features[batch == entry].amax(0) for features, batch in found)
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
