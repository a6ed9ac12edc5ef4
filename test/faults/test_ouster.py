# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Row 9 of docs/faults.md with the shipped model: an Ouster counts photons in the field `intensity`."""

import numpy as np
import pytest
from helpers.messages import cloud

from i2p_ros.core.config import SyntheticSettings
from i2p_ros.core.messages import cloud_from_message
from i2p_ros.core.types import Pair, Sample
from i2p_ros.localizer import Localizer, load
from i2p_ros.synthetic.source import SyntheticSource


def localized(localizer: Localizer, sample: Sample, field: str) -> bool:
    """Whether the pose is within 2 m and 5 deg, with the cloud as Ouster's driver publishes it."""
    xyz, grey = sample.pair.cloud.xyz, sample.pair.cloud.intensity
    assert grey is not None and sample.T_camera_lidar is not None
    columns = {**dict(zip("xyz", xyz.T, strict=True)), "intensity": (4080 * grey).astype("f4")}
    columns |= {"t": np.linspace(0, 99e6, len(xyz)).astype("u4"), "reflectivity": (255 * grey).astype("u2")}
    decoded = cloud_from_message(cloud(columns, point_step=48), field)
    pose = localizer.localize_pair(Pair(sample.pair.image, sample.pair.camera, decoded)).pose
    if pose is None:
        return False
    error = (pose.inverse() @ sample.T_camera_lidar).log()
    return bool(np.linalg.norm(error[:3]) < 2.0 and np.linalg.norm(error[3:]) < np.radians(5.0))


@pytest.mark.slow
@pytest.mark.parametrize("field", ["", "reflectivity"])
def test_row_09_ouster_photon_counts_localize_eight_of_ten(field: str) -> None:
    localizer, source = load(), SyntheticSource(SyntheticSettings(), 7, 10)
    assert sum(localized(localizer, source[k], field) for k in range(10)) >= 8
