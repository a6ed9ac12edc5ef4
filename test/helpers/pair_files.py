# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A pair as the three files that `i2p localize` takes."""

from pathlib import Path

import cv2
import numpy as np
import yaml

from i2p_ros.core.types import Pair


def written_pair(folder: Path, pair: Pair) -> dict[str, Path]:
    """Write a.png, a.bin with x, y, z and intensity, and cam.yaml. Returns their paths by the options."""
    camera = pair.camera
    cv2.imwrite(str(folder / "a.png"), pair.image[:, :, ::-1])
    assert pair.cloud.intensity is not None
    np.column_stack([pair.cloud.xyz, pair.cloud.intensity]).astype(np.float32).tofile(folder / "a.bin")
    size = {"image_width": camera.width, "image_height": camera.height}
    calibration = size | {"camera_matrix": {"data": camera.matrix.ravel().tolist()}}
    (folder / "cam.yaml").write_text(yaml.safe_dump(calibration))
    return {"image": folder / "a.png", "cloud": folder / "a.bin", "camera": folder / "cam.yaml"}
