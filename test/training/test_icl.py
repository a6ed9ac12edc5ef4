# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ICL++ learns one pair by heart, and the folder of that run is localized, evaluated and exported. Its losses.

Tests with a `b` and a number are of faults of published codes, which the training must not have.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.icl import FAMILY, LITTLE
from torch import Tensor

import i2p_ros as i2p
from i2p_ros import cli
from i2p_ros.core.config import Settings, load_settings
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import PointCloud, Prior, Sample, Status
from i2p_ros.evaluation.runner import evaluate
from i2p_ros.families.icl.settings import SIZES
from i2p_ros.localizer import Localizer
from i2p_ros.networks.base import PassInputs, Tensors
from i2p_ros.networks.folding import folded
from i2p_ros.networks.parts import arguments_of_parts
from i2p_ros.runtime.export import write_onnx
from i2p_ros.sources.perturb import perturbed
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.training import TRAINING_WORLDS, VALIDATION_WORLDS
from i2p_ros.training.families import learner_of
from i2p_ros.training.icl import (
    ICLLearner,
    frustum_error,
    icl_losses,
    keypoint_distance,
    overlap_scores,
    residual_error,
)
from i2p_ros.training.mixture import one_batch, unseen

WORLD = {"width": 256, "height": 80, "beams": 32, "points": 6000}
TRAINING = {"batch": 4, "samples": 1200, "validate_every": 80, "learning_rate": 0.005, "parts": "matching"}
OVERRIDES = [
    "device=cpu",
    *(f"training.{k}={v}" for k, v in TRAINING.items()),
    *(f"synthetic.{k}={v}" for k, v in WORLD.items()),
]
ALIGNED = Pose.from_rotvec([1.2, -1.2, 1.2], [0.4, -0.2, 0.3])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `i2p train --family icl --overfit` with a little network, which found its pair."""
    out = tmp_path_factory.mktemp("runs") / "icl"
    sets = [word for text in OVERRIDES for word in ("--set", text)]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setitem(SIZES, "small", LITTLE)
        patch.setattr(sys, "argv", ["i2p", "train", "--family", "icl", "--overfit", "--out", str(out), *sets])
        cli.main()
    assert not end.value.code
    return out


@pytest.fixture(scope="module")
def localizer(folder: Path) -> Localizer:
    return i2p.load(str(folder), load_settings(overrides=["device=cpu"]))


@pytest.fixture(scope="module")
def learned() -> Sample:
    """The pair of that run."""
    _, fixed = one_batch(FAMILY, load_settings(overrides=OVERRIDES), 0)
    return perturbed(fixed.source[0], fixed.protocol, fixed.seed, 0)[0]
