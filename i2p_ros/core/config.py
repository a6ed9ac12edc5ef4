# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every default, once. YAML files, `--set a.b=c` and ROS parameters override this tree by the same dotted names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from i2p_ros.core.errors import SettingsError, one_line
from i2p_ros.core.protocols import CloudProtocol, ProtocolName


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
    enough_confidence: float = Field(
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
    """Images and clouds that belong together, by header time."""

    slop_s: float = Field(0.05, gt=0, le=60, description="largest gap between an image and its cloud, s")
    time_offset_s: float = Field(0.0, ge=-2e9, le=2e9, description="added to cloud stamps before pairing, s")
    image_time_offset_s: float = Field(0.0, ge=-2e9, le=2e9, description="added to image stamps before pairing, s")
    use_arrival_time: bool = Field(
        False, description="pair live messages by when they arrive: for drivers that set no usable stamp"
    )


class TrackingSettings(_Group):
    """What a pair is expected to say before it is localized. Only for clouds whose frame stays where it is."""

    prior: Literal["none", "constant_velocity", "odometry", "tf"] = Field(
        "none",
        description="where the expected pose comes from: the camera's last poses, the last pose moved by odometry (tf "
        "from node.odom_frame to the camera), or tf from the cloud to the camera; none: each pair is on its own",
    )
    gate: float = Field(
        22.5, gt=0, description="squared Mahalanobis distance off the expected pose beyond which a pose is withheld"
    )
    lost_after: int = Field(5, ge=1, description="pairs in a row without a pose, after which nothing is expected")
    forget_after_s: float = Field(
        3.0, gt=0, le=3600, description="time without a pose, after which nothing is expected, s"
    )
    prior_std_m: float = Field(
        1.0,
        gt=0,
        le=1e4,
        description="an expectation less sure than this is not handed to the localizer; of tf: its deviation",
    )
    prior_std_deg: float = Field(10.0, gt=0, le=360, description="the same for its rotation")
    speed_std: float = Field(10.0, gt=0, le=1e4, description="speed before any is known, m/s")
    turn_std_deg: float = Field(30.0, gt=0, le=1e4, description="rate of turn before any is known, deg/s")
    acceleration: float = Field(2.0, gt=0, le=1e4, description="how much speed changes in a second, m/s")
    turn_acceleration_deg: float = Field(
        20.0, gt=0, le=1e5, description="how much the rate of turn changes in a second, deg/s"
    )
    odometry_error: float = Field(0.05, ge=0, lt=1, description="share of its way and turn that odometry is off")


class NodeSettings(_Group):
    """The localizer node."""

    image_transport: Literal["raw", "compressed"] = Field("raw", description="topic: `image`, or `image/compressed`")
    lens: Literal["auto", "raw", "rectified"] = Field(
        "auto", description="whether images are undistorted already; auto: if `rect` is in the topic's name"
    )
    intensity_field: str = Field(
        "", description="field of the cloud that holds the intensity; empty: intensity, i, reflectivity or signal"
    )
    cloud_type: str = Field("sensor_msgs/msg/PointCloud2", description="message type of the topics of clouds")
    autostart: bool = Field(True, description="configure and activate at the start; else somebody's ROS lifecycle call")
    cameras: str = Field(
        "", description="names of cameras, with commas: topics <name>/image and <name>/camera_info; empty: one, unnamed"
    )
    lidars: str = Field("", description="the same of lidars: topics <name>/points; each camera is paired with each")
    base_frame: str = Field("", description="frame whose pose is published, known to tf; empty: the camera's")
    tf_mode: Literal["none", "estimate", "map_to_odom"] = Field(
        "estimate",
        description="what is sent to tf: <cloud frame> -> <camera frame>_estimated (_<lidar>, of named lidars), or "
        "<cloud frame> -> odom_frame",
    )
    odom_frame: str = Field("odom", min_length=1, description="frame of the odometry, above the camera in tf")
    tf_timeout_s: float = Field(0.1, ge=0, le=5, description="longest wait for a transform that is not there yet, s")
    motion_compensation: bool = Field(
        True, description="undo the motion within a cloud, where its points have times and tf has the way in odom_frame"
    )
    transform_tolerance_s: float = Field(0.1, ge=0, le=10, description="how far map_to_odom is dated ahead, s")
    estimated_suffix: str = Field("_estimated", min_length=1, description="ending of the frame that is sent to tf")
    diagonal_covariance: bool = Field(
        False, description="publish variances alone: nav2 refuses the negative entries that a covariance has"
    )
    calibration_dir: str = Field("~/.ros/i2p_ros", min_length=1, description="folder that ~/save_calibration writes to")
    overlay_hz: float = Field(5.0, gt=0, description="most overlays, aligned clouds and matches a second")
    diagnostics_s: float = Field(1.0, ge=0.01, le=3600, description="time between diagnostics, s")
    warn_after_s: float = Field(1.0, gt=0, description="silence of image or points that is a warning, s")
    error_after_s: float = Field(5.0, gt=0, description="silence of image or points that is an error, s")
    stale_after_s: float = Field(
        10.0, gt=0, description="time that one pair takes after which diagnostics say STALE, s"
    )
    exit_after_s: float = Field(
        0.0,
        ge=0,
        description="time for one pair after which the node ends itself, with exit code 1, s; 0: never",
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
    """The replay node: a recording, played into the localizer."""

    data: str = Field("", description="KITTI folder or bag; empty: a synthetic drive")
    drive: str = Field("", description="drive or sequence of a KITTI folder; empty: all")
    camera: str = Field("image_02", description="camera of a KITTI folder")
    perturb: CloudProtocol = Field("none", description="give clouds in a random frame")
    seed: int = Field(0, ge=0, description="seed of the random frames and of the synthetic world")
    rate: float = Field(1.0, ge=0, description="speed, 1 is real time; 0: the next pair when the last is answered")
    loop: bool = Field(False, description="start again at the end")
    limit: int = Field(0, ge=0, description="most pairs; 0: all")
    image_transport: Literal["raw", "compressed"] = Field("raw", description="send `image`, or `image/compressed`")
    localizer: str = Field("localizer", min_length=1, description="name of the localizer node")
    timeout_s: float = Field(60.0, gt=0, description="longest wait for the localizer, s")


class RefinementSettings(_Group):
    """Refinement of a pose or a drift by the mutual information of image and cloud."""

    width: int = Field(1280, ge=64, description="images that are wider are resized to this width, px")
    columns: int = Field(16, ge=2, le=256, description="columns of cells. The points in one cell are a patch")
    min_points: int = Field(24, ge=8, description="least points of a patch. Cells with fewer points are left out")
    max_points: int = Field(5000, ge=100, le=30000, description="most points of a pair, for the drift of a window")
    pair_points: int = Field(7000, ge=100, le=30000, description="most points of a pair, for its pose")
    border: float = Field(
        0.02, ge=0, lt=0.2, description="margin of the image without points, as a share of the image's width"
    )
    max_m: float = Field(0.3, gt=0, description="prior standard deviation of the drift on each axis, m")
    max_deg: float = Field(3.0, gt=0, description="prior standard deviation of its rotation on each axis, deg")
    iterations: int = Field(12, ge=1, description="most Levenberg-Marquardt steps on one level of the image pyramid")


class MonitorSettings(_Group):
    """From pairs to windows, and where what was found is kept."""

    rate_hz: float = Field(2.0, ge=1e-3, le=1e3, description="pairs a second that are looked at")
    window: int = Field(10, ge=1, le=200, description="pairs of a window, which gives one estimate")
    looks: int = Field(
        2, ge=0, description="pairs of a window that the network looks at, for drifts of any size; 0: it is not loaded"
    )
    min_change: float = Field(
        6.0, ge=0, description="a pair whose image differs less from that of the pair before is left out, grey levels"
    )
    vehicle: str = Field("vehicle", min_length=1, description="name of the vehicle in the history")
    history: str = Field("", description="SQLite file that estimates and verdicts are kept in; empty: none")
    retention_days: float = Field(365.0, gt=0, description="older records are removed, days")
    nominal: str = Field(
        "tf", min_length=1, description="nominal calibration: tf, or a file: URDF, or YAML as ~/save writes it"
    )


class WatchSettings(_Group):
    """The sequential test of drift estimates. `_m` and `_deg` are of each axis."""

    false_alarms_per_day: float = Field(0.1, gt=0, description="of a calibration that has not moved, at most")
    tolerance_m: float = Field(0.015, ge=0, description="a smaller drift is a warning, not an alarm, m")
    tolerance_deg: float = Field(0.1, ge=0, description="the same of rotation, deg")
    systematic_m: float = Field(
        0.03,
        ge=0,
        description="how far all estimates may be off alike at a true calibration, before one is accepted, m",
    )
    systematic_deg: float = Field(0.2, ge=0, description="the same of rotation, deg")
    accepted_m: float = Field(0.01, ge=0, description="the same of differences to a state that was accepted, m")
    accepted_deg: float = Field(0.05, ge=0, description="the same of rotation, deg")
    inflation: float = Field(1.5, ge=1, description="factor on the variance of estimates")
    correlation: float = Field(0.0, ge=0, lt=1, description="of successive estimates, as expected before any are seen")
    memory: int = Field(64, ge=4, description="estimates that are averaged at most")
    unseen_m: float = Field(0.1, gt=0, description="an axis whose detectable drift is larger is not observed, m")
    unseen_deg: float = Field(0.5, gt=0, description="the same of rotation, deg")
    min_nats: float = Field(20.0, ge=0, description="estimates of less information a frame are of a poor scene")
    max_speed: float = Field(40.0, gt=0, description="faster estimates are left out, m/s")
    max_turn_deg_s: float = Field(20.0, gt=0, description="estimates of faster turns are left out, deg/s")
    baseline_m: float = Field(0.005, ge=0, description="largest slow variation that is learned as normal, m")
    baseline_deg: float = Field(0.02, ge=0, description="the same of rotation, deg")
    baseline_days: float = Field(1.0, gt=0, description="time that the slow variation is averaged over, days")
    stale_s: float = Field(120.0, gt=0, description="time without an estimate after which nothing is sure, s")


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
    protocols: dict[ProtocolName, float] = Field(
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
    """Settings of a plain tree; raises SettingsError with one line per refused key."""
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}{_got(e['input'])}" for e in error.errors()]
        raise SettingsError("; ".join(lines) + " -- 'i2p config' prints every setting") from error


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
