#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Distances between points of a map: torch.cdist of float32 points with coordinates up to 5 km, and scikit-learn's
# euclidean_distances and NearestNeighbors(algorithm="brute") of float64 points in UTM coordinates.
#
# Expected: errors of about the digits of a coordinate: 0.5 mm for float32 at 5 km, 1e-9 m for float64 at 5,400 km.
# Seen:
#   torch 2.13.0         the distances of up to 25 points are right; from 26 on, which are computed as
#                        |a|^2 + |b|^2 - 2 ab, they are up to 4 m off, and 8 % of the nearest neighbours are others.
#                        At 100 m, the range of a LiDAR, they are up to 8 cm off.
#                        compute_mode="donot_use_mm_for_euclid_dist" is right
#   scikit-learn 1.9.1   computes float64 by the same formula: distances are up to 9 cm off, and some of different
#                        points are 0. The default of NearestNeighbors, a tree for few columns, is right
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import numpy as np
import sklearn
import torch
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestNeighbors

draw = torch.Generator().manual_seed(0)
print("torch", torch.__version__)
for away, least in ((100, 0.03), (5000, 2)):
    points = torch.rand(1000, 3, generator=draw) * 50 + away
    queries = points[:200] + torch.randn(200, 3, generator=draw) * 0.02
    exact = torch.cdist(queries.double(), points.double(), compute_mode="donot_use_mm_for_euclid_dist")
    direct = torch.cdist(queries, points, compute_mode="donot_use_mm_for_euclid_dist")
    assert (direct - exact).abs().max() < 1e-4
    for n in (25, 26, 200):
        found, true = torch.cdist(queries[:n], points[:n]), exact[:n, :n]
        error = float((found - true).abs().max())
        other = float((found.argmin(1) != true.argmin(1)).float().mean())
        print(f"  {n} points {away} m away: up to {error:.6f} m off, {other:.1%} other nearest neighbours")
        assert (error < 1e-4) if n == 25 else (error > least), "the behaviour has changed"
    assert (other > 0.01) == (away == 5000), "the behaviour has changed"

print("scikit-learn", sklearn.__version__)
rng = np.random.default_rng(0)
points = rng.uniform([500_000, 5_400_000, 300], [500_050, 5_400_050, 305], (5000, 3))
queries = points[:500] + rng.normal(0, 0.01, (500, 3))
exact = np.linalg.norm(queries[:, None] - points, axis=2)
errors = {}
for algorithm in ("auto", "brute"):
    found, _ = NearestNeighbors(n_neighbors=1, algorithm=algorithm).fit(points).kneighbors(queries)
    errors[algorithm] = float(np.abs(found[:, 0] - exact.min(1)).max())
found = euclidean_distances(queries, points)
errors["euclidean_distances"] = float(np.abs(found - exact).max())
print("  up to so many m off:", errors, "distances that are 0:", (found == 0).sum(), "least distance:", exact.min())
assert errors["auto"] < 1e-8 and min(errors["brute"], errors["euclidean_distances"]) > 0.05, "it has changed"
assert (found == 0).sum() > 50, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 scikit-learn==1.9.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"
