# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line behaves as others do: fast start, colours, pipes, Ctrl-C, completion, JSON, hints and progress."""

import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest
from helpers import ROOT
from helpers.cli import run

from i2p_ros import __version__
from i2p_ros.bench.matches import CONDITIONS
from i2p_ros.cli import INTERRUPTED
from i2p_ros.cli.arguments import with_json_targets
from i2p_ros.doctor import Check

I2P = [sys.executable, "-m", "i2p_ros"]
PLAIN = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "NO_COLOR", "PY_COLORS")}
ENV = {**PLAIN, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "100"}
SMALL = ["--set", "synthetic.width=128", "--set", "synthetic.height=48", "--set", "synthetic.points=3000"]
COLOUR = re.compile(r"\x1b\[[0-9;]*\b(3[0-7]|9[0-7]|38)[0-9;]*m")


@cache
def done(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A command that has ended. Tests that look at the same one share it."""
    return subprocess.run([*I2P, *words], env={**ENV, **env}, capture_output=True, text=True, timeout=120, check=False)


def on_a_terminal(*words: str, **env: str) -> str:
    """Everything that a command shows on a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*I2P, *words], env={**ENV, **env}, stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    shown = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # of Linux, when the other end is closed
            break
    os.close(ours)
    process.wait(60)
    return shown.decode(errors="replace")


def test_help_loads_no_large_package() -> None:
    """So it starts in less than the CPU time that PyTorch alone takes."""
    command = [sys.executable, "-X", "importtime", "-m", "i2p_ros", "--help"]
    found = subprocess.run(command, env=ENV, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in found.stderr.splitlines()}
    assert {"typer", "i2p_ros"} <= loaded
    large = {"torch", "numba", "cv2", "numpy", "scipy", "rclpy", "matplotlib", "ray", "rerun", "pandas", "pyarrow"}
    assert not loaded & large


def test_a_missing_package_is_one_line(tmp_path: Path) -> None:
    """Without ROS, the commands that need it say so."""
    (tmp_path / "rclpy.py").write_text("raise ModuleNotFoundError(\"No module named 'rclpy'\", name='rclpy')\n")
    found = done("demo", "--out", str(tmp_path / "out"), PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert found.returncode == 1 and found.stderr.count("\n") == 1
    assert found.stderr.startswith("error: No module named 'rclpy': ") and "i2p doctor" in found.stderr


def test_version() -> None:
    assert done("--version").stdout == f"i2p {__version__}\n"


def test_help_sorts_the_verbs_by_task() -> None:
    text = done("--help").stdout
    panels = re.findall(r"─ (First steps|Recordings|Calibration|Research) ─", text)
    assert panels == ["First steps", "Recordings", "Calibration", "Research"] and "─ Commands ─" not in text
    first, recordings, calibration, research = re.split("|".join(f"─ {panel} ─" for panel in panels), text)[1:]
    assert "demo" in first and "check" in recordings and "monitor" in calibration and "evaluate" in research


def test_colours_are_for_terminals_and_off_by_no_color() -> None:
    assert COLOUR.search(on_a_terminal("--help")) and COLOUR.search(on_a_terminal("config", "--set", "a=1"))
    assert not COLOUR.search(on_a_terminal("--help", NO_COLOR="1"))
    assert not COLOUR.search(on_a_terminal("config", "--set", "a=1", NO_COLOR="1"))
    for words in (["--help"], ["config", "--set", "a=1"], ["models"]):
        piped = done(*words)
        assert "\x1b" not in piped.stdout + piped.stderr


def test_a_bar_with_the_time_left_is_for_terminals(tmp_path: Path) -> None:
    words = ["synth", str(tmp_path / "a"), "--n", "4", *SMALL]
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", on_a_terminal(*words))
    assert "writing" in shown and "4/4" in shown and re.search(r"\d+:\d\d left", shown) and "wrote 4 pairs" in shown
    words[1] = str(tmp_path / "b")
    assert done(*words).stderr == f"wrote 4 pairs of synthetic drive, seed 0 to {tmp_path / 'b'}\n"


@pytest.mark.parametrize("words", [["models", "show", "vp2p-small"], ["config"], ["config", "--json"], ["doctor"]])
def test_a_reader_that_has_enough_is_no_error(words: list[str]) -> None:
    process = subprocess.Popen(
        [*I2P, *words], env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()  # before the first line, as by `head -0`
    assert process.stderr.read() == "" and process.wait(60) == 1


@pytest.mark.parametrize("wait_s", [0.02, 0.25, 1.5])
def test_ctrl_c_is_quiet(tmp_path: Path, wait_s: float) -> None:
    """While Python starts there is nothing to be done: then Ctrl-C is sent when the package is loaded."""
    command = [*I2P, "synth", str(tmp_path / "street"), "--n", "100000", *SMALL]
    process = subprocess.Popen(command, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    started = Path(f"/proc/{process.pid}")
    while b"synth" not in (started / "cmdline").read_bytes() or "cv2" not in (started / "maps").read_text():
        time.sleep(0.005)
    time.sleep(wait_s)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (INTERRUPTED, "", "")
    assert not list(tmp_path.iterdir())


COMPLETIONS = {
    "i2p loc": {"localize"},
    "i2p models sh": {"show"},
    "i2p models show vp2p-s": {"vp2p-small"},
    "i2p evaluate vp2p-s": {"vp2p-small"},
    "i2p evaluate --source k": {"kitti"},
    "i2p evaluate --protocol si": {"sixdof"},
    "i2p config --set pnp.iter": {"pnp.iterations="},
    "i2p replay --pert": {"--perturb"},
}


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("typed", COMPLETIONS)
def test_completion_in_bash(tmp_path: Path, typed: str) -> None:
    """The script of --show-completion, in a bash that calls its function as it does at the key Tab."""
    program = tmp_path / "i2p"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m i2p_ros "$@"\n')
    program.chmod(0o755)
    script = tmp_path / "script"
    env = {**ENV, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    found = subprocess.run(["i2p", "--show-completion", "bash"], env=env, capture_output=True, text=True, check=True)
    script.write_text(found.stdout)
    words = typed.split()
    tab = f"""
        source {shlex.quote(str(script))}
        function=$(complete -p i2p | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        COMP_WORDS=({typed}) COMP_CWORD={len(words) - 1}
        $function i2p {words[-1]} {words[-2]}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    shown = subprocess.run(["bash", "-c", tab], env=env, capture_output=True, text=True, check=True)
    assert set(shown.stdout.split()) == COMPLETIONS[typed]


HINTS = {
    "localise": "'localize'",
    "monitor histroy": "'history'",
    "models show vp2p-smal": "'vp2p-small'",
    "evaluate vp2p-smal": "'vp2p-small'",
    "evaluate --source kiti": "'kitti'",
    "evaluate --protocol vp2": "'vp2p'",
    "calibrate-covariance --protocols vp2p,pror": "'prior'",
    "config --set pnp.iteratons=3": "'pnp.iterations'",
    "train --out x --family vp2q": "'vp2p'",
    "train --out x --size smal": "'small'",
    "synth x --format kity": "'kitti'",
    "check --imge x": "--image",
}


@pytest.mark.parametrize("command", HINTS)
def test_a_name_that_is_nearly_right_has_a_hint(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, _, err = run(capsys, *command.split())
    text = " ".join(re.sub("[│╭╰─╮╯]", " ", err).split())
    assert code in (1, 2) and re.search(rf"(Did you mean|Possible options:) {HINTS[command]}", text), err


def test_drives_and_files_that_are_nearly_right_have_a_hint(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run(capsys, "synth", str(tmp_path / "street"), "--format", "kitti", "--n", "1", *SMALL)
    code, _, err = run(capsys, "evaluate", "--source", "auto", "--root", str(tmp_path / "stret"))
    assert code == 1 and "Did you mean 'street'?" in err
    code, _, err = run(capsys, "evaluate", "--source", "auto", "--root", str(tmp_path / "street"), "--drives", "0001")
    assert code == 1 and "Did you mean '0000'?" in err


def test_i2p_alone_prints_its_help() -> None:
    alone = done()
    assert (
        alone.returncode in (0, 2) and "First steps" in alone.stdout + alone.stderr and "Traceback" not in alone.stderr
    )


def test_json_without_a_file_is_printed() -> None:
    assert with_json_targets([]) == []
    assert with_json_targets(["check", "a", "--json"]) == ["check", "a", "--json", "-"]
    assert with_json_targets(["check", "--json", "--set", "a=1"]) == ["check", "--json", "-", "--set", "a=1"]
    for given in (["check", "--json", "-", "a"], ["check", "--json", "b.json"], ["check", "--json=b.json", "a"]):
        assert with_json_targets(given) == given


def test_json_never_overwrites_what_is_no_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`i2p check --json drive.mcap` means the recording."""
    bag = tmp_path / "drive.mcap"
    bag.write_bytes(b"precious")
    code, _, err = run(capsys, "check", "--json", str(bag))
    assert code == 1 and "put --json last" in err and bag.read_bytes() == b"precious"


REPORTING = {  # commands that need no network, and what is in their document
    "models": "vp2p-small",
    "models show vp2p-small": "scores",
    "config": "pnp",
    "doctor": "device",
    "synth {new} --n 2": "pairs",
    "check {bag}": "",
    "index {folder} --out {new}.parquet": "verdicts",
    "bench pnp --draws 1": "",
}


@pytest.mark.parametrize("command", REPORTING)
def test_json_alone_is_on_stdout(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    monkeypatch.setattr("i2p_ros.bench.matches.CONDITIONS", CONDITIONS[:2])  # the documentation runs them all
    run(capsys, "synth", str(tmp_path / "lake" / "drive"), "--n", "2", *SMALL)
    bag = next((tmp_path / "lake").rglob("*.mcap"))
    words = command.format(new=tmp_path / "new", bag=bag, folder=bag.parent.parent).split()
    code, out, err = run(capsys, *words, *(SMALL if "synth" in command else ()), "--json")
    found = json.loads(out)
    assert code in (0, 6) and (not REPORTING[command] or REPORTING[command] in found), err
    again = [word.replace(str(tmp_path / "new"), str(tmp_path / "other")) for word in words]
    code, out, _ = run(capsys, *again, *(SMALL if "synth" in command else ()), "--json", str(tmp_path / "found.json"))
    assert code in (0, 6) and type(json.loads((tmp_path / "found.json").read_text())) is type(found)
    assert not out.startswith(("{", "[")) or command == "config"


def test_doctor_names_the_extra_to_install(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its brackets are no markup."""
    absent = Check("lightning_fabric", False, False, "part of the extra i2p_ros[train]")
    monkeypatch.setattr("i2p_ros.doctor.checks", lambda: [absent])
    code, out, _ = run(capsys, "doctor")
    assert code == 0 and "i2p_ros[train]" in out


def test_a_file_error_has_no_code(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    missing, binary = tmp_path / "no.yaml", tmp_path / "a.yaml"
    binary.write_bytes(b"\x89PNG")
    assert run(capsys, "config", "--settings", str(missing))[2].count("Errno") == 0
    assert "it is no text in UTF-8" in run(capsys, "config", "--settings", str(binary))[2]


def test_models_are_listed_one_on_a_line() -> None:
    lines = done("models").stdout.splitlines()
    entries = json.loads(done("models", "--json").stdout)
    assert len(lines) == 1 + len(entries) and all(any(line.startswith(f"{n} ") for line in lines) for n in entries)
    (line,) = [line for line in lines if line.startswith("vp2p-small ")]
    entry = entries["vp2p-small"]
    assert f"{entry['parameters'] / 1e6:.2f} M" in line and entry["licence"].split(" ")[0] in line
    assert entry["family"] in line and "synthetic" in line and "KITTI" in line
    (rooms,) = [line for line in lines if line.startswith("diff2i2p-small ")]
    assert re.search(r" 0\.\d\d rooms ", rooms), "the share that is registered in rooms"
    assert {"family", "settings", "file", "sha256", "licence", "trained", "scores", "calibration"} <= set(entry)
