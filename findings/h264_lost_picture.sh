#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A picture of an H.264 stream is lost, as on a topic with best-effort delivery, and the ones after it refer to it. Each
# packet that arrives is whole.
#
# Expected: the decoder flags the following pictures as corrupt, or gives none until the next keyframe.
# Seen in PyAV 18.1.0 (libavcodec 62.28): it gives every picture, none of them flagged (`is_corrupt` is False), without
# an exception. Some are 40 grey levels off on average. Only the numbers in the slice headers (frame_num) show the gap.
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


rng = np.random.default_rng(0)
texture = rng.integers(0, 255, (HEIGHT // 8 + 60, WIDTH // 8 + 60, 3)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
images = [np.roll(texture, (i * 3, i * 5), (0, 1))[:HEIGHT, :WIDTH] for i in range(8)]
packets = encoded(images, Colorspace.ITU601)
whole, lossy = decoded(packets), decoded(packets[:2] + packets[3:])
grey = [[frame.to_ndarray(format="gray").astype(int) for frame in frames] for frames in (whole[3:], lossy[2:])]
off = [round(float(np.abs(a - b).mean()), 1) for a, b in zip(*grey, strict=True)]
print(av.__version__, "frames:", len(lossy), "flagged:", sum(f.is_corrupt for f in lossy), "grey levels off:", off)
assert len(packets) == 8 and len(lossy) == 7 and not any(frame.is_corrupt for frame in lossy), "it has changed"
assert max(off) > 20, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"
