# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A short bad day, with a localizer that is quick and one that is bad, in a second process."""

import copy
import subprocess

import pytest
from helpers import TESTS

pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
pytest.importorskip("tf2_msgs", reason="needs tf2_msgs (python pip_ros/install.py)")

from helpers.graph import sample

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import I2PError, InputError
from i2p_ros.ros import messages
from i2p_ros.ros.nodes.pair_job import PairJob
from i2p_ros.ros.soak.faults import SPOILT
from i2p_ros.ros.soak.run import soak
from i2p_ros.ros.soak.tally import Tally

SMALL = {"synthetic": {"width": 64, "height": 32, "points": 2000}, "node": {"diagnostics_s": 0.2}}
NODE = """
import os, sys
sys.path.insert(0, {test!r})
from helpers.graph import KnownLocalizer, estimate
from i2p_ros.ros.nodes.localizer_node import LocalizerNode
from i2p_ros.ros.running import run
known = KnownLocalizer()
{worse}
run(lambda: LocalizerNode(lambda settings: known))
"""


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Makes the node of another localizer the one that is started."""
    popen = subprocess.Popen

    def with_node(worse=""):
        script = tmp_path / "node.py"
        script.write_text(NODE.format(test=str(TESTS), worse=worse))

        def started(command, **arguments):
            where = command.index("-m")
            return popen([command[0], str(script), *command[where + 3 :]], **arguments)

        monkeypatch.setattr("i2p_ros.ros.replay.process.subprocess.Popen", started)

    return with_node


def run(minutes=0.25, **options):
    return soak(Settings.model_validate(SMALL), minutes, options.pop("seed", 3), 10.0, 0.5, lambda seconds: None)


def test_a_good_node_bears_a_bad_day(start):
    start()
    told = run()
    assert told["crashes"] == told["junk_poses"] == told["unanswered"] == told["slow_recoveries"] == 0
    assert told["refused_though_valid"] == {} and told["answered"] + told["busy"] == told["valid"] > 10
    assert told["recoveries"] > 3 and sum(told["faults"].values()) > 5 and sum(told["dropped"].values()) > 3
    assert len(told["rss_mb"]) > 5 and told["rss_mb"][-1][1] > 10 and told["threads"][-1][1] > 1


def test_crashes_are_counted_and_the_day_goes_on(start):
    start("known.answer = lambda pair: os._exit(9) if len(known.pairs) > 12 else estimate()")
    told = run(seed=4)
    assert told["crashes"] >= 1 and "exit code 9" in told["last_words"][0] and told["sent"] > 15


def test_a_node_that_does_not_come_up_is_an_error(start):
    start("sys.exit('error: no model')")
    with pytest.raises(I2PError, match="no model"):
        run()


def tally(kinds, answers, posed=()):
    """By made-up stamps."""
    return Tally(kinds=dict(enumerate(kinds)), answers=answers, posed=set(posed)).report()


def test_a_pose_of_a_spoilt_pair_is_junk():
    assert tally(["", "bad"], {0: {}, 1: {}}, posed=[0])["junk_poses"] == 0
    assert tally(["", "bad"], {0: {}, 1: {}}, posed=[0, 1])["junk_poses"] == 1
    assert tally([""], {0: {}}, posed=[77])["junk_poses"] == 1  # and so is one that nobody can have


def test_pairs_are_counted_by_what_became_of_them():
    told = tally(["", "", "", "", "bad"], {0: {}, 1: {"reason": "busy"}, 2: {"reason": "exception"}})
    assert (told["sent"], told["valid"], told["answered"], told["busy"], told["unanswered"]) == (5, 4, 1, 1, 1)
    assert told["refused_though_valid"] == {"exception": 1} and told["faults"] == {"bad": 1}


@pytest.mark.parametrize(
    ("of_time", "seconds", "growth"),
    [
        (lambda t: 100.0 + (40.0 if t < 50 else 0.0), 300, 0.0),  # what the start takes is no growth
        (lambda t: 100.0 + (80.0 if t % 7 == 0 else 0.0), 300, 0.0),  # nor what a pair takes while it runs
        (lambda t: 100.0 * 1.001**t, 181, 1.001**61 - 1),
        (lambda t: 100.0, 119, None),
    ],
)
def test_growth_of_memory_is_from_the_second_minute_to_the_last(of_time, seconds, growth):
    memory = [(float(t), of_time(t), 9) for t in range(seconds)]
    told = Tally(memory=memory, elapsed=float(seconds)).report()["rss_growth"]
    assert told == (None if growth is None else pytest.approx(growth, abs=2e-3))


@pytest.mark.parametrize(
    ("kinds", "reasons", "quick", "slow"),
    [
        (["bad", ""], {1: ""}, 1, 0),
        (["bad", "", ""], {1: "exception", 2: ""}, 1, 0),
        (["bad", "", "", ""], {1: "exception", 3: ""}, 0, 1),
        (["bad", "", "", ""], {1: "busy", 2: "busy", 3: ""}, 1, 0),
        (["bad", "bad", ""], {2: ""}, 1, 0),
        (["bad"], {}, 0, 0),
        (["", ""], {0: ""}, 0, 0),
    ],
)
def test_a_recovery_is_an_answer_within_two_pairs(kinds, reasons, quick, slow):
    told = tally(kinds, {stamp: {"reason": reason} if reason else {} for stamp, reason in reasons.items()})
    assert (told["recoveries"], told["slow_recoveries"]) == (quick, slow)


@pytest.mark.parametrize("name", SPOILT)
def test_every_fault_spoils_the_pair(name):
    pair = sample().pair
    camera, lidar = messages.header(pair.stamp, "camera"), messages.header(pair.stamp, "lidar")
    parts = {
        "info": messages.camera_info(pair.camera, camera),
        "points": messages.cloud_message(pair.cloud, lidar),
        "image": messages.image_message(pair.image, camera),
    }
    good = copy.deepcopy(parts)  # a message that was decoded does not change: its cloud is kept
    PairJob(good["image"], good["points"], good["info"], 0, 0.0, Settings()).decoded("/camera/image")
    SPOILT[name](parts)
    if name.startswith("39"):
        assert abs(parts["image"].header.stamp.sec - pair.stamp // 10**9) >= 3600
    elif name.startswith("42"):
        assert len(parts) == 2
    else:
        with pytest.raises(InputError):
            PairJob(parts["image"], parts["points"], parts["info"], 0, 0.0, Settings()).decoded("/camera/image")
