#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Times in nanoseconds, as ROS stamps them, read back from a table of pyarrow.
#
# Expected: Table.to_pylist() gives the values, as integers or rounded to what datetime holds, and gives the same types
# whether or not another package is installed.
# Seen in pyarrow 26.0.1: a timestamp[ns] of a whole microsecond becomes a datetime. One nanosecond more raises
# ValueError, which names pandas. With pandas installed the same call gives pandas.Timestamp for both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import sys

import pyarrow as pa


def read(nanoseconds):
    times = pa.array([nanoseconds], pa.int64()).cast(pa.timestamp("ns", tz="UTC"))
    try:
        return type(pa.table({"time": times}).to_pylist()[0]["time"]).__module__.split(".")[0]
    except ValueError as error:
        return "ValueError, pandas is named" if "pandas" in str(error) else str(error)


whole, odd = read(1_700_000_000_000_001_000), read(1_700_000_000_000_001_001)
print("pandas installed:", sys.argv[1], "| whole microsecond:", whole, "| one nanosecond more:", odd)
expected = ("pandas", "pandas") if sys.argv[1] == "yes" else ("datetime", "ValueError, pandas is named")
assert (whole, odd) == expected, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyarrow==26.0.1 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py" no
"$folder/venv/bin/pip" install --quiet pandas==3.1.1 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py" yes
