# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Textures of rooms: boards and tiles of floors, wallpaper, doors of cabinets, backs of books, pictures, screens."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from i2p_ros.synthetic.random_streams import noise
from i2p_ros.synthetic.solids import Material
from i2p_ros.synthetic.textures import Painted, TexturePoints, repeated


def paint_floorboards(albedo: Tensor, at: TexturePoints) -> Painted:
    """Boards of different tones with grain, and joints between them."""
    board = at.local[1] / (0.1 + 0.1 * at.pattern(0))
    shift = noise(at.seed, board) * 3.0
    length = at.local[0] / (0.8 + at.pattern(1)) + shift
    tone = 0.75 + 0.5 * noise(at.seed ^ 3, board, length)
    grain = 0.85 + 0.3 * noise(at.seed ^ 5, board * 6.0, at.local[0] * 2.5 + shift)
    joint = (repeated(board, 1.0) < 0.04) | (repeated(length, 1.0) < 0.01)
    return albedo * tone * grain * torch.where(joint, 0.45, 1.0), 0.15 * torch.ones_like(tone)


def paint_tiles(albedo: Tensor, at: TexturePoints) -> Painted:
    """Square tiles of two tones, with joints."""
    size = 0.2 + 0.3 * at.pattern(0)
    u, v = at.local[0] / size, at.local[1] / size
    other = repeated(torch.floor(u) + torch.floor(v), 2.0) >= 1.0
    tone = torch.where(other & (at.pattern(1) > 0.5), 0.55, 1.0) * (0.9 + 0.2 * noise(at.seed, u, v))
    joint = (repeated(u, 1.0) < 0.03) | (repeated(v, 1.0) < 0.03)
    return albedo * torch.where(joint, 0.5, tone), 0.2 * torch.ones_like(u)


def paint_wallpaper(albedo: Tensor, at: TexturePoints) -> Painted:
    """Plain paint, stripes or a pattern, over a skirting board."""
    u, v = at.across / (0.08 + 0.25 * at.pattern(0)), at.up / (0.1 + 0.25 * at.pattern(1))
    stripes = (at.pattern(2) > 0.6) & (repeated(u, 1.0) < 0.4)
    spots = (at.pattern(2) < 0.3) & ((repeated(u, 1.0) - 0.5) ** 2 + (repeated(v, 1.0) - 0.5) ** 2 < 0.05)
    tone = torch.where(stripes | spots, 0.8, 1.0)
    return torch.where(at.up < 0.09, 0.75 - 0.5 * at.pattern(3), albedo * tone), torch.zeros_like(u)


def paint_cabinet(albedo: Tensor, at: TexturePoints) -> Painted:
    """Doors or drawers with joints and handles."""
    columns, rows = 1.0 + torch.floor(3.0 * at.pattern(0)), 1.0 + torch.floor(4.0 * at.pattern(1))
    u = repeated(0.5 * columns * (at.across / at.half[1] + 1.0), 1.0)
    v = repeated(0.5 * rows * at.up / at.half[2], 1.0)
    front = at.side == 0
    joint = front & ((u < 0.015) | (v < 0.02))
    handle = front & ((u - 0.85).abs() < 0.02) & ((v - 0.55).abs() < 0.08)
    return albedo * torch.where(joint, 0.3, torch.where(handle, 0.15, 1.0)), torch.zeros_like(u)


def paint_books(albedo: Tensor, at: TexturePoints) -> Painted:
    """Backs of books side by side, of different colours and heights of their titles."""
    book = at.across / (0.025 + 0.02 * at.pattern(0))
    hues = torch.stack([0.08 + 0.8 * noise(at.seed ^ k, book) ** 1.5 for k in (1, 2, 4)])
    title = (at.up / at.half[2] - 0.6 - 0.8 * noise(at.seed ^ 8, book)).abs() < 0.18
    ink = title & (repeated(book, 1.0) > 0.3) & (noise(at.seed ^ 16, book * 3.0, at.up * 60.0) > 0.4)
    gap = repeated(book, 1.0) < 0.08
    paper = torch.where(ink, 0.85, torch.where(gap, 0.04, hues))
    return torch.where(at.side == 2, 0.7 * albedo, paper), torch.zeros_like(at.up)


def paint_picture(albedo: Tensor, at: TexturePoints) -> Painted:
    """A frame around shapes of several sizes and colours."""
    u, v = at.across / at.half[1], at.up / at.half[2] - 1.0
    frame = torch.maximum(u.abs(), v.abs()) > 0.9
    coarse = torch.stack([noise(at.seed ^ k, 1.7 * u + 9.0, 1.7 * v + 9.0) for k in (1, 2, 4)])
    fine = torch.stack([noise(at.seed ^ k, 7.0 * u + 30.0, 6.0 * v + 30.0) for k in (8, 16, 32)])
    return torch.where(frame, 0.1 + 0.7 * at.pattern(0), 0.1 + 0.5 * coarse + 0.3 * fine), 0.3 * (~frame)


def paint_screen(albedo: Tensor, at: TexturePoints) -> Painted:
    """A screen that is off, or shows windows with text."""
    u, v = at.across / at.half[1], at.up / at.half[2] - 1.0
    lit = (torch.maximum(u.abs(), v.abs()) < 0.93) & (at.local[0] > 0) & (at.pattern(0) > 0.4)
    page = 0.2 + 0.7 * noise(at.seed, 1.5 * u + 5.0, 1.2 * v + 5.0)
    text = (repeated(v, 0.12) < 0.05) & (noise(at.seed ^ 3, u * 20.0 + 40.0, v * 8.0 + 20.0) > 0.5)
    return torch.where(lit, torch.where(text, 0.1, page), albedo), torch.ones_like(u)


def paint_carton(albedo: Tensor, at: TexturePoints) -> Painted:
    """Cardboard with tape and a label."""
    u, v = at.across / at.half[1], at.up / at.half[2] - 1.0
    tape = (at.side == 2) & (at.local[1].abs() < 0.025)
    label = (at.side != 2) & (u.abs() < 0.5) & ((v - 0.1).abs() < 0.35) & (at.pattern(0) > 0.4)
    ink = label & (noise(at.seed, u * 9.0 + 20.0, v * 7.0 + 20.0) > 0.6)
    return torch.where(ink, 0.1, torch.where(label, 0.8, torch.where(tape, 0.6, albedo))), torch.zeros_like(u)


def paint_door(albedo: Tensor, at: TexturePoints) -> Painted:
    """Panels, a frame and a handle."""
    u, v = at.across / at.half[1], at.up / at.half[2] - 1.0
    frame = (u.abs() > 0.9) | (v > 0.95)
    panel = (u.abs() < 0.65) & (repeated(v + 1.0, 0.66) > 0.12)
    handle = ((u - 0.8).abs() < 0.05) & ((v - 0.02).abs() < 0.03)
    return albedo * torch.where(handle, 0.1, torch.where(frame, 1.3, torch.where(panel, 0.85, 1.0))), 0.1 * panel


def paint_window(albedo: Tensor, at: TexturePoints) -> Painted:
    """Bright panes between bars: the sky and what is outside, blurred."""
    u, v = at.across / at.half[1], at.up / at.half[2] - 1.0
    bars = (u.abs() > 0.94) | (v.abs() > 0.94) | (u.abs() < 0.03) | ((v - 0.3).abs() < 0.03)
    outside = 0.7 + 0.5 * v + 0.2 * noise(at.seed, 4.0 * u + 9.0, 5.0 * v + 9.0)
    return torch.where(bars, 0.8 * albedo, outside.clamp(0.2, 1.0)), (~bars).to(albedo.dtype)


ROOM_PAINTERS: dict[Material, Callable[[Tensor, TexturePoints], Painted]] = {
    Material.FLOORBOARDS: paint_floorboards,
    Material.TILES: paint_tiles,
    Material.WALLPAPER: paint_wallpaper,
    Material.CABINET: paint_cabinet,
    Material.BOOKS: paint_books,
    Material.PICTURE: paint_picture,
    Material.SCREEN: paint_screen,
    Material.CARTON: paint_carton,
    Material.DOOR: paint_door,
    Material.WINDOW: paint_window,
}
