# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The descriptor likelihood of poses.

The descriptors of all points in view are compared with those of the pixels where a pose puts them. The log likelihood
of the pose is the mean similarity times the `sharpness` of the model's calibration. In a street that looks alike in
both directions a wrong pose may have more inliers than the right one, but fewer of its descriptors agree. The
likelihood compares everything in view, so it is about as wide as the error of the pose. Counts of inliers are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.place import LidarPlace
from i2p_ros.core.types import DescriptorSimilarity, Prior, Status
from i2p_ros.pnp import posterior
from i2p_ros.pnp.problem import NoPoseError
from i2p_ros.search.kernels import similarities_in_view
from i2p_ros.search.prior import log_densities, log_density, narrowed

Rows = NDArray[np.int64]
Values = NDArray[np.float32]
Mask = NDArray[np.bool_]

SEARCH_STD = (1.0, 0.5, 1.0, 0.02, 0.02, 0.02)  # m, rad, camera axes: of the first proposal of samples in streets
SAMPLED_POINTS = 600  # most points that samples are scored with
MIN_IN_VIEW = 50  # a pose with fewer points in view has no likelihood
NO_SIMILARITY = -1.0  # of a pose without a likelihood: the least that a mean of dot products of unit vectors can be
NEAR_PLANE = np.float32(0.5)  # m
VIEW_MARGIN = 1.3  # factor on the tangents of the view: points that samples may bring into view


@dataclass(frozen=True, eq=False)
class DescriptorLikelihood:
    """Likelihood of poses T_camera_lidar, and posterior with a prior and the place of the lidar where they are known.

    `search_std` are the deviations (m, rad; camera axes) of the first samples about a pose.
    """

    similarity: DescriptorSimilarity
    sharpness: float
    prior: Prior | None = None
    search_std: tuple[float, ...] = SEARCH_STD
    place: LidarPlace | None = None

    def mean_similarity(self, pose: Pose) -> float:
        """Mean similarity over the points in view of a pose, or NO_SIMILARITY where these are too few."""
        return float(self._mean_of_poses([pose])[0])

    def best_mean_similarity(self, pose: Pose) -> float:
        """The mean similarity that a pose would have if each point in view fell on the pixel most similar to it."""
        seen = _in_view(self.similarity.camera, self.similarity.points.astype(np.float64), pose)
        return float(self.similarity.best[1][seen].mean()) if seen.sum() >= MIN_IN_VIEW else NO_SIMILARITY

    def log_prior(self, pose: Pose) -> float:
        """Log density of the prior and of the place of the camera, up to a constant."""
        return log_density(self.prior, pose, self.place)

    def log_posteriors(self, poses: Sequence[Pose]) -> Array:
        """(K,) log posterior of K poses, up to a constant. Raises NoPoseError where similarities are not finite."""
        return self.log_posteriors_at(*_stacked(poses))

    def log_posteriors_at(self, rotations: Array, translations: Array, points: int | None = None) -> Array:
        """The same of rotations (K, 3, 3) and translations (K, 3), m, by all points or so many, in random order."""
        rows = np.arange(len(self.similarity.points))
        if points is not None:
            rows = np.random.default_rng(0).permutation(rows)[:points]
        scores = self._mean_similarities(rows, self.similarity.points[rows].astype(np.float64), rotations, translations)
        return self.sharpness * scores + log_densities(self.prior, np.zeros(3), rotations, translations, self.place)

    def sample_near(
        self, pose: Pose, points: int = SAMPLED_POINTS, rounds: int = posterior.ROUNDS, min_ess: float = 0.0
    ) -> posterior.Posterior:
        """Moments of the posterior near a pose: of the delta about its camera, by importance sampling.

        Raises NoPoseError where too few points are in view, or similarities are not finite.
        """
        centre = pose.inverse().translation
        xyz = self.similarity.points.astype(np.float64) - centre
        rows = _rows_near_view(xyz @ pose.rotation.T, self.similarity.camera)[:points]
        if len(rows) < MIN_IN_VIEW:
            what = f"{len(rows)} points lie in view of the best pose: too few to judge it"
            raise NoPoseError(Status.NO_CONSENSUS, what)
        xyz = xyz[rows]

        def log_posterior(rotations: Array, translations: Array) -> Array:
            turned = rotations @ pose.rotation
            scores = self._mean_similarities(rows, xyz, turned, translations)
            return self.sharpness * scores + log_densities(self.prior, centre, turned, translations, self.place)

        first = narrowed(np.diag(np.square(self.search_std)), self.prior, centre)
        return posterior.sample(log_posterior, first, rounds, min_ess)

    def _mean_of_poses(self, poses: Sequence[Pose]) -> Array:
        points = self.similarity.points.astype(np.float64)
        return self._mean_similarities(np.arange(len(points)), points, *_stacked(poses))

    def _mean_similarities(self, rows: Rows, points: Array, rotations: Array, translations: Array) -> Array:
        """(K,) mean similarity of `points` (N, 3), those of `rows` in any origin, under K poses. Similarities are
        interpolated bilinearly between the centres of cells."""
        camera, centre = self.similarity.camera, points.sum(axis=0) / max(len(points), 1)
        if min(camera.width, camera.height) < 2:
            return np.full(len(rotations), NO_SIMILARITY)  # no point has four cells around it
        projections = _projections(camera, rotations, translations + rotations @ centre)
        about_centre = (points - centre).astype(np.float32)  # float32 is accurate about the centroid
        values = np.ascontiguousarray(self.similarity.values)
        total, n = similarities_in_view(
            values, rows, about_centre, projections, camera.width, camera.height, NEAR_PLANE
        )
        if not np.isfinite(total).all():
            raise NoPoseError(Status.NONFINITE, "the similarity of points and pixels holds NaN or infinity")
        return np.where(n >= MIN_IN_VIEW, total / np.maximum(n, 1), NO_SIMILARITY)


def _stacked(poses: Sequence[Pose]) -> tuple[Array, Array]:
    """Rotations (K, 3, 3) and translations (K, 3) of poses."""
    return np.array([p.rotation for p in poses]), np.array([p.translation for p in poses])


def _projections(camera: Camera, rotations: Array, translations: Array) -> Values:
    """(12, K) elements of the projection matrices (3, 4) of a camera under K poses, row by row."""
    matrix = np.array([[camera.fx, 0.0, camera.cx], [0.0, camera.fy, camera.cy], [0.0, 0.0, 1.0]])
    poses = np.concatenate([rotations, translations[:, :, None]], axis=2)
    return np.ascontiguousarray((matrix @ poses).reshape(-1, 12).T, np.float32)


def _in_view(camera: Camera, points: Array, pose: Pose) -> Mask:
    """(N,) whether points (N, 3) are in view of a pose, with four cells around them."""
    x, y, z = pose.apply(points).T
    ahead = z > NEAR_PLANE
    depth = np.where(ahead, z, 1.0)
    u, v = camera.fx * x / depth + camera.cx, camera.fy * y / depth + camera.cy
    return np.asarray(ahead & (u >= 0) & (u < camera.width - 1) & (v >= 0) & (v < camera.height - 1))


def _rows_near_view(points: Array, camera: Camera) -> Rows:
    """Rows of at most SAMPLED_POINTS points (N, 3) of the camera frame in view or near it, in random order."""
    x, y, z = points.T
    left, right = -camera.cx / camera.fx, (camera.width - camera.cx) / camera.fx
    top, bottom = -camera.cy / camera.fy, (camera.height - camera.cy) / camera.fy
    ahead = np.maximum(z, NEAR_PLANE)
    in_width = (x > VIEW_MARGIN * left * ahead) & (x < VIEW_MARGIN * right * ahead)
    in_height = (y > VIEW_MARGIN * top * ahead) & (y < VIEW_MARGIN * bottom * ahead)
    rows = np.flatnonzero(in_width & in_height & (z > 0.0))
    return np.random.default_rng(0).permutation(rows)[:SAMPLED_POINTS]
