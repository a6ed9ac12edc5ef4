# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node's life: its transitions over services, what it gives back, and how signals end it."""

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import TESTS

pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
pytest.importorskip("tf2_msgs", reason="needs tf2_msgs (python pip_ros/install.py)")

from helpers.graph import KnownLocalizer, Managed, Samples, made
from lifecycle_msgs.msg import Transition
from rclpy.node import Node

from i2p_ros.core.config import ReplaySettings
from i2p_ros.core.errors import ModelError
from i2p_ros.ros.nodes import lifecycle_node, localizer_node
from i2p_ros.ros.replay.playing import replay


@pytest.fixture
def make(ros_context):
    """Graphs that are taken down afterwards."""
    yield from made(ros_context, Managed)


CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE


def test_by_default_it_is_active_at_once(make):
    graph = make()
    assert graph.label() == "active"


def test_others_may_lead_it_through_its_states(make):
    graph = make(node__autostart=False, node__diagnostics_s=0.1)
    assert graph.label() == "unconfigured" and not graph.points.get_subscription_count()
    reports = graph.heard["/diagnostics"]
    assert graph.until(lambda: reports and "unconfigured: not active" in reports[-1].status[0].message)
    assert graph.change(CONFIGURE) and graph.label() == "inactive" and not graph.points.get_subscription_count()
    assert graph.change(ACTIVATE) and graph.label() == "active"
    assert graph.until(graph.points.get_subscription_count)
    graph.until(lambda: graph.tester.count_publishers("/localizer/status"))
    graph.until(lambda: False, 0.3)
    assert graph.play(graph.messages())["status"] == "ok"
    assert graph.change(DEACTIVATE) and graph.until(lambda: not graph.points.get_subscription_count())
    assert graph.change(CLEANUP) and graph.label() == "unconfigured"


def test_a_node_that_is_destroyed_is_heard_no_more(make):
    graph = make()
    names = ("change_state", "get_state", "trigger")
    witness = Node("witness", context=graph.node.context, use_global_arguments=False)
    assert graph.until(lambda: all(witness.count_services(f"/localizer/{name}") for name in names))
    graph.close()
    end = time.monotonic() + 5.0
    while any(witness.count_services(f"/localizer/{name}") for name in names) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(witness.count_services(f"/localizer/{name}") for name in names)
    witness.destroy_node()


def test_row_61_a_transition_that_there_is_not_is_refused_and_the_node_lives_on(make):
    graph = make(node__autostart=False)
    for wrong in (ACTIVATE, DEACTIVATE, CLEANUP, 77):
        assert not graph.change(wrong)
        assert graph.label() == "unconfigured"
    assert graph.change(CONFIGURE) and not graph.change(CONFIGURE) and graph.label() == "inactive"


def test_a_model_that_cannot_be_loaded_leaves_it_unconfigured_until_it_can(make, capfd):
    found = []

    def load(settings):
        if not found:
            raise ModelError("the weights are damaged")
        return found[0]

    graph = make(load=load, node__autostart=False)
    assert not graph.change(CONFIGURE) and graph.label() == "unconfigured"
    assert "the weights are damaged" in capfd.readouterr().err
    found.append(KnownLocalizer())
    assert graph.change(CONFIGURE) and graph.label() == "inactive"


def test_an_activation_that_fails_leads_back_to_unconfigured(make, monkeypatch):
    graph = make(node__autostart=False)
    assert graph.change(CONFIGURE)
    with monkeypatch.context() as patched:
        patched.setattr(localizer_node, "LocalizerChannel", lambda *_: 1 / 0)
        assert not graph.change(ACTIVATE)
    assert graph.label() == "unconfigured" and graph.change(CONFIGURE) and graph.change(ACTIVATE)


def rss_mb():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Weighty(KnownLocalizer):
    """As heavy as a model: 50 MB."""

    def __init__(self):
        super().__init__()
        self.weights = np.ones(50 * 2**20 // 8)


@pytest.fixture
def little_garbage():
    """What other tests left is not looked through each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("little_garbage")
def test_a_hundred_cycles_give_everything_back(make):
    graph = make(load=lambda settings: Weighty(), node__autostart=False, tracking__prior="odometry")
    used, entities = [], []
    for cycle in range(100):
        assert graph.node.trigger_configure() == lifecycle_node.SUCCESS
        assert graph.node.trigger_activate() == lifecycle_node.SUCCESS
        if cycle % 10 == 0:  # with a pair now and then
            graph.send(graph.messages(cycle))
        graph.until(lambda: False, 0.02)
        assert graph.node.trigger_deactivate() == lifecycle_node.SUCCESS
        assert graph.node.trigger_cleanup() == lifecycle_node.SUCCESS
        used.append(rss_mb())
        entities.append(
            (len(list(graph.node.publishers)), len(list(graph.node.subscriptions)), len(list(graph.node.timers)))
        )
    assert all(left == entities[0] for left in entities)
    # medians: the executor may hold a subscription, and so a model, until it spins again
    assert np.median(used[-10:]) - np.median(used[20:30]) < 5.0, used[::10]


NODE = """
import sys, time
sys.path.insert(0, {test!r})
from i2p_ros.ros.running import run

def make():
    from helpers.graph import KnownLocalizer, estimate
    from i2p_ros.ros.nodes.localizer_node import LocalizerNode
    known = KnownLocalizer()
    known.answer = lambda pair: (time.sleep({busy}), estimate())[1]
    return LocalizerNode(lambda settings: known)

print("handled", flush=True)
run(make)
"""


def python(log, *arguments):
    """A Python process that writes its output to a file."""
    with log.open("wb") as output:
        return subprocess.Popen([sys.executable, *arguments], stdout=output, stderr=subprocess.STDOUT)


def script_process(tmp_path, text):
    """A process of the script, and the file of its output."""
    script, log = tmp_path / "node.py", tmp_path / "log"
    script.write_text(text)
    return python(log, str(script)), log


def node_process(tmp_path, busy=0.0):
    return script_process(tmp_path, NODE.format(test=str(TESTS), busy=busy))


@pytest.fixture(autouse=True)
def _none_left(monkeypatch):
    """A node that a failed test leaves running would answer in the tests after it."""
    popen, started = subprocess.Popen, []
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: (started.append(popen(*a, **k)), started[-1])[1])
    yield
    for process in started:
        process.kill()


def said(log, text, seconds=30.0):
    end = time.monotonic() + seconds
    while text not in log.read_bytes() and time.monotonic() < end:
        time.sleep(0.01)
    return text in log.read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("moment_s", [0.05, 0.2, 0.5, 1.0, "ready", "busy"])
def test_row_61_two_signals_at_any_moment_end_the_process_within_two_seconds(ros_network, tmp_path, number, moment_s):
    process, log = node_process(tmp_path, busy=60.0 if moment_s == "busy" else 0.0)
    assert said(log, b"handled")
    if isinstance(moment_s, float):
        time.sleep(moment_s)
    else:
        assert said(log, b"ready")
        if moment_s == "busy":
            replay(Samples(1), ReplaySettings(rate=0.0, timeout_s=4.0))
    started = time.monotonic()
    process.send_signal(number)
    time.sleep(0.1)
    process.send_signal(number)
    assert process.wait(10) == 0
    assert time.monotonic() - started < 2.5  # 2 s, and what a busy machine takes
    assert b"Traceback" not in log.read_bytes() and b"error" not in log.read_bytes().lower()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_row_61_a_signal_during_a_transition_ends_the_process_after_it(ros_network, tmp_path, number):
    process, log = script_process(
        tmp_path,
        f"import os, sys, time\nsys.path.insert(0, {str(TESTS)!r})\nfrom i2p_ros.ros.running import run\n"
        "def make():\n"
        "    from helpers.graph import KnownLocalizer\n"
        "    from i2p_ros.ros.nodes.localizer_node import LocalizerNode\n"
        f"    load = lambda settings: (os.kill(os.getpid(), {number:d}), time.sleep(0.3), KnownLocalizer())[2]\n"
        "    return LocalizerNode(load)\n"
        "run(make)\n",
    )
    assert process.wait(20) == 0
    assert b"ready" in log.read_bytes() and b"rror" not in log.read_bytes()


def test_row_61_a_replay_that_is_interrupted_prints_its_summary(ros_network, tmp_path):
    _, log = node_process(tmp_path)
    assert said(log, b"ready")
    given = ("replay.limit:=10000", "replay.rate:=0.0", "synthetic.points:=2000", "synthetic.width:=64")
    parameters = [word for each in given for word in ("-p", each)]
    output = tmp_path / "replay"
    process = python(output, "-m", "i2p_ros.ros", "replay", "--ros-args", *parameters)
    assert said(output, b" pairs; ")  # the first report, after 3 s
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    assert b"\npairs " in output.read_bytes() and b"rte_m median" in output.read_bytes()


def test_row_61_a_model_that_loads_for_ever_does_not_keep_the_process(ros_network, tmp_path):
    process, log = script_process(
        tmp_path,
        "import time\nfrom i2p_ros.ros.nodes.localizer_node import LocalizerNode\nfrom i2p_ros.ros.running import run\n"
        "run(lambda: LocalizerNode(lambda settings: (print('loading', flush=True), time.sleep(60))))\n",
    )
    assert said(log, b"loading")
    started = time.monotonic()
    process.terminate()
    assert process.wait(10) == 0 and time.monotonic() - started < 2.5 and b"Traceback" not in log.read_bytes()


def test_row_46_a_lost_device_ends_the_process_with_exit_code_1(ros_network, tmp_path):
    process, log = script_process(
        tmp_path,
        NODE.format(test=str(TESTS), busy=0.0)
        .replace("lambda pair: (", "lambda pair: (lose(), ")
        .replace("def make():", "def lose():\n    raise DeviceError('the device is lost')\n\ndef make():")
        .replace("import sys, time", "import sys, time\nfrom i2p_ros.core.errors import DeviceError")
        .replace("estimate())[1]", "estimate())[2]"),
    )
    assert said(log, b"ready")
    replay(Samples(1), ReplaySettings(rate=0.0, timeout_s=3.0))
    assert process.wait(10) == 1 and said(log, b"error: the device is lost")


def test_a_stuck_node_ends_itself_with_exit_code_1(ros_network, tmp_path):
    process, log = script_process(
        tmp_path,
        NODE.format(test=str(TESTS), busy=60.0)
        .replace(
            "lambda settings: known)",
            "lambda settings: known, parameter_overrides=[Parameter('node.exit_after_s', value=0.5)])",
        )
        .replace("import sys, time", "import sys, time\nfrom rclpy.parameter import Parameter"),
    )
    assert said(log, b"ready")
    replay(Samples(1), ReplaySettings(rate=0.0, timeout_s=3.0))
    assert process.wait(10) == 1 and said(log, b"error: one pair has been running for more than 0.5 s")
