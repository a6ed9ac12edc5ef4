# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Localization through wide fisheyes, on few places. For the published number of places:

i2p evaluate --source synthetic --seed 7 --n 40 --set precision=float32 --set synthetic.camera=tum_vi
"""

import numpy as np
import pytest

import i2p_ros as i2p
from i2p_ros.core.config import Settings, SyntheticSettings
from i2p_ros.core.types import Status
from i2p_ros.evaluation.runner import EvaluatedPair, evaluate
from i2p_ros.localizer import Localizer
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.viz import draw_matches

pytestmark = pytest.mark.slow
SEED, PLACES = 22, 6


@pytest.fixture(scope="module")
def localizer() -> Localizer:
    return i2p.load(settings=Settings(precision="float32"))


@pytest.mark.parametrize("name", ["tum_vi", "t265"])
def test_wide_fisheyes_are_localized(name: str, localizer: Localizer) -> None:
    source = SyntheticSource(SyntheticSettings.model_validate({"camera": name}), SEED, PLACES)
    seen: list[EvaluatedPair] = []
    report = evaluate(localizer, source, seed=SEED, watch=seen.append)
    assert report.summary["recall_2m_5deg"] >= 0.75, [row.kind for row in report.rows]
    for each in seen:
        if each.estimate.status is Status.OK:
            check_matches(each)


def check_matches(each: EvaluatedPair) -> None:
    """Matches are in pixels of the fisheye: inliers lie where the pose projects their points."""
    pair, estimate = each.sample.pair, each.estimate
    assert estimate.pose and estimate.correspondences and estimate.inliers is not None
    matches = estimate.correspondences
    expected, inside = pair.camera.project(estimate.pose.apply(matches.points[estimate.inliers]))
    assert inside.mean() > 0.95
    assert np.median(np.hypot(*(matches.pixels[estimate.inliers] - expected).T)) < 10.0
    assert draw_matches(pair.image, pair.camera, matches, estimate.pose).shape == pair.image.shape
