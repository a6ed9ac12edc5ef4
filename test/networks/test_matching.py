# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Matches of known descriptors are found, and those of each view are mutual."""

import numpy as np
import torch

from i2p_ros.networks.matching import Compared, Rows, Similarity, coarse, compared, mutual, peaks


def of(values: Similarity, sector: Rows | None = None, sectors: int = 1) -> Compared:
    """Points whose products with cells have these values."""
    given = np.zeros(len(values), np.int64) if sector is None else sector
    return compared(torch.from_numpy(values), torch.eye(values.shape[1]), given, sectors)


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
    for view, (row, cell) in zip(views, mutual(of(similarity, sector, 6), sector, views, 600), strict=True):
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
    sector = np.repeat(np.arange(3), 400)
    found, exact = (
        compared(one, other.T, sector, 4) for one, other in ((points.bfloat16(), cells.bfloat16()), (points, cells))
    )
    assert found.values.dtype == np.float32
    np.testing.assert_allclose(found.values, exact.values, atol=0.01)


def test_the_most_similar_cells_and_points_are_those_of_all_products() -> None:
    torch.manual_seed(1)
    points, cells = torch.randn(1000, 16), torch.randn(16, 70)
    sector = np.sort(np.random.default_rng(0).integers(0, 5, 1000))
    found, values = compared(points, cells, sector, 6), (points @ cells).numpy()
    np.testing.assert_allclose(found.values, values, atol=1e-5)
    assert np.array_equal(found.cell, values.argmax(axis=1))
    np.testing.assert_allclose(found.value, values.max(axis=1), atol=1e-5)
    for k in range(5):
        np.testing.assert_allclose(found.best[k], values[sector == k].max(axis=0), atol=1e-5)
    assert np.isneginf(found.best[5]).all()


def test_coarse_cells_are_means_and_not_too_many() -> None:
    pixels = torch.randn(4, 12, 20)
    grid = coarse(pixels, 60)
    assert grid.stride == 2 and grid.cells.shape == (4, 6, 10)
    torch.testing.assert_close(grid.cells[:, 2, 3], pixels[:, 4:6, 6:8].mean((1, 2)))
    assert coarse(pixels, 240).stride == 1
