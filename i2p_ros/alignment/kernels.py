# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The inner loops of the mutual information, compiled by numba.

A reference in NumPy is in the tests.

Most take the N points of a cloud, ordered by patch: `rays` (3, N), m; `basis` (R, N); `bounds` (P, 2), the first point
of each patch and that after its last. `image` (C, H, W) holds the channels, `camera` (4,) is fx, fy, cx, cy in px, and
`motion` (4, 3) or `motions` (K, 4, 3) holds the rows of a rotation, then the translation in m. Channel c is compared
with the row `rows[c]` of the basis, after the first `regressed[c]` rows are regressed out of it. The first row is
constant in each patch, so it is regressed out by subtracting the mean, which also keeps float32 exact enough.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from i2p_ros.core.compiled import inner, kernel

AXES = 6  # of a drift
MIN_DEPTH = np.float32(0.5)  # m: smaller depths are as if they were this
BORDER = np.float32(1.01)  # px: points this close to the last column or row, or beyond, have the value there
ZERO, ONE = np.float32(0.0), np.float32(1.0)
SIDES = "float32[:, :, ::1], float32[::1], float32[:, ::1], float32[:, ::1], int64[:, ::1]"  # image to bounds
SIGNALS = "int64[::1], int64[::1], float64"  # rows, regressed, floor


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


@inner
def _sample(channel: Any, width: int, height: int, pixels: Any, corners: Any, n: int, values: Any) -> None:
    """Write the bilinear values (n,) of a channel (H * W,) at the points of `_corners`."""
    us, vs = pixels[0], pixels[1]
    right, below = _steps(width, height)
    for i in range(n):
        at = corners[i]
        upper = channel[at] + us[i] * (channel[at + right] - channel[at])
        lower = channel[at + below] + us[i] * (channel[at + below + right] - channel[at + below])
        values[i] = upper + vs[i] * (lower - upper)


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


@kernel(f"float64[:, ::1]({SIDES}, float32[:, :, ::1], {SIGNALS})")
def information_of_drifts(
    image: Any, camera: Any, rays: Any, basis: Any, bounds: Any, motions: Any, rows: Any, regressed: Any, floor: float
) -> Any:
    """(K, C) mutual information, nats, summed over the patches. `floor` is the variance of the image's noise."""
    (channels, height, width), longest = image.shape, np.max(bounds[:, 1] - bounds[:, 0])
    flat = image.reshape(channels, height * width)
    pixels, corners, samples = (
        np.empty((2, longest), np.float32),
        np.empty(longest, np.uint32),
        np.empty(longest, np.float32),
    )
    nats = np.zeros((len(motions), channels))
    for k in range(len(motions)):
        for p in range(len(bounds)):
            start, n = bounds[p, 0], bounds[p, 1] - bounds[p, 0]
            _project(camera, rays, motions[k], start, n, pixels)
            _corners(pixels, width, height, n, corners)
            values = samples[:n]
            for c in range(channels):
                _sample(flat[c], width, height, pixels, corners, n, values)
                _centre(values)
                rest = _dot(values, values)
                for r in range(1, regressed[c]):
                    rest -= _dot(basis[r, start : start + n], values) ** 2
                shared = _dot(basis[rows[c], start : start + n], values)
                total = max(rest, 0.0) + n * floor
                nats[k, c] += 0.5 * n * np.log(total / max(total - shared * shared, n * floor))
    return nats


@kernel(f"Tuple((float64[:, ::1], float64[:, :, ::1], float64[:, ::1]))({SIDES}, float32[:, ::1], {SIGNALS})")
def terms_of_drift(
    image: Any, camera: Any, rays: Any, basis: Any, bounds: Any, motion: Any, rows: Any, regressed: Any, floor: float
) -> Any:
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
    curvature = np.zeros((AXES, AXES))
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


@kernel("void(float64[:, ::1], int64[:, ::1], int64[::1], float64)")
def orthonormalized(rows: Any, bounds: Any, regressed: Any, least: float) -> None:
    """Make rows (R, N) orthonormal in each patch, by Gram and Schmidt's method.

    `bounds` (P, 2) are the first point of each patch and that after its last. Row r is made orthogonal to the first
    `regressed[r]` rows, twice, for accuracy, and has the length 1 then. It is 0 in a patch where less than the share
    `least` of its energy is left.
    """
    for p in range(len(bounds)):
        start, end = bounds[p, 0], bounds[p, 1]
        for r in range(len(rows)):
            row = rows[r, start:end]
            whole = _dot(row, row)
            for _ in range(2):
                for before in range(regressed[r]):
                    other = rows[before, start:end]
                    share = _dot(row, other)
                    for i in range(len(row)):
                        row[i] -= share * other[i]
            energy = _dot(row, row)
            scale = 1.0 / np.sqrt(energy) if energy > least * whole else 0.0
            for i in range(len(row)):
                row[i] *= scale
