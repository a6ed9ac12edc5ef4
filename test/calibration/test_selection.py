# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which pairs of a recording a calibration uses."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from helpers.rigs import Listed, made_up

from i2p_ros.calibration.selection import chosen_pairs, spread
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Sample


def test_chosen_pairs_are_spread_over_time_and_over_recordings() -> None:
    long, short = Listed([made_up(k) for k in range(60)]), Listed([made_up(100 + k) for k in range(20)])
    chosen = chosen_pairs([long, short], 8, 1.0)
    names = [int(pair.name) for pair in chosen.pairs]
    assert len(names) == 8 and sum(name < 100 for name in names) == 6
    assert all(10 * k <= name < 10 * (k + 1) for k, name in enumerate(names[:6])), "one of each stretch"
    assert chosen.seen == 24, "not every pair is read"


def test_dark_blank_and_repeated_images_and_small_clouds_are_left_out_and_counted() -> None:
    first = made_up(0)
    dark, blank = (made_up(k, image=np.full((40, 80, 3), grey, np.uint8)) for k, grey in ((1, 3), (2, 128)))
    small = made_up(3, points=100)
    again = made_up(4, image=first.pair.image)
    chosen = chosen_pairs([Listed([first, dark, blank, small, again, made_up(5)])], 6, 3.0)
    assert [pair.name for pair in chosen.pairs] == ["0", "5"]
    assert chosen.left_out == {"dark image": 1, "blank image": 1, "small cloud": 1, "image like another": 1}


def test_a_view_unlike_those_chosen_is_taken_before_one_like_them() -> None:
    first = made_up(0)
    near = made_up(2, image=np.clip(first.pair.image.astype(int) + 12, 0, 255).astype(np.uint8))
    chosen = chosen_pairs([Listed([first, first, near, made_up(3)])], 2, 3.0)
    assert [pair.name for pair in chosen.pairs] == ["0", "3"]


def test_pairs_that_cannot_be_read_are_counted_and_the_others_used() -> None:
    class Broken(Listed):
        def __getitem__(self, index: int) -> Sample:
            if index == 1:
                raise InputError("damaged", "image.broken")
            return super().__getitem__(index)

    chosen = chosen_pairs([Broken([made_up(k) for k in range(3)])], 4, 1.0)
    assert len(chosen.pairs) == 2 and chosen.left_out == {"image.broken": 1} and chosen.seen == 3


OTHER = made_up(1, size=(60, 80))
MOVED = replace(made_up(1), T_camera_lidar=Pose(np.eye(3), np.array([0.0, 0.3, 0.0])))


@pytest.mark.parametrize(
    ("source", "why"),
    [(lambda: [Listed([made_up(0), OTHER])], "80x40 and of 80x60"),
     (lambda: [Listed([made_up(0)]), Listed([OTHER])], "not of one camera"),
     (lambda: [Listed([made_up(0), MOVED])], "states several calibrations")],
)  # fmt: skip
def test_pairs_of_several_rigs_are_refused(source: Callable[[], list[Listed]], why: str) -> None:
    with pytest.raises(InputError, match=why) as caught:
        chosen_pairs(source(), 4, 1.0)
    assert caught.value.reason == "calibration.rig"


def test_recordings_of_one_rig_may_state_other_calibrations() -> None:
    assert len(chosen_pairs([Listed([made_up(0)]), Listed([MOVED])], 4, 1.0).pairs) == 2


def test_spread_takes_the_first_the_last_and_even_steps() -> None:
    pairs = [made_up(k).pair for k in range(10)]
    assert [pair.name for pair in spread(pairs, 4)] == ["0", "3", "6", "9"]
    assert len(spread(pairs[:2], 4)) == 2
