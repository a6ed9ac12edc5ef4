# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of PointCloud2, rows 1 to 16 of docs/faults.md: refused by name, or read as they are meant."""

import re
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.messages import GOOD_CLOUD, LINE, STAMP, XYZ, changed, cloud, header, refused, with_field, xyz

from i2p_ros.core.deskew import Trajectory, deskewed
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.messages import cloud_from_message, frame_of


def refuses(reason, **fields):
    refused(reason, cloud_from_message, changed(GOOD_CLOUD, **fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"point_step": 0},
        {"point_step": 15},
        with_field(3, datatype=8),
        with_field(3, count=2),
        with_field(2, offset=13),
        with_field(0, offset=-4),
    ],
)
def test_row_01_a_point_smaller_than_its_fields(fields):
    refuses("cloud.layout", **fields)


@pytest.mark.parametrize("row_step", [0, 799, 801])
def test_row_02_a_row_step_that_does_not_fit(row_step):
    refuses("cloud.layout", row_step=row_step)


@pytest.mark.parametrize("layout", [{"row_padding": 13}, {"height": 5, "row_padding": 13, "point_step": 40}])
def test_row_02_padding_after_a_row_is_no_point(layout):
    np.testing.assert_array_equal(cloud_from_message(cloud(xyz(), **layout)).xyz, XYZ)


def test_row_03_less_data_than_promised():
    refuses("cloud.layout", data=GOOD_CLOUD.data[:-1])
    refuses("cloud.layout", data=b"")
    assert len(cloud_from_message(changed(GOOD_CLOUD, data=GOOD_CLOUD.data + b"tail"))) == 50


@pytest.mark.parametrize(
    "fields",
    [
        {"width": 10**6, "row_step": 16 * 10**6},
        {"width": 10**6},
        {"width": 51},
        {"width": -1},
        {"height": 2**32 - 1},
        {"height": 2**32 - 1, "width": 2**32 - 1, "row_step": 2**32 - 1},
    ],
)
def test_row_04_a_width_that_the_data_does_not_hold(fields):
    refuses("cloud.layout", **fields)


@pytest.mark.parametrize("kind", ["f4", "f8", "i2", "i4"])
def test_row_05_big_endian_data_is_swapped(kind):
    swapped = cloud({**xyz(kind), "intensity": np.linspace(0, 1, 50).astype("f4")}, bigendian=True)
    decoded = cloud_from_message(swapped)
    np.testing.assert_array_equal(decoded.xyz, XYZ.astype(kind).astype(np.float32))
    assert decoded.intensity[-1] == 1.0


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_row_06_a_missing_axis_is_named(missing):
    with pytest.raises(InputError, match=f"no field {'xyz'[missing]}$") as caught:
        cloud_from_message(changed(GOOD_CLOUD, **with_field(missing, name="other")))
    assert caught.value.reason == "cloud.field_missing"
    refuses("cloud.field_missing", fields=[])


@pytest.mark.parametrize("kind", ["f8", "i2", "i1", "i4"])
def test_row_07_other_types_are_converted(kind):
    np.testing.assert_array_equal(cloud_from_message(cloud(xyz(kind))).xyz, XYZ.astype(kind).astype(np.float32))


def test_row_07_unknown_types_are_refused_and_of_an_array_the_first_counts():
    refuses("cloud.field_type", **with_field(0, datatype=9))
    refuses("cloud.field_type", **with_field(3, datatype=0))
    for count in (0, 4):  # 0 is written for 1
        message = changed(GOOD_CLOUD, **with_field(0, count=count))
        np.testing.assert_array_equal(cloud_from_message(message).xyz, XYZ)


@pytest.mark.parametrize("change", [{"name": "x"}, {"offset": 2**32 - 1}, {"count": 2**32}])
def test_row_08_a_name_twice_or_an_offset_beyond_all(change):
    refuses("cloud.layout", **with_field(1, **change))


@pytest.mark.parametrize("name", ["intensity", "i", "reflectivity", "signal"])
def test_row_09_intensity_under_other_names(name):
    message = cloud({**xyz(), name: np.linspace(0, 255, 50).astype("u1")})
    assert cloud_from_message(message).intensity.max() == 1.0
    assert cloud_from_message(message, intensity_field="gain").intensity is None  # what is asked for, or nothing


def test_row_09_without_intensity_there_is_none_made_up():
    assert cloud_from_message(cloud(xyz())).intensity is None


def test_row_10_points_that_are_not_finite_are_left_out():
    points = XYZ.astype("f8")
    for row, value in enumerate((np.nan, np.inf, -np.inf)):
        points[row, row] = value
    np.testing.assert_array_equal(cloud_from_message(cloud(xyz("f8", points))).xyz, XYZ[3:])
    refuses("cloud.empty", **vars(cloud(xyz(points=np.full((50, 3), np.nan)))))


@pytest.mark.parametrize("fields", [{"width": 0, "row_step": 0, "data": b""}, {"height": 0, "data": b""}])
def test_row_11_an_empty_cloud(fields):
    refuses("cloud.empty", **fields)


@pytest.mark.parametrize("points", [XYZ[:1], XYZ[:3], XYZ[[3] * 50], LINE], ids=["one", "three", "equal", "a line"])
def test_row_12_points_that_fix_no_geometry(points):
    refuses("cloud.too_few_unique", **vars(cloud(xyz(points=points))))


def test_row_12_a_few_of_many_that_leave_the_line_are_enough():
    bent = LINE.copy()
    bent[1::1000] += [0, 0, 3]
    assert len(cloud_from_message(cloud(xyz(points=bent)))) == 3000


def test_row_13_a_large_cloud_is_thinned_at_random_and_always_alike():
    rng = np.random.default_rng(3)
    points = rng.uniform(-50, 50, (2_000_000, 3)).astype(np.float32)
    message = cloud({**xyz("f4", points), "intensity": np.linspace(0, 1, len(points))})
    decoded, again = cloud_from_message(message), cloud_from_message(message)
    np.testing.assert_array_equal(decoded.xyz, again.xyz)
    np.testing.assert_array_equal(decoded.intensity, again.intensity)
    assert len(decoded) == 1_000_000 == len(np.unique(decoded.intensity))
    assert np.histogram(decoded.intensity, 5, (0, 1))[0] == pytest.approx([200_000] * 5, rel=0.01)  # not the first ones


@pytest.mark.parametrize("far", [1e30, 1e300, 1e9, -1e9])
def test_row_14_coordinates_beyond_all(far):
    points = XYZ.astype("f8")
    points[7, 1] = far
    np.testing.assert_array_equal(cloud_from_message(cloud(xyz("f8", points))).xyz, np.delete(XYZ, 7, axis=0))
    refuses("cloud.empty", **vars(cloud(xyz("f8", np.full((50, 3), far)))))


def test_row_14_utm_coordinates_are_refused_with_the_reason_of_it():
    with pytest.raises(InputError, match="map coordinates such as UTM") as caught:
        cloud_from_message(cloud(xyz("f8", XYZ + np.array([459_000.25, 5_431_000.5, 115.0]))))
    assert caught.value.reason == "cloud.empty"


@pytest.mark.parametrize("frame", ["", "/"])
def test_row_15_a_message_without_a_frame(frame):
    refused("frame.empty", frame_of, SimpleNamespace(header=header(frame=frame)))
    assert frame_of(SimpleNamespace(header=header(frame="/lidar"))) == "lidar"


SWEEP = np.linspace(0, 0.1, 50)
MOTION = Trajectory([-0.2, 0.2], [Pose.identity(), Pose.from_rotvec([0, 0, 0.1], [1, 0, 0])])
TIMES = {
    "Velodyne: float seconds, relative, to the end": ("time", (SWEEP - 0.1).astype("f4"), SWEEP - 0.1),
    "Ouster: uint32 ns, relative": ("t", (SWEEP * 1e9).astype("u4"), SWEEP),
    "Autoware: uint32 ns, relative": ("time_stamp", (SWEEP * 1e9).astype("u4"), SWEEP),
    "Livox: uint32 ns, relative": ("offset_time", (SWEEP * 1e9).astype("u4"), SWEEP),
    "Hesai: double seconds, absolute": ("timestamp", STAMP / 1e9 + SWEEP, SWEEP),
    "Livox driver 2: double ns, absolute": ("timestamp", STAMP + SWEEP * 1e9, SWEEP),
    "double ns, relative": ("timestamp", SWEEP * 1e9, SWEEP),
    "float us, relative": ("time", (SWEEP * 1e6).astype("f4"), SWEEP),
    "float ms, relative": ("time", (SWEEP * 1e3).astype("f4"), SWEEP),
    "float ms, relative, to the end": ("time", ((SWEEP - 0.1) * 1e3).astype("f4"), SWEEP - 0.1),
    "uint32 us, relative": ("t", (SWEEP * 1e6).astype("u4"), SWEEP),
    "uint16 ms, relative": ("point_time", (SWEEP * 1e3).round().astype("u2"), (SWEEP * 1e3).round() / 1e3),
    "int32 ns, relative": ("time_offset_ns", ((SWEEP - 0.1) * 1e9).astype("i4"), SWEEP - 0.1),
    "double us, absolute": ("timestamp", STAMP / 1e3 + SWEEP * 1e6, SWEEP),
    "double ms, absolute": ("timestamp", STAMP / 1e6 + SWEEP * 1e3, SWEEP),
    "uint64 us, absolute": ("timestamp", (STAMP // 1000 + (SWEEP * 1e6).astype("i8")).astype("u8"), SWEEP),
    "uint64 ns, absolute": ("timestamp", (STAMP + (SWEEP * 1e9).astype("i8") - 50_000_000).astype("u8"), SWEEP - 0.05),
}


@pytest.mark.parametrize("bigendian", [False, True])
@pytest.mark.parametrize("case", TIMES)
def test_row_16_per_point_time_relative_or_absolute(case, bigendian):
    if bigendian and "uint64" in case:
        pytest.skip("two uint32 in big-endian order are no uint64")
    name, values, expected = TIMES[case]
    decoded = cloud_from_message(cloud({**xyz(), name: values}, bigendian=bigendian))
    np.testing.assert_allclose(decoded.time, expected, atol=2e-6 if re.search("uint.* us", case) else 3e-7)
    assert deskewed(decoded, MOTION)[1] == ""


@pytest.mark.parametrize("per_second", [1, 1e3, 1e6, 1e9])
@pytest.mark.parametrize("missing_at", [np.nan, 0.0, 1e30], ids=["NaN", "the origin", "far"])
def test_row_16_absolute_times_are_0_at_missing_points(per_second, missing_at):
    """RoboSense and Hesai write 0 for a pulse without an echo. These points take no part in the choice of the unit."""
    missing = np.arange(50) % 3 == 0
    points = np.where(missing[:, None], missing_at, XYZ)
    times = np.where(missing, 0.0, (STAMP / 1e9 + SWEEP) * per_second)
    decoded = cloud_from_message(cloud({**xyz(points=points), "timestamp": times}))
    still, why = deskewed(decoded, MOTION)
    assert why == "" and len(still) == (~missing).sum()
    expected = [MOTION.points_at(0.0, XYZ[[k]], SWEEP[[k]].astype("f4"))[0] for k in np.flatnonzero(~missing)]
    np.testing.assert_allclose(still.xyz, expected, atol=1e-4)


def test_row_16_times_of_missing_points_do_not_count():
    garbage = np.where(np.arange(50) % 3 == 0, 4_000_000_000, SWEEP * 1e9).astype("u4")
    points = np.where((np.arange(50) % 3 == 0)[:, None], np.nan, XYZ)
    decoded = cloud_from_message(cloud({**xyz(points=points), "t": garbage}))
    np.testing.assert_allclose(decoded.time, np.delete(SWEEP, np.s_[::3]), atol=3e-7)


@pytest.mark.parametrize("stamp", [0.3, 2.1, 5.0, 100.0])
@pytest.mark.parametrize("per_second", [1, 1e3, 1e6, 1e9])
@pytest.mark.parametrize("absolute", [False, True])
def test_row_16_simulated_time_begins_at_zero(stamp, per_second, absolute):
    message = cloud({**xyz(), "timestamp": (SWEEP + absolute * stamp) * per_second})
    message.header = header(round(stamp * 1e9))
    np.testing.assert_allclose(cloud_from_message(message).time, SWEEP, atol=3e-7)


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({}, "deskew.no_times"),
        ({"t": np.zeros(50, "u4")}, "deskew.equal_times"),
        ({"timestamp": np.full(50, STAMP / 1e9)}, "deskew.equal_times"),
        ({"time": np.full(50, np.nan, "f4")}, "deskew.absurd_times"),
        ({"time": np.where(SWEEP > 0.05, np.inf, SWEEP).astype("f4")}, "deskew.absurd_times"),
        ({"timestamp": 86_400.0 + SWEEP}, "deskew.absurd_times"),  # since the sensor was switched on
        ({"t": np.linspace(0, 4e9, 50).astype("u4")}, "deskew.absurd_times"),
        ({"timestamp": STAMP / 1e9 + 37 + SWEEP}, "deskew.absurd_times"),  # TAI
        ({"timestamp": np.where(SWEEP > 0.04, 0, STAMP / 1e9 + SWEEP)}, "deskew.absurd_times"),  # most are missing
        ({"timestamp": np.tile([-1e308, 1e308], 25)}, "deskew.absurd_times"),
        ({"t": (SWEEP * 5e9).astype("u4")}, "deskew.no_motion"),  # longer than the motion is known
    ],
)
def test_row_16_times_that_say_nothing_leave_the_cloud_as_it_is(columns, why):
    decoded = cloud_from_message(cloud({**xyz(), **columns}))
    with np.errstate(all="raise"):
        as_it_is, reason = deskewed(decoded, MOTION)
    assert reason == why
    np.testing.assert_array_equal(as_it_is.xyz, XYZ)


@pytest.mark.parametrize(
    "columns",
    [
        {"time": np.linspace(0, 0.0013, 50)},
        {"time": np.linspace(0, 0.003, 50).astype("f4")},
        {"t": np.linspace(0, 3e6, 50).astype("u4")},
        {"timestamp": np.linspace(0, 3e3, 50)},
        {"timestamp": STAMP / 1e9 + np.linspace(0, 0.0013, 50)},
    ],
)
def test_row_16_clouds_of_single_packets_are_too_short_to_compensate(columns):
    decoded = cloud_from_message(cloud({**xyz(), **columns}))
    as_it_is, reason = deskewed(decoded, MOTION)
    assert reason == "deskew.short_sweep"
    np.testing.assert_array_equal(as_it_is.xyz, XYZ)


def test_row_16_without_motion_there_is_nothing_to_compensate():
    decoded = cloud_from_message(cloud({**xyz(), "t": (SWEEP * 1e9).astype("u4")}))
    assert deskewed(decoded, None) == (decoded, "deskew.no_motion")


def columns(layout):
    """name:type ... to columns of 50 values; x, y, z and a sweep of times where there are such."""
    known = {**xyz(), **dict.fromkeys(("t", "time", "timestamp"), SWEEP)}
    ns = {"u4": 1e9, "f4": 1.0, "f8": 1e9}
    out = {}
    for name, kind in (field.split(":") for field in layout.split()):
        values = known.get(name, np.arange(50))
        if name == "timestamp":
            values = STAMP + SWEEP * 1e9
        elif name in ("t", "time"):
            values = SWEEP * ns[kind]
        out[name] = np.asarray(values).astype(kind)
    return out


@pytest.mark.parametrize(
    ("layout", "largest", "timed"),
    [
        ("x:f4 y:f4 z:f4 intensity:f4", 49 / 255, False),
        ("x:f4 y:f4 z:f4 intensity:f4 ring:u2", 49 / 255, False),
        ("x:f4 y:f4 z:f4 intensity:u1 return_type:u1 channel:u2", 49 / 255, False),  # Autoware's XYZIRC
        ("x:f4 y:f4 z:f4 intensity:f4 time:f4 ring:u2", 49 / 255, True),
        ("x:f4 y:f4 z:f4 intensity:f4 tag:u1 line:u1 timestamp:f8", 49 / 255, True),  # Livox
        ("x:f4 y:f4 z:f4 intensity:f4 t:u4 reflectivity:u2 ring:u2 ambient:u2 range:u4", 49 / 255, True),  # Ouster
        ("x:f4 y:f4 z:f4 reflectivity:u2", 49 / 255, False),
    ],
)
def test_layouts_of_known_lidars(layout, largest, timed):
    message = cloud(columns(layout), point_step=48, height=2, row_padding=5)
    decoded = cloud_from_message(message)
    np.testing.assert_array_equal(decoded.xyz, XYZ)
    assert decoded.intensity.max() == pytest.approx(largest)
    assert (decoded.time is not None) == timed
    if timed:
        np.testing.assert_allclose(decoded.time, SWEEP, atol=3e-7)


def test_a_field_of_another_type_is_no_number():
    refuses("message.type", data="text")
    refuses("message.type", point_step=16.5)
    refuses("message.type", fields=[struct])
