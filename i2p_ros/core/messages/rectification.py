# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which matrix of a CameraInfo fits the pixels: K with D of the raw image, or P of the rectified image.

The message does not say which of the two images it comes with. Live topics and bags decide by `camera_of_image`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array
from i2p_ros.core.messages.cameras import camera_from_message, full_camera
from i2p_ros.core.messages.reading import attribute, numbers

_RECTIFIED, _RAW = {"rect", "rectified"}, {"raw", "unrect", "unrectified", "distorted"}  # words of a topic's name
_KITTI2BAG = re.compile(r"(^|/)(kitti|camera_(gray|color)_(left|right))(/|$)")  # its topics and frames
_MAX_SHIFT = 0.25  # twice the offset of the rectified image's centre from the raw one's, as a share of the image
_MAX_SPAN = 1.5  # size of the rectified image in the raw one, as a share of the image
_MIN_VALID = 0.75  # share of the border of the rectified image that the lens model must reach
_BORDER = 21  # pixels at which each side of the image is projected


@dataclass(frozen=True, slots=True)
class ImageCamera:
    """Camera of the images of a topic. `why` is what decided whether they are rectified.

    `doubt` is a warning if the CameraInfo contradicts the decision or itself, else empty.
    """

    camera: Camera
    rectified: bool
    why: str
    doubt: str = ""

    @property
    def source(self) -> str:
        """The matrix in use, and why."""
        return f"{matrix_name(self.rectified)} ({self.why})"


def matrix_name(rectified: bool) -> str:
    """What the camera of rectified or of raw images is read from, in words."""
    return "P of a rectified image" if rectified else "K and D"


def named_rectified(topic: str) -> bool:
    """Whether the name of an image topic says that its images are rectified.

    The last part of the name with a word `rect`, `rectified` or `raw` decides, as in image_rect_color and rect/image.
    Words are separated by `_`.
    """
    for part in reversed(topic.lower().split("/")):
        words = set(part.split("_"))
        if words & _RECTIFIED and "un" not in words and "not" not in words:
            return True
        if words & (_RAW | _RECTIFIED):
            return False
    return False


def camera_of_image(
    message: Any, topic: str, rectified: bool | None = None, image_size: tuple[int, int] | None = None
) -> ImageCamera:
    """Camera of the images of a topic (without `/compressed`), from the CameraInfo that comes with them.

    Whether they are rectified is decided by `rectified` if given, else by the name of the topic, else by the message:
    P is the only matrix that is set, or kitti2bag wrote the message. Otherwise the images are raw. `image_size`: see
    camera_from_message. Raises InputError `camera_info.*`.
    """
    if rectified is not None:
        return ImageCamera(camera_from_message(message, rectified, image_size), rectified, "set by node.lens")
    if named_rectified(topic):
        return _camera_by_name(message, image_size)
    other = _rectified_camera(message, image_size)
    if other is None:
        return ImageCamera(camera_from_message(message, False, image_size), False, "P is not set")
    if _has_no_raw_camera(message):
        return ImageCamera(camera_from_message(message, True, image_size), True, "K and D are not set")
    try:
        raw = full_camera(message, False, image_size)
    except InputError as error:
        advice = "P is calibrated: if the images are rectified, set node.lens to rectified"
        raise InputError(f"{error}; {advice}", error.reason) from error
    if _are_one_camera(raw, other, _rotation(message)):
        return ImageCamera(camera_from_message(message, False, image_size), False, "no sign of rectified images")
    if _KITTI2BAG.search(topic) or _KITTI2BAG.search(str(attribute(attribute(message, "header"), "frame_id"))):
        why = "kitti2bag writes rectified images, with K and D of the raw ones"
        return ImageCamera(camera_from_message(message, True, image_size), True, why)
    return ImageCamera(
        camera_from_message(message, False, image_size), False, "no sign of rectified images", _doubt(raw, other)
    )


def _camera_by_name(message: Any, image_size: tuple[int, int] | None) -> ImageCamera:
    """The camera of P."""
    try:
        return ImageCamera(camera_from_message(message, True, image_size), True, "by the name of the image topic")
    except InputError as error:
        why = "the name of the image topic says that images are rectified"
        raise InputError(
            f"{error}; P is read, since {why}: if they are raw, set node.lens to raw", error.reason
        ) from error


def _rectified_camera(message: Any, image_size: tuple[int, int] | None) -> Camera | None:
    """The camera of P before ROI and binning, or none if P is not set or unusable."""
    try:
        return full_camera(message, True, image_size)
    except InputError:
        return None


def _has_no_raw_camera(message: Any) -> bool:
    """Whether K is zero or the identity, and there is no distortion."""
    k = numbers(attribute(message, "k", "K"), 9, "camera_info.k")
    d = numbers(attribute(message, "d", "D"), None, "camera_info.distortion")
    return not d.any() and (not k.any() or np.array_equal(k, np.eye(3).ravel()))


def _rotation(message: Any) -> Array:
    """R (3, 3), from the raw to the rectified optical frame. The identity if R is no rotation: many drivers leave it
    zero."""
    r = numbers(attribute(message, "r", "R"), 9, "camera_info.r").reshape(3, 3)
    with np.errstate(over="ignore", invalid="ignore"):
        return r if np.allclose(r @ r.T, np.eye(3), atol=1e-3) else np.eye(3)


def _are_one_camera(raw: Camera, rectified: Camera, R_rectified_raw: Array) -> bool:
    """Whether K and D, and P can describe images of one camera and of the stated size.

    Rectification with any free scaling (alpha of cv2.getOptimalNewCameraMatrix) keeps the rectified image centred in
    the raw one and of a similar size. It does not if one of the matrices is for images of another size. Where the lens
    model does not reach the border of the rectified image, nothing is known, and the answer is yes.
    """
    size = np.array([raw.width, raw.height])
    steps = np.linspace(0.0, 1.0, _BORDER)
    sides = [np.stack([steps, np.full(_BORDER, end)], axis=1) for end in (0.0, 1.0)]
    border = np.concatenate([*sides, *(side[:, ::-1] for side in sides)]) * size - 0.5
    rays = np.column_stack([rectified.unproject(border), np.ones(len(border))])
    with np.errstate(over="ignore", invalid="ignore"):
        shares = (raw.project(rays @ R_rectified_raw)[0] + 0.5) / size
    shares = shares[np.isfinite(shares).all(axis=1)]
    if len(shares) < _MIN_VALID * len(border):
        return True
    low, high = shares.min(axis=0), shares.max(axis=0)
    return bool((np.abs(low + high - 1.0) <= _MAX_SHIFT).all() and (high - low <= _MAX_SPAN).all())


def _doubt(raw: Camera, rectified: Camera) -> str:
    return (
        f"K and P of camera_info are of different cameras (fx {raw.fx:.1f} and {rectified.fx:.1f} px, "
        f"cx {raw.cx:.1f} and {rectified.cx:.1f} px). Images are taken as raw, with K and D; "
        "node.lens=rectified takes P, node.lens=raw ends this warning"
    )
