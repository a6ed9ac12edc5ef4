# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The passes over a scene share its image, and threads with passes of their own do not disturb each other."""

from concurrent.futures import ThreadPoolExecutor
from threading import current_thread

import numpy as np
import pytest
import torch
from helpers.networks import FAMILY, GUESS, TINY, lived_in, pair, prepared, street

from i2p_ros.core.both import Lazy
from i2p_ros.networks.base import Tensors, batched
from i2p_ros.runtime.torch_runtime import TorchRuntime

PAIRS = [pair(cloud=street(4000, seed)) for seed in range(2)]
MIRRORED = [pair(96, 96, street(4000, seed)) for seed in range(2)]  # of another shape


def three_passes(runtime: TorchRuntime, which: int) -> list[Tensors]:
    """Over a pair, near a guess, and over another pair in between."""
    scene, inputs = prepared(PAIRS[which])
    other, other_inputs = prepared(MIRRORED[which])
    passes, others = runtime.open(scene.shared), runtime.open(other.shared)
    return [passes(inputs), others(other_inputs), passes(FAMILY.inputs(scene, GUESS))]


@pytest.mark.parametrize("branches", [1, 2])
def test_threads_get_what_each_gets_alone(branches: int) -> None:
    runtime = TorchRuntime(lived_in(TINY), "cpu", branches=branches)
    alone = [three_passes(runtime, which) for which in range(2)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda which: three_passes(runtime, which), [0, 1] * 8))
    for k, answers in enumerate(together):
        for one, other in zip(alone[k % 2], answers, strict=True):
            assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_image_is_encoded_once_for_all_passes_over_a_scene(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime, encoded = TorchRuntime(lived_in(TINY), "cpu"), list[str]()
    encode = type(runtime.network).encode_shared
    monkeypatch.setattr(
        type(runtime.network), "encode_shared", lambda self, shared: encoded.append("x") or encode(self, shared)
    )
    scene, inputs = prepared(pair())
    passes = runtime.open(scene.shared)
    assert encoded == [], "not before it is needed"
    first, second = passes(inputs), passes(inputs)
    assert len(encoded) == 1 and all(torch.equal(first[name], second[name]) for name in first)


def test_a_pass_that_fails_in_the_image_can_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime, (scene, inputs) = TorchRuntime(lived_in(TINY), "cpu"), prepared(pair())
    passes, expected = runtime.open(scene.shared), runtime.open(scene.shared)(inputs)
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="memory"):

        def full(*_: object) -> None:
            raise RuntimeError("out of memory")

        patch.setattr(type(runtime.network), "encode_image", full)
        passes(inputs)
    again = passes(inputs)
    assert all(torch.equal(expected[name], again[name]) for name in expected)


def test_signals_are_those_of_the_network() -> None:
    network, (scene, _) = lived_in(TINY), prepared(pair())
    with torch.no_grad():
        shared = batched(scene.shared)
        expected = network.signals(Lazy(lambda: network.encode_shared(shared)), shared)[0].numpy()
    np.testing.assert_allclose(TorchRuntime(network, "cpu").open(scene.shared).signals(), expected, atol=1e-2)


def test_branches_inside_others_run_in_turn() -> None:
    both = TorchRuntime(lived_in(TINY), "cpu", branches=2).both

    def inside() -> tuple[str, str]:
        return both(lambda: current_thread().name, lambda: current_thread().name)

    alone = inside()
    assert alone[0] != alone[1]
    for one, other in both(inside, inside):
        assert one == other
    assert inside() == alone
