# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of time, order and rate, rows 34 to 42 of docs/faults.md, as far as they need no node."""

import sys
from collections import Counter
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.messages import header, refused
from helpers.streams import MS, START, nearest, play, stream
from hypothesis import given, settings
from hypothesis import strategies as st

from i2p_ros.core.messages import stamp_ns, stamp_of
from i2p_ros.core.pairing import JUMP_COUNT, QUEUE, Pairer, median_gap

HOUR = 3600 * 1000 * MS


def rounds_of(pairer, streams, **delays):
    """How many pairs end in each of the rounds, by the round that image and cloud belong to."""
    counts = np.zeros(len(streams), int)
    for number, (images, clouds) in enumerate(streams):
        arrivals = [(s + delays.get("image_delay", 0), 0, s) for s in images]
        arrivals += [(s + delays.get("cloud_delay", 0), 1, s) for s in clouds]
        for _, is_cloud, stamp in sorted(arrivals):
            for image, cloud, _ in (pairer.add_cloud if is_cloud else pairer.add_image)(stamp, (number, stamp)):
                assert image[0] == cloud[0]
                counts[image[0]] += 1
    for image, cloud, _ in pairer.flush():
        assert image[0] == cloud[0]
        counts[image[0]] += 1
    return counts.tolist()


@pytest.mark.parametrize("image_hz", [10, 30, 60])
@pytest.mark.parametrize("delays", [{}, {"cloud_delay": 60 * MS}, {"cloud_delay": 700 * MS}, {"image_delay": 400 * MS}])
def test_row_34_a_looped_recording_gives_all_pairs_in_every_round(image_hz, delays):
    pairer = Pairer(50 * MS)
    drive = stream(image_hz, 30), stream(10, 30, 4.0)
    assert rounds_of(pairer, [drive] * 3, **delays) == [300, 300, 300]
    assert pairer.dropped["time_reset"] == 2


def test_row_34_a_reset_gives_what_is_paired_and_forgets_the_rest():
    pairer = Pairer(50 * MS)
    pairer.add_cloud(START, "b")
    assert pairer.add_image(START + 20 * MS, "a") == []
    assert pairer.reset() == [("a", "b", 20 * MS)]
    pairer.add_image(START + 30 * MS, "late")  # sent before the jump
    assert pairer.flush() == [] and pairer.dropped == {"time_reset": 1, "out_of_order": 1}
    before = START - 20 * HOUR
    pairer.add_image(before, "e")
    assert pairer.add_cloud(before, "f") == [("e", "f", 0)]


@pytest.mark.parametrize("jump", [-2000 * MS, -HOUR, -20 * HOUR])
def test_row_35_headers_that_jump_back_are_believed_when_enough_do(jump):
    pairer = Pairer(50 * MS)
    play(pairer, stream(10, 2), stream(10, 2))
    later = [s + jump for s in stream(10, 2)]
    for stamp in later[: JUMP_COUNT - 1]:
        assert pairer.add_image(stamp, stamp) == [] and pairer.dropped["time_reset"] == 0
    pairs = play(pairer, later[JUMP_COUNT - 1 :], later)
    assert len(pairs) == 20 and pairer.dropped["time_reset"] == 1


@pytest.mark.parametrize("jump", [-2000 * MS, -HOUR, HOUR])
def test_row_35_both_sensors_are_believed_at_once(jump):
    pairer = Pairer(50 * MS)
    play(pairer, stream(10, 2), stream(10, 2))
    assert pairer.add_image(START + jump, "a") == []
    assert pairer.add_cloud(START + jump + MS, "b") == [] and pairer.dropped["time_reset"] == 1
    assert pairer.add_image(START + jump + 33 * MS, "c") == [("a", "b", -MS)]


def test_row_35_one_outlier_changes_nothing():
    pairer, drive = Pairer(50 * MS), stream(10, 3)
    for n, stamp in enumerate(drive):
        pairer.add_image(stamp, stamp)
        assert len(pairer.add_cloud(stamp, stamp)) == 1
        if n % 3 == 2:
            assert pairer.add_image(stamp - HOUR, "outlier") == []
    assert pairer.dropped["time_reset"] == 0 and pairer.dropped["out_of_order"] == 9  # the tenth still waits


def calls_of(run):
    """How many functions a call calls, and what it returns."""
    calls = Counter()
    sys.setprofile(lambda frame, event, argument: calls.update([event]))
    try:
        result = run()
    finally:
        sys.setprofile(None)
    return calls["call"] + calls["c_call"], result


@pytest.mark.parametrize("hours", [1, 5000])
def test_row_36_a_jump_forward_by_hours_loses_nothing(hours):
    drive = stream(30, 5), stream(10, 5, 4.0)
    later, at_once = (tuple([s + gap for s in stamps] for stamps in drive) for gap in (hours * HOUR, 5000 * MS))
    pairer, beside = Pairer(50 * MS), Pairer(50 * MS)
    calls, counts = calls_of(lambda: rounds_of(pairer, [drive, later]))
    assert counts == [50, 50] and pairer.dropped["time_reset"] == 1
    without_gap, counts = calls_of(lambda: rounds_of(beside, [drive, at_once]))
    assert counts == [50, 50] and beside.dropped["time_reset"] == 0
    assert calls <= 1.2 * without_gap  # nobody walks through the gap


def test_row_36_one_wild_stamp_is_not_followed():
    pairer, drive = Pairer(50 * MS), stream(10, 3)
    pairs = play(pairer, drive[:15], drive[:15])
    pairer.add_image(drive[14] + 5 * HOUR, "wild")
    pairs += play(pairer, drive[15:], drive[15:])
    assert len(pairs) == 30 and pairer.dropped["time_reset"] == 0


def test_row_37_out_of_order_inside_the_queue_is_put_in_order_else_dropped():
    pairer = Pairer(20 * MS)
    for stamp in (0, 66, 33):
        pairer.add_image(START + stamp * MS, stamp)
    assert pairer.add_cloud(START + 34 * MS, "cloud") == [(33, "cloud", -MS)]
    pairer.add_image(START + 20 * MS, "late")
    assert pairer.dropped["out_of_order"] == 1 and pairer.dropped["unpaired_image"] == 1


def test_row_38_of_equal_stamps_the_first_is_kept():
    pairer = Pairer(10 * MS)
    for item in ("first", "second"):
        assert pairer.add_image(START, item) == []
    assert pairer.add_cloud(START, "cloud") == [("first", "cloud", 0)]
    assert pairer.add_image(START, "third") == [] and pairer.add_cloud(START, "again") == []
    assert pairer.dropped == {"duplicate": 3}


def test_row_39_stamps_that_are_no_time():
    def stamp(sec, nanosec):
        return SimpleNamespace(sec=sec, nanosec=nanosec)

    refused("stamp.zero", stamp_ns, stamp(0, 0))
    for sec, nanosec in ((-1, 0), (1, 10**9), (1, -1), (2**40, 0)):
        refused("stamp.malformed", stamp_ns, stamp(sec, nanosec))
    refused("stamp.future", stamp_ns, stamp(10, 0), now_ns=8_500_000_000)
    assert stamp_ns(stamp(10, 0), now_ns=9_500_000_000) == 10_000_000_000


def test_row_39_the_time_of_arrival_is_taken_only_if_asked_for():
    message = SimpleNamespace(header=header(0))
    refused("stamp.zero", stamp_of, message, START)
    assert stamp_of(message, START, use_arrival_time=True) == START
    assert stamp_of(SimpleNamespace(header=header(START)), START + 5) == START


@pytest.mark.parametrize(("image_hz", "cloud_hz", "pairs"), [(60, 10, 300), (1, 20, 30), (30, 10, 300), (7, 13, 210)])
@pytest.mark.parametrize(("image_delay", "cloud_delay"), [(0, 0), (200, 10), (3, 300)])
def test_row_40_any_rates_give_the_nearest_pairs(image_hz, cloud_hz, pairs, image_delay, cloud_delay):
    images, clouds = stream(image_hz, 30, 3.0), stream(cloud_hz, 30)
    pairer = Pairer(50 * MS)
    found = play(pairer, images, clouds, image_delay * MS, cloud_delay * MS)
    found = [pair[1:] for pair in found] + pairer.flush()
    assert len(found) == pytest.approx(pairs, abs=1)
    slow, fast = (1, 0) if cloud_hz <= image_hz else (0, 1)
    for pair in found:
        assert pair[2] == pair[0] - pair[1]
        assert pair[fast] == nearest(pair[slow], [images, clouds][fast])


@pytest.mark.parametrize("offset", [40, -40])
def test_row_41_a_constant_offset_is_measured_and_taken_out_on_either_side(offset):
    images, clouds = stream(10, 10), stream(10, 10, offset)
    pairer = Pairer(30 * MS)
    assert play(pairer, images, clouds) == [] and pairer.median_gap_ns() == -offset * MS
    for offsets in ({"time_offset_ns": -offset * MS}, {"image_offset_ns": offset * MS}):
        pairer = Pairer(30 * MS, **offsets)
        found = play(pairer, images, clouds, cloud_delay=50 * MS)
        assert len(found) == 100 and all(gap == 0 for *_, gap in found)
        assert pairer.median_gap_ns() == 0


@pytest.mark.parametrize("rates", [(10, 10), (30, 10), (10, 30), (60, 10), (20, 1)])
@pytest.mark.parametrize("offset", [7.0, -7.0])
def test_row_41_the_gap_is_measured_at_any_rates(rates, offset):
    images, clouds = stream(rates[0], 8, offset, 1, seed=1), stream(rates[1], 8, 0, 1, seed=2)
    assert median_gap(images, clouds) == pytest.approx(offset * MS, abs=MS)
    assert median_gap([], clouds) is None and median_gap(images[:1], clouds[:1]) == images[0] - clouds[0]


def test_row_42_a_sensor_that_stops_and_returns_pairs_at_once():
    pairer = Pairer(50 * MS)
    images, clouds = stream(60, 20), [s for s in stream(10, 20) if not 2e9 < s - START < 18e9]
    found = play(pairer, images, clouds)
    assert len(found) == len(clouds)
    assert pairer.dropped["overflow"] > 800
    assert pairer.dropped["overflow"] + pairer.dropped["unpaired_image"] >= len(images) - len(clouds) - QUEUE


messages = st.lists(
    st.tuples(st.booleans(), st.one_of(st.integers(-50, 150), st.sampled_from([-HOUR // MS, HOUR // MS, 0, -2000]))),
    max_size=120,
)


@settings(max_examples=150, deadline=None)
@given(messages, st.integers(1, 120))
def test_whatever_comes_every_message_is_paired_once_or_counted(messages, slop):
    """Steps of time by any amount: what goes in comes out, waits, or is dropped for a reason."""
    pairer, now, pairs, sent = Pairer(slop * MS), START, [], [0, 0]
    for is_cloud, step in messages:
        now += step * MS
        pairs += (pairer.add_cloud if is_cloud else pairer.add_image)(now, (sent[is_cloud], now))
        sent[is_cloud] += 1
        assert max(pairer.waiting) <= QUEUE and max(pairer.astray) < JUMP_COUNT
    pairs += pairer.flush()
    for side in (0, 1):
        assert len({pair[side] for pair in pairs}) == len(pairs)
    for image, cloud, gap in pairs:
        assert gap == image[1] - cloud[1] and abs(gap) <= slop * MS
    dropped = sum(count for reason, count in pairer.dropped.items() if reason != "time_reset")
    assert sum(sent) == 2 * len(pairs) + sum(pairer.waiting + pairer.astray) + dropped


def brute_force(images, clouds, slop):
    """The pairs of which each is the other's nearest, and no tie."""
    found = set()
    for image in images:
        cloud = nearest(image, clouds)
        ties = [c for c in clouds if abs(c - image) == abs(cloud - image)]
        ties += [i for i in images if abs(i - cloud) == abs(image - cloud)]
        if abs(image - cloud) <= slop and nearest(cloud, images) == image and len(ties) == 2:
            found.add((image, cloud))
    return found


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_live_streams_with_loss_delay_and_late_messages_pair_as_brute_force_does(data):
    rates = data.draw(st.sampled_from([(10, 10), (30, 10), (10, 30), (60, 10), (1, 20), (7, 13)]))
    seeds = data.draw(st.integers(0, 1000))
    rng, slop = np.random.default_rng(seeds), data.draw(st.integers(5, 50)) * MS
    streams = [stream(rate, 6, data.draw(st.floats(0, 90)), 100 / rate, seed=seeds + rate) for rate in rates]
    images, clouds = ([s for n, s in enumerate(stamps) if n < 8 or rng.uniform() > 0.1] for stamps in streams)
    delays = [data.draw(st.integers(0, 300)) * MS for _ in range(2)]
    pairer = Pairer(slop)
    found = {pair[1:3] for pair in play(pairer, images, clouds, *delays)} | {pair[:2] for pair in pairer.flush()}
    assert brute_force(images, clouds, slop) <= found
    for (i, c), (j, d) in pairwise(sorted(found)):
        assert i < j and c < d
