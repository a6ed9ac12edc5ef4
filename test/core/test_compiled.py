# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the code of compiled functions on disk rests on: see i2p_ros.core.compiled."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

import i2p_ros
from i2p_ros.search.kernels import similarities_in_view

ROOT = Path(i2p_ros.__file__).parent
MODULES = [
    importlib.import_module(".".join(("i2p_ros", *path.relative_to(ROOT).with_suffix("").parts)))
    for path in sorted(ROOT.rglob("*.py"))
    if "from i2p_ros.core.compiled import" in path.read_text()
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_a_compiled_module_has_its_compiled_functions_itself_and_kernels_have_one_signature(module: ModuleType) -> None:
    compiled = {name: value for name, value in vars(module).items() if isinstance(value, Dispatcher)}
    kernels = [function for function in compiled.values() if function.stats.cache_path]
    assert kernels
    assert {function.py_func.__module__ for function in compiled.values()} == {module.__name__}
    assert [len(function.signatures) for function in kernels] == [1] * len(kernels)


def test_other_types_are_an_error() -> None:
    cells, points = np.zeros((5, 4), np.float64), np.zeros((5, 3), np.float32)
    with pytest.raises(TypeError, match="No matching definition"):
        similarities_in_view(cells, np.arange(5), points, np.zeros((12, 1), np.float32), 2, 2, 0.1)
