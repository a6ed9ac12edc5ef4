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

import numpy as np

from i2p_ros.alignment.pair_signals import PairSignals
from i2p_ros.families.base import Family

Formula = Callable[..., tuple[float, float]]  # operations and bytes

FLOP_SIMILARITY, BYTE_SIMILARITY = 40, 16  # of a point at a pose: transformed, projected, four similarities blended
FLOP_PROJECTED = 24  # of a point at a drift: transformed and projected
FLOP_SIGNAL = 23  # of a signal of a point at a drift: blended from four pixels, and regressed
FLOP_LINEARIZED = 150  # the same with the derivatives: seven rows, their products with each other and with the basis

COSTS: dict[str, Formula] = {
    "i2p_ros.bench.inputs:MessagePair._pair": lambda self, result: (
        0, len(self.image.data) + len(self.cloud.data) + _bytes_of(result)
    ),
    "i2p_ros.families.base:Family.prepare": lambda pair, result: (
        0, pair.image.nbytes + pair.cloud.xyz.nbytes + _bytes_of_arrays(result.shared)
    ),
    "i2p_ros.search.likelihood:DescriptorLikelihood._mean_similarities": lambda rows, projections: (
        FLOP_SIMILARITY * len(rows) * projections.shape[1], BYTE_SIMILARITY * len(rows) * projections.shape[1]
    ),
    "i2p_ros.alignment.mutual_information:information_terms": lambda pair, sides: _of_alignment(
        pair, len(pair.cloud), FLOP_LINEARIZED
    ),
    "i2p_ros.alignment.mutual_information:information": lambda pair, drifts, bounds, sides: _of_alignment(
        pair, len(drifts) * int(np.diff(bounds).sum()), FLOP_SIGNAL
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
            found = pkgutil.resolve_name(function)
            code: CodeType = inspect.unwrap(found).__code__
        except (ImportError, AttributeError) as error:
            raise LookupError(f"bench/costs.py counts {function}, but there is no such function: {error}") from error
        return Cost.of_code(code, function, formula)

    @staticmethod
    def of_code(code: CodeType, function: str, formula: Formula) -> Cost:
        """Cost of a function by its code; raises LookupError if it lacks a local variable that the formula needs."""
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


def _of_alignment(pair: PairSignals, points: int, flop_signal: int) -> tuple[float, float]:
    """Operations on so many points, each at one drift, and the bytes that are read: points and basis of the pair."""
    flop = points * (FLOP_PROJECTED + flop_signal * len(pair.pyramid.signals))
    return flop, pair.cloud.rays.nbytes + pair.cloud.basis.nbytes


def costs(family: Family[Any]) -> list[Cost]:
    """Cost of each function of the table, and of the inputs that this family makes of a scene."""
    inputs = type(family).inputs
    found = [Cost.of(function, formula) for function, formula in COSTS.items()]
    return [*found, Cost.of_code(inputs.__code__, inputs.__qualname__, _of_inputs)]


def _of_inputs(scene: Any, result: Any) -> tuple[float, float]:
    return 0, scene.pair.cloud.xyz.nbytes + _bytes_of_arrays(result)


def _bytes_of_arrays(arrays: Mapping[str, Any]) -> int:
    return sum(int(array.nbytes) for array in arrays.values())


def _bytes_of(pair: Any) -> int:
    intensity = 0 if pair.cloud.intensity is None else pair.cloud.intensity.nbytes
    return int(pair.image.nbytes + pair.cloud.xyz.nbytes + intensity)
