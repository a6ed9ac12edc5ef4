# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A training of a tiny network, for tests; as a script, in processes of its own: OUT [SETTING ...]."""

import sys
from functools import lru_cache
from pathlib import Path

from helpers.networks import FAMILY
from i2p_ros.core.config import Parts, Settings, SyntheticSettings, load_settings
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.training.data import TrainingSet
from i2p_ros.training.loop import train
from i2p_ros.training.validation import FixedPairs

WORLD = SyntheticSettings(width=128, height=40, beams=16, points=3000)
ALWAYS = ("device=cpu", "training.batch=4", "training.micro_batch=2", "training.log_every=4", "training.samples=24")


def chosen(*overrides: str) -> Settings:
    """Settings of a short run, whose every step is a row of metrics.csv."""
    return load_settings(overrides=[*ALWAYS, *overrides])


@lru_cache
def places() -> FixedPairs:
    """Three, made once."""
    return FixedPairs(SyntheticSource(WORLD, 5, 3), 3)


def examples(samples: int, parts: Parts = "all") -> TrainingSet:
    """Of three places."""
    return TrainingSet(FAMILY, [(places(), 1.0)], {"vp2p": 1.0}, 1, samples, parts)


if __name__ == "__main__":
    settings = chosen(*sys.argv[2:])
    train(FAMILY, examples(settings.training.samples), Path(sys.argv[1]), settings, workers=0)
