# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The street world: the same for the same seed, exact in its truth, like a street in what the sensors see."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from i2p_ros.core.config import SyntheticSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.types import Sample
from i2p_ros.sources.synthetic import SyntheticSource
from i2p_ros.sources.synthetic.casting import GROUND, SKY, Rays, camera_windows, cast, lidar_windows
from i2p_ros.sources.synthetic.sensors import camera_rays, cast_camera, cast_lidar, lidar_angles, lidar_rays
from i2p_ros.sources.synthetic.shading import PALETTE, Scene
from i2p_ros.sources.synthetic.solids import ROUND, Material, Solids
from i2p_ros.sources.synthetic.source import CLEARANCE, DRIVE, PLACES, VIEW, scene_at
from i2p_ros.sources.synthetic.street import World

SMALL = {"width": 160, "height": 64, "points": 6000}
SEED = 5


def places(n: int = 12, **settings: object) -> SyntheticSource:
    return SyntheticSource(SyntheticSettings(**{**SMALL, **settings}), SEED, n)


def drive(n: int = 60, **settings: object) -> SyntheticSource:
    return places(n, drive=True, **settings)


def scene_of(index: int) -> tuple[Scene, Sample]:
    """The world of a place, made again, and the sample taken there."""
    sample = places()[index]
    return scene_at(World((SEED, PLACES, index), busy=True), sample.T_world_lidar, CLEARANCE), sample


def everywhere(solids: Solids, rays: Rays) -> np.ndarray:
    """Windows that leave no ray out."""
    rows, columns = rays.directions.shape[1:]
    return np.array([[k, 0, rows, 0, columns] for k in range(len(solids))])


def bytes_of(sample: Sample) -> bytes:
    pair = sample.pair
    poses = (sample.T_camera_lidar.matrix, sample.T_world_lidar.matrix, pair.camera.matrix)
    arrays = (pair.image, pair.cloud.xyz, pair.cloud.intensity, *poses)
    return b"".join(a.tobytes() for a in arrays)


@pytest.mark.parametrize("make", [places, drive])
def test_same_seed_same_bytes_in_any_order(make) -> None:
    first = [bytes_of(s) for s in map(make().__getitem__, range(3))]
    again = [bytes_of(s) for s in map(make().__getitem__, (2, 1, 0))][::-1]
    assert first == again
    assert len(set(first)) == 3


def test_another_seed_is_another_world() -> None:
    other = SyntheticSource(SyntheticSettings(**SMALL), SEED + 1, 1)
    assert bytes_of(other[0]) != bytes_of(places()[0])


def test_samples_do_not_depend_on_how_many_there_are() -> None:
    assert bytes_of(drive(3)[2]) == bytes_of(drive(500)[2])


@pytest.mark.parametrize("index", range(4))
def test_points_project_onto_the_surface_that_their_pixel_sees(index: int) -> None:
    scene, sample = scene_of(index)
    T_world_lidar, T_camera_lidar = sample.T_world_lidar, sample.T_camera_lidar
    camera, T_world_camera = sample.pair.camera, T_world_lidar @ T_camera_lidar.inverse()
    rays, hits = cast_lidar(scene, *lidar_angles(64, 6000, 0.0), T_world_lidar)
    near = hits.distance < 60
    exact = T_world_lidar.inverse().apply((rays.origin[:, None, None] + rays.directions * hits.distance)[:, near].T)
    seen = T_camera_lidar.apply(exact)
    pixels, inside = camera.project(seen)
    xy = camera.unproject(pixels[inside])
    towards = np.column_stack([xy, np.ones(len(xy))])
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    along = (towards @ T_world_camera.rotation.T).T.astype(np.float32)[:, None]
    pixel_rays = Rays(T_world_camera.translation, np.ascontiguousarray(along))
    by_camera = cast(pixel_rays, scene.solids, everywhere(scene.solids, pixel_rays)).distance.ravel()
    by_lidar = np.linalg.norm(seen[inside], axis=1)
    difference = by_camera - by_lidar
    assert inside.sum() > 300
    assert np.mean(np.abs(difference) < 0.005) > 0.9  # the others are hidden from the camera
    assert np.mean(difference > 0.02) < 0.002  # grazed edges, where one ray just misses


def test_clouds_are_the_exact_points_with_noise_along_the_ray() -> None:
    scene, sample = scene_of(0)
    xyz = sample.pair.cloud.xyz.astype(np.float64)
    distance = np.linalg.norm(xyz, axis=1)
    along = sample.T_world_lidar.rotation @ (xyz / distance[:, None]).T
    rays = Rays(sample.T_world_lidar.translation, np.ascontiguousarray(along.astype(np.float32)[:, None]))
    true = cast(rays, scene.solids, everywhere(scene.solids, rays)).distance.ravel()
    error = (distance - true)[np.abs(distance - true) < 0.2]
    assert len(error) > 0.995 * len(true)
    assert abs(error.mean()) < 0.002
    assert error.std() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("index", range(6))
def test_windows_leave_out_nothing_that_is_hit(index: int) -> None:
    scene, sample = scene_of(index)
    T_world_lidar = sample.T_world_lidar
    T_world_camera = T_world_lidar @ sample.T_camera_lidar.inverse()
    angles = lidar_angles(32, 6000, 0.003)
    for rays, windows in (
        (
            camera_rays(sample.pair.camera, T_world_camera),
            camera_windows(scene.solids, T_world_camera.inverse(), sample.pair.camera),
        ),
        (lidar_rays(*angles, T_world_lidar), lidar_windows(scene.solids, T_world_lidar, *angles)),
    ):
        fast, slow = (cast(rays, scene.solids, w) for w in (windows, everywhere(scene.solids, rays)))
        assert np.array_equal(fast.solid, slow.solid)
        np.testing.assert_allclose(fast.distance, slow.distance, rtol=1e-5)
        area = ((windows[:, 2] - windows[:, 1]) * (windows[:, 4] - windows[:, 3])).sum()
        assert area < 0.2 * fast.solid.size * len(scene.solids)


def test_hits_lie_on_the_surface_of_their_solid() -> None:
    scene, sample = scene_of(1)
    rays, hits = cast_lidar(scene, *lidar_angles(64, 20000, 0.0), sample.T_world_lidar)
    world = (rays.origin[:, None, None] + rays.directions * hits.distance).reshape(3, -1).T
    solid = hits.solid.ravel()
    assert np.abs(world[solid == GROUND, 2]).max() < 1e-3
    seen = set()
    for k in np.unique(solid[solid >= 0]):
        turn = Rotation.from_euler("z", scene.solids.yaw[k]).inv()
        unit = turn.apply(world[solid == k] - scene.solids.centre[k]) / scene.solids.half[k]
        material = Material(scene.solids.material[k])
        reach = np.linalg.norm(unit, axis=1) if material in ROUND else np.abs(unit).max(axis=1)
        np.testing.assert_allclose(reach, 1.0, atol=0.02)
        seen.add(material)
    assert {Material.FACADE, Material.CAR_BODY, Material.CAR_CABIN} <= seen


def test_streets_have_everything_that_belongs_to_a_street() -> None:
    materials, kinds = set(), set()
    for index in range(8):
        world = World((SEED, PLACES, index), busy=True)
        solids, _, blocks = world.around(100.0)
        materials |= {Material(m) for m in solids.material}
        kinds |= {b.side_left or b.side_right for b in blocks}
        crowns = (solids.material == Material.FOLIAGE).sum()
        assert crowns >= 2 * (solids.material == Material.WOOD).sum() > 0  # no crown of one piece
    assert materials == set(Material)
    assert kinds == {True, False}
    assert len(PALETTE) == 6


def test_the_view_is_street_and_sky() -> None:
    """Most places look along the street: ground below, houses at the sides, some sky."""
    shares = []
    for index in range(6):
        scene, sample = scene_of(index)
        T_world_camera = sample.T_world_lidar @ sample.T_camera_lidar.inverse()
        solid = cast_camera(scene, sample.pair.camera, T_world_camera)[1].solid
        shares.append([(solid == GROUND).mean(), (solid >= 0).mean(), (solid == SKY).mean()])
    ground, solids, sky = np.mean(shares, axis=0)
    assert 0.15 < ground < 0.6
    assert 0.25 < solids < 0.8
    assert 0.02 < sky < 0.5


def test_nothing_stands_on_the_vehicle_and_nothing_far_is_cast() -> None:
    for index in range(12):
        scene, sample = scene_of(index)
        place = sample.T_world_lidar.translation
        outside = np.abs(scene.solids.to_local(place)) - scene.solids.half
        assert (outside > CLEARANCE / 2).any(axis=1).all()
        distance = np.linalg.norm(scene.solids.centre - place, axis=1) - np.linalg.norm(scene.solids.half, axis=1)
        assert distance.max() < VIEW


def test_clouds_are_those_of_a_spinning_lidar() -> None:
    cloud = places(points=40000)[2].pair.cloud
    distance = np.linalg.norm(cloud.xyz, axis=1)
    elevation = np.degrees(np.arcsin(cloud.xyz[:, 2] / distance))
    azimuth = np.degrees(np.arctan2(cloud.xyz[:, 1], cloud.xyz[:, 0]))
    assert 30000 < len(cloud) <= 40000
    assert distance.min() > 1.4 and distance.max() < 80.2
    assert len(np.unique(elevation.round(1))) <= 64
    assert -24.9 < elevation.min() < -20 and 1 < elevation.max() < 2.1
    assert (np.histogram(azimuth, 36, (-180, 180))[0] > 400).all()
    assert np.percentile(cloud.xyz[:, 2], 5) == pytest.approx(-1.73, abs=0.3)


def test_intensity_follows_what_the_image_shows() -> None:
    correlations = []
    for index in range(8):
        sample = places(points=20000, width=256, height=80)[index]
        cloud = sample.pair.cloud
        assert cloud.intensity.min() >= 0 and cloud.intensity.max() <= 1
        pixels, inside = sample.pair.camera.project(sample.T_camera_lidar.apply(cloud.xyz))
        column, row = pixels[inside].round().astype(int).T
        grey = sample.pair.image.mean(axis=2)[row, column]
        correlations.append(np.corrcoef(grey, cloud.intensity[inside])[0, 1])
    assert np.median(correlations) > 0.3


def test_rigs_are_like_kitti_and_differ() -> None:
    source = places()
    samples = [source[i] for i in range(12)]
    cameras = [s.pair.camera for s in samples]
    assert len({c.fx for c in cameras}) == 12
    for sample, camera in zip(samples, cameras, strict=True):
        assert 0.55 * 160 < camera.fx < 0.61 * 160
        assert abs(camera.cx - 79.5) < 6 and abs(camera.cy - 31.5) < 3
        place = sample.T_camera_lidar.inverse().translation  # of the camera, in the lidar frame
        np.testing.assert_allclose(place, [0.27, 0.0, -0.08], atol=0.041)
        forward = sample.T_camera_lidar.inverse().rotation[:, 2]
        assert forward[0] > np.cos(np.radians(1.8))
        assert sample.T_world_lidar.translation[2] == pytest.approx(1.73, abs=0.1)


def test_headings_differ_from_place_to_place() -> None:
    source = places(40, points=100, width=16, height=16)
    yaw = [Rotation.from_matrix(source[i].T_world_lidar.rotation).as_euler("ZYX")[0] for i in range(40)]
    assert 4 < np.sum(np.abs(yaw) > 0.7) < 25


def test_a_drive_moves_like_a_car() -> None:
    source = drive()
    samples = [source[i] for i in range(0, 60, 10)]
    places_ = np.array([s.T_world_lidar.translation for s in samples])
    speed = np.linalg.norm(np.diff(places_, axis=0), axis=1)  # 10 frames are one second
    assert (np.abs(speed - 8.0) < 1.0).all()
    rigs = {(s.pair.camera, s.T_camera_lidar.matrix.tobytes()) for s in samples}
    assert len(rigs) == 1
    travelled = places_[1:] - places_[:-1]
    ahead = np.array([s.T_world_lidar.rotation[:, 0] for s in samples[:-1]])
    assert ((travelled * ahead).sum(axis=1) / speed > 0.98).all()


def test_nothing_of_a_drive_vanishes_when_the_vehicle_passes() -> None:
    source, world = drive(), World((SEED, DRIVE), busy=False)
    for index in range(0, 60, 3):
        T_world_lidar = source._drive.T_world_lidar(index)
        place = T_world_lidar.translation
        seen = scene_at(world, T_world_lidar, 0.0).solids
        there = world.around(float(place[0]))[0]
        near, all_near = (np.linalg.norm(s.centre - place, axis=1) < 20 for s in (seen, there))
        assert near.sum() == all_near.sum()


def test_frames_of_a_drive_show_the_same_world() -> None:
    """Houses of two frames, laid over each other by the poses, agree; without the motion they do not."""
    source = drive(points=40000)
    first, second = source[20], source[24]
    world = first.T_world_lidar.apply(first.pair.cloud.xyz)
    tree = cKDTree(world)

    def agreement(points: np.ndarray, own: np.ndarray) -> float:
        chosen = (own[:, 2] > -1.2) & (np.linalg.norm(own, axis=1) < 25)
        return float(np.mean(tree.query(points[chosen])[0] < 0.2))

    own = second.pair.cloud.xyz
    right, wrong = (agreement(pose.T_world_lidar.apply(own), own) for pose in (second, first))
    assert right > 0.85
    assert right > wrong + 0.1


def test_stamps_and_names() -> None:
    scattered, moving = places(), drive(rate_hz=4.0)
    assert [scattered[i].pair.stamp for i in range(3)] == [1_000_000_000, 2_000_000_000, 3_000_000_000]
    assert [moving[i].pair.stamp for i in range(3)] == [1_000_000_000, 1_250_000_000, 1_500_000_000]
    assert all(isinstance(s[1].pair.stamp, int) for s in (scattered, moving))
    assert "drive" in moving.name and str(SEED) in moving.name
    assert "places" in scattered.name
    assert len(scattered) == 12


@pytest.mark.parametrize(
    ("settings", "size"),
    [({"width": 96, "height": 40}, (40, 96, 3)), ({"width": 16, "height": 16, "points": 100, "beams": 1}, (16, 16, 3))],
)
def test_settings_are_respected(settings: dict, size: tuple[int, int, int]) -> None:
    sample = places(**settings)[0]
    assert sample.pair.image.shape == size
    assert len(sample.pair.cloud) <= SyntheticSettings(**{**SMALL, **settings}).points


def test_a_lidar_with_fewer_beams() -> None:
    xyz = places(beams=8)[0].pair.cloud.xyz.astype(np.float64)
    elevation = np.degrees(np.arctan2(xyz[:, 2], np.hypot(xyz[:, 0], xyz[:, 1])))
    np.testing.assert_allclose(np.unique(elevation.round(2)), np.linspace(-24.8, 2, 8), atol=0.02)


def test_refuses_what_makes_no_sense() -> None:
    for seed, n in ((-1, 3), (0, 0)):
        with pytest.raises(InputError, match="seed"):
            SyntheticSource(SyntheticSettings(), seed, n)
    for index in (-1, 12):
        with pytest.raises(IndexError):
            places()[index]
