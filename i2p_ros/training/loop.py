# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: one process, or several under torchrun. It can be killed at any moment and continued.

A step averages the gradients of its micro-batches. Batch norm sees one micro-batch at a time, and what the losses draw
is seeded by its first sample: so a run comes out the same, whatever the number of processes that share a step.

What is shipped is the average of the weights over the last steps, with statistics of batch norm averaged likewise.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from i2p_ros.core.config import Settings, TrainingSettings
from i2p_ros.core.errors import MissingPackageError, ModelError, SettingsError
from i2p_ros.evaluation.files import write_json
from i2p_ros.networks.vp2p import VP2P
from i2p_ros.runtime.torch_runtime import choose_device
from i2p_ros.runtime.weights import drives_of, load_weights, save_model
from i2p_ros.training import checkpoint
from i2p_ros.training.journal import Journal
from i2p_ros.training.objectives import Learner
from i2p_ros.training.throughput import Throughput
from i2p_ros.training.validation import RECALL, Validation

try:
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy
except ImportError as error:
    raise MissingPackageError("training needs Lightning Fabric: pip install i2p_ros[train]") from error

WARM_UP = 800  # samples, or a tenth of a shorter run
MAX_GRADIENT = 5.0
THEN = " && "  # between the commands of the turns of a run
NOTHING: Mapping[str, Any] = {}
Progress = Callable[[int, Mapping[str, float]], None]


class Examples(Protocol):
    """What is trained on: example k of a seed is always the same."""

    seed: int

    def __len__(self) -> int: ...

    def __getitem__(self, k: int, /) -> dict[str, Tensor]: ...


@dataclass(frozen=True)
class Outcome:
    """How far a run came: samples in all, seconds of this turn, last recall within 2 m and 5 deg of the validation (NaN
    without one), and where the time of this turn went."""

    samples: int
    seconds: float
    recall: float
    throughput: dict[str, Any]


def learning_rate(done: int, s: TrainingSettings) -> float:
    """Linear warm-up, then a cosine to zero over all samples."""
    warm = min(1.0, (done + 1) / min(WARM_UP, s.samples / 10))
    return s.learning_rate * warm * (0.5 + 0.5 * math.cos(math.pi * done / s.samples))


def train(
    family: VP2P, data: Examples, out: Path, settings: Settings, *, start: Path | None = None, workers: int = 1,
    about: Mapping[str, Any] = NOTHING, validation: Validation | None = None, until: float = math.inf,
    progress: Progress = lambda done, losses: None,
) -> Outcome:  # fmt: skip
    """Folder `out` with model.safetensors (averaged weights), manifest.yaml, settings.yaml, metrics.csv,
    validation.json and .csv, tensorboard, throughput.json and checkpoint.

    Continues from the checkpoint where there is one; otherwise from the weights `start`, or from random ones. Ends
    early when the validation's recall reaches `until`. The manifest holds `about`, its drives together with those of
    `start` and of earlier turns, so that nobody calibrates on them. Raises ModelError when checkpoint or weights are of
    another network, or the checkpoint of other parts of it, SettingsError when processes cannot share a step evenly.
    """
    torch.set_num_threads(settings.threads)
    run = _Run(family, data, settings, start)
    earlier = checkpoint.restore(out / "checkpoint", run.parts, run.optimizer)
    if (begun := earlier.get("parts", settings.training.parts)) != settings.training.parts:
        raise ModelError(f"the run in {out} was begun with training.parts={begun}: go on with that, or elsewhere")
    run.begin(earlier.get("samples", 0), workers)
    drives = drives_of(start) if start else []
    records = _Records(run, out, earlier, _with_earlier(about, earlier, drives), validation)
    recall, losses = math.nan, dict[str, float]()
    while not run.finished and not recall >= until:
        run.step()
        if run.passes(settings.training.log_every):
            losses = run.losses()
            records.log("metrics", {**losses, **run.pace()})
        validates = validation is not None and run.passes(settings.training.validate_every)
        records.save(due=validates or run.finished)
        if validates:
            recall = records.validate()
        progress(run.done, losses)
    if validation and settings.training.validate_every and math.isnan(recall):  # an earlier turn has ended before it
        recall = records.validate()
    return records.close(recall)


class _Run:
    """The network that learns, its average, the optimizer, and the processes that share each step."""

    def __init__(self, family: VP2P, data: Examples, settings: Settings, start: Path | None) -> None:
        self.family, self.data, self.settings, s = family, data, settings, settings.training
        self.fabric = _processes(choose_device(settings.device)[0])
        self.micro = min(s.micro_batch, s.batch)
        self.share, uneven = divmod(s.batch, self.micro * self.fabric.world_size)
        if uneven:
            what = f"training.batch {s.batch} in micro-batches of {self.micro}"
            raise SettingsError(f"{what} cannot be shared evenly by {self.fabric.world_size} processes")
        torch.manual_seed(data.seed)
        net = family.network().to(self.fabric.device)
        if start:
            load_weights(net, start)
        self.average = deepcopy(net).eval()
        self.learner = Learner(net, s).to(self.fabric.device)
        norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
        self.norms = [norm for norm in norms if norm.weight.requires_grad]  # of the parts that learn
        self.optimizer = torch.optim.AdamW(self.learner.parameters(), s.learning_rate, weight_decay=s.weight_decay)
        self.parts = {"weights": self.learner, "average": self.average}
        self.precision = _precision(s.precision, self.fabric.device)
        if self.precision == "bf16":  # the losses, which are outside of it, stay in float32
            for part in (net, net.likeness):
                part.forward = torch.autocast(self.fabric.device.type, torch.bfloat16)(part.forward)  # type: ignore[method-assign]

    def begin(self, done: int, workers: int) -> None:
        """Go on after so many samples."""
        self.done = self.began_at = done
        self.batches = self._micro_batches(workers)
        with warnings.catch_warnings():  # newer versions of torch call one setting of DDP by another name
            warnings.simplefilter("ignore", FutureWarning)
            self.model = self.fabric.setup_module(self.learner)
        self.window: list[Tensor] = []
        self.clock = Throughput(self.fabric.device)

    @property
    def where(self) -> dict[str, Any]:
        """What runs it, in words for others than this machine's user."""
        cuda, processes = self.fabric.device.type == "cuda", self.fabric.world_size
        device = torch.cuda.get_device_name() if cuda else f"CPU, {self.settings.threads} thread(s) a process"
        return {"device": device, "processes": processes, "precision": self.precision}

    @property
    def finished(self) -> bool:
        """Whether there is no whole step left."""
        return self.done + self.settings.training.batch > self.settings.training.samples

    def passes(self, every: int) -> bool:
        """Whether the last step completed another `every` samples, or the run; never for 0."""
        return every > 0 and (self.finished or self.done % every < self.settings.training.batch)

    def step(self) -> None:
        """Learn from the next batch, of which each process takes its share of micro-batches."""
        self.clock.begin()
        self.optimizer.zero_grad(set_to_none=True)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.done, self.settings.training)
        for i, first in enumerate(self._firsts(self.done)):
            self._learn(i, first)
        # the scale of the pose loss, whose gradient has other units, is left alone
        norm = nn.utils.clip_grad_norm_(self.learner.net.parameters(), MAX_GRADIENT)
        self.done += self.settings.training.batch
        if finite := bool(norm.isfinite()):
            self.optimizer.step()
        self.clock.end("backward")
        if finite:
            self._follow()
        for batch_norm in () if finite else self.norms:  # one bad batch must not end a run of days
            batch_norm.reset_running_stats()

    def losses(self) -> dict[str, float]:
        """Means over all micro-batches since the last call, of all processes."""
        means = self._over_processes(torch.stack(self.window).mean(0))
        self.window.clear()
        return dict(zip(self.names, means.tolist(), strict=True))

    def pace(self) -> dict[str, float]:
        """How fast it learns, and how much of that is the computer's doing."""
        speed = (self.done - self.began_at) / self.clock.seconds
        return {"learning_rate": self.optimizer.param_groups[0]["lr"], "samples_per_s": speed}

    def _learn(self, i: int, first: int) -> None:
        """Add the gradient of the i-th micro-batch of this process, whose first example is `first`."""
        batch = {key: value.to(self.fabric.device, non_blocking=True) for key, value in next(self.batches).items()}
        self.clock.lap("data")
        torch.manual_seed(((self.data.seed << 32) + first) % 2**63)
        for norm in self.norms:
            norm.momentum = 1.0 / (i + 1)  # so that the running statistics become the mean over the step
        with self.fabric.no_backward_sync(self.model, enabled=i + 1 < self.share):
            losses = self.model(batch)
            self.clock.lap("forward")
            self.fabric.backward(losses["loss"] / self.share)
        self.names = list(losses)
        self.window.append(torch.stack([value.detach().float() for value in losses.values()]))
        self.clock.lap("backward")

    @torch.no_grad()
    def _follow(self) -> None:
        """Let the average follow: it reaches back over `ema` samples, but over no more than a tenth of the run so far.

        torch's AveragedModel has one decay for all of a run.
        """
        keep = math.exp(-self.settings.training.batch / min(self.settings.training.ema, self.done / 10))
        weights = self._shared_statistics()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(weights[name], 1.0 - keep)

    def _shared_statistics(self) -> dict[str, Tensor]:
        """The weights, after statistics of batch norm have become the mean over processes."""
        weights = self.learner.net.state_dict()
        buffers = [
            buffer for norm in self.norms for buffer in (norm.running_mean, norm.running_var) if buffer is not None
        ]
        if self.fabric.world_size > 1:
            mean = self._over_processes(torch.cat(buffers))
            for buffer, value in zip(buffers, mean.split([len(b) for b in buffers]), strict=True):
                buffer.copy_(value)
        return weights

    def _over_processes(self, values: Tensor) -> Tensor:
        """Their mean."""
        mean = self.fabric.all_reduce(values, reduce_op="mean")
        assert isinstance(mean, Tensor)
        return mean

    def _firsts(self, done: int) -> range:
        """The first examples of this process's micro-batches of the step after so many samples."""
        begin = done + self.fabric.global_rank * self.share * self.micro
        return range(begin, begin + self.share * self.micro, self.micro)

    def _micro_batches(self, workers: int) -> Iterator[dict[str, Tensor]]:
        """This process's, in order, from where the run stands to its end."""
        s = self.settings.training
        steps = range(self.done, s.samples - s.batch + 1, s.batch)
        mine = [list(range(first, first + self.micro)) for done in steps for first in self._firsts(done)]
        loader: DataLoader[dict[str, Tensor]] = DataLoader(
            self.data,  # type: ignore[arg-type]  # has what a map-style data set needs
            batch_sampler=mine,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=self.fabric.device.type == "cuda",
            generator=torch.Generator().manual_seed(self.fabric.global_rank),  # other seeds for other workers
        )
        return iter(loader)


class _Records:
    """The files of a run, which one process writes; the others only keep it company."""

    def __init__(
        self, run: _Run, out: Path, earlier: Mapping[str, Any], about: Mapping[str, Any], validation: Validation | None
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
        """Weights with their manifest, then the checkpoint; unless due, only if the last are `checkpoint_s` old."""
        age = time.monotonic() - self.saved_at
        if not self.journal or not (due or age >= self.run.settings.training.checkpoint_s):
            return
        run, trained = self.run, self.trained()
        save_model(self.out, run.family.settings, run.average, run.settings, trained)
        checkpoint.save(self.out / "checkpoint", run.parts, run.optimizer, trained)
        self.saved_at = time.monotonic()

    def validate(self) -> float:
        """The recall within 2 m and 5 deg of the averaged weights, told to all processes; the rest is a row."""
        scores = dict[str, float]()
        if self.journal and self.validation:
            scores = self.validation.score(self.run.family, self.run.average, self.run.settings)
            self.journal.write("validation", self.run.done, scores)
        return self.run.fabric.broadcast(scores.get(RECALL, math.nan))

    def trained(self) -> dict[str, Any]:
        """How the weights came about, for the manifest."""
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
        """The last words of this turn."""
        run = self.run
        spent = {**run.where, **run.clock.summary(run.done - run.began_at)}
        if self.journal:
            self.journal.close()
            write_json(self.out / "throughput.json", spent)
        return Outcome(run.done, run.clock.seconds, recall, spent)


def _processes(device: torch.device) -> Fabric:
    """This process alone, or among those that torchrun has started."""
    world, here = (int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    # An image that sees nothing leaves parameters without a gradient; statistics of batch norm are shared after a step.
    several = DDPStrategy(find_unused_parameters=True, broadcast_buffers=False)
    fabric = Fabric(
        accelerator=device.type, strategy=several if world > 1 else "auto", devices=here, num_nodes=world // here
    )
    fabric.launch()
    return fabric


def _precision(wanted: str, device: torch.device) -> str:
    if wanted != "auto":
        return wanted
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False) else "float32"


def _with_earlier(about: Mapping[str, Any], earlier: Mapping[str, Any], drives: Iterable[str]) -> dict[str, Any]:
    """What is said of a run, with the drives that its weights knew before and the commands of earlier turns."""
    known = {*about.get("drives", ()), *earlier.get("drives", ()), *drives}
    commands = dict.fromkeys(c for c in (*earlier.get("command", "").split(THEN), about.get("command", "")) if c)
    return {**about, "command": THEN.join(commands), "drives": sorted(known)}
