# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A localizer node and a listener in one process, joined by topics only; and a localizer whose answers are known."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from tf2_msgs.msg import TFMessage

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import Settings
from i2p_ros.core.geometry import Pose
from i2p_ros.core.source import Source
from i2p_ros.core.types import Pair, PointCloud, PoseEstimate, Prior, Sample, Status
from i2p_ros.ros import messages
from i2p_ros.ros.nodes.localizer_node import LocalizerNode

CAMERA = Camera(90.0, 90.0, 48.0, 32.0, 96, 64)
T_CAMERA_LIDAR = Pose.from_rotvec([1.2, -1.2, 1.2], [0.1, -0.2, 0.3])
STANDARD_DEVIATIONS = np.array([0.1, 0.2, 0.3, 0.01, 0.02, 0.03])
START = 1_700_000_000 * 10**9  # ns


class KnownLocalizer:
    """Answers every pair with `answer` after `gate` is open, and keeps pairs, priors and settings of all calls."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.answer: Callable[[Pair], PoseEstimate] = lambda pair: estimate()
        self.pairs: list[Pair] = []
        self.priors: list[Prior | None] = []
        self.settings_used: list[Settings] = []
        self.gate = threading.Event()
        self.gate.set()

    def localize_pair(self, pair: Pair, prior: Prior | None = None, settings: Settings | None = None) -> PoseEstimate:
        self.settings = settings or self.settings
        self.settings_used.append(self.settings)
        self.pairs.append(pair)
        self.priors.append(prior)
        self.gate.wait(10.0)
        return self.answer(pair)

    def describe(self) -> str:
        return "a localizer that knows"


def estimate(pose: Pose = T_CAMERA_LIDAR) -> PoseEstimate:
    """A pose with 25 inliers."""
    covariance = np.diag(STANDARD_DEVIATIONS**2)
    return PoseEstimate(
        Status.OK,
        pose=pose,
        covariance=covariance,
        inliers=np.ones(25, bool),
        residual_px=1.5,
        confidence=0.7,
        seconds={"network": 0.001},
    )


def sample(index: int = 0) -> Sample:
    """A small pair; stamps are 100 ms apart."""
    rng = np.random.default_rng(index)
    colours = rng.integers(0, 255, (4, 6, 3), dtype=np.uint8)
    image = np.asarray(cv2.resize(colours, (CAMERA.width, CAMERA.height)), np.uint8)
    cloud = PointCloud(rng.uniform(-9, 9, (500, 3)).astype(np.float32), rng.uniform(size=500).astype(np.float32))
    return Sample(Pair(image, CAMERA, cloud, START + index * 10**8, f"pair {index}"), T_CAMERA_LIDAR)


class Samples(Source):
    """A source of n of them."""

    name = "test samples"

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Sample:
        return sample(index)


class Spun:
    """A tester node and other nodes in one executor."""

    tester: Node
    executor: SingleThreadedExecutor

    def __init__(self) -> None:
        self.senders: dict[bool, Publisher] = {}  # of transforms, static ones and others

    def until(self, condition: Callable[[], Any], seconds: float = 10.0) -> bool:
        """Whether the condition came true in time."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            self.executor.spin_once(timeout_sec=0.02)
        return True

    def tell(self, *links: tuple[str, str, int], static: bool = False) -> None:
        """Send transforms (parent, child, stamp), each of them T_CAMERA_LIDAR."""
        latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        if static not in self.senders:
            topic, qos = ("/tf_static", latched) if static else ("/tf", 100)
            self.senders[static] = self.tester.create_publisher(TFMessage, topic, qos)
            assert self.until(self.senders[static].get_subscription_count)
            self.until(lambda: False, 0.2)
        parts = [
            messages.transform_stamped(T_CAMERA_LIDAR, messages.header(stamp, parent), child)
            for parent, child, stamp in links
        ]
        self.senders[static].publish(TFMessage(transforms=parts))
        self.until(lambda: False, 0.1)


class Graph(Spun):
    """The node under test, and everything that it publishes, by topic, in `heard`."""

    def __init__(
        self,
        context: Any,
        localizer: KnownLocalizer,
        compressed: bool = False,
        best_effort: bool = False,
        load: Callable[[Settings], Any] | None = None,
        **parameters: Any,
    ) -> None:
        super().__init__()
        self.localizer = localizer
        load = load or (lambda settings: localizer)
        overrides = [Parameter(name.replace("__", "."), value=value) for name, value in parameters.items()]
        self.node = LocalizerNode(load, context=context, use_global_arguments=False, parameter_overrides=overrides)
        self.tester = Node("tester", context=context, use_global_arguments=False)
        self.heard: dict[str, list[Any]] = defaultdict(list)
        kind, topic = (CompressedImage, "image/compressed") if compressed else (Image, "image")
        self.clock: Publisher | None = None
        self.compressed = compressed
        reliability = ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE
        self.image = self.tester.create_publisher(kind, topic, 5)
        self.info = self.tester.create_publisher(CameraInfo, "camera_info", 5)
        self.points = self.tester.create_publisher(PointCloud2, "points", QoSProfile(depth=5, reliability=reliability))
        self.listen(PoseWithCovarianceStamped, "/localizer/pose")
        self.listen(DiagnosticArray, "/localizer/status")
        self.listen(DiagnosticArray, "/diagnostics")
        self.listen(TFMessage, "/tf")
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)
        self.executor.add_node(self.tester)
        if not self.until(self.joined):
            self.close()
            raise AssertionError("the nodes do not see each other")

    def joined(self) -> bool:
        publishers = (self.image, self.info, self.points)
        return all(p.get_subscription_count() for p in publishers) and all(
            self.tester.count_publishers(topic) for topic in ("/localizer/pose", "/localizer/status", "/tf")
        )

    def listen(self, kind: type, topic: str) -> None:
        self.tester.create_subscription(kind, topic, self.heard[topic].append, 20)

    def messages(self, index: int = 0) -> dict[str, Any]:
        """The three messages of a pair, to be spoilt."""
        pair = sample(index).pair
        camera, lidar = messages.header(pair.stamp, "camera"), messages.header(pair.stamp, "lidar")
        to_image = messages.compressed_message if self.compressed else messages.image_message
        return {
            "info": messages.camera_info(pair.camera, camera),
            "points": messages.cloud_message(pair.cloud, lidar),
            "image": to_image(pair.image, camera),
        }

    def send(self, parts: dict[str, Any]) -> None:
        for name in ("info", "points", "image"):
            if name in parts:
                getattr(self, name).publish(parts[name])

    def play(self, parts: dict[str, Any]) -> dict[str, str]:
        """Send a pair and wait for what ~/status says of it."""
        answers = self.heard["/localizer/status"]
        before = len(answers)
        self.send(parts)
        assert self.until(lambda: len(answers) > before), "no answer"
        self.until(lambda: False, 0.1)  # what else was published with it
        return values(answers[-1])

    def ask(self, kind: Any, name: str, **request: Any) -> Any:
        """The answer of one of the node's services."""
        client = self.tester.create_client(kind, f"/localizer/{name}")
        assert self.until(client.service_is_ready)
        future = client.call_async(kind.Request(**request))
        assert self.until(future.done), f"no answer of {name}"
        self.tester.destroy_client(client)
        return future.result()

    def set_clock(self, stamp: int) -> None:
        """Publish a time (ns) on /clock, and wait until the node has it."""
        if self.clock is None:
            self.clock = self.tester.create_publisher(Clock, "/clock", 1)
            assert self.until(self.clock.get_subscription_count)
        self.clock.publish(Clock(clock=messages.time_message(stamp)))
        assert self.until(lambda: self.node.get_clock().now().nanoseconds == stamp), "the node does not follow /clock"

    def close(self) -> None:
        self.localizer.gate.set()
        self.executor.shutdown()  # it holds what it waits for, also once that is destroyed
        self.node.destroy_node()
        self.tester.destroy_node()


class Managed(Graph):
    """A node that others start."""

    def change(self, transition: int) -> bool:
        return bool(self.ask(ChangeState, "change_state", transition=Transition(id=transition)).success)

    def label(self) -> str:
        return str(self.ask(GetState, "get_state").current_state.label)

    def joined(self) -> bool:
        return bool(self.tester.count_publishers("/diagnostics") > 0)


def made(context: Any, kind: type[Graph] = Graph) -> Iterator[Callable[..., Any]]:
    """What a fixture yields to build graphs, which are taken down afterwards."""
    graphs: list[Graph] = []

    def build(localizer: KnownLocalizer | None = None, **parameters: Any) -> Graph:
        graphs.append(kind(context, localizer or KnownLocalizer(), **parameters))
        return graphs[-1]

    yield build
    for graph in graphs:
        graph.close()


def values(message: DiagnosticArray) -> dict[str, str]:
    """The named values of the one entry, and its text as `text`."""
    (entry,) = message.status
    return {"text": entry.message} | {value.key: value.value for value in entry.values}
