# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every default, once. YAML files, `--set a.b=c` and ROS parameters override this tree by the same dotted names.

The file is long because it is one table, with a line for each setting.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from i2p_ros.core.errors import SettingsError, one_line

RENAMED = {  # settings of earlier versions: old dotted name to new
    "monitor.looks": "monitor.network_pairs",
    "pnp.enough_confidence": "pnp.early_exit_confidence",
}


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MatchingSettings(_Group):
    """From descriptors to matches."""

    max_points: int = Field(2048, ge=16, description="points that are matched; times max_pixels, it bounds the memory")
    max_pixels: int = Field(5120, ge=16, description="cells of the image that they are compared with")
    max_matches: int = Field(600, ge=8, description="matches with the highest similarity that are kept of a direction")
    views: int = Field(8, ge=1, description="directions that the camera is looked for in")


class PnpSettings(_Group):
    """From matches to a pose."""

    threshold_deg: float = Field(
        2.0, gt=0, lt=90, description="angle between a pixel's ray and its point up to which they agree at first"
    )
    iterations: int = Field(100_000, ge=1, description="most hypotheses of the robust start for one set of matches")
    view_iterations: int = Field(1000, ge=1, description="the same, for each direction that a network looks in")
    confidence: float = Field(0.9999, gt=0, lt=1, description="probability that the start has seen a good hypothesis")
    min_matches: int = Field(12, ge=4, description="fewer matches give no pose")
    min_inliers: int = Field(12, ge=4, description="fewer agreeing matches give no pose")
    refine_iterations: int = Field(30, ge=1, description="most steps of the least squares")
    max_std_m: float = Field(5.0, gt=0, description="a larger deviation along any axis is degenerate")
    max_std_deg: float = Field(10.0, gt=0, description="a larger deviation about any axis is degenerate")
    max_rival: float = Field(
        0.8, gt=0, description="another pose with a larger share of this one's support or likelihood: uncertain"
    )
    early_exit_confidence: float = Field(
        0.985, ge=0, description="a calibrated model looks at no third pose if one has this confidence; above 1: always"
    )
    min_confidence: float = Field(
        -1.0, ge=-1, le=1, description="a pose of less confidence is withheld; -1: what the model was calibrated to"
    )


class SyntheticSettings(_Group):
    """The ray-cast street world."""

    width: int = Field(512, ge=16, description="image width, px")
    height: int = Field(160, ge=16, description="image height, px")
    beams: int = Field(64, ge=1, description="lidar beams")
    points: int = Field(40000, ge=100, description="lidar returns, about")
    drive: bool = Field(False, description="a drive with motion through one world, not scattered places")
    rate_hz: float = Field(10.0, gt=0, description="pairs a second of a drive")
    variety: float = Field(
        0.0, ge=0, le=1,
        description="share of places with any street, weather, camera and lidar; others are built-up streets by day"
        " with a rig like KITTI's",
    )  # fmt: skip


class PairingSettings(_Group):
    """How images and clouds are paired by time."""

    slop_s: float = Field(0.05, gt=0, le=60, description="largest time difference between an image and its cloud, s")
    time_offset_s: float = Field(0.0, ge=-2e9, le=2e9, description="added to the stamps of clouds before pairing, s")
    image_time_offset_s: float = Field(
        0.0, ge=-2e9, le=2e9, description="added to the stamps of images before pairing, s"
    )
    use_arrival_time: bool = Field(
        False, description="pair messages by their time of arrival. For drivers that set no usable stamp"
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
        1.0,
        gt=0,
        le=1e4,
        description="largest standard deviation of a prediction that is used as a prior. With tf: that of the prior, m",
    )
    prior_std_deg: float = Field(10.0, gt=0, le=360, description="the same for rotation, deg")
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

    image_transport: Literal["raw", "compressed"] = Field(
        "raw", description="topic of the images. raw: image. compressed: image/compressed"
    )
    lens: Literal["auto", "raw", "rectified"] = Field(
        "auto", description="whether images are rectified. auto: they are if the topic's name contains rect"
    )
    intensity_field: str = Field(
        "", description="field of the intensity in clouds. Empty: intensity, i, reflectivity or signal"
    )
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
    camera: str = Field("image_02", description="camera of a KITTI folder")
    perturb: Literal["none", "vp2p", "sixdof"] = Field(
        "none", description="random transform of each cloud, by the protocol of this name"
    )
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
    """The refinement of a drift around the nominal calibration."""

    width: int = Field(1280, ge=64, description="wider images are made smaller, px")
    columns: int = Field(16, ge=2, le=256, description="cells across the image, in each of which points are compared")
    min_points: int = Field(24, ge=8, description="cells with fewer points are left out")
    max_points: int = Field(5000, ge=100, le=30000, description="most points of a frame")
    pair_points: int = Field(
        7000, ge=100, le=30000, description="the same of a pair that is by itself, whose pose is made exact"
    )
    border: float = Field(
        0.02, ge=0, lt=0.2, description="so near the image's border no points are taken, of its width"
    )
    max_m: float = Field(0.3, gt=0, description="deviation of a drift that is expected before any is seen, m")
    max_deg: float = Field(3.0, gt=0, description="the same of its rotation, deg")
    iterations: int = Field(12, ge=1, description="most steps on one level of the images")


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


Parts = Literal["all", "matching", "alignment"]


class TrainingSettings(_Group):
    """The training loop."""

    parts: Parts = Field(
        "all", description="what learns: what finds a pose, what makes it exact, or both; the other part stays as it is"
    )
    batch: int = Field(8, ge=1, description="samples of a step, of all processes together")
    micro_batch: int = Field(
        4, ge=1, description="samples that go through the network at once, and that batch norm averages over"
    )
    samples: int = Field(20000, ge=1, description="training samples in all; the learning rate follows it")
    protocols: dict[Literal["none", "vp2p", "sixdof", "prior"], float] = Field(
        {"vp2p": 0.35, "sixdof": 0.2, "prior": 0.45},
        description="how clouds are moved or what prior there is, and the share of each; the first is validated with",
    )
    precision: Literal["auto", "float32", "bf16"] = Field(
        "auto", description="of the network, never of the losses; auto: bf16 on a GPU that has it"
    )
    ema: int = Field(
        8000, ge=1, description="samples that the averaged weights reach back over; at most a tenth of the run so far"
    )
    learning_rate: float = Field(1.5e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    gamma: float = Field(24.0, gt=0, description="scale of the adaptive-weighted loss")
    positive_px: float = Field(
        2.0, gt=0, description="pixels nearer than this to a projection match it (network pixels)"
    )
    negative_px: float = Field(6.0, gt=0, description="pixels farther than this do not (network pixels)")
    score_weight: float = Field(3.0, ge=0)
    dense_weight: float = Field(0.5, ge=0)
    pose_weight: float = Field(0.0, ge=0, description="of the pose loss, through a differentiable PnP; 0: left out")
    checkpoint_s: float = Field(60.0, ge=0, description="time between checkpoints, s: what a killed run loses at most")
    log_every: int = Field(200, ge=1, description="samples between rows of metrics.csv")
    validate_every: int = Field(5000, ge=0, description="samples between validations, with one at the end; 0: none")
    validate_pairs: int = Field(50, ge=1, description="made-up pairs that a validation localizes")

    @model_validator(mode="after")
    def _something_to_learn(self) -> TrainingSettings:
        if self.samples < self.batch:
            raise ValueError(f"samples must be at least one batch of {self.batch}")
        if min(self.protocols.values(), default=0.0) < 0.0 or sum(self.protocols.values()) <= 0.0:
            raise ValueError(f"protocols need shares that are not negative, and one that is positive: {self.protocols}")
        return self


class Settings(_Group):
    """The whole tree."""

    model: str = Field("vp2p-small", description="name of an entry in models/manifest.yaml, or a folder with one")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="what the network runs on; auto: CUDA if usable")
    backend: Literal["auto", "torch", "tensorrt"] = Field(
        "auto", description="what runs the network; auto: TensorRT on a GPU where it is installed, else PyTorch"
    )
    precision: Literal["auto", "float32", "bf16", "float16"] = Field(
        "auto", description="of the dense parts; auto: the quickest of those that agree with float32 on this machine"
    )
    engine_cache_dir: str = Field(
        "~/.cache/i2p_ros", min_length=1, description="folder for compiled engines; nobody else may write to it"
    )
    threads: int = Field(1, ge=1, le=256, description="threads inside one operator")
    branches: int = Field(
        2, ge=1, le=2, description="threads of the network on the CPU; 2: pixels and points beside each other"
    )
    matching: MatchingSettings = MatchingSettings()
    pnp: PnpSettings = PnpSettings()
    synthetic: SyntheticSettings = SyntheticSettings()
    pairing: PairingSettings = PairingSettings()
    tracking: TrackingSettings = TrackingSettings()
    node: NodeSettings = NodeSettings()
    replay: ReplaySettings = ReplaySettings()
    training: TrainingSettings = TrainingSettings()
    refinement: RefinementSettings = RefinementSettings()
    monitor: MonitorSettings = MonitorSettings()
    watch: WatchSettings = WatchSettings()


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
    if renamed := [f"{old} is now {new}" for old, new in RENAMED.items() if _holds(tree, old)]:
        raise SettingsError("; ".join(renamed))
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}{_got(e['input'])}" for e in error.errors()]
        raise SettingsError("; ".join(lines) + " -- 'i2p config' prints every setting") from error


def _holds(tree: Any, name: str) -> bool:
    """Whether a plain tree has a value under a dotted name."""
    for part in name.split("."):
        if not isinstance(tree, Mapping) or part not in tree:
            return False
        tree = tree[part]
    return True


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
