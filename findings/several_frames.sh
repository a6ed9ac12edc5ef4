#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A recording that was compressed in several frames, one after the other, which the formats of Zstandard and LZ4
# allow: pzstd, cat a.zst b.zst and writers that append leave such files.
#
# Expected: all bytes, as from the programs zstd and lz4, and from Python's compression.zstd.
# Seen in zstandard 0.25.0 and lz4 4.4.5: ZstdDecompressor().decompress and read_to_iter, and lz4.frame.decompress
# return the first frame and say nothing of the rest. copy_stream, stream_reader(...).read() and open return all
# frames, so two functions of one library give different files. zstandard's decompress has an option
# read_across_frames, which is not implemented.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import io
from importlib.metadata import version

import lz4.frame
import zstandard
from backports import zstd

HALVES = [bytes([n]) * 100_000 for n in (1, 2)]
z, lz = (b"".join(map(compress, HALVES)) for compress in (zstandard.compress, lz4.frame.compress))
decompressor, copied = zstandard.ZstdDecompressor(), io.BytesIO()
decompressor.copy_stream(io.BytesIO(z), copied)
sizes = {
    "zstandard decompress": len(decompressor.decompress(z)),
    "zstandard read_to_iter": sum(map(len, decompressor.read_to_iter(io.BytesIO(z)))),
    "lz4.frame.decompress": len(lz4.frame.decompress(lz)),
    "zstandard copy_stream": len(copied.getvalue()),
    "zstandard stream_reader": len(decompressor.stream_reader(io.BytesIO(z)).read()),
    "zstandard open": len(zstandard.open(io.BytesIO(z), "rb").read()),
    "lz4.frame.open": len(lz4.frame.open(io.BytesIO(lz)).read()),
    "backports.zstd decompress": len(zstd.decompress(z)),
}
print("zstandard", version("zstandard"), "lz4", version("lz4"))
for name, size in sizes.items():
    print(f"  {name}: {size} of 200000 bytes")
assert list(sizes.values()) == [100_000] * 3 + [200_000] * 5, "the behaviour has changed"
try:
    decompressor.decompress(z, read_across_frames=True)
except zstandard.ZstdError as error:
    print("  read_across_frames:", error)
else:
    raise AssertionError("the behaviour has changed")
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet zstandard==0.25.0 lz4==4.4.5 backports.zstd==1.8.0 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"
