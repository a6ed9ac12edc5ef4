# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Models are checked before they are loaded, and a localizer answers with a pose or a reason, whatever comes in."""

import gc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
import yaml
from helpers.descriptors import planted, similarity_of
from helpers.matches import CAMERA
from helpers.networks import FAMILY, pair, prepared, street
from helpers.passes import SeenPasses

import i2p_ros as i2p
from i2p_ros.core.config import Settings, load_settings
from i2p_ros.core.errors import InputError, ModelError
from i2p_ros.core.geometry import Pose, are_within, from_camera_axes
from i2p_ros.core.types import Pair, PointCloud, PoseEstimate, Prediction, Prior, Status
from i2p_ros.families import FAMILIES, family_class
from i2p_ros.families.vp2p import VP2P
from i2p_ros.localizer import TRACKED, Localizer, PreparedPair
from i2p_ros.networks.base import Arrays, batched
from i2p_ros.pnp import Calibration
from i2p_ros.runtime.manifest import drives_of, find_model
from i2p_ros.runtime.torch_runtime import Passes, TorchRuntime
from i2p_ros.runtime.weights import save_model
from i2p_ros.search import PoseSearch

A = TypeVar("A")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_model(tmp_path, FAMILY, FAMILY.network(), Settings(), {"samples": 0})
    return tmp_path


def test_a_saved_model_is_found_and_loaded(folder: Path) -> None:
    localizer = i2p.load(str(folder))
    estimate = localizer.localize_pair(pair())
    assert estimate.status is not Status.OK  # random weights know nothing, and must not pretend to
    assert estimate.pose is None and estimate.reason
    assert set(estimate.seconds) == {
        "prepare", "network", "image", "heads", "match", "pose",
    }  # fmt: skip


def test_the_same_pair_gets_the_same_answer(folder: Path) -> None:
    localizer = i2p.load(str(folder))
    first, second = (localizer.predict(localizer.prepare(pair())).candidates[0] for _ in range(2))
    assert (first.pixels == second.pixels).all() and (first.points == second.points).all()


def test_weights_without_a_manifest_were_trained_on_nothing_that_is_known(folder: Path) -> None:
    manifest = folder / "manifest.yaml"
    (name,) = (entry := yaml.safe_load(manifest.read_text()))
    entry[name]["trained"] = {"drives": ["0052"]}
    manifest.write_text(yaml.safe_dump(entry))
    weights = folder / entry[name]["file"]
    assert drives_of(weights) == ["0052"]
    manifest.unlink()
    assert drives_of(weights) == []


def test_weights_of_another_network_are_refused(folder: Path) -> None:
    manifest = yaml.safe_load((folder / "manifest.yaml").read_text())
    next(iter(manifest.values()))["settings"]["stem"] = 16
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    with pytest.raises(ModelError, match="cannot load the weights") as caught:
        i2p.load(str(folder))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[1, 2]", "a: {family: vp2p}", "{", "a: 3", "{}", ""])
def test_a_malformed_manifest_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.yaml").write_text(text)
    with pytest.raises(ModelError, match="manifest"):
        find_model(str(folder))


def test_a_manifest_that_is_no_text_is_refused(folder: Path) -> None:
    (folder / "manifest.yaml").write_bytes(b"\xab\xff")
    with pytest.raises(ModelError, match="manifest"):
        find_model(str(folder))


@pytest.mark.parametrize(("key", "value"), [("family", "other"), ("settings", {"stem": "x"}), ("settings", {"no": 1})])
def test_a_model_of_another_kind_is_refused_in_one_line(folder: Path, key: str, value: object) -> None:
    manifest = yaml.safe_load((folder / "manifest.yaml").read_text())
    next(iter(manifest.values()))[key] = value
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    with pytest.raises(ModelError, match="manifest") as caught:
        i2p.load(str(folder))
    assert "\n" not in str(caught.value)


def test_missing_models_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2P_MODELS", str(folder))
    with pytest.raises(ModelError, match=f"no model 'nothing'; there are {folder.name}"):
        find_model("nothing")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"weights of .* are missing"):
        find_model(folder.name)
    monkeypatch.setenv("I2P_MODELS", str(folder / "nowhere"))
    with pytest.raises(ModelError, match="no model manifest"):
        find_model("vp2p-small")


@pytest.mark.parametrize(
    "xyz", [np.zeros((0, 3)), np.full((900, 3), np.nan), np.ones((900, 3)), np.full((900, 3), 1e30)]
)
def test_clouds_that_no_pose_can_come_from_give_a_status(folder: Path, xyz: np.ndarray) -> None:
    estimate = i2p.load(str(folder)).localize_pair(pair(cloud=PointCloud(xyz.astype(np.float32))))
    assert estimate.status is Status.BAD_INPUT
    assert "at least" in estimate.reason


class Watched(TorchRuntime):
    """Counts what it is asked, by whether the points come with a guess."""

    def __init__(self) -> None:
        super().__init__(FAMILY.network(), "cpu")
        self.guessed: list[bool] = []

    def open(self, shared: Arrays) -> Passes:
        def count(inputs: Arrays) -> None:
            self.guessed.append(bool(inputs["features"][0, -1]))

        return SeenPasses(super().open(shared), count)


PRIOR = Pose.from_rotvec([1.2, -1.2, 1.2], [0.4, -0.2, 0.3])  # looks along the cloud's x axis, about


@pytest.mark.parametrize(("std_m", "std_rad", "looks"), [(0.5, 0.1, [True]), (5.0, 0.1, [False]), (0.5, 1.0, [False])])
def test_only_a_good_prior_is_looked_near_at_once(std_m: float, std_rad: float, looks: list[bool]) -> None:
    runtime = Watched()
    prior = Prior(PRIOR, np.diag([std_m] * 3 + [std_rad] * 3) ** 2)
    Localizer(FAMILY, runtime, Settings(), "x").localize_pair(pair(cloud=street(5000)), prior)
    assert runtime.guessed[:1] == looks


def test_a_prior_that_sees_nothing_is_bad_input() -> None:
    away = Pose(PRIOR.rotation, PRIOR.rotation @ np.array([-500.0, 0.0, 0.0]))
    prior = Prior(away, np.diag([0.1] * 3 + [1e-4] * 3) ** 2)
    estimate = Localizer(FAMILY, Watched(), Settings(), "x").localize_pair(pair(), prior)
    assert estimate.status is Status.BAD_INPUT and "at least" in estimate.reason


def test_batches_of_one_and_of_many_agree(folder: Path) -> None:
    network = FAMILY.network().eval()
    inputs, other = ({**scene.shared, **rest} for scene, rest in map(prepared, (pair(), pair(cloud=street(seed=9)))))
    with torch.no_grad():
        alone = network(**batched(inputs))
        names = ("image", "points", "features")
        both = network(**{k: torch.from_numpy(np.stack([inputs[k], other[k]])) for k in names})
    for key, value in alone.items():
        torch.testing.assert_close(value[0], both[key][0], atol=1e-4, rtol=1e-4)


OFF = np.array([0.4, 0.1, -0.2, 0.0, 0.0, 0.0])  # m, rad: of a prior that has to move


class Unaided(VP2P):
    """VP2P, the signals of which propose no poses."""

    signal_guesses = 0


class Planted(Localizer):
    """A localizer whose forward passes are planned: `answer` gives the prediction near a guess, or raises."""

    def __init__(
        self, answer: Callable[[Pose | None, bool], Prediction], settings: Settings, calibration: Calibration
    ) -> None:
        super().__init__(Unaided(FAMILY.settings, FAMILY.matching), Watched(), settings, "planted", calibration)
        self.answer, self.passes = answer, list[tuple[Pose | None, bool]]()

    def _found(
        self, search: Callable[[Prediction], A], prepared: PreparedPair, guess: Pose | None = None, mirror: bool = False
    ) -> A:
        self.passes.append((guess, mirror))
        return search(self.answer(guess, mirror))

    def refine(self, prepared: PreparedPair, estimate: PoseEstimate, settings: Settings | None = None) -> PoseEstimate:
        return estimate


def rough_prior(truth: Pose) -> Prior:
    """A prior that is off, with deviations of 0.3 m and 0.05 rad at the camera."""
    pose = truth.retract(OFF)
    return Prior(pose, from_camera_axes(pose, np.diag([0.3] * 3 + [0.05] * 3) ** 2))


def seen() -> Pair:
    """A pair with the camera of the planted descriptors."""
    return replace(pair(CAMERA.width, CAMERA.height), camera=CAMERA)


def test_the_mirrored_pass_has_the_last_word_unless_it_has_no_pose() -> None:
    world = planted(0)
    all_ = world.prediction.similarity
    sparse = similarity_of(all_.points[::5], all_.values[::5], all_.camera)
    rough, nothing = replace(world.prediction, similarity=sparse), replace(world.prediction, candidates=())

    def located(again: Prediction | InputError) -> tuple[Pose, Planted]:
        def answer(guess: Pose | None, mirror: bool) -> Prediction:
            if mirror and isinstance(again, InputError):
                raise again
            return again if mirror else rough

        localizer = Planted(answer, Settings(), Calibration())
        prior = rough_prior(world.truth)
        estimate = localizer.localize_pair(seen(), prior)
        assert estimate.pose is not None
        return estimate.pose, localizer

    kept, _ = located(nothing)
    moved, localizer = located(world.prediction)
    assert np.abs(kept.local(moved)).max() > 0.0
    assert [mirror for _, mirror in localizer.passes] == [False, True]
    guess = localizer.passes[1][0]
    assert guess is not None and np.abs(guess.local(kept)).max() == 0.0
    refused, _ = located(InputError("nothing in view"))
    assert np.abs(refused.local(kept)).max() == 0.0


def test_a_pose_that_is_at_its_guess_needs_no_mirrored_pass() -> None:
    world = planted(0)
    prior = rough_prior(world.truth)
    first = Planted(lambda guess, mirror: world.prediction, Settings(), Calibration())
    found = first.localize_pair(seen(), prior).pose
    assert found is not None
    second = Planted(lambda guess, mirror: world.prediction, Settings(), Calibration())
    second.localize_pair(seen(), Prior(found, prior.covariance))
    assert [mirror for _, mirror in second.passes] == [False]


@pytest.mark.parametrize(
    ("off_m", "std_m", "mirrors"), [(0.35, 0.15, [False]), (0.25, 0.5, [False]), (0.35, 0.5, [False, True])]
)
def test_a_good_prior_or_a_pose_near_it_needs_one_pass(off_m: float, std_m: float, mirrors: list[bool]) -> None:
    world = planted(0)
    localizer = Planted(lambda guess, mirror: world.prediction, Settings(), Calibration())
    pose = world.truth.retract([off_m, 0.0, 0.0, 0.0, 0.0, 0.0])
    prior = Prior(pose, from_camera_axes(pose, np.diag([std_m] * 3 + [0.03] * 3) ** 2))
    found = localizer.localize_pair(seen(), prior).pose
    assert [mirror for _, mirror in localizer.passes] == mirrors
    assert found is not None
    assert np.abs(found.local(pose)).max() > 0.1  # it is not the prior that is settled


@pytest.mark.parametrize(("fitted_on", "enough", "passes"), [("some", 0.5, 2), ("some", 1.1, 3), ("", 0.5, 3)])
def test_passes_end_where_a_calibrated_model_has_no_doubt(fitted_on: str, enough: float, passes: int) -> None:
    world = planted(8)
    sure = Calibration(confidence_weights=(20.0,) + (0.0,) * 8, fitted_on=fitted_on)
    settings = load_settings((), [f"pnp.early_exit_confidence={enough}", "pnp.max_rival=10"])
    localizer = Planted(lambda guess, mirror: world.prediction, settings, sure)
    scene, guess = localizer.prepare(seen()), Pose(world.truth.rotation, world.truth.translation + 0.3)
    groups = iter([[guess, guess], [guess]])
    results = localizer._passes_near(groups, scene, PoseSearch(CAMERA, settings.pnp, sure))
    assert len(results) == passes


def test_one_pass_near_the_pose_of_a_prior_may_be_enough() -> None:
    world = planted(8)
    sure = Calibration(confidence_weights=(20.0,) + (0.0,) * 8, fitted_on="some")
    localizer = Planted(lambda guess, mirror: world.prediction, load_settings((), ["pnp.max_rival=10"]), sure)
    pose = Pose(world.truth.rotation, world.truth.translation + 0.3)
    prior = Prior(pose, from_camera_axes(pose, np.diag([0.5] * 3 + [0.1] * 3) ** 2))
    with_prior, without = (PoseSearch(CAMERA, localizer.settings.pnp, sure, given) for given in (prior, None))
    for search, passes in ((with_prior, 1), (with_prior.thorough, 3), (without, 3)):
        groups = iter([[pose], [pose, pose]])
        assert len(localizer._passes_near(groups, localizer.prepare(seen()), search)) == passes


@pytest.mark.parametrize(("fitted_on", "mirrored"), [("some", False), ("", True)])
def test_only_doubt_needs_the_mirrored_pass(fitted_on: str, mirrored: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2p_ros.search.selection.SETTLED_M", -1.0)  # no pose is at its guess
    world = planted(8)
    sure = Calibration(confidence_weights=(20.0,) + (0.0,) * 8, fitted_on=fitted_on, min_confidence=0.0)
    settings = load_settings((), ["pnp.early_exit_confidence=0.5", "pnp.max_rival=10"])
    localizer = Planted(lambda guess, mirror: world.prediction, settings, sure)
    assert localizer.localize_pair(seen()).pose is not None
    assert any(mirror for _, mirror in localizer.passes) == mirrored


def test_a_pose_that_would_be_withheld_gets_all_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2p_ros.search.selection.SETTLED_M", -1.0)  # no pose is at its guess
    world = planted(8)
    sure = Calibration(confidence_weights=(20.0,) + (0.0,) * 8, fitted_on="some", min_confidence=1.0)
    settings = load_settings((), ["pnp.early_exit_confidence=0.5", "pnp.max_rival=10"])
    localizer = Planted(lambda guess, mirror: world.prediction, settings, sure)
    scene = localizer.prepare(seen())
    guesses, _ = localizer._guesses(scene, PoseSearch(CAMERA, settings.pnp, sure))
    localizer.passes.clear()
    assert localizer.localize_pair(seen()).pose is None
    near = [guess for guess, mirror in localizer.passes if guess and not mirror]
    assert len(near) == sum(map(len, guesses)) and [mirror for _, mirror in localizer.passes].count(True) == 1


def test_a_pose_that_is_less_sure_after_refinement_gets_all_passes_if_signals_propose_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("i2p_ros.search.selection.SETTLED_M", -1.0)  # no pose is at its guess
    world = planted(8)
    sure = Calibration(confidence_weights=(20.0,) + (0.0,) * 8, fitted_on="some", min_confidence=0.0)
    localizer = Planted(lambda guess, mirror: world.prediction, load_settings((), ["pnp.max_rival=10"]), sure)
    monkeypatch.setattr(localizer, "_by_signals", lambda *_: [])
    for confidence, proposed, mirrored in ((0.95, 6, False), (0.8, 6, True), (0.8, 0, False)):
        monkeypatch.setattr(Unaided, "signal_guesses", proposed)
        localizer.passes.clear()
        monkeypatch.setattr(localizer, "refine", lambda _, estimate, __, c=confidence: replace(estimate, confidence=c))
        assert localizer.localize_pair(seen()).pose is not None
        assert any(mirror for _, mirror in localizer.passes) == mirrored


def test_an_unsure_pair_has_passes_near_poses_that_the_signals_propose(monkeypatch: pytest.MonkeyPatch) -> None:
    guesses = list[Pose]()

    def noted(self: Localizer, guess: Pose, *rest: Any) -> Any:
        guesses.append(guess)
        return pass_near(self, guess, *rest)

    pass_near = Localizer._pass_near
    monkeypatch.setattr(Localizer, "_pass_near", noted)
    sample = i2p.open_source("synthetic", settings=Settings(), seed=7, n=1)[0]
    truth = sample.T_camera_lidar
    assert truth is not None
    sure, unsure = (i2p.load("vp2p-small", load_settings((), [f"pnp.early_exit_confidence={c}"])) for c in (0.0, 2.0))
    found = sure.localize_pair(sample.pair).pose
    assert found is not None and are_within(found, truth, 0.3, 0.02) and len(guesses) == 2
    guesses.clear()
    found = unsure.localize_pair(sample.pair).pose
    assert found is not None and are_within(found, truth, 0.3, 0.02) and len(guesses) == 2 + VP2P.signal_guesses
    assert any(are_within(guess, truth, 1.0, 0.1) for guess in guesses[2:])
    guesses.clear()
    prior = VP2P.trained_prior.about(truth)
    assert unsure.localize_pair(sample.pair, prior).pose is not None and 2 < len(guesses) <= VP2P.signal_guesses
    guesses.clear()
    assert unsure.localize_pair(sample.pair, TRACKED.about(truth)).pose is not None and len(guesses) == 1


def test_the_lidar_has_a_place_where_its_cloud_is_a_full_turn_and_the_camera_is_not_tracked() -> None:
    sample = i2p.open_source("synthetic", settings=Settings(), seed=7, n=1)[0]
    truth, localizer = sample.T_camera_lidar, i2p.load("vp2p-small")
    assert truth is not None
    place = localizer.prepare(sample.pair).place
    assert place is not None and np.linalg.norm(place.position - truth.inverse().translation) < 1.5
    assert localizer.prepare(sample.pair, VP2P.trained_prior.about(truth)).place is not None
    far = Pose(truth.rotation, truth.translation + np.array([0.0, 0.0, 6.0]))
    assert localizer.prepare(sample.pair, VP2P.trained_prior.about(far)).place is None, "as on a truck"
    assert localizer.prepare(sample.pair, VP2P.trained_prior.times(9.0).about(far)).place is not None
    assert localizer.prepare(sample.pair, TRACKED.about(truth)).place is None
    wall = np.random.default_rng(0).uniform([10, -0.1, -1], [40, 0.1, 2], (5000, 3)).astype(np.float32)
    assert localizer.prepare(replace(sample.pair, cloud=PointCloud(wall))).place is None
    on_vehicles = {name: family_class(name).on_vehicles for name in FAMILIES}
    assert on_vehicles["vp2p"] and not on_vehicles["diff2i2p"]


@pytest.mark.parametrize("std", [1e-9, 1e12], ids=["narrow", "wide"])
def test_odd_priors_have_a_status_and_never_raise(std: float) -> None:
    sample = i2p.open_source("synthetic", settings=Settings(), seed=7, n=1)[0]
    assert sample.T_camera_lidar is not None
    prior = Prior(sample.T_camera_lidar, std**2 * np.eye(6))
    estimate = i2p.load("vp2p-small").localize_pair(sample.pair, prior)
    assert estimate.status in (Status.OK, Status.UNCERTAIN, Status.NO_CONSENSUS)


def test_two_threads_on_one_localizer_get_the_answers_that_each_gets_alone() -> None:
    localizer = i2p.load("vp2p-small")
    source = i2p.open_source("synthetic", settings=Settings(), seed=7, n=2)
    pairs = [source[k].pair for k in range(2)]
    alone = [localizer.localize_pair(one) for one in pairs]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(localizer.localize_pair, pairs * 2))
    for before, after in zip(alone * 2, together, strict=True):
        assert before.pose is not None and after.pose is not None
        np.testing.assert_array_equal(before.pose.matrix, after.pose.matrix)
        np.testing.assert_array_equal(before.covariance, after.covariance)
        assert before.confidence == after.confidence


def test_a_pair_without_a_pose_leaves_no_prediction_in_memory(folder: Path) -> None:
    localizer = i2p.load(str(folder))
    kept = list[weakref.ref[np.ndarray]]()
    decode = localizer.family.decode

    def watched(*arguments: Any) -> Prediction:
        prediction = decode(*arguments)
        assert prediction.similarity is not None
        kept.append(weakref.ref(prediction.similarity.values))
        return prediction

    localizer.family.decode = watched  # type: ignore[method-assign]
    gc.collect()
    gc.disable()  # what needs it may stay for seconds, and one prediction has 42 MB
    try:
        assert localizer.localize_pair(pair()).pose is None
        assert kept and all(reference() is None for reference in kept)
    finally:
        gc.enable()
