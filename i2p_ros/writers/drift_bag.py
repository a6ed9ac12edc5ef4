# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writer of history records as an MCAP file with the messages of the node drift_monitor."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import Writer

from i2p_ros.core.drifts import Level, drift_covariance, drift_transform, verdict_values
from i2p_ros.writers.bag import FORMATS, STORE

DRIFT, VERDICT = "geometry_msgs/msg/PoseWithCovarianceStamped", "diagnostic_msgs/msg/DiagnosticArray"


def drift_mcap(rows: Iterable[dict[str, Any]]) -> bytes:
    """Content of an MCAP file with the topics /<vehicle>/<camera>/<lidar>/verdict and .../drift.

    Messages have the stamps of the records. A record without a drift has no message on .../drift.
    """
    with tempfile.TemporaryDirectory(prefix="i2p_") as folder:
        bag = Path(folder) / "history"
        with Writer(bag, version=9, storage_plugin=FORMATS["mcap"]) as writer:
            topics: dict[str, Any] = {}
            for row in rows:
                prefix = "/" + "/".join(_name(row[part]) for part in ("vehicle", "camera", "lidar"))
                drift = [("drift", DRIFT, _drift(row))] if None not in row["verdict"]["drift"] else []
                for end, kind, message in (*drift, ("verdict", VERDICT, _verdict(row))):
                    topic = f"{prefix}/{end}"
                    if topic not in topics:
                        topics[topic] = writer.add_connection(topic, kind, typestore=STORE)
                    writer.write(topics[topic], row["stamp"], STORE.serialize_cdr(message, kind))
        return next(bag.glob("*.mcap")).read_bytes()


def _name(text: str) -> str:
    """The text with all characters that a topic may not have replaced by _."""
    return "".join(c if c.isalnum() else "_" for c in text) or "_"


def _header(row: dict[str, Any]) -> Any:
    seconds, nanoseconds = divmod(row["stamp"], 10**9)
    stamp = STORE.types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
    return STORE.types["std_msgs/msg/Header"](stamp=stamp, frame_id=row["camera"])


def _drift(row: dict[str, Any]) -> Any:
    types, verdict = STORE.types, row["verdict"]
    pose = drift_transform(verdict["drift"])
    point = types["geometry_msgs/msg/Point"](*map(float, pose.translation))
    turn = types["geometry_msgs/msg/Quaternion"](*map(float, pose.quaternion))
    body = types["geometry_msgs/msg/PoseWithCovariance"](
        pose=types["geometry_msgs/msg/Pose"](position=point, orientation=turn),
        covariance=np.asarray(drift_covariance(verdict["half"]), np.float64).ravel(),
    )
    return types[DRIFT](header=_header(row), pose=body)


def _verdict(row: dict[str, Any]) -> Any:
    types, verdict = STORE.types, row["verdict"]
    pair = types["diagnostic_msgs/msg/KeyValue"]
    values = [pair(key=key, value=str(value)) for key, value in verdict_values(verdict).items()]
    status = types["diagnostic_msgs/msg/DiagnosticStatus"](
        level=Level(verdict["level"]).diagnostic, name="calibration",
        message="; ".join(verdict["reasons"]) or verdict["level"], hardware_id=row["camera"], values=values,
    )  # fmt: skip
    return types[VERDICT](header=_header(row), status=[status])
