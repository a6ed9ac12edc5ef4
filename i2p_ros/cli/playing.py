# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p demo`, `i2p replay` and `i2p soak`: the localizer node over ROS 2 topics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from i2p_ros.cli.parts import (
    NONE,
    Files,
    ImageTopic,
    InfoTopic,
    JsonFile,
    Out,
    Overrides,
    PointsTopic,
    check_targets,
    console,
    progress,
    recording_settings,
    show,
    tell_lost,
    tell_notes,
    write_json,
)
from i2p_ros.cli.viewing import View, check_view
from i2p_ros.core.config import load_settings
from i2p_ros.core.protocols import CloudProtocol
from i2p_ros.sources.kinds import default_cameras, nouns
from i2p_ros.training import TRAINING_WORLDS

SOAK_FAILED = 5  # exit code of `i2p soak`


def demo(
    out: Out = Path("results/demo"),
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of the drive.")] = 80,
    seed: Annotated[int, typer.Option(min=0, max=TRAINING_WORLDS - 1, help="Seed of the world.")] = 2026,
    animation: Annotated[Path | None, typer.Option(help="Moving picture to write: .webp or .gif.")] = None,
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Write a synthetic drive as a bag, play it to the localizer node over ROS 2 topics, and report its poses."""
    from i2p_ros.ros.replay.demo import replay_and_report, write_drive
    from i2p_ros.viz.pictures.moving import check_name

    check_targets(json_file, out / "summary.json", animation)
    if animation:
        check_name(animation)
    settings = load_settings(files, overrides)
    with progress("writing the drive", pairs) as step:
        settings = write_drive(settings, out, pairs, seed, step)
    with progress("localizing", pairs) as step:
        summary = replay_and_report(settings, out, step, animation)
    show(summary, json_file)
    console.print(f"pictures and numbers: {escape(str(out / 'report.html'))}", soft_wrap=True)


def replay(
    path: Annotated[Path, typer.Argument(help="Bag, or KITTI folder.")],
    out: Out = Path("results/replay"),
    perturb: Annotated[CloudProtocol, typer.Option(help="Give the clouds in a random frame.")] = "none",
    rate: Annotated[float, typer.Option(min=0, help="Speed; 0: each pair follows the last answer.")] = 1.0,
    drive: Annotated[str, typer.Option(help=f"Drive of a {nouns('drives')}; empty: all.")] = "",
    camera: Annotated[str, typer.Option(help=f"Camera of the recording; empty: {default_cameras()}.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random frames.")] = 0,
    limit: Annotated[int, typer.Option(min=0, help="Largest number of pairs; 0: all.")] = 0,
    image: ImageTopic = "",
    points: PointsTopic = "",
    camera_info: InfoTopic = "",
    view: View = None,
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Play a recording to the localizer node over ROS 2 topics, as `ros2 launch` does, and report its poses.

    Exit code 3: a part of the recording could not be read.
    """
    from i2p_ros.ros.replay.demo import replay_and_report

    check_targets(json_file, out / "summary.json")
    check_view(view)
    settings = recording_settings(files, overrides, image, points, camera_info)
    options = {"data": str(path), "perturb": perturb, "rate": rate, "drive": drive, "camera": camera}
    chosen = settings.replay.model_copy(update={**options, "seed": seed, "limit": limit})
    with progress("localizing") as step:
        summary = replay_and_report(settings.model_copy(update={"replay": chosen}), out, step, view=view)
    tell_notes(summary.get("notes", ()))
    show(summary, json_file)
    file = "report.html" if "recall_2m_5deg" in summary else "summary.json"  # without true poses there are no plots
    console.print(f"pictures and numbers: {escape(str(out / file))}", soft_wrap=True)
    tell_lost(summary["lost"])


def soak(
    minutes: Annotated[float, typer.Option(min=0.05, help="Duration, minutes.")] = 10.0,
    seed: Annotated[int, typer.Option(min=0, max=TRAINING_WORLDS - 1, help="Seed of the events.")] = 1,
    rate: Annotated[float, typer.Option(min=0.1, max=10, help="Largest rate of pairs, Hz; each is answered.")] = 4.0,
    share: Annotated[float, typer.Option(min=0, max=0.5, help="Share of faults among the events.")] = 0.3,
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Send pairs and faults of all kinds to the localizer node over ROS 2 topics, and report its failures.

    Exit code 5: a failure. Failures are a crash, a pose from a fault, a valid pair without an answer, and no answer
    within two pairs after a fault.
    """
    from i2p_ros.ros.soak.run import soak as run

    check_targets(json_file)
    settings = load_settings(files, overrides)
    with progress("soaking, s", round(60 * minutes)) as step:
        numbers = run(settings, minutes, seed, rate, share, lambda seconds: step(int(seconds)))
    write_json(numbers, json_file)
    if json_file != Path("-"):
        show({key: value for key, value in numbers.items() if key not in ("rss_mb", "threads")}, None)
    bad = ("crashes", "junk_poses", "unanswered", "refused_though_valid", "slow_recoveries")
    raise typer.Exit(SOAK_FAILED if any(numbers[key] for key in bad) else 0)
