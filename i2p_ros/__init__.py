# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Camera-LiDAR localization: an image and a cloud in, the camera's pose in the cloud with its covariance out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from i2p_ros.core.camera import Camera as Camera
    from i2p_ros.core.config import Settings as Settings
    from i2p_ros.core.config import load_settings as load_settings
    from i2p_ros.core.geometry import Pose as Pose
    from i2p_ros.core.types import Pair as Pair
    from i2p_ros.core.types import PointCloud as PointCloud
    from i2p_ros.core.types import PoseEstimate as PoseEstimate
    from i2p_ros.core.types import Prior as Prior
    from i2p_ros.core.types import Sample as Sample
    from i2p_ros.core.types import Status as Status
    from i2p_ros.localizer import Localizer as Localizer
    from i2p_ros.localizer import load as load
    from i2p_ros.sources.opening import open_source as open_source

_HOMES = {
    "Camera": "core.camera",
    "Settings": "core.config",
    "load_settings": "core.config",
    "Pose": "core.geometry",
    "Pair": "core.types",
    "PointCloud": "core.types",
    "PoseEstimate": "core.types",
    "Prior": "core.types",
    "Sample": "core.types",
    "Status": "core.types",
    "Localizer": "localizer",
    "load": "localizer",
    "open_source": "sources.opening",
}


def __getattr__(name: str) -> Any:
    """Imports a public name at its first use, so that `import i2p_ros` needs neither torch nor ROS."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'i2p_ros' has no attribute {name!r}")
    return getattr(import_module(f"i2p_ros.{_HOMES[name]}"), name)
