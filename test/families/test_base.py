# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Families are found by name, settings of before are refused with their new names, and priors are as in training."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers.networks import FAMILY

import i2p_ros as i2p
from i2p_ros.core.config import Settings
from i2p_ros.core.errors import ModelError
from i2p_ros.core.geometry import Pose, from_camera_axes
from i2p_ros.core.types import Prior
from i2p_ros.families import FAMILIES, family_class
from i2p_ros.families.base import PriorRange
from i2p_ros.families.vp2p import VP2P
from i2p_ros.families.vp2p.settings import RENAMED
from i2p_ros.runtime.weights import save_model

POSE = Pose.from_rotvec([1.2, -1.2, 1.2], [40.0, -20.0, 3.0])
RANGE = PriorRange(1.0, 10.0)


def test_a_wrong_name_lists_the_families() -> None:
    assert family_class("vp2p") is VP2P
    with pytest.raises(ModelError, match="no family 'vp2'; there are vp2p"):
        family_class("vp2")


@pytest.mark.parametrize("name", FAMILIES)
def test_the_table_lists_the_sizes_of_the_class(name: str) -> None:
    assert FAMILIES[name].sizes == tuple(family_class(name).sizes)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_model(tmp_path, FAMILY, FAMILY.network(), Settings(), {})
    return tmp_path / "manifest.yaml"


def test_a_manifest_of_an_unknown_family_lists_the_families(manifest: Path) -> None:
    manifest.write_text(manifest.read_text().replace("family: vp2p", "family: other"))
    with pytest.raises(ModelError, match="no family 'other'; there are vp2p"):
        i2p.load(str(manifest.parent))


@pytest.mark.parametrize("old", sorted(RENAMED))
def test_a_setting_of_before_is_refused_with_its_new_name(manifest: Path, old: str) -> None:
    models = yaml.safe_load(manifest.read_text())
    settings = next(iter(models.values()))["settings"]
    settings[old] = settings.pop(RENAMED[old])
    manifest.write_text(yaml.safe_dump(models))
    with pytest.raises(ModelError, match=f"{old} is now {RENAMED[old]}: rename"):
        i2p.load(str(manifest.parent))


def prior(metres: float, degrees: float) -> Prior:
    """With so large deviations along and about each axis of its camera."""
    return Prior(POSE, from_camera_axes(POSE, np.diag(np.repeat([metres, np.radians(degrees)], 3) ** 2)))


@pytest.mark.parametrize(
    ("metres", "degrees", "covered"), [(0.57, 5.7, True), (0.58, 1.0, False), (0.1, 5.8, False), (1.0, 10.0, False)]
)
def test_a_range_covers_priors_up_to_its_own_deviations(metres: float, degrees: float, covered: bool) -> None:
    assert RANGE.covers(prior(metres, degrees)) is covered


def test_a_prior_about_a_pose_is_covered() -> None:
    assert RANGE.covers(RANGE.about(POSE))
