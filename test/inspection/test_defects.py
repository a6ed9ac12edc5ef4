# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings with one defect each have its finding, and no other; a good one has none."""

import numpy as np
import pytest
from helpers.bags import MS, START, written
from helpers.checked_bags import (
    HEIGHT,
    MOUNT,
    WIDTH,
    K,
    Recipe,
    moving,
    odometry,
    sweep,
    turned,
    without,
)

from i2p_ros.core.config import validated
from i2p_ros.core.geometry import Pose
from i2p_ros.inspection import CODES, inspect

SECOND = 1000 * MS
BODY = Pose.from_rotvec([0.0, 0.0, 0.0])
FISHEYE = {
    "model": "equidistant",
    "d": [0.1, 0.01, 0.0, 0.0],
    "k": [30.0, *K[1:4], 30.0, *K[5:]],
    "fx": 30.0,
    "p": [0.0] * 12,
}


def after_gap(k):
    return START + 100 * MS * k + (3 * SECOND if k >= 20 else 0)


def ahead(k):
    """A lidar that sees 80 deg to the front."""
    wide = sweep(k, 18000)
    return {name: column[np.abs(np.linspace(-180, 180, 18000)) < 40] for name, column in wide.items()}


def flat(k):
    return sweep(k) | {"intensity": np.full(4000, 7.0)}


def second_camera(bag, k, t):
    bag.image(t, moving(k), "/cam/other/image_raw", "other_optical", step=3 * WIDTH)
    bag.info(t, "/cam/other/camera_info", "other_optical", k=K, fx=K[0], p=[0.0] * 12, d=[], size=(WIDTH, HEIGHT))


def moved_mount(bag, k, t):
    if k == 15:
        bag.transforms(t, ("lidar", "cam_optical", turned(2.0)))


def on_tf(bag, k, t):
    bag.transforms(t, MOUNT, topic="/tf")


def looped(k, t):
    return t - 10 * SECOND if k >= 20 else t


DEFECTS = {
    "good": ({}, set()),
    "good fisheye": ({"info": FISHEYE}, {"lens.wide"}),
    "moves by odometry": (
        {"pixels": lambda k: moving(0), "extra": lambda bag, k, t: odometry(bag, t, float(k))}, set(),
    ),
    "no images": ({"pixels": None}, {"image.missing"}),
    "no clouds": ({"cloud": None}, {"cloud.missing"}),
    "no camera_info": ({"info": None}, {"camera_info.missing"}),
    "camera_info of zeros": ({"info": {"k": [0.0] * 9, "fx": 0.0, "p": [0.0] * 12}}, {"camera_info.uncalibrated"}),
    "camera_info of another size": ({"info": {"size": (200, 150)}}, {"camera_info.size"}),
    "unknown lens": ({"info": {"model": "omni", "d": [0.1], "p": [0.0] * 12}}, {"camera_info.lens"}),
    "camera_info of another frame": ({"info": {"frame": "other"}}, {"camera_info.frame"}),
    "K and P of two cameras": (
        {"info": {"p": [50.0, 0.0, 20.0, 0.0, 0.0, 50.0, 15.0, 0.0, 0.0, 0.0, 1.0, 0.0]}},
        {"camera_info.contradiction"},
    ),
    "images of an unknown encoding": ({"encoding": "a_new_one"}, {"image.undecodable"}),
    "distortion that is not finite": ({"info": {"d": [np.nan] * 5, "p": [0.0] * 12}}, {"camera_info.invalid"}),
    "several cameras": ({"extra": second_camera}, {"topics.several"}),
    "blank images": ({"pixels": lambda k: np.zeros_like(moving(0))}, {"image.blank", "motion.stationary"}),
    "stationary": ({"pixels": lambda k: moving(0)}, {"motion.stationary"}),
    "stationary by odometry": ({"extra": lambda bag, k, t: odometry(bag, t, 0.001 * k)}, {"motion.stationary"}),
    "gap of both": ({"time": after_gap}, {"image.gaps", "cloud.gaps", "image.lost", "cloud.lost"}),
    "lost images": ({"pixels": lambda k: None if k % 5 == 2 else moving(k)}, {"image.lost"}),
    "lost clouds": ({"cloud": lambda k: None if k % 5 == 2 else sweep(k)}, {"cloud.lost"}),
    "slow sensors": (
        {"time": lambda k: START + 3 * SECOND * k}, {"image.low_rate", "cloud.low_rate"},
    ),
    "few points": ({"cloud": lambda k: sweep(k, 300)}, {"cloud.few_points"}),
    "empty clouds": ({"cloud": lambda k: sweep(k, 0)}, {"cloud.undecodable"}),
    "no intensity": ({"cloud": without("intensity")}, {"cloud.no_intensity"}),
    "flat intensity": ({"cloud": flat}, {"cloud.flat_intensity"}),
    "no times of points": ({"cloud": without("t")}, {"cloud.no_time"}),
    "times of another clock": ({"cloud": lambda k: sweep(k) | {"t": np.linspace(0, 4e9, 4000)}}, {"cloud.bad_time"}),
    "stamps of zero": ({"cloud_stamp": lambda k, t: 0}, {"stamps.zero"}),
    "clock of the lidar 37 s ahead": ({"cloud_stamp": lambda k, t: t + 37 * SECOND}, {"stamps.clock_offset"}),
    "clouds 10 s late": ({"cloud_stamp": lambda k, t: t - 10 * SECOND}, {"stamps.no_pairs"}),
    "two clouds of three 49 ms late": (
        {"cloud_stamp": lambda k, t: t + (k % 3 > 0) * 49 * MS, "time": lambda k: START + 250 * MS * k}, {"stamps.gap"},
    ),
    "sensors 40 ms apart": ({"cloud_stamp": lambda k, t: t - 40 * MS}, {"stamps.gap"}),
    "stamps jump back": ({"image_stamp": looped, "cloud_stamp": looped}, {"stamps.jump"}),
    "images end early": ({"pixels": lambda k: moving(k) if k < 12 else None}, {"image.gaps"}),
    "clouds begin late": ({"cloud": lambda k: sweep(k) if k > 18 else None}, {"cloud.gaps"}),
    "two clouds of three without a partner": (
        {"cloud_stamp": lambda k, t: t + (k % 3 > 0) * 100 * MS, "time": lambda k: START + 250 * MS * k},
        {"stamps.few_pairs"},
    ),
    "short": ({"frames": 6}, {"recording.short"}),
    "no frames": ({"cloud_frame": ""}, {"frames.empty"}),
    "the same frame": ({"cloud_frame": "cam_optical"}, {"frames.same"}),
    "body frame of the camera": ({"static": (("lidar", "cam_optical", BODY),)}, {"frames.not_optical"}),
    "no /tf_static": ({"static": None}, {"tf.none"}),
    "separate trees": ({"static": (("base", "lidar", BODY), ("mount", "cam_optical", BODY))}, {"tf.unconnected"}),
    "tf without the camera": ({"static": (("base", "lidar", BODY),)}, {"tf.unconnected"}),
    "a loop of transforms": (
        {"static": (MOUNT, ("cam_optical", "lidar", BODY), ("lidar", "base", BODY))}, {"tf.loop"},
    ),
    "a moved mount": ({"extra": moved_mount}, {"tf.changes"}),
    "transform on /tf": ({"static": None, "extra": on_tf}, {"tf.not_static"}),
    "camera looks back": (
        {"cloud": ahead, "static": (("lidar", "cam_optical", turned(180.0)),)}, {"overlap.none"},
    ),
    "little overlap": (
        {"cloud": ahead, "static": (("lidar", "cam_optical", turned(-71.5)),)}, {"overlap.small"},
    ),
}  # fmt: skip


def codes(inspection):
    return {finding.code for finding in inspection.findings}


def inspected(path, **settings):
    return inspect(path, validated({}) if not settings else validated(settings))


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_has_its_finding_and_no_other(tmp_path, name):
    changes, expected = DEFECTS[name]
    found = inspected(written(tmp_path, filling=Recipe(**changes).fill))
    assert codes(found) == expected, [f"{f.code}: {f.text}" for f in found.findings]
    for finding in found.findings:
        assert finding.text and finding.cure and finding.level == CODES[finding.code].level
    for task, ability in found.abilities.items():
        works = [CODES[code].works(task) for code in expected]
        assert ability.works == next((w for w in ("no", "partly") if w in works), "yes")
        assert bool(ability.why) == (ability.works != "yes")
