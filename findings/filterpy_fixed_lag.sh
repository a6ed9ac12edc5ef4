#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# FixedLagSmoother of filterpy, with a lag of 8 steps: a position and its velocity, of which the position is measured.
# The optimal answer, E[x(k) | z(0) ... z(k + 8)], is that of the RTS smoother over the measurements up to k + 8.
#
# Expected: the same to rounding, since the model is linear and its noise Gaussian.
# Seen in filterpy 2.0.0: it differs by up to 0.9 standard deviations of a measurement. Of what the smoothing gains
# over the filter, two thirds are lost: RMS errors 0.72 (filter), 0.63 (FixedLagSmoother) and 0.46 (optimal). smooth
# and smooth_batch give the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import numpy as np
from filterpy.kalman import FixedLagSmoother, KalmanFilter

N, LAG = 100, 8
rng = np.random.default_rng(0)
truth = 0.5 * np.arange(1, N + 1)
measured = truth + rng.normal(0, 1, N)


def model(which):  # noqa: ANN001, ANN201
    which.x, which.P = np.array([[0.0], [0.5]]), np.eye(2) * 10
    which.F, which.H = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.0]])
    which.R, which.Q = np.eye(1), np.array([[0.25, 0.5], [0.5, 1.0]]) * 0.1
    return which


def optimal(k: int) -> float:
    kalman = model(KalmanFilter(2, 1))
    means, covariances, _, _ = kalman.batch_filter(measured[: k + LAG + 1])
    return float(kalman.rts_smoother(means, covariances)[0][k, 0, 0])


filtered = model(KalmanFilter(2, 1)).batch_filter(measured)[0][:, 0, 0]
smoother = model(FixedLagSmoother(2, 1, N=LAG))
for value in measured:
    smoother.smooth(value)
lagged = np.array(smoother.xSmooth)[:, 0, 0]
batch = model(FixedLagSmoother(2, 1, N=LAG)).smooth_batch(measured, LAG)[0].reshape(N, 2)[:, 0]
best = np.array([optimal(k) for k in range(N)])
inner = slice(10, N - LAG - 1)
rms = {
    name: round(float(np.sqrt(np.mean((x - truth)[inner] ** 2))), 3)
    for name, x in (("filter", filtered), ("lagged", lagged), ("optimal", best))
}
most = float(np.abs(lagged - best)[inner].max())
print("filterpy", version("filterpy"), "RMS errors:", rms, "largest difference from the optimum:", most)
assert np.allclose(lagged, batch) and most > 0.5, "the behaviour has changed"
assert rms["filter"] > rms["lagged"] + 0.05 and rms["lagged"] > rms["optimal"] + 0.1, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet filterpy==2.0.0 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"
