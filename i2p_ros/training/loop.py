# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: one process, or several under torchrun. It can be stopped at any moment and continued."""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from pickle import UnpicklingError

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Subset

from i2p_ros.core.config import Settings, TrainingSettings
from i2p_ros.core.errors import ModelError, SettingsError, one_line
from i2p_ros.networks.vp2p import VP2P
from i2p_ros.runtime.torch_runtime import choose_device
from i2p_ros.runtime.weights import drives_of, load_weights, save_model
from i2p_ros.training.data import TrainingSet
from i2p_ros.training.objectives import Learner

WARM_UP = 800  # samples, or a tenth of a shorter run
Progress = Callable[[int, dict[str, float]], None]


def learning_rate(done: int, s: TrainingSettings) -> float:
    """Linear warm-up, then a cosine to zero over all samples."""
    warm = min(1.0, (done + 1) / min(WARM_UP, s.samples / 10))
    return s.learning_rate * warm * (0.5 + 0.5 * math.cos(math.pi * done / s.samples))


def train(
    family: VP2P, data: TrainingSet, out: Path, settings: Settings, *, start: Path | None = None, workers: int = 1,
    drives: Sequence[str] = (), progress: Progress = lambda done, losses: None,
) -> Path:  # fmt: skip
    """Folder `out` with model.safetensors, manifest.yaml, settings.yaml, metrics.csv and checkpoint.pt.

    The manifest names `drives`, and those of `start` and of earlier turns, so that nobody calibrates on them.
    Continues from out/checkpoint.pt where there is one; otherwise from the weights `start`, or from random ones.
    Raises ModelError when the checkpoint or the weights are of another network.
    """
    s, rank, world = settings.training, *_join_processes()
    if s.batch % world:
        raise SettingsError(f"training.batch {s.batch} cannot be shared by {world} processes: make it a multiple")
    torch.manual_seed(data.seed + rank)
    torch.set_num_threads(settings.threads)
    device, _ = choose_device(settings.device)
    net = family.network().to(device)
    if start:
        load_weights(net, start)
    learner = Learner(net, s).to(device)
    optimizer = torch.optim.AdamW(learner.parameters(), s.learning_rate, weight_decay=s.weight_decay)
    done = _resume(out / "checkpoint.pt", learner, optimizer)
    parallel = DistributedDataParallel(learner) if world > 1 else learner
    out.mkdir(parents=True, exist_ok=True)
    known = {*drives, *drives_of(out / "model.safetensors"), *(drives_of(start) if start else ())}
    last, running, began, first = done, dict[str, float](), time.monotonic(), done
    for batch in _batches(data, done, s.batch // world, rank, world, workers):
        losses = _step(parallel, net, optimizer, {k: v.to(device) for k, v in batch.items()}, learning_rate(done, s))
        done += s.batch
        for key, value in losses.items():
            running[key] = 0.98 * running.get(key, value) + 0.02 * value
        if rank != 0:
            continue
        progress(done, running)
        if done - last >= s.checkpoint_every or done + s.batch > s.samples:
            last = done
            rate = (done - first) / (time.monotonic() - began)
            _log(out / "metrics.csv", {"samples": done, **running, "samples_per_s": rate})
            _save_checkpoint(out / "checkpoint.pt", learner, optimizer, done)
            save_model(
                out, family.settings, net, settings, {"samples": done, "seed": data.seed, "drives": sorted(known)}
            )
    if world > 1:
        dist.destroy_process_group()
    return out


def _join_processes() -> tuple[int, int]:
    """Rank and number of processes, from torchrun's environment; one alone without it."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1:
        dist.init_process_group("gloo")
    return int(os.environ.get("RANK", "0")), world


def _batches(
    data: TrainingSet, done: int, size: int, rank: int, world: int, workers: int
) -> Iterator[dict[str, Tensor]]:
    """This process's share of the examples from `done` on."""
    share = Subset(data, range(done + rank, len(data), world))
    return iter(DataLoader(share, size, num_workers=workers, drop_last=True, persistent_workers=workers > 0))


def _step(
    learner: nn.Module, net: nn.Module, optimizer: torch.optim.Optimizer, batch: dict[str, Tensor], rate: float
) -> dict[str, float]:
    for group in optimizer.param_groups:
        group["lr"] = rate
    losses = learner(batch)
    optimizer.zero_grad(set_to_none=True)
    losses["loss"].backward()
    nn.utils.clip_grad_norm_(net.parameters(), 5.0)  # not the scale of the pose loss, whose gradient has other units
    optimizer.step()
    return {k: float(v.detach()) for k, v in losses.items()}


def _parts(learner: Learner) -> dict[str, nn.Module]:
    """What a checkpoint keeps, by name."""
    return {"net": learner.net, "pose": learner.pose or nn.Identity()}


def _save_checkpoint(file: Path, learner: Learner, optimizer: torch.optim.Optimizer, done: int) -> None:
    partial = file.with_suffix(".tmp")
    parts = {name: part.state_dict() for name, part in _parts(learner).items()}
    torch.save({**parts, "optimizer": optimizer.state_dict(), "samples": done}, partial)
    partial.replace(file)


def _resume(file: Path, learner: Learner, optimizer: torch.optim.Optimizer) -> int:
    """The number of samples that the checkpoint has seen; 0 without one."""
    if not file.exists():
        return 0
    try:
        saved = torch.load(file, weights_only=True)
        for name, part in _parts(learner).items():
            part.load_state_dict(saved.get(name, {}))
        optimizer.load_state_dict(saved["optimizer"])
    except (RuntimeError, KeyError, ValueError, EOFError, UnpicklingError) as error:
        why = one_line(error) or "it is empty"
        raise ModelError(f"cannot continue from {file}: {why}; delete it to start again") from error
    return int(saved["samples"])


def _log(file: Path, row: dict[str, float]) -> None:
    new = not file.exists()
    with file.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow({k: f"{v:.6g}" for k, v in row.items()})
