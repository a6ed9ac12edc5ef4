# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training of the predicted signals: the loss has the mutual information of alignment, and falls. Each part of the
network can be trained alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.networks import FAMILY, TINY, lived_in
from helpers.training_job import chosen, examples
from safetensors.torch import load_file

from i2p_ros import cli
from i2p_ros.alignment.mutual_information import information
from i2p_ros.alignment.pair_signals import PairSignals
from i2p_ros.alignment.pyramid import predicted_pyramid
from i2p_ros.alignment.signals import LIDAR, SIGNAL_SETS
from i2p_ros.core.config import SyntheticSettings
from i2p_ros.core.errors import ModelError
from i2p_ros.core.types import Sample
from i2p_ros.networks.folding import folded
from i2p_ros.networks.signals import GAIN, SignalNetwork, signal_channels
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.synthetic.room_pairs import RoomSource
from i2p_ros.training.alignment import (
    DISTANCES,
    MAX_PATCHES,
    MAX_POINTS,
    N_PER_DISTANCE,
    alignment_example,
    alignment_losses,
    hypotheses,
    shared_information,
)
from i2p_ros.training.loop import train

WIDTH = 256
SURFACES = SIGNAL_SETS["surfaces"]


@pytest.fixture(scope="module")
def sample() -> Sample:
    return SyntheticSource(SyntheticSettings(), 33, 1)[0]


def batched(given: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:  # type: ignore[type-arg]
    return {name: torch.from_numpy(value)[None] for name, value in given.items()}


def test_the_first_pose_of_an_example_is_the_true_one_and_the_others_are_ever_nearer(sample: Sample) -> None:
    given = alignment_example(sample, WIDTH, np.random.default_rng(0))
    _, height, width = given["channels"].shape
    here = given["patch"] < MAX_PATCHES - 1
    assert here.sum() > 500 and given["spots"].shape == (1 + len(DISTANCES) * N_PER_DISTANCE, MAX_POINTS, 2)
    spots = (given["spots"][:, here] + 1.0) * np.array([width, height]) / 2.0 - 0.5
    assert sample.T_camera_lidar
    u, v = sample.pair.camera.resized(width, height).project(sample.T_camera_lidar.apply(sample.pair.cloud.xyz))[0].T
    truth = np.stack([u, v], 1)[np.isfinite(u) & (np.abs(u - width / 2) < width) & (np.abs(v - height / 2) < height)]
    nearest = [np.abs(truth - spot).max(axis=1).min() for spot in spots[0, ::50]]
    assert max(nearest) < 1e-2, "the points as the true camera sees them"
    off = (
        np.median(np.linalg.norm(spots[1:] - spots[0], axis=2), axis=1)
        .reshape(len(DISTANCES), N_PER_DISTANCE)
        .mean(axis=1)
    )
    assert (np.diff(off) < 0).all() and off[-1] > 0.05


def test_the_mutual_information_of_the_loss_is_that_of_alignment_to_1e_5(sample: Sample) -> None:
    """The torch and the numpy implementation at the same poses. OpenCV 4 samples images to 1/32 px and fails this."""
    torch.manual_seed(0)
    given = hypotheses(sample, WIDTH, np.random.default_rng(1))
    batch = batched(alignment_example(sample, WIDTH, np.random.default_rng(1)))
    noise = torch.randn(1, len(LIDAR.signals), *given.channels.shape[1:])
    predicted = SignalNetwork(TINY.signal_stages).eval()(batch["channels"]).detach() + noise
    nats = shared_information(predicted, batch["spots"], batch["basis"], batch["patch"])[0]
    pair = PairSignals(predicted_pyramid(given.camera, predicted[0].numpy()), given.cloud)
    expected = information(pair, given.drifts, 0)
    assert expected.shape == (1 + len(DISTANCES) * N_PER_DISTANCE, len(LIDAR.signals)) and (expected > 0).all()
    np.testing.assert_allclose(nats, expected.sum(axis=1), rtol=1e-5)


def test_the_true_pose_becomes_the_likeliest(sample: Sample) -> None:
    torch.manual_seed(0)
    net, batch = SignalNetwork([8, 16, 16]), batched(alignment_example(sample, WIDTH, np.random.default_rng(2)))
    optimizer, losses = torch.optim.Adam(net.parameters(), 3e-3), list[float]()
    for _ in range(40):
        loss = alignment_losses(net(batch["channels"]), batch)["alignment"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0], losses


@pytest.fixture(scope="module")
def room() -> dict[str, torch.Tensor]:
    """A batch of one for the signals of surfaces."""
    sample, rng = RoomSource(33, 1)[0], np.random.default_rng(1)
    return batched(alignment_example(sample, WIDTH, rng, 1.25, signals=SURFACES))


def test_the_mutual_information_of_surfaces_is_that_of_alignment_to_2e_4_nats() -> None:
    torch.manual_seed(0)
    sample, rng = RoomSource(33, 1)[0], np.random.default_rng(1)
    std = 0.02, 0.02, 0.02, 0.01, 0.01, 0.01
    given = hypotheses(sample, WIDTH, rng, 1.25, std, SURFACES)
    batch = batched(alignment_example(sample, WIDTH, np.random.default_rng(1), 1.25, std, SURFACES))
    smooth = SignalNetwork(TINY.signal_stages, SURFACES).eval()(batch["channels"]).detach()
    predicted = smooth + torch.randn(1, len(SURFACES.signals), *given.channels.shape[1:])
    nats = shared_information(predicted, batch["spots"], batch["basis"], batch["patch"], SURFACES)[0]
    pair = PairSignals(predicted_pyramid(given.camera, predicted[0].numpy(), SURFACES.signals), given.cloud)
    np.testing.assert_allclose(nats, information(pair, given.drifts, 0).sum(axis=1), rtol=1e-5, atol=2e-4)


def test_surfaces_are_compared_with_the_points_that_the_image_shows(room: dict[str, torch.Tensor]) -> None:
    """A constant image misses by its distance from the truth; the truth itself by nothing but the interpolation."""
    height, width = room["channels"].shape[2:]
    known = room["surface"][0].isfinite()
    assert known.any(1).all() and known[0].sum() > 500
    flat = torch.full((1, len(SURFACES.signals), height, width), 500.0)
    off = (500.0 - room["surface"][0][known]).abs().mean() / GAIN
    assert float(alignment_losses(flat, room, SURFACES)["surface"]) == pytest.approx(float(off), rel=1e-4)
    x, y = (((room["surface_spots"][0] + 1.0) * torch.tensor([width, height])).T / 2.0 - 0.5).round().long()
    truth = torch.zeros(1, len(SURFACES.signals), height, width)
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            at = (y + dy).clamp(0, height - 1), (x + dx).clamp(0, width - 1)
            truth[0, :, at[0][known[0]], at[1][known[0]]] = room["surface"][0][:, known[0]]
    assert float(alignment_losses(truth, room, SURFACES)["surface"]) < 0.1 * float(off)


def test_surfaces_have_a_gradient_where_points_are_missing(room: dict[str, torch.Tensor]) -> None:
    net = SignalNetwork([8, 16, 16], SURFACES)
    fewer = room["surface"].clone()
    fewer[:, :, 1000:] = torch.nan
    alignment_losses(net(room["channels"]), {**room, "surface": fewer}, SURFACES)["surface"].backward()
    assert all(bool(p.grad.isfinite().all()) for p in net.parameters() if p.grad is not None)
    assert net.head.weight.grad is not None and net.head.weight.grad.any()


def test_an_untrained_network_predicts_the_plain_channels(sample: Sample) -> None:
    channels = torch.from_numpy(signal_channels(sample.pair.image[:75, :201]))[None]
    predicted = SignalNetwork(TINY.signal_stages).eval()(channels)
    assert predicted.shape == (1, len(LIDAR.signals), 75, 201)
    assert torch.equal(predicted[:, :2], channels[:, -2:])


def test_a_folded_network_predicts_the_same(sample: Sample) -> None:
    network, channels = lived_in(TINY), torch.from_numpy(signal_channels(sample.pair.image))[None]
    torch.nn.init.normal_(network.likeness.head.weight)
    with torch.inference_mode():
        torch.testing.assert_close(folded(network).likeness(channels), network.likeness(channels), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("part", ["matching", "alignment"])
def test_one_part_is_trained_and_the_other_stays(part: str, tmp_path: Path) -> None:
    settings = chosen(f"training.parts={part}", "training.samples=8")
    some = examples(8, settings.training.parts)[0]
    assert ("channels" in some, "points" in some) == (part == "alignment", part == "matching")
    torch.manual_seed(examples(8).seed)
    before = FAMILY.network().state_dict()
    train(FAMILY, examples(8), tmp_path, settings, workers=0)
    after = load_file(tmp_path / "model.safetensors")
    changed = [name for name in after if (after[name] != before[name]).any()]
    assert {"alignment" if name.startswith("likeness.") else "matching" for name in changed} == {part}


def test_a_run_resumes_with_the_parts_that_it_began_with(tmp_path: Path) -> None:
    train(FAMILY, examples(8), tmp_path, chosen("training.samples=8", "training.parts=alignment"), workers=0)
    with pytest.raises(ModelError, match=r"training\.parts=alignment"):
        train(FAMILY, examples(8), tmp_path, chosen("training.samples=8"), workers=0)


def test_alignment_alone_cannot_be_overfitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["i2p", "train", "--overfit", "--out", str(tmp_path), "--set", "training.parts=alignment"]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1 and "training.parts=alignment" in "".join(capsys.readouterr())
