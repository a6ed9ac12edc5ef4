#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A Kalman filter whose observations are two positions, one of which is missing: a masked array with one masked
# column, as a GPS gives it whose fixes have no height.
#
# Expected: the observed component is used.
# Seen in pykalman 0.11.2: filter and smooth leave out each observation with at least one masked component. After 20
# observations of x = 5 the estimate of x is still that of the start, 0, with its variance grown. Nothing warns; the
# class's docstring says that such a step "will be treated as a missing observation".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import numpy as np
from pykalman import KalmanFilter

both = np.ma.masked_array(np.full((20, 2), 5.0), mask=False)
one = both.copy()
one[:, 1] = np.ma.masked
model = KalmanFilter(
    transition_matrices=np.eye(2),
    observation_matrices=np.eye(2),
    transition_covariance=0.01 * np.eye(2),
    observation_covariance=0.1 * np.eye(2),
    initial_state_mean=[0, 0],
    initial_state_covariance=np.eye(2),
)
print("pykalman", version("pykalman"))
for name, seen, x, variance in (("both", both, 4.99, 0.03), ("only x", one, 0.0, 1.19)):
    means, covariances = model.filter(seen)
    smoothed, _ = model.smooth(seen)
    print(name, "observed: x =", means[-1, 0], "smoothed", smoothed[-1, 0], "variance", covariances[-1, 0, 0])
    assert abs(means[-1, 0] - x) < 0.02 and abs(smoothed[-1, 0] - x) < 0.02, "the behaviour has changed"
    assert abs(covariances[-1, 0, 0] - variance) < 0.01, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pykalman==0.11.2 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"
