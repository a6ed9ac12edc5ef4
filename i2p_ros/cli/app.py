# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The commands of `i2p`, sorted by what they are for, and an example of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from i2p_ros import __version__
from i2p_ros.cli.about import config, doctor, models
from i2p_ros.cli.arguments import HintingGroup, flow
from i2p_ros.cli.benching import bench
from i2p_ros.cli.calibrating import calibrate, check_calibration
from i2p_ros.cli.checking import check
from i2p_ros.cli.evaluating import calibrate_covariance, evaluate
from i2p_ros.cli.fleet import fleet, index
from i2p_ros.cli.fleet_report import EXAMPLE, report
from i2p_ros.cli.localizing import localize
from i2p_ros.cli.monitoring import monitor
from i2p_ros.cli.playing import demo, replay, soak
from i2p_ros.cli.training import train
from i2p_ros.cli.writing import export, pairs, synth

FIRST, RECORDINGS, CALIBRATION, RESEARCH = "First steps", "Recordings", "Calibration", "Research"
VERBS: dict[str, tuple[tuple[Callable[..., None], str], ...]] = {  # by panels of --help
    FIRST: (
        (demo, "demo --pairs 20 --out results/demo"),
        (doctor, "doctor"),
        (config, "config --set pnp.iterations=2000 > mine.yaml"),
        (synth, "synth street --format kitti --n 100 --seed 3"),
    ),
    RECORDINGS: (
        (check, "check drive.mcap"),
        (localize, "localize --image a.png --cloud a.bin --camera cam.yaml --overlay out.png"),
        (replay, "replay ~/kitti/raw --drive 0052 --rate 1 --perturb vp2p --out results/0052"),
        (index, "index ~/lake --out index.parquet"),
    ),
    CALIBRATION: (
        (calibrate, "calibrate drive.mcap --out results/calibration"),
        (check_calibration, "check-calibration car.urdf --data drive.mcap --report results/check"),
    ),
    RESEARCH: (
        (evaluate, "evaluate vp2p-small --source kitti --root ~/kitti/odometry --json out.json"),
        (calibrate_covariance, "calibrate-covariance vp2p-small --seed 11 --n 500"),
        (train, "train --out runs/mine --worlds 2500 --kitti ~/kitti/raw --drives 0052,9001"),
        (pairs, "pairs ~/7scenes pairs.parquet --seed 7"),
        (export, "export vp2p-small --width 1242 --height 375 --out exported"),
        (soak, "soak --minutes 10 --seed 1 --json soak.json"),
    ),
}
GROUPS = {
    "models": (models, FIRST),
    "fleet": (fleet, RECORDINGS),
    "monitor": (monitor, CALIBRATION),
    "bench": (bench, RESEARCH),
}

app = typer.Typer(
    cls=HintingGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="First steps: i2p doctor, then i2p demo. Each command has an example: i2p localize --help",
)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"i2p {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Camera-LiDAR localization: an image and a cloud in, the camera's pose with covariance out."""


for panel, verbs in VERBS.items():
    for verb, example in verbs:
        app.command(epilog=f"Example: i2p {example}", rich_help_panel=panel)(verb)
fleet.command(epilog=f"Example: i2p {EXAMPLE}")(report)
flow(app)
for name, (group, panel) in GROUPS.items():
    flow(group)
    app.add_typer(group, name=name, rich_help_panel=panel)
