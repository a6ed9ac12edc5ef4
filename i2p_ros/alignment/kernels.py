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
SUMMED_TOGETHER = (0, 1, 2, 3), (4, 5), (6,), (7,), (8,), (9,), (10,)  # rows of products, as registers have room
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


class _Arguments:
    """The arguments of an intrinsic function, in its generated code. The last axis of arrays of vectors is the lane."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.builder, self.given = builder, arguments
        self.arrays = {
            k: context.make_array(kind)(context, builder, arguments[k])
            for k, kind in enumerate(signature.args)
            if isinstance(kind, types.Array)
        }

    def size(self, k: int, axis: int) -> Any:
        return self.builder.extract_value(self.arrays[k].shape, axis)

    def at(self, k: int, i: Any) -> Any:
        """The element i of an array, as if it had one axis."""
        return self.builder.load(self.builder.gep(self.arrays[k].data, [i]))

    def index(self, k: int, i: Any = None) -> Any:
        """An argument, or an element of one, as an index."""
        value = self.given[k] if i is None else self.at(k, i)
        return value if value.type == INDEX else self.builder.zext(value, INDEX)

    def all_lanes(self, k: int, i: Any) -> _Vector:
        """The element i of an array in every lane."""
        return self.each_lane([self.at(k, i)] * LANES)

    def each_lane(self, values: Sequence[Any]) -> _Vector:
        whole = ir.Constant(FLOATS, ir.Undefined)
        for lane, value in enumerate(values):
            whole = self.builder.insert_element(whole, value, ir.IntType(32)(lane))
        return _Vector(self.builder, whole)

    def load(self, k: int, i: Any) -> _Vector:
        """The vector i of an array."""
        return _Vector(self.builder, self.builder.load(self._vector(k, i, FLOATS), align=FLOAT_BYTES))

    def store(self, vector: _Vector, k: int, i: Any) -> None:
        """Write the vector i of an array."""
        self.builder.store(vector.value, self._vector(k, i, vector.value.type), align=FLOAT_BYTES)

    def _vector(self, k: int, i: Any, kind: Any) -> Any:
        address = self.builder.gep(self.arrays[k].data, [self.builder.mul(i, INDEX(LANES))])
        return self.builder.bitcast(address, kind.as_pointer())


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

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given, add = _Arguments(context, builder, signature, arguments), builder.add
        right, below, n_points, longest = given.index(1), given.index(2), given.size(6, 1), given.size(3, 1)
        of_term = [builder.mul(INDEX(1 + term), n_points) for term in range(TERMS)]
        of_signal = [builder.mul(given.at(8, INDEX(lane)), n_points) for lane in range(LANES)]
        totals = [_Total(builder, DOUBLES) for _ in range(3 + TERMS)]
        with cgutils.for_range(builder, arguments[5]) as loop:
            corner, point = given.index(4, loop.index), add(arguments[7], loop.index)
            u, v = given.all_lanes(3, loop.index), given.all_lanes(3, add(longest, loop.index))
            upper, lower = (
                one + u * (given.load(0, add(at, right)) - one)
                for at in (corner, add(corner, below))
                for one in [given.load(0, at)]
            )
            values = (upper + v * (lower - upper)).double()
            terms = [given.all_lanes(6, add(row, point)) for row in of_term]
            signal = given.each_lane([given.at(6, add(row, point)) for row in of_signal])
            totals[0].add(values)
            for total, factor in zip(totals[1:], (values, *(one.double() for one in (*terms, signal))), strict=True):
                total.add(factor * values)
        for row, total in enumerate(totals):
            given.store(total.value, 9, INDEX(row))
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

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given, add = _Arguments(context, builder, signature, arguments), builder.add
        right, below, longest, n_points = given.index(1), given.index(2), given.size(5, 1), given.index(7)
        fx, fy = given.all_lanes(3, INDEX(0)), given.all_lanes(3, INDEX(1))
        starts = [builder.mul(INDEX(line), longest) for line in range(1 + AXES)]
        totals = [_Total(builder, FLOATS) for _ in starts]
        with cgutils.for_range(builder, n_points) as loop:
            corner = given.index(6, loop.index)
            u, v = given.all_lanes(5, loop.index), given.all_lanes(5, add(longest, loop.index))
            x, y, z, inverse, tan_x, tan_y = (given.all_lanes(4, add(start, loop.index)) for start in starts[:6])
            value = given.load(0, corner)
            across, down = given.load(0, add(corner, right)) - value, given.load(0, add(corner, below)) - value
            twist = given.load(0, add(add(corner, below), right)) - value - down - across
            by_v = down + u * twist
            dx, dy = (across + v * twist) * (fx * inverse), by_v * (fy * inverse)
            dz = -(dx * tan_x + dy * tan_y)
            about = y * dz - z * dy, z * dx - x * dz, x * dy - y * dx
            lines = value + u * across + v * by_v, dx, dy, dz, *about
            for start, total, line in zip(starts, totals, lines, strict=True):
                given.store(line, 8, add(start, loop.index))
                total.add(line)
        share = builder.fdiv(FLOATS.element(1.0), builder.sitofp(n_points, FLOATS.element))
        means = [total.value * given.each_lane([share] * LANES) for total in totals]
        with cgutils.for_range(builder, n_points) as loop:
            for start, mean in zip(starts, means, strict=True):
                place = add(start, loop.index)
                given.store(given.load(8, place) - mean, 8, place)
        return context.get_dummy_value()

    return types.void(texels, right, below, camera, turned, pixels, corners, n, lines), generate


@intrinsic
def _multiply(_: Any, lines: Any, n: Any, basis: Any, start: Any, rows: Any, products: Any) -> Any:
    """Write sums over n points of products of `lines` (7, n, 4) into `products` (8 + TERMS, 7, 4): with each line, with
    the row `rows[c]` of the basis, and with each term. Of the lines, those up to the same one are written."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given, add = _Arguments(context, builder, signature, arguments), builder.add
        longest, n_points = given.size(0, 1), given.size(2, 1)
        starts = [builder.mul(INDEX(line), longest) for line in range(1 + AXES)]
        of_signal = [builder.mul(given.at(4, INDEX(lane)), n_points) for lane in range(LANES)]
        of_term = [builder.mul(INDEX(1 + term), n_points) for term in range(TERMS)]

        def factor(row: int, point: Any) -> _Vector:
            if row <= AXES:
                return given.load(0, add(starts[row], point))
            in_basis = add(arguments[3], point)
            if row == SIGNAL:
                return given.each_lane([given.at(2, add(one, in_basis)) for one in of_signal])
            return given.all_lanes(2, add(of_term[row - FIRST_TERM], in_basis))

        for together in SUMMED_TOGETHER:
            totals = {(row, k): _Total(builder, FLOATS) for row in together for k in range(min(row, AXES) + 1)}
            with cgutils.for_range(builder, arguments[1]) as loop:
                factors = {row: factor(row, loop.index) for row in together}
                lines = [given.load(0, add(start, loop.index)) for start in starts[: max(together) + 1]]
                for (row, k), total in totals.items():
                    total.add(factors[row] * lines[k])
            for (row, k), total in totals.items():
                given.store(total.value, 5, INDEX(row * (1 + AXES) + k))
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
