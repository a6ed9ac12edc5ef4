#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A cloud encoded and decoded by DracoPy with its defaults, lossy by design to 14 bits of the cloud's extent.
#
# Expected: as many points as before, in another order perhaps; attributes keep their types. Exact, if quantisation is
# off.
# Seen in DracoPy 2.2.0: equal points are merged, so that arrays of labels, rings or times that are kept beside the
# cloud fit no more: of 1,030 points 1,001 are left. preserve_order=True keeps them. Positions in float64 come back as
# float32 without a word: UTM coordinates are off by 0.25 m, with quantisation off as well (quantization_bits=0). So do
# other attributes: stamps of 1.7e9 s become multiples of 128 s.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import DracoPy
import numpy as np

rng = np.random.default_rng(1)
points = rng.uniform(-50, 50, (1000, 3)).astype(np.float32)
points = np.vstack([points, points[:10], np.zeros((20, 3), np.float32)])
merged = len(DracoPy.decode(DracoPy.encode(points)).points)
kept = len(DracoPy.decode(DracoPy.encode(points, preserve_order=True)).points)
utm = points.astype(np.float64) + [500_000, 4_500_000, 100]
exact = dict(preserve_order=True, quantization_bits=0)
decoded = DracoPy.decode(DracoPy.encode(utm, **exact)).points
off = float(np.abs(decoded - utm).max())
stamps = 1_700_000_060 + np.linspace(0, 0.1, len(points))[:, None]
cloud = DracoPy.decode(DracoPy.encode(points, generic_attributes={"time": stamps}, **exact))
times = next(np.asarray(a["data"]) for a in cloud.attributes if a["data"].shape[-1] == 1)
print("points:", len(points), "->", merged, "or", kept, "; UTM:", decoded.dtype, off, "m")
print("stamps:", stamps[0], "->", times.dtype, times.ravel()[0])
assert (merged, kept) == (1001, 1030) and decoded.dtype == np.float32 and 0.2 < off < 0.26, "the behaviour has changed"
assert times.dtype == np.float32 and np.abs(times.ravel() - stamps.ravel()).max() > 10, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet DracoPy==2.2.0 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"
