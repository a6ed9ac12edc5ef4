# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What robots do to the node beside sending it messages: transitions at odd moments, odd settings, odd transforms."""

import gc
import threading

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
pytest.importorskip("tf2_msgs", reason="needs tf2_msgs (python pip_ros/install.py)")

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from ros_graph import Graph, KnownLocalizer

from i2p_ros.core.errors import I2PError

CONFIGURE, ACTIVATE, DEACTIVATE = (
    getattr(Transition, f"TRANSITION_{name}") for name in ("CONFIGURE", "ACTIVATE", "DEACTIVATE")
)


class Managed(Graph):
    """A node whose services are called."""

    def joined(self):
        return self.tester.count_publishers("/diagnostics") > 0

    def ask(self, kind, name, **request):
        client = self.tester.create_client(kind, f"/localizer/{name}")
        assert self.until(client.service_is_ready)
        future = client.call_async(kind.Request(**request))
        assert self.until(future.done), f"no answer of {name}"
        self.tester.destroy_client(client)
        return future.result()

    def change(self, transition):
        return self.ask(ChangeState, "change_state", transition=Transition(id=transition)).success

    def subscribed(self):
        assert self.until(lambda: self.points.get_subscription_count() and self.image.get_subscription_count())
        self.until(lambda: False, 0.3)


@pytest.fixture
def make(ros_context):
    """Graphs that are taken down afterwards."""
    graphs = []

    def build(**parameters):
        graphs.append(Managed(ros_context, KnownLocalizer(), **parameters))
        return graphs[-1]

    yield build
    for graph in graphs:
        graph.close()
    graphs.clear()
    gc.collect()


def test_a_pair_that_outlives_the_deactivation_ends_in_silence(make, monkeypatch, capfd):
    escaped = []
    monkeypatch.setattr(threading, "excepthook", lambda raised: escaped.append(raised.exc_value))
    graph = make()
    graph.subscribed()
    graph.localizer.gate.clear()
    graph.send(graph.messages())
    assert graph.until(lambda: graph.localizer.pairs)
    assert graph.change(DEACTIVATE)
    graph.localizer.gate.set()
    assert graph.until(lambda: not any(thread.name == "worker" for thread in threading.enumerate()))
    assert not escaped and "pair dropped" not in capfd.readouterr().err
    assert graph.change(ACTIVATE)
    graph.subscribed()
    assert graph.play(graph.messages(1))["status"] == "ok"


@pytest.mark.parametrize("names", ["ri ght", "/left", "a//b", "left,left", "1st", "left,b:c"])
def test_names_that_no_topic_can_have_are_refused_at_the_start(ros_context, names):
    with pytest.raises(I2PError, match="cameras"):
        Graph(ros_context, KnownLocalizer(), node__cameras=names)


def test_an_activation_that_fails_says_why_and_leaves_nothing_behind(make, capfd):
    graph = make(node__autostart=False, **{"qos_overrides./points.subscription.reliability": "banana"})
    for _ in range(2):
        assert graph.change(CONFIGURE) and not graph.change(ACTIVATE)
        assert "cannot activate" in capfd.readouterr().err
        assert not list(graph.node.subscriptions)
    assert not any(thread.name == "worker" for thread in threading.enumerate())
    with pytest.raises(I2PError, match="banana"):
        make(**{"qos_overrides./points.subscription.reliability": "banana"})
