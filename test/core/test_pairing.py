# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairing by header stamp, judged by brute force over all pairs of stamps."""

from itertools import pairwise

import numpy as np
from helpers.streams import MS, START, play, stream
from hypothesis import given, settings
from hypothesis import strategies as st

from i2p_ros.core.pairing import Pairer, pair_stamps


def test_equal_stamps_pair_at_once():
    pairer = Pairer(50 * MS)
    assert pairer.add_image(START, "image") == []
    assert pairer.add_cloud(START, "cloud") == [("image", "cloud", 0)]


def test_a_better_image_is_waited_for_and_a_known_rate_ends_the_wait():
    pairer = Pairer(50 * MS)
    pairer.add_image(START, "a")
    assert pairer.add_cloud(START + 20 * MS, "cloud") == []
    assert pairer.add_image(START + 25 * MS, "b") == []  # a cloud at 26 ms would be nearer
    assert pairer.add_cloud(START + 120 * MS, "next") == [("b", "cloud", 5 * MS)]
    found = play(Pairer(50 * MS), stream(10, 3), stream(10, 3, 5.0))
    waits = [now - max(image, cloud) for now, image, cloud, _ in found]
    assert len(waits) == 30 and max(waits[3:]) == 0


def test_the_wait_is_at_most_a_period():
    found = play(Pairer(50 * MS), stream(10, 10, 0, 3, seed=1), stream(10, 10, 40, 3, seed=2))
    assert len(found) >= 99
    assert max(now - max(image, cloud) for now, image, cloud, _ in found) <= 66 * MS


def test_reasons_are_counted():
    pairer = Pairer(10 * MS)
    for stamp in (0, 0, 100, 200):
        pairer.add_image(START + stamp * MS, stamp)
    pairer.add_cloud(START + 100 * MS, "a")
    pairer.add_image(START + 50 * MS, "late")
    pairer.add_image(START + 100 * MS, "again")
    pairer.add_cloud(START + 150 * MS, "alone")
    pairer.add_image(START + 300 * MS, 300)
    assert pairer.dropped == {"duplicate": 2, "out_of_order": 1, "unpaired_image": 1, "unpaired_cloud": 1}


def test_half_a_period_apart_still_pairs():
    assert len(play(Pairer(50 * MS), stream(10, 10), stream(10, 10, 50.0))) >= 99
    jittered = play(Pairer(50 * MS), stream(10, 10, 0, 1, seed=3), stream(10, 10, 50.0, 1, seed=4))
    assert len(jittered) >= 60  # a quarter of the clouds is more than the slop away from both images


stamps = st.lists(st.integers(0, 3000), unique=True, max_size=40).map(sorted)


@settings(max_examples=150, deadline=None)
@given(stamps, stamps, st.integers(1, 120), st.integers(-100, 100))
def test_a_recording_pairs_in_order_within_the_slop_and_once(images, clouds, slop, offset):
    pairs = pair_stamps(images, clouds, slop, offset)
    for (i, c), (j, d) in pairwise(pairs):
        assert i < j and c < d
    assert all(abs(images[i] - clouds[c] - offset) <= slop for i, c in pairs)


@settings(max_examples=150, deadline=None)
@given(stamps, stamps, st.integers(1, 120))
def test_mutually_nearest_messages_are_paired_if_rates_are_steady(images, clouds, slop):
    images, clouds = ([s + 200 * n for n, s in enumerate(stamps)] for stamps in (images, clouds))
    pairs = set(pair_stamps(images, clouds, slop))
    gap = {(i, c): abs(s - t) for i, s in enumerate(images) for c, t in enumerate(clouds) if abs(s - t) <= slop}
    for (i, c), g in gap.items():
        if all(g < other for (j, d), other in gap.items() if (j == i) != (d == c)):
            assert (i, c) in pairs


def test_stamps_of_a_looped_recording_need_no_order():
    images, clouds = stream(30, 5), stream(10, 5, 2.0)
    shuffled = np.random.default_rng(0).permutation(len(images))
    pairs = pair_stamps([images[k] for k in shuffled], clouds, 50 * MS)
    assert [int(shuffled[i]) for i, _ in pairs] == [i for i, _ in pair_stamps(images, clouds, 50 * MS)]
    assert len(pairs) == 50
