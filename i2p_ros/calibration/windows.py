# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmark of calibrations from few pairs, each from an initial calibration that is off as a protocol draws it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from i2p_ros.calibration.calibrator import Calibrator
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.progress import Progress
from i2p_ros.core.protocols import ProtocolName
from i2p_ros.core.source import Source, Successive
from i2p_ros.evaluation.calibration_errors import quality_of
from i2p_ros.sources.perturb import perturbed

PAIRS = 10  # of a window
SEED = 7  # of the draws


def window_figures(
    calibrator: Calibrator, sources: Mapping[str, Source], protocol: ProtocolName = "calib",
    progress: Progress = lambda done, total: None,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """For each source, by its name: the number of its whole `windows`, of those `calibrated`, and the numbers of
    evaluation.definitions.CALIBRATION over them.

    The initial calibration of a window is the prior that the protocol draws for its first pair. Raises InputError for a
    recording without a calibration.
    """
    figures, total, done = dict[str, dict[str, Any]](), sum(len(source) // PAIRS for source in sources.values()), 0
    for name, source in sources.items():
        found = list[tuple[Pose, Pose]]()
        firsts = range(0, len(source) - PAIRS + 1, PAIRS)
        for first in firsts:
            given, _ = perturbed(source[first], protocol, SEED, first)
            if given.T_camera_lidar is None or given.prior is None:
                raise InputError(f"{name} has no calibration to compare with", "evaluation.truth")
            result = calibrator.result(Successive(source, first, PAIRS), init=given.prior.pose)
            found += [] if result.pose is None else [(result.pose, given.T_camera_lidar)]
            progress(done := done + 1, total)
        figures[name] = {"windows": len(firsts), "calibrated": len(found), **quality_of(found, len(firsts))}
    return figures
