# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of the installation: packages that are installed or missing, and the device, runtime and model in use."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import I2PError

NEEDED = ("numpy", "cv2", "pydantic", "yaml", "torch", "safetensors", "poselib", "rosbags.highlevel", "matplotlib")
ROS = {
    "rclpy": "source a ROS 2 installation, or pip install the extra: i2p_ros[ros]",
    "rmw_implementation": "the middleware: part of the extra i2p_ros[ros]",
    "sensor_msgs.msg": "part of the extra i2p_ros[ros]",
    "tf2_msgs.msg": "comes with ROS 2; for the wheels of PyPI: python pip_ros/install.py (needs gcc and g++)",
    "tf2_ros": "comes with ROS 2; for the wheels of PyPI: python pip_ros/install.py",
    "sensor_msgs_py.point_cloud2": "comes with ROS 2; for the wheels of PyPI: python pip_ros/install.py",
}
OPTIONAL = {
    "torch_tensorrt": "compiles the dense parts for NVIDIA GPUs; without it PyTorch runs them",
    "spconv.pytorch": "sparse convolution on NVIDIA GPUs; without it PyTorch does it, with the same weights",
    "lightning_fabric": "only to train: part of the extra i2p_ros[train]",
    "tensorboardX": "only to train: part of the extra i2p_ros[train]",
}


@dataclass(frozen=True)
class Check:
    """Check of one part: whether it is usable, whether localization over ROS needs it, and a text on what was found."""

    name: str
    ok: bool
    needed: bool
    says: str


def checks() -> list[Check]:
    """Checks of all parts, in the order in which a user would repair them."""
    return [
        Check("python", True, True, f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        *(_importable(name, True, "pip install i2p_ros again") for name in NEEDED),
        *(_importable(name, True, what) for name, what in ROS.items()),
        *(_importable(name, False, what) for name, what in OPTIONAL.items()),
        Check(
            "rviz2", shutil.which("rviz2") is not None, False, shutil.which("rviz2") or "only for views of live topics"
        ),
        _says("device", _device),
        _says("runtime", _runtime),
        _says("model", _model),
    ]


def _importable(module: str, needed: bool, what: str) -> Check:
    try:
        import_module(module)
    except Exception as error:  # a broken binary may raise any exception
        return Check(module, False, needed, f"{type(error).__name__}: {str(error).splitlines()[0]}; {what}")
    return Check(module, True, needed, _version(module))


def _version(module: str) -> str:
    names = {"cv2": "opencv-python-headless", "yaml": "PyYAML"}
    package = module.split(".")[0]
    try:
        return version(names.get(package, package))
    except PackageNotFoundError:
        return "found"


def _says(name: str, question: Callable[[], str]) -> Check:
    try:
        return Check(name, True, True, question())
    except (I2PError, ImportError) as error:
        return Check(name, False, True, str(error))


def _device() -> str:
    from i2p_ros.runtime.torch_runtime import choose_device

    device, why = choose_device(Settings().device)
    return f"{device} with PyTorch: {why}"


def _runtime() -> str:
    from i2p_ros.localizer import load

    return load().runtime.describe()


def _model() -> str:
    from i2p_ros.runtime.manifest import find_model

    _, file = find_model(Settings().model)
    return f"{Settings().model}: {file}, {file.stat().st_size / 1e6:.1f} MB, sha256 as in the manifest"
