#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# The mounting of a LiDAR that pans, from a URDF whose joint has no <axis>. The specification of URDF says that the axis
# is then (1, 0, 0).
#
# Expected: a turn about x, as yourdfpy 0.0.60, urchin 0.0.30, ikpy 4.2.1 and pytransform3d 3.17.0 give.
# Seen in kinpy 0.6.1 and pytorch-kinematics 0.10.0: a turn about z; a prismatic joint moves along z. Nothing is said.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import ikpy.chain
import kinpy
import numpy as np
import pytorch_kinematics
import torch
import urchin
import yourdfpy
from pytransform3d.urdf import UrdfTransformManager
from scipy.spatial.transform import Rotation

warnings.simplefilter("ignore")
PAN = 0.7


def poses(kind: str) -> dict[str, np.ndarray]:
    text = f"""<robot name="rig"><link name="base"/><link name="lidar"/><joint name="pan" type="{kind}">
    <parent link="base"/><child link="lidar"/><origin xyz="1 2 3" rpy="0 0 0"/>
    <limit lower="-3" upper="3" effort="1" velocity="1"/></joint></robot>"""
    path = Path(tempfile.mkdtemp()) / "rig.urdf"
    path.write_text(text)
    first, third = yourdfpy.URDF.load(str(path)), UrdfTransformManager()
    first.update_cfg({"pan": PAN})
    third.load_urdf(text)
    third.set_joint("pan", PAN)
    chain = pytorch_kinematics.build_chain_from_urdf(text.encode()).to(dtype=torch.float64)
    return {
        "yourdfpy": first.get_transform("lidar", "base"),
        "urchin": urchin.URDF.load(str(path)).link_fk(cfg={"pan": PAN}, link="lidar"),
        "pytransform3d": third.get_transform("lidar", "base"),
        "ikpy": ikpy.chain.Chain.from_urdf_file(str(path), base_elements=["base"]).forward_kinematics([0, PAN]),
        "kinpy": kinpy.build_chain_from_urdf(text.encode()).forward_kinematics({"pan": PAN})["lidar"].matrix(),
        "pytorch_kinematics": chain.forward_kinematics({"pan": torch.tensor(PAN)})["lidar"].get_matrix()[0].numpy(),
    }


for kind in ("revolute", "prismatic"):
    for name, pose in poses(kind).items():
        turn, shift = Rotation.from_matrix(pose[:3, :3]).as_rotvec(), pose[:3, 3] - [1, 2, 3]
        print(f"{kind}: {name} {version(name)} turns by {turn.round(6)}, moves by {shift.round(6)}")
        moved = turn if kind == "revolute" else shift
        axis = [0, 0, 1] if name in ("kinpy", "pytorch_kinematics") else [1, 0, 0]
        assert np.allclose(moved, PAN * np.array(axis), atol=1e-6), "the behaviour has changed"
        assert np.allclose(shift if kind == "revolute" else turn, 0), "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet kinpy==0.6.1 pytorch-kinematics==0.10.0 torch==2.13.0 yourdfpy==0.0.60 \
    urchin==0.0.30 ikpy==4.2.1 pytransform3d==3.17.0 scipy==1.17.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"
