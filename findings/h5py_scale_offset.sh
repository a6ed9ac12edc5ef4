#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Range images of 64 x 1024 pixels in metres, whose pixels without a return are NaN, are stored in HDF5 to the
# millimetre: h5py's create_dataset(..., scaleoffset=3).
#
# Expected: NaN stay NaN, as with netCDF4's least_significant_digit=3, or writing them is refused.
# Seen in h5py 3.16.0 (HDF5 2.0.0): the datasets are written without an error.
#   float32   with a fifth of the pixels NaN, reading raises OSError ("filter returned failure during read"): the data
#             is lost. With one NaN inside each chunk it can be read, and the NaN are the least range of their chunk
#   float64   can be read; four fifths of the NaN are the least range of their chunk: a wall at 1 m where nothing is
# The pixels that have a return are right to 0.5 mm.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import tempfile
from pathlib import Path

import h5py
import netCDF4
import numpy as np

CHUNK = (8, 256)
folder = Path(tempfile.mkdtemp())
rng = np.random.default_rng(0)
ranges = rng.uniform(1, 100, (64, 1024))
one = np.zeros(ranges.shape, bool)
one[3::8, 100::256] = True
LOST = {"a fifth": rng.random(ranges.shape) < 0.2, "one a chunk": one}


def by_h5py(image: np.ndarray) -> np.ndarray:
    with h5py.File(folder / "ranges.h5", "w") as file:
        file.create_dataset("ranges", data=image, scaleoffset=3, chunks=CHUNK)
    with h5py.File(folder / "ranges.h5") as file:
        return file["ranges"][:]


def by_netcdf4(image: np.ndarray) -> np.ndarray:
    with netCDF4.Dataset(folder / "ranges.nc", "w") as file:
        dimensions = [file.createDimension(name, size).name for name, size in zip("vu", image.shape)]
        file.createVariable("ranges", image.dtype, dimensions, zlib=True, least_significant_digit=3)[:] = image
    with netCDF4.Dataset(folder / "ranges.nc") as file:
        return np.ma.filled(file["ranges"][:], np.nan)


def least_of_chunks(image: np.ndarray) -> np.ndarray:
    (rows, columns), (height, width) = image.shape, CHUNK
    least = np.nanmin(image.reshape(rows // height, height, columns // width, width), axis=(1, 3))
    return least.repeat(height, axis=0).repeat(width, axis=1)


print("h5py", h5py.__version__, "with HDF5", h5py.version.hdf5_version)
for name, lost in LOST.items():
    for dtype in (np.float32, np.float64):
        image = np.where(lost, np.nan, ranges).astype(dtype)
        other = by_netcdf4(image)
        assert np.isnan(other[lost]).all() and np.allclose(other[~lost], image[~lost], atol=1e-3)
        try:
            found = by_h5py(image)
        except OSError as error:
            print(f"  {name} NaN in {dtype.__name__}:", error)
            assert "filter" in str(error) and (name, dtype) == ("a fifth", np.float32), "the behaviour has changed"
            continue
        kept, near = np.isnan(found[lost]).mean(), np.abs(found - least_of_chunks(image))[lost] < 2e-3
        print(f"  {name} NaN in {dtype.__name__}: {kept:.0%} still NaN, {near.mean():.0%} least ranges of their chunks")
        assert np.abs(found - image)[~lost].max() < 1e-3 and (dtype, name) != (np.float32, "a fifth")
        assert near.mean() == 1 if name == "one a chunk" else near.mean() > 0.7, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet h5py==3.16.0 netCDF4==1.7.5.1.post1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"
