# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs on a real Ray: the same tables with one and two workers, and after workers and drivers were killed."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from helpers import ROOT
from helpers.lake import options, rows

from i2p_ros.fleet.proof import steady_bytes

pytest.importorskip("ray")
pytestmark = pytest.mark.slow
AUTHENTICATED = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
RAY = Path(sys.executable).with_name("ray")


def driver(lake: Path, out: Path, *words: str) -> subprocess.Popen[str]:
    """`i2p fleet monitor` in a process of its own."""
    command = [sys.executable, "-m", "i2p_ros", "fleet", "monitor", str(lake / "index.parquet"), "--out", str(out)]
    return subprocess.Popen(
        [*command, *words, *options()], cwd=ROOT, env=os.environ | AUTHENTICATED, stderr=subprocess.PIPE, text=True
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and stderr of a driver."""
    _, err = process.communicate(timeout=300)
    return process.returncode, err


def wait(is_so: Callable[[], object], seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


def parts(out: Path) -> int:
    return len([*out.glob("parts/*.json")])


def lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def below(process: subprocess.Popen[str], name: str = "") -> list[psutil.Process]:
    """Living processes that a driver has started, whose command line has a name in it."""
    found = psutil.Process(process.pid).children(recursive=True)
    return [child for child in found if lives(child) and name in " ".join(child.cmdline())]


@pytest.fixture(scope="module")
def whole(lake: Path) -> Path:
    """The output of an undisturbed run with one worker, without Ray."""
    out = lake / "one"
    code, err = finished(driver(lake, out))
    assert code == 0 and "12 recordings: 12 finished (12 now), 0 in quarantine" in err
    return out


def test_two_workers_write_the_same_tables_as_one_though_workers_are_killed(
    lake: Path, whole: Path, tmp_path: Path
) -> None:
    process = driver(lake, tmp_path / "out", "--workers", "2")
    for count, name in ((1, "ray::FleetActor"), (4, "i2p_ros.fleet.worker")):
        wait(lambda count=count: parts(tmp_path / "out") >= count)
        wait(lambda name=name: below(process, name))
        below(process, name)[0].send_signal(signal.SIGKILL)
    code, err = finished(process)
    assert code == 0 and "12 finished (12 now)" in err
    assert steady_bytes(tmp_path / "out") == steady_bytes(whole)


def test_after_a_killed_driver_no_process_stays_and_the_next_run_goes_on(
    lake: Path, whole: Path, tmp_path: Path
) -> None:
    process = driver(lake, tmp_path / "out", "--workers", "2")
    wait(lambda: parts(tmp_path / "out") >= 2)
    started = [child for child in below(process) if "Agent" not in child.name()]  # Ray's agents need a minute
    process.kill()
    process.communicate()
    wait(lambda: not any(map(lives, started)), 30.0)
    before = parts(tmp_path / "out")
    assert 2 <= before < 12 and not (tmp_path / "out/verdicts.parquet").exists()
    code, err = finished(driver(lake, tmp_path / "out"))
    assert code == 0 and f"({12 - before} now)" in err and "which is dead, was taken over" in err
    assert steady_bytes(tmp_path / "out") == steady_bytes(whole)


@pytest.fixture
def cluster() -> Iterator[str]:
    """The address of a Ray that other processes than the driver have started."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="ray_", dir="/tmp") as folder:  # short: sockets have names of 107 bytes
        words = [
            "start", "--head", "--block", f"--port={port}", "--num-cpus=2", "--include-dashboard=false",
            "--object-store-memory=100000000", "--disable-usage-stats", f"--temp-dir={folder}",
        ]  # fmt: skip
        process = subprocess.Popen(
            [RAY, *words], cwd=ROOT, env=os.environ | AUTHENTICATED, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        assert process.stdout is not None
        said = ""
        while "Ray runtime started" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        yield f"127.0.0.1:{port}"
        started = below(process)
        process.terminate()
        process.communicate(timeout=60)
        wait(lambda: not any(map(lives, started)), 90.0)


def test_a_driver_uses_a_cluster_that_others_have_started(
    lake: Path, whole: Path, tmp_path: Path, cluster: str
) -> None:
    code, err = finished(driver(lake, tmp_path / "out", "--workers", "0", "--ray", cluster))
    assert code == 0 and "12 recordings: 12 finished (12 now)" in err
    assert steady_bytes(tmp_path / "out") == steady_bytes(whole)
    code, err = finished(driver(lake, tmp_path / "again", "--workers", "2", "--ray", cluster))
    assert code == 0 and len(rows(tmp_path / "again", "verdicts")) == 12


def test_a_wrong_address_is_one_clear_line(lake: Path, tmp_path: Path) -> None:
    code, err = finished(driver(lake, tmp_path / "out", "--ray", "127.0.0.1:1"))
    assert code == 1 and err.count("error:") == 1 and "cannot reach Ray at 127.0.0.1:1" in err
    assert "Traceback" not in err and not (tmp_path / "out/run.lock").exists()
