# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A localizer node in a second process, on a private ROS network."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import I2PError
from i2p_ros.core.parameters import OF_OTHERS
from i2p_ros.core.resources import resource

READY = "ready: "  # in the log of a node that has loaded its model
STOP_S = 5.0


@dataclass(frozen=True)
class LocalizerProcess:
    """The process of the node and the file of its log."""

    popen: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raise I2PError with the end of its log if the node has died."""
        if self.popen.poll() is not None:
            raise I2PError(f"the localizer node ended with exit code {self.popen.returncode}:\n{self.tail()}")

    def tail(self, lines: int = 12) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait until the model is loaded. Raises I2PError if the node dies or the time is over."""
        end = time.monotonic() + timeout_s
        while READY not in self.log.read_text(errors="replace"):
            self.check()
            if time.monotonic() > end:
                raise I2PError(f"the localizer node was not ready after {timeout_s:.0f} s:\n{self.tail()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the process as Ctrl-C does, and kill it if that takes too long."""
        self.popen.send_signal(signal.SIGINT)
        try:
            self.popen.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


@contextmanager
def start_localizer(settings: Settings, timeout_s: float = 180.0) -> Iterator[LocalizerProcess]:
    """A localizer node that is ready, on a private ROS network with this process.

    Its subscriptions are reliable, so that no pair is lost. Raises I2PError with the end of its log if it fails.
    This process must not have used ROS before: the middleware reads the environment once.
    """
    with tempfile.TemporaryDirectory(prefix="i2p_") as folder, _environment(private_network(Path(folder))):
        file = Path(folder) / "localizer.yaml"
        file.write_text(yaml.safe_dump({"/**": {"ros__parameters": node_parameters(settings)}}))
        command = [sys.executable, "-m", "i2p_ros.ros", "localizer", "--ros-args", "--params-file", str(file)]
        log = Path(folder) / "localizer.log"
        with log.open("wb") as output:
            process = LocalizerProcess(subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT), log)
        try:
            process.wait_until_ready(timeout_s)
            yield process
        finally:
            process.stop()


def node_parameters(settings: Settings) -> dict[str, Any]:
    """Parameters of a node with these settings that receives every message of a replay and uses its clock."""
    topics = ("/image", "/image/compressed", "/camera_info", "/points")
    reliable = {topic: {"subscription": {"reliability": "reliable", "depth": 10}} for topic in topics}
    node = settings.node.model_copy(update={"image_transport": settings.replay.image_transport})
    tree = settings.model_copy(update={"node": node}).model_dump(exclude=set(OF_OTHERS))
    return tree | {"use_sim_time": True, "qos_overrides": reliable}


def private_network(logs: Path) -> dict[str, str]:
    """Environment of ROS processes on a private network, with shared memory that is large enough for a cloud."""
    return {
        "ROS_DOMAIN_ID": str(_free_domain()),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(resource("config/fastdds.xml")),
        "ROS_LOG_DIR": str(logs),
    }


def _free_domain() -> int:
    """A ROS domain whose first port is free (DDSI-RTPS 9.6.1.1: 7410 + 250 domain)."""
    first = os.getpid() % 100
    for domain in (1 + (first + k) % 100 for k in range(100)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", 7410 + 250 * domain))
            except OSError:
                continue
            return domain
    raise I2PError("no free ROS domain: every one from 1 to 100 is in use on this machine")


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables of the environment, and restore it afterwards."""
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
