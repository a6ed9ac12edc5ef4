# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A little network of a family that has learned one pair by heart, and what tests of all families ask of it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from i2p_ros import cli
from i2p_ros.core.config import load_settings
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Prior, Sample
from i2p_ros.families.base import Family
from i2p_ros.localizer import Localizer
from i2p_ros.networks.base import PassInputs, Tensors
from i2p_ros.networks.parts import arguments_of_parts
from i2p_ros.runtime.export import write_onnx
from i2p_ros.sources.perturb import perturbed
from i2p_ros.training.families import learner_class
from i2p_ros.training.mixture import one_batch

WORLD = {"width": 256, "height": 80, "beams": 32, "points": 6000}


@dataclass(frozen=True)
class Overfitted:
    """A run of `i2p train --overfit` with the sizes of `family` in the place of those of the size small."""

    family: Family[Any]
    samples: int
    validate_every: int

    @property
    def overrides(self) -> list[str]:
        """The settings of the run."""
        training = {"batch": 4, "learning_rate": 0.005, "parts": "matching"}
        training |= {"samples": self.samples, "validate_every": self.validate_every}
        groups = {"training": training, "synthetic": WORLD}
        return ["device=cpu", *(f"{group}.{k}={v}" for group, values in groups.items() for k, v in values.items())]

    def folder(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The folder of the run, which found its pair."""
        name, out = self.family.name, tmp_path_factory.mktemp("runs") / self.family.name
        sets = [word for text in self.overrides for word in ("--set", text)]
        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
            patch.setitem(type(self.family).sizes, "small", self.family.settings)
            patch.setattr(sys, "argv", ["i2p", "train", "--family", name, "--overfit", "--out", str(out), *sets])
            cli.main()
        assert not end.value.code
        return out

    def pair(self) -> Sample:
        """The pair of the run."""
        _, fixed = one_batch(self.family, load_settings(overrides=self.overrides), 0)
        return perturbed(fixed.source[0], fixed.protocol, fixed.seed, 0)[0]

    def batch_of(self, samples: Sequence[Sample]) -> Tensors:
        """The examples of samples as one batch."""
        example = learner_class(self.family).example
        made = [example(self.family, sample, np.random.default_rng(0)) for sample in samples]
        return {name: torch.from_numpy(np.stack([each[name] for each in made])) for name in made[0]}

    def batch(self, learned: Sample) -> Tensors:
        """The pair over the whole cloud, and near a prior."""
        assert learned.T_camera_lidar is not None
        near = Pose.from_rotvec([0.02, -0.05, 0.01], [0.2, 0.1, -0.3]) @ learned.T_camera_lidar
        return self.batch_of([learned, replace(learned, prior=Prior(near, np.eye(6)))])

    def labels_in_two_frames(self, learned: Sample, yaw: float, near: bool) -> tuple[Tensors, Tensors]:
        """Batches of the pair as given and of its moved cloud, whose points, features and true poses are the same."""
        T, turn = learned.T_camera_lidar, Pose.from_rotvec([0.0, 0.0, yaw], [3.0, -20.0, 1.0])
        assert T is not None
        prior = Prior(Pose.from_rotvec([0.0, 0.1, 0.0]) @ T, np.eye(6)) if near else None
        moved_prior = Prior(prior.pose @ turn.inverse(), np.eye(6)) if prior else None
        cloud = learned.pair.cloud.transformed(turn)
        moved = Sample(replace(learned.pair, cloud=cloud), T @ turn.inverse(), prior=moved_prior)
        one, other = (self.batch_of([each]) for each in (replace(learned, prior=prior), moved))
        for name in ("points", "features", "T_camera_lidar"):
            torch.testing.assert_close(one[name], other[name], atol=1e-3, rtol=0.0)
        return one, other

    def assert_onnx_agrees(self, localizer: Localizer, learned: Sample, folder: Path, parts: set[str]) -> None:
        """ONNX Runtime answers as PyTorch, to 1e-4 of the largest value of an output or of 1, for all of the parts."""
        onnx = pytest.importorskip("onnx", reason="onnx is not installed")
        onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
        pytest.importorskip("onnxscript", reason="onnxscript is not installed")
        network, scene = localizer.runtime.plain, self.family.prepare(learned.pair)  # type: ignore[attr-defined]
        inputs = self.family.inputs(scene)
        files = write_onnx(network, scene.shared, inputs, folder)
        assert set(files) == parts
        given = arguments_of_parts(network, PassInputs.of(scene.shared, inputs))
        for name, part in network.dense_parts().items():
            onnx.checker.check_model(str(files[name]), full_check=True)
            session = onnxruntime.InferenceSession(str(files[name]), providers=["CPUExecutionProvider"])
            named = zip(session.get_inputs(), given[name], strict=True)
            with torch.no_grad():
                out = part(*given[name])
            expected = (out,) if isinstance(out, torch.Tensor) else out
            for one, other in zip(session.run(None, {i.name: a.numpy() for i, a in named}), expected, strict=True):
                np.testing.assert_allclose(one, other.numpy(), atol=1e-4 * max(1.0, float(other.abs().max())))


def apart(one: Pose, other: Pose) -> tuple[float, float]:
    """Distance in m of two cameras T_camera_lidar, and the angle between them in deg."""
    distance = np.linalg.norm(one.inverse().translation - other.inverse().translation)
    return float(distance), float(np.degrees(np.linalg.norm((one @ other.inverse()).log()[3:])))


def assert_turns_with_the_cloud(localizer: Localizer, learned: Sample, yaw: float) -> None:
    """To 1e-3 m and 0.01 deg: nothing but the pair itself tells the network how it is aligned."""
    turn = Pose.from_rotvec([0.0, 0.0, yaw])
    turned = replace(learned.pair, cloud=learned.pair.cloud.transformed(turn))
    one, other = (localizer.localize_pair(given, refined=False).pose for given in (learned.pair, turned))
    assert one is not None and other is not None
    metres, degrees = apart(one, other @ turn)
    assert metres < 1e-3 and degrees < 0.01, (metres, degrees)
