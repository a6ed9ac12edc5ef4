# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Synthetic samples: the same for the same seed, with exact truth, and like those of real streets and sensors."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from i2p_ros.core.config import SyntheticSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.types import Sample
from i2p_ros.synthetic import SyntheticSource

SMALL = {"width": 160, "height": 64, "points": 6000}
SEED = 5


def places(n: int = 12, **settings: object) -> SyntheticSource:
    return SyntheticSource(SyntheticSettings(**{**SMALL, **settings}), SEED, n)


def drive(n: int = 60, **settings: object) -> SyntheticSource:
    return places(n, drive=True, **settings)


def various(n: int = 24, **settings: object) -> SyntheticSource:
    return places(n, variety=1.0, **settings)


def bytes_of(sample: Sample) -> bytes:
    pair = sample.pair
    poses = (sample.T_camera_lidar.matrix, sample.T_world_lidar.matrix, pair.camera.matrix)
    arrays = (pair.image, pair.cloud.xyz, pair.cloud.intensity, *poses)
    return b"".join(a.tobytes() for a in arrays)


@pytest.mark.parametrize("make", [places, drive, various])
def test_same_seed_same_bytes_in_any_order_and_batch(make) -> None:
    first = [bytes_of(s) for s in map(make().__getitem__, range(3))]
    again = [bytes_of(s) for s in map(make().__getitem__, (2, 1, 0))][::-1]
    together = [bytes_of(s) for s in make().samples([1, 2, 0])]
    assert first == again
    assert [together[2], together[0], together[1]] == first
    assert len(set(first)) == 3


def test_another_seed_gives_another_world() -> None:
    other = SyntheticSource(SyntheticSettings(**SMALL), SEED + 1, 1)
    assert bytes_of(other[0]) != bytes_of(places()[0])


def test_samples_do_not_depend_on_their_number() -> None:
    assert bytes_of(drive(3)[2]) == bytes_of(drive(500)[2])


def test_clouds_have_the_pattern_of_a_spinning_lidar() -> None:
    source = places(points=40000)
    for index in range(4):
        cloud = source[index].pair.cloud
        distance = np.linalg.norm(cloud.xyz, axis=1)
        elevation = np.degrees(np.arcsin(cloud.xyz[:, 2] / distance))
        assert 15000 < len(cloud) <= 40000
        assert distance.min() > 1.4 and distance.max() < 80.2
        assert len(np.unique(elevation.round(1))) <= 70
        assert -24.9 < elevation.min() < -20 and elevation.max() < 2.1
        assert np.percentile(cloud.xyz[:, 2], 3) == pytest.approx(-1.73, abs=0.8)


def test_intensity_is_correlated_with_the_image() -> None:
    correlations = []
    for index in range(10):
        sample = places(points=20000, width=256, height=80)[index]
        cloud = sample.pair.cloud
        assert cloud.intensity.min() >= 0 and cloud.intensity.max() <= 1
        pixels, inside = sample.pair.camera.project(sample.T_camera_lidar.apply(cloud.xyz))
        column, row = pixels[inside].round().astype(int).T
        grey = sample.pair.image.mean(axis=2)[row, column]
        correlations.append(np.corrcoef(grey, cloud.intensity[inside])[0, 1])
    assert np.median(correlations) > 0.1


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
        assert sample.T_camera_lidar.inverse().rotation[0, 2] > np.cos(np.radians(1.8))


def test_variety_draws_cameras_and_lidars() -> None:
    source = various(40)
    rigs = [source.place(i) for i in range(40)]
    focal = np.array([p.camera.fx / 160 for p in rigs])
    assert focal.min() < 0.5 and focal.max() > 1.0
    assert len({len(p.lidar.elevations) for p in rigs}) >= 6
    widths = np.array([p.lidar.columns * p.lidar.step for p in rigs])
    assert 2 <= (widths < 6.2).sum() <= 20  # of limited view
    assert len({p.lidar.points for p in rigs}) == 40
    for place in rigs:
        up = place.T_camera_lidar.inverse().rotation[:, 1]  # the camera's down, in the lidar frame
        assert up[2] < -np.cos(np.radians(10))


def test_clouds_of_varied_lidars_have_their_patterns() -> None:
    source = various(10)
    for index in range(10):
        lidar, sample = source.place(index).lidar, source[index]
        xyz = sample.pair.cloud.xyz.astype(np.float64)
        distance = np.linalg.norm(xyz, axis=1)
        elevation, azimuth = np.arcsin(xyz[:, 2] / distance), np.arctan2(xyz[:, 1], xyz[:, 0])
        spread = lidar.jitter * np.abs(np.diff(lidar.elevations)).max()
        assert len(xyz) <= lidar.points
        assert distance.min() > lidar.nearest - 0.3 and distance.max() < lidar.farthest + 0.3
        nearest = np.abs(elevation[:, None] - lidar.elevations).min(axis=1)
        assert nearest.max() < 0.5 * spread + 1e-4
        assert (azimuth > lidar.first - lidar.step).all()
        assert (azimuth < lidar.first + lidar.step * (lidar.columns + 1)).all()


def test_headings_differ_from_place_to_place() -> None:
    source = places(60)
    yaw = [Rotation.from_matrix(source.place(i).T_world_lidar.rotation).as_euler("ZYX")[0] for i in range(60)]
    assert 6 < np.sum(np.abs(yaw) > 0.7) < 35


def test_a_drive_moves_like_a_car() -> None:
    source = drive()
    samples = [source[i] for i in range(0, 60, 10)]
    places_ = np.array([s.T_world_lidar.translation for s in samples])
    speed = np.linalg.norm(np.diff(places_, axis=0), axis=1)  # 10 frames are one second
    assert (np.abs(speed - 8.0) < 1.0).all()
    rigs = {(s.pair.camera, s.T_camera_lidar.matrix.tobytes()) for s in samples}
    assert len(rigs) == 1
    ahead = np.array([s.T_world_lidar.rotation[:, 0] for s in samples[:-1]])
    assert (((places_[1:] - places_[:-1]) * ahead).sum(axis=1) / speed > 0.98).all()


@pytest.mark.parametrize("first", [10, 30, 50])
def test_frames_of_a_drive_show_the_same_world(first: int) -> None:
    """Surfaces of two frames agree in the world frame by their true poses. Without the motion they do not."""
    source = drive(points=40000)
    one, other = source[first], source[first + 4]
    tree = cKDTree(one.T_world_lidar.apply(one.pair.cloud.xyz))
    own = other.pair.cloud.xyz
    chosen = (own[:, 2] > -1.2) & (np.linalg.norm(own, axis=1) < 25)
    right, wrong = (np.mean(tree.query(s.T_world_lidar.apply(own[chosen]))[0] < 0.25) for s in (other, one))
    assert chosen.sum() > 200
    assert right > 0.75
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
    beams = np.linspace(-24.8, 2, 8)
    assert np.abs(elevation[:, None] - beams).min(axis=1).max() < 0.02


def test_negative_seeds_and_bad_indices_are_refused() -> None:
    for seed, n in ((-1, 3), (0, 0)):
        with pytest.raises(InputError, match="seed"):
            SyntheticSource(SyntheticSettings(), seed, n)
    for index in (-1, 12):
        with pytest.raises(IndexError):
            places()[index]
