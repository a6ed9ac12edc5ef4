# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Geometry of panoramas: images on a cylinder about the z axis, whose columns are azimuths and whose rows elevations.

Column k of COLUMNS is the azimuth k + 0.5 deg, from x (forward) to y (left). The first row is at HIGH. A map of fewer
rows or columns covers the same angles. Cameras (B, 4) are fx, fy, cx, cy in px, and level: z is up in their image.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

COLUMNS = 360
LOW, HIGH = math.radians(-30.0), math.radians(20.0)
LOG_RANGE = 3.0  # unit of the natural logarithm of the range in m, in the channel of a panorama that holds it
WIDEST = math.radians(80.0)  # from the axis of a camera; farther out pixels are few and large


def headings(T_camera_input: Tensor) -> Tensor:
    """(B,) azimuths in rad that cameras of poses (B, 3 or 4, 4) look in."""
    return torch.atan2(T_camera_input[:, 2, 1], T_camera_input[:, 2, 0])


def level_cameras(heading: Tensor) -> Tensor:
    """(B, 4, 4) poses T_camera_input of cameras at the origin, with z up in their image and headings (B,) in rad."""
    cos, sin, zero, one = heading.cos(), heading.sin(), torch.zeros_like(heading), torch.ones_like(heading)
    rows = [sin, -cos, zero, zero, zero, zero, -one, zero, cos, sin, zero, zero, zero, zero, zero, one]
    return torch.stack(rows, 1).unflatten(1, (4, 4))


def directions(points: Tensor) -> tuple[Tensor, Tensor]:
    """(B, N) azimuths and elevations in rad of points (B, N, 3), seen from the origin."""
    flat = points[..., :2].norm(dim=-1)
    return torch.atan2(points[..., 1], points[..., 0]), torch.atan2(points[..., 2], flat)


def bearings(pixels: Tensor, cameras: Tensor) -> tuple[Tensor, Tensor]:
    """(B, P) bearings to the left of the axis and elevations, in rad, of pixels (P, 2)."""
    x, y = ((pixels - cameras[:, None, 2:]) / cameras[:, None, :2]).unbind(-1)
    return -torch.atan(x), -torch.atan(y / (1.0 + x**2).sqrt())


def sampled(panorama: Tensor, azimuths: Tensor, elevations: Tensor) -> Tensor:
    """(B, C, P) bilinear samples of maps (B, C, h, w) at azimuths and elevations (B, P) in rad; 0 above and below."""
    h, w = panorama.shape[2:]
    column = torch.remainder(azimuths, 2.0 * math.pi) * (w / (2.0 * math.pi)) - 0.5  # from -0.5 to w - 0.5
    row = (HIGH - elevations) * (h / (HIGH - LOW)) - 0.5
    wrapped = torch.cat([panorama[..., -1:], panorama, panorama[..., :1]], 3)
    at = torch.stack([(2.0 * column + 3.0) / (w + 2) - 1.0, (2.0 * row + 1.0) / h - 1.0], -1)[:, None]
    inside = (row > -0.5) & (row < h - 0.5)
    found = F.grid_sample(wrapped, at, padding_mode="border", align_corners=False)[:, :, 0]
    return found * inside[:, None]


def unrolled(image: Tensor, cameras: Tensor, size: tuple[int, int], rows: int) -> tuple[Tensor, Tensor]:
    """Maps (B, C, h, w) of images of height and width `size`, drawn onto the cylinder (B, C, rows, COLUMNS) with the
    axis of the camera at azimuth 0; and which cells (B, rows, COLUMNS) the image covers, 1 or 0."""
    azimuth = (torch.arange(COLUMNS, device=image.device) + 0.5) * (2.0 * math.pi / COLUMNS)
    bearing = torch.remainder(azimuth + math.pi, 2.0 * math.pi) - math.pi
    elevation = HIGH - (torch.arange(rows, device=image.device) + 0.5) * ((HIGH - LOW) / rows)
    ahead = bearing.abs() < WIDEST
    x = -torch.tan(torch.where(ahead, bearing, 0.0)).expand(rows, -1)
    y = -torch.tan(elevation)[:, None] * (1.0 + x**2).sqrt()
    pixels = torch.stack([x, y], -1) * cameras[:, None, None, :2] + cameras[:, None, None, 2:]
    height, width = size
    at = (2.0 * pixels + 1.0) / torch.tensor([width, height], device=image.device) - 1.0
    covered = (ahead & (at.abs() < 1.0).all(-1)).to(image.dtype)
    drawn = F.grid_sample(image, at, padding_mode="border", align_corners=False)
    return drawn * covered[:, None], covered


def widened(panorama: Tensor) -> Tensor:
    """Maps (B, C, h, w) with COLUMNS columns, interpolated round the cylinder."""
    w = panorama.shape[3]
    wrapped = torch.cat([panorama[..., -1:], panorama, panorama[..., :1]], 3)
    at = (torch.arange(COLUMNS, device=panorama.device) + 0.5) * (w / COLUMNS) + 0.5  # in cells of `wrapped`
    low = at.floor().long().clamp(max=w)
    share = (at - low).to(panorama.dtype)
    return wrapped[..., low] * (1.0 - share) + wrapped[..., low + 1] * share


def correlation(image: Tensor, panorama: Tensor) -> Tensor:
    """(B, COLUMNS) sums of products of two maps (B, C, h, COLUMNS), the second turned by each number of columns.

    The k-th is that of `image[..., j]` with `panorama[..., j + k]`, so k deg is the heading of the camera. All shifts
    at once by the Fourier transform over columns.
    """
    spectrum = torch.fft.rfft(image).conj() * torch.fft.rfft(panorama)
    return torch.fft.irfft(spectrum.sum((1, 2)), n=COLUMNS)


def heading_votes(azimuths: Tensor, shares: Tensor, bearings: Tensor, deviation: float) -> Tensor:
    """(B, COLUMNS) votes for the headings of a camera at the origin, each spread by a `deviation` in rad.

    A point at an azimuth (B, N) that the camera sees at a bearing (B, P) votes for their difference. `shares` (B, N, P)
    weigh the votes.
    """
    degrees = (azimuths[:, :, None] - bearings[:, None]) * (COLUMNS / (2.0 * math.pi))
    k = torch.remainder(degrees.round().long(), COLUMNS).flatten(1)
    votes = shares.new_zeros(len(shares), COLUMNS).scatter_add(1, k, shares.flatten(1))
    steps = torch.arange(COLUMNS, device=votes.device) * (2.0 * math.pi / COLUMNS)
    spread = ((steps.cos() - 1.0) / deviation**2).exp()
    return torch.fft.irfft(torch.fft.rfft(votes) * torch.fft.rfft(spread), n=COLUMNS)
