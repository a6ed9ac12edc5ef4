# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Source of ROS 2 bags (sqlite3, MCAP) and ROS 1 bags, read without ROS."""

from __future__ import annotations

import weakref
from bisect import bisect_right
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import PairingSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.messages import CLOUD_MESSAGES, IMAGE_MESSAGES
from i2p_ros.core.pairing import median_gap, pair_stamps
from i2p_ros.core.source import Source
from i2p_ros.core.types import Pair, Sample
from i2p_ros.sources.bag_index import BagIndex, Entry
from i2p_ros.sources.bag_reader import BagTopics, bag_errors, chosen_topics, open_reader, read_header


class RosbagSource(Source):
    """Images and clouds of a bag, paired by header stamp.

    The bag is scanned once for headers. Images and clouds are read when they are asked for. `topics` are the topics in
    use. `T_camera_lidar` comes from /tf_static and is none if that does not connect the two frames.
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
        """`rectified`: whether images are undistorted, so that P is their camera. By default they are if the topic is
        named image_rect*, as image_proc names it. `intensity_field`: see cloud_from_message."""
        self.path, self._intensity_field = Path(path), intensity_field
        settings = settings or PairingSettings()
        self._slop_ns = round(settings.slop_s * 1e9)
        self._offsets_ns = round(settings.time_offset_s * 1e9), round(settings.image_time_offset_s * 1e9)
        self._reader, cut_off = open_reader(self.path)
        self._close = weakref.finalize(self, self._reader.close)  # at the latest when the source is deleted
        try:
            wanted = chosen_topics(self._reader, topics or BagTopics())
            if rectified is None:
                rectified = "/image_rect" in wanted.image
            self._index = BagIndex(self._reader, self.path, wanted, rectified)
            self._index.lost.update(["bag.cut_off"] * cut_off)
            self._index.lost.update(self._reader.lost({wanted.image, wanted.cloud}))
            self.topics = replace(wanted, camera_info=self._index.camera_info_topic())
            self.T_camera_lidar = self._calibration()
            self._cameras = self._index.cameras(self.topics.camera_info)
            self._pairs = self._paired()
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
        image_message = self._read(self.topics.image, image_entry)
        image = IMAGE_MESSAGES[image_message.__msgtype__](image_message)
        cloud_message = self._read(self.topics.cloud, cloud_entry)
        cloud = CLOUD_MESSAGES[cloud_message.__msgtype__](cloud_message, self._intensity_field)
        stamp = image_entry[0]
        camera = self._camera_at(stamp).fitted(image.shape[1], image.shape[0])
        pair = Pair(image, camera, cloud, stamp, f"{self.path.stem}/{index:06d}")
        return Sample(pair, self.T_camera_lidar, self._index.pose_at(cloud_entry[0], self._slop_ns))

    def _calibration(self) -> Pose | None:
        """T_camera_lidar from /tf_static; none if camera and lidar state the same frame, which is a mistake."""
        camera, lidar = self._index.image_frame, self._index.cloud_frame
        return None if camera == lidar else self._index.transforms.lookup(camera, lidar)

    def _paired(self) -> list[tuple[Entry, Entry]]:
        """Entries of image and cloud of each pair; InputError with the median gap if there is no pair."""
        images, clouds = self._index.images, self._index.clouds
        stamps = [stamp for stamp, _ in images], [stamp for stamp, _ in clouds]
        pairs = [(images[i], clouds[c]) for i, c in pair_stamps(*stamps, self._slop_ns, *self._offsets_ns)]
        if pairs:
            return pairs
        median = median_gap(*stamps)
        gap = "" if median is None else f"; images come {median / 1e9:+.3f} s after clouds"
        raise InputError(
            f"{len(images)} images on {self.topics.image} and {len(clouds)} clouds on {self.topics.cloud}, but no two "
            f"within {self._slop_ns / 1e9} s by header stamp{gap}: set pairing.time_offset_s or pairing.slop_s "
            f"(messages lost: {dict(self._index.lost)})",
            "bag.pairs",
        )

    def _read(self, topic: str, entry: Entry) -> Any:
        """The message with the header stamp and the time received of the entry."""
        stamp, received = entry
        connections = [c for c in self._reader.connections if c.topic == topic]
        with bag_errors(self.path, "bag.message"):
            for connection, _, raw in self._reader.messages(connections, received, received + 1):
                if read_header(raw, self._reader.is2)[0] == stamp:
                    return self._reader.deserialize(raw, connection.msgtype)
        raise InputError(f"a message of {topic} has vanished from {self.path} since it was opened", "bag.message")

    def _camera_at(self, stamp: int) -> Camera:
        """The latest calibration up to the stamp (ns), else the first."""
        return self._cameras[max(bisect_right(self._cameras, stamp, key=lambda entry: entry[0]) - 1, 0)][1]
