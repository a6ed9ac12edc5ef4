# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line: one clear line for bad input, exit codes, JSON that others can read, help with examples."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from helpers.cli import run
from helpers.networks import FAMILY, TINY
from helpers.pair_files import written_pair
from typer.main import get_command

from i2p_ros import cli
from i2p_ros.cli.app import app
from i2p_ros.cli.localizing import NO_POSE
from i2p_ros.core.config import Settings, SyntheticSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.resources import resource
from i2p_ros.core.types import PoseEstimate, Status
from i2p_ros.families.vp2p.settings import SIZES
from i2p_ros.localizer import load
from i2p_ros.runtime.weights import save_model
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.training import TRAINING_WORLDS

SMALL = ["--set", "synthetic.width=128", "--set", "synthetic.height=48", "--set", "synthetic.points=3000"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    save_model(folder, FAMILY, FAMILY.network(), Settings(), {"data": "nothing"})
    return str(folder)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The three files of one pair."""
    folder = tmp_path_factory.mktemp("pair")
    pair = SyntheticSource(SyntheticSettings(width=128, height=48, points=3000), 1, 1)[0].pair
    return written_pair(folder, pair)


def localize(files: dict[str, Path], **changed: Path) -> list[str]:
    return ["localize", *(word for key, path in {**files, **changed}.items() for word in (f"--{key}", str(path)))]


def commands(group: Any, *path: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        yield from commands(command, *path, name) if hasattr(command, "commands") else ()


VERBS = [" ".join(path) for path in commands(get_command(app))]


def test_the_verbs() -> None:
    assert set(VERBS) == {
        "demo", "doctor", "models", "models show", "config", "synth", "pairs", "check", "localize", "replay", "index",
        "fleet", "fleet monitor", "fleet calibrate", "fleet localize", "fleet report", "calibrate", "check-calibration",
        "monitor", "monitor check", "monitor history", "monitor bench", "evaluate", "calibrate-covariance", "train",
        "export", "soak", "bench", "bench pnp", "bench models", "bench ablation", "bench calibrate", "bench fleet",
    }  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_helps_with_an_example(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    code, out, _ = run(capsys, *verb.split(), "--help")
    says = "i2p monitor" if verb == "monitor check" else f"i2p {verb}"  # the word check may be left out
    assert code == 0 and f"Example: {says}" in " ".join(out.split())


def test_config_prints_what_load_settings_reads(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = run(capsys, "config", "--set", "pnp.iterations=77")
    assert code == 0 and yaml.safe_load(out)["pnp"]["iterations"] == 77
    (tmp_path / "mine.yaml").write_text(out)
    assert yaml.safe_load(run(capsys, "config", "--settings", str(tmp_path / "mine.yaml"))[1]) == yaml.safe_load(out)


BAD = {
    "unknown setting": (["config", "--set", "pnp.iters=3"], "pnp.iters"),
    "refused value": (["config", "--set", "pnp.iterations=no"], "pnp.iterations"),
    "no value": (["config", "--set", "pnp"], "a.b=value"),
    "missing file": (["config", "--settings", "nowhere.yaml"], "nowhere.yaml"),
    "no such model": (["evaluate", "no-model", "--n", "1"], "no-model"),
    "no such source": (["evaluate", "--source", "kitty"], "kitty"),
    "no root": (["evaluate", "--source", "kitti"], "root"),
    "missing folder": (["evaluate", "--source", "kitti", "--root", "nowhere"], "nowhere"),
    "missing recording": (["replay", "nowhere.mcap"], "nowhere.mcap"),
    "a name with markup": (["replay", "[/red].mcap"], "[/red].mcap"),
    "result in a folder": (["evaluate", "--n", "1", "--json", "/"], "cannot write /: it is a folder"),
    "report in a file": (["evaluate", "--n", "1", "--report", __file__], "cannot write"),
    "seeds and a seed": (["evaluate", "--seeds", "1,2", "--seed", "1"], "without --seed"),
    "the same seed twice": (["evaluate", "--seeds", "1,1"], "different numbers"),
    "a seed of training": (["evaluate", "--seeds", "1,1000000"], "below 1000000"),
    "seeds in words": (["evaluate", "--seeds", "1,two"], "got 1,two"),
    "training into a file": (["train", "--out", __file__], "cannot write"),
    "replay into a file": (["replay", "x.mcap", "--out", __file__], "cannot write"),
}


@pytest.mark.parametrize(("arguments", "says"), BAD.values(), ids=BAD)
def test_bad_input_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, *arguments)
    assert code == 1 and says in err
    assert err.startswith("error: ") and err.count("\n") == 1 and "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_localize_says_no_pose_with_exit_code_3(
    capsys: pytest.CaptureFixture[str], files: dict[str, Path], model: str, tmp_path: Path
) -> None:
    target = tmp_path / "out.json"
    code, _, err = run(capsys, *localize(files), "--model", model, "--json", str(target))
    found = json.loads(target.read_text())
    assert code == NO_POSE and found["T_camera_lidar"] is None
    assert found["status"] in err and found["status"] != "ok" and found["reason"]


def test_localize_says_how_it_read_the_cloud_and_what_it_subtracted(
    capsys: pytest.CaptureFixture[str],
    files: dict[str, Path],
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pose of a cloud in UTM refers to the shifted frame: its origin is printed and in the JSON."""
    rows = np.fromfile(files["cloud"], "<f4").reshape(-1, 4).astype(float)
    origin = np.array([459_000.0, 5_431_000.0, 115.0])
    np.save(tmp_path / "utm.npy", np.column_stack([rows[:, :3] + origin, rows[:, 3]]))
    np.column_stack([rows, np.arange(len(rows)) % 32]).astype("<f4").tofile(tmp_path / "five.bin")
    found = PoseEstimate(Status.OK, pose=Pose.identity(), covariance=np.eye(6))
    monkeypatch.setattr("i2p_ros.localizer.Localizer.localize_pair", lambda self, pair: found)
    target = tmp_path / "out.json"
    arguments = ["--model", model, "--json", str(target)]
    code, _, err = run(capsys, *localize(files, cloud=tmp_path / "utm.npy"), *arguments)
    offset = np.round(np.median(rows[:, :3], axis=0)) + origin
    told = json.loads(target.read_text())["cloud"]
    assert code == 0 and told["offset_m"] == offset.tolist() and told["points"] == len(rows)
    assert f"origin at ({offset[0]:.0f}, {offset[1]:.0f}, {offset[2]:.0f}) m" in err
    code, _, err = run(capsys, *localize(files, cloud=tmp_path / "five.bin"), *arguments, "--columns", "5")
    told = json.loads(target.read_text())["cloud"]
    assert code == 0 and told["columns"] == ["x", "y", "z", "intensity", "_"] and told["offset_m"] == [0, 0, 0]
    assert "origin at" not in err and "points of x, y, z, intensity, _; the intensity is 'intensity'" in err
    reflectivity = ("--columns", "x,y,z,intensity,reflectivity", "--set", "node.intensity_field=reflectivity")
    code, _, err = run(capsys, *localize(files, cloud=tmp_path / "five.bin"), *arguments, *reflectivity)
    assert code == 0 and json.loads(target.read_text())["cloud"]["intensity"] == "reflectivity"


def test_localize_draws_the_pose_that_it_finds(
    capsys: pytest.CaptureFixture[str],
    files: dict[str, Path],
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = PoseEstimate(Status.OK, pose=Pose.identity(), covariance=np.eye(6))
    monkeypatch.setattr("i2p_ros.localizer.Localizer.localize_pair", lambda self, pair: found)
    target = tmp_path / "new" / "out.png"
    code, out, _ = run(capsys, *localize(files), "--model", model, "--overlay", str(target))
    assert code == 0 and "1.000 m" in out
    width = cv2.imread(str(target)).shape[1]
    withheld = PoseEstimate(Status.UNCERTAIN, "too like a rival", withheld=Pose.identity(), covariance=np.eye(6))
    monkeypatch.setattr("i2p_ros.localizer.Localizer.localize_pair", lambda self, pair: withheld)
    code, _, err = run(capsys, *localize(files), "--model", model, "--overlay", str(target.with_name("no.png")))
    assert code == 3 and "too like a rival" in err
    assert cv2.imread(str(target.with_name("no.png"))).shape[1] == width == 1200
    for name in ("out.xyz", "out"):
        code, _, err = run(capsys, *localize(files), "--model", model, "--overlay", str(tmp_path / name))
        assert code == 1 and err.count("\n") == 1 and "such as .png" in err
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


@pytest.mark.parametrize("values", [np.ones((99, 4), complex), np.ones((99, 4), bool), np.ones((99, 2))])
def test_localize_refuses_arrays_that_are_no_clouds(
    capsys: pytest.CaptureFixture[str], files: dict[str, Path], model: str, tmp_path: Path, values: np.ndarray
) -> None:
    np.save(tmp_path / "a.npy", values)
    code, _, err = run(capsys, *localize(files, cloud=tmp_path / "a.npy"), "--model", model)
    assert code == 1 and "must hold real numbers (N, 3) to (N, 6)" in err and err.count("\n") == 1


def test_localize_takes_a_camchain_of_kalibr_and_a_matrix_of_opencv(
    capsys: pytest.CaptureFixture[str], files: dict[str, Path], model: str, tmp_path: Path
) -> None:
    k = yaml.safe_load(files["camera"].read_text())["camera_matrix"]["data"]
    entry = {
        "camera_model": "pinhole", "distortion_model": "none", "distortion_coeffs": [], "resolution": [128, 48],
        "intrinsics": [k[0], k[4], k[2], k[5]],
    }  # fmt: skip
    chain, opencv = tmp_path / "camchain.yaml", tmp_path / "opencv.xml"
    chain.write_text(yaml.safe_dump({"cam0": {**entry, "resolution": [7, 7]}, "cam1": entry}))
    storage = cv2.FileStorage(str(opencv), cv2.FILE_STORAGE_WRITE)
    storage.write("K", np.reshape(k, (3, 3)))
    storage.release()
    for camera in (tmp_path / "camchain.yaml#cam1", opencv):
        code, _, err = run(capsys, *localize(files, camera=camera), "--model", model)
        assert code == 3 and "no pose" in err
    code, _, err = run(capsys, *localize(files, camera=chain), "--model", model)
    assert code == 1 and "choose camchain.yaml#cam0 or camchain.yaml#cam1" in err


def test_localize_refuses_what_does_not_fit(
    capsys: pytest.CaptureFixture[str], files: dict[str, Path], model: str, tmp_path: Path
) -> None:
    broken, short, wrong, camera = (tmp_path / n for n in ("b.png", "c.bin", "c.txt", "cam.yaml"))
    broken.write_bytes(files["image"].read_bytes()[:80])
    short.write_bytes(files["cloud"].read_bytes()[:-3])
    wrong.write_text("1 2 3")
    camera.write_text("image_width: 7\n")
    cases = [
        {"image": broken},
        {"cloud": short},
        {"cloud": wrong},
        {"camera": camera},
        {"image": tmp_path / "none.png"},
    ]
    for changed in cases:
        code, _, err = run(capsys, *localize(files, **changed), "--model", model)
        assert code == 1 and str(next(iter(changed.values()))) in err, changed
    other = {**yaml.safe_load(files["camera"].read_text()), "image_width": 64}
    camera.write_text(yaml.safe_dump(other))
    code, _, err = run(capsys, *localize(files, camera=camera), "--model", model)
    assert code == 1 and "128x48" in err and "64x48" in err


def test_evaluate_writes_numbers_with_definitions_and_settings(
    capsys: pytest.CaptureFixture[str], model: str, tmp_path: Path
) -> None:
    target, report = tmp_path / "out.json", tmp_path / "report"
    code, _, _ = run(
        capsys, "evaluate", model, "--seed", "7", "--n", "2", "--json", str(target), "--report", str(report), *SMALL
    )
    numbers = json.loads(target.read_text())
    assert code == 0 and (report / "report.html").stat().st_size > 10_000
    assert numbers["n"] == 2 and numbers["seed"] == 7 and numbers["protocol"] == "vp2p" and numbers["model"] == model
    assert numbers["settings"]["synthetic"]["width"] == 128
    for key in ("recall_2m_5deg", "recall_05m_2deg", "recall_025m_1deg", "rte_m", "rre_deg", "rre_geodesic_deg"):
        assert key in numbers and numbers["definitions"][key]


def test_evaluate_of_several_seeds_tells_their_spread(
    capsys: pytest.CaptureFixture[str], model: str, tmp_path: Path
) -> None:
    target = tmp_path / "out.json"
    arguments = ("--protocol", "prior", "--seeds", "5, 6", "--n", "1", "--json", str(target), *SMALL)
    code, out, _ = run(capsys, "evaluate", model, *arguments)
    numbers = json.loads(target.read_text())
    assert code == 0 and numbers["n"] == 2 and list(numbers["seeds"]) == ["5", "6"] and "min" in out
    assert [row["draw"]["seed"] for row in numbers["rows"]] == [5, 6] and len(numbers["rows"][0]["draw"]["prior"]) == 12
    assert set(numbers["spread"]["recall_2m_5deg"]) == {"mean", "min", "max"}


def test_evaluate_takes_seed_and_places_of_the_published_protocol_where_none_are_given(
    capsys: pytest.CaptureFixture[str], model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def stop(localizer, sources, *rest):  # type: ignore[no-untyped-def]
        asked.append({seed: len(source) for seed, source in sources.items()})
        raise InputError("enough", "test")

    monkeypatch.setattr("i2p_ros.evaluation.runner.evaluate_seeds", stop)
    for arguments in ([], ["--seed", "0"], ["--n", "3"], ["--seeds", "7,8,9"]):
        assert run(capsys, "evaluate", model, *arguments)[0] == 1
    assert asked == [{7: 500}, {0: 500}, {7: 3}, {7: 500, 8: 500, 9: 500}]


def test_sigterm_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "i2p_ros", "synth", str(tmp_path / "street"), "--n", "100000", *SMALL]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None and not list(tmp_path.glob(".street.*/street/*")):
            time.sleep(0.05)
        process.terminate()
        assert process.wait(20) == cli.TERMINATED
    finally:
        process.kill()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("numbers", "file"), [({"recall_2m_5deg": 0.5, "pairs": 2}, "report.html"), ({"pairs": 2}, "summary.json")]
)
def test_replay_names_a_file_that_it_wrote(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    numbers: dict[str, float],
    file: str,
) -> None:
    demo = pytest.importorskip("i2p_ros.ros.replay.demo", reason="needs ROS: install the extra ros")
    monkeypatch.setattr(demo, "replay_and_report", lambda settings, out, progress, view: {**numbers, "lost": {}})
    code, _, err = run(capsys, "replay", "a.mcap", "--out", str(tmp_path))
    assert code == 0 and err.endswith(f"pictures and numbers: {tmp_path / file}\n")


def test_synth_writes_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for fmt, kind in (("kitti", "kitti"), ("mcap", "rosbag"), ("sqlite3", "rosbag")):
        target = tmp_path / fmt
        assert run(capsys, "synth", str(target), "--format", fmt, "--n", "2", *SMALL)[0] == 0
        source = cli_source(kind, target)
        assert len(source) == 2 and source[0].T_camera_lidar is not None
        code, _, err = run(capsys, "synth", str(target), "--format", fmt, "--n", "2", *SMALL)
        assert code == 1 and "exists already" in err


def test_synth_refuses_what_the_format_cannot_hold(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for arguments in (["--format", "kitti", "--compressed"], ["--format", "mcap", "--no-drive"]):
        code, _, err = run(capsys, "synth", str(tmp_path / "out"), *arguments, "--n", "1", *SMALL)
        assert code == 1 and arguments[-1] in err and not list(tmp_path.iterdir())


def cli_source(kind: str, root: Path):  # type: ignore[no-untyped-def]
    from i2p_ros import open_source

    return open_source(kind, root, settings=Settings())


def test_a_short_training_run_gives_a_model_that_evaluates(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SIZES, "small", TINY)
    out = tmp_path / "run"
    few = ["--set", "training.samples=4", "--set", "training.batch=2", "--workers", "0", "--worlds", "2"]
    few += ["--set", "training.validate_pairs=2"]
    assert run(capsys, "train", "--out", str(out), *few, *SMALL)[0] == 0
    files = {"model.safetensors", "manifest.yaml", "settings.yaml", "metrics.csv", "validation.json", "throughput.json"}
    assert files <= {p.name for p in out.iterdir()}
    assert run(capsys, "evaluate", str(out), "--n", "1", *SMALL)[0] == 0


def test_doctor_says_what_is_used_and_models_lists(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "doctor", "--json", "-")
    found = json.loads(out)
    assert found["torch"]["ok"] and found["device"]["says"].startswith(("cpu", "cuda"))
    assert not found["torch_tensorrt"]["needed"]
    code, out, _ = run(capsys, "models", "--json", "-")
    assert code == 0 and "vp2p-small" in json.loads(out)


def test_doctor_fails_when_something_needed_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from i2p_ros import doctor

    monkeypatch.setattr(doctor, "NEEDED", ("numpy", "no_such_package"))
    code, out, _ = run(capsys, "doctor", "--json", "-")
    assert code == 1 and "ModuleNotFoundError" in json.loads(out)["no_such_package"]["says"]


def test_no_training_world_has_a_seed_that_a_user_may_evaluate(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("demo", "evaluate"):
        code, _, err = run(capsys, verb, "--seed", str(TRAINING_WORLDS))
        assert code == 2 and "999999" in err


def test_calibration_is_written_and_used(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(resource("models"), tmp_path / "models")
    monkeypatch.setenv("I2P_MODELS", str(tmp_path / "models"))
    before = (tmp_path / "models/manifest.yaml").read_text()
    code, out, _ = run(
        capsys, "calibrate-covariance", "--n", "18", "--seed", "5", "--protocols", "vp2p,prior", "--json", "-"
    )
    fitted = json.loads(out)
    assert code == 0 and len(fitted["std_scale"]) == 6
    assert fitted["fitted_on"].count("18 pairs") == 2 and "protocol prior" in fitted["fitted_on"]
    assert fitted["aligned_errors"]["degrees_of_freedom"] >= 6
    entry = yaml.safe_load((tmp_path / "models/manifest.yaml").read_text())["vp2p-small"]
    assert entry["calibration"] == fitted
    assert (tmp_path / "models/manifest.yaml").read_text().splitlines()[:2] == before.splitlines()[:2]
    assert load("vp2p-small").calibration.min_confidence == fitted["min_confidence"]


def test_weights_that_know_nothing_cannot_be_calibrated(capsys: pytest.CaptureFixture[str], model: str) -> None:
    code, _, err = run(capsys, "calibrate-covariance", model, "--n", "2", *SMALL)
    assert code == 1 and "a calibration needs 30 poses" in " ".join(err.split())


def test_nobody_calibrates_on_what_was_trained_on(capsys: pytest.CaptureFixture[str], kitti_root: Path) -> None:
    arguments = ["--source", "kitti", "--root", str(kitti_root / "raw"), "--drives", "0052"]
    code, _, err = run(capsys, "calibrate-covariance", *arguments)
    assert code == 1 and "was trained on" in " ".join(err.split())


def test_nobody_calibrates_on_listed_pairs_of_a_drive_that_was_trained_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    entry = {"name": "a", "dataset": "mine", "K": [[100, 0, 50], [0, 100, 50], [0, 0, 1]]}
    for drive, known in (("2011_09_26_drive_0052_sync", True), ("2011_09_26_drive_0005_sync", False)):
        (tmp_path / "frames.json").write_text(json.dumps([entry | {"drive": drive}]))
        code, _, err = run(capsys, "calibrate-covariance", "--n", "1", *SMALL, "--frames", str(tmp_path))
        assert code == 1 and ("was trained on" in " ".join(err.split())) == known


def test_protocols_of_a_calibration_are_known_and_different(capsys: pytest.CaptureFixture[str]) -> None:
    for names in ("vp2p,none_such", "prior,prior"):
        code, _, err = run(capsys, "calibrate-covariance", "--protocols", names)
        assert code == 1 and "--protocols needs different ones of" in " ".join(err.split())
