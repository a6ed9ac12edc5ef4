# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p bench`: its numbers keep their contract, and messages are the pair."""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.networks import FAMILY, TINY, pair, street

from i2p_ros import cli
from i2p_ros.bench import inputs, networks
from i2p_ros.bench import pairs as bench
from i2p_ros.bench.against import against
from i2p_ros.bench.machine import Machine, measured
from i2p_ros.bench.measuring import neighbour
from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.families.vp2p import VP2P
from i2p_ros.runtime.weights import save_model

KEYS = {
    "pair_ms", "pair_ms_busy", "published_ms", "ratio_to_published", "peak_rss_mb", "stages", "runtime", "device",
    "threads", "baseline_ms", "ratio_to_baseline", "tracked_ms",
}  # fmt: skip
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Of the command, with a tiny model, little input and a rival of no weight."""
    folder = tmp_path_factory.mktemp("bench")
    save_model(folder, FAMILY, FAMILY.network(), Settings(), {})
    with pytest.MonkeyPatch.context() as patch:
        small = {"width": 96, "height": 64, "points": 3000}
        patch.setattr(inputs, "INPUT", small)
        patch.setattr(bench, "INPUT", small)
        patch.setattr(bench, "LARGE", {**small, "points": 9000})
        patch.setattr(bench, "COUNTS", (1000, 4000))
        patch.setattr(VP2P, "sizes", {"tiny": TINY})
        patch.setattr("i2p_ros.bench.published.POINTS", 2000)
        patch.setattr("i2p_ros.bench.published.CENTRES", (64, 32))
        patch.setattr("i2p_ros.bench.published.CANDIDATES", (100, 200))
        command = ["i2p", "bench", "--model", str(folder), "--pairs", "2", "--rounds", "1", "--device", "cpu"]
        command += ["--against", str(ROOT)]
        patch.setattr(sys, "argv", [*command, "--json", str(folder / "b.json"), "--report", str(folder)])
        with pytest.raises(SystemExit) as done:
            cli.main()
    assert done.value.code == 0
    yield {**json.loads((folder / "b.json").read_text()), "page": (folder / "bench.html").read_text()}


def test_the_contract(numbers: dict[str, Any]) -> None:
    assert set(numbers) >= KEYS
    assert {"median", "p95"} <= set(numbers["pair_ms"]) and {"median", "p95"} <= set(numbers["pair_ms_busy"])
    assert all({"name", "ms", "gflop", "mbyte", "floor_ms"} == set(row) for row in numbers["stages"])
    assert set(bench.STAGES) <= {row["name"] for row in numbers["stages"]}
    assert all(name in numbers for name in numbers["definitions"])


def test_numbers_agree_with_one_another(numbers: dict[str, Any]) -> None:
    rows = {row["name"]: row for row in numbers["stages"]}
    assert numbers["floor_ms"] == pytest.approx(sum(row["floor_ms"] for row in rows.values()))
    assert all(rows[name]["gflop"] > 0 for name in ("image", "sparse", "point", "heads"))
    assert [row["runtime"] for row in numbers["networks"]] == [*networks.RUNTIMES]
    there = [row for row in numbers["networks"] if row["ms"] is not None]
    assert all(row["ms"] > 0 and row["gflop"] > 0 and "torch" in row["says"] for row in there)
    absent = {row["runtime"]: row["says"] for row in numbers["networks"] if row["ms"] is None}
    assert "TensorRT" in absent["tensorrt"] and len(there) >= 3
    assert 100 < numbers["peak_rss_mb"] < 4000 and numbers["peak_rss_mb_large"] > 100


def test_a_build_against_itself_takes_about_as_long(numbers: dict[str, Any]) -> None:
    ours, baseline = numbers["build_ms"]["median"], numbers["baseline_ms"]["median"]
    assert numbers["ratio_to_baseline"] == pytest.approx(ours / baseline) and 0.2 < ours / baseline < 5
    assert numbers["tracked_ms"]["median"] > 0
    assert len(set(numbers["with_pose_of_both"])) == 1


def test_a_folder_that_is_no_build_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no package i2p_ros"):
        against(tmp_path, Settings(), "vp2p-small", [], 1)


def test_a_build_that_cannot_run_is_refused_with_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "i2p_ros").mkdir()
    (tmp_path / "i2p_ros" / "localizer.py").write_text("")
    (tmp_path / "i2p_ros" / "__init__.py").write_text("raise RuntimeError('of another age')")
    messages = inputs.MessagePair.of(pair())
    with pytest.raises(InputError, match="of another age"):
        against(tmp_path, Settings(), "vp2p-small", [messages], 1)


def test_the_report_shows_every_stage_and_both_plots(numbers: dict[str, Any]) -> None:
    assert all(f"<td>{name}</td>" in numbers["page"] for name in bench.STAGES)
    assert numbers["page"].count("data:image/png") == 2


def test_the_floor_is_the_slower_of_computing_and_moving() -> None:
    machine = Machine(gflops=100.0, gbytes=10.0)
    assert machine.floor_ms(1e9, 0) == pytest.approx(10) and machine.floor_ms(1e9, 1e9) == pytest.approx(100)


def test_the_middle_of_several_measurements_counts() -> None:
    assert Machine.median([Machine(100.0, 1.0), Machine(50.0, 2.0), Machine(70.0, 9.0)]) == Machine(70.0, 2.0)


def test_a_machine_has_rates() -> None:
    machine = measured(torch.device("cpu"), 1)
    assert 1 < machine.gflops < 1e6 and 0.1 < machine.gbytes < 1e5


def test_messages_are_the_pair() -> None:
    given = pair()
    back = inputs.MessagePair.of(given).decoded()
    assert (back.image == given.image).all() and (back.cloud.xyz == given.cloud.xyz).all()


def test_a_resampled_pair_has_the_asked_size_and_the_same_place() -> None:
    given = pair(cloud=street(3000))
    back = inputs.resampled(inputs.MessagePair.of(given), 256, 100, 10_000).decoded()
    assert back.image.shape == (100, 256, 3) and len(back.cloud) == 10_000
    assert back.camera.fx == pytest.approx(2 * given.camera.fx)
    nearest = np.linalg.norm(given.cloud.xyz[:, None] - back.cloud.xyz[None, :200], axis=2).min(axis=0)
    assert nearest.max() < 0.2


def test_the_neighbour_works_only_when_it_should() -> None:
    ticks = os.sysconf("SC_CLK_TCK")

    def used(pid: int) -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / ticks

    with neighbour() as busy:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        pid = int(children[-1])
        before = used(pid)
        with busy():
            deadline = time.monotonic() + 20
            while used(pid) < before + 0.2 and time.monotonic() < deadline:
                time.sleep(0.05)
        worked = used(pid)
        time.sleep(0.2)
        assert worked >= before + 0.2 and used(pid) - worked < 0.05
    assert not Path(f"/proc/{pid}").exists()
