# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The package says the same to pip, to colcon, to ROS and to its own nodes."""

import ast
import json
import re
import runpy
import sys
from importlib import import_module
from unittest.mock import MagicMock
from xml.etree import ElementTree

import pytest
import yaml
from helpers import ROOT

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
    setuptools = pytest.importorskip("setuptools")
    told, real = {}, setuptools.setup
    setuptools.setup = lambda **values: told.update(values)
    try:
        runpy.run_path(str(ROOT / "setup.py"))
    finally:
        setuptools.setup = real
    return told


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
    for file in [*(ROOT / "i2p_ros" / "ros").glob("*.py"), *LAUNCH_FILES]:
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


def test_pins_of_ros_agree(arguments):
    pins = {line.partition(" ;")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert set(arguments["extras_require"]["ros"]) <= pins
    names = {re.split(r"[=<>]", pin)[0].lower() for pin in pins}
    extras = arguments["extras_require"]
    for requirement in arguments["install_requires"] + extras["train"] + extras["parquet"] + extras["dev"]:
        assert re.split(r"[=<>]", requirement)[0].lower() in names


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_yaml_keys_are_parameters_with_the_defaults_that_they_show(file):
    (content,) = yaml.safe_load(file.read_text()).values()
    settings = validated(content["ros__parameters"])
    if file.name == "localizer.yaml":
        assert settings == Settings()


@pytest.mark.parametrize("file", sorted((ROOT / "config" / "training").glob("*.yaml")), ids=lambda path: path.name)
def test_recipes_are_settings(file):
    recipe = load_settings([file])
    assert recipe.training != Settings().training and recipe.synthetic.variety > 0


def _stub(monkeypatch, modules):
    for module in modules:
        monkeypatch.setitem(sys.modules, module, MagicMock())


@pytest.mark.parametrize("file", LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_files_import_launch_and_the_standard_library_only(file):
    tree = ast.parse(file.read_text())
    compile(tree, str(file), "exec")
    modules = {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules <= {"launch", "launch_ros", *sys.stdlib_module_names}


@pytest.mark.parametrize("file", LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_arguments_are_described_and_have_the_defaults_of_the_settings(file, monkeypatch):
    _stub(monkeypatch, STUBBED + STUBBED_ROS)
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
    assert {argument.name for argument in description.get_launch_arguments()} >= {"model", "rviz", "params_file"}


SHOWN = {
    "/points", "/localizer/pose", "/replay/truth", "/localizer/overlay/compressed", "/localizer/points_aligned",
    "/localizer/matches",
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
    shown = set(re.findall(r'"(/(?:localizer|points|replay|diagnostics)[a-z_/]*)', json.dumps(content)))
    assert shown <= SHOWN | {"/diagnostics"} and "/localizer/pose" in shown


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
