#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Argoverse 2's PinholeCamera with a principal point that is not the centre of the image: 20 px beside it, as
# calibrations have it, and 200 px beside it, as after a crop. Points in view become pixels by project_cam_to_img.
#
# Expected: compute_pixel_ray_directions, "given (u,v) coordinates and intrinsics", leads back to the points, and the
# points in view are inside frustum_planes.
# Seen in av2 0.3.6: both take the centre of the image for the principal point. The project method uses cx and cy. Rays
# are up to 0.8 and 8 degrees off. Points at the rim of the image are outside of the frustum's planes, and points that
# the image does not show are inside. A camera whose fx and fy differ is refused by the rays, and its planes use fx for
# both. Only a comment in the source says so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import numpy as np
from av2.geometry.camera.pinhole_camera import Intrinsics, PinholeCamera
from av2.geometry.se3 import SE3

WIDTH, HEIGHT, FOCAL = 1550, 2048, 1400.0
print("av2", version("av2"))
rng = np.random.default_rng(0)
for beside, most in ((0, 1e-5), (20, 1), (200, 10)):
    intrinsics = Intrinsics(FOCAL, FOCAL, WIDTH / 2 + beside, HEIGHT / 2, WIDTH, HEIGHT)
    camera = PinholeCamera(SE3(np.eye(3), np.zeros(3)), intrinsics, "camera")
    points = rng.uniform([-30, -30, 5], [30, 30, 30], (20_000, 3))
    pixels, _, in_view = camera.project_cam_to_img(points)
    rays = camera.compute_pixel_ray_directions(pixels[in_view])
    true = points[in_view] / np.linalg.norm(points[in_view], axis=1, keepdims=True)
    off = np.degrees(2 * np.arcsin(np.linalg.norm(rays - true, axis=1).clip(max=2) / 2)).max()
    inside = np.all(points @ camera.frustum_planes()[:, :3].T + camera.frustum_planes()[:, 3] >= 0, axis=1)
    print(f"  {beside} px beside the centre: rays {off:.2f} degrees off;", end=" ")
    print(f"of {in_view.sum()} points in view {np.sum(in_view & ~inside)} are outside of the planes,", end=" ")
    print(f"and {np.sum(inside & ~in_view)} others inside")
    assert most / 2 < off < most if beside else off < most, "the behaviour has changed"
    assert (np.sum(in_view & ~inside) > 10) == (np.sum(inside & ~in_view) > 10) == (beside > 0), "it has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-deps av2==0.3.6 2>/dev/null  # with PyTorch and CUDA it has 7 GB
"$folder/venv/bin/pip" install --quiet opencv-python-headless==5.0.0.93 pandas==3.1.1 pyarrow==26.0.1 \
    universal-pathlib==0.3.10 scipy==1.17.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" -W ignore "$folder/run.py"
