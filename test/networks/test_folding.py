# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A folded network answers as the trained one, to 1e-4, and leaves that one alone."""

import numpy as np
import pytest
import torch
from helpers.networks import GUESS, TINY, lived_in, one_pass, pair, street
from torch import nn

from i2p_ros.core.config import MatchingSettings
from i2p_ros.families.vp2p import VP2P
from i2p_ros.families.vp2p.settings import SIZES, VP2PSettings
from i2p_ros.networks.base import batched
from i2p_ros.networks.folding import folded
from i2p_ros.runtime.torch_runtime import TorchRuntime


@pytest.mark.parametrize("settings", [TINY, SIZES["small"]], ids=["tiny", "small"])
@pytest.mark.parametrize("branches", [1, 2])
def test_the_runtime_answers_as_the_network(settings: VP2PSettings, branches: int) -> None:
    network = lived_in(settings)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    runtime, family = TorchRuntime(network, "cpu", branches=branches), VP2P(settings, MatchingSettings())
    given = pair(cloud=street(20000))
    scene = family.prepare(given)
    passes = runtime.open(scene.shared)
    for guess in (None, GUESS):  # the second pass uses the image features of the first
        inputs = family.inputs(scene, guess)
        with torch.no_grad():
            expected = network(**batched({**scene.shared, **inputs}))
        answer = passes(inputs)
        assert set(answer) == {"pixels", "points"}  # scores are for learning
        for name, value in answer.items():
            torch.testing.assert_close(value, expected[name], atol=1e-4, rtol=0)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_another_image_is_looked_at() -> None:
    runtime, family, given = TorchRuntime(lived_in(TINY), "cpu"), VP2P(TINY, MatchingSettings()), pair()
    scene = family.prepare(given)
    inputs, first = family.inputs(scene), one_pass(runtime, given)["pixels"]
    other = {"image": np.ascontiguousarray(scene.shared["image"][:, :, ::-1])}
    assert not torch.equal(runtime.open(other)(inputs)["pixels"], first)
    assert torch.equal(runtime.open(scene.shared)(inputs)["pixels"], first)


def test_no_batch_norm_is_left() -> None:
    assert not any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in folded(lived_in(TINY)).modules())
