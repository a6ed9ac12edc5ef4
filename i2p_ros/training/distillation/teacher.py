# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The teacher: a frozen diffusion model with a ControlNet for depth, of the library diffusers.

A folder in the layout of diffusers is read: a whole pipeline (unet, controlnet, scheduler, and vae, text_encoder and
tokenizer of one that works on latents and takes prompts), or a ControlNet alone, beside the folder of its pipeline.
`sd15` is Stable Diffusion 1.5 with its ControlNet for depth, from the local cache of diffusers. Nothing is downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from i2p_ros.core.errors import MissingPackageError, ModelError, install_command, one_line

NAMED = {"sd15": ("lllyasviel/control_v11f1p_sd15_depth", "stable-diffusion-v1-5/stable-diffusion-v1-5")}
PROMPTS = "lowres, bad quality, cropped, text", "a photo of a room, best quality, extremely detailed"  # without, with
STRIDE = 64  # px; sizes of images of a model that works on latents


@dataclass(frozen=True)
class Teacher:
    """A frozen model: its parts, and the `prompts` (2, L, C), without and with what is asked for.

    A model without a `vae` works on the image itself, and is unconditional where the nearness is 0 everywhere.
    """

    unet: Any
    controlnet: Any
    scheduler: Any
    prompts: Tensor
    vae: Any = None

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        device: torch.device = self.prompts.device
        return device

    def to(self, device: torch.device) -> Teacher:
        """The same on another device. Modules are moved in place."""
        for module in (self.unet, self.controlnet, self.vae):
            if module is not None:
                module.to(device)
        return Teacher(self.unet, self.controlnet, self.scheduler, self.prompts.to(device), self.vae)

    def raster(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the images and nearness that it takes, for images of this size: of the same width as in
        its training, and about the same aspect."""
        size = self.unet.config.sample_size
        if self.vae is None:
            return (size, size) if isinstance(size, int) else (size[0], size[1])
        wide = 8 * (size if isinstance(size, int) else size[1])
        return STRIDE * max(1, round(wide * height / width / STRIDE)), wide

    @torch.no_grad()
    def latents(self, image: Tensor, raster: tuple[int, int]) -> Tensor:
        """What noise is added to: latents of an image (B, 3, H, W) of colours -1..1, or the image on its raster."""
        image = F.interpolate(image, size=raster, mode="area" if raster[0] < image.shape[2] else "bilinear")
        if self.vae is None:
            return image
        found: Tensor = self.vae.encode(image).latent_dist.mean * self.vae.config.scaling_factor
        return found

    def noise(self, noisy: Tensor, time: Tensor, nearness: Tensor, guidance: float = 1.0) -> Tensor:
        """The noise that it sees in noisy latents (B, C, h, w) at times (B,), given the nearness (B, 1, H, W).

        With a guidance other than 1 it looks again unconditionally: with the other prompt, or without nearness.
        """
        without, asked = self.prompts[:, None].expand(-1, len(noisy), -1, -1)
        if guidance == 1.0:
            return self._seen(noisy, time, nearness, asked)
        unasked = torch.zeros_like(nearness) if self.vae is None else nearness
        pairs = (noisy, noisy), (time, time), (unasked, nearness), (without, asked)
        unconditional, conditional = self._seen(*(torch.cat(pair) for pair in pairs)).chunk(2)
        return guided(unconditional, conditional, guidance)

    def _seen(self, noisy: Tensor, time: Tensor, nearness: Tensor, prompts: Tensor) -> Tensor:
        """The noise by both networks. The ControlNet takes the noisy latents and the prompts, as the U-Net does."""
        control = nearness.expand(-1, 3, -1, -1)
        down, mid = self.controlnet(
            noisy, time, encoder_hidden_states=prompts, controlnet_cond=control, return_dict=False
        )
        (found,) = self.unet(
            noisy, time, encoder_hidden_states=prompts, down_block_additional_residuals=down,
            mid_block_additional_residual=mid, return_dict=False,
        )  # fmt: skip
        noise: Tensor = found
        return noise


def guided(unconditional: Tensor, conditional: Tensor, guidance: float) -> Tensor:
    """Classifier-free guidance (Ho & Salimans 2021): from the unconditional noise towards the conditional one."""
    return unconditional + guidance * (conditional - unconditional)


def load_teacher(name: str, pipeline: str = "") -> Teacher:
    """The teacher of a folder or a name of NAMED. `pipeline` is the folder of the pipeline of a ControlNet alone.

    Raises MissingPackageError without diffusers, ModelError when the folder is not there or not of a teacher.
    """
    library = diffusion_library()
    control, base = NAMED.get(name, (name, pipeline or name))
    alone = (Path(control) / "config.json").is_file() or name in NAMED
    if name not in NAMED and not Path(control).is_dir():
        raise ModelError(f"there is no teacher {name!r}: neither a folder nor one of {', '.join(NAMED)}")
    if alone and name not in NAMED and not pipeline:
        raise ModelError(f"{name} is a ControlNet alone: training.distill_pipeline must name its pipeline")
    try:
        parts = {
            "controlnet": _read(library.ControlNetModel, control, "" if alone else "controlnet"),
            "unet": _read(library.UNet2DConditionModel, base, "unet"),
            "scheduler": library.DDPMScheduler.from_pretrained(base, subfolder="scheduler", local_files_only=True),
        }
        on_latents = parts["unet"].config.in_channels != 3
        vae = _read(library.AutoencoderKL, base, "vae") if on_latents else None
        prompts = _encoded(base) if on_latents else no_prompts(parts["unet"])
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"the teacher {name} cannot be read: {one_line(error)}") from error
    return Teacher(**parts, prompts=prompts, vae=vae)


def no_prompts(unet: Any) -> Tensor:
    """(2, 1, C) zeros in place of both prompts, for a model that takes none."""
    return torch.zeros(2, 1, unet.config.cross_attention_dim)


def _read(kind: Any, folder: str, part: str) -> Any:
    options = {"subfolder": part} if part else {}
    return kind.from_pretrained(folder, local_files_only=True, **options).eval().requires_grad_(False)


@torch.no_grad()
def _encoded(folder: str) -> Tensor:
    """(2, L, C) the two PROMPTS by the text encoder of a pipeline."""
    try:
        from transformers import CLIPTextModel, CLIPTokenizer
    except ImportError as error:
        what = f"prompts of a teacher need transformers: {install_command('distill')}"
        raise MissingPackageError(what) from error
    tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer", local_files_only=True)
    encoder = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder", local_files_only=True).eval()
    most = tokenizer.model_max_length
    words = tokenizer([*PROMPTS], padding="max_length", max_length=most, truncation=True, return_tensors="pt")
    found: Tensor = encoder(words.input_ids)[0]
    return found


def diffusion_library() -> Any:
    """The library diffusers; raises MissingPackageError without it."""
    try:
        import diffusers
    except ImportError as error:
        what = f"a diffusion teacher needs diffusers: {install_command('distill')}"
        raise MissingPackageError(what) from error
    return diffusers
