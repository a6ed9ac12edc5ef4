# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Readers of camera calibration files: ROS (YAML), OpenCV's FileStorage (YAML, XML), Kalibr and EuRoC (YAML)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import yaml

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError, one_line
from i2p_ros.core.geometry import Array
from i2p_ros.core.stated_camera import is_pinhole, stated_camera

MAX_BYTES, MAX_VALUES = 1_000_000, 100_000  # of a calibration file
MAX_TEXT = 1000  # characters of an error, which may show any value of the file
# names in ROS and OpenCV files, in lower case without underscores
_MATRIX, _DISTORTION = ("cameramatrix", "k"), ("distortioncoefficients", "distortioncoeffs", "distcoeffs", "d")
_WIDTH, _HEIGHT, _SIZE = ("imagewidth", "width"), ("imageheight", "height"), ("imagesize", "resolution")
_KALIBR_LENSES = {
    "radtan": "plumb_bob",  # k1, k2, p1, p2
    "radial-tangential": "plumb_bob",  # the same, in the files of EuRoC
    "equidistant": "equidistant",
    "none": "none",
}
_EXPECTED = (
    "expected image_width, image_height and camera_matrix as ROS and OpenCV write them, or cam0 with camera_model, "
    "intrinsics, distortion_model, distortion_coeffs and resolution as Kalibr writes them"
)


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads OpenCV's matrices as mappings, and at most MAX_VALUES: aliases make gigabytes of bytes."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._values, self._sizes = 0, dict[int, int]()  # the latter by the id of a node; PyYAML keeps all nodes

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        before, is_alias = self._values, self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        self._values += self._sizes.get(id(node), MAX_VALUES) if is_alias else 1  # an alias of itself has no size yet
        self._sizes[id(node)] = self._values - before
        if self._values > MAX_VALUES:
            raise yaml.YAMLError(f"it has more than {MAX_VALUES} values, with those that aliases stand for")
        return node


_Loader.add_constructor("tag:yaml.org,2002:opencv-matrix", lambda loader, node: loader.construct_mapping(node, True))


def file_and_name(path: Path) -> tuple[Path, str]:
    """The file, and the camera's name of FILE#NAME; an empty name for a path that exists or has no #."""
    if "#" not in path.name or path.exists():
        return path, ""
    file, _, name = path.name.rpartition("#")
    return path.with_name(file), name


def read_camera(path: Path, image_size: tuple[int, int] | None = None) -> Camera:
    """Camera of a calibration file. FILE#cam1 chooses one of several cameras in a file of Kalibr.

    `image_size` is width and height of the image in px, for a file that states none. Raises InputError `camera.file`
    for a file that is not such a calibration, `camera.choice` where a camera must be chosen, `camera.model` for a
    projection other than the pinhole, and as stated_camera.
    """
    file, name = file_and_name(path)
    tree = {str(key): value for key, value in _tree(file).items()}
    try:
        if cameras := [key for key, value in tree.items() if re.fullmatch(r"cam\d+", key)]:
            return _kalibr(tree[_chosen(file, cameras, name)])
        if name:
            raise InputError(f"{file} is of one camera: leave out #{name}", "camera.choice")
        return _kalibr(tree) if "intrinsics" in tree else _ros_or_opencv(tree, image_size)
    except InputError as error:
        raise InputError(f"{file}: {one_line(error, MAX_TEXT)}", error.reason) from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        what = f"{type(error).__name__}: {one_line(error)}"
        raise InputError(f"{file} is not a camera calibration ({what}); {_EXPECTED}", "camera.file") from error


def _tree(file: Path) -> Mapping[Any, Any]:
    """The content of a YAML or XML file."""
    try:
        with file.open("rb") as stream:
            text = stream.read(MAX_BYTES + 1).decode()
        if len(text) > MAX_BYTES:
            raise ValueError(f"it is longer than {MAX_BYTES} bytes")
        if text.lstrip().startswith("<"):
            return {node.tag: _xml_value(node) for node in ElementTree.fromstring(text)}
        # OpenCV's first line, %YAML:1.0, is no directive of YAML
        tree = _Loader(re.sub(r"\A\s*%YAML.*", "", text)).get_data()
    except (OSError, ValueError, yaml.YAMLError, ElementTree.ParseError, RecursionError) as error:
        raise InputError(f"cannot read the calibration {file}: {one_line(error)}", "camera.file") from error
    if not isinstance(tree, Mapping):
        raise InputError(f"{file} is not a camera calibration; {_EXPECTED}", "camera.file")
    return tree


def _xml_value(node: ElementTree.Element) -> Any:
    """Value of a node of OpenCV's XML: the text, or the parts of a matrix, whose data are numbers after spaces."""
    parts = {part.tag: (part.text or "").strip() for part in node}
    if "data" in parts:
        return {**parts, "data": parts["data"].split()}
    return (node.text or "").strip().strip('"')


def _chosen(file: Path, cameras: list[str], name: str) -> str:
    if name in cameras:
        return name
    if name or len(cameras) > 1:
        what = f"there is no camera {name!r}" if name else f"there are {len(cameras)} cameras"
        choices = " or ".join(f"{file.name}#{camera}" for camera in cameras)
        raise InputError(f"{what}; choose {choices}", "camera.choice")
    return cameras[0]


def _kalibr(tree: Mapping[str, Any]) -> Camera:
    """Camera of an entry of a camchain of Kalibr, or of a sensor.yaml of EuRoC."""
    if (model := tree["camera_model"]) != "pinhole":
        raise InputError(
            f"camera_model {model!r} is not supported; calibrate with a pinhole projection (equidistant for a fisheye)",
            "camera.model",
        )
    lens = tree["distortion_model"]
    if lens not in _KALIBR_LENSES:
        raise InputError(
            f"distortion_model {lens!r} is not supported; known are {', '.join(_KALIBR_LENSES)}",
            "camera_info.distortion_model",
        )
    d = tree["distortion_coeffs"] if "distortion_coeffs" in tree else tree["distortion_coefficients"]
    fx, fy, cx, cy = (float(value) for value in tree["intrinsics"])
    width, height = (int(value) for value in tree["resolution"])
    return stated_camera(
        np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]), width, height, _KALIBR_LENSES[lens], _numbers(d)
    )


def _ros_or_opencv(tree: Mapping[str, Any], image_size: tuple[int, int] | None) -> Camera:
    """Camera of a file of camera_calibration (ROS), or of cv::FileStorage with the usual names."""
    values = {key.lower().replace("_", ""): value for key, value in tree.items()}
    k = _numbers(_first(values, _MATRIX)).reshape(3, 3)
    d = _numbers(_first(values, _DISTORTION, []))
    lens = str(values.get("distortionmodel") or "")
    if lens and not any(name in values for name in _DISTORTION) and not is_pinhole(lens):
        raise InputError(f"distortion_model is {lens}, but there are no distortion_coefficients", "camera.file")
    return stated_camera(k, *_image_size(values, image_size), lens or _lens_by_count(values, d), d)


def _lens_by_count(values: Mapping[str, Any], d: Array) -> str:
    """Lens of a file that names none, as OpenCV's calibration sample writes it."""
    if not d.any():
        return "none"
    fisheye = values.get("fisheyemodel")
    if fisheye is None and d.size == 4:
        raise InputError(
            "four coefficients without a distortion_model may be of two lenses: add the line distortion_model: "
            "plumb_bob (cv::calibrateCamera) or equidistant (cv::fisheye::calibrate)",
            "camera_info.distortion_model",
        )
    if fisheye is not None and int(fisheye):
        return "equidistant"
    return "plumb_bob" if d.size <= 5 else "rational_polynomial"


def _image_size(values: Mapping[str, Any], image_size: tuple[int, int] | None) -> tuple[int, int]:
    """Width and height, px."""
    if any(name in values for name in _SIZE):
        width, height = _numbers(_first(values, _SIZE)).tolist()
        return int(width), int(height)
    if image_size is not None and not any(name in values for name in (*_WIDTH, *_HEIGHT)):
        return image_size
    return int(_first(values, _WIDTH)), int(_first(values, _HEIGHT))


def _first(values: Mapping[str, Any], names: tuple[str, ...], default: Any = None) -> Any:
    """The value of the first name that there is; KeyError without one and without a default."""
    for name in names:
        if name in values:
            return values[name]
    if default is None:
        raise KeyError(names[0])
    return default


def _numbers(value: Any) -> Array:
    """Numbers (N,) of a matrix or a list; none for an empty value."""
    data = value["data"] if isinstance(value, Mapping) else value
    return np.asarray(data.split() if isinstance(data, str) else data or [], np.float64).ravel()
