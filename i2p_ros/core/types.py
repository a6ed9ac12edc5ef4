# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Values that are passed between stages. They are frozen, and are checked once, at construction."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.headings import Headings

Image = NDArray[np.uint8]
Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class PointCloud:
    """Points `xyz` (N, 3) float32 in metres, x forward, y left, z up; `intensity` (N,) float32 in 0..1 or none.

    `time` (N,) float32 is when each point was measured, in seconds since the stamp of the cloud, or none.
    """

    xyz: Points
    intensity: Points | None = None
    time: Points | None = None

    def __post_init__(self) -> None:
        xyz = np.asarray(self.xyz, np.float32)
        if xyz.ndim != 2 or xyz.shape[1] != 3:
            raise InputError(f"a cloud is (N, 3), got {xyz.shape}", "cloud.shape")
        object.__setattr__(self, "xyz", xyz)
        for name in ("intensity", "time"):
            if getattr(self, name) is None:
                continue
            values = np.asarray(getattr(self, name), np.float32)
            if values.shape != (len(xyz),):
                raise InputError(f"{name} of {len(xyz)} points cannot be {values.shape}", "cloud.shape")
            object.__setattr__(self, name, values)

    def __len__(self) -> int:
        return len(self.xyz)

    def transformed(self, T_new_old: Pose) -> PointCloud:
        """The same points in another frame."""
        return replace(self, xyz=T_new_old.apply(self.xyz).astype(np.float32))

    def selected(self, index: NDArray[Any] | slice) -> PointCloud:
        """The points of an index, mask or slice."""
        of_points = (None if values is None else _at(values, index) for values in (self.intensity, self.time))
        return PointCloud(_at(self.xyz, index), *of_points)

    def finite(self) -> PointCloud:
        """The points without NaN and infinity; an intensity that is not finite becomes 0."""
        cloud = self
        if self.intensity is not None and not _all_finite(self.intensity):
            cloud = replace(self, intensity=np.nan_to_num(self.intensity, nan=0.0, posinf=0.0, neginf=0.0))
        return cloud if _all_finite(self.xyz) else cloud.selected(np.asarray(np.isfinite(self.xyz).all(axis=1)))


def _at(values: Points, index: NDArray[Any] | slice) -> Points:
    """values[index], four times as fast for an index of row numbers."""
    return values[index] if isinstance(index, slice) or index.dtype == np.bool_ else values.take(index, axis=0)


def _all_finite(values: Points) -> bool:
    """Whether all values are finite, by their sum: it is finite only if all values are, and float64 cannot overflow."""
    return bool(np.isfinite(values.sum(dtype=np.float64)))


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """One image (H, W, 3) uint8 RGB with its camera, and one cloud. It never holds the true pose.

    Raises InputError for another type of image, or a camera of another size.
    """

    image: Image
    camera: Camera
    cloud: PointCloud
    stamp: int = 0  # ns, of the image
    name: str = ""

    def __post_init__(self) -> None:
        image = self.image
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(f"an image is (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}", "image.shape")
        if image.shape[:2] != (self.camera.height, self.camera.width):
            raise InputError(
                f"the image is {image.shape[1]}x{image.shape[0]} but its camera {self.camera.width}x"
                f"{self.camera.height}: give the calibration of this image size",
                "image.size",
            )


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A pair with its true pose, for training and evaluation.

    `T_camera_lidar` is None for a recording without calibration. `T_world_lidar` is the pose of the vehicle, where the
    source has it. `prior` is the prior of T_camera_lidar that the localizer gets. `depth` (H, W) float32 in m is what
    an RGB-D camera (a pinhole) measured in each pixel, 0 where nothing: truth like the pose, never an input.
    """

    pair: Pair
    T_camera_lidar: Pose | None = None
    T_world_lidar: Pose | None = None
    prior: Prior | None = None
    depth: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Correspondences:
    """Matches: `pixels` (M, 2) in the original image, `points` (M, 3) in the lidar frame, `weights` (M,) in 0..1."""

    pixels: Array
    points: Array
    weights: Array

    def __post_init__(self) -> None:
        for name, shape in (("pixels", (-1, 2)), ("points", (-1, 3)), ("weights", (-1,))):
            value = np.asarray(getattr(self, name), np.float64)
            object.__setattr__(self, name, value.reshape(shape))
        if not len(self.pixels) == len(self.points) == len(self.weights):
            raise InputError(
                f"matches need equal lengths, got {len(self.pixels)} pixels, {len(self.points)} points and "
                f"{len(self.weights)} weights",
                "matches.shape",
            )

    def __len__(self) -> int:
        return len(self.pixels)

    def selected(self, index: NDArray[Any]) -> Correspondences:
        """The matches of an index or mask."""
        return Correspondences(self.pixels[index], self.points[index], self.weights[index])


@dataclass(frozen=True, eq=False)
class DescriptorSimilarity:
    """Similarity of every point with every pixel, by which any pose can be scored.

    `values` (N, height * width) float32 in -1..1 are dot products of the descriptors of `points` (N, 3), m in the lidar
    frame, and of the pixels of `camera`. That camera has no distortion, and as many pixels as there are descriptors.
    `best` are the most similar pixel (N,) of each point and its similarity (N,).
    Raises InputError when the sizes do not fit.
    """

    points: Points
    values: NDArray[np.float32]
    camera: Camera
    best: tuple[NDArray[np.int64], NDArray[np.float32]]

    def __post_init__(self) -> None:
        cells = self.camera.width * self.camera.height
        if self.values.shape != (len(self.points), cells) or self.camera.distortion:
            raise InputError(
                f"similarity of {len(self.points)} points and {cells} undistorted pixels needs as many values, "
                f"got {self.values.shape}",
                "similarity.shape",
            )


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """A pose T_camera_lidar that is known before localization, with its covariance (6, 6) as in `PoseEstimate`.

    Raises InputError for a covariance that is not symmetric and positive definite.
    """

    pose: Pose
    covariance: Array

    def __post_init__(self) -> None:
        given = np.asarray(self.covariance, np.float64)
        sound = given.shape == (6, 6) and bool(np.isfinite(given).all()) and np.allclose(given, given.T, rtol=1e-6)
        if not sound or np.linalg.eigvalsh(given).min() <= 0:
            raise InputError("the covariance of a prior must be (6, 6), symmetric and positive definite", "prior")


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The decoded output of a network for one pair.

    `candidates` are sets of matches, one for each viewing direction that the camera may have. Their poses are scored by
    the `similarity` of descriptors where there is one, else by their inliers. `pose` is a regressed T_camera_lidar with
    its covariance, `support` (-1..1) the mean similarity of the points in its view to the pixels there, and `shortfall`
    what it lacks to the mean of each point's most similar pixel. `headings` tell which of these poses are more likely.
    `viewpoint` is a rough T_camera_lidar that follows from the cloud alone, with a covariance: poses are drawn from it
    and scored, too.
    """

    candidates: tuple[Correspondences, ...] = ()
    similarity: DescriptorSimilarity | None = None
    pose: Prior | None = None
    support: float = 0.0
    shortfall: float = 0.0
    headings: Headings | None = None
    viewpoint: Prior | None = None


class Status(str, Enum):
    """Whether there is a pose, and if not, why not."""

    OK = "ok"
    BAD_INPUT = "bad_input"  # too few or no finite points, an empty image
    TOO_FEW_MATCHES = "too_few_matches"
    NO_CONSENSUS = "no_consensus"  # too few matches agree on one pose
    NOT_CONVERGED = "not_converged"
    BEHIND_CAMERA = "behind_camera"
    DEGENERATE = "degenerate"  # the inliers do not fix all six axes
    UNCERTAIN = "uncertain"  # the pose is withheld: low confidence, a rival, or a prior that contradicts it
    NONFINITE = "nonfinite"  # NaN or infinity from the network or the solver
    NOT_PROCESSED = "not_processed"  # the node was busy with another pair, failed, or did not answer


@dataclass(frozen=True, slots=True)
class RefinementEvidence:
    """Evidence from the refinement of a pose.

    `standout` is the number of deviations by which the mutual information at the pose exceeds that of poses about it.
    `steepness` is the fall of the mutual information beside the pose, as a share of the fall by its curvature. `moved`
    is the distance from the pose before, in deviations of the prior of the refinement. `information` is the mutual
    information, in nats, and `points` the number of points in view. `std_m` is the root of the trace of the position
    block of the covariance before calibration.
    """

    standout: float
    steepness: float
    moved: float
    information: float
    points: int
    std_m: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence for a pose.

    `inliers` of `matches` agree with it. `rival` is the likelihood or the support of the best different pose, as a
    share of its own. `similarity` (-1..1) is the mean similarity of descriptors over the points in view, `margin` its
    excess over that of the best different pose (with the prior, if any), and `shortfall` its deficit to the mean of
    each point's most similar pixel. `std_m` is the largest standard deviation of the position before refinement.
    `log_place` is the log density of the camera's place by that of the lidar (core.place), 0 where this is not known.
    `refinement` is known of a refined pose.
    """

    inliers: int
    matches: int
    rival: float = 0.0
    similarity: float = 0.0
    margin: float = 0.0
    shortfall: float = 0.0
    std_m: float = 1.0
    log_place: float = 0.0
    refinement: RefinementEvidence | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PoseEstimate:
    """Result of a localization: `pose` is T_camera_lidar if `status` is OK, else None with the `reason` in words.

    `covariance` (6, 6) is that of T_camera_lidar in the coordinates (dt, theta) of `Pose.retract`, in m and rad. The
    error has a Student-t distribution with this covariance and `degrees_of_freedom`, a Gaussian one if they are
    infinite. `inliers` (M,) marks the matches that agree with the pose, and `residual_px` is their root mean square
    distance. `confidence` is the probability that the pose is right, from its `evidence`. `withheld` is a pose that was
    found but not published, for analysis; `covariance` is then that of this pose. `seconds` has the time of each stage.
    """

    status: Status
    reason: str = ""
    pose: Pose | None = None
    covariance: Array | None = None
    correspondences: Correspondences | None = None
    inliers: NDArray[np.bool_] | None = None
    residual_px: float = float("nan")
    confidence: float = 0.0
    evidence: Evidence | None = None
    withheld: Pose | None = None
    degrees_of_freedom: float = float("inf")
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.status is Status.OK) != (self.pose is not None):
            raise ValueError(f"status {self.status.value} with pose {self.pose}: only OK carries a pose, and always")

    @property
    def n_inliers(self) -> int:
        """Number of matches that agree with the pose."""
        return 0 if self.inliers is None else int(self.inliers.sum())
