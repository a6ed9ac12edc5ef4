# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Protocols of published figures, read from the files of config/protocols."""

from __future__ import annotations

import yaml
from pydantic import BaseModel, ConfigDict

from i2p_ros.core.protocols import ProtocolName
from i2p_ros.core.resources import resource
from i2p_ros.evaluation.metrics import Draw


class PublishedProtocol(BaseModel):
    """A protocol with the seed and the number of synthetic places of all published figures.

    `drawn` has the bounds of each uniform draw, by name. `first` are the draws of the first synthetic places.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: ProtocolName
    seed: int
    places: int
    drawn: dict[str, tuple[float, float]]
    first: tuple[Draw, ...]


def published(protocol: ProtocolName) -> PublishedProtocol:
    """Content of the file config/protocols/<protocol>.yaml."""
    return PublishedProtocol.model_validate(yaml.safe_load(resource(f"config/protocols/{protocol}.yaml").read_text()))
