# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Table of the findings about a recording. docs/check.md has the same table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FindingLevel = Literal["note", "warning", "error"]
Works = Literal["yes", "partly", "no"]
TASKS = ("localize", "monitor", "calibrate")


@dataclass(frozen=True, slots=True)
class FindingCode:
    """A kind of finding: how serious it is, what it means, why it matters, and what cures it.

    `localize`, `monitor` and `calibrate` say whether these tasks work on a recording with this finding.
    """

    level: FindingLevel
    what: str
    why: str
    cure: str
    localize: Works = "yes"
    monitor: Works = "yes"
    calibrate: Works = "yes"

    def works(self, task: str) -> Works:
        """Whether a task of TASKS works on a recording with this finding."""
        return {"localize": self.localize, "monitor": self.monitor, "calibrate": self.calibrate}[task]


def _blocks(what: str, why: str, cure: str) -> FindingCode:
    """A finding with which no task works."""
    return FindingCode("error", what, why, cure, "no", "no", "no")


def _weakens(what: str, why: str, cure: str) -> FindingCode:
    """A finding with which all tasks work partly."""
    return FindingCode("warning", what, why, cure, "partly", "partly", "partly")


def _stops_monitor(what: str, why: str, cure: str) -> FindingCode:
    """A finding about the nominal calibration, which only the monitor needs."""
    return FindingCode("warning", what, why, cure, monitor="no")


CODES: dict[str, FindingCode] = {
    "recording.unreadable": _blocks(
        "The recording cannot be opened.", "Nothing of it can be read.", "Repair the file, or give another path."
    ),
    "recording.empty": _blocks(
        "The recording has no messages.", "There is nothing to read.", "Record it again."
    ),
    "recording.cut_off": FindingCode(
        "warning", "A file has no proper end.",
        "It is still being written, or the recorder was killed. Messages after the last whole chunk are lost.",
        "Wait until the recorder has ended; `mcap recover`, `rosbag reindex` or `sqlite3 .recover` repair a file.",
    ),
    "recording.missing_file": FindingCode(
        "warning", "metadata.yaml lists files that are missing.", "Their part of the drive is missing.",
        "Copy all files of the bag into its folder.",
    ),
    "recording.unreadable_file": FindingCode(
        "warning", "A file of the bag cannot be read.", "Its part of the drive is missing.",
        "Copy the file again, or repair it.",
    ),
    "recording.damaged": FindingCode(
        "warning", "A part of the recording is damaged.", "Its messages or frames are left out.",
        "Copy the files again, or repair them.",
    ),
    "recording.not_recorded": FindingCode(
        "warning", "The recorder reports that it lost messages.", "Pairs are missing.",
        "Record to a faster disk, with a larger cache (--max-cache-size) or compressed images.",
    ),
    "recording.several": FindingCode(
        "warning", "A folder without metadata.yaml holds bags with different names.",
        "They are read as one recording, although their calibrations may differ.", "Give the files one by one.",
    ),
    "topics.unknown": _blocks(
        "A topic that was named is not in the recording.", "There is nothing to read on it.",
        "Name one of the topics that the table lists, or none.",
    ),
    "topics.several": FindingCode(
        "note", "Several topics would do equally well.", "The first by name is used.",
        "Choose with --image, --points and --camera-info.",
    ),
    "image.missing": _blocks(
        "There is no topic with images.", "Every task needs images.",
        "Record sensor_msgs/Image, sensor_msgs/CompressedImage, or H.264 or H.265 video.",
    ),
    "image.undecodable": _blocks(
        "No image that was tried can be decoded.", "Every task needs images.",
        "Convert the topic with `ros2 run image_transport republish`.",
    ),
    "image.blank": _weakens(
        "The images are nearly black, white or of one grey.", "The network and the alignment see nothing in them.",
        "Remove the cover, set the exposure, or record by day.",
    ),
    "image.low_rate": FindingCode(
        "warning", "Images come less often than every 2 s.", "The monitor needs more time for a verdict.",
        "Record at 2 Hz or more.", monitor="partly",
    ),
    "image.gaps": FindingCode(
        "warning", "No image was received for a long time.", "There are no pairs in that time.",
        "Check the cable, the driver and the disk of the recorder.",
    ),
    "image.lost": FindingCode(
        "warning", "Images are missing between others.", "There are fewer pairs.",
        "Record to a faster disk, or record compressed images.",
    ),
    "cloud.missing": _blocks(
        "There is no topic with point clouds.", "Every task needs clouds.",
        "Record sensor_msgs/PointCloud2. Packets of a lidar must be converted by its driver first.",
    ),
    "cloud.undecodable": _blocks(
        "No cloud that was tried can be decoded.", "Every task needs clouds.",
        "Publish x, y and z as fields of a PointCloud2; republish compressed clouds as raw ones.",
    ),
    "cloud.low_rate": FindingCode(
        "warning", "Clouds come less often than every 2 s.", "The monitor needs more time for a verdict.",
        "Record at 2 Hz or more.", monitor="partly",
    ),
    "cloud.gaps": FindingCode(
        "warning", "No cloud was received for a long time.", "There are no pairs in that time.",
        "Check the cable, the driver and the disk of the recorder.",
    ),
    "cloud.lost": FindingCode(
        "warning", "Clouds are missing between others.", "There are fewer pairs.",
        "Record to a faster disk, and enlarge the receive buffer of the network.",
    ),
    "cloud.few_points": _weakens(
        "Clouds have few points.", "They show too little of the scene, as single packets of a lidar do.",
        "Publish whole sweeps.",
    ),
    "cloud.no_intensity": _weakens(
        "Clouds have no intensity.", "The network and the alignment lack one of their signals.",
        "Publish a field named intensity or reflectivity, or name the field by node.intensity_field.",
    ),
    "cloud.flat_intensity": _weakens(
        "All points of a cloud have the same intensity.",
        "The network and the alignment lack one of their signals.",
        "Set the driver to publish intensity, or name another field by node.intensity_field.",
    ),
    "cloud.no_time": FindingCode(
        "note", "Points have no time field.", "The motion of the vehicle within a sweep cannot be undone.",
        "Set the driver to publish the time of each point.",
    ),
    "cloud.bad_time": FindingCode(
        "warning", "The times of points fit no unit near the stamp.",
        "The motion of the vehicle within a sweep cannot be undone.",
        "Synchronise the clocks of lidar and computer, or publish times from the stamp on.",
    ),
    "camera_info.missing": _blocks(
        "The images have no camera_info.", "The intrinsics of the camera are unknown.",
        "Record camera_info beside the images, or name its topic by --camera-info.",
    ),
    "camera_info.uncalibrated": _blocks(
        "The camera_info is not calibrated.", "The intrinsics of the camera are unknown.",
        "Calibrate the camera and load the file into its driver.",
    ),
    "camera_info.size": _blocks(
        "The camera_info is for another image size.", "Its focal length does not fit the images.",
        "Give the calibration of this image size; image_proc's resize and crop nodes adapt the camera_info.",
    ),
    "camera_info.lens": _blocks(
        "The lens model of the camera_info is unknown.", "Points cannot be projected.",
        "Calibrate with plumb_bob, rational_polynomial or equidistant.",
    ),
    "camera_info.invalid": _blocks(
        "The camera_info cannot be used.", "The intrinsics of the camera are unknown.",
        "Correct the camera_info in the driver of the camera.",
    ),
    "camera_info.frame": FindingCode(
        "warning", "The camera_info is of another frame than the images.", "It may be that of another camera.",
        "Name the right topic by --camera-info.", "partly", "partly", "partly",
    ),
    "camera_info.contradiction": FindingCode(
        "warning", "K and P of the camera_info are of different cameras.", "Only one of them fits the images.",
        "Set node.lens to raw or rectified.", "partly", "partly", "partly",
    ),
    "camera_info.changes": FindingCode(
        "warning", "The camera_info changes within the recording.", "Zoom and focus change the intrinsics.",
        "Fix zoom and focus, and record again.", calibrate="partly",
    ),
    "lens.wide": FindingCode(
        "note", "The lens is too wide for one pinhole image.", "Only the middle of the view is used, 90 deg wide.",
        "None is needed.",
    ),
    "stamps.zero": _blocks(
        "Header stamps are zero.", "Images and clouds cannot be paired by their stamps.",
        "Let the driver set stamps, or set pairing.use_arrival_time=true.",
    ),
    "stamps.jump": FindingCode(
        "warning", "Header stamps jump back.", "Pairing and tracking start again there, as in a looped recording.",
        "Record each run separately.", monitor="partly", calibrate="partly",
    ),
    "stamps.clock_offset": FindingCode(
        "note", "The clocks of the sensors differ by a constant.", "The difference is measured and corrected.",
        "Set pairing.time_offset_s, or synchronise the clocks (PTP).",
    ),
    "stamps.no_pairs": _blocks(
        "No image has a cloud near it in time.", "Every task needs pairs.",
        "Set pairing.time_offset_s or pairing.slop_s, or synchronise the clocks (PTP).",
    ),
    "stamps.few_pairs": FindingCode(
        "warning", "Most clouds have no image near them in time.", "There are fewer pairs.",
        "Set pairing.time_offset_s, or trigger the camera by the lidar.",
    ),
    "stamps.gap": FindingCode(
        "warning", "Images and clouds are more than 25 ms apart.",
        "At 10 m/s a gap of 25 ms moves the scene by 25 cm, and looks like a drift.",
        "Trigger the camera by the lidar, or record a camera of a higher rate.", monitor="partly", calibrate="partly",
    ),
    "recording.short": FindingCode(
        "warning", "The recording has too few pairs for one window of the monitor.",
        "The monitor gives no verdict. A calibration rests on few views.",
        "Record at least 10 s, or reduce monitor.window.", monitor="no", calibrate="partly",
    ),
    "frames.empty": FindingCode(
        "warning", "Headers have no frame_id.", "The transform between the sensors cannot be looked up.",
        "Set the frame_id of the driver.", monitor="no",
    ),
    "frames.same": _stops_monitor(
        "Images and clouds state the same frame.", "One of them is wrong: two sensors have two frames.",
        "Set the frame_id of one driver, and publish the transform between both frames.",
    ),
    "frames.not_optical": FindingCode(
        "warning", "The frame of the images is no optical frame.",
        "The camera looks along z of its frame, and in this one z is not forward.",
        "Publish images in the optical frame of the camera (REP 103).", "yes", "no", "yes",
    ),
    "tf.none": _stops_monitor(
        "There is no /tf_static.", "The nominal calibration is unknown.",
        "Record /tf_static, or give a URDF or YAML file: `i2p monitor --nominal FILE`.",
    ),
    "tf.unconnected": _stops_monitor(
        "No static transform joins the frames of camera and lidar.", "The nominal calibration is unknown.",
        "Publish the missing transform, or give a URDF or YAML file: `i2p monitor --nominal FILE`.",
    ),
    "tf.loop": _stops_monitor(
        "The static transforms run in a loop.", "The nominal calibration is ambiguous.",
        "Give each frame one parent.",
    ),
    "tf.changes": FindingCode(
        "warning", "The static transform between camera and lidar changes.", "The monitor starts again there.",
        "Publish one transform, once.", monitor="partly",
    ),
    "tf.not_static": FindingCode(
        "note", "The transform between camera and lidar is on /tf, and does not change in the samples.",
        "It is used as the nominal calibration.", "Publish it on /tf_static.",
    ),
    "tf.of_other_file": FindingCode(
        "note", "/tf_static is that of another file of the bag.", "The recorder writes it to the first file only.",
        "Keep the first file beside this one.",
    ),
    "motion.stationary": FindingCode(
        "warning", "The vehicle stands still.", "All pairs show the same view, and add no information.",
        "Record a drive with turns.", monitor="no", calibrate="partly",
    ),
    "overlap.none": FindingCode(
        "error", "No point of the clouds is in the image, by the calibration of the recording.",
        "The sensors look in different directions, or the calibration is wrong.",
        "Check the transform, and that camera and lidar see the same scene.", "partly", "no", "partly",
    ),
    "overlap.small": _weakens(
        "Few points of the clouds are in the image, by the calibration of the recording.",
        "They cover little of the image.",
        "Turn the camera or the lidar, or choose a camera that sees more of the cloud.",
    ),
}  # fmt: skip
