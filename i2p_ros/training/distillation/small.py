# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small teacher of our own, and its training on examples of the networks: images with the depth at their true poses.

    python -m i2p_ros.training.distillation.small OUT --root rooms/pairs.json --drives train

It trains a U-Net and its ControlNet together, on images of a few dozen pixels. Examples are made once; each comes
often, half the time mirrored. OUT has the layout of diffusers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from i2p_ros.core.config import Settings, load_settings
from i2p_ros.core.errors import I2PError
from i2p_ros.families import family_class
from i2p_ros.networks.base import Tensors
from i2p_ros.sources.opening import open_source
from i2p_ros.training.cache import CachedSource
from i2p_ros.training.data import TrainingSet
from i2p_ros.training.distillation.depth import soft_inverse_depth
from i2p_ros.training.distillation.score import colours, denoising_error
from i2p_ros.training.distillation.teacher import Teacher, diffusion_library, no_prompts

CHANNELS = 32, 48, 64  # of the stages of the U-Net; each has half the size of the one before
PROMPT = 8  # channels of the prompts, which are all 0
UNCONDITIONAL = 0.15  # share of the samples without nearness
BATCH, RATE = 8, 1e-3
TOLD = 100  # steps whose mean loss is printed


def new_teacher(raster: tuple[int, int]) -> Teacher:
    """A teacher for images of this height and width, multiples of 4, with random weights that learn."""
    library = diffusion_library()
    unet = library.UNet2DConditionModel(
        sample_size=raster, in_channels=3, out_channels=3, block_out_channels=CHANNELS, layers_per_block=1,
        down_block_types=("DownBlock2D",) * len(CHANNELS), up_block_types=("UpBlock2D",) * len(CHANNELS),
        mid_block_type="UNetMidBlock2D", norm_num_groups=8, cross_attention_dim=PROMPT,
    )  # fmt: skip
    control = library.ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(16,))
    scheduler = library.DDPMScheduler(num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2")
    return Teacher(unet, control, scheduler, no_prompts(unet))


def learn(
    teacher: Teacher, latents: Tensor, nearness: Tensor, steps: int, tell: Callable[[int, float], None] | None = None
) -> None:
    """Train both networks of a teacher to see the noise of images (N, 3, h, w), with and without their nearness
    (N, 1, h, w)."""
    parameters = [*teacher.unet.parameters(), *teacher.controlnet.parameters()]
    for part in (teacher.unet, teacher.controlnet):
        part.train().requires_grad_(True)
    optimizer = torch.optim.AdamW(parameters, RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, max(steps, 2), pct_start=0.1)
    for step in range(steps):
        rows, mirrored = torch.randint(len(latents), (BATCH,)), bool(torch.rand(()) < 0.5)
        image, near = (x[rows].flip(3) if mirrored else x[rows] for x in (latents, nearness))
        near = near * (torch.rand(BATCH, 1, 1, 1) > UNCONDITIONAL)
        loss = denoising_error(teacher, image, near, weighted=False).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if tell:
            tell(step, float(loss.detach()))
    for part in (teacher.unet, teacher.controlnet):
        part.eval().requires_grad_(False)


def pair_of(teacher: Teacher, batch: Tensors) -> tuple[Tensor, Tensor]:
    """The images of a batch as the teacher takes them, and the nearness at their true poses."""
    size = batch["image"].shape[2], batch["image"].shape[3]
    raster, truth = teacher.raster(*size), batch["T_camera_lidar"][:, :3].float()
    nearness = soft_inverse_depth(batch["points"].float(), truth, batch["camera"].float(), size, raster)
    latents = teacher.latents(colours(batch["image"]), raster)
    return latents, nearness.to(latents)


def save(teacher: Teacher, folder: Path) -> None:
    """Write the folder that `load_teacher` reads."""
    teacher.unet.save_pretrained(folder / "unet")
    teacher.controlnet.save_pretrained(folder / "controlnet")
    teacher.scheduler.save_pretrained(folder / "scheduler")


def examples_of(teacher: Teacher, data: TrainingSet) -> tuple[Tensor, Tensor]:
    """Images and nearness of all examples of a training set."""
    made = [pair_of(teacher, {name: value[None] for name, value in data[k].items()}) for k in range(len(data))]
    latents, nearness = zip(*made, strict=True)
    return torch.cat(latents), torch.cat(nearness)


def _data(
    root: Path, drives: list[str] | None, samples: int, seed: int, cache: Path, settings: Settings
) -> TrainingSet:
    kind = family_class("diff2i2p")
    family: Any = kind(kind.sizes["small"], settings.matching)
    source = CachedSource(open_source("auto", root, settings=settings, drives=drives), cache, str(root.resolve()))
    return TrainingSet(family, [(source, 1.0)], {"vp2p": 1.0}, seed, samples, "matching", settings.training.aspect)


def main(argv: list[str] | None = None) -> int:
    """The command of the docstring above."""
    parser = argparse.ArgumentParser(prog="python -m i2p_ros.training.distillation.small", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--root", type=Path, required=True, help="recording with true poses, such as rooms/pairs.json")
    parser.add_argument("--drives", help="names of its drives, with commas")
    parser.add_argument("--examples", type=int, default=2000, help="examples that are made of it")
    parser.add_argument("--steps", type=int, default=6000, help=f"steps of {BATCH} examples each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--raster", type=int, nargs=2, default=(32, 40), help="height and width of its images")
    given = parser.parse_args(argv)
    try:
        settings = load_settings((), ["training.aspect=1.25"])
        drives = given.drives.split(",") if given.drives else None
        data = _data(given.root, drives, given.examples, given.seed, given.out / "cache", settings)
        torch.manual_seed(given.seed)
        teacher = new_teacher(tuple(given.raster))
        examples = examples_of(teacher, data)
        recent = list[float]()

        def tell(step: int, loss: float) -> None:
            recent.append(loss)
            if len(recent) == TOLD:
                sys.stderr.write(f"step {step + 1}: loss {sum(recent) / TOLD:.4f}\n")
                recent.clear()

        learn(teacher, *examples, given.steps, tell)
        save(teacher, given.out)
    except I2PError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
