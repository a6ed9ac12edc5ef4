# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The inner loops of the mutual information, compiled by numba.

A reference in NumPy is in the tests.

Most take the N points of a cloud, ordered by patch: `rays` (3, N), m; `basis` (R, N); `bounds` (P, 2), the first point
of each patch and that after its last. `image` (C, H, W) holds the channels, or `texels` (G, H, W, 4) the same in groups
of four, with zeros after the last. `camera` (4,) is fx, fy, cx, cy in px. A drift (6,) is added to the `translation`
(3,), m, and turns the points. Channel c is compared with the row `rows[c]` of the basis, after the first `regressed[c]`
rows are regressed out of it. The first row is constant in each patch, so it is regressed out by subtracting the mean.
"""

from __future__ import annotations

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
    single, index = ir.FloatType(), ir.IntType(64)
    four, doubles = ir.VectorType(single, LANES), ir.VectorType(ir.DoubleType(), LANES)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def array(k: int) -> Any:
            return context.make_array(signature.args[k])(context, builder, arguments[k])

        def at(data: Any, i: Any) -> Any:
            return builder.load(builder.gep(data, [i]))

        def pixel(i: Any) -> Any:
            address = builder.gep(array(0).data, [builder.mul(i, index(LANES))])
            return builder.load(builder.bitcast(address, four.as_pointer()), align=FLOAT_BYTES)

        def vector(values: Any) -> Any:
            whole = ir.Constant(four, ir.Undefined)
            for lane, value in enumerate(values):
                whole = builder.insert_element(whole, value, ir.IntType(32)(lane))
            return whole

        def blend(one: Any, other: Any, share: Any) -> Any:
            return builder.fadd(one, builder.fmul(share, builder.fsub(other, one), flags=fast), flags=fast)

        fast = ("contract",)
        right, below = (builder.zext(arguments[k], index) for k in (1, 2))
        n_points = builder.extract_value(array(6).shape, 1)
        of_term = [builder.mul(index(1 + term), n_points) for term in range(TERMS)]
        of_signal = [builder.mul(at(array(8).data, index(lane)), n_points) for lane in range(LANES)]
        totals = [cgutils.alloca_once_value(builder, doubles([0.0] * LANES)) for _ in range(3 + TERMS)]
        for total in totals:
            builder.store(doubles([0.0] * LANES), total)
        longest = builder.extract_value(array(3).shape, 1)
        with cgutils.for_range(builder, arguments[5]) as loop:
            corner, point = builder.zext(at(array(4).data, loop.index), index), builder.add(arguments[7], loop.index)
            u, v = (vector([at(array(3).data, i)] * LANES) for i in (loop.index, builder.add(longest, loop.index)))
            upper, lower = (
                blend(pixel(left), pixel(builder.add(left, right)), u) for left in (corner, builder.add(corner, below))
            )
            values = builder.fpext(blend(upper, lower, v), doubles)
            weights = [
                vector([at(array(6).data, builder.add(row, point)) for row in rows])
                for rows in (*([row] * LANES for row in of_term), of_signal)
            ]
            factors = [doubles([1.0] * LANES), values, *(builder.fpext(weight, doubles) for weight in weights)]
            for total, factor in zip(totals, factors, strict=True):
                product = builder.fmul(factor, values, flags=fast)
                builder.store(builder.fadd(builder.load(total), product, flags=fast), total)
        for row, total in enumerate(totals):
            address = builder.gep(array(9).data, [index(LANES * row)])
            builder.store(builder.load(total), builder.bitcast(address, doubles.as_pointer()), align=2 * FLOAT_BYTES)
        return context.get_dummy_value()

    return types.void(texels, right, below, pixels, corners, n, basis, start, rows, sums), generate


@inner
def _linearize(
    channel: Any, width: int, height: int, camera: Any, turned: Any, pixels: Any, corners: Any, n: int, lines: Any
) -> None:  # fmt: skip
    """Write the values of a channel (H * W,) at n points, and their derivatives by the drift, into `lines` (7, n).

    `turned` (6, n) are the points after the rotation, the inverse depth, and the tangents of the point in view.
    """
    fx, fy = camera[0], camera[1]
    us, vs = pixels[0], pixels[1]
    xs, ys, zs, inverses, tan_xs, tan_ys = turned[0], turned[1], turned[2], turned[3], turned[4], turned[5]
    value, by_x, by_y, by_z, about_x, about_y, about_z = (
        lines[0], lines[1], lines[2], lines[3], lines[4], lines[5], lines[6]
    )  # fmt: skip
    right, below = _steps(width, height)
    for i in range(n):
        at = corners[i]
        corner = channel[at]
        across, down = channel[at + right] - corner, channel[at + below] - corner
        twist = channel[at + below + right] - channel[at + below] - across
        by_v = down + us[i] * twist
        value[i] = corner + us[i] * across + vs[i] * by_v
        dx, dy = (across + vs[i] * twist) * fx * inverses[i], by_v * fy * inverses[i]
        dz = -(dx * tan_xs[i] + dy * tan_ys[i])
        by_x[i], by_y[i], by_z[i] = dx, dy, dz
        about_x[i] = ys[i] * dz - zs[i] * dy
        about_y[i] = zs[i] * dx - xs[i] * dz
        about_z[i] = xs[i] * dy - ys[i] * dx


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


@inner
def _dot(one: Any, other: Any) -> Any:
    total = np.float32(0.0)
    for i in range(len(one)):
        total += one[i] * other[i]
    return total


@inner
def _centre(values: Any) -> None:
    """Subtract the mean of some values from them."""
    total = np.float32(0.0)
    for i in range(len(values)):
        total += values[i]
    mean = total / np.float32(len(values))
    for i in range(len(values)):
        values[i] -= mean


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
    f"(float32[:, :, ::1], {SIDES}, float64[::1], {SIGNALS})"
)
def terms_of_drift(
    image: Any, camera: Any, rays: Any, basis: Any, bounds: Any, translation: Any, drift: Any, rows: Any,
    regressed: Any, floor: float,
) -> Any:  # fmt: skip
    """(C, P) mutual information of one drift, nats, (C, P, 6) its gradient by the drift, and (6, 6) the Gauss-Newton
    approximation of the negative Hessian of the sum.

    A channel's values s at the points are linear in the drift, ds = J d. With n points, E and F of mutual_information,
    I = n/2 (log E - log F), where E and F are quadratic in s.
    """
    (channels, height, width), patches, longest = image.shape, len(bounds), np.max(bounds[:, 1] - bounds[:, 0])
    flat = image.reshape(channels, height * width)
    pixels, corners = np.empty((2, longest), np.float32), np.empty(longest, np.uint32)
    turned, lines = np.empty((6, longest), np.float32), np.empty((1 + AXES, longest), np.float32)  # lines: s and J
    products, regressors, shared = np.empty((1 + AXES, 1 + AXES)), np.empty(1 + AXES), np.empty(1 + AXES)
    nats, gradient = np.zeros((channels, patches)), np.zeros((channels, patches, AXES))
    curvature, motion = np.zeros((AXES, AXES)), np.empty((4, 3), np.float32)
    _motion(translation, drift, motion)
    for p in range(patches):
        start, n = bounds[p, 0], bounds[p, 1] - bounds[p, 0]
        _turn(camera, rays, motion, start, n, turned, pixels)
        _corners(pixels, width, height, n, corners)
        for c in range(channels):
            _linearize(flat[c], width, height, camera, turned, pixels, corners, n, lines)
            for i in range(1 + AXES):
                _centre(lines[i, :n])
                shared[i] = _dot(basis[rows[c], start : start + n], lines[i, :n])
                for j in range(i + 1):
                    products[i, j] = _dot(lines[i, :n], lines[j, :n])
            for r in range(1, regressed[c]):
                for i in range(1 + AXES):
                    regressors[i] = _dot(basis[r, start : start + n], lines[i, :n])
                    for j in range(i + 1):
                        products[i, j] -= regressors[i] * regressors[j]
            total = max(products[0, 0], 0.0) + n * floor
            unexplained = max(total - shared[0] * shared[0], n * floor)
            nats[c, p] = 0.5 * n * np.log(total / unexplained)
            weight = n / unexplained
            difference = weight - n / total
            for i in range(AXES):
                gradient[c, p, i] = weight * shared[0] * shared[1 + i] - difference * products[1 + i, 0]
                for j in range(i + 1):
                    curvature[i, j] += difference * (products[1 + i, 1 + j] - shared[1 + i] * shared[1 + j])
    for i in range(AXES):
        for j in range(i):
            curvature[j, i] = curvature[i, j]
    return nats, gradient, curvature
