# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command `i2p`: one short function a verb. Only this file prints and chooses exit codes."""

from __future__ import annotations

import math
import os
import re
import shlex
import signal
import sys
from collections.abc import Iterable
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
import yaml
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from i2p_ros.cli_monitor import monitor
from i2p_ros.cli_parts import (
    NONE,
    Drives,
    Files,
    JsonFile,
    Overrides,
    check_targets,
    console,
    listed,
    progress,
    tell_error,
    write_json,
)
from i2p_ros.core import parameters
from i2p_ros.core.config import load_settings
from i2p_ros.core.errors import I2PError, InputError

if TYPE_CHECKING:
    from i2p_ros.sources.base import Source

TERMINATED = 128 + signal.SIGTERM  # exit code, as a shell would say it
NO_POSE = 3  # exit code of `i2p localize` when there is no pose
LOST = 3  # exit code of `i2p evaluate` and `i2p replay` when a part of the recording could not be read
NOT_LEARNED = 4  # exit code of `i2p train --overfit` when a pair is not localized
BORNE_BADLY = 5  # exit code of `i2p soak` when the node did what it must not
TRAINING_WORLDS = 1_000_000  # seeds of training worlds start here: no smaller seed is ever trained on
VALIDATION_WORLDS = TRAINING_WORLDS - 1
OVERFIT = ("training.samples=3000", "training.validate_every=160")  # what --overfit has unless told otherwise

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Camera-LiDAR localization: an image and a cloud in, the camera's pose with covariance out.",
    epilog="Example: i2p demo",
)
bench = typer.Typer(invoke_without_command=True)
app.add_typer(bench, name="bench")
app.add_typer(monitor, name="monitor")

Protocol = Literal["none", "vp2p", "sixdof", "prior"]
Perturbation = Literal["none", "vp2p", "sixdof"]
Out = Annotated[Path, typer.Option("--out", help="Folder for the results.")]
Root = Annotated[Path | None, typer.Option(help="Folder or bag to read.")]
Cameras = Annotated[str, typer.Option(help="Cameras of a KITTI folder, separated by commas; empty: both.")]
Model = Annotated[str, typer.Argument(help="Name of a model ('i2p models'), or a folder that 'i2p train' wrote.")]
FILED = "Default: 7, which published figures have, as config/protocols says."


def main() -> None:
    """Run the command line; an error of ours is one line on stderr and exit code 1.

    SIGTERM ends it as ctrl-c does: with nothing half-written, and without leaving the localizer's process behind.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads: its threads must not spin beside others
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        app()
    except I2PError as error:
        console.quiet = False  # as the other processes of a training are
        tell_error(error)
        sys.exit(1)


@app.command(epilog="Example: i2p demo --out results/demo")
def demo(
    out: Out = Path("results/demo"),
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of the drive.")] = 80,
    seed: Annotated[int, typer.Option(min=0, max=TRAINING_WORLDS - 1, help="Seed of the world.")] = 2026,
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Write a synthetic drive as a bag, play it over ROS 2 topics into the node, and report what comes back."""
    from i2p_ros.ros.demo import replay_and_report, write_drive

    check_targets(json_file, out / "summary.json")
    settings = load_settings(files, overrides)
    with progress("writing the drive", pairs) as step:
        settings = write_drive(settings, out, pairs, seed, step)
    with progress("localizing", pairs) as step:
        summary = replay_and_report(settings, out, step)
    _show(summary, json_file)
    console.print(f"pictures and numbers: {escape(str(out / 'report.html'))}", soft_wrap=True)


@app.command(epilog="Example: i2p replay ~/kitti/raw --drive 0052 --rate 1 --perturb vp2p --out results/0052")
def replay(
    path: Annotated[Path, typer.Argument(help="Bag, or KITTI folder.")],
    out: Out = Path("results/replay"),
    perturb: Annotated[Perturbation, typer.Option(help="Give the clouds in a random frame.")] = "none",
    rate: Annotated[float, typer.Option(min=0, help="Speed; 0: the next pair when the last is answered.")] = 1.0,
    drive: Annotated[str, typer.Option(help="Drive of a KITTI folder.")] = "",
    camera: Annotated[str, typer.Option(help="Camera of a KITTI folder.")] = "image_02",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random frames.")] = 0,
    limit: Annotated[int, typer.Option(min=0, help="Most pairs; 0: all.")] = 0,
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Play a recording over ROS 2 topics into the node, as `ros2 launch` would, and report what comes back.

    Exit code 3: a part could not be read.
    """
    from i2p_ros.ros.demo import replay_and_report

    check_targets(json_file, out / "summary.json")
    settings = load_settings(files, overrides)
    options = {"data": str(path), "perturb": perturb, "rate": rate, "drive": drive, "camera": camera}
    chosen = settings.replay.model_copy(update={**options, "seed": seed, "limit": limit})
    with progress("localizing", None) as step:
        summary = replay_and_report(settings.model_copy(update={"replay": chosen}), out, step)
    _show(summary, json_file)
    file = "report.html" if "recall_2m_5deg" in summary else "summary.json"  # without truth there is nothing to plot
    console.print(f"pictures and numbers: {escape(str(out / file))}", soft_wrap=True)
    _tell_lost(summary["lost"])


@app.command(epilog="Example: i2p soak --minutes 10 --seed 1 --json soak.json")
def soak(
    minutes: Annotated[float, typer.Option(min=0.05, help="How long.")] = 10.0,
    seed: Annotated[int, typer.Option(min=0, max=TRAINING_WORLDS - 1, help="Seed of the events.")] = 1,
    rate: Annotated[float, typer.Option(min=0.1, max=10, help="Most pairs a second; each waits for an answer.")] = 4.0,
    share: Annotated[float, typer.Option(min=0, max=0.5, help="Share of faults among the events.")] = 0.3,
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Send the node pairs and faults of all kinds over ROS 2 topics, and report how it bears them. Exit code 5: badly.

    Badly is: a crash, a pose from a fault, a valid pair without an answer, no answer in two pairs after a fault.
    """
    from i2p_ros.ros.soak import soak as run

    check_targets(json_file)
    settings = load_settings(files, overrides)
    with progress("soaking, s", round(60 * minutes)) as step:
        numbers = run(settings, minutes, seed, rate, share, lambda seconds: step(int(seconds)))
    _show({key: value for key, value in numbers.items() if key not in ("rss_mb", "threads")}, None)
    write_json(numbers, json_file)
    bad = ("crashes", "junk_poses", "unanswered", "refused_though_valid", "slow_recoveries")
    raise typer.Exit(BORNE_BADLY if any(numbers[key] for key in bad) else 0)


@app.command(epilog="Example: i2p localize --image a.png --cloud a.bin --camera cam.yaml --overlay out.png")
def localize(
    image: Annotated[Path, typer.Option(help="Image file.")],
    cloud: Annotated[Path, typer.Option(help="Cloud: .bin (KITTI) or .npy.")],
    camera: Annotated[Path, typer.Option(help="Calibration in the YAML form of ROS.")],
    model: Annotated[str | None, typer.Option(help="Name of a model, or a training folder.")] = None,
    overlay: Annotated[Path | None, typer.Option(help="Picture to write: the cloud on the image.")] = None,
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Find the camera of one image in one cloud. Exit code 3: no pose, and why."""
    import cv2

    from i2p_ros.evaluation.files import write_bytes
    from i2p_ros.localizer import load
    from i2p_ros.sources.single import read_pair
    from i2p_ros.viz.overlays import overlay as drawn

    if overlay and not cv2.haveImageWriter(str(overlay)):
        raise InputError(f"cannot write {overlay}: its name must end as that of an image, such as .png", "output")
    check_targets(overlay, json_file)
    pair = read_pair(image, cloud, camera)
    estimate = load(model, load_settings(files, overrides)).localize_pair(pair)
    write_json(_estimate_json(estimate), json_file)
    if estimate.pose is None:
        console.print(f"no pose: {estimate.status.value}: {escape(estimate.reason)}", soft_wrap=True)
        raise typer.Exit(NO_POSE)
    if overlay:
        picture = drawn(pair.image, pair.camera, pair.cloud, estimate.pose)
        write_bytes(overlay, cv2.imencode(overlay.suffix, picture[:, :, ::-1])[1].tobytes())
    if json_file != Path("-"):
        console.print(_estimate_table(estimate))


@app.command(epilog="Example: i2p evaluate vp2p-small --source kitti --root ~/kitti/odometry --json out.json")
def evaluate(
    model: Model = "vp2p-small",
    source: Annotated[str, typer.Option(help="synthetic, kitti, rosbag, or auto to look at the root.")] = "synthetic",
    root: Root = None,
    protocol: Annotated[Protocol, typer.Option(help="How the clouds are moved, or what prior there is.")] = "vp2p",
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=TRAINING_WORLDS - 1, help="Seed of the draws and of synthetic worlds. " + FILED),
    ] = None,
    n: Annotated[
        int | None,
        typer.Option(min=1, help="Pairs. Default: a whole recording; of synthetic places 500, as published."),
    ] = None,
    seeds: Annotated[str, typer.Option(help="Several seeds, such as 7,8,9: runs each and tells the spread.")] = "",
    drives: Drives = "",
    cameras: Cameras = "",
    json_file: JsonFile = None,
    report: Annotated[Path | None, typer.Option(help="Folder for report.html with plots and overlays.")] = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Score a model over a source whose truth is known. Exit code 3: a part could not be read."""
    from i2p_ros.evaluation import runner
    from i2p_ros.evaluation.gallery import Gallery
    from i2p_ros.evaluation.protocols import published
    from i2p_ros.evaluation.report import write_report
    from i2p_ros.localizer import load
    from i2p_ros.sources.opening import open_source

    check_targets(json_file, report and report / "report.html")
    settings, written = load_settings(files, overrides), published(protocol)
    n = n or (written.places if source == "synthetic" else None)
    sources = {
        s: open_source(source, root, settings=settings, seed=s, n=n, cameras=listed(cameras), drives=listed(drives))
        for s in _seeds(seed, seeds) or [written.seed]
    }
    localizer, gallery = load(model, settings), Gallery()
    with progress("evaluating", sum(map(len, sources.values()))) as step:
        result = runner.evaluate_seeds(
            localizer, sources, protocol, lambda done, total: step(done), gallery if report else None, model
        )
    _show(result.to_json() | {"settings": settings.model_dump()}, json_file)
    if report:
        write_report(report, result, gallery.overlays, gallery.failures)
    _tell_lost(result.meta["lost"])


def _tell_lost(lost: dict[str, int]) -> None:
    """Exit code 3 if a part of the recording could not be read."""
    if lost:
        reasons = ", ".join(f"{count} {reason}" for reason, count in lost.items())
        console.print(f"a part of the recording could not be read and is left out: {reasons}", soft_wrap=True)
        raise typer.Exit(LOST)


def _seeds(seed: int | None, seeds: str) -> list[int]:
    """The seeds of the two options, which exclude each other; none where neither is given."""
    texts = listed(seeds) or []
    usable = [int(text) for text in texts if text.isdecimal() and int(text) < TRAINING_WORLDS]
    if len(set(usable)) < len(texts) or (texts and seed is not None):
        raise InputError(
            f"--seeds needs different numbers below {TRAINING_WORLDS}, without --seed; got {seeds}", "seeds"
        )
    return usable or ([] if seed is None else [seed])


@app.command(epilog="Example: i2p calibrate-covariance vp2p-small --seed 11 --n 500")
def calibrate_covariance(
    model: Model = "vp2p-small",
    source: Annotated[str, typer.Option(help="synthetic, kitti, rosbag, or auto to look at the root.")] = "synthetic",
    root: Root = None,
    protocol: Annotated[Protocol, typer.Option(help="How the clouds are moved.")] = "vp2p",
    seed: Annotated[
        int, typer.Option(min=0, max=TRAINING_WORLDS - 1, help="Seed of the frames, and of synthetic worlds.")
    ] = 11,
    n: Annotated[int | None, typer.Option(min=1, help="Pairs; the first ones of a recording.")] = 500,
    drives: Drives = "",
    cameras: Cameras = "",
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Fit a model's covariance and confidence on pairs that nobody trained on, and keep them in its manifest."""
    from i2p_ros.evaluation.calibrating import calibrated
    from i2p_ros.localizer import load
    from i2p_ros.runtime.weights import find_model, manifest_of, write_calibration
    from i2p_ros.sources.opening import open_source

    check_targets(json_file, manifest_of(model))
    settings = load_settings(files, overrides)
    pairs = open_source(source, root, settings=settings, seed=seed, n=n, cameras=listed(cameras), drives=listed(drives))
    _refuse_trained_on(find_model(model)[0].trained.get("drives", []), pairs.name)
    with progress("calibrating", len(pairs)) as step:
        fitted = calibrated(load(model, settings), pairs, protocol, seed, lambda done, total: step(done))
    write_json(fitted.model_dump(mode="json"), json_file)
    written = write_calibration(model, fitted)
    if json_file != Path("-"):
        _show(fitted.model_dump(mode="json"), None)
    console.print(escape(f"written to {written}"), soft_wrap=True)


def _refuse_trained_on(drives: list[str], name: str) -> None:
    if known := [drive for drive in drives if re.search(rf"\b{re.escape(drive)}\b", name)]:
        raise InputError(f"the model was trained on {', '.join(known)}: calibrate on other drives", "calibration")


@app.command(epilog="Example: i2p train --out runs/mine --worlds 2500 --kitti ~/kitti/raw --drives 0052,9001")
def train(
    out: Annotated[Path, typer.Option(help="Folder of the run; an unfinished run there is continued.")],
    size: Annotated[Literal["small", "base"], typer.Option(help="Size of the network.")] = "small",
    worlds: Annotated[int, typer.Option(min=1, help="Synthetic places.")] = 2500,
    kitti: Annotated[Path | None, typer.Option(help="KITTI folder to mix in.")] = None,
    drives: Drives = "",
    kitti_share: Annotated[float, typer.Option(min=0, max=1, help="Share of the KITTI samples.")] = 0.2,
    weights: Annotated[Path | None, typer.Option(help="Weights (.safetensors) that a new run starts from.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes that make examples.")] = 1,
    overfit: Annotated[bool, typer.Option("--overfit", help="Learn one batch until all of it is localized.")] = False,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Train a network on synthetic places and KITTI folders; resumable, and under torchrun in several processes.

    With --overfit: a network that cannot learn one batch by heart has a fault. Exit code 4: it did not.
    """
    from i2p_ros.networks.vp2p import SIZES, VP2P
    from i2p_ros.runtime.torch_runtime import choose_device
    from i2p_ros.sources.kitti import KittiSource
    from i2p_ros.sources.synthetic import SyntheticSource
    from i2p_ros.training.data import CachedSource, TrainingSet
    from i2p_ros.training.loop import train as run
    from i2p_ros.training.validation import VIEWS, FixedPairs, OneBatch, Validation

    console.quiet = os.environ.get("RANK", "0") != "0"
    check_targets(out / "manifest.yaml")
    settings = load_settings(files, overrides, load_settings((), OVERFIT) if overfit else None)
    s, family = settings.training, VP2P(SIZES[size], settings.matching)
    made_up = SyntheticSource(settings.synthetic, TRAINING_WORLDS + seed, worlds)
    protocol = next(iter(s.protocols))
    about: dict[str, Any] = {"command": _command(), "protocols": s.protocols}
    if overfit:
        pairs = max(1, s.batch // VIEWS)
        fixed = Validation(FixedPairs(made_up, pairs), protocol, seed, pairs)
        batch = OneBatch(family, fixed, s.samples)
        with progress("training", s.samples) as step:
            done = run(family, batch, out, settings, workers=0, about=about, validation=fixed, until=1.0, progress=step)
        _tell_overfit(done, pairs)
        return
    share = 1 - kitti_share if kitti else 1.0
    worlds_kept = CachedSource(made_up, out / "cache", str(settings.synthetic))
    if choose_device(settings.device)[0].type == "cuda":  # a CPU renders them as they are needed
        rank, local_rank = (int(os.environ.get(name, "0")) for name in ("RANK", "LOCAL_RANK"))
        render = partial(made_up.samples, device=f"cuda:{local_rank}")
        worlds_kept.fill(render, rank, int(os.environ.get("WORLD_SIZE", "1")))
    sources: list[tuple[Source, float]] = [(worlds_kept, share)]
    known: tuple[str, ...] = ()
    if kitti:
        real = KittiSource(kitti, drives=listed(drives))
        known = real.drives
        sources.append((CachedSource(real, out / "cache", str(kitti.resolve())), kitti_share))
    data = TrainingSet(family, sources, s.protocols, seed, s.samples)
    unseen = SyntheticSource(settings.synthetic, VALIDATION_WORLDS, s.validate_pairs)
    kept = CachedSource(unseen, out / "cache", str(settings.synthetic))
    validation = Validation(kept, protocol, VALIDATION_WORLDS, s.validate_pairs)
    data_in_words = ", ".join(f"{source.name} ({len(source)} pairs) {share:.0%}" for source, share in sources)
    about |= {"data": data_in_words, "drives": list(known)}
    with progress("training", s.samples) as step:
        done = run(
            family, data, out, settings, start=weights, workers=workers, about=about, validation=validation,
            progress=step,
        )  # fmt: skip
    console.print(_throughput_table(done.throughput))
    console.print(escape(f"weights: {out / 'model.safetensors'}; try: i2p evaluate {out}"), soft_wrap=True)


def _tell_overfit(done: Any, pairs: int) -> None:
    """Exit code 4 unless all pairs were localized in the end."""
    console.print(_throughput_table(done.throughput))
    found = f"{round(done.recall * pairs)} of {pairs} pairs within 2 m and 5 deg"
    console.print(f"{found} after {done.samples} samples and {done.seconds:.0f} s")
    if done.recall < 1:
        raise typer.Exit(NOT_LEARNED)


def _command() -> str:
    """How this process was called, for others to repeat: local folders are left out."""
    words = [re.sub(r"(^|=)[~/].*/(?=[^/])", r"\1", word) for word in sys.argv[1:]]
    world = os.environ.get("WORLD_SIZE", "1")
    program = ["i2p"] if world == "1" else ["torchrun", f"--nproc_per_node={world}", "-m", "i2p_ros"]
    return shlex.join([*program, *words])


def _throughput_table(throughput: dict[str, Any]) -> Table:
    """Where the time went."""
    rate = throughput["samples_per_s"]
    table = Table("stage", "share", "s a sample", title=f"{rate:.3g} samples/s", title_justify="left", box=SIMPLE)
    for stage, share in throughput["share"].items():
        table.add_row(stage, f"{share:.0%}", f"{share / rate:.3g}" if rate else "")
    return table


@app.command(epilog="Example: i2p export vp2p-small --width 1242 --height 375 --out exported")
def export(
    model: Model = "vp2p-small",
    out: Annotated[Path, typer.Option("--out", help="Folder for the ONNX files.")] = Path("exported"),
    width: Annotated[int, typer.Option(min=16, help="Width of the images, px.")] = 1242,
    height: Annotated[int, typer.Option(min=16, help="Height of the images, px.")] = 375,
    onnx: Annotated[bool, typer.Option(help="Write ONNX files of the dense parts.")] = True,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Build engines for images of one size ahead of time, where TensorRT is there, and write ONNX files."""
    from i2p_ros.localizer import export as run

    written, says = run(model, out if onnx else None, width, height, load_settings(files, overrides))
    for file in written:
        console.print(escape(f"wrote {file}"), soft_wrap=True)
    console.print(escape(says), soft_wrap=True)


@app.command(epilog="Example: i2p synth ~/street --format kitti --n 100 --seed 3")
def synth(
    path: Annotated[Path, typer.Argument(help="Folder to write.")],
    fmt: Annotated[Literal["kitti", "mcap", "sqlite3"], typer.Option("--format", help="KITTI raw, or a bag.")] = "mcap",
    n: Annotated[int, typer.Option(min=1, help="Pairs.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the world.")] = 0,
    drive: Annotated[bool, typer.Option(help="A drive through one world, or scattered places (KITTI only).")] = True,
    compressed: Annotated[bool, typer.Option(help="JPEG images in a bag.")] = False,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Write synthetic pairs with exact truth as a KITTI raw folder or as a bag."""
    from i2p_ros.sources.opening import open_source
    from i2p_ros.sources.writers import write_bag, write_kitti_raw

    if fmt == "kitti" and compressed:
        raise InputError("--compressed is for bags: KITTI folders hold PNG images", "synth")
    if fmt != "kitti" and not drive:
        raise InputError("a bag has one calibration: --no-drive is for --format kitti", "synth")
    settings = load_settings(files, [*overrides, f"synthetic.drive={str(drive).lower()}"])
    source = open_source("synthetic", settings=settings, seed=seed, n=n)
    with progress("writing", n) as step:
        if fmt == "kitti":
            write_kitti_raw(source, path, lambda done, total: step(done))
        else:
            write_bag(source, path, fmt, compressed, lambda done, total: step(done))
    console.print(escape(f"wrote {n} pairs of {source.name} to {path}"), soft_wrap=True)


@app.command(epilog="Example: i2p models --json -")
def models(json_file: JsonFile = None) -> None:
    """List the shipped models, what they were trained on and how they score."""
    from i2p_ros.runtime.weights import models_folder, read_manifest

    manifest = read_manifest(models_folder())
    write_json({name: entry.model_dump() for name, entry in manifest.items()}, json_file)
    if json_file == Path("-"):
        return
    table = Table("model", "family", "trained on", "scores", "licence")
    for name, entry in manifest.items():
        scores = "\n".join(f"{k}: {v}" for k, v in entry.scores.items())
        table.add_row(name, entry.family, str(entry.trained.get("data", "")), scores, entry.licence)
    Console().print(table)


@app.command(epilog="Example: i2p config --set pnp.iterations=2000 > mine.yaml")
def config(
    table: Annotated[bool, typer.Option("--table", help="Instead: the nodes' parameters as a Markdown table.")] = False,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Print every setting as YAML, as it would be used."""
    if table:
        typer.echo(parameters.table(), nl=False)
        return
    typer.echo(yaml.safe_dump(load_settings(files, overrides).model_dump(), sort_keys=False).rstrip())


@app.command(epilog="Example: i2p doctor")
def doctor(json_file: JsonFile = None) -> None:
    """Say what is installed or missing, and which device and runtime will be used, and why. Exit code 1: not usable."""
    from i2p_ros.doctor import checks

    found = checks()
    write_json({c.name: {"ok": c.ok, "needed": c.needed, "says": c.says} for c in found}, json_file)
    if json_file != Path("-"):
        table = Table("part", "", "what was found, and what to do", show_lines=False)
        for c in found:
            mark = "[green]ok[/]" if c.ok else "[red]missing[/]" if c.needed else "[yellow]absent[/]"
            table.add_row(c.name, mark, c.says)
        Console().print(table)
    raise typer.Exit(any(c.needed and not c.ok for c in found))


@bench.callback(epilog="Example: i2p bench --json bench.json --report results/bench")
def bench_pairs(
    context: typer.Context,
    model: Annotated[str, typer.Option(help="Name of a model, or a training folder.")] = "vp2p-small",
    device: Annotated[Literal["auto", "cpu", "cuda"] | None, typer.Option(help="In place of the setting.")] = None,
    backend: Annotated[
        Literal["auto", "torch", "tensorrt"] | None, typer.Option(help="In place of the setting.")
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Different pairs.")] = 6,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is timed.")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="Without other sizes of network and of clouds.")] = False,
    json_file: JsonFile = None,
    report: Annotated[Path | None, typer.Option(help="Folder for bench.html with plots.")] = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Time whole pairs on this machine, stage by stage, beside the machine's limits and the published network."""
    if context.invoked_subcommand:
        return
    from i2p_ros.evaluation.bench import DEFINITIONS
    from i2p_ros.evaluation.bench import bench as run
    from i2p_ros.evaluation.bench_report import write_bench_report

    check_targets(json_file, report and report / "bench.html")
    settings = load_settings(files, [*overrides, *_given(device=device, backend=backend)])
    with progress("measuring", pairs * rounds) as step:
        numbers = run(settings, model, pairs, rounds, not quick, lambda done, total: step(done))
    write_json(numbers, json_file)
    if report:
        write_bench_report(report, numbers)
    if json_file != Path("-"):
        _show({key: value for key, value in numbers.items() if key != "definitions"}, None)
        Console().print(_stages_table(numbers))
        if "networks" in numbers:
            Console().print(_networks_table(numbers["networks"]))
        for name, text in DEFINITIONS.items():
            console.print(f"[bold]{name}[/]: {escape(text)}", highlight=False)


def _given(**options: str | None) -> list[str]:
    """Settings of the options that were given."""
    return [f"{name}={value}" for name, value in options.items() if value]


def _stages_table(numbers: dict[str, Any]) -> Table:
    """A line per stage, and the sum."""
    from i2p_ros.evaluation.bench_report import with_sum

    keys = ("ms", "gflop", "mbyte", "floor_ms")
    table = Table("stage", *keys, "times the floor", box=SIMPLE)
    for row in with_sum(numbers["stages"]):
        times = f"{row['ms'] / row['floor_ms']:.1f}" if row["floor_ms"] > 0.01 else ""
        table.add_row(row["name"], *(f"{row[key]:.3g}" for key in keys), times)
    return table


def _networks_table(rows: list[dict[str, Any]]) -> Table:
    """A line per size of network and runtime; why a runtime is not there in place of its time."""
    table = Table("network", "runtime", "ms", "floor_ms", box=SIMPLE)
    for row in rows:
        ms = f"{row['ms']:.3g}" if row["ms"] else f"absent: {row['says']}"
        table.add_row(row["size"], row["runtime"], ms, f"{row['floor_ms']:.3g}")
    return table


@bench.command("pnp", epilog="Example: i2p bench pnp --draws 10 --json pnp.json")
def bench_pnp(
    draws: Annotated[int, typer.Option(min=1, help="Random scenes per condition.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the scenes.")] = 0,
    json_file: JsonFile = None,
) -> None:
    """Time and score our pose from matches beside OpenCV's and PoseLib's, on made-up matches of known truth."""
    from i2p_ros.evaluation.bench_pnp import CONDITIONS, DEFINITIONS
    from i2p_ros.evaluation.bench_pnp import bench as run

    check_targets(json_file)
    with progress("measuring", len(CONDITIONS)) as step:
        rows = run(draws, seed, CONDITIONS, lambda done, total: step(done))
    write_json(rows, json_file)
    if json_file != Path("-"):
        for condition, block in groupby(rows, lambda row: row["condition"]):
            Console().print(_bench_table(condition, block))
        for name, text in DEFINITIONS.items():
            console.print(f"[bold]{name}[/]: {escape(text)}", highlight=False)


def _show(numbers: dict[str, Any], json_file: Path | None) -> None:
    """A short table for people; everything in the JSON file."""
    write_json(numbers, json_file)
    if json_file == Path("-"):
        return
    table = Table("", "value")
    for key, value in {**numbers, **numbers.get("spread", {})}.items():
        if isinstance(value, dict) and ("median" in value or "mean" in value):
            parts = (f"{k} {v:.3g}" for k, v in value.items() if v is not None)
            table.add_row(key, ", ".join(parts) or "none")
        elif isinstance(value, int | float | str):
            table.add_row(key, f"{value:.3g}" if isinstance(value, float) else str(value))
    console.print(table)


def _estimate_json(estimate: Any) -> dict[str, Any]:
    pose = estimate.pose
    return {
        "status": estimate.status.value,
        "reason": estimate.reason,
        "T_camera_lidar": None if pose is None else pose.matrix.tolist(),
        "covariance": None if pose is None else estimate.covariance.tolist(),
        "inliers": estimate.n_inliers,
        "confidence": estimate.confidence,
        "ms": {stage: 1e3 * seconds for stage, seconds in estimate.seconds.items()},
    }


def _estimate_table(estimate: Any) -> Table:
    from i2p_ros.pnp.covariance import camera_in_lidar

    T_lidar_camera = estimate.pose.inverse()
    deviation = camera_in_lidar(estimate.pose, estimate.covariance).diagonal() ** 0.5
    degrees = map(math.degrees, deviation[3:])
    table = Table("camera in the cloud frame", "value", "standard deviation")
    for axis, value, std in zip("xyz", T_lidar_camera.translation, deviation[:3], strict=True):
        table.add_row(axis, f"{value:.3f} m", f"{std:.3f} m")
    for axis, value, std in zip("xyzw", T_lidar_camera.quaternion, (*degrees, None), strict=True):
        about = "" if std is None else f"{std:.2f} deg about {axis}"
        table.add_row(f"q{axis}", f"{value:.4f}", about)
    table.add_row("inliers", str(estimate.n_inliers), f"confidence {estimate.confidence:.2f}")
    return table


def _bench_table(condition: str, rows: Iterable[dict[str, Any]]) -> Table:
    """A line per solver, ours in bold."""
    keys = ("success", "rot_deg", "trans_m", "ms", "ms_ratio", "anees_ratio")
    solver = Column("solver", min_width=17)  # the longest name
    headings = (solver, "success", "deg", "m", "ms", "ms_ratio", "anees/6", "95 %")
    table = Table(*headings, title=condition, title_justify="left", box=SIMPLE, collapse_padding=True)
    for row in rows:
        numbers = [*(row[key] for key in keys), row["coverage"] and row["coverage"]["0.95"]]
        texts = ["" if number is None else f"{number:.3g}" for number in numbers]
        table.add_row(row["solver"], *texts, style="bold" if row["solver"] == "i2p" else "")
    return table
