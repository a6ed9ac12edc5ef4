#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A video of a camera at 10 Hz that lost three of 20 pictures, and one that paused for 2 s after ten pictures, read with
# imageio in the way of its documentation, imread and imiter. All pictures are in the files, with the right times.
#
# Expected: the pictures of the file, 17 and 20, which pair with as many stamps in a log.
# Seen in imageio 2.38.1 with imageio-ffmpeg 0.8.1, its default for .mp4 and .mkv, also where PyAV is installed: ffmpeg
# brings the video to a constant rate. Of the first file one reads 20 pictures: each lost one is replaced by a copy. So
# their number is that of a camera that lost nothing, and the stamps of a log that has 17 go to other pictures, up to
# 0.3 s off. Of the second file one reads 40 pictures. If it was encoded with B-frames, as x264 does unless told
# otherwise, there are 51 in the .mp4, and the nine last pictures of the file are not among them.
# count_frames_and_secs of imageio-ffmpeg says 17 and 20. There is no warning. The documentation says that files are
# read at their native rate. The plugin "pyav" of imageio gives the pictures of the file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import sys
from fractions import Fraction
from importlib.metadata import version

import av
import imageio.v3 as imageio
import numpy as np
from imageio_ffmpeg import count_frames_and_secs

MILLISECOND = Fraction(1, 1000)
LOST = [100 * i for i in range(20) if i not in (5, 6, 11)]
PAUSE = [100 * i for i in range(10)] + [3000 + 100 * i for i in range(10)]


def write(path: str, stamps: list[int], b_frames: bool) -> None:
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=10, options={} if b_frames else {"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.time_base = stream.codec_context.time_base = MILLISECOND
        for i, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(np.full((240, 320, 3), 10 * i, np.uint8))
            frame.pts, frame.time_base = stamp, MILLISECOND
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def pictures(path: str, **plugin: str) -> list[int]:  # each picture is grey, and 10 times its number
    return [round(float(picture.mean()) / 10) for picture in imageio.imiter(path, **plugin)]


print({name: version(name) for name in ("imageio", "imageio-ffmpeg", "av")})
for name, stamps, b_frames, expected in (
    ("lost.mp4", LOST, False, 20),
    ("lost.mkv", LOST, False, 20),
    ("pause.mp4", PAUSE, False, 40),
    ("pause.mkv", PAUSE, False, 40),
    ("pause_b.mp4", PAUSE, True, 51),
    ("even.mp4", list(range(0, 2000, 100)), True, 20),
):
    path = f"{sys.argv[1]}/{name}"
    write(path, stamps, b_frames)
    with av.open(path) as container:
        times = [round(1000 * frame.time) for frame in container.decode(video=0)]
    found, exact = pictures(path), pictures(path, plugin="pyav")
    print(f"  {name}: {len(stamps)} pictures in the file, {len(found)} read:", *found)
    assert np.abs(np.array(times) - stamps).max() <= 1 and exact == list(range(len(stamps))), "the file is another"
    assert count_frames_and_secs(path)[0] == len(stamps), "the behaviour has changed"
    assert len(found) == expected and (found[-1] == 10) == b_frames * (stamps == PAUSE), "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet imageio==2.38.1 imageio-ffmpeg==0.8.1 av==18.1.0 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py" "$folder"
