# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What each published part gives: small networks learn with it and without it, from the same start.

All networks of a kind of place begin with the weights of one start, which has none of the parts. Then each learns from
the same number of samples, once for each seed. The seeds differ in the examples and in the weights that are new.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file, save_file

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import SettingsError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.plain import finite
from i2p_ros.core.protocols import ProtocolName
from i2p_ros.core.types import Correspondences, Pair
from i2p_ros.evaluation.runner import EvaluatedPair, NetworkAlone, evaluate
from i2p_ros.families import family_class
from i2p_ros.families.base import Family
from i2p_ros.localizer import load
from i2p_ros.runtime.manifest import find_model
from i2p_ros.synthetic import synthetic_source
from i2p_ros.training import VALIDATION_WORLDS
from i2p_ros.training.cache import CachedSource
from i2p_ros.training.data import TrainingSet
from i2p_ros.training.loop import train
from i2p_ros.training.mixture import mixture

WORLDS = 1200  # of the samples of all networks
WORLD_SEED = 0
START_SEED = 0
RIGHT_COS = np.cos(np.radians(2.0))  # of the angle between the ray of a right match and its point
SMALL: dict[str, Any] = {  # branches that learn something within an hour of one core
    "image_width": 160, "max_points": 1024, "downsample_m": 0.4, "voxel_m": 0.8, "stem": 16,
    "image_stages": [24, 32, 48, 48], "image_blocks": [1, 1, 1, 1], "image_decoder": [48, 32, 32],
    "voxel_encoder": [16, 24, 32, 48, 48], "voxel_decoder": [48, 32, 32, 32], "signal_width": 0,
    "descriptor": 32, "centres": [128, 32], "point_channels": [24, 48],
}  # fmt: skip
PANORAMA: dict[str, Any] = {
    "panorama_stem": 8, "panorama_stages": [16, 24, 32], "panorama_decoder": [24, 16], "relation_width": 16,
}  # fmt: skip
SCALES: list[dict[str, Any]] = [
    {"stride": 4, "points": 512},
    {"stride": 2, "points": 768, "image_radius_px": 20.0, "point_radius_m": 16.0},
    {"stride": 1, "points": 1024, "image_radius_px": 8.0, "point_radius_m": 6.0},
]
QUERIES: dict[str, Any] = {"width": 32, "head": 32, "scales": SCALES}
PATCHES: dict[str, Any] = {
    "trunk": False, "nodes": 128, "width": 32, "rounds": 1, "normal_m": 0.4, "tuning_m": 1.0, "signal_set": "lidar",
}  # fmt: skip
DEFINITIONS = {
    "part": "what a network has that the row named in `beside` has not",
    "samples": "from which it learned after the start",
    "recall_2m_5deg": "share of the pairs whose pose by the network alone, nothing withheld, is within 2 m and 5 deg",
    "median_m": "median error of the camera centre over the pairs with a pose",
    "median_deg": "median geodesic angle over the pairs with a pose",
    "right_matches": "mean share of the matches whose point lies within 2 deg of the ray of its pixel",
    "registration_recall": "in rooms: share of the pairs with an RMSE below 10 cm",
}


@dataclass(frozen=True)
class Variant:
    """A network that learns: its part in words, the `part` of its family that it is compared with, the settings of its
    size and of its training, which those of the family's other variants have not, and whether it learns rooms."""

    family: str
    part: str
    beside: str = ""
    sizes: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    rooms: bool = False

    @property
    def folder(self) -> str:
        """Name of the folder of its runs."""
        return f"{self.family} {'in rooms ' if self.rooms else ''}{self.part}".replace(" ", "-")


DENSE = "the cross-entropy over all pixels alone"
COARSE, TUNED = "coarse to fine alone", "matches tuned (DCT)"
PLAIN = {"circle_weight": 0.0, "score_weight": 0.0}
START = Variant("vp2p", DENSE, training=PLAIN | {"learning_rate": 2.5e-3})
VARIANTS = (
    Variant("vp2p", DENSE, training=PLAIN),
    Variant("vp2p", "intersection detection", DENSE, training=PLAIN | {"score_weight": 3.0}),
    Variant("vp2p", "adaptive-weighted loss", DENSE, training=PLAIN | {"circle_weight": 1.0}),
    Variant("vp2p", "pose loss", DENSE, training=PLAIN | {"pose_weight": 0.05}),
    Variant("relai2p", "no panorama", "", PANORAMA | {"relation": False, "fusion": False}, PLAIN),
    Variant("relai2p", "relation (CMRM)", "no panorama", PANORAMA | {"fusion": False}, PLAIN),
    Variant("relai2p", "relation and fusion (RAFM)", "relation (CMRM)", PANORAMA, PLAIN),
    Variant("icl", "queries", "", QUERIES | {"frustum": False}, {"parts": "heads"}),
    Variant("icl", "queries and frustum", "queries", QUERIES, {"parts": "heads"}),
    Variant("diff2i2p", COARSE, "", PATCHES, PLAIN | {"tuning_weight": 0.0}),
    Variant("diff2i2p", TUNED, COARSE, PATCHES, PLAIN | {"tuning_weight": 0.2}),
    Variant("diff2i2p", COARSE, training={"tuning_weight": 0.0}, rooms=True),
    Variant("diff2i2p", TUNED, COARSE, rooms=True),
    Variant("diff2i2p", "and pose loss", TUNED, training={"pose_weight": 0.1}, rooms=True),
    Variant("diff2i2p", "and distillation", TUNED, training={"distill_weight": 0.1}, rooms=True),
)


@dataclass(frozen=True)
class Comparison:
    """Where the runs are kept, from how many samples they learn, and the pairs that they are compared on.

    A run that is there already is not made again; an unfinished one is continued.
    """

    out: Path
    settings: Settings
    samples: int
    start_samples: int
    pairs: int
    protocols: Sequence[ProtocolName]

    def start(self, model: str | None) -> Path:
        """Weights that all variants begin with: those of a model without its tuning of matches, or a network with none
        of the parts, which is trained."""
        if model is None:
            return self._trained(START, START_SEED, self.start_samples, None, "start") / "model.safetensors"
        file, weights = self.out / "start.safetensors", load_file(find_model(model)[1])
        save_file({name: value for name, value in weights.items() if not name.startswith("tuning.")}, file)
        return file

    def row(self, variant: Variant, seed: int, start: Path) -> dict[str, Any]:
        """Figures of one run, as DEFINITIONS explains them, by protocol."""
        folder = self._trained(variant, seed, self.samples, start, f"{variant.folder}-{seed}")
        kept = folder / "scores.json"
        if not kept.exists():
            kept.write_text(json.dumps({protocol: self._scored(folder, protocol) for protocol in self.protocols}))
        about = {"family": variant.family, "part": variant.part, "beside": variant.beside, "seed": seed}
        return about | {"samples": self.samples, "figures": json.loads(kept.read_text())}

    def _trained(self, variant: Variant, seed: int, samples: int, start: Path | None, name: str) -> Path:
        """Folder of the finished run of a variant."""
        training = self.settings.training.model_copy(update={**variant.training, "samples": samples})
        settings = self.settings.model_copy(update={"training": training})
        mixed = mixture(settings, self.out / "cache", WORLD_SEED, WORLDS)
        family, s = _family(variant, settings), settings.training
        data = TrainingSet(family, mixed.sources, s.protocols, seed, samples, s.parts, s.aspect, s.wrong_guesses)
        train(family, data, self.out / name, settings, start=start, workers=0)
        return self.out / name

    def _scored(self, folder: Path, protocol: ProtocolName) -> dict[str, float | None]:
        """Figures of one protocol."""
        s, shares = self.settings, list[float]()
        source = CachedSource(synthetic_source(s.synthetic, VALIDATION_WORLDS, self.pairs), self.out / "cache", str(s))
        network = NetworkAlone(load(str(folder), s.any_confidence))
        report = evaluate(network, source, protocol, 0, watch=lambda pair: shares.append(right_share(pair)))
        found = report.summary
        rooms = found["indoor"]
        return {
            "recall_2m_5deg": found["recall_2m_5deg"],
            "median_m": found["rte_camera_m"]["median"],
            "median_deg": found["rre_geodesic_deg"]["median"],
            "right_matches": finite(float(np.mean(shares))),
            "registration_recall": rooms and rooms["micro"]["registration_recall"],
        }


def compared(
    families: Sequence[str], seeds: int, comparison: Comparison, model: str | None, progress: Callable[[int, int], None]
) -> list[dict[str, Any]]:
    """A row for each seed and each variant of these families, on streets or in rooms as `synthetic.rooms` says.

    Raises ModelError for a family that is not there, SettingsError when a family has no variant for such a place, or
    the distillation no teacher.
    """
    for family in families:
        family_class(family)
    rooms = comparison.settings.synthetic.rooms
    variants = [variant for variant in VARIANTS if variant.family in families and variant.rooms == rooms]
    if without := set(families) - {variant.family for variant in variants}:
        raise SettingsError(f"no parts of {', '.join(sorted(without))} are compared in rooms: synthetic.rooms=false")
    if any("distill_weight" in v.training for v in variants) and not comparison.settings.training.distill_teacher:
        raise SettingsError(
            "the distillation of diff2i2p needs training.distill_teacher, a folder of a diffusion model"
        )
    comparison.out.mkdir(parents=True, exist_ok=True)
    start, rows = comparison.start(model), list[dict[str, Any]]()
    for seed in range(1, seeds + 1):
        for variant in variants:
            rows.append(comparison.row(variant, seed, start))
            progress(len(rows), seeds * len(variants))
    return rows


def right_share(pair: EvaluatedPair) -> float:
    """Share of the matches of a pair whose point lies within 2 deg of the ray of its pixel; 0 without matches."""
    truth, matches = pair.sample.T_camera_lidar, pair.estimate.correspondences
    return right_matches(matches, truth, pair.sample.pair) if truth and matches and len(matches) else 0.0


def right_matches(matches: Correspondences, truth: Pose, pair: Pair) -> float:
    """The same of matches and the true T_camera_lidar."""
    points, rays = truth.apply(matches.points), pair.camera.rays(matches.pixels)
    cosines = (points * rays).sum(axis=1) / (np.linalg.norm(points, axis=1) * np.linalg.norm(rays, axis=1))
    return float((cosines > RIGHT_COS).mean())


def _family(variant: Variant, settings: Settings) -> Family[Any]:
    """The family of a variant, in a size of few channels on streets and the shipped one in rooms."""
    kind = family_class(variant.family)
    sizes = {} if variant.rooms else {key: SMALL[key] for key in SMALL.keys() & kind.settings_type.model_fields}
    return kind(kind.settings_type.model_validate({**sizes, **variant.sizes}), settings.matching)
