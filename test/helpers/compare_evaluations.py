# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Comparison of two JSON files of `i2p evaluate`: python compare_evaluations.py OLD.json NEW.json

Prints how many rows are equal to the last bit, times aside, and the largest difference of each number that is not.
Exit code 1 where rows differ.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TIMES = ("latency_ms", "stages_ms")  # numbers that no two runs share


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of everything in a row but times."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in TIMES:
                yield from leaves(inner, f"{name}.{key}".strip("."))
    elif isinstance(value, list):
        for k, inner in enumerate(value):
            yield from leaves(inner, f"{name}[{k}]")
    else:
        yield name, value


def differences(old: dict[str, Any], new: dict[str, Any]) -> dict[str, float]:
    """Names of what differs between two rows, with the size of the difference; inf where it is not one of numbers."""
    before, after = dict(leaves(old)), dict(leaves(new))
    found = {}
    for name in before.keys() | after.keys():
        a, b = before.get(name), after.get(name)
        if a != b:
            numbers = all(isinstance(v, int | float) for v in (a, b))
            found[name] = abs(a - b) if numbers else float("inf")
    return found


def compare(old: Path, new: Path) -> int:
    """The number of rows that differ; prints the result."""
    before, after = (json.loads(path.read_text())["rows"] for path in (old, new))
    if len(before) != len(after):
        print(f"{old.name}: {len(before)} rows before, {len(after)} after")
        return max(len(before), len(after))
    found = [differences(*rows) for rows in zip(before, after, strict=True)]
    unequal = [one for one in found if one]
    print(f"{old.name}: {len(found) - len(unequal)} of {len(found)} rows are bit-equal")
    for name in sorted({name for one in unequal for name in one}):
        print(f"  {name}: largest difference {max(one.get(name, 0.0) for one in unequal):.3g}")
    return len(unequal)


if __name__ == "__main__":
    sys.exit(bool(compare(Path(sys.argv[1]), Path(sys.argv[2]))))
