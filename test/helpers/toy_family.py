# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A family in few lines: a convolution gives descriptors of pixels, a linear layer those of points."""

import cv2
import numpy as np
from pydantic import create_model
from torch import nn, ones

from i2p_ros.core.types import Correspondences, Prediction
from i2p_ros.families.base import Family, PriorRange, Scene
from i2p_ros.networks.base import FamilyNetwork, PassInputs
from i2p_ros.training.families import Learner

GRID = WIDTH, HEIGHT = 64, 24
Size = create_model("Size", points=(int, 400))


class ToyNetwork(FamilyNetwork):
    part_names, dynamic_parts = ("pixels", "points"), frozenset({"points"})

    def __init__(self):
        super().__init__()
        self.pixels, self.points = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(3, 8)

    def forward_pass(self, encoded, inputs, both=None):
        return {"similarity": self.points(inputs["xyz"]) @ self.pixels(encoded()["image"]).flatten(2)}

    def example(self):
        return PassInputs({"image": ones(1, 3, HEIGHT, WIDTH)}, {"xyz": ones(1, 400, 3)})


class Toy(Family):
    name, needs, trained_prior, settings_type, sizes = "toy", {"intensity"}, PriorRange(0.5, 5), Size, {"small": Size()}

    def network(self):
        return ToyNetwork()

    def scene(self, pair, rng):
        return Scene(pair, {"image": np.float32(cv2.resize(pair.image, GRID)).transpose(2, 0, 1)})

    def inputs(self, scene, guess=None):
        return {"xyz": scene.pair.cloud.xyz[:: len(scene.pair.cloud) // self.settings.points][: self.settings.points]}

    def decode(self, scene, inputs, outputs, guess=None, both=None, share=1.0):
        weight, cell = (t.numpy() for t in outputs["similarity"][0].softmax(1).max(1))
        pixels = np.c_[cell % WIDTH, cell // WIDTH] * np.divide(scene.pair.image.shape[1::-1], GRID)
        return Prediction((Correspondences(pixels, inputs["xyz"], weight),))


class ToyLearner(Learner):
    @staticmethod
    def example(family, sample, rng):
        xyz = family.inputs(scene := family.prepare(sample.pair, rng))["xyz"]
        uv, visible = sample.pair.camera.resized(*GRID).project(sample.T_camera_lidar.apply(xyz))
        cell = (np.nan_to_num(uv) + 0.5).clip(0, np.subtract(GRID, 1)).astype(np.int64) @ [1, WIDTH]
        return {**scene.shared, "xyz": xyz, "cell": np.where(visible, cell, -100)}  # which cross_entropy ignores

    def matching(self, batch, encoded):
        return {"loss": nn.functional.cross_entropy(self.net(**batch)["similarity"].mT, batch["cell"])}
