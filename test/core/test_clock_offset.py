# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The offset of two clocks by stamps and times of reception, with the delays of real sensors."""

import numpy as np
import pytest
from helpers.streams import MS, START

from i2p_ros.core.clock_offset import OffsetWatch, clock_offset

SECOND = 1000 * MS


def entries(rate_hz, seconds, ahead_s=0.0, delay_ms=(0.0, 0.0), begin_s=0.0, seed=0):
    """Stamps of a clock that is ahead, and times received after a delay (mean, spread)."""
    rng, n = np.random.default_rng(seed), round(rate_hz * seconds)
    true = [START + round((begin_s + k / rate_hz) * SECOND) for k in range(n)]
    delays = rng.normal(*delay_ms, n) * MS
    return [(t + round(ahead_s * SECOND), t + int(max(d, 0.0))) for t, d in zip(true, delays, strict=True)]


@pytest.mark.parametrize("ahead", [37.0, -18.0, 40.0, 3600.0, -1.7e9])
@pytest.mark.parametrize("seconds", [0.4, 4.0, 120.0])
def test_a_constant_offset_is_measured_whatever_the_length(ahead, seconds):
    images = entries(30, seconds, 0.0, (30.0, 5.0), seed=1)
    clouds = entries(10, seconds, ahead, (120.0, 15.0), seed=2)
    found = clock_offset(images, clouds)
    assert found.is_sure and abs(found.seconds - ahead) < 0.15


def test_an_offset_of_time_scales_is_taken_as_it_is_defined():
    found = clock_offset(entries(10, 3), entries(10, 3, 37.0, (150.0, 5.0)))
    assert found.correction_s == -37.0 and "TAI - UTC is 37 s" in found.text
    assert "pairing.time_offset_s=-37.000" in found.text
    other = clock_offset(entries(10, 3), entries(10, 3, -40.0))
    assert other.correction_s == pytest.approx(40.0) and "40.000 s behind" in other.text and "TAI" not in other.text


@pytest.mark.parametrize("delay", [0.1, 0.5, 2.0])
def test_a_delay_is_no_offset_of_clocks(delay):
    assert not clock_offset(entries(10, 9, delay_ms=(1e3 * delay, 9.0)), entries(10, 9)).is_sure


def test_times_received_that_tell_nothing_are_not_used():
    images, clouds = entries(10, 9), entries(10, 9)
    day = [(stamp, received + 86_400 * SECOND) for stamp, received in clouds]  # from another recording, merged
    assert clock_offset(images, day) is None
    burst = [(stamp, images[0][1] + 4500 * MS) for stamp, _ in clouds]  # all written at once
    found = clock_offset(images, burst)
    assert found is None or not found.is_sure
    assert clock_offset(images, []) is None and clock_offset(images[:1], clouds[:1]) is None


def test_a_playback_that_was_paused_is_no_offset():
    """The stamps of both topics stand still for ten seconds, and go on with other delays and at other rates."""
    watch = OffsetWatch()
    messages = [("image", *e) for e in entries(30, 20)] + [("points", *e) for e in entries(10, 20)]
    for kind, stamp, received in sorted(messages, key=lambda message: message[2]):
        watch.add(kind, stamp, received + (10 * SECOND if received > START + 10 * SECOND else 0))
        found = watch.measured()
        assert found is None or not found.is_sure


def test_live_clocks_that_agree_again_are_noticed():
    watch = OffsetWatch()
    for begin, ahead in ((0.0, 37.0), (10.0, 0.0)):
        images, clouds = entries(10, 10, begin_s=begin), entries(10, 10, ahead, begin_s=begin)
        for image, cloud in zip(images, clouds, strict=True):
            watch.add("image", *image)
            watch.add("points", *cloud)
        assert watch.measured().seconds == pytest.approx(ahead)
    watch.clear()
    assert watch.measured() is None
