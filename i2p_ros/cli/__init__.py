# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command `i2p`: one short function a verb. Only this package prints and chooses exit codes."""

from __future__ import annotations

import os
import signal
import sys

import typer

from i2p_ros.cli.about import config, doctor, models
from i2p_ros.cli.benching import bench
from i2p_ros.cli.calibrating import calibrate, check_calibration
from i2p_ros.cli.checking import check
from i2p_ros.cli.evaluating import calibrate_covariance, evaluate
from i2p_ros.cli.fleet import fleet, index
from i2p_ros.cli.fleet_report import EXAMPLE, report
from i2p_ros.cli.localizing import localize
from i2p_ros.cli.monitoring import monitor
from i2p_ros.cli.parts import console, tell_error
from i2p_ros.cli.playing import demo, replay, soak
from i2p_ros.cli.training import train
from i2p_ros.cli.writing import export, synth
from i2p_ros.core.errors import I2PError
from i2p_ros.core.memory import keep_freed_memory

TERMINATED = 128 + signal.SIGTERM  # exit code, as a shell would say it
VERBS = (
    (check, "check drive.mcap"),
    (demo, "demo --out results/demo"),
    (replay, "replay ~/kitti/raw --drive 0052 --rate 1 --perturb vp2p --out results/0052"),
    (soak, "soak --minutes 10 --seed 1 --json soak.json"),
    (localize, "localize --image a.png --cloud a.bin --camera cam.yaml --overlay out.png"),
    (evaluate, "evaluate vp2p-small --source kitti --root ~/kitti/odometry --json out.json"),
    (calibrate, "calibrate drive.mcap --out results/calibration"),
    (check_calibration, "check-calibration car.urdf --data drive.mcap --report results/check"),
    (calibrate_covariance, "calibrate-covariance vp2p-small --seed 11 --n 500"),
    (train, "train --out runs/mine --worlds 2500 --kitti ~/kitti/raw --drives 0052,9001"),
    (export, "export vp2p-small --width 1242 --height 375 --out exported"),
    (synth, "synth ~/street --format kitti --n 100 --seed 3"),
    (index, "index ~/lake --out index.parquet"),
    (models, "models --json -"),
    (config, "config --set pnp.iterations=2000 > mine.yaml"),
    (doctor, "doctor"),
)  # and an example of each

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Camera-LiDAR localization: an image and a cloud in, the camera's pose with covariance out.",
    epilog="Example: i2p demo",
)
for verb, example in VERBS:
    app.command(epilog=f"Example: i2p {example}")(verb)
app.add_typer(bench, name="bench")
app.add_typer(monitor, name="monitor")
fleet.command(epilog=f"Example: i2p {EXAMPLE}")(report)
app.add_typer(fleet, name="fleet")


def main() -> None:
    """Run the command line; an error of ours is one line on stderr and exit code 1.

    SIGTERM ends it as ctrl-c does: with nothing half-written, and without leaving the localizer's process behind.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads: its threads must not spin beside others
    keep_freed_memory()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        app()
    except I2PError as error:
        console.quiet = False  # as the other processes of a training are
        tell_error(error)
        sys.exit(1)
