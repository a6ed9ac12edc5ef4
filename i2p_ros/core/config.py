# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every default, once. YAML files, `--set a.b=c` and ROS parameters override this tree by the same dotted names.

Long because it is one table, with a line for each setting.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from i2p_ros.core.errors import SettingsError, one_line
from i2p_ros.core.hints import did_you_mean
from i2p_ros.core.protocols import CloudProtocol, ProtocolName
from i2p_ros.core.renames import old_names

RENAMED = {  # settings of earlier versions: old dotted name to new
    "monitor.looks": "monitor.network_pairs",
    "pnp.enough_confidence": "pnp.early_exit_confidence",
}


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MatchingSettings(_Group):
    """Matches by the similarity of descriptors."""

    max_points: int = Field(
        2048, ge=16, description="largest number of points. The memory is proportional to max_points times max_pixels"
    )
    max_pixels: int = Field(5120, ge=16, description="largest number of image cells that points are compared with")
    max_matches: int = Field(
        600, ge=8, description="largest number of matches of a candidate set, those of the highest similarity"
    )
    views: int = Field(
        8, ge=1, description="number of viewing directions, each of which has a candidate set of matches"
    )


class PnpSettings(_Group):
    """Poses of matches, and the limits within which a pose is published."""

    threshold_deg: float = Field(
        2.0, gt=0, lt=90, description="largest angle between an inlier's ray and its point in the robust start, deg"
    )
    iterations: int = Field(
        100_000, ge=1, description="largest number of hypotheses of the robust start for one set of matches"
    )
    view_iterations: int = Field(1000, ge=1, description="the same for each candidate set of a network")
    confidence: float = Field(
        0.9999, gt=0, lt=1, description="probability with which the robust start finds a hypothesis without outliers"
    )
    min_matches: int = Field(12, ge=4, description="least number of usable matches for a pose")
    min_inliers: int = Field(12, ge=4, description="least number of inliers for a pose")
    refine_iterations: int = Field(30, ge=1, description="largest number of steps of the least squares")
    max_std_m: float = Field(
        5.0, gt=0, description="largest standard deviation along an axis. Beyond it the pose is degenerate, m"
    )
    max_std_deg: float = Field(
        10.0, gt=0, description="largest standard deviation about an axis. Beyond it the pose is degenerate, deg"
    )
    max_rival: float = Field(
        0.8, gt=0, description="largest support or likelihood of a rival, as a share of that of the pose"
    )
    lidar_std_m: float = Field(
        0.7,
        gt=0,
        description="standard deviation of the camera's place about that of the lidar, where the cloud is its full "
        "turn, m. Large: cameras may be anywhere",
    )
    early_exit_confidence: float = Field(
        0.9,
        ge=0,
        description="calibrated confidence, before and after refinement, at which two forward passes are enough, or "
        "one near the pose of a prior. Above 1: all are always run",
    )
    min_confidence: float = Field(
        -1.0, ge=-1, le=1, description="least confidence of a published pose. -1: that of the model's calibration"
    )


class SyntheticSettings(_Group):
    """The synthetic street world, or rooms."""

    rooms: bool = Field(
        False,
        description="rooms that an RGB-D camera sees, in place of streets. The settings below are of streets",
    )

    camera: Literal["random", "tum_vi", "t265"] = Field(
        "random",
        description="random: a pinhole camera of width x height px. tum_vi, t265: a fisheye as in the TUM VI dataset "
        "or in a RealSense T265, of its own size",
    )
    width: int = Field(512, ge=16, description="width of images of random cameras, px")
    height: int = Field(160, ge=16, description="height of images of random cameras, px")
    beams: int = Field(64, ge=1, description="number of lidar beams")
    points: int = Field(40000, ge=100, description="largest number of lidar returns")
    drive: bool = Field(
        False, description="one drive through one world. false: scattered places, each in a world of its own"
    )
    rate_hz: float = Field(10.0, gt=0, description="rate of the pairs of a drive, Hz")
    variety: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of places with any kind of street, weather, camera and lidar. The others are built-up "
        "streets by day with sensors like KITTI's",
    )


class TopicSettings(_Group):
    """The topics of a bag. An empty one is chosen by frame, size and rate. Topics of nodes are remapped instead."""

    image: str = Field(
        "", description="topic of the images of a bag. Empty: of those with a camera_info, the one with most pixels"
    )
    points: str = Field(
        "", description="topic of the clouds of a bag. Empty: the one with most points that is not of a depth camera"
    )
    camera_info: str = Field(
        "",
        description="topic of the calibration in a bag. Empty: the one beside the images, or of their frame",
    )


class PairingSettings(_Group):
    """How images and clouds are paired by time."""

    slop_s: float = Field(0.05, gt=0, le=60, description="largest time difference between an image and its cloud, s")
    time_offset_s: float = Field(0.0, ge=-2e9, le=2e9, description="added to the stamps of clouds before pairing, s")
    image_time_offset_s: float = Field(
        0.0, ge=-2e9, le=2e9, description="added to the stamps of images before pairing, s"
    )
    correct_clock: bool = Field(
        True,
        description="correct a constant offset of the clocks of camera and lidar above 15 s that the times of arrival "
        "prove, unless time_offset_s or image_time_offset_s is set",
    )
    use_arrival_time: bool = Field(
        False,
        description="pair messages by their time of arrival, in a bag by the time at which they were recorded. For "
        "drivers that set no usable stamp",
    )


class TrackingSettings(_Group):
    """The pose that is expected before a pair is localized. The frame of the clouds must stand still."""

    prior: Literal["none", "constant_velocity", "odometry", "tf"] = Field(
        "none",
        description="source of the prior. none: each pair is localized alone. constant_velocity: the last poses. "
        "odometry: the last pose, moved by tf from node.odom_frame to the camera. "
        "tf: the transform from cloud to camera",
    )
    gate: float = Field(
        22.5,
        gt=0,
        description="largest squared Mahalanobis distance of a pose from the prediction. Others are withheld",
    )
    lost_after: int = Field(5, ge=1, description="pairs in a row without a pose, after which tracking is lost")
    forget_after_s: float = Field(
        3.0, gt=0, le=3600, description="time without a pose, after which tracking is lost, s"
    )
    prior_std_m: float = Field(
        0.57,
        gt=0,
        le=1e4,
        description="largest standard deviation of a prediction that is used as a prior. With tf: that of the prior, m",
    )
    prior_std_deg: float = Field(5.7, gt=0, le=360, description="the same for rotation, deg")
    speed_std: float = Field(
        10.0, gt=0, le=1e4, description="standard deviation of the speed before it is estimated, m/s"
    )
    turn_std_deg: float = Field(
        30.0, gt=0, le=1e4, description="standard deviation of the turn rate before it is estimated, deg/s"
    )
    acceleration: float = Field(2.0, gt=0, le=1e4, description="change of the speed in one second, m/s")
    turn_acceleration_deg: float = Field(20.0, gt=0, le=1e5, description="change of the turn rate in one second, deg/s")
    odometry_error: float = Field(
        0.05, ge=0, lt=1, description="error of the odometry, as a share of the distance and of the turn"
    )


class NodeSettings(_Group):
    """The nodes localizer and drift_monitor."""

    image_transport: Literal["raw", "compressed", "ffmpeg", "foxglove"] = Field(
        "raw",
        description="topic of the images. raw: image. compressed: image/compressed. With video in H.264 or H.265: "
        "ffmpeg (image/ffmpeg), foxglove (image/foxglove)",
    )
    lens: Literal["auto", "raw", "rectified"] = Field(
        "auto",
        description="whether images are rectified. auto: they are if rect or rectified is a word of the topic's name, "
        "only P of the camera_info is set, or kitti2bag wrote it",
    )
    intensity_field: str = Field(
        "",
        description="field of the intensity in clouds, of topics and of bags. Empty: intensity, i, reflectivity or "
        "signal",
    )
    cloud_type: str = Field("sensor_msgs/msg/PointCloud2", description="message type of the topics of clouds")
    autostart: bool = Field(True, description="configure and activate at the start. false: a lifecycle manager does so")
    cameras: str = Field(
        "",
        description="names of the cameras, separated by commas. Their topics are <name>/image and <name>/camera_info. "
        "Empty: one camera without a name",
    )
    lidars: str = Field(
        "",
        description="names of the lidars, separated by commas. Their topics are <name>/points. Each camera is paired "
        "with each lidar. Empty: one lidar without a name",
    )
    find_topics: bool = Field(
        False,
        description="search the graph for the topics that are not remapped, by type, frame, size and rate, unless "
        "cameras or lidars are named. The launch files localizer and monitor set it",
    )
    base_frame: str = Field(
        "", description="frame whose pose is published. tf must know it. Empty: the frame of the camera"
    )
    tf_mode: Literal["none", "estimate", "map_to_odom"] = Field(
        "estimate",
        description="transform that is sent to tf. estimate: <cloud frame> to <camera frame>_estimated, with _<lidar> "
        "for named lidars. map_to_odom: <cloud frame> to odom_frame",
    )
    odom_frame: str = Field("odom", min_length=1, description="frame of the odometry. In tf it is above the camera")
    tf_timeout_s: float = Field(0.1, ge=0, le=5, description="longest wait for a transform, s")
    motion_compensation: bool = Field(
        True,
        description="undo the motion of the lidar within a cloud. Needs times of the points, and the lidar's motion in "
        "odom_frame from tf",
    )
    transform_tolerance_s: float = Field(
        0.1, ge=0, le=10, description="time by which the transform of map_to_odom is dated ahead, s"
    )
    estimated_suffix: str = Field(
        "_estimated", min_length=1, description="suffix of the child frame that tf_mode estimate sends"
    )
    diagonal_covariance: bool = Field(
        False, description="publish the variances only. For nav2, which refuses negative entries of a covariance"
    )
    calibration_dir: str = Field(
        "~/.ros/i2p_ros", min_length=1, description="folder for the files of ~/save_calibration and ~/save"
    )
    overlay_hz: float = Field(5.0, gt=0, description="largest rate of overlays, aligned clouds and matches, Hz")
    diagnostics_s: float = Field(1.0, ge=0.01, le=3600, description="period of the diagnostics, s")
    warn_after_s: float = Field(
        1.0, gt=0, description="time without image or points after which diagnostics have the level WARN, s"
    )
    error_after_s: float = Field(
        5.0, gt=0, description="time without image or points after which diagnostics have the level ERROR, s"
    )
    stale_after_s: float = Field(
        10.0, gt=0, description="processing time of one pair after which diagnostics have the level STALE, s"
    )
    exit_after_s: float = Field(
        0.0,
        ge=0,
        description="processing time of one pair after which the node ends with exit code 1. 0: it never does, s",
    )

    @property
    def rectified(self) -> bool | None:
        """`lens` as an answer. None: topic and camera_info decide."""
        return {"auto": None, "raw": False, "rectified": True}[self.lens]

    @field_validator("cameras", "lidars")
    @classmethod
    def _begin_topics(cls, listed: str) -> str:
        names = [name.strip() for name in listed.split(",") if name.strip()]
        sound = all(re.fullmatch(r"[A-Za-z_]\w*(/[A-Za-z_]\w*)*", name, re.ASCII) for name in names)
        if not sound or len(set(names)) < len(names):
            raise ValueError("names that topics can begin with, each once and with commas between, such as left,right")
        return listed


class ReplaySettings(_Group):
    """The node replay, which plays a recording into the localizer."""

    data: str = Field("", description="KITTI folder or bag. Empty: a synthetic drive")
    drive: str = Field("", description="drive or sequence of a KITTI folder. Empty: all")
    camera: str = Field("", description="camera of a dataset folder. Empty: the default camera of the dataset")
    perturb: CloudProtocol = Field("none", description="random transform of each cloud, by the protocol of this name")
    seed: int = Field(0, ge=0, description="seed of the random transforms and of the synthetic drive")
    rate: float = Field(
        1.0, ge=0, description="speed. 1: real time. 0: each pair follows when the one before is answered"
    )
    loop: bool = Field(False, description="start again at the end")
    limit: int = Field(0, ge=0, description="largest number of pairs. 0: all")
    image_transport: Literal["raw", "compressed"] = Field(
        "raw", description="topic of the images. raw: image. compressed: image/compressed"
    )
    localizer: str = Field("localizer", min_length=1, description="name of the localizer node")
    timeout_s: float = Field(60.0, gt=0, description="longest wait for the localizer, s")


class RefinementSettings(_Group):
    """Refinement of the pose of a pair, or of the drift of a window, by mutual information."""

    width: int = Field(1280, ge=64, description="largest width of images. Wider ones are scaled down, px")
    min_width: int = Field(
        250,
        ge=16,
        description="least width of the images of the pyramid in which a pair is refined: smaller ones of real streets "
        "have false maxima. Half of it in rooms, px",
    )
    columns: int = Field(
        16, ge=2, le=256, description="number of patches across the width of the image. A quarter of it in rooms"
    )
    min_points: int = Field(24, ge=8, description="least number of points of a patch. Patches with fewer are left out")
    max_points: int = Field(5000, ge=100, le=30000, description="largest number of points of each pair of a window")
    pair_points: int = Field(
        14000, ge=100, le=30000, description="largest number of points of a pair that is refined alone"
    )
    drifts: int = Field(
        640,
        ge=100,
        le=10000,
        description="number of drifts that are drawn near the pose of a pair. With the prior of a tracked camera: half",
    )
    border: float = Field(
        0.02, ge=0, lt=0.2, description="width of the border without points, as a share of the image's width"
    )
    max_m: float = Field(0.3, gt=0, description="standard deviation of a drift before it is estimated, m")
    max_deg: float = Field(3.0, gt=0, description="the same for rotation, deg")
    iterations: int = Field(12, ge=1, description="largest number of steps on one level of the image pyramid")


LEAST_WINDOW = 0.4  # of a window: the last window of a recording may be this short


class MonitorSettings(_Group):
    """From pairs to drift estimates, and where these are recorded."""

    rate_hz: float = Field(2.0, ge=1e-3, le=1e3, description="largest rate of pairs that are used, Hz")
    window: int = Field(10, ge=1, le=200, description="pairs of a window. Each window gives one drift estimate")
    network_pairs: int = Field(
        2,
        ge=0,
        description="pairs of a window that the network localizes, to find large drifts. 0: no network is loaded",
    )
    min_change: float = Field(
        6.0,
        ge=0,
        description="smallest mean difference of an image from that of the pair before. Other pairs are left out, grey "
        "levels",
    )
    vehicle: str = Field("vehicle", min_length=1, description="name of the vehicle in the history")
    history: str = Field("", description="SQLite file in which estimates and verdicts are recorded. Empty: none")
    retention_days: float = Field(365.0, gt=0, description="age at which records are removed, days")
    nominal: str = Field(
        "tf",
        min_length=1,
        description="source of the nominal calibration. tf: the transform from cloud to camera. Else a file: URDF, or "
        "YAML of ~/save",
    )

    @property
    def least_pairs(self) -> float:
        """Number of pairs of the shortest window."""
        return max(1.0, LEAST_WINDOW * self.window)


class WatchSettings(_Group):
    """The sequential test of drift estimates. Lengths and angles apply to each axis."""

    false_alarms_per_day: float = Field(
        0.1, gt=0, description="largest rate of false alarms of a calibration that has not drifted, 1/day"
    )
    tolerance_m: float = Field(0.015, ge=0, description="largest drift that is a warning. A larger one is an alarm, m")
    tolerance_deg: float = Field(0.1, ge=0, description="the same for rotation, deg")
    systematic_m: float = Field(
        0.03, ge=0, description="bound of the systematic offset of all estimates, before a state is accepted, m"
    )
    systematic_deg: float = Field(0.2, ge=0, description="the same for rotation, deg")
    accepted_m: float = Field(
        0.01, ge=0, description="bound of the systematic offset of all estimates from an accepted state, m"
    )
    accepted_deg: float = Field(0.05, ge=0, description="the same for rotation, deg")
    inflation: float = Field(1.5, ge=1, description="factor on the variance of estimates")
    correlation: float = Field(
        0.0, ge=0, lt=1, description="correlation of successive estimates, before it is estimated"
    )
    memory: int = Field(64, ge=4, description="largest number of estimates in an average")
    unseen_m: float = Field(
        0.1, gt=0, description="largest detectable drift of an observed axis. Beyond it the axis is not observed, m"
    )
    unseen_deg: float = Field(0.5, gt=0, description="the same for rotation, deg")
    min_nats: float = Field(
        20.0, ge=0, description="least information of an estimate for each pair. Below it the scene is poor, nats"
    )
    max_speed: float = Field(40.0, gt=0, description="largest speed of the vehicle. Faster windows are left out, m/s")
    max_turn_deg_s: float = Field(
        20.0, gt=0, description="largest turn rate of the vehicle. Windows of faster turns are left out, deg/s"
    )
    baseline_m: float = Field(0.005, ge=0, description="largest slow variation that is learned as normal, m")
    baseline_deg: float = Field(0.02, ge=0, description="the same for rotation, deg")
    baseline_days: float = Field(1.0, gt=0, description="time constant of the slow variation, days")
    stale_s: float = Field(120.0, gt=0, description="time without an estimate after which the verdict is unsure, s")


class CalibrationSettings(_Group):
    """The extrinsic calibration of a recording, and the judgement of a given one."""

    pairs: int = Field(30, ge=4, le=200, description="largest number of pairs that a calibration is computed from")
    network_pairs: int = Field(
        10, ge=2, le=50, description="pairs of these that the network localizes. Their poses must agree"
    )
    min_change: float = Field(
        3.0, ge=0, description="least mean difference of an image from those chosen before, grey levels"
    )
    max_points: int = Field(15000, ge=100, le=30000, description="largest number of points of each pair")
    false_accusations: float = Field(
        0.005, gt=0, lt=0.5, description="largest probability that a right calibration is called wrong by chance"
    )


class FleetSettings(_Group):
    """Many recordings, by `i2p fleet`."""

    pairs: int = Field(20, ge=1, description="largest number of pairs of a recording that are localized, spread evenly")
    threads: int = Field(1, ge=1, le=256, description="number of CPU threads of one worker")
    cache_dir: str = Field(
        "~/.cache/i2p_ros/fleet",
        min_length=1,
        description="folder for the copies of remote recordings, which are removed after use",
    )


Parts = Literal["all", "matching", "heads", "alignment"]


class TrainingSettings(_Group):
    """The training loop."""

    parts: Parts = Field(
        "all",
        description="part that is trained. matching: the one that finds poses. heads: of that one, only what follows "
        "the descriptors (icl). alignment: the one that refines poses. The other parts stay unchanged",
    )
    batch: int = Field(8, ge=1, description="samples of one step of the optimizer, over all processes")
    micro_batch: int = Field(
        4, ge=1, description="samples of one forward pass, over which batch normalization averages"
    )
    samples: int = Field(
        20000, ge=1, description="number of training samples, which is also the length of the learning rate's schedule"
    )
    protocols: dict[ProtocolName, float] = Field(
        {"vp2p": 0.35, "sixdof": 0.2, "prior": 0.45},
        description="protocols of the training pairs, and the share of each. Validation uses the first one",
    )
    aspect: float = Field(
        3.2,
        gt=0.2,
        lt=20,
        description="width to height of training images, to which all are cropped. 1.333 for rooms, 3.2 for streets",
    )
    precision: Literal["auto", "float32", "bf16"] = Field(
        "auto", description="precision of the network, but not of the losses. auto: bf16 on a GPU that supports it"
    )
    ema: int = Field(
        8000, ge=1, description="time constant of the averaged weights, in samples. At most a tenth of the run so far"
    )
    learning_rate: float = Field(1.5e-3, gt=0, description="largest learning rate, after the warm-up")
    trunk_rate: float = Field(
        0.2, ge=0, description="learning rate of a pretrained trunk, as a share of learning_rate. 0: it stays as it is"
    )
    weight_decay: float = Field(1e-4, ge=0, description="weight decay of AdamW")
    gamma: float = Field(24.0, gt=0, description="scale of the similarities in the adaptive-weighted loss")
    positive_px: float = Field(
        2.0, gt=0, description="largest distance of a matching pixel from the projection, px of the network's image"
    )
    negative_px: float = Field(
        6.0, gt=0, description="least distance of a pixel that does not match, px of the network's image"
    )
    wrong_guesses: float = Field(
        0.35, ge=0, le=1, description="share of priors that are wrong, from where nothing or something else is in view"
    )
    score_weight: float = Field(3.0, ge=0, description="weight of the loss of the overlap scores")
    dense_weight: float = Field(0.5, ge=0, description="weight of the loss over all cells of the image")
    circle_weight: float = Field(
        1.0, ge=0, description="weight of the adaptive-weighted and circle losses of matches. 0: left out"
    )
    keypoint_weight: float = Field(
        1.0,
        ge=0,
        description="weight of the losses of keypoints and of their poses (icl). 0: only the overlap and the "
        "frustum learn",
    )
    heading_weight: float = Field(1.0, ge=0, description="weight of the loss of the camera's heading (relai2p)")
    relation_weight: float = Field(
        0.5, ge=0, description="weight of the loss that relates pixels to cells of the panorama (relai2p)"
    )
    pose_weight: float = Field(0.0, ge=0, description="weight of the pose loss by differentiable PnP. 0: left out")
    tuning_weight: float = Field(
        1.0, ge=0, description="weight of the losses that tune matched points (diff2i2p). 0: points stay as given"
    )
    distill_weight: float = Field(
        0.0, ge=0, description="weight of the distillation of a diffusion model (diff2i2p). 0: left out"
    )
    distill_teacher: str = Field(
        "",
        description="folder of a diffusion model with a ControlNet for depth, or of such a ControlNet, as diffusers "
        "writes it; or sd15, Stable Diffusion 1.5 from the local cache of diffusers. Empty: no distillation",
    )
    distill_pipeline: str = Field(
        "", description="folder of the pipeline of a ControlNet, where distill_teacher is a ControlNet alone"
    )
    distill_from: float = Field(
        0.5, ge=0, le=1, description="share of the samples after which the distillation begins: before, poses are wrong"
    )
    distill_guidance: float = Field(
        1.0, ge=0, description="guidance of the diffusion model. 1: as it was trained. Diff2I2P is published with 4"
    )
    checkpoint_s: float = Field(60.0, ge=0, description="time between checkpoints, which a killed run loses at most, s")
    log_every: int = Field(200, ge=1, description="samples between rows of metrics.csv")
    validate_every: int = Field(
        5000, ge=0, description="samples between validations. There is one more at the end. 0: none"
    )
    validate_pairs: int = Field(50, ge=1, description="number of synthetic pairs of a validation")

    @model_validator(mode="after")
    def _something_to_learn(self) -> TrainingSettings:
        if self.samples < self.batch:
            raise ValueError(f"samples must be at least one batch of {self.batch}")
        if min(self.protocols.values(), default=0.0) < 0.0 or sum(self.protocols.values()) <= 0.0:
            raise ValueError(f"protocols need shares that are not negative, and one that is positive: {self.protocols}")
        return self


class Settings(_Group):
    """All settings."""

    model: str = Field("vp2p-small", description="name of an entry of models/manifest.yaml, or the folder of a model")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="device of the network. auto: CUDA where it is usable, else the CPU"
    )
    backend: Literal["auto", "torch", "tensorrt"] = Field(
        "auto", description="runtime of the network. auto: TensorRT on a GPU where it is installed, else PyTorch"
    )
    precision: Literal["auto", "float32", "bf16", "float16"] = Field(
        "auto", description="precision of the dense parts. auto: the fastest that agrees with float32 on this machine"
    )
    engine_cache_dir: str = Field(
        "~/.cache/i2p_ros", min_length=1, description="folder of compiled engines. No other user may write to it"
    )
    threads: int = Field(1, ge=1, le=256, description="number of CPU threads of one operator")
    branches: int = Field(
        2,
        ge=1,
        le=2,
        description="number of CPU threads of the network. 2: image and cloud are processed in parallel, or the pairs "
        "of two cameras",
    )
    matching: MatchingSettings = MatchingSettings()
    pnp: PnpSettings = PnpSettings()
    synthetic: SyntheticSettings = SyntheticSettings()
    topics: TopicSettings = TopicSettings()
    pairing: PairingSettings = PairingSettings()
    tracking: TrackingSettings = TrackingSettings()
    node: NodeSettings = NodeSettings()
    replay: ReplaySettings = ReplaySettings()
    training: TrainingSettings = TrainingSettings()
    refinement: RefinementSettings = RefinementSettings()
    monitor: MonitorSettings = MonitorSettings()
    watch: WatchSettings = WatchSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    fleet: FleetSettings = FleetSettings()

    @property
    def any_confidence(self) -> Settings:
        """The same settings, except that a pose is published however low its confidence and however good its rival,
        whose share is at most 1."""
        pnp = self.pnp.model_copy(update={"min_confidence": 0.0, "max_rival": 1.0})
        return self.model_copy(update={"pnp": pnp})


def load_settings(files: Iterable[Path] = (), overrides: Iterable[str] = (), base: Settings | None = None) -> Settings:
    """Settings from defaults (or base), then YAML files, then `a.b=c` overrides whose values are read as YAML,
    but for texts, which stay as they are.

    Raises SettingsError that names the unknown or refused key.
    """
    tree = (base or Settings()).model_dump()
    for file in files:
        try:
            read = yaml.safe_load(Path(file).read_text()) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise SettingsError(f"cannot read settings from {file}: {one_line(error)}") from error
        if not isinstance(read, Mapping):
            raise SettingsError(f"{file} must hold a YAML mapping, not a {type(read).__name__}")
        _merge(tree, read)
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise SettingsError(f"a setting is written a.b=value, got {override!r}")
        names = key.strip().split(".")
        try:
            nested: Any = value.strip() if _is_text(tree, names) else yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise SettingsError(f"cannot read the value of {override!r}: {one_line(error)}") from error
        for name in reversed(names):
            nested = {name: nested}
        _merge(tree, nested)
    return validated(tree)


def validated(tree: Mapping[str, Any]) -> Settings:
    """Settings of a plain tree.

    Raises SettingsError with one clause per refused key. A renamed key is refused with its new name.
    """
    if old := old_names(tree, RENAMED):
        raise SettingsError(old)
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        lines = [_refusal(".".join(map(str, e["loc"])), e["type"], e["msg"], e["input"]) for e in error.errors()]
        raise SettingsError("; ".join(lines) + " -- 'i2p config' prints every setting") from error


def _refusal(name: str, kind: str, message: str, value: Any) -> str:
    """Why a value is refused, and the name that was probably meant where there is no such setting."""
    if kind == "extra_forbidden":
        return f"there is no setting {name}.{did_you_mean(name, setting_names())}"
    return f"{name}: {message}{_got(value)}"


def setting_names(group: type[BaseModel] = Settings, prefix: str = "") -> list[str]:
    """Dotted names of all settings and groups."""
    names: list[str] = []
    for name, field in group.model_fields.items():
        names.append(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names += setting_names(field.annotation, f"{prefix}{name}.")
    return names


def _got(value: Any) -> str:
    """The refused value, unless it is a whole group."""
    return "" if isinstance(value, Mapping) else f" (got {value!r})"


def _is_text(tree: Any, names: Sequence[str]) -> bool:
    """Whether the setting of these names is a text: YAML would read the drive 0052 as the number 42."""
    for name in names:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return isinstance(tree, str)


def _merge(tree: dict[str, Any], update: Mapping[str, Any]) -> None:
    for key, value in update.items():
        if isinstance(value, Mapping) and isinstance(tree.get(key), dict):
            _merge(tree[key], value)
        else:
            tree[key] = value
