# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The protocols as written down: the code draws exactly this."""

from typing import get_args

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from i2p_ros.core.config import SyntheticSettings
from i2p_ros.core.protocols import ProtocolName
from i2p_ros.core.source import Source
from i2p_ros.core.types import Pair, PoseEstimate, Prior, Status
from i2p_ros.evaluation import evaluate
from i2p_ros.evaluation.metrics import Draw
from i2p_ros.evaluation.protocols import published
from i2p_ros.synthetic import SyntheticSource

NAMES: tuple[ProtocolName, ...] = get_args(ProtocolName)
SMALL = SyntheticSettings(width=32, height=16, points=100)


class Blind:
    """Finds nothing."""

    def localize_pair(self, pair: Pair, prior: Prior | None = None) -> PoseEstimate:
        return PoseEstimate(Status.TOO_FEW_MATCHES)


class Same(Source):
    """One sample, many times."""

    name, sample = "same", SyntheticSource(SMALL, 1, 1)[0]

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, index: int):  # type: ignore[no-untyped-def]
        return self.sample


@pytest.mark.parametrize("name", NAMES)
def test_the_code_draws_what_the_file_says(name: ProtocolName) -> None:
    file = published(name)
    assert (file.protocol, file.seed, file.places) == (name, 7, 500) and len(file.first) == 3
    source = SyntheticSource(SMALL, file.seed, file.places)
    for row, written in zip(evaluate(Blind(), source, name, file.seed, 3).rows, file.first, strict=True):
        assert row.draw is not None
        assert (row.draw.seed, row.draw.index) == (written.seed, written.index)
        for key in ("T_given_lidar", "T_camera_lidar", "prior"):
            ours, theirs = getattr(row.draw, key), getattr(written, key)
            assert (ours is None) == (theirs is None)
            if theirs is not None:
                np.testing.assert_allclose(ours, theirs, atol=1e-8)


def matrices(numbers: list[tuple[float, ...]]) -> np.ndarray:
    """(N, 4, 4)"""
    return np.concatenate([np.reshape(numbers, (-1, 3, 4)), np.tile([[[0, 0, 0, 1.0]]], (len(numbers), 1, 1))], axis=1)


def drawn(name: ProtocolName, draws: list[Draw]) -> dict[str, np.ndarray]:
    """What the comments of the files say, by scipy: the quantities of `drawn`, recovered from the transforms."""
    if name == "prior" or name.startswith("calib"):
        truth = matrices([d.T_camera_lidar for d in draws])
        error = matrices([d.prior for d in draws if d.prior]) @ np.linalg.inv(truth)
        about = Rotation.from_matrix(error[:, :3, :3]).as_rotvec(degrees=True)
        axes = ("right", "down", "forward")
        return {f"{a}_m": error[:, k, 3] for k, a in enumerate(axes)} | {
            f"about_{a}_deg": about[:, k] for k, a in enumerate(axes)
        }
    T = matrices([d.T_given_lidar for d in draws])
    up = T[:, :3, 2]
    angle = np.arccos(np.clip(up[:, 2], -1, 1))
    axis = np.column_stack([-up[:, 1], up[:, 0], 0 * angle]) / np.maximum(np.sin(angle), 1e-12)[:, None]
    tilt = Rotation.from_rotvec(axis * angle[:, None])
    yaw = (tilt.inv() * Rotation.from_matrix(T[:, :3, :3])).as_rotvec(degrees=True)
    np.testing.assert_allclose(yaw[:, :2], 0, atol=1e-5)
    x_y_z = {f"{a}_m": T[:, k, 3] for k, a in enumerate("xyz")}
    tilts = tilt.as_rotvec(degrees=True)
    return x_y_z | {"yaw_deg": yaw[:, 2], "tilt_x_deg": tilts[:, 0], "tilt_y_deg": tilts[:, 1]}


@pytest.mark.parametrize("name", NAMES)
def test_draws_fill_the_ranges_of_the_file_and_nothing_else_is_drawn(name: ProtocolName) -> None:
    rows = evaluate(Blind(), Same(), name, 1).rows
    values = drawn(name, [row.draw for row in rows if row.draw])
    ranges = published(name).drawn
    assert set(ranges) <= set(values)
    for key, found in values.items():
        low, high = ranges.get(key, (0.0, 0.0))
        assert found.min() >= low - 1e-5 and found.max() <= high + 1e-5
        assert np.ptp(found) >= (0.85 if name.startswith("calib") else 0.98) * (high - low)
