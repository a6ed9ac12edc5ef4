# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of clouds: .pcd, .ply, .las, .laz and arrays, sound ones as their libraries write them, and hostile ones."""

import builtins
import struct
from unittest.mock import Mock

import numpy as np
import pytest
from helpers.lidar import sweep

from i2p_ros.core.errors import InputError, MissingPackageError
from i2p_ros.sources.cloud_files import read_cloud_file

pypcd4, plyfile, laspy = (pytest.importorskip(name) for name in ("pypcd4", "plyfile", "laspy"))

CLOUD = sweep(0)
XYZ, GREY = CLOUD[:, :3], CLOUD[:, 3]
ORIGIN = np.array([459_123.25, 5_431_234.5, 118.75])  # UTM, and a height
UTM = XYZ + ORIGIN


def write_pcd(path, columns, encoding="binary", padding=0):
    """A .pcd file of named columns, each followed by so many bytes of padding, as PCL writes its structs."""
    names, kinds = [], {"f": "F", "u": "U", "i": "I"}
    values, sizes, types, counts = [], [], [], []
    for name, column in columns.items():
        names.append(name)
        values.append(column)
        sizes.append(column.dtype.itemsize)
        types.append(kinds[column.dtype.kind])
        counts.append(1)
        if padding:
            names.append("_")
            values.append(np.full((len(column), padding), 0xAA, "u1"))
            sizes.append(1)
            types.append("U")
            counts.append(padding)
    n = len(values[0])
    rows = {
        "VERSION": ["0.7"],
        "FIELDS": names,
        "SIZE": sizes,
        "TYPE": types,
        "COUNT": counts,
        "WIDTH": [n],
        "HEIGHT": [1],
    }
    rows |= {"VIEWPOINT": [0, 0, 0, 1, 0, 0, 0], "POINTS": [n], "DATA": [encoding]}
    head = "# .PCD v0.7 - Point Cloud Data file format\n"
    head += "".join(f"{key} {' '.join(map(str, row))}\n" for key, row in rows.items())
    if encoding == "ascii":
        flat = np.column_stack([v.astype("f8") for v in values])
        body = "".join("  ".join(f"{v:.10g}" for v in row) + " \r\n" for row in flat).encode()
    else:
        parts = [np.ascontiguousarray(v).view("u1").reshape(n, -1) for v in values]
        body = np.hstack(parts).tobytes()
        if encoding == "binary_compressed":
            import lzf

            plain = b"".join(b"".join(np.ascontiguousarray(c).tobytes() for c in v.reshape(n, -1).T) for v in values)
            packed = lzf.compress(plain)
            body = struct.pack("<II", len(packed), len(plain)) + packed
    path.write_bytes(head.encode() + body)


def columns(kind="f4", xyz=XYZ):
    grey = np.round(3000 * GREY[: len(xyz)]).astype("u2")
    return {**dict(zip("xyz", xyz.astype(kind).T.copy(), strict=True)), "intensity": grey}


@pytest.mark.parametrize("encoding", ["ascii", "binary", "binary_compressed"])
@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_pcd_of_all_encodings_with_padding(tmp_path, encoding, padding, kind):
    write_pcd(tmp_path / "a.pcd", columns(kind, XYZ.round(2)), encoding, padding)
    found = read_cloud_file(tmp_path / "a.pcd")
    np.testing.assert_allclose(found.cloud.xyz, XYZ.round(2), atol=1e-5)
    np.testing.assert_allclose(found.cloud.intensity, np.round(3000 * GREY) / 65535, atol=1e-6)
    assert found.columns == ("x", "y", "z", "intensity")


@pytest.mark.parametrize("encoding", ["ascii", "binary", "binary_compressed"])
def test_a_pcd_without_the_line_count_has_one_value_in_each_field(tmp_path, encoding):
    """PCD 0.7: "By default, if COUNT is not present, all dimensions' count is set to 1"."""
    path = tmp_path / "a.pcd"
    write_pcd(path, columns("f4", XYZ.round(2)), encoding)
    path.write_bytes(path.read_bytes().replace(b"COUNT 1 1 1 1\n", b"", 1))
    found = read_cloud_file(path)
    np.testing.assert_allclose(found.cloud.xyz, XYZ.round(2), atol=1e-5)
    np.testing.assert_allclose(found.cloud.intensity, np.round(3000 * GREY) / 65535, atol=1e-6)
    path.write_bytes(path.read_bytes()[:-40])
    refuses(path, "cloud.broken")


@pytest.mark.parametrize("encoding", ["ascii", "binary", "binary_compressed"])
def test_pcd_as_its_library_writes_it(tmp_path, encoding):
    columns = [*XYZ.T.round(1), np.zeros(len(XYZ)), GREY.round(1)]
    names = ("x", "y", "z", "rgb", "Intensity")
    cloud = pypcd4.PointCloud.from_points([c.astype("f4") for c in columns], names, (np.float32,) * 5)
    cloud.save(tmp_path / "a.PCD", encoding=pypcd4.Encoding(encoding))
    found = read_cloud_file(tmp_path / "a.PCD").cloud
    np.testing.assert_allclose(found.xyz, XYZ.astype("f4").round(1), atol=1e-5)
    np.testing.assert_allclose(found.intensity, GREY.round(1), atol=1e-5)


@pytest.mark.parametrize("order", ["ascii", "<", ">"])
@pytest.mark.parametrize("name", ["intensity", "scalar_Intensity", "reflectivity"])
def test_ply_of_both_byte_orders(tmp_path, order, name):
    points, grey = XYZ[:1680], np.round(255 * GREY[:1680])  # plyfile is slow at ASCII
    values = np.zeros(len(points), [("x", "f4"), ("y", "f4"), ("z", "f4"), ("red", "u1"), (name, "f4")])
    values["x"], values["y"], values["z"] = points.T
    values[name] = grey
    vertices = plyfile.PlyElement.describe(values, "vertex")
    plyfile.PlyData([vertices], text=order == "ascii", byte_order="<" if order == "ascii" else order).write(
        str(tmp_path / "a.ply")
    )
    found = read_cloud_file(tmp_path / "a.ply")
    np.testing.assert_allclose(found.cloud.xyz, points, atol=1e-5)
    np.testing.assert_allclose(found.cloud.intensity, grey / 255, atol=1e-6)
    assert found.intensity == name.lower()


def write_las(path, version="1.4", kind=6):
    header = laspy.LasHeader(version=version, point_format=kind)
    header.offsets, header.scales = np.floor(ORIGIN), np.full(3, 0.001)
    las = laspy.LasData(header)
    las.x, las.y, las.z = UTM.T
    las.intensity = np.round(3000 * GREY).astype("u2")
    las.write(str(path))


@pytest.mark.parametrize("name", ["a.las", "a.laz"])
@pytest.mark.parametrize(("version", "kind"), [("1.2", 3), ("1.4", 6), ("1.4", 7)])
def test_las_and_laz_keep_millimetres(tmp_path, name, version, kind):
    write_las(tmp_path / name, version, kind)
    found = read_cloud_file(tmp_path / name)
    np.testing.assert_allclose(found.cloud.xyz + found.offset, UTM, atol=0.6e-3)
    np.testing.assert_allclose(found.cloud.intensity, np.round(3000 * GREY) / 65535, atol=1e-6)


@pytest.mark.parametrize("name", ["a.npy", "a.pcd", "a.ply", "a.las"])
def test_utm_coordinates_keep_millimetres_and_the_offset_is_told(tmp_path, name):
    """In float32 they would be off by up to 0.25 m."""
    path = tmp_path / name
    if name == "a.npy":
        np.save(path, np.column_stack([UTM, GREY]))
    elif name == "a.pcd":
        write_pcd(path, columns("f8", UTM))
    elif name == "a.ply":
        values = np.zeros(len(UTM), [(axis, "f8") for axis in "xyz"])
        values["x"], values["y"], values["z"] = UTM.T
        plyfile.PlyData([plyfile.PlyElement.describe(values, "vertex")]).write(str(path))
    else:
        write_las(path)
    found = read_cloud_file(path)
    assert np.abs(UTM.astype("f4") - UTM).max() > 0.2
    np.testing.assert_array_equal(found.offset, np.round(np.median(UTM, axis=0)))
    np.testing.assert_allclose(found.cloud.xyz + found.offset, UTM, atol=0.6e-3)


def test_coordinates_of_a_lidar_are_not_shifted_by_far_or_missing_points(tmp_path):
    points = XYZ.copy()
    points[::7], points[1::7] = np.nan, 1e300
    np.save(tmp_path / "a.npy", points)
    found = read_cloud_file(tmp_path / "a.npy")
    assert not found.offset.any() and found.cloud.intensity is None
    assert len(found.cloud.finite()) == (np.abs(points) < 100).all(axis=1).sum()


def test_the_largest_doubles_are_no_coordinates_of_a_map(tmp_path):
    """The median of two of them overflows. The offset was then infinite, and every point NaN."""
    points = np.full((6, 3), 1.7e308)
    points[::3] = np.nan
    np.save(tmp_path / "a.npy", points)
    found = read_cloud_file(tmp_path / "a.npy")
    assert not found.offset.any() and len(found.cloud.finite()) == 0


def refuses(path, reason, match="a"):
    with pytest.raises(InputError, match=match) as caught:
        read_cloud_file(path)
    assert caught.value.reason == reason and path.name in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"POINTS", b"POINTS 99999999999\n#"),
        (b"POINTS", b"POINTS -5\n#"),
        (b"POINTS", b"POINTS 0\n#"),
        (b"COUNT 1", b"COUNT 2000000000"),
        (b"SIZE 4", b"SIZE 400000000"),
        (b"SIZE 4 4", b"SIZE 4"),
        (b"FIELDS x", b"FIELDS x:y"),
        (b"FIELDS x", b"FIELDS \xff"),
        (b"FIELDS x y", b"FIELDS x x"),
        (b"TYPE F", b"TYPE Q"),
        (b"VERSION 0.7", b"VERSION 0.5"),
        (b"VIEWPOINT", b"TIMESTAMP 5\nVIEWPOINT"),  # the eleventh line
        (b"DATA ", b"DATA un"),
        (b"DATA ", b"WIDE "),
    ],
)
@pytest.mark.parametrize("encoding", ["ascii", "binary", "binary_compressed"])
def test_a_pcd_header_that_does_not_fit_its_file_is_refused(tmp_path, old, new, encoding):
    path = tmp_path / "a.pcd"
    write_pcd(path, columns("f4", XYZ[:1000].round()), encoding)
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    refuses(path, "cloud.broken")
    path.write_bytes(data[:-40])
    refuses(path, "cloud.broken")


def test_a_packed_pcd_that_unpacks_to_more_than_it_can_hold_is_refused(tmp_path):
    path = tmp_path / "a.pcd"
    write_pcd(path, columns("f4", XYZ[:1000].round()), "binary_compressed")
    data, n = path.read_bytes(), 1000
    for points, unpacked in ((10**8, 14 * 10**8), (n, 14 * n + 1), (n, 2**32 - 1)):
        head, _, body = data.replace(f"POINTS {n}".encode(), f"POINTS {points}".encode()).partition(b"compressed\n")
        path.write_bytes(head + b"compressed\n" + body[:4] + struct.pack("<I", unpacked) + body[8:])
        refuses(path, "cloud.broken", "cannot hold")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"vertex ", b"vertex 9999999", "cloud.broken"),
        (b"vertex ", b"vertex -", "cloud.broken"),
        (b"vertex ", b"point ", "cloud.broken"),
        (b"float x", b"quad x", "cloud.broken"),
        (b"property float x", b"property list uchar int x", "cloud.mesh"),
        (b"end_header", b"element face 2\nproperty list uchar int i\nend_header", "cloud.mesh"),
        (b"end_header", b"element nothing 999999999999\nend_header", "cloud.broken"),
        (b"end_header", b"comment " + b"x" * 70_000 + b"\nend_header", "cloud.broken"),
        (b"float x", b"float y", "cloud.broken"),
        (b"float x", b"float u", "cloud.field_missing"),
    ],
)
@pytest.mark.parametrize("text", [True, False])
def test_a_ply_header_that_does_not_fit_its_file_is_refused(tmp_path, old, new, reason, text):
    values = np.zeros(50, [("x", "f4"), ("y", "f4"), ("z", "f4")])
    path = tmp_path / "a.ply"
    plyfile.PlyData([plyfile.PlyElement.describe(values, "vertex")], text=text).write(str(path))
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    refuses(path, reason)
    path.write_bytes(data[:-30])
    refuses(path, "cloud.broken")


@pytest.mark.parametrize("name", ["a.las", "a.laz"])
@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, b"X"),
        (94, b"\xff\xff"),  # size of the header
        (96, b"\xff\xff\xff\xff"),  # start of the points
        (100, b"\xff\xff\xff\xff"),  # records
        (104, b"\xff"),  # format of a point
        (247, b"\xff\xff\xff\xff"),  # points
        (247, b"\0\0\0\0\xff\xff\xff\xff"),
    ],
)
def test_a_las_header_that_does_not_fit_its_file_is_refused(tmp_path, name, at, value):
    path = tmp_path / name
    write_las(path)
    data = bytearray(path.read_bytes())
    data[at : at + len(value)] = value
    path.write_bytes(data)
    refuses(path, "cloud.broken")


@pytest.mark.parametrize("what", ["chunks", "no chunks", "layers", "table", "cut"])
def test_a_laz_file_whose_chunks_do_not_fit_is_refused(tmp_path, what):
    """lazrs allocates as many bytes as a layer of a chunk says: 4 GB for a file of 1 kB."""
    path = tmp_path / "a.laz"
    write_las(path)
    data = bytearray(path.read_bytes())
    (start,) = struct.unpack_from("<I", data, 96)
    (table,) = struct.unpack_from("<q", data, start)
    place, value = {
        "chunks": (table + 4, 2**32 - 1), "no chunks": (table + 4, 0), "layers": (start + 8 + 30 + 4, 2**32 - 1),
        "table": (start, 2**31), "cut": (0, 0x4653414C),
    }[what]  # fmt: skip
    struct.pack_into("<I", data, place, value)
    path.write_bytes(data[: table - 50] if what == "cut" else data)
    refuses(path, "cloud.broken")


def test_a_large_laz_of_zeros_that_states_too_many_points_is_refused(tmp_path):
    """The points fit into 100 times the size of the file."""
    path = tmp_path / "a.laz"
    write_las(path)
    data = bytearray(path.read_bytes())
    struct.pack_into("<Q", data, 247, 60_000_000)
    path.write_bytes(data)
    with path.open("r+b") as file:
        file.truncate(25_000_000)
    refuses(path, "cloud.too_large", "60000000 points")


@pytest.mark.parametrize(("points", "padding"), [(60_000_000, 0), (30_000_000, 20)])
@pytest.mark.parametrize("encoding", ["binary", "binary_compressed"])
def test_a_large_pcd_of_zeros_that_states_too_many_points_is_refused(tmp_path, points, padding, encoding):
    """The points fit into the file, which is a hole on the disk; the packed ones into 88 times its size."""
    path, n, size = tmp_path / "a.pcd", 1000, 14 + 4 * padding
    write_pcd(path, columns("f4", XYZ[:n].round()), encoding, padding)
    head, _, _ = path.read_bytes().replace(f"POINTS {n}".encode(), f"POINTS {points}".encode()).partition(b"DATA")
    packed = size * points // 88 + 1
    path.write_bytes(head + f"DATA {encoding}\n".encode() + struct.pack("<II", packed, size * points))
    with path.open("r+b") as file:
        file.truncate(size * points + 1000 if encoding == "binary" else packed + 1000)
    refuses(path, "cloud.too_large", f"{points} points")


def test_an_array_that_is_larger_than_its_file_is_refused(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((50, 4)))
    for shape in (b"(5000000000000, 4)", b"(-5, 4)", b"(2**9, 4)", b"[" * 40):
        data = path.read_bytes()
        blanks = b" " * (len(shape) - 7)
        assert b"(50, 4), }" + blanks in data
        path.write_bytes(data.replace(b"(50, 4), }" + blanks, shape + b", }", 1))
        refuses(path, "cloud.broken")
        path.write_bytes(data)


@pytest.mark.parametrize("version", [2, 3])
def test_an_array_whose_header_is_larger_than_its_file_is_refused(tmp_path, version):
    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY" + bytes([version, 0]) + b"\xff\xff\xff\x7f" + b"{'descr': '<f8', ")
    refuses(path, "cloud.broken", "header is longer")


@pytest.mark.parametrize(("name", "package"), [("a.pcd", "pypcd4"), ("a.ply", "plyfile"), ("a.las", "laspy")])
def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch, name, package):
    real = builtins.__import__

    def without(wanted, *rest, **options):
        if wanted.split(".")[0] == package:
            raise ImportError(wanted)
        return real(wanted, *rest, **options)

    (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackageError, match=r"pip install '\.\[files\]'"):
        read_cloud_file(tmp_path / name)


def test_other_files_are_refused_by_their_name(tmp_path):
    refuses(tmp_path / "a.xyz", "cloud", r"\.bin, \.npy, \.pcd, \.ply, \.las, \.laz, not \.xyz")
    for name in ("a.bin", "a.npy", "a.pcd", "a.ply", "a.las", "a.laz"):
        refuses(tmp_path / name, "cloud.missing" if name == "a.bin" else "cloud.broken")
    with pytest.raises(InputError, match="names its columns"):
        read_cloud_file(tmp_path / "a.pcd", "5")


def test_a_panic_of_lazrs_is_an_error_and_ctrl_c_stays_one(tmp_path, monkeypatch):
    class PanicException(BaseException):  # as pyo3 makes it: no Exception
        pass

    path = tmp_path / "a.laz"
    write_las(path)
    for raised, expected in (
        (PanicException("index out of bounds"), InputError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ):
        monkeypatch.setattr("lazrs.read_chunk_table", Mock(side_effect=raised))
        with pytest.raises(expected):
            read_cloud_file(path)
