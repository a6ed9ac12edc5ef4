# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The protocols of published figures, as the files of config/protocols write them down."""

from __future__ import annotations

import yaml
from pydantic import BaseModel, ConfigDict

from i2p_ros.core.resources import resource
from i2p_ros.evaluation.metrics import Draw
from i2p_ros.sources.perturb import Protocol


class Published(BaseModel):
    """A protocol with the seed and the number of synthetic places that every published figure has.

    `drawn` names what is drawn, uniform between two bounds; `first` is what comes out for the first synthetic places.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: Protocol
    seed: int
    places: int
    drawn: dict[str, tuple[float, float]]
    first: tuple[Draw, ...]


def published(protocol: Protocol) -> Published:
    """The file of a protocol."""
    return Published.model_validate(yaml.safe_load(resource(f"config/protocols/{protocol}.yaml").read_text()))
