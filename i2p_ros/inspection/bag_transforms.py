# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The nominal calibration of a bag: the static transforms between the frames of camera and lidar."""

from __future__ import annotations

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.inspection.bag_samples import BagSamples
from i2p_ros.inspection.result import FindingList
from i2p_ros.sources.bag_index import RECEIVED, Timeline

MOST_FRAMES = 12  # that a text lists


def inspect_transforms(
    samples: BagSamples, camera: str, lidar: str, note: str, findings: FindingList
) -> tuple[Timeline[Pose] | None, str]:
    """T_camera_lidar by the time received, or none with a finding; and where it is from, in words.

    `note` says why /tf_static is from another file of the bag, or missing.
    """
    if not camera or not lidar:
        who = " and ".join(name for name, frame in (("images", camera), ("clouds", lidar)) if not frame)
        findings.add("frames.empty", f"headers of {who} have no frame_id")
        return None, ""
    if camera == lidar:
        findings.add("frames.same", f"images and clouds both state the frame {camera!r}")
        return None, ""
    try:
        return _connected(samples, camera, lidar, note, findings)
    except InputError as error:
        findings.add("tf.loop", str(error))
        return None, ""


def _connected(
    samples: BagSamples, camera: str, lidar: str, note: str, findings: FindingList
) -> tuple[Timeline[Pose] | None, str]:
    tree = samples.static_transforms()
    found, source = tree.history(camera, lidar), "/tf_static"
    known = tree.frames
    if not found:
        samples.fixed_transforms(tree)
        found, source = tree.history(camera, lidar), "/tf"
    if not found:
        _tell_missing(camera, lidar, known, tree.frames, note, findings)
        return None, ""
    if source == "/tf":
        findings.add("tf.not_static", f"the transform {lidar} -> {camera} is on /tf")
    elif "is that of" in note:
        findings.add("tf.of_other_file", note)
    if len(found) > 1:
        findings.add("tf.changes", f"the static transform {lidar} -> {camera} changes {len(found) - 1} times")
    return Timeline(found, RECEIVED), source


def _tell_missing(
    camera: str, lidar: str, static: list[str], frames: list[str], note: str, findings: FindingList
) -> None:
    if not static:
        findings.add("tf.none", f"no message on /tf_static: {note}" if note else "no message on /tf_static")
        return
    absent = [name for name in (camera, lidar) if name not in frames]
    more = ", ..." if len(frames) > MOST_FRAMES else ""
    listed = ", ".join(frames[:MOST_FRAMES]) + more
    why = f"{' and '.join(absent)} not among the frames of tf" if absent else "they are in separate trees"
    findings.add("tf.unconnected", f"no static transform joins {lidar!r} and {camera!r}: {why} ({listed})")
