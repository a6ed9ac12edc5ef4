# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Matches of known descriptors are found, and those of each view are mutual."""

import numpy as np
import torch

from i2p_ros.core.camera import Camera
from i2p_ros.core.types import DescriptorSimilarity
from i2p_ros.networks.matching import Similarity, coarse, mutual, peaks, product


def of(values: Similarity) -> DescriptorSimilarity:
    """The similarities of points somewhere with the pixels of one row."""
    camera = Camera(10.0, 10.0, 5.0, 0.5, values.shape[1], 1)
    return DescriptorSimilarity(np.zeros((len(values), 3), np.float32), values, camera)


def test_matches_of_planted_descriptors_are_found_to_a_fraction_of_a_pixel() -> None:
    torch.manual_seed(0)
    h, w, n = 20, 30, 40
    pixels = torch.nn.functional.normalize(torch.randn(64, h, w), dim=0)
    cells = torch.randperm(h * w)[:n]
    points = pixels.flatten(1)[:, cells].T.clone()
    grid = coarse(pixels, 10_000)
    similarity = (points @ grid.cells.flatten(1)).numpy()
    ((row, cell),) = mutual(of(similarity), np.zeros(n, np.int64), np.ones((1, 1), bool), 600)
    position, alike = peaks(pixels, points[row], grid, torch.from_numpy(cell))
    planted = torch.stack([cells % w, cells // w], 1)[row]
    assert sorted(row) == list(range(n)) and (alike > 0.9).all()
    assert (position - planted).abs().max() < 0.2


def test_mutual_matches_of_each_view_are_those_of_brute_force() -> None:
    rng = np.random.default_rng(1)
    similarity, sector = rng.normal(size=(90, 50)).astype(np.float32), np.sort(rng.integers(0, 6, 90))
    views = rng.random((4, 6)) < 0.5
    for view, (row, cell) in zip(views, mutual(of(similarity), sector, views, 600), strict=True):
        rows = np.flatnonzero(view[sector])
        table = similarity[rows]
        best = table.argmax(axis=1)
        expected = {(rows[k], c) for k, c in enumerate(best) if table[:, c].argmax() == k}
        assert set(zip(row, cell, strict=True)) == expected and len(expected) > 3


def test_the_most_similar_matches_are_kept() -> None:
    similarity = np.diag(np.arange(1.0, 11.0)).astype(np.float32)
    ((row, cell),) = mutual(of(similarity), np.zeros(10, np.int64), np.ones((1, 1), bool), 3)
    assert row.tolist() == cell.tolist() == [9, 8, 7]


def test_products_in_bf16_are_those_of_float32_but_for_rounding() -> None:
    torch.manual_seed(0)
    points, cells = (torch.nn.functional.normalize(torch.randn(n, 64), dim=1) for n in (1200, 300))
    found = product(points.bfloat16(), cells.T.bfloat16())
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, product(points, cells.T), atol=0.01)


def test_coarse_cells_are_means_and_not_too_many() -> None:
    pixels = torch.randn(4, 12, 20)
    grid = coarse(pixels, 60)
    assert grid.stride == 2 and grid.cells.shape == (4, 6, 10)
    torch.testing.assert_close(grid.cells[:, 2, 3], pixels[:, 4:6, 6:8].mean((1, 2)))
    assert coarse(pixels, 240).stride == 1
