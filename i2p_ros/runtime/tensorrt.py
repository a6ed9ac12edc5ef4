# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The dense parts compiled by TensorRT in half precision; PyTorch serves until they are built, or if they are no good.

Engines are built in the background from the shapes of the first pair, compared with PyTorch on that pair, kept on disk,
and swapped in between two forward passes. Threads take turns with an engine.
"""

from __future__ import annotations

import copy
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from i2p_ros.core.errors import MissingPackageError, one_line
from i2p_ros.networks.base import Arrays, FamilyNetwork, Part, PassInputs, single_pass
from i2p_ros.networks.parts import arguments_of_parts
from i2p_ros.runtime.engines import EngineCache, key_of
from i2p_ros.runtime.torch_runtime import Passes, TorchPasses, TorchRuntime

SOURCE = 1  # version of the arithmetic of the parts: engines of another one are not used
ALIKE = 0.999  # least cosine similarity between an output with engines and the same by PyTorch
FEWEST_POINTS, MOST_POINTS = 16, 1 << 16
Shapes = dict[str, tuple[int, ...]]


class Compiler(Protocol):
    """Makes engines of exported programs, as bytes that can be kept."""

    def versions(self) -> dict[str, str]:
        """All that an engine depends on beside the program: GPU, driver and libraries."""
        ...

    def build(self, program: ExportedProgram, arguments: tuple[Tensor, ...], dynamic: bool) -> bytes:
        """The engine of a program for arguments of these shapes; `dynamic`: of any length on the second axis."""
        ...

    def load(self, engine: bytes) -> Part:
        """The engine as a function."""
        ...


class TorchTensorrt:
    """torch-tensorrt's dynamo front end. Raises MissingPackageError where it or TensorRT's libraries are not there."""

    def __init__(self) -> None:
        try:
            import torch_tensorrt
        except Exception as error:  # without libnvinfer it raises whatever its loader does
            what = f"torch_tensorrt cannot be imported: {type(error).__name__}: {one_line(error)}"
            raise MissingPackageError(what) from error
        self._library = torch_tensorrt

    def versions(self) -> dict[str, str]:
        """GPU, driver and libraries."""
        import tensorrt

        properties = torch.cuda.get_device_properties(0)
        return {
            "gpu": f"{properties.name} sm_{properties.major}{properties.minor}",
            "driver": _driver(),
            "torch": torch.__version__,
            "torch_tensorrt": self._library.__version__,
            "tensorrt": tensorrt.__version__,
        }

    def build(self, program: ExportedProgram, arguments: tuple[Tensor, ...], dynamic: bool) -> bytes:
        """The engine of a program, with strong typing: the program sets the precision of each step."""
        inputs = [self._any_number(a) if dynamic else a for a in arguments]
        with tempfile.TemporaryDirectory() as folder:  # made for us alone
            path = Path(folder) / "engine.ep"
            module = self._library.dynamo.compile(
                program, arg_inputs=inputs, use_explicit_typing=True, require_full_compilation=True,
                min_block_size=1, timing_cache_path=str(Path(folder) / "timing"),
            )  # fmt: skip
            self._library.save(module, str(path), arg_inputs=list(arguments))
            return path.read_bytes()

    def _any_number(self, argument: Tensor) -> Any:
        first, n, *rest = argument.shape
        least, most = (first, FEWEST_POINTS, *rest), (first, MOST_POINTS, *rest)
        shapes = {"min_shape": least, "opt_shape": (first, n, *rest), "max_shape": most}
        return self._library.Input(**shapes, dtype=argument.dtype)

    def load(self, engine: bytes) -> Part:
        """The engine's module, on the GPU that it was built on."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "engine.ep"
            path.write_bytes(engine)
            module: Part = self._library.load(str(path)).module()
            return module


def _driver() -> str:
    file = Path("/proc/driver/nvidia/version")
    return file.read_text().splitlines()[0] if file.exists() else "unknown"


class TensorrtRuntime:
    """PyTorch first, then TensorRT for the dense parts. `why` are reasons for this choice, for `describe`."""

    def __init__(
        self, inner: TorchRuntime, compiler: Compiler, cache: EngineCache, weights: str,
        dtype: torch.dtype = torch.half, why: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.device, self.threads, self.both, self._inner = inner.device, inner.threads, inner.both, inner
        self._compiler, self._cache, self._weights, self._dtype = compiler, cache, weights, dtype
        self._why = why
        self._plain = inner.plain
        self._turn = threading.Lock()
        self._shapes: Shapes | None = None  # of shared arrays, that engines are built or being built for
        self._compiled: FamilyNetwork | None = None  # for these shapes, once it is ready
        self._building: threading.Thread | None = None
        self._state = "engines wait for the first pair"

    def open(self, shared: Arrays) -> Passes:
        """Forward passes over the scene with these shared arrays. Each takes the engines for them if there are any."""
        shapes = {name: array.shape for name, array in shared.items()}
        return TorchPasses(
            lambda: self._network(shapes), shared, self.device, self.both,
            before=lambda inputs: self._build_for(shapes, shared, inputs),
        )  # fmt: skip

    def settle(self) -> None:
        """Wait until the device has finished. Only a clock needs this."""
        self._inner.settle()

    def wait(self) -> None:
        """Wait until engines are ready or have failed."""
        if self._building:
            self._building.join()

    def describe(self) -> str:
        """One line: what runs where, and why."""
        return "; ".join([self._inner.describe(), self._state, *self._why])

    def _network(self, shapes: Shapes) -> FamilyNetwork:
        """The compiled network for these shapes, or PyTorch's."""
        with self._turn:
            ready = self._compiled if shapes == self._shapes else None
        return ready or self._inner.network

    def _build_for(self, shapes: Shapes, shared: Arrays, inputs: Arrays) -> None:
        """Begin to build engines for shared arrays of other shapes than before. Until then PyTorch serves."""
        with self._turn:
            if shapes == self._shapes or (self._building and self._building.is_alive()):
                return
            self._shapes, self._compiled = shapes, None
            self._state = "TensorRT engines are being built"
            sample = PassInputs.of(shared, inputs, self.device)
            self._building = threading.Thread(target=self._build, args=(sample,), name="i2p-engines", daemon=True)
            self._building.start()

    def _build(self, sample: PassInputs) -> None:
        try:
            arguments = arguments_of_parts(self._plain, sample)
            engines, how = dict[str, Part](), list[str]()
            for name, part in self._plain.dense_parts().items():
                engines[name], made = self._engine(name, part, arguments[name])
                how.append(f"{name} {made}")
            network = self._plain.with_parts(engines)
            refuse_unlike(self._plain, network, sample)
        except Exception as error:  # whatever a compiler raises, PyTorch goes on
            self._state = f"no TensorRT engines: {type(error).__name__}: {one_line(error)}"
            return
        with self._turn:
            self._compiled = network
        self._state = f"dense parts by TensorRT in {self._dtype} ({', '.join(how)})"

    def _engine(self, name: str, part: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Part, str]:
        half, dynamic = tuple(a.to(self._dtype) for a in arguments), name in self._plain.dynamic_parts
        parts = {
            "part": name, "weights": self._weights, "shapes": [tuple(a.shape) for a in half],
            "precision": str(self._dtype), "source": SOURCE, **self._compiler.versions(),
        }  # fmt: skip
        engine, made = self._cache.get(
            key_of(parts),
            lambda: self._compiler.build(exported(part, half, dynamic), half, dynamic),
            self._compiler.load,
        )
        return _between_floats(engine, self._dtype), made


def exported(part: nn.Module, arguments: tuple[Tensor, ...], dynamic: bool = False) -> ExportedProgram:
    """The program of a part in the precision of its arguments; `dynamic`: for any length of their second axis."""
    any_number = {1: Dim("n", min=FEWEST_POINTS, max=MOST_POINTS)}
    shapes = tuple(any_number for _ in arguments) if dynamic else None
    typed = copy.deepcopy(part).to(arguments[0].dtype).eval()
    with torch.no_grad():
        return torch.export.export(typed, tuple(a.clone() for a in arguments), dynamic_shapes=shapes)


def _between_floats(engine: Part, dtype: torch.dtype) -> Part:
    """The engine with arguments and results in float32; threads take turns with it."""
    turn = threading.Lock()

    def part(*arguments: Tensor) -> Any:
        with turn:
            out = engine(*(a.to(dtype).contiguous() for a in arguments))
        return out.float() if isinstance(out, Tensor) else tuple(t.float() for t in out)

    return part


def refuse_unlike(plain: FamilyNetwork, other: FamilyNetwork, sample: PassInputs) -> None:
    """Raises ValueError when an output of another network differs from that of the plain one."""
    with torch.inference_mode():
        one, two = (single_pass(network, sample) for network in (plain, other))
    for name, value in one.items():
        cosine = F.cosine_similarity(value.flatten().float(), two[name].flatten().float(), dim=0)
        if not cosine >= ALIKE:
            raise ValueError(f"{name} are unlike PyTorch's: cosine {float(cosine):.4f}, at least {ALIKE} is asked for")
