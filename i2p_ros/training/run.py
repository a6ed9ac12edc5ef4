# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A run of training: the network that learns, its average, the optimizer, and the processes that share each step.

A step averages the gradients of its micro-batches. Batch norm sees one micro-batch at a time, and random draws of the
losses are seeded by its first sample. So the result does not depend on the number of processes that share a step.

What is shipped is the average of the weights over the last steps, with statistics of batch norm averaged likewise.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from i2p_ros.core.config import Settings, TrainingSettings
from i2p_ros.core.errors import MissingPackageError, SettingsError, install_command
from i2p_ros.families.base import Family
from i2p_ros.networks.base import Tensors
from i2p_ros.runtime.torch_runtime import choose_device
from i2p_ros.runtime.weights import take_weights
from i2p_ros.training.families import learner_of
from i2p_ros.training.throughput import Throughput

try:
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy
except ImportError as error:
    raise MissingPackageError(f"training needs Lightning Fabric: {install_command('train')}") from error

WARM_UP = 800  # samples, or a tenth of a shorter run
MAX_GRADIENT = 5.0


class Examples(Protocol):
    """Training examples. Example k of a seed is always the same."""

    seed: int

    def __len__(self) -> int: ...

    def __getitem__(self, k: int, /) -> Tensors: ...


def learning_rate(done: int, s: TrainingSettings) -> float:
    """Linear warm-up, then a cosine to zero over all samples."""
    warm = min(1.0, (done + 1) / min(WARM_UP, s.samples / 10))
    return s.learning_rate * warm * (0.5 + 0.5 * math.cos(math.pi * done / s.samples))


class Run:
    """The state of a run."""

    def __init__(self, family: Family[Any], data: Examples, settings: Settings, start: Path | None) -> None:
        self.family, self.data, self.settings, s = family, data, settings, settings.training
        self.fabric = _processes(choose_device(settings.device)[0])
        self.micro = min(s.micro_batch, s.batch)
        self.share, uneven = divmod(s.batch, self.micro * self.fabric.world_size)
        if uneven:
            what = f"training.batch {s.batch} in micro-batches of {self.micro}"
            raise SettingsError(f"{what} cannot be shared evenly by {self.fabric.world_size} processes")
        torch.manual_seed(data.seed)
        net = family.network().to(self.fabric.device)
        net.load_pretrained()
        self.taken = take_weights(net, start) if start else 0.0  # share of the parameters that start with given weights
        self.average = deepcopy(net).eval()
        self.learner = learner_of(family, net, s).to(self.fabric.device)
        norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
        self.norms = [norm for norm in norms if norm.weight.requires_grad]  # of the parts that learn
        self.optimizer = torch.optim.AdamW(_groups(self.learner, s), s.learning_rate, weight_decay=s.weight_decay)
        self.parts = {"weights": self.learner, "average": self.average}
        self.precision = _precision(s.precision, self.fabric.device)
        if self.precision == "bf16":
            self.learner.half_precision = partial(torch.autocast, self.fabric.device.type, torch.bfloat16)

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
        """Device, number of processes and precision, without names of this machine."""
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
        """Learn from the next batch. Each process takes its share of the micro-batches."""
        self.clock.begin()
        self.optimizer.zero_grad(set_to_none=True)
        for group in self.optimizer.param_groups:
            group["lr"] = group["scale"] * learning_rate(self.done, self.settings.training)
        for i, first in enumerate(self._firsts(self.done)):
            self._learn(i, first)
        # of the network alone: the scale of the pose loss has a gradient of other units
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
        """Learning rate and samples per second."""
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
        """Update the average. It reaches back over `ema` samples, but over at most a tenth of the run so far.

        The AveragedModel of torch has one decay for all of a run.
        """
        keep = math.exp(-self.settings.training.batch / min(self.settings.training.ema, self.done / 10))
        weights = self._shared_statistics()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(weights[name], 1.0 - keep)

    def _shared_statistics(self) -> Tensors:
        """The weights, after statistics of batch norm have become the mean over processes."""
        weights = self.learner.net.state_dict()
        buffers = [
            buffer for norm in self.norms for buffer in (norm.running_mean, norm.running_var) if buffer is not None
        ]
        if self.fabric.world_size > 1 and buffers:
            mean = self._over_processes(torch.cat(buffers))
            for buffer, value in zip(buffers, mean.split([len(b) for b in buffers]), strict=True):
                buffer.copy_(value)
        return weights

    def _over_processes(self, values: Tensor) -> Tensor:
        """The mean of values over all processes."""
        mean = self.fabric.all_reduce(values, reduce_op="mean")
        assert isinstance(mean, Tensor)
        return mean

    def _firsts(self, done: int) -> range:
        """The first examples of this process's micro-batches of the step after so many samples."""
        begin = done + self.fabric.global_rank * self.share * self.micro
        return range(begin, begin + self.share * self.micro, self.micro)

    def _micro_batches(self, workers: int) -> Iterator[Tensors]:
        """The micro-batches of this process, in order, from where the run stands to its end."""
        s = self.settings.training
        steps = range(self.done, s.samples - s.batch + 1, s.batch)
        mine = [list(range(first, first + self.micro)) for done in steps for first in self._firsts(done)]
        loader: DataLoader[Tensors] = DataLoader(
            self.data,  # type: ignore[arg-type]  # has what a map-style data set needs
            batch_sampler=mine,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=self.fabric.device.type == "cuda",
            generator=torch.Generator().manual_seed(self.fabric.global_rank),  # other seeds for other workers
        )
        return iter(loader)


def _groups(learner: nn.Module, s: TrainingSettings) -> list[dict[str, Any]]:
    """Parameters with the `scale` of their learning rate: a trunk has seen a million images and changes slowly."""
    trunk = [value for name, value in learner.named_parameters() if ".trunk." in name]
    others = [value for name, value in learner.named_parameters() if ".trunk." not in name]
    groups = [{"params": others, "scale": 1.0}, {"params": trunk, "scale": s.trunk_rate}]
    return [group for group in groups if group["params"]]


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
