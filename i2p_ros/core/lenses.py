# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lens distortion, one class per formula. A new lens is a class and a row in LENSES."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.geometry import Array

PINHOLE = "plumb_bob", (0.0,) * 5  # how a CameraInfo states that there is no distortion: a model and its coefficients
MAX_ANGLE = np.radians(140.0)  # off the optical axis: the widest fisheyes that are sold see 280 deg
MAX_RADIUS = 1e6  # normalised: no image is larger
STEPS, STEPS_2D = 200, 30  # most steps of the inversions
NEGLIGIBLE = 1e-100  # a leading coefficient of a polynomial that is smaller is left out
TOLERANCE = 1e-10  # normalised: a pixel whose ray projects farther off has no ray
SETTLED = 1e-13  # a step of an inversion that ends it
RADIAL = (0, 1, 4, 5, 6, 7)  # places of k1 to k6 among the coefficients of a Polynomial
UNSKEWED = 0.98  # of the largest radius: where the inversion with tangential distortion starts at most


class Lens(Protocol):
    """A distortion model. `d` (C,) are the coefficients, at least one of them.

    Distorted coordinates are pixels relative to the principal point, over the focal lengths. Rays are in the optical
    frame. The two methods are inverse to each other wherever they are not NaN.
    """

    @property
    def name(self) -> str:
        """Name of the model in sensor_msgs/CameraInfo."""
        ...

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names that drivers give the model in a CameraInfo."""
        ...

    @property
    def counts(self) -> tuple[int, ...]:
        """Allowed numbers of coefficients. 0 means that there is no distortion."""
        ...

    @property
    def zero_is_pinhole(self) -> bool:
        """Whether the model with all coefficients zero is a pinhole."""
        ...

    @property
    def is_fisheye(self) -> bool:
        """Whether the model has rays at 90 deg and more off the optical axis."""
        ...

    def project(self, rays: Array, d: Array) -> Array:
        """Distorted coordinates (N, 2) of rays (N, 3) of any length; NaN beyond the angle at which the image folds."""
        ...

    def rays(self, distorted: Array, d: Array) -> Array:
        """Unit rays (N, 3) of distorted coordinates (N, 2); NaN where no ray reaches."""
        ...


class Polynomial:
    """Radial polynomial, or ratio of two, with tangential distortion: `plumb_bob` and `rational_polynomial`.

    The formula is that of OpenCV (calib3d, "Detailed description") with k1, k2, p1, p2, k3, k4, k5, k6, then the thin
    prism s1, s2, s3, s4 and the tilt of the sensor tx, ty.
    """

    zero_is_pinhole = True
    is_fisheye = False

    def __init__(self, name: str, counts: tuple[int, ...], aliases: tuple[str, ...] = ()) -> None:
        self.name, self.counts, self.aliases = name, counts, aliases

    def project(self, rays: Array, d: Array) -> Array:
        """Distorted coordinates (N, 2), NaN at 90 deg and more off the axis and beyond the fold."""
        with np.errstate(all="ignore"):
            normalised = rays[:, :2] / np.where(rays[:, 2:] > 0, rays[:, 2:], np.nan)
            distorted, jacobian = _polynomial(normalised, d)
            return np.where(_before_fold(normalised, jacobian, d)[:, None], _mapped(_tilt(d), distorted), np.nan)

    def rays(self, distorted: Array, d: Array) -> Array:
        """Unit rays (N, 3), found by Newton's method in two dimensions from the inverse of the radial part."""
        with np.errstate(all="ignore"):
            distorted = _mapped(np.asarray(np.linalg.inv(_tilt(d)), np.float64), distorted)
            normalised = _radially_inverted(distorted, d)
            moving = np.arange(len(normalised))
            for _ in range(STEPS_2D):
                at = normalised[moving]
                value, (ux, uy, vx, vy) = _polynomial(at, d)
                u, v = (value - distorted[moving]).T
                step = np.stack([vy * u - uy * v, ux * v - vx * u], axis=1) / (ux * vy - uy * vx)[:, None]
                normalised[moving] = at - step
                moving = moving[(np.abs(step) > SETTLED * np.maximum(np.abs(at), 1.0)).any(axis=1)]
            value, jacobian = _polynomial(normalised, d)
            off = np.abs(value - distorted).max(axis=1, initial=0.0)
            reached = off <= TOLERANCE * np.maximum(np.hypot(*distorted.T), 1.0)
            reached &= _before_fold(normalised, jacobian, d)
            rays = np.column_stack([normalised, np.ones(len(normalised))])
            return np.where(reached[:, None], rays / np.linalg.norm(rays, axis=1, keepdims=True), np.nan)


Jacobian = tuple[Array, Array, Array, Array]  # derivatives of u by x and by y, and of v by x and by y, each (N,)


def _polynomial(normalised: Array, d: Array) -> tuple[Array, Jacobian]:
    """Distorted coordinates (N, 2) of normalised ones before the tilt of the sensor, and their derivatives."""
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4, *_ = _all(d)
    x, y = normalised.T
    r2 = x * x + y * y
    above, below = 1 + r2 * (k1 + r2 * (k2 + r2 * k3)), 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
    scale = above / below
    growth = (k1 + r2 * (2 * k2 + r2 * 3 * k3) - scale * (k4 + r2 * (2 * k5 + r2 * 3 * k6))) / below  # by r2
    u = x * scale + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + r2 * (s1 + r2 * s2)
    v = y * scale + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y + r2 * (s3 + r2 * s4)
    prism_u, prism_v = 2 * (s1 + 2 * r2 * s2), 2 * (s3 + 2 * r2 * s4)
    across = 2 * x * y * growth + 2 * p1 * x + 2 * p2 * y
    ux = scale + 2 * x * x * growth + 2 * p1 * y + 6 * p2 * x + prism_u * x
    vy = scale + 2 * y * y * growth + 6 * p1 * y + 2 * p2 * x + prism_v * y
    return np.stack([u, v], axis=1), (ux, across + prism_u * y, across + prism_v * x, vy)


def _all(d: Array) -> list[float]:
    """All 14 coefficients."""
    given: list[float] = np.pad(d, (0, 14 - len(d))).tolist()
    return given


def _tilt(d: Array) -> Array:
    """Homography (3, 3) from coordinates on a sensor that faces the lens to those on the tilted one."""
    *_, tx, ty = _all(d)
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, np.cos(tx), np.sin(tx)], [0.0, -np.sin(tx), np.cos(tx)]])
    about_y = np.array([[np.cos(ty), 0.0, -np.sin(ty)], [0.0, 1.0, 0.0], [np.sin(ty), 0.0, np.cos(ty)]])
    turned = about_y @ about_x
    flat = np.array([[turned[2, 2], 0.0, -turned[0, 2]], [0.0, turned[2, 2], -turned[1, 2]], [0.0, 0.0, 1.0]])
    return np.asarray(flat @ turned)


def _mapped(homography: Array, points: Array) -> Array:
    """Points (N, 2) after a homography; NaN where it takes them behind."""
    x, y, w = homography @ np.vstack([points.T, np.ones(len(points))])
    return np.stack([x, y], axis=1) / np.where(w > 0, w, np.nan)[:, None]


def _before_fold(normalised: Array, jacobian: Jacobian, d: Array) -> NDArray[np.bool_]:
    """(N,) whether the image has not folded back up to normalised coordinates: in radius, or as a whole by tangential
    distortion."""
    ux, uy, vx, vy = jacobian
    return np.asarray((np.hypot(*normalised.T) < _fold(d)) & (ux * vy > uy * vx) & (ux + vy > 0))


def _radially_inverted(distorted: Array, d: Array) -> Array:
    """Normalised coordinates (N, 2) of distorted ones, without tangential distortion and inside of the fold."""
    radial = np.where(np.isin(np.arange(len(d)), RADIAL), d, 0.0)

    def of_radius(r: Array) -> tuple[Array, Array]:
        value, (slope, *_) = _polynomial(np.stack([r, np.zeros_like(r)], axis=1), radial)
        return value[:, 0], slope

    limit = min(_fold(d), MAX_RADIUS)
    radius = np.hypot(*distorted.T)
    wanted = np.minimum(radius, of_radius(np.array([UNSKEWED * limit]))[0])
    return distorted * (_inverted(of_radius, wanted, limit) / np.maximum(radius, 1e-300))[:, None]


def _fold(d: Array) -> float:
    """The normalised radius at which the distorted one stops to grow; infinity if it always grows."""
    k1, k2, _, _, k3, k4, k5, k6, *_ = _all(d)
    above, below = np.polynomial.Polynomial([1, k1, k2, k3]), np.polynomial.Polynomial([1, k4, k5, k6])
    t = np.polynomial.Polynomial([0, 1])
    slope = (above + 2 * t * above.deriv()) * below - 2 * t * above * below.deriv()  # of r above / below, in t = r * r
    roots = [_first_root(np.asarray(polynomial.coef, np.float64)) for polynomial in (slope, below)]
    return float(np.sqrt(min(roots)))


class Equidistant:
    """Fisheye: a polynomial of the angle to the optical axis (Kannala and Brandt 2006), with k1, k2, k3, k4."""

    name = "equidistant"
    aliases = ("fisheye",)
    counts = (0, 4)
    zero_is_pinhole = False  # the radius is then the angle, not its tangent
    is_fisheye = True

    def project(self, rays: Array, d: Array) -> Array:
        """Distorted coordinates (N, 2), NaN from the angle on at which the polynomial has its maximum."""
        with np.errstate(all="ignore"):
            across = np.hypot(rays[:, 0], rays[:, 1])
            angle = np.arctan2(across, rays[:, 2])
            radius = np.where(angle < _largest_angle(d), _of_angle(angle, d)[0], np.nan)
            return rays[:, :2] * np.where(across > 0, radius / across, 0.0 * radius)[:, None]

    def rays(self, distorted: Array, d: Array) -> Array:
        """Unit rays (N, 3) by Newton's method on the growing part of the polynomial."""
        with np.errstate(all="ignore"):
            radius = np.hypot(distorted[:, 0], distorted[:, 1])
            angle = _inverted(lambda a: _of_angle(a, d), radius, _largest_angle(d))
            reached = np.abs(_of_angle(angle, d)[0] - radius) <= TOLERANCE * np.maximum(radius, 1.0)
            angle = np.where(reached, angle, np.nan)
            sideways = np.where(radius > 0, np.sin(angle) / radius, 0.0 * angle)
            return np.column_stack([distorted * sideways[:, None], np.cos(angle)])


def _of_angle(angle: Array, d: Array) -> tuple[Array, Array]:
    """The distorted radius (N,) at an angle off the axis, and its derivative."""
    a2, (k1, k2, k3, k4) = angle * angle, d.tolist()
    radius = angle * (1 + a2 * (k1 + a2 * (k2 + a2 * (k3 + a2 * k4))))
    return radius, 1 + a2 * (3 * k1 + a2 * (5 * k2 + a2 * (7 * k3 + a2 * 9 * k4)))


def _largest_angle(d: Array) -> float:
    """The angle, rad, at which the distorted radius stops to grow; at most MAX_ANGLE."""
    return min(float(np.sqrt(_first_root([1, *(d * [3, 5, 7, 9])]))), MAX_ANGLE)


def _first_root(coefficients: Sequence[float] | Array) -> float:
    """The least positive root of a polynomial with coefficients by rising power; infinity without one.

    0 for coefficients so large that the roots overflow.
    """
    given = np.asarray(coefficients, np.float64)
    given = given[: np.flatnonzero(~(np.abs(given) < NEGLIGIBLE))[-1] + 1]
    with np.errstate(all="ignore"):
        if not np.isfinite(given[:-1] / given[-1]).all():
            return 0.0
        roots = np.polynomial.polynomial.polyroots(given)
    real = roots.real[(np.abs(roots.imag) <= 1e-9 * np.abs(roots)) & (roots.real > 0)]
    return float(real.min(initial=np.inf))


def _inverted(of: Callable[[Array], tuple[Array, Array]], wanted: Array, limit: float) -> Array:
    """Arguments (N,) in 0..limit at which a function is `wanted`; NaN where it is smaller even at the limit.

    `of` gives values and derivatives, and grows up to the limit. Newton's method, with bisection where its step leaves
    the interval that is known to hold the argument.
    """
    wanted = np.where(wanted < of(np.array([limit]))[0], wanted, np.nan)
    low, high = np.zeros_like(wanted), np.full_like(wanted, limit)
    at = np.minimum(wanted, 0.5 * limit)
    for _ in range(STEPS):
        value, slope = of(at)
        above = value >= wanted
        low, high = np.where(above, low, at), np.where(above, at, high)
        new = at - (value - wanted) / slope
        new = np.where((new >= low) & (new <= high), new, 0.5 * (low + high))
        settled = not (np.abs(new - at) > SETTLED * np.maximum(new, 1.0)).any()
        at = new
        if settled:
            break
    return np.where(np.isnan(wanted), np.nan, at)


LENSES: dict[str, Lens] = {
    lens.name: lens
    for lens in (
        Polynomial("plumb_bob", (0, 4, 5), aliases=("",)),
        Polynomial("rational_polynomial", (0, 8, 12, 14)),
        Equidistant(),
    )
}


def lens_name(name: str) -> str:
    """Name of the model that a CameraInfo means by `name`; `name` itself if it is no alias."""
    return next((lens.name for lens in LENSES.values() if name in lens.aliases), name)
