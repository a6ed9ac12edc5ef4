# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The distillation: depth at a pose, a frozen teacher, and the whole chain back to the features of the matches.

Tests with a `b` and a number are of faults of published codes, which this one must not have.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from helpers.diff2i2p import FAMILY, LITTLE
from torch import Tensor, nn

from i2p_ros import cli
from i2p_ros.core.config import load_settings
from i2p_ros.core.errors import MissingPackageError, ModelError
from i2p_ros.core.geometry import Pose
from i2p_ros.families.diff2i2p.settings import SIZES
from i2p_ros.networks.base import Tensors
from i2p_ros.networks.geometry import pixel_centres
from i2p_ros.networks.patches import peaks_near, rows_of
from i2p_ros.training.diff2i2p import Diff2I2PLearner
from i2p_ros.training.distillation.depth import share_in_view, soft_inverse_depth
from i2p_ros.training.distillation.score import denoising_error, distillation_loss
from i2p_ros.training.distillation.teacher import Teacher, guided, load_teacher
from i2p_ros.training.matched_pose import matched_poses

IMAGE, RASTER = (64, 80), (16, 20)
CAMERA = torch.tensor([[70.0, 70.0, 39.5, 31.5]], dtype=torch.float64)
TRUTH = Pose.from_rotvec([0.2, -0.4, 0.1], [0.3, -0.2, 0.5])
EPS = 1e-4


@pytest.fixture
def teacher() -> Teacher:
    """A random teacher in float64. Its ControlNet is not silent, as a new one is."""
    pytest.importorskip("diffusers", reason="diffusers is not installed")
    from i2p_ros.training.distillation.small import new_teacher

    torch.manual_seed(0)
    made = new_teacher(RASTER)
    for parameter in made.controlnet.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    for part in (made.unet, made.controlnet):
        part.double().eval().requires_grad_(False)
    return Teacher(made.unet, made.controlnet, made.scheduler, made.prompts.double())


def room(n: int = 300) -> Tensor:
    """(1, N, 3) points of walls about TRUTH's view, in the input frame."""
    rng = np.random.default_rng(0)
    depth = rng.uniform(1.5, 3.5, (n, 1))
    seen = np.concatenate([rng.uniform(-0.5, 0.5, (n, 2)) * depth, depth], axis=1)
    return torch.from_numpy(TRUTH.inverse().apply(seen))[None]


def pose_of(delta: np.ndarray) -> Tensor:
    return torch.from_numpy(TRUTH.retract(delta).matrix[None, :3])


def test_the_nearness_is_the_inverse_depth_where_points_are() -> None:
    """A wall at 2 m in the left half, and one at 4 m: as shares of the nearest, 1 and 0.5, and 0 where nothing is."""
    u, v = np.meshgrid(np.linspace(0, 79, 160), np.linspace(0, 63, 128))
    depth = np.where(u < 40, 2.0, 4.0)
    kept = v < 44
    rays = np.stack([(u - 39.5) / 70.0, (v - 31.5) / 70.0, np.ones_like(u)], axis=-1) * depth[..., None]
    points = torch.from_numpy(rays[kept])[None]
    found = soft_inverse_depth(points, torch.eye(3, 4)[None].double(), CAMERA, IMAGE, RASTER)[0, 0]
    assert found.shape == RASTER
    np.testing.assert_allclose(found[2:9, 2:8], 1.0, atol=0.02)
    np.testing.assert_allclose(found[2:9, 13:18], 0.5, atol=0.02)
    assert float(found[15].max()) < 0.05


@pytest.mark.parametrize("axis", range(6))
def test_the_depth_has_a_gradient_on_each_of_the_six_axes(axis: int) -> None:
    """The published projection rounds pixels: then three axes of the pose have none."""
    weights = torch.randn(1, 1, *RASTER, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def value(step: float) -> Tensor:
        pose = pose_of(step * np.eye(6)[axis])
        return (soft_inverse_depth(room(), pose, CAMERA, IMAGE, RASTER) * weights).sum()

    pose = pose_of(np.zeros(6)).requires_grad_()
    (soft_inverse_depth(room(), pose, CAMERA, IMAGE, RASTER) * weights).sum().backward()
    along = (pose_of(EPS * np.eye(6)[axis]) - pose_of(-EPS * np.eye(6)[axis])) / (2 * EPS)
    assert pose.grad is not None
    expected = float(value(EPS) - value(-EPS)) / (2 * EPS)
    assert float((pose.grad * along).sum()) == pytest.approx(expected, rel=1e-3) and abs(expected) > 1e-3


def chain(teacher: Teacher, pixels: Tensor, points: Tensor, tuning: nn.Module, rows: Tensor, given: Tensor) -> Tensor:
    """The distillation loss of features: descriptors of pixels (1, h w, D) and of matched points (1, Q, D)."""
    pixels, points = F.normalize(pixels, dim=2), F.normalize(points, dim=2)
    of_pixel = rows_of(pixels, rows)
    out = {
        "pixels": peaks_near(pixels, points, rows, pixel_centres(torch.zeros(1, 1, 32, 40), IMAGE).double(), 40),
        "points": given + 0.1 * tuning(torch.cat([of_pixel, points], 2)).tanh(),
        "weights": (of_pixel * points).sum(2).clamp(0.0, 1.0),
    }
    batch = {"image": torch.randn(1, 5, *IMAGE, generator=torch.Generator().manual_seed(2)).double(), "points": room()}
    batch["camera"] = CAMERA
    poses, usable = matched_poses(batch, out)
    assert bool(usable[0])
    return distillation_loss(teacher, batch, poses, usable, 1.0, torch.Generator().manual_seed(3))


def features() -> dict[str, Any]:
    """Descriptors of pixels and points whose matches are about right, and the layer that tunes them."""
    generator = torch.Generator().manual_seed(1)
    given = room()[:, :60]
    seen = torch.from_numpy(TRUTH.apply(given[0].numpy()))
    uv = seen[:, :2] / seen[:, 2:] * CAMERA[:, :2] + CAMERA[:, 2:]
    x, y = ((uv + 0.5) / 2.0 - 0.5).round().long().clamp(min=0).unbind(1)
    rows = (y.clamp(max=31) * 40 + x.clamp(max=39))[None]
    pixels = torch.randn(1, 32 * 40, 8, generator=generator, dtype=torch.float64)
    points = rows_of(pixels, rows) + 0.2 * torch.randn(1, 60, 8, generator=generator, dtype=torch.float64)
    torch.manual_seed(0)
    tuning = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3)).double()
    return {"pixels": pixels, "points": points, "tuning": tuning, "rows": rows, "given": given}


@pytest.mark.parametrize("name", ["pixels", "points"])
def test_the_chain_from_distillation_to_features_has_the_right_gradient(teacher: Teacher, name: str) -> None:
    """Teacher, depth, pose, matches, features: against finite differences of all of it, the solver included."""
    made = features()
    direction = torch.randn(made[name].shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    variable = made[name].clone().requires_grad_()
    chain(teacher, **{**made, name: variable}).backward()
    assert variable.grad is not None
    with torch.no_grad():
        ahead, behind = (chain(teacher, **{**made, name: made[name] + s * 1e-3 * direction}) for s in (1.0, -1.0))
    expected = float(ahead - behind) / 2e-3
    assert float((variable.grad * direction).sum()) == pytest.approx(expected, rel=0.02)
    assert abs(expected) > 1e-9 and bool(variable.grad.any())


@pytest.mark.parametrize("axis", range(6))
def test_the_teacher_teaches_all_six_axes(teacher: Teacher, axis: int) -> None:
    batch = {"image": torch.randn(1, 5, *IMAGE, generator=torch.Generator().manual_seed(2)).double()}
    batch |= {"points": room(), "camera": CAMERA}
    usable = torch.ones(1, dtype=torch.bool)

    def value(pose: Tensor) -> Tensor:
        return distillation_loss(teacher, batch, pose, usable, 1.0, torch.Generator().manual_seed(3))

    pose = pose_of(np.zeros(6)).requires_grad_()
    value(pose).backward()
    there, back = pose_of(EPS * np.eye(6)[axis]), pose_of(-EPS * np.eye(6)[axis])
    expected = float(value(there) - value(back)) / (2 * EPS)
    assert pose.grad is not None
    assert float((pose.grad * (there - back)).sum()) / (2 * EPS) == pytest.approx(expected, rel=0.02)
    assert abs(expected) > 1e-8


class Recorded:
    """Stands for a ControlNet or a U-Net; it keeps what it is given. The noise is the mean of the prompts."""

    def __init__(self, is_control: bool) -> None:
        self.is_control, self.given = is_control, list[dict[str, Any]]()
        self.config = type("Config", (), {"sample_size": RASTER, "in_channels": 4})

    def __call__(self, noisy: Tensor, time: Tensor, **given: Any) -> Any:
        self.given.append({"noisy": noisy, "time": time, **given})
        if self.is_control:
            return [noisy], noisy
        return (given["encoder_hidden_states"].mean((1, 2))[:, None, None, None].expand_as(noisy),)


def test_b8_guidance_goes_from_the_negative_prompt_to_the_positive_one() -> None:
    """In the published code the two are exchanged, so guidance leads away from what is asked for."""
    control, unet = Recorded(True), Recorded(False)
    prompts = torch.stack([torch.full((2, 4), 1.0), torch.full((2, 4), 5.0)])  # negative, positive
    teacher = Teacher(unet, control, None, prompts, vae=object())
    found = teacher.noise(torch.zeros(3, 4, 8, 8), torch.ones(3).long(), torch.ones(3, 1, 8, 8), 2.0)
    assert bool((found == 1.0 + 2.0 * (5.0 - 1.0)).all())
    assert float(guided(torch.tensor(1.0), torch.tensor(5.0), 0.0)) == 1.0
    assert float(guided(torch.tensor(1.0), torch.tensor(5.0), 1.0)) == 5.0


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_b8_the_controlnet_takes_noisy_latents_and_both_prompts(guidance: float) -> None:
    """The published code gives it clean latents, and the negative prompt alone."""
    from types import SimpleNamespace

    control, unet = Recorded(True), Recorded(False)
    prompts = torch.stack([torch.full((2, 4), 1.0), torch.full((2, 4), 5.0)])
    scheduler = SimpleNamespace(
        config=SimpleNamespace(num_train_timesteps=1000),
        alphas_cumprod=torch.linspace(0.99, 0.01, 1001),
        add_noise=lambda latents, noise, time: 0.5 * latents + 0.5 * noise,
    )
    teacher = Teacher(unet, control, scheduler, prompts, vae=object())
    clean = torch.randn(2, 4, 8, 8)
    denoising_error(teacher, clean, torch.rand(2, 1, 64, 64), guidance)
    (of_control,), (of_unet,) = control.given, unet.given
    assert bool((of_control["noisy"] == of_unet["noisy"]).all()) and not bool((of_control["noisy"][:2] == clean).any())
    assert bool((of_control["encoder_hidden_states"] == of_unet["encoder_hidden_states"]).all())
    means = of_control["encoder_hidden_states"].mean((1, 2)).tolist()
    assert means == ([5.0, 5.0] if guidance == 1.0 else [1.0, 1.0, 5.0, 5.0])


def test_a_pose_that_sees_too_little_teaches_nothing(teacher: Teacher) -> None:
    batch = {"image": torch.zeros(1, 5, *IMAGE).double(), "points": room(), "camera": CAMERA}
    away = torch.from_numpy((Pose.from_rotvec([0.0, np.pi, 0.0]) @ TRUTH).matrix[None, :3])
    assert float(share_in_view(room(), pose_of(np.zeros(6)), CAMERA, IMAGE)) > 0.8
    assert float(share_in_view(room(), away, CAMERA, IMAGE)) == 0.0
    usable = torch.ones(1, dtype=torch.bool)
    assert float(distillation_loss(teacher, batch, away, usable)) == 0.0
    assert float(distillation_loss(teacher, batch, pose_of(np.zeros(6)), ~usable)) == 0.0


def test_a_small_teacher_learns_and_is_read_from_its_folder(tmp_path: Path) -> None:
    """It sees the noise of images that their nearness tells better than without the nearness."""
    pytest.importorskip("diffusers", reason="diffusers is not installed")
    from i2p_ros.training.distillation.small import learn, new_teacher, save

    torch.manual_seed(0)
    made, near = new_teacher((8, 8)), torch.rand(64, 1, 8, 8)
    images = (2.0 * near - 1.0).expand(-1, 3, -1, -1).contiguous()
    learn(made, images, near, 300)
    save(made, tmp_path / "teacher")
    read = load_teacher(str(tmp_path / "teacher"))
    assert not any(p.requires_grad for part in (read.unet, read.controlnet) for p in part.parameters())

    def error(nearness: Tensor) -> float:
        with torch.no_grad():
            generator = torch.Generator().manual_seed(0)
            return float(denoising_error(read, images, nearness, generator=generator).mean())

    assert error(near) < 0.8 * error(near.flip(0))


def test_a_pipeline_with_latents_and_prompts_is_read(tmp_path: Path) -> None:
    """Stable Diffusion's layout with random weights of a few channels: text encoder, VAE, and the ControlNet apart."""
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    base, control = tmp_path / "base", tmp_path / "control"
    unet = diffusers.UNet2DConditionModel(
        sample_size=8, block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4, cross_attention_dim=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
    )  # fmt: skip
    unet.save_pretrained(base / "unet")
    diffusers.ControlNetModel.from_unet(unet).save_pretrained(control)
    diffusers.AutoencoderKL(
        block_out_channels=(8, 8, 8, 8), norm_num_groups=4, down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
    ).save_pretrained(base / "vae")  # fmt: skip
    diffusers.DDPMScheduler().save_pretrained(base / "scheduler")
    letters = ["a", "b", "a</w>", "b</w>", "<|startoftext|>", "<|endoftext|>"]
    vocabulary, merges = {letter: k for k, letter in enumerate(letters)}, ["#version: 0.2"]
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "merges.txt").write_text("\n".join(merges))
    tokenizer = transformers.CLIPTokenizer(
        str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"), model_max_length=12
    )
    tokenizer.save_pretrained(base / "tokenizer")
    config = transformers.CLIPTextConfig(
        vocab_size=16, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=12, bos_token_id=4, eos_token_id=5, pad_token_id=5,
    )  # fmt: skip
    transformers.CLIPTextModel(config).save_pretrained(base / "text_encoder")
    teacher = load_teacher(str(control), str(base))
    assert teacher.prompts.shape == (2, 12, 8) and teacher.vae is not None
    assert teacher.raster(128, 160) == (64, 64)
    batch: Tensors = {"image": torch.randn(1, 5, *IMAGE), "points": room().float(), "camera": CAMERA.float()}
    pose = pose_of(np.zeros(6)).float().requires_grad_()
    loss = distillation_loss(teacher, batch, pose, torch.ones(1, dtype=torch.bool), 4.0)
    loss.backward()
    assert bool(loss.isfinite()) and pose.grad is not None
    with pytest.raises(ModelError, match="distill_pipeline"):
        load_teacher(str(control))


def test_a_teacher_that_is_not_there_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("diffusers", reason="diffusers is not installed")
    with pytest.raises(ModelError, match="nowhere"):
        load_teacher("nowhere")
    with pytest.raises(ModelError, match="cannot be read"):
        load_teacher(str(tmp_path))
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(MissingPackageError, match=r"pip install '\.\[distill\]'"):
        load_teacher(str(tmp_path))


def test_without_a_teacher_the_term_is_left_out_and_the_run_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    sets = ["training.distill_weight=0.1", "training.parts=matching", "training.samples=4", "training.batch=4",
            "training.validate_every=0", "synthetic.width=256", "synthetic.height=80", "synthetic.points=6000",
            "device=cpu"]  # fmt: skip
    words = ["i2p", "train", "--family", "diff2i2p", "--out", str(out), "--worlds", "1", "--workers", "0"]
    monkeypatch.setitem(SIZES, "small", LITTLE)
    monkeypatch.setattr(sys, "argv", [*words, *(word for text in sets for word in ("--set", text))])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    assert "distillation is left out" in capsys.readouterr().err
    assert "distillation is left out" in yaml.safe_dump(yaml.safe_load((out / "manifest.yaml").read_text()), width=1000)
    assert "distill" not in (out / "metrics.csv").read_text()


def test_the_distillation_begins_after_its_share_of_the_samples(tmp_path: Path) -> None:
    pytest.importorskip("diffusers", reason="diffusers is not installed")
    from i2p_ros.training.distillation.small import new_teacher, save

    save(new_teacher(RASTER), tmp_path / "teacher")
    overrides = ["distill_weight=1", f"distill_teacher={tmp_path / 'teacher'}", "samples=8", "distill_from=0.5"]
    settings = load_settings(overrides=[f"training.{text}" for text in overrides]).training
    learner = Diff2I2PLearner(FAMILY.network(), settings)
    assert "seen" in learner.state_dict() and not any("teacher" in name for name in learner.state_dict())
    made = features()
    out = {
        "pixels": pixel_centres(torch.zeros(1, 1, 32, 40), IMAGE)[made["rows"]].double(), "points": made["given"],
        "weights": torch.ones(1, 60, dtype=torch.float64),
    }  # fmt: skip
    batch = {"image": torch.randn(1, 5, *IMAGE), "points": room().float(), "camera": CAMERA.float()}
    terms = [float(learner._of_poses(batch, out, pose_of(np.zeros(6)))["distill"]) for _ in range(5)]
    assert terms[:3] == [0.0, 0.0, 0.0] and min(terms[3:]) > 0.0
