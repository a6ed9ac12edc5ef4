# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""inspect: the judgement of whatever lies at a path."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError, one_line
from i2p_ros.inspection.bags import inspect_bag
from i2p_ros.inspection.folders import inspect_folder
from i2p_ros.inspection.result import FindingList, Inspection, judged_abilities
from i2p_ros.sources.opening import recognised

LONGEST_TEXT = 1000  # characters of the error of a recording that cannot be opened


def inspect(
    path: Path, settings: Settings, *, cameras: Sequence[str] | None = None, drives: Sequence[str] | None = None
) -> Inspection:
    """The judgement of a bag, or of another recording that open_source recognises. No network is loaded.

    Of a bag the indexes are read, and some messages of each sensor. Of a dataset some samples are read, of the chosen
    `cameras` and `drives`, or of the default cameras and all drives. A recording that cannot be opened has the verdict
    `unusable`, and the error as its finding.
    """
    kind = ""
    try:
        found = recognised(path)
        kind = found.name
        if found.has_topics:
            return inspect_bag(path, settings)
        return inspect_folder(path, found, settings, cameras, drives)
    except (InputError, OSError) as error:
        findings = FindingList()
        findings.add("recording.unreadable", one_line(error, LONGEST_TEXT))
        return Inspection(path.name, kind, findings=findings.found, abilities=judged_abilities(findings.found))
