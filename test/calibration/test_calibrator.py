# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibrations of synthetic drives with the shipped network, and refusals."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from helpers.rigs import Listed, drive, made_up

from i2p_ros.calibration import CalibrationResult, CalibrationStatus, Calibrator, Judgement, checked
from i2p_ros.calibration.check import beyond_offset, judged
from i2p_ros.calibration.mistakes import mistake
from i2p_ros.calibration.windows import window_figures
from i2p_ros.core.config import Settings, load_settings
from i2p_ros.core.drifts import AXES, SCALES
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Sample
from i2p_ros.evaluation.definitions import CALIBRATION
from i2p_ros.localizer import load

SETTINGS = load_settings((), ["calibration.pairs=10", "calibration.network_pairs=4", "calibration.max_points=3000"])
SEED, PAIRS = 908, 10
BODY = Pose(np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]), np.zeros(3))


@cache
def calibrator(settings: Settings = SETTINGS) -> Calibrator:
    return Calibrator(settings, load(settings=settings))


@cache
def found() -> CalibrationResult:
    return calibrator().result(without_calibration())


def without_calibration() -> Listed:
    """The drive as a recording that states no calibration."""
    return Listed([replace(sample, T_camera_lidar=None) for sample in drive(SEED, PAIRS)[0]])


def test_a_drive_is_calibrated_without_a_guess_within_its_intervals() -> None:
    result, (_, true) = found(), drive(SEED, PAIRS)
    assert result.status is CalibrationStatus.OK and result.pose is not None and result.half is not None
    error = np.abs(true.local(result.pose))
    assert (error * SCALES < [2.0] * 3 + [0.08] * 3).all(), error * SCALES
    assert (error < result.half).all() and result.agreeing == result.localized == 4 and result.used == PAIRS
    assert result.stated is None and [d.axis for d in result.directions] == list(AXES)
    assert result.halves is not None and (result.halves * SCALES < [10.0] * 3 + [0.3] * 3).all()
    assert set(result.pictures) == {"result", "where the evidence is"}


def test_the_json_is_that_of_the_contract_and_finite() -> None:
    content = found().to_json()
    assert content["status"] == "ok" and content["frames"] == ["camera", "lidar"]
    assert np.shape(content["T_camera_lidar"]) == (4, 4)
    assert np.isfinite([content["std"], content["half"], content["halves"]]).all()
    assert set(content["directions"]["tz"]) == {"word", "share", "cure"}


def test_two_recordings_that_state_a_wrong_calibration_are_used_together_and_what_they_state_is_not() -> None:
    lying = [replace(sample, T_camera_lidar=Pose.identity()) for sample in drive(SEED, PAIRS)[0]]
    result = calibrator().result(Listed(lying[:5]), Listed(lying[5:]))
    assert result.status is CalibrationStatus.OK and result.used == PAIRS and result.pose is not None
    assert result.stated is not None and set(result.pictures) > {"calibration that the recording states"}
    assert found().pose is not None and np.array_equal(result.pose.matrix, found().pose.matrix)  # type: ignore[union-attr]


def test_images_and_clouds_of_different_drives_give_no_calibration() -> None:
    samples, others = drive(SEED, PAIRS)[0], drive(907, PAIRS)[0]
    mixed = [Sample(replace(a.pair, cloud=b.pair.cloud)) for a, b in zip(samples, others, strict=True)]
    result = calibrator().result(Listed(mixed))
    assert result.status in (CalibrationStatus.NO_CONSENSUS, CalibrationStatus.NO_MATCH) and result.reason
    assert result.pose is None and result.half is None and not result.pictures
    assert result.to_json()["T_camera_lidar"] is None


def test_noise_and_too_few_pairs_are_named() -> None:
    noise = calibrator().result(Listed([made_up(k, size=(80, 160)) for k in range(6)]))
    assert noise.status is CalibrationStatus.NO_CONSENSUS and noise.pose is None
    few = calibrator().result(Listed(without_calibration().samples[:3]))
    assert few.status is CalibrationStatus.TOO_FEW_PAIRS and "3 of 3 pairs can be used" in few.reason
    standing = calibrator().result(Listed(without_calibration().samples[:1] * 8))
    assert standing.status is CalibrationStatus.TOO_FEW_PAIRS and standing.left_out["image like another"] == 7


def test_a_recording_of_which_nothing_can_be_read_is_an_error() -> None:
    class Broken(Listed):
        def __getitem__(self, index: int) -> Sample:
            raise InputError("damaged", "image.broken")

    with pytest.raises(InputError, match=r"no pair can be used.*image\.broken"):
        calibrator().result(Broken([made_up(0)]))


def test_a_right_calibration_is_right_and_one_off_on_any_axis_is_wrong_on_that_axis() -> None:
    true = drive(SEED, PAIRS)[1]
    check = judged(true, found(), calibrator())
    assert check.judgement is Judgement.RIGHT and check.reasons == () and not check.unobserved
    for k, axis in enumerate(AXES):
        for sign in (-1.0, 1.0):
            off = sign * np.eye(6)[k] * (0.1 if k < 3 else np.radians(1.0))
            check = judged(true.retract(off), found(), calibrator())
            assert check.judgement is Judgement.WRONG and axis in check.wrong
            assert check.error is not None and found().half is not None
            assert abs(check.error[k] + off[k]) < found().half[k]  # type: ignore[index]
            assert any(reason.startswith(f"{axis} is off by") for reason in check.reasons)


def test_a_calibration_that_looks_backwards_is_wrong_has_a_name_and_does_not_mislead_the_search() -> None:
    true = drive(SEED, PAIRS)[1]
    check = checked(calibrator(), [without_calibration()], Pose.from_rotvec([0.0, np.pi, 0.0]) @ true)
    assert check.judgement is Judgement.WRONG and "looks backwards" in check.mistake
    found_now = check.result.pose
    assert found_now is not None and (np.abs(true.local(found_now)) * SCALES < [2.0] * 3 + [0.08] * 3).all()
    assert check.to_json()["judgement"] == "wrong" and check.to_json()["calibration"]["status"] == "ok"


def test_axes_that_are_not_observed_are_not_called_right() -> None:
    assert found().covariance is not None
    vague = replace(found(), covariance=found().covariance * 100.0)  # type: ignore[operator]
    check = judged(drive(SEED, PAIRS)[1], vague, calibrator())
    assert check.judgement is Judgement.CANNOT_TELL and check.unobserved and "not observed" in check.reasons[0]


def test_without_a_calibration_of_the_recording_nothing_is_told() -> None:
    none = CalibrationResult("x", ("camera", "lidar"), CalibrationStatus.NO_CONSENSUS, "no pose explains the pairs")
    check = judged(Pose.identity(), none, calibrator())
    assert check.judgement is Judgement.CANNOT_TELL and check.error is None
    assert "no_consensus, no pose explains the pairs" in check.reasons[0]


def test_errors_beyond_the_systematic_offset_are_judged_jointly() -> None:
    std = np.repeat([0.02, np.radians(0.3)], 3)
    covariance = np.diag(std**2)
    covariance[1, 3] = covariance[3, 1] = 0.99 * std[1] * std[3]
    systematic = np.repeat([0.001, np.radians(0.01)], 3)
    along, across = np.zeros(6), np.zeros(6)
    along[[1, 3]], across[[1, 3]] = std[[1, 3]], std[[1, 3]] * [1.0, -1.0]
    assert beyond_offset(along, covariance, systematic) < 2.0 < 50.0 < beyond_offset(across, covariance, systematic)
    assert beyond_offset(systematic, covariance, systematic) < 1e-6


@pytest.mark.parametrize(
    ("given", "text"),
    [(lambda true: true.inverse(), "transform is inverted"), (lambda true: BODY @ true, "axes are those of a body"),
     (lambda true: BODY @ BODY @ true, ""),
     (lambda true: Pose(true.rotation, 1e3 * true.translation), "in mm"),
     (lambda true: Pose.from_rotvec([0.0, np.pi, 0.0]) @ true, "looks backwards"),
     (lambda true: true @ Pose.from_rotvec([0.0, 0.0, np.pi / 2]), "turned by +90"),
     (lambda true: true.retract(np.full(6, 0.02)), "")],
)  # fmt: skip
def test_common_mistakes_have_names(given: object, text: str) -> None:
    true = Pose.from_rotvec([1.2, -1.25, 1.2], [0.3, -0.6, -0.9])
    named = mistake(given(true), true)  # type: ignore[operator]
    assert text in named and bool(text) == bool(named)


def test_windows_of_ten_pairs_are_calibrated_from_initial_calibrations_that_are_off() -> None:
    samples, true = drive(SEED, PAIRS)
    rest = [made_up(k, size=(80, 160)) for k in range(PAIRS)]  # noise, with a true pose
    noise = [replace(sample, T_camera_lidar=true) for sample in rest]
    figures = window_figures(calibrator(), {"both": Listed([*samples, *noise, samples[0]]), "few": Listed(samples[:9])})
    assert figures["few"] == {"windows": 0, "calibrated": 0} | dict.fromkeys(CALIBRATION)
    both = figures["both"]
    assert both["windows"] == 2 and both["calibrated"] == 1 and both["l1"] == both["l2"] == 0.5
    assert both["rotation_rmse_deg"] < 0.2 and both["translation_rmse_cm"] < 2.5
    with pytest.raises(InputError, match="both has no calibration"):
        window_figures(calibrator(), {"both": Listed(without_calibration().samples)})
