# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p evaluate` and `i2p calibrate-covariance`: a model on pairs whose true pose is known."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from i2p_ros.cli.parts import (
    NONE,
    Cameras,
    Drives,
    Files,
    ImageTopic,
    InfoTopic,
    JsonFile,
    Model,
    Overrides,
    PointsTopic,
    Root,
    SourceName,
    check_targets,
    chosen_protocols,
    console,
    kind_of,
    listed,
    loaded,
    progress,
    recording_settings,
    show,
    tell_lost,
    tell_notes,
    write_json,
)
from i2p_ros.core.errors import InputError
from i2p_ros.core.protocols import ProtocolName
from i2p_ros.training import TRAINING_WORLDS

if TYPE_CHECKING:
    from i2p_ros.core.source import Source

FILED = "Default: 7, as in published figures (config/protocols)."


def evaluate(
    model: Model = "vp2p-small",
    source: SourceName = None,
    root: Root = None,
    protocol: Annotated[ProtocolName, typer.Option(help="How the clouds are moved, or what prior there is.")] = "vp2p",
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=TRAINING_WORLDS - 1, help="Seed of the draws and of synthetic worlds. " + FILED),
    ] = None,
    n: Annotated[
        int | None,
        typer.Option(min=1, help="Pairs. Default: a whole recording; of synthetic places 500, as published."),
    ] = None,
    seeds: Annotated[str, typer.Option(help="Several seeds, such as 7,8,9: runs each and reports the spread.")] = "",
    drives: Drives = "",
    cameras: Cameras = "",
    image: ImageTopic = "",
    points: PointsTopic = "",
    camera_info: InfoTopic = "",
    json_file: JsonFile = None,
    report: Annotated[Path | None, typer.Option(help="Folder for report.html with plots and overlays.")] = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Score a model on a source whose true poses are known. Exit code 3: a part could not be read."""
    from i2p_ros.evaluation import runner
    from i2p_ros.evaluation.gallery import Gallery
    from i2p_ros.evaluation.protocols import published
    from i2p_ros.evaluation.report import write_report
    from i2p_ros.sources.opening import find_kind, open_source

    check_targets(json_file, report and report / "report.html")
    settings = recording_settings(files, overrides, image, points, camera_info)
    written, kind = published(protocol), kind_of(source, root)
    n = n or (None if find_kind(kind, root).is_recorded else written.places)
    sources = {
        s: open_source(kind, root, settings=settings, seed=s, n=n, cameras=listed(cameras), drives=listed(drives))
        for s in _seeds(seed, seeds) or [written.seed]
    }
    tell_notes(list(dict.fromkeys(note for one in sources.values() for note in one.notes)))
    localizer, gallery = loaded(model, settings), Gallery()
    with progress("evaluating", sum(map(len, sources.values()))) as step:
        result = runner.evaluate_seeds(localizer, sources, protocol, step, gallery if report else None, model)
    show(result.to_json() | {"settings": settings.model_dump()}, json_file)
    if report:
        with progress("writing the report"):
            write_report(report, result, gallery.overlays, gallery.failures)
        console.print(escape(f"pictures: {report / 'report.html'}"), soft_wrap=True)
    tell_lost(result.meta["lost"])


def _seeds(seed: int | None, seeds: str) -> list[int]:
    """Seeds of the two options, which exclude each other; empty if neither is given."""
    texts = listed(seeds) or []
    usable = [int(text) for text in texts if text.isdecimal() and int(text) < TRAINING_WORLDS]
    if len(set(usable)) < len(texts) or (texts and seed is not None):
        raise InputError(
            f"--seeds needs different numbers below {TRAINING_WORLDS}, without --seed; got {seeds}", "seeds"
        )
    return usable or ([] if seed is None else [seed])


def calibrate_covariance(
    model: Model = "vp2p-small",
    source: SourceName = None,
    root: Root = None,
    protocol: Annotated[ProtocolName, typer.Option(help="How the clouds are moved.")] = "vp2p",
    seed: Annotated[
        int, typer.Option(min=0, max=TRAINING_WORLDS - 1, help="Seed of the frames, and of synthetic worlds.")
    ] = 11,
    n: Annotated[int | None, typer.Option(min=1, help="Pairs; the first ones of a recording.")] = 500,
    drives: Drives = "",
    cameras: Cameras = "",
    protocols: Annotated[
        str, typer.Option(help="Several protocols, such as vp2p,prior: each pair is drawn once by each.")
    ] = "",
    frames: Annotated[
        Path | None,
        typer.Option(help="Folder of a pair list. Its pairs are used too, and weigh as much as those of the source."),
    ] = None,
    frame_drives: Annotated[str, typer.Option(help="Drives of the pair list, separated by commas; empty: all.")] = "",
    image: ImageTopic = "",
    points: PointsTopic = "",
    camera_info: InfoTopic = "",
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Fit a model's covariance and confidence on pairs that it was not trained on, and write them to its manifest."""
    from i2p_ros.evaluation.calibrating import Part, calibrated
    from i2p_ros.runtime.manifest import find_model, manifest_of
    from i2p_ros.runtime.weights import write_calibration
    from i2p_ros.sources.opening import open_source

    check_targets(json_file, manifest_of(model))
    settings = recording_settings(files, overrides, image, points, camera_info)
    chosen = {"cameras": listed(cameras), "drives": listed(drives)}
    pairs = open_source(kind_of(source, root), root, settings=settings, seed=seed, n=n, **chosen)
    sources = {"source": pairs}
    if frames:
        sources["frames"] = open_source("frames", frames, settings=settings, drives=listed(frame_drives))
    used = chosen_protocols(protocols) or [protocol]
    parts = [Part(one, by, seed, kind) for kind, one in sources.items() for by in used]
    for one in sources.values():
        _refuse_trained_on(find_model(model)[0].trained.get("drives", []), one)
        tell_notes(one.notes)
    localizer = loaded(model, settings)
    with progress("calibrating", sum(len(part.source) for part in parts)) as step:
        fitted = calibrated(localizer, parts, step)
    write_json(fitted.model_dump(mode="json"), json_file)
    written = write_calibration(model, fitted)
    if json_file != Path("-"):
        show(fitted.model_dump(mode="json"), None)
    console.print(escape(f"written to {written}"), soft_wrap=True)


def _refuse_trained_on(drives: list[str], source: Source) -> None:
    names = " ".join((source.name, *source.drives)).replace("_sync", " ")
    if known := [drive for drive in drives if re.search(rf"\b{re.escape(drive)}\b", names)]:
        raise InputError(f"the model was trained on {', '.join(known)}: calibrate on other drives", "calibration")
