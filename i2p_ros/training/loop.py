# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: one process, or several under torchrun. It can be killed at any moment and continued."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import ModelError
from i2p_ros.core.progress import Progress
from i2p_ros.families.base import Family
from i2p_ros.runtime.manifest import drives_of
from i2p_ros.training import checkpoint
from i2p_ros.training.records import Outcome, Records, with_earlier
from i2p_ros.training.run import Examples, Run
from i2p_ros.training.validation import Validation

NOTHING: Mapping[str, Any] = {}
TrainingProgress = Callable[[int, Mapping[str, float]], None]  # samples done, the latest losses


def train(
    family: Family[Any], data: Examples, out: Path, settings: Settings, *, start: Path | None = None, workers: int = 1,
    about: Mapping[str, Any] = NOTHING, validation: Validation | None = None, until: float = math.inf,
    progress: TrainingProgress = lambda done, losses: None, validating: Progress | None = None,
) -> Outcome:  # fmt: skip
    """Folder `out` with model.safetensors (averaged weights), manifest.yaml, settings.yaml, metrics.csv,
    validation.json and .csv, tensorboard, throughput.json and checkpoint.

    Continues from the checkpoint where there is one; otherwise from those weights of `start` that fit, and from random
    ones. Ends early when the validation's recall reaches `until`. The manifest holds `about`, its drives together with
    those of `start` and of earlier turns, so that nobody calibrates on them. Raises ModelError when none of the weights
    fits, or the checkpoint is of another network or of other parts of it, SettingsError when processes cannot share a
    step evenly.
    """
    torch.set_num_threads(settings.threads)
    run = Run(family, data, settings, start)
    earlier = checkpoint.restore(out / "checkpoint", run.parts, run.optimizer)
    if (begun := earlier.get("parts", settings.training.parts)) != settings.training.parts:
        raise ModelError(f"the run in {out} was begun with training.parts={begun}: go on with that, or elsewhere")
    run.begin(earlier.get("samples", 0), workers)
    drives = drives_of(start) if start else []
    if start:
        about = {**about, "start": f"{run.taken:.0%} of the parameters from {start.name}"}
    records = Records(run, out, earlier, with_earlier(about, earlier, drives), validation)
    recall, losses = math.nan, dict[str, float]()
    while not run.finished and not recall >= until:
        run.step()
        if run.passes(settings.training.log_every):
            losses = run.losses()
            records.log("metrics", {**losses, **run.pace()})
        validates = validation is not None and run.passes(settings.training.validate_every)
        records.save(due=validates or run.finished)
        if validates:
            recall = records.validate(validating)
        progress(run.done, losses)
    if validation and settings.training.validate_every and math.isnan(recall):  # an earlier turn has ended before it
        recall = records.validate(validating)
    return records.close(recall)
