"""
Lens distortion, forward and inverse, on normalized image coordinates.

An undistorted point is (X/Z, Y/Z) in the optical frame; a distorted one is (u - cx) / fx and
(v - cy) / fy. The forward models are those of OpenCV's calib3d, which are also ROS's
(REP-104's ``plumb_bob``, ``rational_polynomial``, ``equidistant``). The inverse starts from a
table over the radius and continues with Newton's method on both coordinates. It converges for
lenses for which the usual five fixed-point steps do not, and is NaN where no inverse exists.
"""

from __future__ import annotations

from dataclasses import dataclass
import enum
import math
from typing import Any

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import NDArray

Array = NDArray[np.float64]

POLYNOMIAL_COUNTS = (4, 5, 8, 12, 14)
"""Numbers of coefficients of OpenCV's polynomial models; above 5 they are rational."""
_TABLE = 2049
_STEPS = 20
_RESIDUAL = 1e-10
_STEEPEST = math.tan(math.radians(89.5))


class Distortion(str, enum.Enum):
    """The distortion model, by its name in CameraInfo."""

    NONE = 'none'
    PLUMB_BOB = 'plumb_bob'
    RATIONAL = 'rational_polynomial'
    EQUIDISTANT = 'equidistant'


@dataclass(frozen=True)
class Polynomial:
    """
    The radial, tangential, thin prism and tilt model of OpenCV, with any number of terms.

    :param coefficients: k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4 [tau_x tau_y]]]]; missing ones
        are zero.
    """

    coefficients: tuple[float, ...]

    def _terms(self) -> tuple[float, ...]:
        return (*self.coefficients, *([0.0] * (14 - len(self.coefficients))))

    def limit(self) -> float:
        """
        Return the radius up to which the radial part increases and can be inverted.

        With s = r^2 the radius becomes r N(s) / D(s); it stops growing at the first root of
        N D + 2 s (N' D - N D'), or at a pole.

        :returns: the undistorted radius (X/Z), possibly inf.
        """
        k1, k2, _, _, k3, k4, k5, k6, *_ = self._terms()
        top, bottom = [1.0, k1, k2, k3], [1.0, k4, k5, k6]
        slope = polynomial.polysub(
            polynomial.polymul(polynomial.polyder(top), bottom),
            polynomial.polymul(top, polynomial.polyder(bottom)),
        )
        growth = polynomial.polyadd(
            polynomial.polymul(top, bottom), polynomial.polymul([0.0, 2.0], slope)
        )
        return math.sqrt(min(_first_root(growth), _first_root(bottom)))

    def distort(self, x: Array, y: Array) -> tuple[Array, Array]:
        """
        Apply the model.

        :param x: X/Z, any shape.
        :param y: Y/Z, the same shape.
        :returns: distorted normalized coordinates; NaN beyond :meth:`limit`, where the model
            folds the image back over itself.
        """
        limit = self.limit()
        with np.errstate(all='ignore'):
            xd, yd, _ = self._without_tilt(x, y)
            tilt = self._tilt()
            if tilt is not None:
                xd, yd = _homography(tilt, xd, yd)
            outside = x * x + y * y >= limit * limit
        return np.where(outside, np.nan, xd), np.where(outside, np.nan, yd)

    def undistort(self, xd: Array, yd: Array) -> tuple[Array, Array]:
        """
        Invert the model.

        :param xd: distorted normalized coordinates, any shape.
        :param yd: the same shape.
        :returns: X/Z and Y/Z, NaN where the model has no inverse.
        """
        tilt = self._tilt()
        if tilt is not None:
            xd, yd = _homography(np.asarray(np.linalg.inv(tilt), np.float64), xd, yd)
        limit = self.limit()
        # even in angle, so that the table is as fine in the middle of a wide lens as outside
        table = np.tan(np.linspace(0.0, math.atan(min(limit, _STEEPEST)), _TABLE))[:-1]
        purely_radial = Polynomial((*self._terms()[:2], 0.0, 0.0, *self._terms()[4:8]))
        radius = purely_radial._without_tilt(table, np.zeros_like(table))[0]
        rd = np.hypot(xd, yd)
        start = np.interp(rd, radius, table) / np.maximum(rd, 1e-12)
        x, y = (xd * start).ravel(), (yd * start).ravel()
        self._newton(x, y, xd.ravel(), yd.ravel(), limit)
        return x.reshape(xd.shape), y.reshape(yd.shape)

    def _newton(self, x: Array, y: Array, xd: Array, yd: Array, limit: float) -> None:
        """Refine x and y in place where needed; NaN where that fails."""
        todo = np.arange(x.size)
        with np.errstate(all='ignore'):
            for _ in range(_STEPS):
                px, py = x[todo], y[todo]
                fx, fy, jacobian = self._without_tilt(px, py)
                ex, ey = fx - xd[todo], fy - yd[todo]
                a, b, c, d = jacobian
                det = a * d - b * c
                done = (np.hypot(ex, ey) < _RESIDUAL) & (det > 0) & (np.hypot(px, py) < limit)
                x[todo] = px - np.where(done, 0.0, (d * ex - b * ey) / det)
                y[todo] = py - np.where(done, 0.0, (a * ey - c * ex) / det)
                todo = todo[~done]
                if not todo.size:
                    return
        x[todo] = np.nan
        y[todo] = np.nan

    def _without_tilt(
        self, x: Array, y: Array
    ) -> tuple[Array, Array, tuple[Array, Array, Array, Array]]:
        """Return distorted x and y, and the four derivatives (xx, xy, yx, yy)."""
        k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4, _, _ = self._terms()
        s = x * x + y * y
        top = 1 + s * (k1 + s * (k2 + s * k3))
        bottom = 1 + s * (k4 + s * (k5 + s * k6))
        gain = top / bottom
        slope = (
            (k1 + s * (2 * k2 + s * 3 * k3)) - gain * (k4 + s * (2 * k5 + s * 3 * k6))
        ) / bottom
        xd = x * gain + 2 * p1 * x * y + p2 * (s + 2 * x * x) + s * (s1 + s * s2)
        yd = y * gain + p1 * (s + 2 * y * y) + 2 * p2 * x * y + s * (s3 + s * s4)
        prism_x, prism_y = 2 * (s1 + 2 * s2 * s), 2 * (s3 + 2 * s4 * s)
        cross = 2 * (x * y * slope + p1 * x + p2 * y)
        jacobian = (
            gain + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x + prism_x * x,
            cross + prism_x * y,
            cross + prism_y * x,
            gain + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x + prism_y * y,
        )
        return xd, yd, jacobian

    def _tilt(self) -> Array | None:
        """Return OpenCV's matrix of a tilted sensor, or None if it is not tilted."""
        tau_x, tau_y = self._terms()[12:]
        if tau_x == 0 and tau_y == 0:
            return None
        cx, sx, cy, sy = math.cos(tau_x), math.sin(tau_x), math.cos(tau_y), math.sin(tau_y)
        about_x = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
        about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
        turn = about_y @ about_x
        onto = np.array(
            [[turn[2, 2], 0, -turn[0, 2]], [0, turn[2, 2], -turn[1, 2]], [0, 0, 1]]
        )
        return np.asarray(onto @ turn, np.float64)


@dataclass(frozen=True)
class Equidistant:
    """
    The fisheye model of Kannala and Brandt (2006) in OpenCV's form.

    theta is the angle off the optical axis, and the distorted radius is
    theta (1 + k1 theta^2 + k2 theta^4 + k3 theta^6 + k4 theta^8).

    :param coefficients: k1 k2 k3 k4.
    """

    coefficients: tuple[float, ...]

    def limit(self) -> float:
        """
        Return the angle up to which the image radius increases.

        :returns: angle off the axis (rad), at most 90 degrees, beyond which X/Z is undefined.
        """
        series = [1.0, *self.coefficients]
        growth = [(2 * n + 1) * k for n, k in enumerate(series)]
        return min(math.sqrt(_first_root(np.array(growth))), math.pi / 2)

    def distort(self, x: Array, y: Array) -> tuple[Array, Array]:
        """
        Apply the model.

        :param x: X/Z, any shape.
        :param y: Y/Z, the same shape.
        :returns: distorted normalized coordinates; NaN beyond :meth:`limit`.
        """
        radius = np.hypot(x, y)
        theta = np.arctan(radius)
        gain = np.where(radius > 0, self._radius(theta) / np.maximum(radius, 1e-300), 1.0)
        gain[theta >= self.limit()] = np.nan
        return x * gain, y * gain

    def undistort(self, xd: Array, yd: Array) -> tuple[Array, Array]:
        """
        Invert the model.

        :param xd: distorted normalized coordinates, any shape.
        :param yd: the same shape.
        :returns: X/Z and Y/Z, NaN where the model has no inverse or the ray is 90 degrees or
            more off the axis.
        """
        limit = self.limit()
        table = np.linspace(0.0, limit, _TABLE)
        radius = np.hypot(xd, yd)
        theta = np.interp(radius, self._radius(table), table)
        growth = [(2 * n + 1) * k for n, k in enumerate([1.0, *self.coefficients])]
        with np.errstate(all='ignore'):
            for _ in range(_STEPS):
                error = self._radius(theta) - radius
                if not (np.abs(error) > _RESIDUAL).any():
                    break
                theta = theta - error / polynomial.polyval(theta * theta, growth)
            good = np.abs(self._radius(theta) - radius) < _RESIDUAL
            good &= (theta >= 0) & (theta < limit)
            gain = np.where(radius > 0, np.tan(theta) / np.maximum(radius, 1e-300), 1.0)
        gain[~good] = np.nan
        return xd * gain, yd * gain

    def _radius(self, theta: Array) -> Array:
        series = polynomial.polyval(theta * theta, [1.0, *self.coefficients])
        return np.asarray(theta * series, np.float64)


def lens(model: Distortion, coefficients: tuple[float, ...]) -> Polynomial | Equidistant | None:
    """
    Return the object that computes a distortion model.

    :param model: the distortion model.
    :param coefficients: its coefficients.
    :returns: the lens, or None for one without distortion.
    """
    if model is Distortion.NONE:
        return None
    if model is Distortion.EQUIDISTANT:
        return Equidistant(coefficients)
    return Polynomial(coefficients)


def _first_root(ascending: NDArray[Any] | list[float]) -> float:
    """Return the smallest positive real root of a polynomial in r^2, inf if there is none."""
    series = np.asarray(ascending, np.float64)
    # a term too small to matter anywhere in the image only spoils the others' roots
    series[np.abs(series) * _STEEPEST ** (2.0 * np.arange(series.size)) < 1e-9] = 0.0
    roots = polynomial.polyroots(np.trim_zeros(series, 'b'))
    real = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
    return float(real.min()) if real.size else math.inf


def _homography(matrix: Array, x: Array, y: Array) -> tuple[Array, Array]:
    w = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    return (
        (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]) / w,
        (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]) / w,
    )
