# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inspection of a bag, by its indexes and some of its messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import Settings
from i2p_ros.core.geometry import Pose
from i2p_ros.core.messages import pose_from_transform
from i2p_ros.core.messages.reading import attribute
from i2p_ros.core.optical_frame import optical_doubt_of
from i2p_ros.core.types import PointCloud
from i2p_ros.inspection.bag_cameras import SampledImages, inspect_camera, sampled_images
from i2p_ros.inspection.bag_clouds import inspect_lidar
from i2p_ros.inspection.bag_pairs import inspect_pairs
from i2p_ros.inspection.bag_samples import BagSamples
from i2p_ros.inspection.bag_topics import sensor_topics
from i2p_ros.inspection.bag_transforms import inspect_transforms
from i2p_ros.inspection.codes import CODES
from i2p_ros.inspection.result import FindingList, Inspection, judged_abilities
from i2p_ros.inspection.timing import judge_rate, judge_short, topic_summary
from i2p_ros.inspection.views import judge_change, judge_overlap, judge_path
from i2p_ros.sources.bag_files import bag_files, split_of
from i2p_ros.sources.bag_reader import BagReader, open_reader
from i2p_ros.sources.bag_topics import BagTopics, TopicSurvey

LOSSES = {  # reason of a loss -> code of a finding
    "bag.missing_file": "recording.missing_file",
    "bag.unreadable_file": "recording.unreadable_file",
    "bag.not_recorded": "recording.not_recorded",
}
POSE_FIELDS = {  # message type -> fields that lead to the pose
    "geometry_msgs/msg/PoseStamped": ("pose",),
    "geometry_msgs/msg/PoseWithCovarianceStamped": ("pose", "pose"),
    "nav_msgs/msg/Odometry": ("pose", "pose"),
}
NO_PATH = ("goal", "initial", "target")  # words in the names of poses that are none of the vehicle
LEAST_POSES, POSES = 5, 24
MOST_NAMES = 5  # of bags in a text


def inspect_bag(path: Path, settings: Settings) -> Inspection:
    """The judgement of a bag. Raises InputError if it cannot be opened."""
    reader, cut_off = open_reader(path)
    try:
        return _BagInspection(path, settings, reader, cut_off).result()
    finally:
        reader.close()


class _BagInspection:
    """The steps of the inspection of an open bag. Each adds its findings."""

    def __init__(self, path: Path, settings: Settings, reader: BagReader, cut_off: int) -> None:
        self._path, self._settings, self._reader, self._cut_off = path, settings, reader, cut_off
        self._findings = FindingList()
        self._survey = TopicSurvey(reader, path)
        self._samples = BagSamples(reader, path, self._survey)
        times = self._samples.times
        self._topics = {name: topic_summary(name, self._survey.types[name], times[name]) for name in sorted(times)}

    def result(self) -> Inspection:
        """The judgement, by all steps."""
        files = bag_files(self._path).files
        self._judge_files([split_of(file)[1] for file in files])
        times = self._ends()
        whole = Inspection(
            self._path.name, "rosbag", sum(file.stat().st_size for file in files),
            min(times, default=None), max(times, default=None), tuple(self._topics.values()),
        )  # fmt: skip
        if times:
            whole = self._with_sensors(whole)
        else:
            self._findings.add("recording.empty")
        found = self._findings.found
        return replace(whole, findings=found, abilities=judged_abilities(found))

    def _ends(self) -> list[int]:
        """First and last time received of each topic, ns, but of /tf_static, which may be that of another file."""
        own = {topic: times for topic, times in self._samples.times.items() if len(times)}
        moving = {topic: times for topic, times in own.items() if topic.rpartition("/")[2] != "tf_static"}
        return [int(time) for times in (moving or own).values() for time in (times[0], times[-1])]

    def _with_sensors(self, whole: Inspection) -> Inspection:
        found, samples, settings = self._findings, self._samples, self._settings
        topics = sensor_topics(self._survey, settings.topics, found)
        images = camera = None
        if topics.image is not None:
            images = sampled_images(samples, self._survey.types[topics.image.name], topics.image.name, found)
            size = None if images is None else images.size
            info = topics.camera_info
            summary, camera = inspect_camera(self._reader, samples, topics.image, info, size, settings, found)
            whole = replace(whole, camera=summary)
            self._judge_rate(whole, topics.image.name, "image")
        clouds = list[tuple[int, PointCloud]]()
        if topics.cloud is not None:
            lidar, clouds = inspect_lidar(samples, self._survey.types[topics.cloud.name], topics.cloud, settings, found)
            whole = replace(whole, lidar=lidar)
            self._judge_rate(whole, topics.cloud.name, "cloud")
        if topics.image is not None and topics.cloud is not None:
            whole = self._with_timing(whole, topics.image.name, topics.cloud.name)
            whole = self._with_calibration(whole, topics.image.frame, topics.cloud.frame, camera, clouds)
        self._judge_losses({topic.name for topic in (topics.image, topics.cloud) if topic})
        return replace(whole, motion=self._motion(images))

    def _with_timing(self, whole: Inspection, image: str, cloud: str) -> Inspection:
        """With pairs and the gap of the sensors."""
        found, settings = self._findings, self._settings
        timing = inspect_pairs(self._samples, image, cloud, settings.pairing, found)
        judge_short(timing.pairs, whole.duration_s, settings.monitor, found)
        return replace(whole, pairs=timing.pairs, sensor_gap_ms=timing.gap_ms)

    def _with_calibration(
        self, whole: Inspection, image_frame: str, cloud_frame: str, camera: Camera | None,
        clouds: Sequence[tuple[int, PointCloud]],
    ) -> Inspection:  # fmt: skip
        """With the static transform, and the overlap of the views that follows from it."""
        found, note = self._findings, self._reader.note
        poses, source = inspect_transforms(self._samples, image_frame, cloud_frame, note, found)
        if poses is None or camera is None or not clouds:
            return replace(whole, transform=source)
        views = [(camera, cloud, poses.at((received, received))) for received, cloud in clouds]
        doubt = optical_doubt_of(*views[0], image_frame)
        if doubt:
            found.add("frames.not_optical", doubt)
        return replace(whole, transform=source, overlap=None if doubt else judge_overlap(views, found))

    def _motion(self, images: SampledImages | None) -> str:
        """Motion by a topic of poses, or else by the change of images; in words."""
        for topic in self._pose_topics():
            fields = POSE_FIELDS[self._survey.types[topic]]
            poses = [pose for _, pose in self._samples.decoded(topic, partial(_pose, fields), POSES)]
            if len(poses) >= LEAST_POSES:
                return judge_path(poses, topic, self._findings)
        return "" if images is None else judge_change(images.changes, self._settings.monitor.min_change, self._findings)

    def _pose_topics(self) -> list[str]:
        """Topics with poses of the vehicle, those of a true pose first."""
        topics = [topic for topic in self._survey.topics(POSE_FIELDS) if not any(word in topic for word in NO_PATH)]
        return sorted(topics, key=lambda topic: topic != BagTopics().pose)

    def _judge_rate(self, whole: Inspection, topic: str, sensor: str) -> None:
        assert whole.start is not None and whole.end is not None
        times = self._samples.times[topic]
        judge_rate(self._topics[topic], sensor, times, (whole.start, whole.end), self._findings)

    def _judge_files(self, names: Sequence[str]) -> None:
        if self._cut_off:
            self._findings.add("recording.cut_off", f"{self._cut_off} of {len(names)} files have no proper end")
        if len(set(names)) > 1 and not (self._path / "metadata.yaml").exists():
            listed = ", ".join(sorted(set(names))[:MOST_NAMES])
            self._findings.add("recording.several", f"the folder holds the bags {listed}, which are read as one")

    def _judge_losses(self, topics: set[str]) -> None:
        """Findings about what is missing or damaged, as far as it has been read."""
        lost = Counter[str]()
        for reason, count in self._reader.lost(topics).items():
            lost[LOSSES.get(reason, "recording.damaged")] += count
        for code, count in lost.items():
            self._findings.add(code, f"{CODES[code].what.rstrip('.')}: {count}")
        for topic in sorted(topics & self._samples.refused.keys()):
            errors = self._samples.refused[topic]
            if not {"image.undecodable", "cloud.undecodable"} & {f.code for f in self._findings.found}:
                text = f"{len(errors)} of the messages of {topic} that were tried cannot be used: {errors[0]}"
                self._findings.add("recording.damaged", text)


def _pose(fields: Sequence[str], message: Any) -> Pose:
    for name in fields:
        message = attribute(message, name)
    return pose_from_transform(message)
