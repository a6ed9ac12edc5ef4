# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The settings tree as ROS parameters."""

import pytest
from helpers import ROOT

pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")

from rclpy.node import Node
from rclpy.parameter import Parameter

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import SettingsError
from i2p_ros.core.parameters import LIVE, is_live, leaves, table
from i2p_ros.ros.parameters import declared_settings, follow_changes


@pytest.fixture
def make(ros_context):
    """Nodes started with parameters, as from the command line or a YAML file."""
    nodes = []

    def build(**values):
        overrides = [Parameter(name.replace("__", "."), value=value) for name, value in values.items()]
        nodes.append(
            Node(
                f"node_{len(nodes)}",
                context=ros_context,
                use_global_arguments=False,
                parameter_overrides=overrides,
                automatically_declare_parameters_from_overrides=True,
            )
        )
        return nodes[-1]

    yield build
    for node in nodes:
        node.destroy_node()


def test_without_overrides_every_leaf_is_declared_with_its_default(make):
    node = make()
    assert declared_settings(node) == Settings()
    for name, field, value in leaves(Settings()):
        assert node.get_parameter(name).value == value
        described = node.describe_parameter(name)
        assert described.description == (field.description or "") and described.read_only != is_live(name)


def test_overrides_arrive_and_numbers_may_be_written_without_a_point(make):
    node = make(pnp__threshold_deg=3, node__base_frame="base_link", device="cpu", use_sim_time=True)
    settings = declared_settings(node)
    assert settings.pnp.threshold_deg == 3.0 and settings.node.base_frame == "base_link" and settings.device == "cpu"
    assert node.get_parameter("pnp.threshold_deg").value == 3.0 and node.get_parameter("use_sim_time").value is True


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ({"pnp__treshold_deg": 3.0}, "pnp.treshold_deg"),
        ({"nodes__tf": True}, "nodes"),
        ({"pnp__confidence": 1.5}, "pnp.confidence"),
        ({"device": "tpu"}, "device"),
        ({"threads": "many"}, "threads"),
    ],
)
def test_unknown_and_refused_parameters_are_named(make, override, named):
    with pytest.raises(SettingsError, match=named):
        declared_settings(make(**override))


def test_a_renamed_parameter_is_refused_with_its_new_name(make):
    with pytest.raises(SettingsError, match=r"^monitor\.looks is now monitor\.network_pairs$"):
        declared_settings(make(monitor__looks=2))


def test_bounds_and_choices_are_described(make):
    node = make()
    declared_settings(node)
    (bounds,) = node.describe_parameter("pnp.min_confidence").floating_point_range
    assert (bounds.from_value, bounds.to_value) == (-1.0, 1.0)
    assert node.describe_parameter("pnp.threshold_deg").additional_constraints == "> 0, < 90"
    (bounds,) = node.describe_parameter("threads").integer_range
    assert (bounds.from_value, bounds.to_value) == (1, 256)
    assert node.describe_parameter("device").additional_constraints == "auto, cpu, cuda"


def test_most_parameters_do_not_change_while_the_node_runs(make):
    node = make()
    declared_settings(node)
    (result,) = node.set_parameters([Parameter("pnp.threshold_deg", value=5.0)])
    assert not result.successful and "read-only" in result.reason


def test_live_parameters_change_the_settings_or_are_refused(make):
    node = make()
    held = [declared_settings(node)]
    follow_changes(node, lambda: held[-1], held.append)
    (done,) = node.set_parameters([Parameter("tracking.gate", value=9.0)])
    assert done.successful and held[-1].tracking.gate == 9.0 and node.get_parameter("tracking.gate").value == 9.0
    for name, value in (("tracking.gate", -1.0), ("node.overlay_hz", 0.0), ("tracking.lost_after", 0)):
        (done,) = node.set_parameters([Parameter(name, value=value)])
        assert not done.successful and name in done.reason and node.get_parameter(name).value != value
    assert held[-1].tracking.gate == 9.0


def test_live_names_are_settings():
    names = {name for name, _, _ in leaves(Settings())}
    assert {f"{group}.{last}" for group, lasts in LIVE.items() for last in lasts} <= names


def test_every_parameter_has_a_description():
    assert not [name for name, field, _ in leaves(Settings()) if not field.description]


def test_the_table_of_parameters_is_that_of_the_code():
    written = (ROOT / "docs" / "parameters.md").read_text()
    assert written == table(), "write it anew: i2p config --table > docs/parameters.md"


@pytest.mark.parametrize("given", [{"model": "x", "model.foo": 3}, {"model.foo": 3, "model": "x"}, {"model.foo": 3}])
def test_a_setting_is_no_group(make, given):
    with pytest.raises(SettingsError, match="model"):
        declared_settings(make(**given))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pairing.slop_s", 1e300),
        ("pairing.time_offset_s", 1e12),
        ("pairing.image_time_offset_s", -1e300),
        ("node.diagnostics_s", 1e300),
        ("node.diagnostics_s", 1e-12),
        ("node.transform_tolerance_s", 1e300),
        ("tracking.speed_std", 1e300),
        ("tracking.turn_acceleration_deg", 1e300),
    ],
)
def test_a_number_that_no_clock_or_covariance_can_hold_is_refused(make, name, value):
    with pytest.raises(SettingsError, match=name):
        declared_settings(make(**{name: value}))
