# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image formation from light: lens blur, vignetting, exposure, white balance, noise, tone curve, JPEG."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
import torch
from torch import Tensor

from i2p_ros.synthetic.random_streams import hashed, normal

_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))  # JFIF 1.02
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))
_LUMA = (  # quantisation of ITU-T T.81, tables K.1 and K.2
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMA = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99,
    99, 99, 99, *((99,) * 32),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CameraResponse:
    """Parameters of a camera's image formation.

    `blur` is the deviation of the lens blur, `smear` that of further horizontal blur, px. `exposure` is the mean of the
    image, 0..1, before the tone curve. `red` and `blue` are gains of the white balance. `vignette` is the loss of light
    in the corners. The noise of a value v has the deviation `noise` * (0.3 + v), and the seed `seed` (int32). `gamma`
    is the exponent of the tone curve, `quality` (1..100) that of the JPEG.
    """

    blur: float
    smear: float
    exposure: float
    red: float
    blue: float
    vignette: float
    noise: float
    gamma: float
    quality: float
    seed: int

    @staticmethod
    def random(rng: np.random.Generator) -> CameraResponse:
        """Random parameters, drawn from rng."""
        return CameraResponse(
            blur=rng.uniform(0.2, 0.5) if rng.random() < 0.85 else rng.uniform(0.6, 1.3),
            smear=rng.uniform(0.3, 2.0) if rng.random() < 0.15 else 0.0,
            exposure=rng.uniform(0.24, 0.42),
            red=rng.uniform(0.88, 1.12),
            blue=rng.uniform(0.88, 1.12),
            vignette=rng.uniform(0.0, 0.4),
            noise=rng.uniform(0.003, 0.02) if rng.random() < 0.85 else rng.uniform(0.02, 0.06),
            gamma=rng.uniform(0.55, 0.9),
            quality=rng.uniform(70.0, 98.0) if rng.random() < 0.8 else rng.uniform(25.0, 70.0),
            seed=int(rng.integers(-(2**31), 2**31)),
        )


def form_images(light: Tensor, responses: list[CameraResponse]) -> Tensor:
    """RGB images (P, H, W, 3) uint8 of light (3, P, H, W), where white in the sun is 1."""
    numbers = torch.tensor([astuple(response)[:-1] for response in responses]).to(light.device)
    blur, smear, exposure, red, blue, vignette, noise, gamma, quality = numbers.T[:, :, None, None]
    seed = torch.tensor([response.seed for response in responses], dtype=torch.int32).to(light.device)[:, None, None]
    image = _blurred(_blurred(light, blur, 2), torch.hypot(blur, smear), 3)
    image = image.clamp_(max=8.0) * (exposure / image.clamp(max=1.5).mean((0, 2, 3))[:, None, None])
    image = image * _vignette(vignette, *light.shape[2:]) * torch.stack([red, torch.ones_like(red), blue])
    number = torch.arange(image[0, 0].numel(), dtype=torch.int32, device=light.device).view(1, *light.shape[2:])
    bits = hashed(number, seed)
    grain = torch.stack([normal(bits), normal(bits << 3), normal(bits << 6)])
    image = (image + noise * (0.3 + image) * grain).clamp_(1e-4, 1.0).log_().mul_(gamma).exp_()
    return (jpeg(image * 255.0, quality) + 0.5).clamp_(0.0, 255.0).to(torch.uint8).permute(1, 2, 3, 0).contiguous()


def _blurred(image: Tensor, sigma: Tensor, dim: int) -> Tensor:
    """Image (3, P, H, W) after a Gaussian blur of five taps along one dimension. Edges are replicated."""
    size = image.shape[dim]
    sides = (2, 2, 0, 0) if dim == 3 else (0, 0, 2, 2)
    padded = torch.nn.functional.pad(image, sides, mode="replicate")
    near, far = (torch.exp(-0.5 * (k / sigma) ** 2) for k in (1, 2))
    a, b, c, d, e = (padded.narrow(dim, k, size) for k in range(5))
    return (c + near * (b + d) + far * (a + e)) / (1.0 + 2.0 * (near + far))


def _vignette(strength: Tensor, height: int, width: int) -> Tensor:
    y, x = (torch.linspace(-1.0, 1.0, n, device=strength.device) for n in (height, width))
    return 1.0 - strength * (0.2 * y[:, None] ** 2 + 0.8 * x**2) ** 1.5


def jpeg(image: Tensor, quality: Tensor) -> Tensor:
    """Image (3, P, H, W) of 0..255 after JPEG compression of a quality (P, 1, 1), 1..100, with 4:2:0 subsampling."""
    _, places, height, width = image.shape
    padded = torch.nn.functional.pad(image, (0, -width % 16, 0, -height % 16), mode="replicate")
    scale = torch.where(quality < 50, 50.0 / quality, 2.0 - 0.02 * quality)
    ycc = torch.einsum("ij,jphw->iphw", torch.tensor(_TO_YCC, device=image.device), padded)
    luma = _quantised(ycc[0] - 128.0, _LUMA, scale) + 128.0
    small = torch.nn.functional.avg_pool2d(ycc[1:].flatten(0, 1)[:, None], 2)[:, 0].unflatten(0, (2, places))
    chroma = torch.stack([_quantised(plane, _CHROMA, scale) for plane in small])
    chroma = chroma.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    rgb = torch.einsum("ij,jphw->iphw", torch.tensor(_TO_RGB, device=image.device), torch.cat([luma[None], chroma]))
    return rgb[:, :, :height, :width]


def _quantised(plane: Tensor, table: tuple[int, ...], scale: Tensor) -> Tensor:
    """Plane (P, H, W) after quantisation of its 8x8 DCT by a table times a scale (P, 1, 1)."""
    k = torch.arange(8, device=plane.device)
    dct = torch.cos((2 * k + 1) * k[:, None] * (torch.pi / 16.0)) * 0.5
    dct[0] *= 0.5**0.5
    steps = (torch.tensor(table, device=plane.device).view(8, 8) * scale).round().clamp_(1.0, 255.0)[:, None, None]
    blocks = plane.unflatten(2, (-1, 8)).unflatten(1, (-1, 8)).transpose(2, 3)  # (P, h, w, 8, 8)
    freq = dct @ blocks @ dct.T
    back = dct.T @ ((freq / steps).round() * steps) @ dct
    return back.transpose(2, 3).flatten(3, 4).flatten(1, 2)
