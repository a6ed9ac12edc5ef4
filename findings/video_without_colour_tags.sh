#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Colours of an H.264 stream of 1280 x 720 that does not say its matrix. Pictures of this size are usually BT.709, and
# players such as mpv take BT.709 for untagged ones.
#
# Expected: PyAV converts to RGB by BT.709, as for a stream that is tagged so.
# Seen in PyAV 18.1.0: by BT.601, whatever the size. A red of (200, 30, 30) becomes (185, 11, 31), a green of (30, 200,
# 30) becomes (42, 228, 34). Greys are right, so that nobody sees it in a grey scene.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import Colorspace

WIDTH, HEIGHT = 1280, 720


def encoded(images: list[np.ndarray], space: Colorspace) -> list[bytes]:
    """H.264 packets, one for each picture, with one keyframe and without tags of colour."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = WIDTH, HEIGHT, "yuv420p", Fraction(1, 10)
    codec.options = {"crf": "10", "tune": "zerolatency", "x264-params": "keyint=30:bframes=0"}
    packets = []
    for image in images:
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        packets += codec.encode(frame.reformat(format="yuv420p", dst_colorspace=space))
    return [bytes(packet) for packet in (*packets, *codec.encode(None))]


def decoded(packets: list[bytes]) -> list[av.VideoFrame]:
    codec = av.CodecContext.create("h264", "r")
    frames = [frame for packet in packets for frame in codec.decode(av.Packet(packet))]
    return [*frames, *codec.decode(None)]


colours = [(200, 30, 30), (30, 200, 30), (128, 128, 128)]
image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
for k, colour in enumerate(colours):
    image[:, k * WIDTH // 3 : (k + 1) * WIDTH // 3] = colour
off = {}
for space in (Colorspace.ITU601, Colorspace.ITU709):
    rgb = decoded(encoded([image], space))[0].to_ndarray(format="rgb24")
    seen = [rgb[HEIGHT // 2, k * WIDTH // 3 + WIDTH // 6].tolist() for k in range(3)]
    off[space.name] = [int(np.abs(np.subtract(a, b)).max()) for a, b in zip(seen, colours, strict=True)]
    print(av.__version__, "encoded by", space.name, "decoded", seen)
assert max(off["ITU601"]) <= 3 and off["ITU709"][0] > 15 and off["ITU709"][1] > 20, "the behaviour has changed"
assert off["ITU709"][2] <= 3, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"
