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
    enough_confidence: float = Field(
        0.985,
        ge=0,
        description="confidence of a calibrated model at which no third forward pass is run. Above 1: it is always run",
    )
    min_confidence: float = Field(
        -1.0, ge=-1, le=1, description="least confidence of a published pose. -1: that of the model's calibration"
    )


class SyntheticSettings(_Group):
    """The synthetic street world."""

    width: int = Field(512, ge=16, description="width of images, px")
    height: int = Field(160, ge=16, description="height of images, px")
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
    """Refinement of the pose of a pair, or of the drift of a window, by mutual information."""

    width: int = Field(1280, ge=64, description="largest width of images. Wider ones are scaled down, px")
    columns: int = Field(16, ge=2, le=256, description="number of patches across the width of the image")
    min_points: int = Field(24, ge=8, description="least number of points of a patch. Patches with fewer are left out")
    max_points: int = Field(5000, ge=100, le=30000, description="largest number of points of each pair of a window")
    pair_points: int = Field(
        7000, ge=100, le=30000, description="largest number of points of a pair that is refined alone"
    )
    border: float = Field(
        0.02, ge=0, lt=0.2, description="width of the border without points, as a share of the image's width"
    )
    max_m: float = Field(0.3, gt=0, description="standard deviation of a drift before it is estimated, m")
    max_deg: float = Field(3.0, gt=0, description="the same for rotation, deg")
    iterations: int = Field(12, ge=1, description="largest number of steps on one level of the image pyramid")


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
        "all",
        description="part that is trained. matching: the one that finds poses. alignment: the one that refines them. "
        "The other part stays unchanged",
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
    precision: Literal["auto", "float32", "bf16"] = Field(
        "auto", description="precision of the network, but not of the losses. auto: bf16 on a GPU that supports it"
    )
    ema: int = Field(
        8000, ge=1, description="time constant of the averaged weights, in samples. At most a tenth of the run so far"
    )
    learning_rate: float = Field(1.5e-3, gt=0, description="largest learning rate, after the warm-up")
    weight_decay: float = Field(1e-4, ge=0, description="weight decay of AdamW")
    gamma: float = Field(24.0, gt=0, description="scale of the similarities in the adaptive-weighted loss")
    positive_px: float = Field(
        2.0, gt=0, description="largest distance of a matching pixel from the projection, px of the network's image"
    )
    negative_px: float = Field(
        6.0, gt=0, description="least distance of a pixel that does not match, px of the network's image"
    )
    score_weight: float = Field(3.0, ge=0, description="weight of the loss of the overlap scores")
    dense_weight: float = Field(0.5, ge=0, description="weight of the loss over all cells of the image")
    pose_weight: float = Field(0.0, ge=0, description="weight of the pose loss by differentiable PnP. 0: left out")
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
        2, ge=1, le=2, description="number of CPU threads of the network. 2: image and cloud are processed in parallel"
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
