# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The files of a run: weights with their manifest, checkpoint, journal and figures."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2p_ros.core.progress import Progress
from i2p_ros.evaluation.files import write_json
from i2p_ros.runtime.weights import save_model
from i2p_ros.training import checkpoint
from i2p_ros.training.journal import Journal
from i2p_ros.training.run import Run
from i2p_ros.training.validation import RECALL, Validation

THEN = " && "  # between the commands of the turns of a run


@dataclass(frozen=True)
class Outcome:
    """The result of a turn of a run."""

    samples: int  # of all turns
    seconds: float  # of this turn
    recall: float  # within 2 m and 5 deg, of the last validation; NaN without one
    throughput: dict[str, Any]  # of this turn


class Records:
    """The files of a run. Only one process writes them."""

    def __init__(
        self, run: Run, out: Path, earlier: Mapping[str, Any], about: Mapping[str, Any], validation: Validation | None
    ) -> None:
        self.run, self.out, self.about, self.validation = run, out, about, validation
        self.hours, self.saved_at = earlier.get("hours", 0.0), time.monotonic()
        self.journal = Journal(out, run.done) if run.fabric.is_global_zero else None
        if self.journal and validation:
            write_json(out / "validation.json", validation.describe())

    def log(self, name: str, values: Mapping[str, float]) -> None:
        """A row of name.csv."""
        if self.journal:
            self.journal.write(name, self.run.done, values)

    def save(self, due: bool = False) -> None:
        """Write weights and manifest, then the checkpoint. Unless due, only if the last are `checkpoint_s` old."""
        age = time.monotonic() - self.saved_at
        if not self.journal or not (due or age >= self.run.settings.training.checkpoint_s):
            return
        run, trained = self.run, self.trained()
        save_model(self.out, run.family, run.average, run.settings, trained)
        checkpoint.save(self.out / "checkpoint", run.parts, run.optimizer, trained)
        self.saved_at = time.monotonic()

    def validate(self, progress: Progress | None = None) -> float:
        """Recall of the averaged weights within 2 m and 5 deg, NaN without a validation; the same in all processes.

        All scores of the validation are written as a row of validation.csv.
        """
        scores = dict[str, float]()
        if self.journal and self.validation:
            scores = self.validation.score(self.run.family, self.run.average, self.run.settings, progress)
            self.journal.write("validation", self.run.done, scores)
        return self.run.fabric.broadcast(scores.get(RECALL, math.nan))

    def trained(self) -> dict[str, Any]:
        """How the weights were trained, for the manifest."""
        hours = round(self.hours + self.run.clock.seconds / 3600, 4)
        parts = self.run.settings.training.parts
        return {
            **self.about,
            "seed": self.run.data.seed,
            "samples": self.run.done,
            "parts": parts,
            "hours": hours,
            **self.run.where,
        }

    def close(self, recall: float) -> Outcome:
        """The outcome of this turn, after its files are complete."""
        run = self.run
        spent = {**run.where, **run.clock.summary(run.done - run.began_at)}
        if self.journal:
            self.journal.close()
            write_json(self.out / "throughput.json", spent)
        return Outcome(run.done, run.clock.seconds, recall, spent)


def with_earlier(about: Mapping[str, Any], earlier: Mapping[str, Any], drives: Iterable[str]) -> dict[str, Any]:
    """The description of a run, with the drives that its weights were trained on before and the earlier commands."""
    all_drives = {*about.get("drives", ()), *earlier.get("drives", ()), *drives}
    commands = dict.fromkeys(c for c in (*earlier.get("command", "").split(THEN), about.get("command", "")) if c)
    return {**about, "command": THEN.join(commands), "drives": sorted(all_drives)}
