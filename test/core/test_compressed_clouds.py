# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CompressedPointCloud2 as the plugins of point_cloud_transport write it, and what is refused."""

import gzip
import struct
import sys
import tracemalloc
import zlib

import DracoPy
import numpy as np
import pytest
from helpers.bags import CLOUDS, IMAGES, START, Bag, stamps
from helpers.messages import GOOD_CLOUD, XYZ, changed, cloud, draco, packed, refused, xyz
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from i2p_ros.core.decompression import zstd
from i2p_ros.core.errors import InputError
from i2p_ros.core.messages import cloud_from_compressed, cloud_from_message
from i2p_ros.sources.rosbag import RosbagSource

TYPE = "point_cloud_interfaces/msg/CompressedPointCloud2"
DEFINITION = """std_msgs/Header header
uint32 height
uint32 width
sensor_msgs/PointField[] fields
bool is_bigendian
uint32 point_step
uint32 row_step
uint8[] compressed_data
bool is_dense
string format"""
COLUMNS = {**xyz(), "intensity": np.arange(50, dtype="f4"), "t": np.arange(50, dtype="u4") * 2_000_000}
PACK = {"gzip": gzip.compress, "zlib": zlib.compress, "zstd": zstd.compress}


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("layout", [{}, {"point_step": 48, "height": 5, "row_padding": 13, "bigendian": True}])
def test_zlib_and_zstd_clouds(kind, layout):
    """The plugin named zlib writes a header of gzip, other writers one of zlib."""
    raw = cloud(COLUMNS, **layout)
    form = "zstd" if kind == "zstd" else "zlib"
    decoded, expected = cloud_from_compressed(packed(raw, PACK[kind](raw.data), form)), cloud_from_message(raw)
    for name in ("xyz", "intensity", "time"):
        np.testing.assert_array_equal(getattr(decoded, name), getattr(expected, name))


def test_draco_clouds_as_the_plugin_writes_them():
    """An attribute for each field in their order, without names; a packed colour as its four bytes."""
    raw = cloud({**COLUMNS, "rgb": np.zeros(50, "f4")}, point_step=32)
    decoded, expected = cloud_from_compressed(packed(raw, draco(raw), "draco")), cloud_from_message(raw)
    np.testing.assert_array_equal(decoded.xyz, XYZ)
    np.testing.assert_array_equal(decoded.intensity, expected.intensity)
    np.testing.assert_array_equal(decoded.time, expected.time)


def test_draco_data_with_one_attribute_for_x_y_and_z():
    """As every other encoder writes it: not told apart by the fields of the message, so it is refused."""
    data = DracoPy.encode(XYZ, quantization_bits=14, create_metadata=True)
    refused("cloud.layout", cloud_from_compressed, packed(cloud(xyz()), data, "draco"))


def test_the_helper_writes_draco_data():
    """Against the library itself."""
    raw = cloud({**COLUMNS, "ring": np.arange(-20, 30, dtype="i2")})
    found = [entry["data"][:, 0] for entry in DracoPy.decode(draco(raw)).attributes]
    expected = [*XYZ.T, COLUMNS["intensity"], COLUMNS["t"], np.arange(-20, 30)]
    for column, values in zip(found, expected, strict=True):
        np.testing.assert_array_equal(column, values)


def test_draco_integers_keep_the_scale_of_their_type():
    values = np.linspace(0, 65535, 50).astype("u2")
    raw = cloud({**xyz(), "reflectivity": values, "ring": np.arange(50, dtype="u1")})
    decoded = cloud_from_compressed(packed(raw, draco(raw), "draco"), "reflectivity")
    np.testing.assert_allclose(decoded.intensity, values / 65535, atol=1e-6)


def test_absolute_times_that_draco_would_round_are_left_out():
    """DracoPy gives float64 as float32, which knows 1.7e9 s to 128 s."""
    raw = cloud({**xyz("f8"), "timestamp": 1.7e9 + np.linspace(0.1, 0.2, 50)})
    decoded = cloud_from_compressed(packed(raw, draco(raw), "draco"))
    np.testing.assert_array_equal(decoded.xyz, XYZ)
    assert decoded.time is None and cloud_from_message(raw).time is not None


def test_another_format_is_refused_with_the_command_that_converts():
    with pytest.raises(InputError, match=f"{TYPE} of the format 'cloudini' .*in_transport:=cloudini.*rosbag_converter"):
        cloud_from_compressed(packed(GOOD_CLOUD, b"CLOUDINI_V05", "cloudini"))
    refused("cloud.format", cloud_from_compressed, packed(GOOD_CLOUD, b"", "lz4"))
    refused("cloud.format", cloud_from_compressed, packed(GOOD_CLOUD, b"", ""))


def test_draco_without_its_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "DracoPy", None)
    with pytest.raises(InputError, match=r"pip install '\.\[compressed\]' in the clone.*republish"):
        cloud_from_compressed(packed(GOOD_CLOUD, draco(GOOD_CLOUD), "draco"))


@pytest.mark.parametrize("form", ["zlib", "zstd", "draco"])
def test_damaged_data_is_refused(form):
    data = draco(GOOD_CLOUD) if form == "draco" else PACK[form](GOOD_CLOUD.data)
    for damaged in (b"", data[:-9], data[:20], b"garbage" + data, bytes(len(data))):
        refused("cloud.compressed", cloud_from_compressed, packed(GOOD_CLOUD, damaged, form))


@pytest.mark.parametrize("form", ["zlib", "zstd"])
def test_row_3_compressed_data_of_another_length_is_refused(form):
    for data in (GOOD_CLOUD.data[:-1], GOOD_CLOUD.data + b"0", b""):
        refused("cloud.compressed", cloud_from_compressed, packed(GOOD_CLOUD, PACK[form](data), form))
    flipped = bytearray(PACK["gzip"](GOOD_CLOUD.data))
    flipped[-6] ^= 1  # the checksum
    refused("cloud.compressed", cloud_from_compressed, packed(GOOD_CLOUD, bytes(flipped), "zlib"))


@pytest.mark.parametrize("form", ["zlib", "zstd"])
def test_row_4_a_small_message_that_unpacks_to_gigabytes(form):
    bomb = PACK[form](bytes(10**8))
    tracemalloc.start()
    try:
        refused("cloud.compressed", cloud_from_compressed, packed(GOOD_CLOUD, bomb, form))
        huge = packed(changed(GOOD_CLOUD, height=2**32 - 1, row_step=2**32 - 1), bomb, form)
        refused("cloud.too_large", cloud_from_compressed, huge)
        assert tracemalloc.get_traced_memory()[1] < 10 * len(bomb) + 100_000
    finally:
        tracemalloc.stop()


def test_draco_that_states_other_sizes_than_the_message():
    good = draco(GOOD_CLOUD)
    at = good.index(struct.pack("<I", 50))
    many = good[:at] + struct.pack("<I", 2**31 - 1) + good[at + 4 :]
    for claimed, width in ((many, 50), (many, 2**31 - 1), (good, 49)):
        message = packed(changed(GOOD_CLOUD, width=width), claimed, "draco")
        refused("cloud.layout", cloud_from_compressed, message)
    fewer = packed(changed(GOOD_CLOUD, fields=GOOD_CLOUD.fields[:3]), good, "draco")
    refused("cloud.layout", cloud_from_compressed, fewer)


@pytest.mark.parametrize("form", ["zlib", "zstd", "draco"])
def test_a_bag_of_compressed_clouds_is_read(form, tmp_path):
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg(DEFINITION, TYPE))
    with Bag(tmp_path / "bag", "mcap") as bag:
        bag.store = store
        bag.info(START)
        for i, stamp in enumerate(stamps()):
            bag.image(stamp, IMAGES[i])
            raw = cloud({name: CLOUDS[i, :, k] for k, name in enumerate(("x", "y", "z", "intensity"))})
            data = draco(raw) if form == "draco" else PACK[form](raw.data)
            fields = [bag.make("sensor_msgs/msg/PointField", *vars(field).values()) for field in raw.fields]
            layout = raw.height, raw.width, fields, False, raw.point_step, raw.row_step
            bag.write("/points", TYPE, bag.header(stamp, "lidar"), *layout, np.frombuffer(data, np.uint8), True, form,
                      received=stamp)  # fmt: skip
    with RosbagSource(tmp_path / "bag") as source:
        assert source.topics.cloud == "/points" and len(source) == len(IMAGES)
        for i, sample in enumerate(source):
            np.testing.assert_array_equal(sample.pair.cloud.xyz, CLOUDS[i, :, :3])
            np.testing.assert_allclose(sample.pair.cloud.intensity, CLOUDS[i, :, 3])
