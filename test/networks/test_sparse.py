# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sparse convolution against dense convolution, finite differences, and spconv where it is installed."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from i2p_ros.networks.blocks.sparse import FoldedSparseConv, Pyramid, SparseConv, SparseUNet, Voxels, mean_by


def occupied(seed: int, cells: int = 40, size: int = 6, batch: int = 2) -> Tensor:
    rng = np.random.default_rng(seed)
    coords = rng.integers([0, 0, 0, 0], [batch, size, size, size], (cells, 4))
    return torch.from_numpy(np.unique(coords, axis=0))


def dense_of(x: Tensor, coords: Tensor, size: int, batch: int = 2) -> Tensor:
    """(B, C, size, size, size)."""
    grid = x.new_zeros(batch, size, size, size, x.shape[1])
    grid[tuple(coords.T)] = x
    return grid.permute(0, 4, 1, 2, 3)


def dense_weight(conv: SparseConv) -> Tensor:
    return conv.weight.permute(0, 4, 1, 2, 3)


def test_submanifold_convolution_equals_dense_one_at_occupied_cells() -> None:
    voxels = Voxels(occupied(0))
    conv, x = SparseConv(3, 5).double(), torch.randn(len(voxels), 3, dtype=torch.float64)
    dense = F.conv3d(dense_of(x, voxels.coords, 6), dense_weight(conv), padding=1)
    expected = dense.permute(0, 2, 3, 4, 1)[tuple(voxels.coords.T)]
    torch.testing.assert_close(conv(x, voxels.neighbours), expected)


def test_strided_and_inverse_convolution_equal_dense_ones() -> None:
    voxels = Voxels(occupied(1))
    coarse, down = voxels.coarser()
    conv, back = SparseConv(3, 4, 2).double(), SparseConv(4, 2, 2).double()
    x = torch.randn(len(voxels), 3, dtype=torch.float64)
    y = conv(x, down)
    dense = F.conv3d(dense_of(x, voxels.coords, 6), dense_weight(conv), stride=2)
    torch.testing.assert_close(y, dense.permute(0, 2, 3, 4, 1)[tuple(coarse.coords.T)])
    up = F.conv_transpose3d(dense_of(y, coarse.coords, 3), dense_weight(back).transpose(0, 1), stride=2)
    torch.testing.assert_close(back(y, down.transposed), up.permute(0, 2, 3, 4, 1)[tuple(voxels.coords.T)])


def test_gradients_agree_with_finite_differences() -> None:
    voxels = Voxels(occupied(2, cells=12, size=3))
    conv = SparseConv(2, 3).double()
    x = torch.randn(len(voxels), 2, dtype=torch.float64, requires_grad=True)

    def run(x: Tensor, weight: Tensor) -> Tensor:
        return torch.func.functional_call(conv, {"weight": weight}, (x, voxels.neighbours))

    assert torch.autograd.gradcheck(run, (x, conv.weight))


def test_cells_at_the_edge_have_no_neighbours_across_it() -> None:
    edge = Voxels(torch.tensor([[0, 0, 0, 0], [0, 0, 0, 2**17 - 1], [0, 0, 1, 2**17 - 1], [1, 0, 0, 0]]))
    counts = edge.neighbours.counts
    assert sum(counts) == 4 + 2  # each cell itself, and the one true pair from both sides


def test_points_of_one_cell_share_their_mean() -> None:
    voxels, cell = Voxels.of_points(torch.tensor([[0, 1, 1, 1], [0, 2, 2, 2], [0, 1, 1, 1]]))
    assert len(voxels) == 2 and cell[0] == cell[2] != cell[1]
    mean = mean_by(cell, torch.tensor([[1.0], [5.0], [3.0]]), 2)
    assert mean[cell[0]] == 2.0 and mean[cell[1]] == 5.0


def test_the_order_of_points_does_not_matter() -> None:
    torch.manual_seed(0)
    net = SparseUNet(4, [8, 8, 8], [8, 8], 3).eval()
    coords, features = occupied(3, cells=60), torch.randn(60, 4)[: len(occupied(3, cells=60))]
    order = torch.randperm(len(coords))
    context = torch.zeros(2, 3)
    with torch.no_grad():
        here, there = (
            net.decode_points(pyramid, net.encode_points(pyramid, x), context)
            for pyramid, x in ((Pyramid.of_points(coords[rows], 2), features[rows]) for rows in (slice(None), order))
        )
    torch.testing.assert_close(here[order], there, atol=1e-5, rtol=1e-4)


def test_spconv_gives_the_same_with_the_same_weights() -> None:
    spconv = pytest.importorskip("spconv.pytorch", reason="spconv is not installed")
    voxels, size = Voxels(occupied(4)), 6
    conv, x = SparseConv(3, 5), torch.randn(len(voxels), 3)
    theirs = spconv.SubMConv3d(3, 5, 3, bias=False, algo=spconv.ConvAlgo.Native)
    theirs.load_state_dict({"weight": conv.weight.detach()})
    tensor = spconv.SparseConvTensor(x, voxels.coords.int(), [size] * 3, 2)
    with torch.no_grad():
        torch.testing.assert_close(conv(x, voxels.neighbours), theirs(tensor).features, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("cells", [2, 60])
def test_a_folded_convolution_is_the_same_with_a_bias(cells: int) -> None:
    voxels = Voxels(occupied(5, cells))
    _, down = voxels.coarser()
    for kernel, kernel_map in ((3, voxels.neighbours), (2, down), (2, down.transposed)):
        conv, x = SparseConv(3, 5, kernel).double(), torch.randn(kernel_map.n_src, 3, dtype=torch.float64)
        quick = FoldedSparseConv(conv.per_offset(), torch.arange(5.0).double())
        torch.testing.assert_close(quick(x, kernel_map), conv(x, kernel_map) + torch.arange(5.0))
