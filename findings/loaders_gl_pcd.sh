#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Binary .pcd files, compressed or not, in the loader of loaders.gl for JavaScript, beside that of three.js: coordinates
# in float64, a scan with intensities, a cloud with colours, and one whose first field is an intensity of one byte.
#
# Expected: the values of the file. Positions are float32, as its sizes are declared, but near the true ones.
# Seen in @loaders.gl/pcd 4.4.2: the sizes and types of the header are not used.
#   float64 coordinates   the lower half of each is taken for a float32: a point at (1.5, 2.5, 3.5) is at (0, 0, 0),
#                         and where these bits are not 0 it is anywhere
#   intensities           are lost. There is an empty COLOR_0 in their place, also if the file has colours
#   colours               red and blue are swapped; in compressed files the values are 0 and 1 of 255, which is black
#   another first field   coordinates of compressed files are of other bytes, where the size of the first field is not 4
# There is no warning. three.js 0.187.0, whose loader that of loaders.gl came from, gives the values of the file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.mjs" <<'JS'
import assert from "node:assert";
import { readFileSync } from "node:fs";
import { parseSync } from "@loaders.gl/core";
import { PCDLoader } from "@loaders.gl/pcd";
import { PCDLoader as ThreeLoader } from "three/examples/jsm/loaders/PCDLoader.js";

const write = {
  F4: (bytes, value, at) => bytes.writeFloatLE(value, at), F8: (bytes, value, at) => bytes.writeDoubleLE(value, at),
  U1: (bytes, value, at) => bytes.writeUInt8(value, at), U4: (bytes, value, at) => bytes.writeUInt32LE(value, at),
};

function pcd(fields, points, compressed) { // fields: { name: "F4", ... }
  const types = Object.values(fields);
  const columns = types.map((type, k) => {
    const bytes = Buffer.alloc(points.length * type[1]);
    points.forEach((point, i) => write[type](bytes, point[k], i * type[1]));
    return bytes;
  });
  const header = ["VERSION 0.7", `FIELDS ${Object.keys(fields).join(" ")}`, `SIZE ${types.map((t) => t[1]).join(" ")}`,
    `TYPE ${types.map((t) => t[0]).join(" ")}`, `COUNT ${types.map(() => 1).join(" ")}`, `WIDTH ${points.length}`,
    "HEIGHT 1", "VIEWPOINT 0 0 0 1 0 0 0", `POINTS ${points.length}`,
    `DATA ${compressed ? "binary_compressed" : "binary"}`, ""].join("\n");
  const parts = [Buffer.from(header)];
  if (compressed) { // LZF, of literal runs
    const all = Buffer.concat(columns), packed = [];
    for (let at = 0; at < all.length; at += 32) {
      const run = all.subarray(at, at + 32);
      packed.push(run.length - 1, ...run);
    }
    const sizes = Buffer.alloc(8);
    sizes.writeUInt32LE(packed.length, 0);
    sizes.writeUInt32LE(all.length, 4);
    parts.push(sizes, Buffer.from(packed));
  } else {
    points.forEach((_, i) => parts.push(...columns.map((c, k) => c.subarray(i * types[k][1], (i + 1) * types[k][1]))));
  }
  return new Uint8Array(Buffer.concat(parts)).buffer;
}

const version = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;
console.log("@loaders.gl/pcd", version("@loaders.gl/pcd"), "three", version("three"));
const plain = { x: "F4", y: "F4", z: "F4" };
const wide = { x: "F8", y: "F8", z: "F8" };
const PLACES = [1.5, 2.5, 3.5, 10, 20, 30];
const CASES = [ // fields, values beside the places, and what loaders.gl gives, uncompressed and compressed
  ["float64", wide, [[], []], { POSITION: [0, 0, 0, 0, 0, 0] }, { POSITION: [0, 0, 0, 0, 0, 0] }],
  ["intensity", { ...plain, intensity: "F4" }, [[7], [90]],
    { POSITION: PLACES, COLOR_0: [] }, { POSITION: PLACES, COLOR_0: [] }],
  ["colours, orange and blue", { ...plain, rgb: "U4" }, [[0xff8000], [0x0000ff]],
    { POSITION: PLACES, COLOR_0: [0, 128, 255, 255, 0, 0] }, { POSITION: PLACES, COLOR_0: [0, 0, 1, 1, 0, 0] }],
];
const numbers = (attribute) => Array.from(attribute.value ?? attribute.array);
for (const [name, fields, others, ...expected] of CASES) {
  const points = [0, 1].map((i) => [...PLACES.slice(3 * i, 3 * i + 3), ...others[i]]);
  for (const compressed of [false, true]) {
    const file = pcd(fields, points, compressed);
    const read = parseSync(file.slice(0), PCDLoader, { pcd: { shape: "mesh" } }).attributes;
    const found = Object.fromEntries(Object.entries(read).map(([key, value]) => [key, numbers(value)]));
    console.log(`  ${name}${compressed ? ", compressed" : ""}: ${JSON.stringify(found)}`);
    assert.deepEqual(found, expected[Number(compressed)], "the behaviour has changed");
    const three = new ThreeLoader().parse(file.slice(0)).geometry.attributes;
    assert.deepEqual(numbers(three.position), PLACES, "the behaviour has changed");
    if (name === "intensity") assert.deepEqual(numbers(three.intensity), [7, 90], "the behaviour has changed");
  }
}
const file = pcd({ intensity: "U1", ...plain }, [[7, ...PLACES.slice(0, 3)], [90, ...PLACES.slice(3)]], true);
const found = numbers(parseSync(file.slice(0), PCDLoader, { pcd: { shape: "mesh" } }).attributes.POSITION);
console.log(`  intensity of one byte first, compressed: ${JSON.stringify(found)}`);
assert.notDeepEqual(found, PLACES, "the behaviour has changed");
const three = numbers(new ThreeLoader().parse(file.slice(0)).geometry.attributes.position);
assert.deepEqual(three, PLACES, "the behaviour has changed");
JS
npm install --silent --no-audit --no-fund --prefix "$folder" @loaders.gl/core@4.4.5 @loaders.gl/pcd@4.4.2 three@0.187.0
cd "$folder"
node run.mjs
