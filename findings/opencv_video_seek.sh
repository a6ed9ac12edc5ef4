#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A camera of 10 Hz was paused for 2 seconds. Its 40 pictures lie in an .mp4 and an .mkv with their own times. PyAV gives
# these, and so does cv2.VideoCapture if it reads one picture after the other. All are key frames.
#
# Expected: set(CAP_PROP_POS_MSEC, t) leads to the picture of time t, and set(CAP_PROP_POS_FRAMES, i) to picture i.
# Seen in OpenCV 4.13.0 and 5.0.0: both count in steps of the mean rate, 6.67 Hz in the .mp4. 1900 ms leads to the
# picture of 1300 ms, 4000 ms to that of 5200 ms, frame 20 to frame 22, and frame 39, the last, to none. set returns
# True. CAP_PROP_POS_MSEC after read gives the true time of the wrong picture. In the .mkv, which states the rate of the
# camera, 1900 ms is right and 4000 ms leads to none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

TIMES = [*range(0, 2000, 100), *range(4000, 6000, 100)]  # ms
MILLISECOND = Fraction(1, 1000)


def write(path: str, codec: str) -> None:
    with av.open(path, "w") as file:
        stream = file.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", 1
        stream.codec_context.time_base = MILLISECOND
        for index, time in enumerate(TIMES):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), index * 6, np.uint8), format="rgb24")
            frame.pts, frame.time_base = time, MILLISECOND
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


def at(path: str, key: int, value: float) -> int | None:
    video = cv2.VideoCapture(path)
    assert video.set(key, value)
    is_read, picture = video.read()
    return round(picture.mean() / 6) if is_read else None


def sequence(path: str) -> list[int]:
    video, times = cv2.VideoCapture(path), []
    while video.read()[0]:
        times.append(round(video.get(cv2.CAP_PROP_POS_MSEC)))
    return times


found = {}
for name, codec in (("mp4", "mpeg4"), ("mkv", "ffv1")):
    path = str(Path(tempfile.mkdtemp()) / f"video.{name}")
    write(path, codec)
    with av.open(path) as file:
        assert [round(frame.time * 1000) for frame in file.decode(video=0)] == TIMES == sequence(path)
    reached = [at(path, cv2.CAP_PROP_POS_MSEC, time) for time in (0, 1900, 4000)]
    frames = [at(path, cv2.CAP_PROP_POS_FRAMES, index) for index in (5, 20, 39)]
    found[name] = [None if index is None else TIMES[index] for index in reached], frames
print("OpenCV", cv2.__version__, "ms of the pictures at 0, 1900, 4000 ms; pictures at frames 5, 20, 39:", found)
assert found["mp4"] == ([0, 1300, 5200], [5, 22, None]), "the behaviour has changed"
assert found["mkv"] == ([0, 1900, None], [5, 20, 39]), "the behaviour has changed"
PYTHON
for version in 4.13.0.92 5.0.0.93; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet "opencv-python-headless==$version" av==18.1.0 numpy==2.4.6 \
        2>/dev/null
    OPENCV_FFMPEG_LOGLEVEL=-8 "$folder/$version/bin/python" "$folder/run.py"
done
