# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A folded network answers as the trained one, to 1e-4, and leaves that one alone."""

import numpy as np
import pytest
import torch
from helpers.networks import TINY, lived_in, pair, street
from torch import nn

from i2p_ros.core.config import MatchingSettings
from i2p_ros.core.geometry import Pose
from i2p_ros.networks.folding import folded
from i2p_ros.networks.vp2p import SIZES, VP2P, VP2PSettings
from i2p_ros.runtime.torch_runtime import TorchRuntime

GUESS = Pose.from_rotvec([1.2, -1.2, 1.2], [0.4, -0.2, 0.3])  # looks along the cloud's x axis, about


@pytest.mark.parametrize("settings", [TINY, SIZES["small"]], ids=["tiny", "small"])
@pytest.mark.parametrize("branches", [1, 2])
def test_the_runtime_answers_as_the_network(settings: VP2PSettings, branches: int) -> None:
    network = lived_in(settings)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    runtime, family = TorchRuntime(network, "cpu", branches=branches), VP2P(settings, MatchingSettings())
    given = pair(cloud=street(20000))
    scene = family.scene(given)
    for guess in (None, GUESS):  # the second look has the image that the runtime knows
        inputs = family.look(scene, guess)
        with torch.no_grad():
            expected = network(**{name: torch.from_numpy(value)[None] for name, value in inputs.items()})
        answer = runtime(inputs)
        assert set(answer) == {"pixels", "points"}  # scores are for learning
        for name, value in answer.items():
            torch.testing.assert_close(value, expected[name], atol=1e-4, rtol=0)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_another_image_is_looked_at() -> None:
    runtime, family = TorchRuntime(lived_in(TINY), "cpu"), VP2P(TINY, MatchingSettings())
    inputs = family.prepare(pair())
    first = runtime(inputs)["pixels"]
    other = {**inputs, "image": np.ascontiguousarray(inputs["image"][:, :, ::-1])}
    assert not torch.equal(runtime(other)["pixels"], first)
    assert torch.equal(runtime(inputs)["pixels"], first)


def test_no_batch_norm_is_left() -> None:
    assert not any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in folded(lived_in(TINY)).modules())
