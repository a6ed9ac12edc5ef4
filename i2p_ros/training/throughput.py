# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The time of a run by stages."""

from __future__ import annotations

import time
from typing import Any

import torch

STAGES = ("data", "forward", "backward")
MEASURED = 10  # on a GPU, one step in so many is measured, since measuring a stage means waiting for it


class Throughput:
    """A clock for steps and their stages."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._stages = dict.fromkeys(STAGES, 0.0)
        self._stepping, self._steps, self._measured = 0.0, 0, True
        self._began = self._last = self._step = time.perf_counter()

    def begin(self) -> None:
        """Begin a step."""
        self._steps += 1
        self._measured = not self._cuda or self._steps % MEASURED == 0
        self._last = self._step = self._now()

    def lap(self, stage: str) -> None:
        """End a stage of the step."""
        if self._measured:
            now = self._now()
            self._stages[stage] += now - self._last
            self._last = now

    def end(self, stage: str) -> None:
        """End the last stage, and with it the step."""
        self.lap(stage)
        self._stepping += time.perf_counter() - self._step

    @property
    def seconds(self) -> float:
        """Time since the clock was made, s."""
        return time.perf_counter() - self._began

    def summary(self, samples: int) -> dict[str, Any]:
        """Samples a second, in all and while stepping, and the `share` of the time that each stage took.

        Stages: waiting for data; forward; backward with the step of the optimizer and, with several processes, waiting
        for them; other: averages, files, validation.
        """
        total = max(self.seconds, 1e-9)
        stepping = self._stepping / total
        measured = max(sum(self._stages.values()), 1e-9)
        share = {stage: round(stepping * seconds / measured, 4) for stage, seconds in self._stages.items()}
        return {
            "samples": samples,
            "samples_per_s": round(samples / total, 3),
            "samples_per_s_stepping": round(samples / max(self._stepping, 1e-9), 3),
            "share": {**share, "other": round(1.0 - stepping, 4)},
        }

    def _now(self) -> float:
        if self._cuda and self._measured:
            torch.cuda.synchronize()
        return time.perf_counter()
