# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Streams of stamps."""

import numpy as np

MS = 1_000_000
START = 1_700_000_000_000 * MS


def play(pairer, images, clouds, image_delay=0, cloud_delay=0):
    """(now, image stamp, cloud stamp, gap) of pairs, when each stream arrives in order with a delay of its own."""
    arrivals = [(s + image_delay, 0, s) for s in images] + [(s + cloud_delay, 1, s) for s in clouds]
    pairs = []
    for now, is_cloud, stamp in sorted(arrivals):
        found = pairer.add_cloud(stamp, stamp) if is_cloud else pairer.add_image(stamp, stamp)
        pairs += [(now, *pair) for pair in found]
    return pairs


def stream(rate_hz, seconds, start_ms=0.0, jitter_ms=0.0, seed=0):
    """Stamps in ns."""
    noise = np.random.default_rng(seed).uniform(-jitter_ms, jitter_ms, round(rate_hz * seconds))
    return [START + round((start_ms + 1000 * n / rate_hz + e) * MS) for n, e in enumerate(noise)]


def nearest(stamp, others):
    return min(others, key=lambda other: (abs(other - stamp), other))
