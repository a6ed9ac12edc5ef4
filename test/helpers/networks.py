# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A tiny network, a cloud and a pair of noise."""

from typing import TypeVar

import numpy as np
import torch
from torch import nn

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import MatchingSettings
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair, PointCloud
from i2p_ros.families.base import Family, Scene
from i2p_ros.families.vp2p import VP2P
from i2p_ros.families.vp2p.network import VP2PNetwork
from i2p_ros.families.vp2p.settings import VP2PSettings
from i2p_ros.networks.base import Arrays, PassInputs, Tensors
from i2p_ros.runtime.torch_runtime import Runtime

N = TypeVar("N", bound=nn.Module)
TINY = VP2PSettings(
    image_width=64, max_points=256, stem=8, image_stages=[8, 8, 8, 8], image_blocks=[1, 1, 1, 1],
    image_decoder=[8, 8, 8], voxel_encoder=[8, 8, 8], voxel_decoder=[8, 8], centres=[64, 16], point_channels=[8, 16],
    descriptor=16, signal_width=64, signal_stages=[8, 8, 8, 8],
)  # fmt: skip
FAMILY = VP2P(TINY, MatchingSettings())
GUESS = Pose.from_rotvec([1.2, -1.2, 1.2], [0.4, -0.2, 0.3])  # looks along the cloud's x axis, about


def street(n: int = 3000, seed: int = 0) -> PointCloud:
    rng = np.random.default_rng(seed)
    xyz = rng.uniform([-30, -30, -1.7], [30, 30, 6], (n, 3)).astype(np.float32)
    return PointCloud(xyz, rng.random(n).astype(np.float32))


def pair(width: int = 128, height: int = 48, cloud: PointCloud | None = None) -> Pair:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    camera = Camera(0.6 * width, 0.6 * width, width / 2, height / 2, width, height)
    return Pair(image, camera, street() if cloud is None else cloud)


def lived_in(settings: VP2PSettings) -> VP2PNetwork:
    """A network whose batch norms have seen something, as trained ones have."""
    torch.manual_seed(0)
    return aged(VP2P(settings, MatchingSettings()).network())


def aged(network: N) -> N:
    """The network in evaluation mode, after its batch norms have seen something."""
    for module in network.eval().modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0.0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0.0, 0.2)
    return network


def prepared(given: Pair, guess: Pose | None = None, family: Family = FAMILY) -> tuple[Scene, Arrays]:
    """The scene of a pair, and the inputs of one forward pass."""
    scene = family.prepare(given)
    return scene, family.inputs(scene, guess)


def whole_inputs(given: Pair, guess: Pose | None = None, family: Family = FAMILY) -> PassInputs:
    """All inputs of one forward pass as tensors."""
    scene, inputs = prepared(given, guess, family)
    return PassInputs.of(scene.shared, inputs)


def one_pass(runtime: Runtime, given: Pair, guess: Pose | None = None, family: Family = FAMILY) -> Tensors:
    """The outputs of a single forward pass over a pair."""
    scene, inputs = prepared(given, guess, family)
    return runtime.open(scene.shared)(inputs)
