# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The renderer against independent references: brute force in float64, the geometry of the ground, OpenCV."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from i2p_ros.core.config import SyntheticSettings
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.synthetic.image_formation import jpeg
from i2p_ros.synthetic.lidars import Beams, Lidar
from i2p_ros.synthetic.random_streams import hashed, normal, uniform
from i2p_ros.synthetic.ray_casting import NO_SOLID, Rays, Rectangles, cast_solids
from i2p_ros.synthetic.rendering import (
    Place,
    _matrices,
    _render_batch,
    build_scene,
    camera_rays,
    camera_rectangles_of,
    render,
)
from i2p_ros.synthetic.room_textures import ROOM_PAINTERS
from i2p_ros.synthetic.solids import Material, Shape, Solids
from i2p_ros.synthetic.surfaces import Hits, StreetScene, first_hits, surface_at
from i2p_ros.synthetic.terrain import base_height, to_street, to_world
from i2p_ros.synthetic.worlds import KINDS

CPU = torch.device("cpu")


def place_of(index: int, **settings: object) -> Place:
    small = {"width": 160, "height": 64, "points": 6000, **settings}
    return SyntheticSource(SyntheticSettings(**small), 5, index + 1).place(index)


def by_camera(scene: StreetScene, place: Place) -> tuple[Rays, Rectangles]:
    T = _matrices([place.T_camera_lidar @ place.T_world_lidar.inverse()], CPU)
    rays = camera_rays([place.camera], T)
    return rays, camera_rectangles_of(scene.solids, [place.camera], T, rays)


def by_lidar(scene: StreetScene, place: Place) -> tuple[Rays, Rectangles]:
    beams = Beams([place.lidar], _matrices([place.T_world_lidar], CPU))
    return beams.rays, beams.rectangles(scene.solids, _matrices([place.T_world_lidar.inverse()], CPU))


def everywhere(solids: Solids, rows: int, columns: int) -> Rectangles:
    """Rectangles that contain all rays."""
    zero = torch.zeros(len(solids), dtype=torch.int64)
    return Rectangles(torch.arange(len(solids)), zero, zero + rows, zero, zero + columns)


def one_solid(shape: Shape, taper: tuple[float, float] = (0.0, 0.0), cover: float = 1.0, yaw: float = 0.6) -> Solids:
    def row(*values: float) -> torch.Tensor:
        return torch.tensor(values)[:, None]

    turn = torch.tensor([yaw])
    return Solids(
        torch.zeros(1, dtype=torch.int64), row(6.0, 0.5, 0.3), row(1.5, 0.8, 1.1), turn.cos(), turn.sin(),
        torch.tensor([int(shape)]), torch.tensor([int(Material.FACADE)]), torch.tensor([cover]), row(*taper),
        row(0.5, 0.5, 0.5), torch.tensor([0.3]),
    )  # fmt: skip


def inside(shape: Shape, points: np.ndarray, solids: Solids) -> np.ndarray:
    """Mask (N,) of points (N, 3) inside the only solid, by its definition."""
    c, s = float(solids.cos), float(solids.sin)
    x, y, z = (points - solids.centre[:, 0].double().numpy()).T
    x, y, z = np.stack([c * x + s * y, c * y - s * x, z]) / solids.half.double().numpy()
    if shape == Shape.ELLIPSOID:
        return x * x + y * y + z * z < 1
    if shape == Shape.CYLINDER:
        return (x * x + y * y < 1) & (np.abs(z) < 1)
    kx, ky = solids.taper[:, 0].tolist()
    return (np.abs(x) < 1 - kx * (1 + z) / 2) & (np.abs(y) < 1 - ky * (1 + z) / 2) & (np.abs(z) < 1)


@pytest.mark.parametrize(
    ("shape", "taper"),
    [(Shape.BOX, (0, 0)), (Shape.TAPERED_BOX, (0.4, 0.98)), (Shape.ELLIPSOID, (0, 0)), (Shape.CYLINDER, (0, 0))],
)
def test_rays_hit_solids_where_small_steps_along_them_do(shape: Shape, taper: tuple[float, float]) -> None:
    rng = np.random.default_rng(1)
    directions = rng.normal([1.0, 0.05, 0.05], [0.0, 0.3, 0.3], (400, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    solids = one_solid(shape, taper)
    rays = Rays(torch.zeros(3, 1, 1), torch.tensor(directions.T[:, None], dtype=torch.float32), torch.tensor([400]))
    distance, solid = cast_solids(rays, solids, everywhere(solids, 1, 400))
    steps = np.arange(0.0, 12.0, 0.002)
    within = np.stack([inside(shape, d * steps[:, None], solids) for d in directions])
    walked = np.where(within.any(1), steps[within.argmax(1)], np.inf)
    got = distance[0].numpy()
    clear = within.sum(1) > 30  # the walk may step over a corner
    assert clear.sum() > 50
    np.testing.assert_allclose(got[clear], walked[clear], atol=0.005)
    assert np.isinf(got[within.sum(1) == 0]).mean() > 0.98
    assert ((solid[0] == NO_SOLID).numpy() == np.isinf(got)).all()


def test_leaves_have_gaps_of_the_stated_share_in_the_same_places_for_all_rays() -> None:
    grid = torch.stack(torch.meshgrid(torch.linspace(-0.1, 0.1, 60), torch.linspace(-0.1, 0.1, 60), indexing="ij"))
    towards = torch.cat([torch.ones(1, 3600), grid.flatten(1) + torch.tensor([[0.083], [0.05]])])[:, None]
    solids = one_solid(Shape.ELLIPSOID, cover=0.6)
    rays = Rays(torch.zeros(3, 1, 1), towards, torch.tensor([3600]))
    first = cast_solids(rays, solids, everywhere(solids, 1, 3600))[0][0]
    hit = torch.isfinite(first).float().mean()
    assert hit == pytest.approx(1 - 0.4**2, abs=0.05)  # front, or back through a gap
    points = towards[:, 0] * first
    eye = torch.tensor([[1.0], [0.3], [0.1]])
    again = Rays(eye[:, :, None], (points - eye)[:, None], torch.tensor([3600]))
    other = cast_solids(again, solids, everywhere(solids, 1, 3600))[0][0][torch.isfinite(first)]
    assert (torch.abs(other - 1.0) < 0.01).float().mean() > 0.8  # others are behind leaves from there


@pytest.mark.parametrize("index", range(6))
@pytest.mark.parametrize("variety", [0.0, 1.0])
def test_rectangles_contain_all_rays_that_hit_a_solid(index: int, variety: float) -> None:
    place = place_of(index, width=96, height=40, points=1500, variety=variety)
    scene = build_scene([place], CPU)
    for make in (by_camera, by_lidar):
        rays, rectangles = make(scene, place)
        size, columns = rays.directions.shape[2], int(rays.columns[0])
        fast, all_ = (
            cast_solids(rays, scene.solids, w) for w in (rectangles, everywhere(scene.solids, size // columns, columns))
        )
        assert (fast[1] == all_[1]).float().mean() > 0.9995  # rounding at edges
        area = ((rectangles.bottom - rectangles.top) * (rectangles.right - rectangles.left)).sum()
        assert area < 0.2 * size * len(scene.solids)


@pytest.mark.parametrize("index", range(6))
def test_hits_on_the_ground_are_at_its_height(index: int) -> None:
    place = place_of(index)
    scene = build_scene([place], CPU)
    rays, _ = by_lidar(scene, place)
    hits = first_hits(scene, rays, everywhere(scene.solids, 0, 0))
    hit = torch.isfinite(hits.distance[0]) & (hits.distance[0] < 60)
    x, y, z = (rays.origin[:, :, 0] + rays.directions[:, 0] * hits.distance[0])[:, hit][:, None]
    along, offset = to_street(scene.world, x, y)
    over = (z - base_height(scene.world, along, offset))[0]
    kerb = float(scene.world.kerb_height)
    assert (over > -0.06).float().mean() > 0.995
    assert (over < kerb + 0.25).float().mean() > 0.995
    road = torch.abs(offset[0]) < scene.world.kerb[0] - 0.2
    assert road.sum() > 300
    assert over[road].abs().median() < 0.01
    assert hit[rays.directions[2, 0] < -0.1].float().mean() > 0.99


def test_a_view_of_the_ground_alone() -> None:
    place = place_of(0)
    scene = build_scene([place], CPU)
    rays, _ = by_camera(scene, place)
    hits = first_hits(scene, rays, everywhere(scene.solids, 0, 0))
    surface = surface_at(scene, rays, hits)
    assert (hits.solid == NO_SOLID).all() and not surface.glass.any()
    assert (surface.normal == torch.tensor([0.0, 0.0, 1.0])[:, None, None]).all()
    assert surface.albedo[:, torch.isfinite(hits.distance)].min() > 0


def test_street_coordinates_and_back() -> None:
    scene = build_scene([place_of(3)], CPU)
    along, offset = torch.linspace(-100, 100, 50)[None], torch.linspace(-20, 20, 50)[None]
    x, y, cos, sin = to_world(scene.world, along, offset)
    back = to_street(scene.world, x, y)
    assert (back[0] - along).abs().max() < 0.6  # the street bends within the offset
    assert (back[1] - offset).abs().max() < 0.3
    torch.testing.assert_close(cos * cos + sin * sin, torch.ones_like(cos))


@pytest.mark.parametrize("name", ["tum_vi", "t265"])
def test_a_fisheye_shows_what_its_rays_hit(name: str) -> None:
    """Tiles leave out no hit, and the image is true up to the edge of its circle, beyond 90 deg off the axis."""
    whole = place_of(2, camera=name)
    place = replace(whole, camera=whole.camera.resized(whole.camera.width // 8, whole.camera.height // 8))
    scene = build_scene([place], CPU)
    rays, tiles = by_camera(scene, place)
    size = place.camera.height, place.camera.width
    distance, solid = cast_solids(rays, scene.solids, tiles)
    expected, of = cast_solids(rays, scene.solids, everywhere(scene.solids, *size))
    assert torch.equal(distance, expected) and torch.equal(solid, of)
    T = place.T_camera_lidar @ place.T_world_lidar.inverse()
    local = rays.directions[:, 0].double().numpy().T @ T.rotation.T
    pixels = np.stack(np.meshgrid(np.arange(size[1]), np.arange(size[0])), axis=-1).reshape(-1, 2)
    np.testing.assert_allclose(place.camera.project(5.0 * local)[0], pixels, atol=0.01)
    off_axis = np.degrees(np.arccos(local[:, 2].clip(-1, 1))).reshape(size)
    (image,), _ = render([place])
    limit = np.degrees(place.field_of_view) / 2
    assert image.numpy()[off_axis > limit + 8].mean() < 20
    assert image.numpy()[off_axis < limit - 8].mean() > 40
    assert name != "tum_vi" or (limit - off_axis[off_axis > 90]).max() > 0


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("camera", ["random", "tum_vi"])
def test_points_project_onto_the_solid_that_their_pixel_shows(index: int, camera: str) -> None:
    """A ray of the camera through a hit of the lidar hits the same solid at the same point, or a solid in front."""
    place = place_of(index, camera=camera)
    scene = build_scene([place], CPU)
    rays, rectangles = by_lidar(scene, place)
    hits = first_hits(scene, rays, rectangles)
    firm = (hits.solid[0] != NO_SOLID) & (scene.solids.material[hits.solid[0].clamp(min=0)] != Material.LEAVES)
    chosen = firm & (hits.distance[0] < 50)
    points = (rays.origin[:, :, 0] + rays.directions[:, 0] * hits.distance[0])[:, chosen]
    local = (place.T_camera_lidar @ place.T_world_lidar.inverse()).apply(points.numpy().T)
    visible = torch.from_numpy(place.camera.project(local)[1])
    points, by_beam = points[:, visible], hits.solid[0, chosen][visible]
    eye = torch.tensor((place.T_world_lidar @ place.T_camera_lidar.inverse()).translation, dtype=torch.float32)[:, None]
    count = points.shape[1]
    again = Rays(eye[:, :, None], (points - eye)[:, None], torch.tensor([count]))
    by_pixel = first_hits(scene, again, everywhere(scene.solids, 1, count))
    share, same = by_pixel.distance[0], by_pixel.solid[0] == by_beam
    assert count > 30
    assert (same & ((share - 1.0).abs() < 0.02)).float().mean() > 0.85  # the others are hidden from the camera
    assert (share > 1.02).float().mean() < 0.02  # grazed edges, where one ray just misses


def test_the_result_does_not_depend_on_the_number_of_places() -> None:
    many = [place_of(i, points=2000, variety=1.0) for i in range(4)]
    images, clouds = render(many)
    for k in (3, 0):
        image, cloud = render([many[k]])
        assert torch.equal(image[0], images[k])
        assert torch.equal(cloud[0], clouds[k])


def test_places_in_one_batch_do_not_mix() -> None:
    """On a device with large batches, batches differ by rounding only."""
    many = [place_of(i, points=2000, variety=1.0) for i in range(3)]
    together = build_scene(many, CPU)
    for k, place in enumerate(many):
        alone = build_scene([place], CPU)
        mine = together.solids.place == k
        torch.testing.assert_close(together.solids.centre[:, mine], alone.solids.centre)
    T = _matrices([p.T_camera_lidar @ p.T_world_lidar.inverse() for p in many], CPU)
    cameras = [p.camera for p in many]
    rays = camera_rays(cameras, T)
    hits = first_hits(together, rays, camera_rectangles_of(together.solids, cameras, T, rays))
    for k, place in enumerate(many):
        alone = build_scene([place], CPU)
        one = first_hits(alone, *by_camera(alone, place))
        close = torch.isclose(one.distance[0], hits.distance[k], rtol=1e-3) | (one.distance[0] == hits.distance[k])
        assert close.float().mean() > 0.998


def test_a_place_of_a_batch_is_rendered_as_it_is_alone() -> None:
    many = [place_of(i, variety=1.0) for i in range(8)]
    images, clouds = _render_batch(many, CPU)
    for place, image, cloud in zip(many, images, clouds, strict=True):
        (one,), (points,) = _render_batch([place], CPU)
        assert ((image.int() - one.int()).abs() > 3).float().mean() < 2e-3  # rounding at edges
        assert abs(len(cloud) - len(points)) <= 3


def test_asphalt_is_equally_dark_on_both_sides_of_the_road() -> None:
    ratios = []
    for index in range(24):
        place = place_of(index)
        scene = build_scene([place], CPU)
        rays, rectangles = by_lidar(scene, place)
        hits = first_hits(scene, rays, rectangles)
        albedo = surface_at(scene, rays, hits).albedo.mean(0)[0]
        x, y, _ = (rays.origin[:, :, 0] + rays.directions[:, 0] * hits.distance[0]).nan_to_num(posinf=1e4)
        offset = to_street(scene.world, x[None], y[None])[1][0]
        road = (hits.solid[0] == NO_SOLID) & (hits.distance[0] < 20) & (offset.abs() < scene.world.road[0] - 0.5)
        left, right = (albedo[road & (offset * side > 0.3)] for side in (1, -1))
        ratios.append(float(left.median() / right.median()))
    assert np.median(ratios) == pytest.approx(1.0, abs=0.05)
    assert np.percentile(ratios, 10) > 0.7 and np.percentile(ratios, 90) < 1.4


def test_all_solids_of_a_car_are_kept_together() -> None:
    cabins = 0
    for index in range(60):
        scene = build_scene([place_of(index)], CPU)
        s = scene.solids
        body, cabin = (s.centre[:2, s.material == m] for m in (Material.CAR_BODY, Material.CAR_CABIN))
        near = cabin[:, torch.linalg.vector_norm(cabin, dim=0) < 60]
        cabins += near.shape[1]
        assert all(torch.linalg.vector_norm(body - c[:, None], dim=0).min() < 1.0 for c in near.T)
    assert cabins > 100


def returns(distance: float, glass: float = 0.0, albedo: float = 0.4, **faults: float) -> torch.Tensor:
    """Returns of a lidar in the centre of a sphere."""
    from dataclasses import replace

    from i2p_ros.synthetic.surfaces import Surface
    from i2p_ros.synthetic.terrain import Ground

    lidar = replace(Lidar.standard(32, 20000, np.random.default_rng(0)), points=10**6, lost=0.0, mixed=0.0, **faults)
    beams = Beams([lidar], torch.eye(4)[None, :3])
    full = torch.ones_like(beams.rays.directions[0])
    nothing = Ground(full, full, full, (full, full, full))
    hits = Hits(full * distance, torch.full(full.shape, NO_SOLID), nothing)
    surface = Surface(albedo * beams.rays.directions.abs() * 0 + albedo, -beams.rays.directions, full, glass * full)
    return beams.returns(hits, surface)[0]


def test_returns_have_the_noise_and_the_losses_of_their_sensor() -> None:
    clean = returns(20.0, noise=0.03)
    ranges = torch.linalg.vector_norm(clean[:, :3], dim=1)
    assert ranges.mean() == pytest.approx(20.0, abs=2e-3)
    assert ranges.std() == pytest.approx(0.03, rel=0.05)
    assert len(returns(20.0, glass=1.0)) == pytest.approx(0.3 * len(clean), rel=0.1)
    assert len(returns(70.0, albedo=0.03)) < 0.6 * len(clean)  # dark and far
    assert len(returns(90.0)) == len(returns(1.0)) == 0  # out of range
    near, far = (returns(d)[:, 3].mean() for d in (5.0, 60.0))
    assert far < 0.8 * near
    assert returns(5.0, gain=0.5)[:, 3].mean() < 0.6 * returns(5.0, gain=1.0)[:, 3].mean()


def test_mixed_returns_at_edges_change_ranges() -> None:
    place = place_of(2, points=30000)
    scene = build_scene([place], CPU)
    from dataclasses import replace

    def ranges(mixed: float) -> np.ndarray:
        lidar = replace(place.lidar, mixed=mixed, noise=0.0, nearest=0.01, farthest=1e4, points=10**6)
        beams = Beams([lidar], _matrices([place.T_world_lidar], CPU))
        rectangles = beams.rectangles(scene.solids, _matrices([place.T_world_lidar.inverse()], CPU))
        hits = first_hits(scene, beams.rays, rectangles)
        cloud = beams.returns(hits, surface_at(scene, beams.rays, hits))[0]
        return np.linalg.norm(cloud[:, :3].double().numpy(), axis=1)

    none, all_ = ranges(0.0), ranges(1.0)
    moved = np.abs(none - all_) > 0.01
    assert 0.005 < moved.mean() < 0.3


@pytest.mark.parametrize("quality", [30, 80])
def test_jpeg_agrees_with_opencv(quality: int) -> None:
    rng = np.random.default_rng(3)
    image = cv2.GaussianBlur(rng.integers(0, 255, (48, 64, 3)).astype(np.float32), (0, 0), 5.0)
    image = ((image - image.min()) / (image.max() - image.min()) * 255).round()
    for colours, worst in ((image[..., [0, 0, 0]], 0.5), (image, 1.5)):  # OpenCV spreads colours more smoothly
        code = cv2.imencode(".jpg", colours[..., ::-1].astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        expected = cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1].astype(float)
        planes = torch.tensor(colours).permute(2, 0, 1)[:, None]
        got = jpeg(planes, torch.full((1, 1, 1), float(quality)))[:, 0].permute(1, 2, 0).clamp(0, 255).numpy()
        error = np.sqrt(np.mean((colours - expected) ** 2))
        assert np.sqrt(np.mean((got - expected) ** 2)) < worst * error


def test_hashed_numbers_are_uniform_and_uncorrelated() -> None:
    bits = hashed(torch.arange(200, dtype=torch.int32)[:, None], torch.arange(200, dtype=torch.int32), 7)
    u = uniform(bits)
    assert u.min() >= 0 and u.max() < 1
    assert np.abs(np.histogram(u, 10, (0, 1))[0] / 40000 - 0.1).max() < 0.01
    for a, b in ((u[1:], u[:-1]), (u[:, 1:], u[:, :-1]), (u[1:, 1:], u[:-1, :-1])):
        assert abs(np.corrcoef(a.flatten(), b.flatten())[0, 1]) < 0.03
    z = normal(bits)
    assert z.mean() == pytest.approx(0.0, abs=0.02) and z.std() == pytest.approx(1.0, abs=0.02)


def test_streets_of_all_kinds_have_everything_that_belongs_to_a_street() -> None:
    materials, shares = set(), []
    for index in range(16):
        place = place_of(index, variety=1.0)
        scene = build_scene([place], CPU)
        materials |= {Material(int(m)) for m in scene.solids.material.unique()}
        hits = first_hits(scene, *by_camera(scene, place))
        sky, solid = torch.isinf(hits.distance), hits.solid != NO_SOLID
        shares.append([sky.float().mean(), solid.float().mean(), (~sky & ~solid).float().mean()])
    assert materials == set(Material) - ROOM_PAINTERS.keys()
    sky, solid, ground = np.mean(shares, axis=0)
    assert 0.05 < sky < 0.5 and 0.2 < solid < 0.8 and 0.15 < ground < 0.6
    assert len(KINDS) >= 6


def test_nothing_but_what_hangs_high_is_near_the_vehicle() -> None:
    for index in range(6):
        place = place_of(index)
        scene = build_scene([place], CPU)
        s = scene.solids
        dx, dy, dz = torch.tensor(place.T_world_lidar.translation, dtype=torch.float32)[:, None] - s.centre
        x, y = s.cos * dx + s.sin * dy, s.cos * dy - s.sin * dx
        outside = torch.hypot((x.abs() - s.half[0]).clamp(min=0), (y.abs() - s.half[1]).clamp(min=0))
        assert outside[s.half[2] + dz > 0].min() > place.clearance - 0.01
