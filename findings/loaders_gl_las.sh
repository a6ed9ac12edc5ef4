#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A .las and a .laz file of the point formats of LAS 1.2, which keep a point's class in five bits and three flags
# (synthetic, key point, withheld) in the others of a byte, in the loader of loaders.gl for JavaScript. Colours have 16
# bits, as LAS has them.
#
# Expected: the attribute classification is the class, 2 for ground, and COLOR_0 has the upper eight bits of colours.
# Seen in @loaders.gl/las 4.5.1: the attribute is the whole byte: a key point on the ground has class 66, and a withheld
# building 134, so that classification == 2 leaves out the key points. The flags are given nowhere else. COLOR_0 has the
# lower eight bits: grey of 0x8000 is black, and 0x40ff is white. The option colorDepth, whose default is 8, must be 16
# or "auto" for files that follow the format. laspy is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/write.py" <<'PYTHON'
import sys

import laspy
import numpy as np

cloud = laspy.LasData(laspy.LasHeader(point_format=2, version="1.2"))
cloud.x, cloud.y, cloud.z = np.arange(15.0).reshape(3, 5)
cloud.classification = np.array([2, 2, 2, 6, 6])
cloud.key_point = np.array([0, 1, 0, 0, 0])
cloud.synthetic = np.array([0, 0, 1, 0, 0])
cloud.withheld = np.array([0, 0, 0, 0, 1])
cloud.red = cloud.green = cloud.blue = np.array([0, 0x40FF, 0x8000, 0xC080, 0xFFFF])
for kind in ("las", "laz"):
    name = f"{sys.argv[1]}/cloud.{kind}"
    cloud.write(name)
    print("  laspy:", kind, np.array(laspy.read(name).classification).tolist())
PYTHON
cat > "$folder/run.mjs" <<'JS'
import assert from "node:assert";
import { readFileSync } from "node:fs";
import { parse } from "@loaders.gl/core";
import { LASLoader } from "@loaders.gl/las";

console.log("@loaders.gl/las", JSON.parse(readFileSync("node_modules/@loaders.gl/las/package.json")).version);
for (const kind of ["las", "laz"]) {
  for (const colorDepth of [undefined, "auto"]) {
    const las = { shape: "mesh", ...(colorDepth && { colorDepth }) };
    const file = new Uint8Array(readFileSync(`cloud.${kind}`)).buffer;
    const { attributes } = await parse(file, LASLoader, { las, core: { worker: false } });
    const classes = Array.from(attributes.classification.value);
    const red = Array.from(attributes.COLOR_0.value).filter((_, i) => i % 4 === 0);
    console.log(`  ${kind}, colorDepth ${colorDepth ?? "of the default"}: classes ${classes}; red ${red}`);
    assert.deepEqual(classes, [2, 66, 34, 6, 134], "the behaviour has changed");
    assert.deepEqual(red, colorDepth ? [0, 64, 128, 192, 255] : [0, 255, 0, 128, 255], "the behaviour has changed");
  }
}
JS
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet laspy==2.7.0 lazrs==0.8.2 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/write.py" "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" @loaders.gl/core@4.4.5 @loaders.gl/las@4.5.1
cd "$folder"
node run.mjs
