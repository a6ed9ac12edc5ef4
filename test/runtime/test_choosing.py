# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What runs is chosen by what is there and by races, and every choice is told."""

from pathlib import Path

import pytest
import torch
from helpers.networks import TINY, lived_in, one_pass, pair

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import MissingPackageError
from i2p_ros.families.vp2p.network import VP2PNetwork
from i2p_ros.runtime import choosing
from i2p_ros.runtime.choosing import runtime_for, with_spconv
from i2p_ros.runtime.torch_runtime import TorchRuntime


def chosen(**settings: str) -> choosing.Runtime:
    return runtime_for(lived_in(TINY), Settings.model_validate({"device": "cpu", **settings}))


def test_on_a_cpu_pytorch_runs_and_says_why_nothing_better_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "_flags", lambda: {"avx2"})
    says = chosen().describe()
    assert says.startswith("torch") and "float32" in says and "\n" not in says
    assert "not TensorRT: TensorRT needs a CUDA device" in says and "not bf16: the CPU has no instructions" in says
    assert "TensorRT" not in chosen(backend="torch").describe()


def test_tensorrt_that_is_asked_for_in_vain_is_an_error() -> None:
    with pytest.raises(MissingPackageError, match="use backend=auto"):
        chosen(backend="tensorrt")


def test_bf16_answers_alike_when_asked_for() -> None:
    plain, half = (chosen(precision=precision) for precision in ("float32", "bf16"))
    assert "bfloat16" in half.describe()
    for name, value in one_pass(plain, pair()).items():
        other = one_pass(half, pair())[name]
        assert other.dtype == torch.bfloat16
        other = other.float()
        alike = torch.nn.functional.cosine_similarity(value.flatten(), other.flatten(), dim=0)
        assert 0.995 < alike < 1.0


def test_where_flags_allow_a_race_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "_flags", lambda: {"avx512_bf16"})
    for times, precision in (([2.0, 1.0], "bfloat16"), ([1.0, 2.0], "float32")):
        monkeypatch.setattr(choosing, "raced_s", lambda runs, device, times=times: times)
        monkeypatch.setattr(choosing, "ALIKE", 0.99)
        says = chosen().describe()
        assert f", {precision} (" in says and "against" in says


def test_the_quickest_that_says_something_else_loses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "_flags", lambda: {"avx512_bf16"})
    monkeypatch.setattr(choosing, "raced_s", lambda runs, device: [1.0, 1.0])
    monkeypatch.setattr(choosing, "ALIKE", 1.1)
    assert "not bfloat16" in chosen().describe()


def test_the_flags_of_this_cpu_are_read() -> None:
    assert Path("/proc/cpuinfo").exists() is bool(choosing._flags())


def test_spconv_says_the_same_with_the_same_weights() -> None:
    pytest.importorskip("spconv.pytorch", reason="spconv is not installed")
    torch.set_num_threads(1)  # with more, its kernels for the CPU write over one another
    network = lived_in(TINY)
    other = network.with_spconv(half=False)
    one, two = (choosing._outputs(n, network.example()) for n in (network, other))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=1e-5, rtol=0)
    for name, value in one_pass(TorchRuntime(network, "cpu"), pair()).items():
        torch.testing.assert_close(one_pass(TorchRuntime(other, "cpu"), pair())[name], value, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("scale", "times", "wins"), [(1.0, (2, 1), True), (1.0, (1, 2), False), (1.5, (2, 1), False)])
def test_a_sparse_back_end_must_be_right_and_quicker(
    scale: float, times: tuple[int, int], wins: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, other = lived_in(TINY), lived_in(TINY)
    with torch.no_grad():
        for parameter in other.voxel.parameters():
            parameter.mul_(scale)
    monkeypatch.setattr(VP2PNetwork, "with_spconv", lambda *_: other)
    monkeypatch.setattr(choosing, "raced_s", lambda runs, device: [*map(float, times)])
    why: list[str] = []
    assert (with_spconv(network, False, why) is other) is wins
    assert len(why) == 1 and why[0].startswith("spconv" if wins else "not spconv") and "difference" in why[0]


def test_without_spconv_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object) -> None:
        raise ImportError("No module named 'spconv'")

    monkeypatch.setattr(VP2PNetwork, "with_spconv", absent)
    network, why = lived_in(TINY), list[str]()
    assert with_spconv(network, False, why) is network
    assert why == ["not spconv: ImportError: No module named 'spconv'"]
