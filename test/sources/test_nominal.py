# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Nominal calibrations from files, against scipy and against what the node writes."""

from pathlib import Path

import numpy as np
import pytest

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.sources.nominal import read_nominal
from i2p_ros.writers.calibration import write_calibration

URDF = """<robot name="car">
  <joint name="a" type="fixed"><parent link="base"/><child link="lidar"/><origin xyz="1 0 2" rpy="0 0 0.5"/></joint>
  <joint name="b" type="fixed"><parent link="base"/><child link="camera"/><origin xyz="1.5 0.1 1.6" rpy="0.2 -0.3 0.4"/>
  </joint>
  <joint name="c" type="revolute"><parent link="base"/><child link="arm"/></joint>
</robot>"""


def test_a_urdf_is_read_as_scipy_would(tmp_path: Path) -> None:
    rotation = pytest.importorskip("scipy.spatial.transform").Rotation
    file = tmp_path / "car.urdf"
    file.write_text(URDF)
    T_base_lidar = Pose(rotation.from_euler("xyz", [0, 0, 0.5]).as_matrix(), [1, 0, 2])
    T_base_camera = Pose(rotation.from_euler("xyz", [0.2, -0.3, 0.4]).as_matrix(), [1.5, 0.1, 1.6])
    expected = T_base_camera.inverse() @ T_base_lidar
    assert np.allclose(read_nominal(file, "camera", "lidar").matrix, expected.matrix)
    with pytest.raises(InputError, match="no way from 'lidar' to 'arm'"):
        read_nominal(file, "arm", "lidar")
    with pytest.raises(InputError, match="name the frames"):
        read_nominal(file)


def test_what_the_node_writes_is_read_back(tmp_path: Path) -> None:
    pose = Pose.from_rotvec([0.3, -1.2, 0.8], [0.5, -0.2, 0.1])
    written = write_calibration(tmp_path, pose, np.zeros(6), 1, "lidar", "camera")
    for file in written[:2]:
        assert np.allclose(read_nominal(file, "camera", "lidar").matrix, pose.matrix, atol=1e-8)
    with pytest.raises(InputError, match="it has the frames lidar, camera"):
        read_nominal(written[0], "camera", "roof")


JOINT = (
    "<robot><joint type='fixed'><parent link='lidar'/><child link='camera'/>"
    "<origin xyz='{}' rpy='0 0 0'/></joint></robot>"
)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [("a.yaml", "frame_id: a", "no calibration"), ("a.yaml", "{", "no calibration"), ("a.urdf", "<robot>", "no URDF"),
     ("a.urdf", "<r><joint type='fixed'/></r>", "no URDF"), ("a.yaml", None, "cannot read"),
     ("a.urdf", JOINT.format("0 nan 0"), "a.urdf is no calibration: .*finite"),
     ("a.urdf", JOINT.format("0 0"), "a.urdf is no calibration: .*translation"),
     ("a.urdf", "<robot/>", "it has no fixed joint")],
)  # fmt: skip
def test_bad_files_are_one_clear_error(tmp_path: Path, name: str, text: str | None, why: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=why) as caught:
        read_nominal(tmp_path / name)
    assert "\n" not in str(caught.value)
