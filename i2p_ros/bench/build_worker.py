# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The program of a process that times one build of this package. `against.py` starts it with the build's own Python.

It uses little of the package, and only what old builds have too. Its arguments are a file of pairs, a model
and settings. Each line of its input is the number of a pair. For each it prints a line of JSON: `ms` by the clock,
`cpu_ms` of all cores, `align_ms` of the alignment alone, and `pose`, whether there is one.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any


def main(file: str, model: str, settings: str) -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # other prints must not mix with the answers
    import numpy as np

    from i2p_ros.core.config import Settings
    from i2p_ros.localizer import load

    with np.load(file) as arrays:
        pairs = [messages(arrays, i) for i in range(len(arrays["cameras"]))]
    localizer = load(model, Settings(**json.loads(settings)))
    for _ in range(2):
        timed(localizer, *pairs[0])
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(timed(localizer, *pairs[int(line)])), file=answers, flush=True)


def messages(arrays: Any, i: int) -> tuple[Any, Any, Any]:
    """Image, cloud and camera of pair i: what `bench.inputs.MessagePair` holds, in the types of this build."""
    from types import SimpleNamespace

    from i2p_ros.core.camera import Camera

    image, cloud = arrays[f"image{i}"], arrays[f"cloud{i}"]
    fields = [
        SimpleNamespace(name=name, offset=4 * k, datatype=7, count=1)
        for k, name in enumerate(("x", "y", "z", "intensity"))
    ]
    fx, fy, cx, cy, width, height = arrays["cameras"][i].tolist()
    return (
        SimpleNamespace(
            height=image.shape[0], width=image.shape[1], encoding="bgr8", is_bigendian=0, step=3 * image.shape[1],
            data=image.tobytes(),
        ),
        SimpleNamespace(
            height=1, width=len(cloud), fields=fields, is_bigendian=False, point_step=16, row_step=16 * len(cloud),
            data=cloud.tobytes(),
        ),
        Camera(fx, fy, cx, cy, int(width), int(height)),
    )  # fmt: skip


def timed(localizer: Any, image: Any, cloud: Any, camera: Any) -> dict[str, Any]:
    """The answer to a pair, from its messages to the estimate."""
    from i2p_ros.core.messages import cloud_from_message, image_from_message
    from i2p_ros.core.types import Pair

    start, before = time.perf_counter(), time.process_time()
    estimate = localizer.localize_pair(Pair(image_from_message(image), camera, cloud_from_message(cloud)))
    return {
        "ms": 1e3 * (time.perf_counter() - start),
        "cpu_ms": 1e3 * (time.process_time() - before),
        "align_ms": 1e3 * estimate.seconds.get("align", 0.0),
        "pose": estimate.pose is not None,
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
