# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The package says the same to pip, to colcon, to ROS and to its own nodes."""

import ast
import json
import re
import runpy
import sys
from importlib import import_module
from types import SimpleNamespace
from unittest.mock import MagicMock
from xml.etree import ElementTree

import pytest
import yaml
from helpers import ROOT
from helpers.setup_arguments import setup_arguments

import i2p_ros
from i2p_ros.core import parameters
from i2p_ros.core.config import ReplaySettings, Settings, load_settings, validated
from i2p_ros.core.errors import InputError
from i2p_ros.core.resources import resource

LAUNCH_FILES = sorted((ROOT / "launch").glob("*.launch.py"))
STUBBED = ("launch", "launch.actions", "launch.conditions", "launch.event_handlers", "launch.substitutions")
STUBBED_ROS = ("launch_ros", "launch_ros.actions", "launch_ros.parameter_descriptions", "launch_ros.substitutions")


@pytest.fixture(scope="module")
def arguments():
    """What setup.py tells setuptools."""
    return setup_arguments()


@pytest.fixture(scope="module")
def manifest():
    """package.xml."""
    return ElementTree.parse(ROOT / "package.xml").getroot()


def test_package_xml_and_setup_py_agree(arguments, manifest):
    for key in ("name", "version", "license", "description"):
        assert manifest.findtext(key) == arguments[key]
    assert arguments["version"] == i2p_ros.__version__
    maintainer = manifest.find("maintainer")
    assert (maintainer.text, maintainer.get("email")) == (arguments["maintainer"], arguments["maintainer_email"])
    assert manifest.get("format") == "3" and manifest.findtext("export/build_type") == "ament_python"


def test_data_files_exist_and_hold_all_of_their_folders(arguments):
    installed = {file for _, files in arguments["data_files"] for file in files}
    assert all((ROOT / file).is_file() for file in installed)
    wanted = {
        str(path.relative_to(ROOT))
        for folder in ("launch", "config", "config/protocols", "config/training")
        for path in (ROOT / folder).glob("*.*")
    }
    assert wanted | {"package.xml", "resource/i2p_ros"} <= installed
    weights = {str(path.relative_to(ROOT)) for path in (ROOT / "models").glob("*.safetensors")}
    assert weights <= installed


def test_every_package_of_ros_that_is_imported_is_a_dependency(manifest):
    needed = {element.text for element in manifest.findall("exec_depend")}
    imported = set()
    for file in [*(ROOT / "i2p_ros" / "ros").rglob("*.py"), *LAUNCH_FILES]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module.split(".")[0])
            elif isinstance(node, ast.Import):
                imported |= {name.name.split(".")[0] for name in node.names}
    ours = {"i2p_ros", "numpy", "cv2", "yaml", "pydantic"}
    assert imported - ours - set(sys.stdlib_module_names) <= needed


def test_entry_points_exist(arguments):
    scripts = dict(entry.split(" = ") for entry in arguments["entry_points"]["console_scripts"])
    assert {"i2p", "localizer", "drift_monitor", "replay"} == scripts.keys()
    pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
    pytest.importorskip("tf2_msgs", reason="needs tf2_msgs (python pip_ros/install.py)")
    for target in scripts.values():
        module, _, function = target.partition(":")
        assert callable(getattr(import_module(module), function))


def pins(name):
    """Requirements of a file of constraints, without markers."""
    return {line.partition(" ;")[0] for line in (ROOT / name).read_text().splitlines()}


@pytest.mark.parametrize(("extra", "distribution"), [("ros", "jazzy"), ("ros-kilted", "kilted")])
def test_pins_of_ros_agree(arguments, extra, distribution):
    pinned = pins(f"pip_ros/{distribution}.txt")
    assert set(arguments["extras_require"][extra]) <= pinned
    assert all(pin.startswith("ros-") for pin in pinned)


def test_every_dependency_is_pinned(arguments):
    names = {re.split(r"[=<>;]", pin)[0].lower() for pin in pins("constraints.txt")}
    extras = arguments["extras_require"]
    for requirement in arguments["install_requires"] + extras["train"] + extras["parquet"] + extras["dev"]:
        assert re.split(r"[=<>;]", requirement)[0].lower() in names


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_yaml_keys_are_parameters_with_the_defaults_that_they_show(file):
    (content,) = yaml.safe_load(file.read_text()).values()
    settings = validated(content["ros__parameters"])
    if file.name == "localizer.yaml":
        assert settings == Settings()


@pytest.mark.parametrize("file", sorted((ROOT / "config" / "training").glob("*.yaml")), ids=lambda path: path.name)
def test_recipes_are_settings(file):
    recipe = load_settings([file])
    assert recipe.training != Settings().training
    assert recipe.synthetic.rooms or "variety" in yaml.safe_load(file.read_text())["synthetic"]


@pytest.fixture
def launch(monkeypatch):
    """The packages launch and launch_ros, as mocks: pip does not have them. Texts of arguments are in `given`."""
    stubs = {module: MagicMock() for module in STUBBED + STUBBED_ROS}
    for name, module in stubs.items():
        monkeypatch.setitem(sys.modules, name, module)
    given = {}
    stubs["launch.substitutions"].LaunchConfiguration = lambda name: SimpleNamespace(
        name=name, perform=lambda context: given.get(name, "")
    )
    stubs["launch_ros.parameter_descriptions"].ParameterValue = lambda value, value_type: (value.name, value_type)
    sys.modules.pop("i2p_ros.ros.launching", None)
    yield SimpleNamespace(given=given, actions=stubs["launch.actions"], ros=stubs["launch_ros.actions"])
    sys.modules.pop("i2p_ros.ros.launching", None)


def _imported(file):
    """Modules that a file imports."""
    tree = ast.parse(file.read_text())
    compile(tree, str(file), "exec")
    named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return named | {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}


@pytest.mark.parametrize("file", LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_files_import_launch_and_the_standard_library_only(file):
    assert _imported(file) <= {"launch", "i2p_ros.ros.launching"}
    shared = {module.split(".")[0] for module in _imported(ROOT / "i2p_ros" / "ros" / "launching.py")}
    assert shared <= {"launch", "launch_ros", *sys.stdlib_module_names}


OF_INPUTS = {
    "namespace",
    "image",
    "camera_info",
    "points",
    "image_transport",
    "autostart",
    "odom_frame",
    "use_sim_time",
    "find_topics",
}
OF_LAUNCH = {
    "localizer.launch.py": {*OF_INPUTS, "rviz", "model", "device", "prior", "tf_mode", "base_frame"},
    "monitor.launch.py": {*OF_INPUTS, "nominal", "vehicle", "history"},
    "kitti_replay.launch.py": {
        "rviz", "data", "drive", "camera", "rate", "loop", "limit", "perturb", "seed", "image_transport", "model",
        "device",
    },
}  # fmt: skip


@pytest.mark.parametrize("file", LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_files_have_the_arguments_that_they_always_had(file, launch):
    assert runpy.run_path(str(file))["generate_launch_description"]() is not None
    declared = [call.args[0] for call in launch.actions.DeclareLaunchArgument.call_args_list]
    assert len(set(declared)) == len(declared)
    assert {*declared} == OF_LAUNCH[file.name] | {"params_file", "log_level"}


def _nodes(launch, file, **given):
    """Keyword arguments of the nodes that a launch file starts, by executable."""
    launch.given.update(given)
    runpy.run_path(str(file))["generate_launch_description"]()
    for call in launch.actions.OpaqueFunction.call_args_list:
        call.kwargs["function"](None)
    return {call.kwargs["executable"]: call.kwargs for call in launch.ros.Node.call_args_list}


def test_launch_arguments_set_parameters_topics_and_namespace_where_they_are_given(launch):
    nodes = _nodes(
        launch, ROOT / "launch" / "localizer.launch.py", model="mine", image="/camera/image", autostart="false"
    )
    (node,) = [kwargs for name, kwargs in nodes.items() if name != "rviz2"]
    file, parameters = node["parameters"]
    assert file.name == "params_file" and node["namespace"].name == "namespace"
    assert parameters == {
        "node.find_topics": True, "model": ("model", str), "node.autostart": ("autostart", bool),
    }  # fmt: skip
    assert {topic: to.name for topic, to in node["remappings"]} == {t: t for t in ("image", "camera_info", "points")}
    assert node["arguments"][:2] == ["--ros-args", "--log-level"] and node["arguments"][2].name == "log_level"


def test_a_replay_has_a_clock_that_the_localizer_follows_and_ends_with_either(launch):
    nodes = _nodes(launch, ROOT / "launch" / "kitti_replay.launch.py", data="/bag", image_transport="compressed")
    localizer, replay = (nodes[name]["parameters"][1] for name in ("localizer", "replay"))
    transport = ("image_transport", str)
    assert localizer == {"use_sim_time": True, "node.image_transport": transport}
    assert replay == {"use_sim_time": False, "replay.data": ("data", str), "replay.image_transport": transport}
    assert launch.actions.Shutdown.call_count == 2


@pytest.mark.parametrize("file", LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_arguments_are_described_and_have_the_defaults_of_the_settings(file, launch):
    content = runpy.run_path(str(file))
    assert all(text for _, text in content["ARGUMENTS"].values())
    leaves = {name: value for name, _, value in parameters.leaves(Settings())} | {"use_sim_time": False}
    leaves |= {f"replay.{name}": value for name, value in ReplaySettings().model_dump().items()}
    for table in ("PARAMETERS", "OF_LOCALIZER", "OF_REPLAY"):
        for name, kind, text in content.get(table, {}).values():
            value, said = leaves[name], text.partition("default: ")[2]
            assert isinstance(value, kind) and said
            if value or kind is not str:  # an empty text is described by what it means
                assert said.split(",")[0] == (str(value).lower() if kind is bool else str(value))
    assert content["generate_launch_description"]() is not None


@pytest.mark.parametrize("file", LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_descriptions_are_built(file):
    pytest.importorskip("launch_ros.actions", reason="needs ROS 2 with launch_ros, which pip does not have")
    description = runpy.run_path(str(file))["generate_launch_description"]()
    declared = {argument.name for argument in description.get_launch_arguments()}
    assert declared == OF_LAUNCH[file.name] | {"params_file", "log_level"}


SHOWN = {
    "/points", "/localizer/pose", "/replay/truth", "/localizer/overlay/compressed", "/localizer/points_aligned",
    "/localizer/matches", "/image",
}  # fmt: skip


def test_the_view_shows_topics_that_there_are():
    view = yaml.safe_load((ROOT / "config" / "i2p_ros.rviz").read_text())["Visualization Manager"]
    topics = {display["Topic"]["Value"] for display in view["Displays"] if "Topic" in display}
    assert topics == SHOWN
    assert view["Global Options"]["Fixed Frame"] == "lidar"


def _panels(part):
    """The names in a layout's tree."""
    return {part} if isinstance(part, str) else _panels(part["first"]) | _panels(part["second"])


def test_the_layout_of_foxglove_has_its_panels_and_topics_that_there_are():
    content = json.loads((ROOT / "config" / "foxglove.json").read_text())
    assert _panels(content["layout"]) == content["configById"].keys()
    shown = set(
        re.findall(r'"(/(?:localizer|points|image|camera_info|replay|diagnostics)[a-z_/]*)', json.dumps(content))
    )
    assert shown <= SHOWN | {"/diagnostics", "/camera_info"} and "/localizer/pose" in shown


def test_the_middleware_profile_holds_an_image_and_a_cloud():
    profile = ElementTree.parse(resource("config/fastdds.xml")).getroot()
    sizes = {element.tag.rpartition("}")[2]: element.text for element in profile.iter()}
    assert int(sizes["maxMessageSize"]) >= 4_000_000 and int(sizes["segment_size"]) >= 8 * int(sizes["maxMessageSize"])


def test_resources_are_found_in_the_repository_and_in_an_installation(monkeypatch, tmp_path):
    assert resource("config/fastdds.xml") == ROOT / "config" / "fastdds.xml"
    shared = tmp_path / "share" / "i2p_ros" / "config"
    shared.mkdir(parents=True)
    (shared / "fastdds.xml").touch()
    installed = tmp_path / "lib" / "python3.12" / "site-packages" / "i2p_ros" / "core" / "resources.py"
    monkeypatch.setattr("i2p_ros.core.resources.__file__", str(installed))
    assert resource("config/fastdds.xml") == shared / "fastdds.xml"
    with pytest.raises(InputError, match="config/nothing"):
        resource("config/nothing.yaml")
