# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of devices, weights and networks by what PyTorch raises: rows 26, 45 to 49, 53, 59 of docs/faults.md."""

import hashlib
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers.networks import FAMILY, pair, street
from helpers.passes import SeenPasses

import i2p_ros as i2p
from i2p_ros import cli
from i2p_ros.core.config import Settings, SyntheticSettings
from i2p_ros.core.consistency import LiveConsistency
from i2p_ros.core.errors import DeviceError, MissingPackageError, ModelError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair, PoseEstimate, Prior, Status
from i2p_ros.localizer import Localizer
from i2p_ros.networks.base import Arrays
from i2p_ros.runtime.manifest import find_model
from i2p_ros.runtime.torch_runtime import Passes, TorchPasses, TorchRuntime, choose_device
from i2p_ros.runtime.weights import save_model
from i2p_ros.synthetic import SyntheticSource


class Failing(TorchRuntime):
    """A runtime that raises the given errors first, one a call; it remembers how many points it was given."""

    def __init__(self, *errors: Exception) -> None:
        torch.manual_seed(0)
        super().__init__(FAMILY.network(), "cpu")
        self.errors, self.sizes = list(errors), list[int]()

    def open(self, shared: Arrays) -> Passes:
        def fail(inputs: Arrays) -> None:
            self.sizes.append(len(inputs["points"]))
            if self.errors:
                raise self.errors.pop(0)

        return SeenPasses(super().open(shared), fail)


def answer(runtime: TorchRuntime, given: Pair) -> PoseEstimate:
    return Localizer(FAMILY, runtime, Settings(), "x").localize_pair(given)


FULL = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
LOST = RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be ...")


def test_row_45_a_full_gpu_gets_half_of_the_points(monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[bool] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: freed.append(True))
    runtime = Failing(FULL)
    estimate = answer(runtime, pair(cloud=street()))
    assert runtime.sizes[1] == runtime.sizes[0] // 2 and freed == [True]
    assert estimate.status is not Status.NOT_PROCESSED


def test_row_45_a_gpu_that_stays_full_gives_no_pose_and_the_next_pair_is_tried() -> None:
    localizer = Localizer(FAMILY, Failing(FULL, FULL), Settings(), "x")
    estimate = localizer.localize_pair(pair(cloud=street()))
    assert estimate.status is Status.NOT_PROCESSED and "out of memory" in estimate.reason and estimate.pose is None
    assert localizer.localize_pair(pair(cloud=street())).status is not Status.NOT_PROCESSED


def test_row_46_without_a_gpu_the_cpu_is_taken_or_the_start_is_refused() -> None:
    assert "torch" in TorchRuntime(FAMILY.network(), "cpu").describe()
    assert choose_device("cpu") == (torch.device("cpu"), "asked for")
    if not torch.cuda.is_available():
        assert choose_device("auto")[0].type == "cpu"
        with pytest.raises(MissingPackageError, match="CUDA"):
            choose_device("cuda")


def test_row_46_a_lost_gpu_is_no_answer_but_an_error_that_ends_the_process() -> None:
    with pytest.raises(DeviceError, match="start again: CUDA error: an illegal memory access") as caught:
        answer(Failing(LOST), pair(cloud=street()))
    assert "\n" not in str(caught.value)
    with pytest.raises(RuntimeError, match="shapes"):  # a fault of ours is not taken for one of the device
        answer(Failing(RuntimeError("shapes do not match")), pair(cloud=street()))


@pytest.mark.parametrize(
    ("said", "status"), [(np.full((4, 80, 256), np.nan, np.float32), Status.NONFINITE), (FULL, Status.NOT_PROCESSED)]
)
def test_an_image_that_is_not_seen_as_a_lidar_would_gives_no_pose(
    said: Any, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample, localizer = SyntheticSource(SyntheticSettings(), 3, 1)[0], i2p.load("vp2p-small")
    assert sample.T_camera_lidar
    sure = Prior(sample.T_camera_lidar, np.diag(np.repeat([0.1, 0.02], 3) ** 2))
    assert localizer.localize_pair(sample.pair, sure).evidence, "there is a pose to be made exact"

    def signals(passes: TorchPasses) -> np.ndarray:
        if isinstance(said, Exception):
            raise said
        return np.asarray(said)

    monkeypatch.setattr(TorchPasses, "signals", signals)
    estimate = localizer.localize_pair(sample.pair, sure)
    assert estimate.status is status and estimate.pose is None and estimate.reason


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_model(tmp_path, FAMILY, FAMILY.network(), Settings(), {"samples": 0})
    return tmp_path


@pytest.mark.parametrize("damage", [lambda d: d[:-1] + bytes([d[-1] ^ 1]), lambda d: d[: len(d) // 2], lambda d: b""])
def test_row_48_weights_that_are_damaged_or_cut_off(
    folder: Path, damage: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder / "model.safetensors"
    expected = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(damage(file.read_bytes()))
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(ModelError) as caught:
        find_model(str(folder))
    assert all(text in str(caught.value) for text in (str(file), found, expected))
    monkeypatch.setattr("sys.argv", ["i2p", "evaluate", str(folder), "--source", "synthetic", "--n", "1"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1 and found in "".join(capsys.readouterr()).replace("\n", "")


class Malicious:
    """Writes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("save", [torch.save, lambda o, f: f.write_bytes(pickle.dumps(o))])
def test_row_49_a_pickle_is_not_opened_even_if_the_manifest_vouches_for_it(folder: Path, save: Any) -> None:
    file, trace = folder / "model.safetensors", folder / "trace"
    save({"weights": Malicious(trace)}, file)
    manifest = yaml.safe_load((folder / "manifest.yaml").read_text())
    next(iter(manifest.values()))["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    with pytest.raises(ModelError, match="cannot load the weights"):
        i2p.load(str(folder))
    assert not trace.exists()


def test_row_49_nothing_here_can_unpickle() -> None:
    """But for the reader of published pairs, which takes plain types and arrays alone: test_published_pairs.py."""
    tensors_only = re.compile(r"torch\.load\([^)]*weights_only=True\)")  # of the weights that a trunk starts from
    sources = {file: tensors_only.sub("", file.read_text()) for file in Path(i2p.__file__).parent.rglob("*.py")}
    risky = ("import pickle", "torch.load(", "allow_pickle=True", "joblib", "yaml.load(", "yaml.unsafe_load(")
    found = {(file.name, word) for file, text in sources.items() for word in risky if word in text}
    assert found == {("plain_pickle.py", "import pickle")}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_row_53_an_answer_of_the_network_that_is_not_finite(value: float) -> None:
    class Broken(Failing):
        def open(self, shared: Arrays) -> Passes:
            return SeenPasses(super().open(shared), lambda inputs: {"pixels": torch.full((1, 2, 2, 2), value)})

    estimate = answer(Broken(), pair(cloud=street()))
    assert estimate.status is Status.NONFINITE and estimate.pose is None and estimate.covariance is None


def errors_of(scale: float, n: int, watch: LiveConsistency) -> None:
    """Poses whose errors have a covariance of `scale` times what is stated."""
    rng, std = np.random.default_rng(1), np.array([0.1, 0.1, 0.2, 0.01, 0.02, 0.01])
    truth = Pose.from_rotvec([0.1, -0.2, 0.3], [0.2, 0.1, 0.5])
    for _ in range(n):
        watch.add(truth.retract(rng.normal(size=6) * std * np.sqrt(scale)), np.diag(std**2), truth)


@pytest.mark.parametrize(("scale", "warns"), [(0.5, False), (1.0, False), (1.5, False), (3.0, True), (20.0, True)])
def test_row_59_errors_larger_than_stated_are_noticed(scale: float, warns: bool) -> None:
    watch = LiveConsistency()
    errors_of(scale, 19, watch)
    assert watch.ratio is None and not watch.overconfident
    errors_of(scale, 100, watch)
    assert watch.ratio == pytest.approx(scale, rel=0.2) and watch.overconfident == warns


def test_row_59_one_wrong_pose_or_covariance_among_many_is_no_overconfidence() -> None:
    watch = LiveConsistency()
    errors_of(1.0, 50, watch)
    watch.add(Pose.from_rotvec([0, 1, 0]), np.eye(6) * 1e-6, Pose.identity())
    watch.add(Pose.identity(), np.zeros((6, 6)), Pose.identity())
    assert not watch.overconfident
    for _ in range(60):
        watch.add(Pose.identity(), np.full((6, 6), np.nan), Pose.identity())
    assert watch.overconfident


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_row_26_an_image_that_shows_nothing_gives_no_pose(grey: int) -> None:
    localizer = i2p.load("vp2p-small")
    sample = i2p.open_source("synthetic", settings=Settings(), seed=3, n=1)[0]
    truth = sample.T_camera_lidar
    assert truth is not None
    blank = Pair(np.full_like(sample.pair.image, grey), sample.pair.camera, sample.pair.cloud)
    for prior in (None, Prior(truth, np.diag([0.1] * 3 + [0.02] * 3) ** 2)):
        estimate = localizer.localize_pair(blank, prior)
        assert estimate.pose is None and estimate.reason
