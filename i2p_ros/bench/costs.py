# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Operations of the functions that compute with numpy or OpenCV, and the bytes that they must read or write.

The functions know nothing of it. A formula is evaluated when its function returns. Its parameters are named as local
variables of the function, or `result` for what the function returns. A return before those variables are set costs
nothing.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

Formula = Callable[..., tuple[float, float]]  # operations and bytes

FLOP_SIMILARITY, BYTE_SIMILARITY = 40, 16  # of a point at a pose: transformed, projected, four similarities blended
FLOP_PROJECTED = 24  # of a point at a drift: transformed and projected
FLOP_SIGNAL = 23  # of a signal of a point at a drift: blended from four pixels, and regressed

COSTS: dict[str, Formula] = {
    "i2p_ros.bench.inputs:MessagePair._pair": lambda self, result: (
        0, len(self.image.data) + len(self.cloud.data) + _bytes_of(result)
    ),
    "i2p_ros.networks.vp2p:VP2P.scene": lambda pair, result: (
        0, pair.image.nbytes + result.image.nbytes + pair.cloud.xyz.nbytes
    ),
    "i2p_ros.networks.vp2p:VP2P.look": lambda scene, cloud: (0, scene.cloud.xyz.nbytes + cloud.xyz.nbytes),
    "i2p_ros.search.likelihood:DescriptorLikelihood._mean_similarities": lambda seen: (
        FLOP_SIMILARITY * seen.size, BYTE_SIMILARITY * seen.size
    ),
    "i2p_ros.alignment.signal:compared": lambda rows: (len(rows) * rows.size, rows.nbytes),
    "i2p_ros.alignment.signal:_information": lambda u, seen: (
        FLOP_PROJECTED * u.size + FLOP_SIGNAL * seen.size, 4 * (2 * u.size + seen.size)
    ),
}  # fmt: skip
"""Formula by "module:qualified name" of the function."""


@dataclass(frozen=True)
class Cost:
    """Cost of one function: `names` are the parameters of the formula."""

    code: CodeType
    names: tuple[str, ...]
    formula: Formula

    @staticmethod
    def of(function: str, formula: Formula) -> Cost:
        """Cost of the function "module:qualified name".

        Raises LookupError if there is no such function, or if it lacks a local variable that the formula needs.
        """
        try:
            found = inspect.unwrap(pkgutil.resolve_name(function))
            code: CodeType = found.__code__
        except (ImportError, AttributeError) as error:
            raise LookupError(f"bench/costs.py counts {function}, but there is no such function: {error}") from error
        names = tuple(inspect.signature(formula).parameters)
        missing = {*names} - {"result", *code.co_varnames, *code.co_cellvars}
        if missing:
            raise LookupError(f"bench/costs.py counts {function}, which has no local variable {sorted(missing)}")
        return Cost(code, names, formula)

    def work(self, variables: Mapping[str, Any], result: Any) -> tuple[float, float]:
        """Operations and bytes of one call, from its local variables and its result when it returned."""
        values = {**variables, "result": result}
        if any(values.get(name) is None for name in self.names):
            return 0.0, 0.0  # it returned early, or raised
        flop, byte = self.formula(*(values[name] for name in self.names))
        return float(flop), float(byte)


def costs(table: Mapping[str, Formula] = COSTS) -> list[Cost]:
    """Cost of each function of the table; raises LookupError as `Cost.of`."""
    return [Cost.of(function, formula) for function, formula in table.items()]


def _bytes_of(pair: Any) -> int:
    intensity = 0 if pair.cloud.intensity is None else pair.cloud.intensity.nbytes
    return int(pair.image.nbytes + pair.cloud.xyz.nbytes + intensity)
