# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Node `replay`: plays a recording into the localizer, logs the progress, and prints a summary at the end."""

from __future__ import annotations

import time

from i2p_ros.core.errors import InputError
from i2p_ros.ros.replay.player import Player
from i2p_ros.ros.replay.playing import open_recording, play
from i2p_ros.ros.replay.rows import Row, summary

REPORT_S = 3.0


class ReplayNode(Player):
    """A player that reads its options from parameters and reports to the log."""

    def run(self) -> None:
        """Play the recording, and print the summary, also after Ctrl-C."""
        self._reported = time.monotonic()
        source = open_recording(self.settings)
        self.get_logger().info(f"playing {len(source)} pairs of {source.name}")
        for note in source.notes:
            self.get_logger().info(note)
        try:
            play(self, source, self._report, on_lost=self._log_lost)
        finally:
            if self.rows:
                print(in_words(self.rows), flush=True)

    def _log_lost(self, error: InputError) -> None:
        self.get_logger().warning(f"left out: {error}")

    def _report(self, row: Row) -> None:
        """Log the latest pair, at most every few seconds."""
        if time.monotonic() - self._reported < REPORT_S:
            return
        self._reported = time.monotonic()
        self.get_logger().info(f"{len(self.rows)} pairs; {row.name}: {of_row(row)}")


def of_row(row: Row) -> str:
    """A row in one line."""
    if row.estimate.pose is None:
        return f"no pose, {row.estimate.status.value}: {row.estimate.reason}"
    latency = f"{row.latency_ms:.0f} ms, {row.estimate.n_inliers} inliers"
    if row.truth is None:
        return latency
    score = row.score()
    return f"off by {score.rte_m:.2f} m and {score.rre_geodesic_deg:.2f} deg, {latency}"


def in_words(rows: list[Row]) -> str:
    """The summary in words, with a line for each number."""
    numbers = summary(rows)
    counts = ("pairs", "processed", "localized", "dropped")
    lines = [", ".join(f"{key} {numbers[key]}" for key in counts)]
    for key, value in numbers.items():
        if key.startswith("recall") and value is not None:
            lines.append(f"{key} {value:.3f}")
        elif isinstance(value, dict) and value.get("median") is not None:
            others = ", ".join(f"{name} {value[name]:.3g}" for name in ("mean", "p95") if name in value)
            lines.append(f"{key} median {value['median']:.3g}, {others}")
    return "\n".join(lines)
