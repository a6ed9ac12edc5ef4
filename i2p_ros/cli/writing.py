# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p synth`, `i2p pairs` and `i2p export`: synthetic data, lists of pairs and networks as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from i2p_ros.cli.parts import (
    NONE,
    Files,
    JsonFile,
    Model,
    Overrides,
    SourceName,
    check_targets,
    console,
    progress,
    write_json,
)
from i2p_ros.core.config import load_settings
from i2p_ros.core.errors import InputError


def synth(
    path: Annotated[Path, typer.Argument(help="Folder to write.")],
    fmt: Annotated[
        Literal["kitti", "mcap", "sqlite3", "7scenes"],
        typer.Option("--format", help="KITTI raw, a bag, or rooms in the layout of 7-Scenes."),
    ] = "mcap",
    n: Annotated[int, typer.Option(min=1, help="Pairs; of rooms, frames of an RGB-D camera.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the world.")] = 0,
    drive: Annotated[bool, typer.Option(help="A drive through one world, or scattered places (KITTI only).")] = True,
    compressed: Annotated[bool, typer.Option(help="JPEG images in a bag.")] = False,
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Write synthetic data with exact true poses: pairs as a KITTI raw folder or as a bag, or frames of rooms."""
    from i2p_ros.sources.opening import open_source
    from i2p_ros.writers.writing import write_bag, write_kitti_raw, write_rooms

    if fmt not in ("mcap", "sqlite3") and compressed:
        raise InputError("--compressed is for bags: KITTI and 7-Scenes folders hold PNG images", "synth")
    if fmt != "kitti" and not drive:
        raise InputError("a bag has one calibration: --no-drive is for --format kitti", "synth")
    check_targets(json_file)
    settings = load_settings(files, [*overrides, f"synthetic.drive={str(drive).lower()}"])
    source = open_source("synthetic", settings=settings, seed=seed, n=n)
    name, of = (f"synthetic rooms, seed {seed}", "frames") if fmt == "7scenes" else (source.name, "pairs")
    with progress("writing", n) as step:
        if fmt == "7scenes":
            write_rooms(seed, n, path, step)
        elif fmt == "kitti":
            write_kitti_raw(source, path, step)
        else:
            write_bag(source, path, fmt, compressed, step)
    write_json({"path": str(path), "format": fmt, of: n, "source": name, "seed": seed}, json_file)
    console.print(escape(f"wrote {n} {of} of {name} to {path}"), soft_wrap=True)


def pairs(
    root: Annotated[Path, typer.Argument(help="Folder with sequences of an RGB-D camera.")],
    name: Annotated[str, typer.Argument(help="Name of the list in that folder, *.json or *.parquet.")] = "pairs.json",
    source: SourceName = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the images and of the split for validation.")] = 7,
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Draw pairs of an image and a fragment of 25 frames, and list them in a file. Other commands take it as --root."""
    from i2p_ros.evaluation.files import write_bytes
    from i2p_ros.sources.opening import open_source
    from i2p_ros.sources.pair_list import SUFFIXES, encoded_pairs
    from i2p_ros.sources.rgbd_pairs import RgbdPairSource

    path = root / name
    if Path(name).name != name or path.suffix not in SUFFIXES:
        raise InputError(
            f"a list lies in the folder of its scenes: give a name that ends in {' or '.join(SUFFIXES)}", "output"
        )
    check_targets(json_file, path)
    with progress("fusing fragments"):
        drawn = open_source(source or "auto", root, settings=load_settings(files, overrides), seed=seed)
    if not isinstance(drawn, RgbdPairSource):
        raise InputError(f"{root} has no sequences of an RGB-D camera: {drawn.name}", "source.kind")
    write_bytes(path, encoded_pairs(drawn.pair_list, path.suffix))
    numbers = {
        "path": str(path),
        "pairs": len(drawn),
        "sha256": drawn.pair_list.digest,
        "source": drawn.name,
        "seed": seed,
    }
    write_json(numbers, json_file)
    console.print(escape(f"wrote {len(drawn)} pairs of {drawn.name} to {path}"), soft_wrap=True)


def export(
    model: Model = "vp2p-small",
    out: Annotated[Path, typer.Option("--out", help="Folder for the ONNX files.")] = Path("exported"),
    width: Annotated[int, typer.Option(min=16, help="Width of the images, px.")] = 1242,
    height: Annotated[int, typer.Option(min=16, help="Height of the images, px.")] = 375,
    onnx: Annotated[bool, typer.Option(help="Write ONNX files of the dense parts.")] = True,
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Build engines for images of one size ahead of time, where TensorRT is there, and write ONNX files."""
    check_targets(json_file, out / "image.onnx" if onnx else None)
    settings = load_settings(files, overrides)
    with progress("exporting"):
        from i2p_ros.localizer import export as run

        written, says = run(model, out if onnx else None, width, height, settings)
    write_json({"files": [str(file) for file in written], "runtime": says}, json_file)
    for file in written:
        console.print(escape(f"wrote {file}"), soft_wrap=True)
    console.print(escape(says), soft_wrap=True)
