# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Topics, services and diagnostics of the nodes in words.

The documentation is made from these tables, and tests compare them with running nodes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interface:
    """A topic or a service of a node. `name` is relative, or private (~/...), as the node creates it."""

    node: str
    way: str  # in, out or service
    name: str
    kind: str  # package/Message
    text: str


_CAMERA = "with `node.cameras`: `<camera>/` before the name"
_INPUTS = (
    ("image", "sensor_msgs/Image", f"images, unless `node.image_transport` chooses another topic; {_CAMERA}"),
    ("camera_info", "sensor_msgs/CameraInfo", f"calibration of the camera; {_CAMERA}"),
    ("points", "sensor_msgs/PointCloud2", "clouds; `node.cloud_type` chooses another type; with `node.lidars`: "
     "`<lidar>/` before the name"),
)  # fmt: skip
_TF = (
    ("/tf", "tf2_msgs/TFMessage", "where a setting asks for transforms: motion, odometry or the base frame"),
    ("/tf_static", "tf2_msgs/TFMessage", "the same"),
)
_DIAGNOSTICS = ("/diagnostics", "diagnostic_msgs/DiagnosticArray", "once in `node.diagnostics_s`: health of the inputs "
                "and of the work")  # fmt: skip
INTERFACES: tuple[Interface, ...] = (
    *(Interface("localizer", "in", *row) for row in (*_INPUTS, *_TF)),
    Interface("localizer", "in", "/initialpose", "geometry_msgs/PoseWithCovarianceStamped",
              "approximate pose of the camera (or of `node.base_frame`), where `tracking.prior` is "
              "constant_velocity or odometry"),
    *(Interface("localizer", "out", *row) for row in (
        ("~/pose", "geometry_msgs/PoseWithCovarianceStamped",
         "pose of the camera's optical frame (or of `node.base_frame`) in the cloud's frame; nothing without a pose"),
        ("/tf", "tf2_msgs/TFMessage",
         "`<cloud frame>` to `<camera frame>_estimated`, or to `odom` with `node.tf_mode: map_to_odom`"),
        ("~/status", "diagnostic_msgs/DiagnosticArray",
         "one for each pair, also without a pose: status, reason, inliers, latency"),
        ("~/overlay/compressed", "sensor_msgs/CompressedImage", "the cloud in the image, while there are subscribers"),
        ("~/points_aligned", "sensor_msgs/PointCloud2", "the cloud in the camera's frame, while there are subscribers"),
        ("~/matches", "visualization_msgs/MarkerArray", "matches as lines, while there are subscribers"),
        _DIAGNOSTICS,
    )),
    *(Interface("localizer", "service", *row) for row in (
        ("~/trigger", "std_srvs/Trigger", "localize the next pair, whether the node is enabled or not"),
        ("~/reset", "std_srvs/Trigger", "start tracking again"),
        ("~/set_enabled", "std_srvs/SetBool", "refuse pairs, or accept them again"),
        ("~/save_calibration", "std_srvs/Trigger", "write the median pose as YAML, URDF and command"),
    )),
    *(Interface("drift_monitor", "in", *row) for row in (*_INPUTS, *_TF)),
    *(Interface("drift_monitor", "out", *row) for row in (
        ("~/drift", "geometry_msgs/PoseWithCovarianceStamped",
         "the drift along the camera's axes; 95 % intervals are 1.96 standard deviations"),
        ("~/verdict", "diagnostic_msgs/DiagnosticArray",
         "latched: level, course, onset, and for each axis drift, interval, detectable drift"),
        _DIAGNOSTICS,
    )),
    *(Interface("drift_monitor", "service", *row) for row in (
        ("~/accept", "std_srvs/Trigger", "count drift from now"),
        ("~/reset", "std_srvs/Trigger", "remove the estimates"),
        ("~/save", "std_srvs/Trigger", "write the estimated calibration as YAML, URDF and command"),
    )),
)  # fmt: skip
DIAGNOSTICS: dict[str, dict[str, str]] = {
    "localizer": {
        "lifecycle": "state of the node",
        "model, device": "the settings of these names",
        "runtime": "model, libraries, device, threads and precision of the localizer, and why no faster runtime is "
        "used. It changes when engines are ready that are built in the background",
        "calibration": "topic of the camera_info, the matrix that is used, and why",
        "calib_epoch": "number of calibrations of this camera since the start. With each change tracking starts again",
        "median_gap_ms": "median of image stamp minus cloud stamp, each with its offset, of recent messages, ms",
        "covariance_ratio": "squared differences from the prior over those that the covariances state, of the last 100 "
        "pairs. It needs a prior of odometry or tf. Above 2 the covariances are too small",
        "state, state_reason": "`searching`, `tracking` or `lost`, and the reason",
        "image_hz, points_hz": "mean rate of messages since the start, Hz",
        "pairs, localized, rejected_in_a_row": "numbers of processed pairs, of pairs with a pose, and of pairs without "
        "one since the last pose",
        "latency_ms_mean, latency_ms_max": "time from the arrival of a pair to its answer, of the last 50 pairs, ms",
        "last_status, last_inliers, last_inlier_ratio, last_gap_ms": (
            "of the last pair. The gap is image stamp minus cloud stamp, ms"
        ),
        "last_residual_px, last_position_std_m, last_rotation_std_deg": (
            "of the last pose. Deviations are those of the worst axis"
        ),
        "last_seen.tx, last_seen.ty, last_seen.tz, last_seen.rx, last_seen.ry, last_seen.rz": (
            "how well each axis of the camera was seen: `well seen`, `weak` or `not seen`. See "
            "[uncertainty](uncertainty.md)"
        ),
        "seconds_since_pose": "time since the last pose, s",
        "dropped.<reason>": "number of messages and pairs that were dropped since the start, such as `dropped.busy`, "
        "`dropped.cloud.layout`, `dropped.tf.missing`",
        "without_prior.<reason>": "number of pairs that were localized without the prior that the settings ask for",
    },
    "drift_monitor": {
        "nominal": "source of the nominal calibration: the setting `monitor.nominal`",
        "vehicle, epoch, windows": "name of the vehicle, number of nominal calibrations and accepted states so far, "
        "number of estimates in use",
        "history": "file of the history, or why findings cannot be recorded and how many wait",
        "level": "level of the verdict",
        "course": "how the drift began: `step`, `ramp` or `undecided`. A drift that is in the first window is "
        "undecided",
        "since": "stamp of the first estimate that has the drift, ns",
        "tx, ty, tz, rx, ry, rz": "moved, steady or not observed, along and about the axes of the camera",
        "tx_cm, tx_half_cm, tx_detectable_cm, rx_deg, ...": (
            "drift, half of its 95 % interval, and the smallest drift that would be detected"
        ),
        "left_out.<reason>": "number of windows that were not used: too_fast, turning, poor_scene, not_finite",
    },
}
"""Keys of the values in /diagnostics of a node, and what they mean. The monitor also has those of its inputs."""
