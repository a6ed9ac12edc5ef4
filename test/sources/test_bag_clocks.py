# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags whose clocks differ by a constant, or whose messages have no stamps."""

import numpy as np
import pytest
from helpers.bags import CLOUDS, IMAGES, MS, START, written

from i2p_ros.core.config import PairingSettings, load_settings
from i2p_ros.core.errors import InputError
from i2p_ros.sources.opening import open_source
from i2p_ros.sources.rosbag import RosbagSource

SECOND = 1000 * MS


def bag(tmp_path, ahead_s, step_s, delays_ms=(0, 0), stamped=True):
    """Five frames, of which the lidar's clock is ahead. Both sensors measure at the same time."""

    def filling(bag):
        for k in range(5):
            true = START + round(k * step_s * SECOND)
            bag.info(true)
            bag.image(true, IMAGES[k], received=true + delays_ms[0] * MS)
            cloud_stamp = true + round(ahead_s * SECOND) if stamped else 0
            bag.cloud(cloud_stamp, CLOUDS[k], received=true + delays_ms[1] * MS)

    return written(tmp_path, filling=filling)


def numbers(source):
    """Frames of image and cloud of each pair."""
    pairs = [source[index].pair for index in range(len(source))]
    images = [next(k for k in range(5) if (IMAGES[k] == pair.image).all()) for pair in pairs]
    return list(
        zip(images, [next(k for k in range(5) if (CLOUDS[k, :, :3] == p.cloud.xyz).all()) for p in pairs], strict=True)
    )


SAME = [(k, k) for k in range(5)]


@pytest.mark.parametrize(("ahead", "step"), [(37, 0.1), (40, 20), (-18, 0.1), (-40, 20), (3600, 0.5)])
def test_a_clock_offset_longer_than_the_step_pairs_the_same_scenes_and_is_told(tmp_path, ahead, step):
    with RosbagSource(bag(tmp_path, ahead, step, (10, 30))) as source:
        assert numbers(source) == SAME
        (note,) = [note for note in source.notes if "clock" in note]
        assert f"{abs(ahead)}." in note or f"{abs(ahead) - 1}.9" in note
        assert "pairing.time_offset_s=" in note and ("TAI" in note) == (ahead == 37)


def test_the_offset_of_a_note_can_be_set_and_is_then_no_news(tmp_path):
    path = bag(tmp_path, 37, 0.1)
    with RosbagSource(path, PairingSettings(time_offset_s=-37.0)) as source:
        assert numbers(source) == SAME and not any("clock" in note for note in source.notes)
    with RosbagSource(path, PairingSettings(time_offset_s=-36.6)) as source:
        assert any("pairing.time_offset_s=-37.000" in note for note in source.notes)


def test_sensors_with_other_delays_are_left_as_they_are(tmp_path):
    with RosbagSource(bag(tmp_path, 0, 0.1, (10, 40))) as source:
        assert numbers(source) == SAME and len(source.notes) == 1
    with RosbagSource(bag(tmp_path / "slow", 0, 1.0, (10, 900))) as source:
        assert numbers(source) == SAME and "0.890 s behind" in source.notes[1]


def test_without_times_received_the_advice_is_not_off_by_the_length_of_the_recording(tmp_path):
    """A converter has set the times received to the stamps."""

    def filling(bag):
        for k in range(5):
            true = START + k * 100 * MS
            bag.info(true)
            bag.image(true, IMAGES[k])
            bag.cloud(true + 37 * SECOND, CLOUDS[k])

    path = written(tmp_path, filling=filling)
    with pytest.raises(InputError, match=r"images come -37.000 s after clouds"):
        RosbagSource(path)
    with RosbagSource(path, PairingSettings(time_offset_s=-37.0)) as source:
        assert numbers(source) == SAME


def test_row_39_clouds_without_stamps_are_paired_by_the_time_received_if_asked_to(tmp_path):
    path = bag(tmp_path, 0, 0.1, stamped=False)
    with pytest.raises(InputError, match=r"'stamp.zero': 5"):
        RosbagSource(path)
    source = open_source("rosbag", path, settings=load_settings((), ["pairing.use_arrival_time=true"]))
    assert numbers(source) == SAME and not source.lost
    np.testing.assert_array_equal([source[k].pair.stamp for k in range(5)], START + 100 * MS * np.arange(5))


def test_a_camera_info_without_stamp_holds_from_the_time_on_at_which_it_was_received(tmp_path):
    def filling(bag):
        for k in range(5):
            stamp = START + k * 100 * MS
            bag.info(0, fx=50.0 + k, received=stamp)
            bag.image(stamp, IMAGES[k])
            bag.cloud(stamp, CLOUDS[k])

    with RosbagSource(written(tmp_path, filling=filling)) as source:
        assert [source[k].pair.camera.fx for k in range(5)] == [50.0, 51.0, 52.0, 53.0, 54.0] and not source.lost


@pytest.mark.parametrize("delay_s", [3.4, 5.0])
def test_images_that_arrive_seconds_late_with_right_stamps_are_not_shifted(tmp_path, delay_s):
    path = bag(tmp_path, 0, 2.0, delays_ms=(round(delay_s * 1000), 50))
    with RosbagSource(path) as source:
        assert numbers(source) == SAME and "if the clocks differ, set pairing.time_offset_s" in source.notes[1]


def test_the_correction_of_the_clocks_can_be_switched_off(tmp_path):
    path = bag(tmp_path, 37, 0.1)
    with pytest.raises(InputError, match="no two within"):
        RosbagSource(path, PairingSettings(correct_clock=False))
    with RosbagSource(path) as source:
        assert numbers(source) == SAME
