# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ICL++ network: detection of overlap and frustum, and queries that become matches, from coarse to fine.

Its descriptors and scores of pixels and points are those of VP2P. `_heads` is the method, one line per step. Poses are
T_camera_input (B, 3, 4), where `input` is the frame of the given points. Pixels are those of the network's image, and
cameras (B, 4) are fx, fy, cx, cy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2p_ros.core.both import Both, Lazy, in_turn
from i2p_ros.core.camera import MIN_DEPTH
from i2p_ros.core.stages import stage
from i2p_ros.families.branches.network import example_with_camera
from i2p_ros.families.icl.settings import ICLSettings
from i2p_ros.families.vp2p.network import ImageFeatures, SeenImage, VP2PNetwork
from i2p_ros.networks.base import PassInputs, Tensors
from i2p_ros.networks.blocks.queries import Keypoints, QueryScale, similarity, support
from i2p_ros.networks.blocks.regression import PoseOfSet
from i2p_ros.networks.cylinder import COLUMNS, bearings, directions, heading_votes, level_cameras
from i2p_ros.networks.geometry import match_weights, moved, pixel_centres, rays

METRES = 10.0  # unit of the positions that layers take
NOISE_UNIT = 10.0  # Adam moves a number by at most the learning rate, and these have far to go
VOTING = (0.5, 0.0, 1.5)  # at first: weight of evidence and of the overlap of a point, and sharpness of the headings
VOTE_SPREAD = math.radians(5.0)  # of a vote for a heading: the camera is not at the origin
VOTE_M = 5.0  # m; range at which a point has half of its vote
REGRESSED, AGREEING = 384, 128  # points; of them the camera is regressed from those that agree with its heading best
VIEW_MARGIN = math.radians(20.0)  # on each side of the image, up to which a point counts as in the detected frustum
NEAREST = 1.0  # m; least depth of a point whose distance from the ray of its pixel is taken
FARTHEST = 2.0  # largest such distance, as a difference of tangents
ANCHOR_PX = 12.0  # deviation of the first keypoints about their anchors, in px of an image of WIDTH
WIDTH = 256


@dataclass(frozen=True)
class Tokens:
    """What queries attend to: `places` (B, M, D) in px or m and `features` (B, M, C), which are a descriptor, a score,
    and a direction or a position. Cells of the image are in rows of `columns`."""

    places: Tensor
    features: Tensor
    columns: int = 0

    def first(self, count: int) -> Tokens:
        """The first of these tokens."""
        return Tokens(self.places[:, :count], self.features[:, :count])

    def attended(self, allowed: Tensor) -> tuple[Tokens, Tensor]:
        """Those of the tokens that any query is allowed (B, Q, M) to attend to, and the same of these; all, if none."""
        kept = allowed.flatten(0, 1).any(0).nonzero()[:, 0]
        if not len(kept):
            return self, allowed
        return Tokens(self.places[:, kept], self.features[:, kept]), allowed[..., kept]


@dataclass(frozen=True)
class DescribedScene:
    """What all scales share: the `image` of the network, the descriptors `pixels` (B, D, h, w) and scores
    `pixel_scores` (B, h, w) of its cells, and the `points` with their overlap as a score."""

    image: SeenImage
    pixels: Tensor
    pixel_scores: Tensor
    points: Tokens

    def cells(self, stride: int) -> Tokens:
        """The means over `stride` cells on each axis."""
        at = pixel_centres(self.pixels, self.image.size).mT.unflatten(1, self.pixels.shape[2:])[None]
        parts = [self.pixels, self.pixel_scores[:, None], at]
        if stride > 1:
            parts = [F.avg_pool2d(part, stride, ceil_mode=True, count_include_pad=False) for part in parts]
        descriptors, scores, places = (part.flatten(2).mT for part in parts)
        places = places.expand(len(descriptors), -1, -1)
        seen = rays(places, self.image.camera)
        return Tokens(places, torch.cat([descriptors, scores, seen], 2), parts[0].shape[3])


@dataclass(frozen=True)
class Matches:
    """Queries (B, Q, D) after a scale, with their keypoints in px and in m of the input frame, the descriptors
    `point_descriptors` (B, Q, D') there, and the `pose` of the camera. `valid` (B, Q): whether a query had anything to
    attend to."""

    queries: Tensor
    pose: Tensor
    pixels: Keypoints
    points: Keypoints
    point_descriptors: Tensor
    valid: Tensor


class ICLNetwork(VP2PNetwork):
    """Queries that become matches of pixels and points, and poses regressed from them."""

    head_names = frozenset({"frustum", "scales", "residuals"})

    settings: ICLSettings

    def __init__(self, settings: ICLSettings) -> None:
        super().__init__(settings)
        s = settings
        d, ray, place, score = s.descriptor, 2, 3, 1
        self.voting = nn.Parameter(torch.tensor(VOTING))
        self.frustum = PoseOfSet([place, score, ray, ray, d], s.head)
        self.queries = nn.Parameter(torch.randn(s.queries, s.width))
        self.anchors = nn.Parameter(_spread(s.queries))  # shares of the width and height of the image
        self.scales = nn.ModuleList(QueryScale(s.width, d, d + score + ray, d + score + place) for _ in s.scales)
        self.residuals = nn.ModuleList(PoseOfSet([ray, s.width, place, ray, s.width], s.head) for _ in s.scales)
        self.noise = nn.Parameter(torch.zeros(3))  # `log_variance` of `match_weights`, in units of NOISE_UNIT

    def encode_shared(self, shared: Tensors) -> SeenImage:
        """Features of the `image` (B, 5, H, W) of a `camera` (B, 4)."""
        return SeenImage.of(self.encode_image(shared["image"]), shared)

    def training_pass(self, encoded: Lazy[ImageFeatures], inputs: Tensors) -> Tensors:
        """As `forward_pass`, and the descriptors and scores of VP2P."""
        found = super().training_pass(encoded, inputs)
        return found | self._heads(encoded(), inputs, found)

    def forward_pass(self, encoded: Lazy[ImageFeatures], inputs: Tensors, both: Both = in_turn) -> Tensors:
        """Outputs from `points` (B, N, 3) in m and `features` (B, N, 8), with axes of S scales and of Q queries.

        `match_pixels` (B, S, Q, 2) in px, `match_points` (B, S, Q, 3) in m of the input frame, `valid` (B, S, Q) 1 or
        0. `poses` (B, S + 1, 3, 4) begin with that of the detected frustum. `overlap` (B, N) are logits of the points,
        `headings` (B, 360) those of the camera's headings. `weights` (B, Q, 2) in 1/px are those of the last matches.
        `pixels` and `points` are the descriptors of VP2P.
        """
        found = self._outputs(encoded, inputs["points"], inputs["features"], both, scores=True)
        with stage("heads"):
            return self._heads(encoded(), inputs, found)

    @torch.autocast("cuda", enabled=False)  # half precision does not resolve the differences between descriptors
    @torch.autocast("cpu", enabled=False)
    def _heads(self, image: ImageFeatures, inputs: Tensors, found: Tensors) -> Tensors:
        assert isinstance(image, SeenImage)
        points, overlap = inputs["points"].float(), found["point_scores"]
        features = torch.cat([found["points"], overlap[..., None], points / METRES], 2)
        scene = DescribedScene(image, found["pixels"], found["pixel_scores"], Tokens(points, features))
        cells = [scene.cells(scale.stride) for scale in self.settings.scales]
        headings, first = self._detect(scene, cells[0])
        scales = list[Matches]()
        for k in range(len(self.scales)):
            scales.append(self._refined(k, scales[-1] if scales else first, scene, cells[k]))
        last = scales[-1]
        return {
            "overlap": overlap,
            "headings": headings,
            "poses": torch.stack([first, *(matches.pose for matches in scales)], 1),
            "match_pixels": torch.stack([matches.pixels.mean for matches in scales], 1),
            "match_points": torch.stack([matches.points.mean for matches in scales], 1),
            "valid": torch.stack([matches.valid for matches in scales], 1).float(),
            "weights": self._weights(last.pixels, last.points, last.pose, last.valid, image.camera),
            "pixels": found["pixels"],
            "points": found["points"],
        }

    def _detect(self, scene: DescribedScene, cells: Tokens) -> tuple[Tensor, Tensor]:
        """(B, 360) logits of headings by the votes of the points, and (B, 3, 4) the camera regressed from these."""
        tokens, d = scene.points.first(self.settings.scales[0].points), self.settings.descriptor
        points, descriptors, overlap = tokens.places, tokens.features[..., :d], tokens.features[..., d]
        camera = scene.image.camera
        alike = similarity(descriptors, cells.features[..., :d])
        evidence = alike.logsumexp(2)
        heat = (alike - evidence[..., None]).exp()
        azimuths, _ = directions(points)
        relative = evidence - evidence.amax(1, keepdim=True).detach()
        far = points[..., :2].norm(dim=2)
        weights = (self.voting[0] * relative + self.voting[1] * F.logsigmoid(overlap)).exp() * far / (far + VOTE_M)
        of_columns = heat.unflatten(2, (-1, cells.columns)).sum(2)
        at_columns, _ = bearings(cells.places[0, : cells.columns], camera)
        votes = heading_votes(azimuths, weights[..., None] * of_columns, at_columns, VOTE_SPREAD)
        headings = self.voting[2] * (votes / votes.sum(1, keepdim=True) * COLUMNS + 1e-3).log()
        level = level_cameras(headings.argmax(1) * (2.0 * math.pi / COLUMNS))[:, :3]
        seen, placed = heat @ cells.features[..., -2:], moved(points, level)
        off = _offsets(placed, seen)
        parts = [placed / METRES, overlap[..., None], seen, off, descriptors]
        agreeing = weights * (-0.5 * (off[..., 0] / math.tan(VIEW_MARGIN)).square()).exp() * (placed[..., 2] > 0.0)
        turn, shift = self.frustum(*_heaviest([x[:, :REGRESSED].detach() for x in (*parts, agreeing)]))
        rotated = turn @ level
        return headings, torch.cat([rotated[..., :3], rotated[..., 3:] + shift[..., None]], 2)

    def _refined(self, k: int, before: Tensor | Matches, scene: DescribedScene, cells: Tokens) -> Matches:
        """Matches and pose of scale k, from those of the scale before, or from the pose of the detected camera."""
        points, d = scene.points.first(self.settings.scales[k].points), self.settings.descriptor
        near, about = self._supports(k, before, cells, points, scene.image)
        valid = near.any(2) & about.any(2)
        (cells, near), (points, about) = cells.attended(near), points.attended(about)
        image_prior, point_prior = self._priors(before, cells, points, near, about, scene.image)
        queries = before.queries if isinstance(before, Matches) else self.queries.expand(len(near), -1, -1)
        by_image, queries, image_logits, point_logits = self.scales[k](
            queries, cells.features, points.features, image_prior, point_prior
        )
        pixels, placed = Keypoints.of(image_logits, cells.places), Keypoints.of(point_logits, points.places)
        if isinstance(before, Matches):  # a query without support stays where it was
            pixels, placed = pixels.where(valid, before.pixels.mean), placed.where(valid, before.points.mean)
        pose = before.pose if isinstance(before, Matches) else before
        pose = self._residual(k, pose.detach(), by_image, queries, pixels, placed, valid, scene.image.camera)
        return Matches(queries, pose, pixels, placed, placed.heat @ points.features[..., :d], valid)

    def _supports(
        self, k: int, before: Tensor | Matches, cells: Tokens, points: Tokens, image: SeenImage
    ) -> tuple[Tensor, Tensor]:
        """Which cells (B, Q, P) and points (B, Q, M) a query may attend to: at first all cells, and the points in the
        frustum; later those about its keypoint."""
        scale = self.settings.scales[k]
        if isinstance(before, Matches):
            near = cells_within(scale.image_radius_px, before.pixels.mode, cells)
            return near, within(scale.point_radius_m, before.points.mode, points.places)
        every = torch.ones_like(cells.places[..., 0], dtype=torch.bool)
        seen = in_frustum(points.places, before, image) if self.settings.frustum else torch.ones_like(every[:, :1])
        size = len(seen), len(self.queries), -1
        return every[:, None].expand(size), seen[:, None].expand(*size[:2], points.places.shape[1])

    def _priors(
        self, before: Tensor | Matches, cells: Tokens, points: Tokens, near: Tensor, about: Tensor, image: SeenImage
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, Q, P) and (B, Q, M) that the heat maps begin with, for tokens that queries may attend to.

        At first the cells about the anchor of a query are preferred, later those like its point.
        """
        d = self.settings.descriptor
        point_prior = support(about)[0] + F.logsigmoid(points.features[..., d])[:, None]
        if isinstance(before, Matches):
            alike = similarity(before.point_descriptors, cells.features[..., :d])
            return support(near)[0] + alike, point_prior
        size = torch.tensor(image.size[::-1], device=near.device)
        off = (cells.places[:, None] - self.anchors[:, None] * size) / (ANCHOR_PX / WIDTH * size[0])
        return F.logsigmoid(cells.features[:, None, :, d]) - 0.5 * off.square().sum(3), point_prior

    def _residual(
        self, k: int, pose: Tensor, by_image: Tensor, queries: Tensor, pixels: Keypoints, points: Keypoints,
        valid: Tensor, camera: Tensor,
    ) -> Tensor:  # fmt: skip
        """The pose after the residual of scale k. It is regressed from matches without a gradient to them (ICL++)."""
        seen, placed = rays(pixels.mean, camera), moved(points.mean, pose)
        parts = [part.detach() for part in (seen, by_image, placed / METRES, _offsets(placed, seen), queries)]
        weights = self._weights(pixels, points, pose, valid, camera).mean(2).detach()
        turn, shift = self.residuals[k](parts, weights)
        rotated = turn @ pose
        return torch.cat([rotated[..., :3], rotated[..., 3:] + shift[..., None]], 2)

    def _weights(self, pixels: Keypoints, points: Keypoints, pose: Tensor, valid: Tensor, camera: Tensor) -> Tensor:
        """(B, Q, 2) in 1/px, 0 of queries that are not valid."""
        spreads = pixels.covariance, points.mean, points.covariance
        return match_weights(*spreads, pose, camera, NOISE_UNIT * self.noise) * valid[..., None]

    def example(self) -> PassInputs:
        """Normal noise, the points of about the extent of a street."""
        return example_with_camera()


def in_frustum(points: Tensor, poses: Tensor, image: SeenImage) -> Tensor:
    """(B, N) whether points (B, N, 3) are in front of cameras, and left and right at most VIEW_MARGIN out of view."""
    x, _, depth = moved(points, poses).unbind(2)
    edges = torch.tensor([[-0.5, 0.0], [image.size[1] - 0.5, 0.0]], device=points.device)
    left, right = torch.atan(rays(edges.expand(len(points), -1, -1), image.camera)[..., 0]).unbind(1)
    angle = torch.atan2(x, depth)
    wide = (angle > left[:, None] - VIEW_MARGIN) & (angle < right[:, None] + VIEW_MARGIN)
    return wide & (depth > MIN_DEPTH)


def _offsets(placed: Tensor, seen: Tensor) -> Tensor:
    """(B, N, 2) how far points (B, N, 3) in the frame of the camera are from rays (B, N, 2), as tangents."""
    return (placed[..., :2] / placed[..., 2:].clamp(min=NEAREST) - seen).clamp(-FARTHEST, FARTHEST)


def _heaviest(parts: list[Tensor]) -> tuple[list[Tensor], Tensor]:
    """Parts (B, N, C) and weights (B, N), which are the last of the given parts, of the AGREEING heaviest elements."""
    weights, index = parts[-1].topk(min(AGREEING, parts[-1].shape[1]))
    return [part.gather(1, index[..., None].expand(-1, -1, part.shape[2])) for part in parts[:-1]], weights


def _spread(count: int) -> Tensor:
    """(count, 2) shares of width and height, evenly over an image that is about four times as wide as high."""
    rows = max(1, round((count / 4) ** 0.5))
    k = torch.arange(count)
    row, columns = k * rows // count, torch.bincount(k * rows // count)
    column = k - torch.cat([columns.new_zeros(1), columns.cumsum(0)])[row]
    return torch.stack([(column + 0.5) / columns[row], (row + 0.5) / rows], 1)


def cells_within(radius: float, a: Tensor, cells: Tokens) -> Tensor:
    """(B, Q, P) whether cells, in rows, are at most so far from pixels a (B, Q, 2)."""
    x, y = cells.places[0, : cells.columns, 0], cells.places[0, :: cells.columns, 1]
    across, down = (a[..., :1] - x).square(), (a[..., 1:] - y).square()
    return (down[..., None] + across[..., None, :] <= radius**2).flatten(2)


def within(radius: float, a: Tensor, b: Tensor) -> Tensor:
    """(B, Q, M) whether points a (B, Q, D) and b (B, M, D) are at most so far apart; torch.cdist rounds too much."""
    axes = zip(a.unbind(2), b.unbind(2), strict=True)
    return sum(((x[:, :, None] - y[:, None]).square() for x, y in axes), torch.zeros(())) <= radius**2
