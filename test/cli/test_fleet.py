# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p index` and `i2p fleet` as a user runs them: exit codes, ctrl-c, and one line for what is wrong."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import ROOT
from helpers.cli import run
from helpers.lake import options, rows

from i2p_ros.fleet.proof import steady_bytes
from i2p_ros.fleet.recordings import Recording, content_hash
from i2p_ros.fleet.simulated import write_lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lake")
    write_lake(folder / "lake", 4, (1,))
    return folder


def indexed(capsys: pytest.CaptureFixture[str], lake: Path, target: Path) -> str:
    code, _, err = run(capsys, "index", str(lake / "lake"), "--out", str(target), *options())
    assert code == 0 and "recordings, 0 of them unusable" in err
    return str(target)


def test_exit_codes_and_the_last_line_tell_how_a_run_ended(
    capsys: pytest.CaptureFixture[str], lake: Path, tmp_path: Path
) -> None:
    index = indexed(capsys, lake, tmp_path / "index.parquet")
    words = ["fleet", "monitor", index, "--out", str(tmp_path / "out"), *options()]
    code, _, err = run(capsys, *words)
    assert code == 0 and "4 recordings: 4 finished (4 now), 0 in quarantine (0 now), 0 left" in err.splitlines()[-1]
    code, _, err = run(capsys, *words)
    assert code == 0 and "4 finished (0 now)" in err.splitlines()[-1]
    code, _, err = run(capsys, *words, "--set", "topics.image=/none")
    assert code == 3 and "0 finished (0 now), 4 in quarantine (4 now)" in err.splitlines()[-1]
    assert {row["code"] for row in rows(tmp_path / "out", "quarantine")} == {"bag.topics"}


@pytest.mark.parametrize("by_whom", ["ctrl-c", "a scheduler"])
def test_an_interrupted_run_keeps_what_is_finished_and_ends_with_130(
    capsys: pytest.CaptureFixture[str], lake: Path, tmp_path: Path, by_whom: str
) -> None:
    index = indexed(capsys, lake, tmp_path / "index.parquet")
    command = [sys.executable, "-m", "i2p_ros", "fleet", "monitor", index, "--out", str(tmp_path / "out"), *options()]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not [*tmp_path.glob("out/parts/*.json")]:
        time.sleep(0.01)
        assert process.poll() is None
    if by_whom == "ctrl-c":
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers as well
    else:
        process.terminate()
    _, err = process.communicate(timeout=60)
    done = len([*tmp_path.glob("out/parts/*.json")])
    assert process.returncode == 130 and "interrupted" in err and f"{4 - done} left" in err
    assert len(rows(tmp_path / "out", "verdicts")) == done < 4 and not (tmp_path / "out/run.lock").exists()
    assert run(capsys, *command[3:])[0] == 0
    assert run(capsys, *command[3:], "--out", str(tmp_path / "whole"))[0] == 0
    assert steady_bytes(tmp_path / "out") == steady_bytes(tmp_path / "whole")


def test_an_interrupted_index_has_what_was_inspected_and_what_it_had(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, lake: Path, tmp_path: Path
) -> None:
    def hash_of_the_first(recording: Recording) -> str:
        if "drive_0000" not in recording.uri:
            raise KeyboardInterrupt  # as Ctrl-C does
        return content_hash(recording)

    words = ["index", str(lake / "lake"), "--out", str(tmp_path / "index.parquet"), *options()]
    indexed(capsys, lake, tmp_path / "index.parquet")
    before = rows(tmp_path, "index")
    monkeypatch.setattr("i2p_ros.fleet.index.content_hash", hash_of_the_first)
    code, _, err = run(capsys, *words)
    assert code == 130 and "4 recordings, 0 of them unusable" in err and "interrupted: 3 recordings are left" in err
    assert rows(tmp_path, "index") == before
    (tmp_path / "index.parquet").unlink()
    code, _, err = run(capsys, *words)
    assert code == 130 and [row["uri"] for row in rows(tmp_path, "index")] == [before[0]["uri"]]


def test_a_full_disk_is_one_line_and_nothing_is_half_written(
    capsys: pytest.CaptureFixture[str], lake: Path, tmp_path: Path
) -> None:
    index = indexed(capsys, lake, tmp_path / "index.parquet")
    command = [sys.executable, "-m", "i2p_ros", "fleet", "monitor", index, "--out", str(tmp_path / "out"), *options()]

    def small_files() -> None:
        """Let files have 4 kB at most, so that a write fails halfway as on a full disk."""
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, preexec_fn=small_files, check=False, timeout=120
    )
    assert ended.returncode == 1 and ended.stderr.count("error:") == 1 and "cannot write" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not [*tmp_path.glob("out/**/*.webp"), *tmp_path.glob("out/**/.*"), *tmp_path.glob("out/parts/*")]
    assert not (tmp_path / "out/run.lock").exists()
    assert run(capsys, *command[3:])[0] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["index", "/nowhere"], "does not exist"),
        (["index", "nosuch://bucket"], "cannot open nosuch://bucket"),
        (["fleet", "monitor", "/nowhere.parquet", "--out", "{out}"], "i2p index"),
        (["fleet", "monitor", "{text}", "--out", "{out}"], "no table that"),
        (["fleet", "monitor", "{text}", "--out", "nosuch://bucket"], "cannot open nosuch://bucket"),
        (["fleet", "monitor", "{text}", "--out", "/proc/none"], "cannot write"),
    ],
)
def test_wrong_words_are_one_clear_line(
    capsys: pytest.CaptureFixture[str], lake: Path, tmp_path: Path, words: list[str], says: str
) -> None:
    text = tmp_path / "text.parquet"
    text.write_text("no table")
    names = {"{out}": str(tmp_path / "out"), "{text}": str(text)}
    if words[0] == "fleet" and words[-1] in ("nosuch://bucket", "/proc/none"):
        names["{text}"] = indexed(capsys, lake, tmp_path / "index.parquet")
    code, _, err = run(capsys, *(names.get(word, word) for word in words))
    assert code == 1 and err.count("error:") == 1 and says in err and "Traceback" not in err
