# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What can be said of the TensorRT runtime where there is no TensorRT: its parts can be exported and hold no operator
that it lacks; with a stand-in for the call that compiles, engines are built, checked, kept, and left alone when bad."""

import importlib.util
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.networks import TINY, lived_in, one_pass, pair, prepared, street, whole_inputs
from torch import Tensor
from torch.export import ExportedProgram

from i2p_ros.core.config import MatchingSettings
from i2p_ros.core.errors import MissingPackageError
from i2p_ros.families.vp2p import VP2P
from i2p_ros.families.vp2p.settings import SIZES
from i2p_ros.networks.base import Part
from i2p_ros.networks.folding import folded
from i2p_ros.networks.parts import arguments_of_parts
from i2p_ros.runtime.engines import EngineCache
from i2p_ros.runtime.tensorrt import TensorrtRuntime, TorchTensorrt, exported
from i2p_ros.runtime.torch_runtime import TorchRuntime

CONVERTED = {
    "add", "addmm", "cat", "convolution", "permute", "relu", "sym_size", "unsqueeze", "upsample_bilinear2d", "view",
}  # fmt: skip  # by torch-tensorrt 2.11, of what is used here; far from all that it converts


class StandIn:
    """Keeps the exported program itself. `spoil` changes what an engine answers."""

    def __init__(self, version: str = "1", spoil: Any = None) -> None:
        self.version, self.spoil, self.built = version, spoil, 0

    def versions(self) -> dict[str, str]:
        return {"tensorrt": self.version}

    def build(self, program: ExportedProgram, arguments: tuple[Tensor, ...], dynamic: bool) -> bytes:
        self.built += 1
        out = io.BytesIO()
        torch.export.save(program, out)
        return out.getvalue()

    def load(self, engine: bytes) -> Part:
        module = torch.export.load(io.BytesIO(engine)).module()
        return module if self.spoil is None else lambda *arguments: self.spoil(module(*arguments))


def runtime(folder: Path, compiler: Any) -> TensorrtRuntime:
    inner = TorchRuntime(lived_in(TINY), "cpu")
    return TensorrtRuntime(inner, compiler, EngineCache(folder / "engines"), "weights", torch.float32)


def operators(program: ExportedProgram) -> set[str]:
    """Names of those that are left after decomposition."""
    targets = (node.target for node in program.run_decompositions().graph.nodes)
    return {t.overloadpacket.__name__ for t in targets if isinstance(t, torch._ops.OpOverload)}


class Does(torch.nn.Module):
    """One thing."""

    def __init__(self, what: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.what = what

    def forward(self, x: Tensor) -> Tensor:
        return self.what(x)


@pytest.mark.parametrize(
    "what",
    [
        torch.linalg.svdvals,
        lambda x: torch.linalg.solve(x, x),
        lambda x: torch.searchsorted(x[0], x),
        lambda x: x.argsort(),
        lambda x: x.topk(2).values,
        lambda x: x.scatter_reduce(0, torch.zeros(4, 4, dtype=torch.long), x, "amax"),
        lambda x: x.index_add(0, torch.zeros(4, dtype=torch.long), x),
        lambda x: torch.cdist(x, x),
        torch.nonzero,
    ],
)
def test_an_operator_that_tensorrt_lacks_is_found(what: Callable[[Tensor], Tensor]) -> None:
    assert not operators(torch.export.export(Does(what), (torch.randn(4, 4),))) <= CONVERTED


@pytest.mark.parametrize("size", ["small", "base"])
def test_every_part_exports_without_operators_that_tensorrt_lacks(size: str) -> None:
    family = VP2P(SIZES[size], MatchingSettings())
    network = folded(family.network())
    arguments = arguments_of_parts(network, whole_inputs(pair(620, 188, street(20000)), family=family))
    for name, part in network.dense_parts().items():
        half = tuple(a.half() for a in arguments[name])
        program = exported(part, half, dynamic=name in network.dynamic_parts)
        used = operators(program)
        assert used and used <= CONVERTED
        assert all(p.dtype == torch.half for p in program.state_dict.values())


def test_the_head_of_points_takes_any_number_of_them() -> None:
    network = folded(lived_in(TINY))
    part = network.dense_parts()["point_descriptor"]
    (given,) = arguments_of_parts(network, whole_inputs(pair()))["point_descriptor"]
    program = exported(part, (given,), dynamic=True).module()
    for n in (16, 100, 5000):
        x = torch.randn(1, n, given.shape[2])
        torch.testing.assert_close(program(x), part(x))


def test_pytorch_serves_until_the_engines_are_there(tmp_path: Path) -> None:
    made = runtime(tmp_path, StandIn())
    assert "wait for the first pair" in made.describe()
    first = one_pass(made, pair())
    made.wait()
    assert "by TensorRT" in made.describe() and "decode built" in made.describe()
    for name, value in one_pass(made, pair()).items():
        torch.testing.assert_close(value, first[name], atol=1e-5, rtol=0)


def test_reasons_for_the_choice_come_last(tmp_path: Path) -> None:
    inner, cache = TorchRuntime(lived_in(TINY), "cpu"), EngineCache(tmp_path / "engines")
    made = TensorrtRuntime(inner, StandIn(), cache, "weights", why=["not spconv: one", "two"])
    assert made.describe() == f"{inner.describe()}; engines wait for the first pair; not spconv: one; two"


def test_engines_are_kept_for_the_next_start(tmp_path: Path) -> None:
    for compiler, how in ((StandIn(), "built"), (StandIn(), "loaded"), (StandIn("2"), "built")):
        made = runtime(tmp_path, compiler)
        one_pass(made, pair())
        made.wait()
        assert f"encode {how}" in made.describe() and compiler.built == (0 if how == "loaded" else 4)


def test_images_of_another_shape_get_engines_of_their_own(tmp_path: Path) -> None:
    compiler = StandIn()
    made = runtime(tmp_path, compiler)
    for given in (pair(), pair(96, 96), pair()):
        one_pass(made, given)
        made.wait()
        assert "by TensorRT" in made.describe()
    assert 4 < compiler.built <= 8


def test_a_swap_between_two_passes_encodes_the_image_again(tmp_path: Path) -> None:
    encoded: list[int] = []

    def counted(out: Any) -> Any:
        encoded.extend([1] if isinstance(out, tuple) else [])  # maps of the image
        return out

    made, (scene, inputs) = runtime(tmp_path, StandIn(spoil=counted)), prepared(pair())
    passes = made.open(scene.shared)
    first = passes(inputs)
    made.wait()
    assert "by TensorRT" in made.describe()
    encoded.clear()  # of the comparison with PyTorch
    for _ in range(2):
        for name, value in passes(inputs).items():
            torch.testing.assert_close(value, first[name], atol=1e-5, rtol=0)
        assert len(encoded) == 1, "once by the new network, and not again"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda out: tuple(-t for t in out) if isinstance(out, tuple) else -out, "unlike"),
        (lambda out: tuple(t * float("nan") for t in out) if isinstance(out, tuple) else out, "unlike"),
    ],
)
def test_an_engine_that_says_something_else_is_refused(tmp_path: Path, spoil: Any, says: str) -> None:
    made = runtime(tmp_path, StandIn(spoil=spoil))
    first = one_pass(made, pair())
    made.wait()
    assert says in made.describe() and "no TensorRT engines" in made.describe()
    assert all(torch.equal(value, first[name]) for name, value in one_pass(made, pair()).items())


class Broken(StandIn):
    def build(self, program: ExportedProgram, arguments: tuple[Tensor, ...], dynamic: bool) -> bytes:
        raise RuntimeError("kernel library not found\nmore")


def test_a_compiler_that_fails_leaves_pytorch_serving(tmp_path: Path) -> None:
    made = runtime(tmp_path, Broken())
    one_pass(made, pair())
    made.wait()
    assert "no TensorRT engines: RuntimeError: kernel library not found" in made.describe()
    assert "\n" not in made.describe() and set(one_pass(made, pair())) == {"pixels", "points"}


def test_row_47_a_corrupt_engine_is_built_again(tmp_path: Path) -> None:
    made = runtime(tmp_path, StandIn())
    one_pass(made, pair())
    made.wait()
    for path in (tmp_path / "engines").glob("*.engine"):
        path.write_bytes(path.read_bytes()[:-100])
    compiler = StandIn()
    made = runtime(tmp_path, compiler)
    one_pass(made, pair())
    made.wait()
    assert "by TensorRT" in made.describe() and compiler.built == 4


@pytest.mark.skipif(importlib.util.find_spec("torch_tensorrt") is not None, reason="torch_tensorrt is installed")
def test_without_torch_tensorrt_one_line_says_so() -> None:
    with pytest.raises(MissingPackageError, match="torch_tensorrt cannot be imported") as caught:
        TorchTensorrt()
    assert "\n" not in str(caught.value)
