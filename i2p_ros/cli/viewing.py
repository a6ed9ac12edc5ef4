# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The option --view: recordings for the rerun viewer. No recording is made without it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2p_ros.cli.parts import check_targets

if TYPE_CHECKING:  # the help of all commands imports this module
    from i2p_ros.calibration import CalibrationResult
    from i2p_ros.core.geometry import Pose
    from i2p_ros.core.types import Pair, PoseEstimate
    from i2p_ros.monitor.session import Finding
    from i2p_ros.viz.recording import ViewRecording

HELP = "Recording (.rrd) to write for the rerun viewer; 'open' shows it. Needs the extra view."
View = Annotated[str | None, typer.Option("--view", help=HELP)]


def check_view(view: str | None) -> None:
    """Raise InputError or MissingPackageError for a recording that cannot be made, before the work and not after it."""
    if view is None:
        return
    from i2p_ros.viz.recording import OPEN, check_target

    check_target(view)
    check_targets(None if view == OPEN else Path(view))


def target_of(view: str, name: str, alone: bool) -> str:
    """The recording of one of several parts: of `drives.rrd` and `0052 left`, `drives-0052-left.rrd`."""
    from i2p_ros.viz.recording import OPEN

    if alone or view == OPEN:
        return view
    file, plain = Path(view), re.sub(r"[^\w.-]+", "-", name)
    return str(file.with_name(f"{file.stem}-{plain}{file.suffix}"))


class _OfParts:
    """A recording for each part of the work, or none without --view."""

    def __init__(self, view: str | None) -> None:
        self._view = view
        self.recording: ViewRecording | None = None

    @contextmanager
    def part(self, name: str, alone: bool) -> Iterator[None]:
        """Context with the recording of a part."""
        if self._view is None:
            yield
            return
        from i2p_ros.viz.recording import ViewRecording

        with ViewRecording(name, target_of(self._view, name, alone)) as self.recording:
            try:
                yield
            finally:
                self.recording = None


class DriftView(_OfParts):
    """Records what the monitor finds: the pairs that the network localizes, and those that end a window."""

    _estimate: PoseEstimate | None = None  # of the next pair

    def localized(self, pair: Pair, estimate: PoseEstimate) -> None:
        """Keep what the network found for the pair that is looked at next."""
        self._estimate = estimate

    def __call__(self, index: int, pair: Pair, nominal: Pose, finding: Finding | None) -> None:
        """Record a pair, if there is anything to show."""
        estimate, self._estimate = self._estimate, None
        if self.recording is None or (estimate is None and finding is None):
            return
        self.recording.pair(index, pair)
        self.recording.camera("nominal_camera", nominal)
        if estimate is not None:
            self.recording.estimate(estimate)
        if finding is not None:
            from i2p_ros.core.drifts import axis_rows

            drifted = nominal.retract(finding.drift.delta)
            self.recording.camera("drifted_camera", drifted, finding.drift.covariance)
            verdict = finding.verdict.to_json()
            self.recording.verdict(verdict["level"], "; ".join(verdict["reasons"]), axis_rows(verdict))


class CalibrationView(_OfParts):
    """Records a calibration: the pairs that the network localizes, and the result."""

    def __init__(self, view: str | None) -> None:
        super().__init__(view)
        self._indices: dict[int, int] = {}  # by the id of a pair

    def localized(self, pair: Pair, estimate: PoseEstimate) -> None:
        """Record a pair near the pose on which the pairs agree."""
        if self.recording is not None:
            self.recording.pair(self._indices.setdefault(id(pair), len(self._indices)), pair)
            self.recording.estimate(estimate)

    def result(self, result: CalibrationResult, init: Pose | None) -> None:
        """Record the result beside the calibrations that were stated and given, at all pairs."""
        if self.recording is None or not self._indices:
            return
        for name, pose in (("stated_camera", result.stated), ("initial_camera", init)):
            if pose is not None:
                self.recording.camera(name, pose, static=True)
        if result.pose is not None:
            self.recording.camera("calibrated_camera", result.pose, result.covariance, static=True)
        self._indices = {}
