# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Source of ROS 2 bags (sqlite3, MCAP) and ROS 1 bags, read without ROS."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from i2p_ros.core.changes import motion_text
from i2p_ros.core.clock_offset import Entry, clock_offset
from i2p_ros.core.config import PairingSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.messages import CLOUD_MESSAGES, IMAGE_MESSAGES, VIDEO_MESSAGES
from i2p_ros.core.optical_frame import optical_doubt
from i2p_ros.core.pairing import median_gap, pair_stamps
from i2p_ros.core.source import Source
from i2p_ros.core.types import Pair, Sample
from i2p_ros.sources.bag_cameras import InfoDecoder
from i2p_ros.sources.bag_index import RECEIVED, STAMP, BagIndex
from i2p_ros.sources.bag_reader import bag_errors, open_reader, read_header
from i2p_ros.sources.bag_topics import BagTopics, TopicChoice
from i2p_ros.sources.bag_video import BagVideo

MOST_CHANGES = 3  # of a static transform or a camera that a note tells one by one


class RosbagSource(Source):
    """Images and clouds of a bag, paired by header stamp, or by time received with pairing.use_arrival_time.

    The bag is scanned once for headers. Images and clouds are read when they are asked for. `topics` are the topics in
    use. T_camera_lidar comes from /tf_static, or from /tf if it never changes there. It is none if neither connects the
    two frames. If it changes, each pair has the one that was valid when its image was received.
    A clock of the lidar that is off by a constant is corrected if the times received prove it. `notes` say so.
    Raises InputError `bag.*` for a bag that cannot be read, lacks a topic or a calibration, or gives no pair. Reading a
    sample raises InputError if its image or cloud cannot be decoded.
    """

    def __init__(
        self,
        path: Path | str,
        settings: PairingSettings | None = None,
        topics: BagTopics | None = None,
        *,
        rectified: bool | None = None,
        intensity_field: str = "",
    ) -> None:
        """`rectified`: whether images are rectified, so that P is their camera. By default camera_of_image decides.
        `intensity_field`: see cloud_from_message."""
        self.path, self._intensity_field = Path(path), intensity_field
        self._settings = settings or PairingSettings()
        self._clock = RECEIVED if self._settings.use_arrival_time else STAMP
        self._reader, cut_off = open_reader(self.path)
        self._close = weakref.finalize(self, self._reader.close)  # at the latest when the source is deleted
        try:
            self._choice = TopicChoice(self._reader, self.path, topics or BagTopics())
            wanted = self._choice.topics
            self._decoder = InfoDecoder(self._reader, wanted.image, rectified, self._choice.image_size)
            types, by_arrival = self._choice.types, self._clock == RECEIVED
            self._index = BagIndex(self._reader, self.path, wanted, types, self._decoder, by_arrival)
            self._index.lost.update(["bag.cut_off"] * cut_off)
            self._index.lost.update(self._reader.lost({wanted.image, wanted.cloud}))
            self.topics = replace(wanted, camera_info=self._camera_info())
            self._index.lost.update(self._index.lost_infos[self.topics.camera_info])
            self._calibrations, self._is_from_tf = self._index.calibrations()
            self._cameras = self._index.cameras(self.topics.camera_info)
            self._offset = clock_offset(self._index.images, self._index.clouds) if self._clock == STAMP else None
            self._pairs = self._paired()
            self._image_type = types[wanted.image]
            self._video = BagVideo(self._image_type, self._index.images) if self._image_type in VIDEO_MESSAGES else None
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """`bag` with the name of its file or folder, and why its /tf_static is from another file or missing."""
        return f"bag {self.path.name}" + (f" ({self._reader.note})" if self._reader.note else "")

    @property
    def frames(self) -> tuple[str, str]:
        """Frames of camera and lidar in the headers of the messages."""
        return self._index.image_frame, self._index.cloud_frame

    @property
    def lost(self) -> Counter[str]:
        """Numbers by reason of messages that could not be used, and of losses of files.

        `bag.cut_off` counts files without a proper end, `bag.missing_file` and `bag.unreadable_file` files that are not
        read at all, `bag.damaged` chunks and messages that cannot be unpacked, and `bag.not_recorded` messages of the
        two sensors that the recorder lost by its own account.
        """
        return self._index.lost

    @cached_property
    def notes(self) -> Sequence[str]:
        """The topics in use, the matrix of the camera, and what is odd about clocks, transforms and frames."""
        (camera, lidar), info = self.frames, self.topics.camera_info
        return [
            *self._choice.notes(info, self._decoder.matrices(info)),
            *self._offset_notes(),
            *[f"the transform {lidar} -> {camera} is from /tf, where it never changes"] * self._is_from_tf,
            *self._change_notes(),
            *self._camera_notes(),
            *self._pair_notes(),
            *self._decoder.doubts(info),
        ]

    @property
    def is_recalibrated(self) -> bool:
        """Whether the static transform between camera and lidar changes within the bag."""
        return len(self._calibrations.values) > 1

    def close(self) -> None:
        """Close the files."""
        self._close()

    def __enter__(self) -> RosbagSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Sample:
        index = range(len(self))[index]
        image_entry, cloud_entry = self._pairs[index]
        image = IMAGE_MESSAGES[self._image_type](self._image_message(image_entry), self.topics.image)
        cloud_message = self._read(self.topics.cloud, cloud_entry)
        cloud = CLOUD_MESSAGES[cloud_message.__msgtype__](cloud_message, self._intensity_field)
        stamp = image_entry[self._clock]
        camera = self._cameras.at(image_entry).fitted(image.shape[1], image.shape[0])
        pair = Pair(image, camera, cloud, stamp, f"{self.path.stem}/{index:06d}")
        T_camera_lidar = self._calibrations.at(image_entry) if self._calibrations.values else None
        T_world_lidar = self._index.pose_at(cloud_entry[self._clock], round(self._settings.slop_s * 1e9))
        return Sample(pair, T_camera_lidar, T_world_lidar)

    def _camera_info(self) -> str:
        """The camera_info topic of the images. Raises InputError `bag.camera_info` if there is none."""
        usable = self._index.usable_infos
        if found := self._choice.chosen_info(usable):
            return found
        raise InputError(
            f"no camera_info for {self._choice.topics.image} (frame {self._index.image_frame!r}): there are usable "
            f"ones on {self._choice.describe_infos(usable)}{self._decoder.refusals()}; name the topic to use by "
            "topics.camera_info",
            "bag.camera_info",
        )

    def _paired(self) -> list[tuple[Entry, Entry]]:
        """Entries of image and cloud of each pair; InputError `bag.pairs` with the median gap if there is none."""
        images, clouds, set_s = self._index.images, self._index.clouds, self._settings
        times = [entry[self._clock] for entry in images], [entry[self._clock] for entry in clouds]
        slop, cloud_offset, image_offset = (
            round(seconds * 1e9) for seconds in (set_s.slop_s, self._correction_s, set_s.image_time_offset_s)
        )
        pairs = [(images[i], clouds[c]) for i, c in pair_stamps(*times, slop, cloud_offset, image_offset)]
        if pairs:
            return pairs
        median = median_gap(*times)
        gap = "" if median is None else f"; images come {median / 1e9:+.3f} s after clouds"
        if self._correction_s != set_s.time_offset_s:
            gap += f", before a correction of the clocks by {self._correction_s:.3f} s (pairing.correct_clock)"
        what = "time received" if self._clock == RECEIVED else "header stamp"
        raise InputError(
            f"{len(images)} images on {self.topics.image} and {len(clouds)} clouds on {self.topics.cloud}, but no two "
            f"within {set_s.slop_s} s by {what}{gap}: set pairing.time_offset_s or pairing.slop_s "
            f"(messages lost: {dict(self._index.lost)})",
            "bag.pairs",
        )

    @property
    def _correction_s(self) -> float:
        """Offset that is added to the stamps of clouds: that of the settings, or else a measured one that is sure."""
        set_s, offset = self._settings, self._offset
        is_set = set_s.time_offset_s or set_s.image_time_offset_s or not set_s.correct_clock
        return offset.correction_s if offset is not None and offset.is_sure and not is_set else set_s.time_offset_s

    def _offset_notes(self) -> list[str]:
        """A measured offset of the clocks: the one that is corrected, or one beyond the slop that is left."""
        if self._offset is None:
            return []
        set_s, corrected_s = self._settings, self._correction_s
        if corrected_s != set_s.time_offset_s:
            return [f"{self._offset.text}, and is applied: it is as exact as the delays of the messages"]
        left = replace(self._offset, seconds=self._offset.seconds + corrected_s - set_s.image_time_offset_s)
        if abs(left.seconds) <= set_s.slop_s or not left.is_steady:
            return []
        side = "ahead of" if left.seconds > 0 else "behind"
        return [
            f"clouds are stamped {abs(left.seconds):.3f} s {side} images by the times at which they were received: if "
            f"the clocks differ, set pairing.time_offset_s={corrected_s - left.seconds:.3f}"
        ]

    def _change_notes(self) -> list[str]:
        """The changes of the static transform between camera and lidar."""
        (camera, lidar), start = self.frames, min(received for _, received in self._index.images)
        changes = [
            f"at t={(time - start) / 1e9:.3f} s ({time / 1e9:.3f}) by {motion_text(before, after)}"
            for (_, before), (time, after) in pairwise(self._calibrations.values)
        ]
        return [f"the static transform {lidar} -> {camera} changed {_first_of(changes)}"] if changes else []

    def _camera_notes(self) -> list[str]:
        """The changes of the camera's calibration."""
        changes = [time for (_, before), (time, after) in pairwise(self._cameras.values) if before != after]
        if not changes:
            return []
        start = self._cameras.values[0][0]
        times = [f"at t={(time - start) / 1e9:.3f} s" for time in changes]
        return [f"{self.topics.camera_info}: the calibration changed {_first_of(times)}"]

    def _pair_notes(self) -> list[str]:
        """A missing field of the intensity, and a doubt about the frame of the images, by the first pair."""
        try:
            sample = self[0]
        except InputError:
            return []
        notes = []
        if self._intensity_field and sample.pair.cloud.intensity is None:
            notes.append(f"clouds have no field {self._intensity_field!r}: they are read without intensity")
        if sample.T_camera_lidar is not None:
            notes.append(optical_doubt(sample.pair, sample.T_camera_lidar, self.frames[0]))
        return [note for note in notes if note]

    def _read(self, topic: str, entry: Entry) -> Any:
        """The message with the header stamp and the time received of the entry."""
        stamp, received = entry
        kind = self._choice.types[topic]
        connections = [c for c in self._reader.connections if (c.topic, c.msgtype) == (topic, kind)]
        with bag_errors(self.path, "bag.message"):
            for connection, _, raw in self._reader.messages(connections, received, received + 1):
                if read_header(raw, self._reader.is2, check=False)[0] == stamp:
                    return self._reader.deserialize(raw, connection.msgtype)
        raise InputError(f"a message of {topic} has vanished from {self.path} since it was opened", "bag.message")

    def _image_message(self, entry: Entry) -> Any:
        """The message of an image, or the frame of a video."""
        read = partial(self._read, self.topics.image)
        return read(entry) if self._video is None else self._video.frame(entry, read)


def _first_of(changes: Sequence[str]) -> str:
    """The first of some changes in words, and the number of the others."""
    more = f", and {len(changes) - MOST_CHANGES} times more" if len(changes) > MOST_CHANGES else ""
    return ", ".join(changes[:MOST_CHANGES]) + more
