#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Two GeoTIFF files of the same elevations, with pixels of 30 m. One says PixelIsArea, the other PixelIsPoint. GDAL, as
# rasterio, writes both. In the file of points the tie point is the centre of the first pixel, in the other one its
# corner. Elevation models that are made of posts are files of points.
#
# Expected: the same bounding box of both, since the pixels are the same; as rasterio has it.
# Seen in geotiff 3.0.5 for JavaScript (geotiff.js): getOrigin and getBoundingBox take the tie point for the corner in
# both files, so that the box of the file of points is half a pixel, 15 m, too far to the east and to the south. Of the
# pixels that are looked up by this box three in four are neighbours of the right ones. readRasters gives other pixels
# for the same bbox. pixelIsArea() says false, so the library knows; neither the box nor readRasters uses it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/write.py" <<'PYTHON'
import sys

import numpy as np
import rasterio

elevations = np.arange(40 * 50, dtype=np.float32).reshape(1, 40, 50)  # each tells its row and its column
place = rasterio.transform.from_origin(456_000, 5_428_000, 30, 30)
for kind in ("Area", "Point"):
    path = f"{sys.argv[1]}/{kind}.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=40, width=50, count=1, dtype="float32", crs="EPSG:25832", transform=place
    ) as file:
        file.update_tags(AREA_OR_POINT=kind)
        file.write(elevations)
    with rasterio.open(path) as file:
        print("rasterio", rasterio.__version__, kind, tuple(file.bounds))
        assert tuple(file.bounds) == (456_000, 5_426_800, 457_500, 5_428_000), "the behaviour has changed"
PYTHON
cat > "$folder/run.mjs" <<'JS'
import assert from "node:assert";
import { readFileSync } from "node:fs";
import { fromArrayBuffer } from "geotiff";

console.log("geotiff", JSON.parse(readFileSync("node_modules/geotiff/package.json")).version);
const TRUE = [456000, 5426800, 457500, 5428000];
const EXPECTED = { // the box, the part of positions whose pixel is another one, and the pixels of an area
  Area: [TRUE, 0, [1010, 1011, 1060, 1061]],
  Point: [[456015, 5426785, 457515, 5427985], 0.75, [959, 960, 961, 1009, 1010, 1011, 1059, 1060, 1061]],
};
for (const [kind, [expected, wrong, pixels]] of Object.entries(EXPECTED)) {
  const file = await fromArrayBuffer(new Uint8Array(readFileSync(`${kind}.tif`)).buffer);
  const image = await file.getImage();
  const box = image.getBoundingBox();
  const [all] = await image.readRasters();
  let others = 0, positions = 0;
  for (let row = 1; row < 39; row += 1) {
    for (let column = 1; column < 49; column += 1) {
      for (const [right, down] of [[0.2, 0.2], [0.2, 0.8], [0.8, 0.2], [0.8, 0.8]]) { // positions within the pixel
        const [x, y] = [TRUE[0] + 30 * (column + right), TRUE[3] - 30 * (row + down)];
        const found = all[50 * Math.floor((box[3] - y) / 30) + Math.floor((x - box[0]) / 30)];
        others += found !== 50 * row + column;
        positions += 1;
      }
    }
  }
  const area = [456302, 5427342, 456358, 5427398]; // inside of the rows 20 and 21 and the columns 10 and 11
  const [read] = await file.readRasters({ bbox: area.map((value, k) => value + (k < 2 ? -4 : 4)) });
  console.log(`  ${kind}: pixelIsArea() ${image.pixelIsArea()}, box ${box},`,
    `${(100 * others) / positions} % of the positions get another pixel, an area gets ${Array.from(read)}`);
  assert.equal(image.pixelIsArea(), kind === "Area", "the behaviour has changed");
  assert.deepEqual(box, expected, "the behaviour has changed");
  assert.equal(others / positions, wrong, "the behaviour has changed");
  assert.deepEqual(Array.from(read), pixels, "the behaviour has changed");
}
JS
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet rasterio==1.4.4 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/write.py" "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" geotiff@3.0.5
cd "$folder"
node run.mjs
