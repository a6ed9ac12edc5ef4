# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Alignment: poses and drifts refined by the mutual information of image and cloud. Numpy and OpenCV alone.

`signals` lists what is compared. `pyramid` prepares the image and `patches` the cloud. `pair_signals` samples the
image where the points project, and `mutual_information` scores the samples. `objective` adds a prior and maximizes
the sum. `pair`, `window` and `estimate` are the three uses.
"""
