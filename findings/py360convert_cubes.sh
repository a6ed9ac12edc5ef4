#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A panorama whose pixels hold their own directions becomes six faces of a cube by py360convert's e2c, and a panorama
# again by c2e. The directions in the result tell from where each pixel was taken.
#
# Expected: each pixel is where it was, to some 0.1 px; at least there is no shift that all pixels have in common.
# Seen in py360convert 1.0.4: the picture comes back half a pixel to the left and half a pixel up, as the mean of the
# latitudes of -45 to 45 degrees, whatever its size. Single pixels are up to 1.4 px off. It adds up: after ten times the
# picture is 7 px off, which are 2.6 degrees in a panorama of 1,024 px. e2c is exact, if the outermost pixels of a face
# have their centres on its edges. c2e fits neither such faces nor faces whose pixels have their sides on the edges: the
# median error is 0.8 px with both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import numpy as np
import py360convert

print("py360convert", version("py360convert"))


def unit(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:  # x right, y up, z forward
    directions = np.stack([x, y, z], -1).astype(np.float32)
    return directions / np.linalg.norm(directions, axis=-1, keepdims=True)


def off(found: np.ndarray, true: np.ndarray) -> np.ndarray:  # in rad
    found = found / np.linalg.norm(found, axis=-1, keepdims=True)
    return 2 * np.arcsin(np.clip(np.linalg.norm(found - true, axis=-1) / 2, 0, 1))


for width in (512, 1024):
    side, pixel = width // 4, 2 * np.pi / width
    longitudes, latitudes = np.meshgrid(
        (np.arange(width) + 0.5) * pixel - np.pi, np.pi / 2 - (np.arange(width // 2) + 0.5) * pixel
    )
    panorama = unit(np.cos(latitudes) * np.sin(longitudes), np.sin(latitudes), np.cos(latitudes) * np.cos(longitudes))
    for name, line in (
        ("centres on the edges", np.linspace(-1, 1, side)),
        ("sides on the edges", (np.arange(side) + 0.5) * 2 / side - 1),
    ):
        x, y = np.meshgrid(line, -line)
        one = np.ones_like(x)
        faces = {
            "F": unit(x, y, one), "R": unit(one, y, -x), "B": unit(-x, y, -one), "L": unit(-one, y, x),
            "U": unit(x, one, -y), "D": unit(x, -one, y),
        }  # fmt: skip
        made = py360convert.e2c(panorama, side, mode="bilinear", cube_format="dict")
        to_faces = max(off(made[face], faces[face]).max() for face in faces) / (2 / side)
        back = off(py360convert.c2e(faces, width // 2, width, mode="bilinear", cube_format="dict"), panorama) / pixel
        print(f"  {width} px, {name}: e2c is off by at most {to_faces:.2f} px, c2e by", end=" ")
        print(f"{np.median(back):.2f} px in the median and {back.max():.2f} px at most")
        assert (to_faces < 0.15) == name.startswith("centres"), "the behaviour has changed"
        assert 0.6 < np.median(back) < 0.9 and 1.2 < back.max() < 1.6, "the behaviour has changed"
    turned = panorama
    for turn in range(1, 11):
        faces = py360convert.e2c(turned, side, mode="bilinear", cube_format="dict")
        turned = py360convert.c2e(faces, width // 2, width, mode="bilinear", cube_format="dict")
        aside = (np.arctan2(turned[..., 0], turned[..., 2]) - longitudes + np.pi) % (2 * np.pi) - np.pi
        up = np.arcsin(turned[..., 1] / np.linalg.norm(turned, axis=-1)) - latitudes
        level = np.abs(latitudes) < np.radians(45)
        shift = aside[level].mean() / pixel, -up[level].mean() / pixel  # what is seen here lay to the right and below
        median = np.median(off(turned, panorama)) / pixel
        if turn in (1, 10):
            print(f"  {width} px, {turn} times to a cube and back: {shift[0]:.2f} px left and", end=" ")
            print(f"{shift[1]:.2f} px up on average, {median:.2f} px off in the median")
            assert np.allclose(shift, 0.47 * turn, rtol=0.1), "the behaviour has changed"
            assert 0.65 * turn < median < 0.9 * turn, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet py360convert==1.0.4 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"
