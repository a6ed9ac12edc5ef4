# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The inner loops of the mutual information, compiled by numba.

A reference in NumPy is in the tests.

Most take the N points of a cloud, ordered by patch: `rays` (3, N), m; `basis` (R, N); `bounds` (P, 2), the first point
of each patch and that after its last. `texels` (G, H, W, 4) hold the channels of the image in groups of four, with
zeros after the last. `camera` (4,) is fx, fy, cx, cy in px. A drift (6,) is added to the `translation` (3,), m, and
turns the points. Channel c is compared with the row `rows[c]` of the basis, after the first `regressed[c]` rows are
regressed out of it. The first row is constant in each patch, so it is regressed out by subtracting the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from i2p_ros.core.compiled import inner, intrinsic, kernel

AXES = 6  # of a drift
MIN_DEPTH = np.float32(0.5)  # m: smaller depths are as if they were this
BORDER = np.float32(1.01)  # px: points this close to the last column or row, or beyond, have the value there
ZERO, ONE = np.float32(0.0), np.float32(1.0)
LANES = 4  # channels of a group, which are computed together
FLOAT_BYTES = 4
TERMS = 3  # rows of the basis, after the constant one, that may be regressed out
SIGNAL, FIRST_TERM = 1 + AXES, 2 + AXES  # rows of products, after those of lines with lines
INDEX = ir.IntType(64)
FLOATS, DOUBLES = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.DoubleType(), LANES)
CONTRACT = ("contract",)
SIDES = "float32[::1], float32[:, ::1], float32[:, ::1], int64[:, ::1], float64[::1]"  # camera to translation
SIGNALS = "int64[::1], int64[::1], float64"  # rows, regressed, floor


@inner
def _motion(translation: Any, drift: Any, motion: Any) -> None:
    """Write the motion (4, 3) of a drift (6,): the rows of its rotation, by Rodrigues' formula, and the translation."""
    x, y, z = drift[3], drift[4], drift[5]
    angle = np.sqrt(x * x + y * y + z * z)
    scale = 1.0 / max(angle, 1e-12)
    x, y, z, sine, cosine = x * scale, y * scale, z * scale, np.sin(angle), np.cos(angle)
    rest = 1.0 - cosine
    motion[0, 0], motion[0, 1], motion[0, 2] = rest * x * x + cosine, rest * x * y - sine * z, rest * x * z + sine * y
    motion[1, 0], motion[1, 1], motion[1, 2] = rest * x * y + sine * z, rest * y * y + cosine, rest * y * z - sine * x
    motion[2, 0], motion[2, 1], motion[2, 2] = rest * x * z - sine * y, rest * y * z + sine * x, rest * z * z + cosine
    for i in range(3):
        motion[3, i] = translation[i] + drift[i]


@inner
def _inside(pixel: Any, size: int) -> Any:
    """A coordinate of a pixel within an image of that size; 0 for NaN."""
    return min(pixel if pixel > ZERO else ZERO, max(np.float32(size) - BORDER, ZERO))


@inner
def _project(camera: Any, rays: Any, motion: Any, start: int, n: int, pixels: Any) -> None:
    """Write u and v (2, n), px, of n points after a motion."""
    fx, fy, cx, cy = camera[0], camera[1], camera[2], camera[3]
    r00, r01, r02, t0 = motion[0, 0], motion[0, 1], motion[0, 2], motion[3, 0]
    r10, r11, r12, t1 = motion[1, 0], motion[1, 1], motion[1, 2], motion[3, 1]
    r20, r21, r22, t2 = motion[2, 0], motion[2, 1], motion[2, 2], motion[3, 2]
    xs, ys, zs = rays[0, start : start + n], rays[1, start : start + n], rays[2, start : start + n]
    us, vs = pixels[0], pixels[1]
    for i in range(n):
        x, y, z = xs[i], ys[i], zs[i]
        inverse = ONE / max(r20 * x + r21 * y + r22 * z + t2, MIN_DEPTH)
        us[i] = (r00 * x + r01 * y + r02 * z + t0) * inverse * fx + cx
        vs[i] = (r10 * x + r11 * y + r12 * z + t1) * inverse * fy + cy


@inner
def _corners(pixels: Any, width: int, height: int, n: int, corners: Any) -> None:
    """Write the index (n,) of the pixel above and left of each point, and leave the distances from it in `pixels`."""
    us, vs = pixels[0], pixels[1]
    for i in range(n):
        u, v = _inside(us[i], width), _inside(vs[i], height)
        left, top = np.int32(u), np.int32(v)
        us[i], vs[i] = u - np.float32(left), v - np.float32(top)
        corners[i] = np.uint32(top) * np.uint32(width) + np.uint32(left)


@inner
def _steps(width: int, height: int) -> Any:
    """From a pixel's index to those of its neighbours on the right and below. An image of one column has none."""
    return np.uint32(min(width - 1, 1)), np.uint32(width if height > 1 else 0)


class _Vector:
    """A vector of generated code, with a number in each lane. Sums of products may be contracted."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def __add__(self, other: _Vector) -> _Vector:
        return _Vector(self.builder, self.builder.fadd(self.value, other.value, flags=CONTRACT))

    def __sub__(self, other: _Vector) -> _Vector:
        return _Vector(self.builder, self.builder.fsub(self.value, other.value, flags=CONTRACT))

    def __mul__(self, other: _Vector) -> _Vector:
        return _Vector(self.builder, self.builder.fmul(self.value, other.value, flags=CONTRACT))

    def __neg__(self) -> _Vector:
        return _Vector(self.builder, self.builder.fneg(self.value))

    def double(self) -> _Vector:
        return _Vector(self.builder, self.builder.fpext(self.value, DOUBLES))


class _Total:
    """A sum of vectors, 0 at first."""

    def __init__(self, builder: Any, kind: Any) -> None:
        self.builder, self.place = builder, cgutils.alloca_once_value(builder, kind([0.0] * LANES))

    def add(self, vector: _Vector) -> None:
        self.builder.store((self.value + vector).value, self.place)

    @property
    def value(self) -> _Vector:
        return _Vector(self.builder, self.builder.load(self.place))


class _Array:
    """An array in generated code. Elements have one index, as if it had one axis. Those of an array of vectors, whose
    last axis is the lane, are vectors."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any) -> None:
        self.builder, self.array = builder, context.make_array(kind)(context, builder, value)

    def size(self, axis: int) -> Any:
        return self.builder.extract_value(self.array.shape, axis)

    def at(self, i: Any) -> Any:
        """The number at i."""
        return self.builder.load(self.builder.gep(self.array.data, [i]))

    def in_all_lanes(self, i: Any) -> _Vector:
        """The number at i in every lane."""
        return self.of_each_lane([i] * LANES)

    def of_each_lane(self, places: Sequence[Any]) -> _Vector:
        """The number at a place for each lane."""
        return _vector(self.builder, [self.at(place) for place in places])

    def vector(self, i: Any) -> _Vector:
        """The vector at i."""
        return _Vector(self.builder, self.builder.load(self._address(i, FLOATS), align=FLOAT_BYTES))

    def write(self, i: Any, vector: _Vector) -> None:
        """Write the vector at i."""
        self.builder.store(vector.value, self._address(i, vector.value.type), align=FLOAT_BYTES)

    def _address(self, i: Any, kind: Any) -> Any:
        address = self.builder.gep(self.array.data, [self.builder.mul(i, INDEX(LANES))])
        return self.builder.bitcast(address, kind.as_pointer())


def _vector(builder: Any, numbers: Sequence[Any]) -> _Vector:
    """The vector of numbers, one for each lane."""
    whole = ir.Constant(FLOATS, ir.Undefined)
    for lane, number in enumerate(numbers):
        whole = builder.insert_element(whole, number, ir.IntType(32)(lane))
    return _Vector(builder, whole)


def _index(builder: Any, value: Any) -> Any:
    """An integer as an index."""
    return value if value.type == INDEX else builder.zext(value, INDEX)


def _arguments(context: Any, builder: Any, signature: Any, given: Any) -> list[Any]:
    """The arguments of an intrinsic function: arrays, and integers as indices."""
    return [
        _Array(context, builder, kind, value) if isinstance(kind, types.Array) else _index(builder, value)
        for kind, value in zip(signature.args, given, strict=True)
    ]


@intrinsic
def _add_up(
    _: Any, texels: Any, right: Any, below: Any, pixels: Any, corners: Any, n: Any, basis: Any, start: Any, rows: Any,
    sums: Any,
) -> Any:  # fmt: skip
    """Write sums over the n points of `_corners`, for a group of channels, into `sums` (3 + TERMS, 4).

    v are the bilinear values of `texels` (H * W, 4). The rows are the sums of v, of v^2, of v times each term, and of
    v times the row `rows[c]` of the basis. `start` is the first point in the basis. The four lanes of a vector hold the
    channels, so a pixel is loaded at once: numba by itself would load each channel of each pixel.
    """

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        texels, right, below, pixels, corners, n, basis, start, rows, sums = _arguments(
            context, builder, signature, given
        )
        add, mul = builder.add, builder.mul
        of_terms = [mul(INDEX(1 + term), basis.size(1)) for term in range(TERMS)]
        of_signals = [mul(rows.at(INDEX(lane)), basis.size(1)) for lane in range(LANES)]
        totals = [_Total(builder, DOUBLES) for _ in range(3 + TERMS)]
        with cgutils.for_range(builder, n) as loop:
            corner, point = _index(builder, corners.at(loop.index)), add(start, loop.index)
            u, v = pixels.in_all_lanes(loop.index), pixels.in_all_lanes(add(pixels.size(1), loop.index))
            upper, lower = (
                one + u * (texels.vector(add(at, right)) - one)
                for at in (corner, add(corner, below))
                for one in [texels.vector(at)]
            )
            values = (upper + v * (lower - upper)).double()
            terms = [basis.in_all_lanes(add(row, point)) for row in of_terms]
            signal = basis.of_each_lane([add(row, point) for row in of_signals])
            totals[0].add(values)
            for total, factor in zip(totals[1:], (values, *(one.double() for one in (*terms, signal))), strict=True):
                total.add(factor * values)
        for row, total in enumerate(totals):
            sums.write(INDEX(row), total.value)
        return context.get_dummy_value()

    return types.void(texels, right, below, pixels, corners, n, basis, start, rows, sums), generate


@intrinsic
def _linearize(
    _: Any, texels: Any, right: Any, below: Any, camera: Any, turned: Any, pixels: Any, corners: Any, n: Any, lines: Any
) -> Any:  # fmt: skip
    """Write the values of a group of channels, `texels` (H * W, 4), at the n points of `_corners`, and their
    derivatives by the drift, into `lines` (7, n, 4). The mean of each line is subtracted.

    `turned` (6, n) are the points after the rotation, the inverse depth, and the tangents of the point in view.
    """

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        texels, right, below, camera, turned, pixels, corners, n, lines = _arguments(context, builder, signature, given)
        add = builder.add
        fx, fy = camera.in_all_lanes(INDEX(0)), camera.in_all_lanes(INDEX(1))
        starts = [builder.mul(INDEX(line), pixels.size(1)) for line in range(1 + AXES)]
        totals = [_Total(builder, FLOATS) for _ in starts]
        with cgutils.for_range(builder, n) as loop:
            corner = _index(builder, corners.at(loop.index))
            u, v = (pixels.in_all_lanes(add(start, loop.index)) for start in starts[:2])
            x, y, z, inverse, tan_x, tan_y = (turned.in_all_lanes(add(start, loop.index)) for start in starts[:6])
            value, beside = texels.vector(corner), texels.vector(add(corner, right))
            under, opposite = texels.vector(add(corner, below)), texels.vector(add(add(corner, below), right))
            across, down = beside - value, under - value
            twist = opposite - under - across
            by_v = down + u * twist
            dx, dy = (across + v * twist) * (fx * inverse), by_v * (fy * inverse)
            dz = -(dx * tan_x + dy * tan_y)
            about = y * dz - z * dy, z * dx - x * dz, x * dy - y * dx
            for start, total, line in zip(
                starts, totals, (value + u * across + v * by_v, dx, dy, dz, *about), strict=True
            ):
                lines.write(add(start, loop.index), line)
                total.add(line)
        share = builder.fdiv(FLOATS.element(1.0), builder.sitofp(n, FLOATS.element))
        means = [total.value * _vector(builder, [share] * LANES) for total in totals]
        with cgutils.for_range(builder, n) as loop:
            for start, mean in zip(starts, means, strict=True):
                place = add(start, loop.index)
                lines.write(place, lines.vector(place) - mean)
        return context.get_dummy_value()

    return types.void(texels, right, below, camera, turned, pixels, corners, n, lines), generate


@intrinsic
def _multiply(_: Any, lines: Any, n: Any, basis: Any, start: Any, rows: Any, products: Any) -> Any:
    """Write sums over n points of products of `lines` (7, n, 4) into `products` (8 + TERMS, 7, 4): with each line, with
    the row `rows[c]` of the basis, and with each term. Of the lines, those up to the same one are written."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        lines, n, basis, start, rows, products = _arguments(context, builder, signature, given)
        add, mul = builder.add, builder.mul
        starts = [mul(INDEX(line), lines.size(1)) for line in range(1 + AXES)]
        of_signals = [mul(rows.at(INDEX(lane)), basis.size(1)) for lane in range(LANES)]
        of_terms = [mul(INDEX(1 + term), basis.size(1)) for term in range(TERMS)]

        for row in range(FIRST_TERM + TERMS):
            totals = [_Total(builder, FLOATS) for _ in starts[: row + 1]]
            with cgutils.for_range(builder, n) as loop:
                point = add(start, loop.index)
                if row <= AXES:
                    factor = lines.vector(add(starts[row], loop.index))
                elif row == SIGNAL:
                    factor = basis.of_each_lane([add(one, point) for one in of_signals])
                else:
                    factor = basis.in_all_lanes(add(of_terms[row - FIRST_TERM], point))
                for one, total in zip(starts, totals, strict=False):
                    total.add(factor * lines.vector(add(one, loop.index)))
            for k, total in enumerate(totals):
                products.write(INDEX(row * (1 + AXES) + k), total.value)
        return context.get_dummy_value()

    return types.void(lines, n, basis, start, rows, products), generate


@inner
def _turn(camera: Any, rays: Any, motion: Any, start: int, n: int, turned: Any, pixels: Any) -> None:
    """Write the rows of `turned` that `_linearize` takes, and u and v, px."""
    fx, fy, cx, cy = camera[0], camera[1], camera[2], camera[3]
    r00, r01, r02, t0 = motion[0, 0], motion[0, 1], motion[0, 2], motion[3, 0]
    r10, r11, r12, t1 = motion[1, 0], motion[1, 1], motion[1, 2], motion[3, 1]
    r20, r21, r22, t2 = motion[2, 0], motion[2, 1], motion[2, 2], motion[3, 2]
    for i in range(n):
        x, y, z = rays[0, start + i], rays[1, start + i], rays[2, start + i]
        turned[0, i], turned[1, i] = r00 * x + r01 * y + r02 * z, r10 * x + r11 * y + r12 * z
        turned[2, i] = r20 * x + r21 * y + r22 * z
        inverse = ONE / max(turned[2, i] + t2, MIN_DEPTH)
        turned[3, i] = inverse
        turned[4, i], turned[5, i] = (turned[0, i] + t0) * inverse, (turned[1, i] + t1) * inverse
        pixels[0, i], pixels[1, i] = turned[4, i] * fx + cx, turned[5, i] * fy + cy


@kernel(f"float64[:, ::1](float32[:, :, :, ::1], {SIDES}, float64[:, ::1], {SIGNALS})")
def information_of_drifts(
    texels: Any, camera: Any, rays: Any, basis: Any, bounds: Any, translation: Any, drifts: Any, rows: Any,
    regressed: Any, floor: float,
) -> Any:  # fmt: skip
    """(K, C) mutual information of K drifts (K, 6), nats, summed over the patches. `floor` is the variance of the
    image's noise."""
    (groups, height, width, _), longest = texels.shape, np.max(bounds[:, 1] - bounds[:, 0])
    flat, (right, below) = texels.reshape(groups, height * width, LANES), _steps(width, height)
    pixels, corners = np.empty((2, longest), np.float32), np.empty(longest, np.uint32)
    motion, sums = np.empty((4, 3), np.float32), np.empty((3 + TERMS, LANES))
    padded = np.zeros(groups * LANES, np.int64)
    padded[: len(rows)] = rows
    nats = np.zeros((len(drifts), len(rows)))
    for k in range(len(drifts)):
        _motion(translation, drifts[k], motion)
        for p in range(len(bounds)):
            start, n = bounds[p, 0], bounds[p, 1] - bounds[p, 0]
            _project(camera, rays, motion, start, n, pixels)
            _corners(pixels, width, height, n, corners)
            for c in range(len(rows)):
                lane = c % LANES
                if lane == 0:
                    _add_up(flat[c // LANES], right, below, pixels, corners, n, basis, start, padded[c:], sums)
                rest = sums[1, lane] - sums[0, lane] ** 2 / n
                for r in range(1, regressed[c]):
                    rest -= sums[1 + r, lane] ** 2
                total, shared = max(rest, 0.0) + n * floor, sums[2 + TERMS, lane]
                nats[k, c] += 0.5 * n * np.log(total / max(total - shared * shared, n * floor))
    return nats


@kernel(
    "Tuple((float64[:, ::1], float64[:, :, ::1], float64[:, ::1]))"
    f"(float32[:, :, :, ::1], {SIDES}, float64[::1], {SIGNALS})"
)
def terms_of_drift(
    texels: Any, camera: Any, rays: Any, basis: Any, bounds: Any, translation: Any, drift: Any, rows: Any,
    regressed: Any, floor: float,
) -> Any:  # fmt: skip
    """(C, P) mutual information of one drift, nats, (C, P, 6) its gradient by the drift, and (6, 6) the Gauss-Newton
    approximation of the negative Hessian of the sum.

    A channel's values s at the points are linear in the drift, ds = J d. With n points, E and F of mutual_information,
    I = n/2 (log E - log F), where E and F are quadratic in s.
    """
    (groups, height, width, _), longest = texels.shape, np.max(bounds[:, 1] - bounds[:, 0])
    flat, (right, below) = texels.reshape(groups, height * width, LANES), _steps(width, height)
    pixels, corners = np.empty((2, longest), np.float32), np.empty(longest, np.uint32)
    turned, lines = np.empty((6, longest), np.float32), np.empty((1 + AXES, longest, LANES), np.float32)  # lines: s, J
    products, rest = np.empty((FIRST_TERM + TERMS, 1 + AXES, LANES), np.float32), np.empty((1 + AXES, 1 + AXES))
    channels, patches, shared = len(rows), len(bounds), np.empty(1 + AXES)
    nats, gradient = np.zeros((channels, patches)), np.zeros((channels, patches, AXES))
    curvature, motion = np.zeros((AXES, AXES)), np.empty((4, 3), np.float32)
    padded = np.zeros(groups * LANES, np.int64)
    padded[:channels] = rows
    _motion(translation, drift, motion)
    for p in range(patches):
        start, n = bounds[p, 0], bounds[p, 1] - bounds[p, 0]
        _turn(camera, rays, motion, start, n, turned, pixels)
        _corners(pixels, width, height, n, corners)
        for c in range(channels):
            lane = c % LANES
            if lane == 0:
                _linearize(flat[c // LANES], right, below, camera, turned, pixels, corners, n, lines)
                _multiply(lines, n, basis, start, padded[c:], products)
            for i in range(1 + AXES):
                shared[i] = products[SIGNAL, i, lane]
                for j in range(i + 1):
                    rest[i, j] = products[i, j, lane]
                    for r in range(FIRST_TERM, FIRST_TERM + regressed[c] - 1):
                        rest[i, j] -= np.float64(products[r, i, lane]) * products[r, j, lane]
            total = max(rest[0, 0], 0.0) + n * floor
            unexplained = max(total - shared[0] * shared[0], n * floor)
            nats[c, p] = 0.5 * n * np.log(total / unexplained)
            weight = n / unexplained
            difference = weight - n / total
            for i in range(AXES):
                gradient[c, p, i] = weight * shared[0] * shared[1 + i] - difference * rest[1 + i, 0]
                for j in range(i + 1):
                    curvature[i, j] += difference * (rest[1 + i, 1 + j] - shared[1 + i] * shared[1 + j])
    for i in range(AXES):
        for j in range(i):
            curvature[j, i] = curvature[i, j]
    return nats, gradient, curvature
