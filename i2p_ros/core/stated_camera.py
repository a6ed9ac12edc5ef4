# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras as drivers and calibration tools state them: names of lenses, padded coefficients, placeholders."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import ArrayLike

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array
from i2p_ros.core.lenses import LENSES, lens_name

MIN_FOCAL = 0.02  # of the image width. A shorter focal length is a placeholder, such as that of the identity
_PINHOLES = ("", "none", "pinhole")  # names that drivers give to a camera without distortion
_COEFFICIENTS = {"plumb_bob": 5, "rational_polynomial": 8, "equidistant": 4}  # the zeros after them are padding


def stated_camera(k: Array, width: int, height: int, lens: str = "", distortion: ArrayLike = ()) -> Camera:
    """Camera of an intrinsic matrix (3, 3), an image size in px, and a lens by the name of a driver or a tool.

    Names are read without regard to case, spaces and hyphens. `none`, `pinhole` and an empty name are a camera without
    distortion. Zeros after the coefficients of a lens are padding. Raises InputError `camera_info.uncalibrated` for a
    focal length below MIN_FOCAL, `camera_info.k` for skew, `camera_info.distortion*` for the lens, `camera_info.size`.
    """
    camera = Camera.from_matrix(k, width, height, *_stated_lens(lens, np.asarray(distortion, np.float64).ravel()))
    if not np.allclose(k, camera.matrix, rtol=0.0, atol=1e-6 * camera.fx):
        raise InputError(f"the matrix has skew or is no intrinsic matrix: {np.asarray(k).tolist()}", "camera_info.k")
    if min(camera.fx, camera.fy) < MIN_FOCAL * width:
        raise InputError(
            f"the camera is not calibrated: fx={camera.fx}, fy={camera.fy} px for an image of {width} px is a "
            "placeholder",
            "camera_info.uncalibrated",
        )
    return camera


def is_pinhole(stated: str) -> bool:
    """Whether the name of a lens, as a driver or a tool states it, means no distortion."""
    return _name(stated) in _PINHOLES


def _name(stated: str) -> str:
    return re.sub(r"[\s-]+", "_", stated.strip().lower())


def _stated_lens(stated: str, d: Array) -> tuple[str, Array]:
    """Name of the distortion model and coefficients (C,). A lens whose coefficients are missing is not a pinhole."""
    if is_pinhole(stated):
        if d.any():
            raise InputError(
                f"distortion_model {stated!r} has no distortion, but there are coefficients: name the lens",
                "camera_info.distortion_model",
            )
        return "plumb_bob", np.zeros(0)
    model = lens_name(_name(stated))
    if model not in LENSES:
        return stated, d  # Camera refuses it with the names that are known
    used = _COEFFICIENTS.get(model, d.size)
    d = d if d[used:].any() else d[:used]
    if not d.size and not LENSES[model].zero_is_pinhole:
        raise InputError(f"{model} takes {used} coefficients, got none", "camera_info.distortion_length")
    return model, d
