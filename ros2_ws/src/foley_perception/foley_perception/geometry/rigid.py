"""One rigid transform at a time in plain numbers: what SE3 does for batches, at a fortieth of its cost.

A transform is (x, y, z, qx, qy, qz, qw), in the order of geometry_msgs, with a unit quaternion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Rigid = tuple[float, float, float, float, float, float, float]

IDENTITY: Rigid = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
_SMALL = 1.0 - 1e-12  # cosine of half an angle above which SLERP is a straight line


def rigid(numbers: Sequence[float], low: float, high: float) -> Rigid | None:
    """With a unit quaternion; None where a number is not finite or the quaternion's length not in [low, high]."""
    x, y, z, a, b, c, d = numbers
    length = math.hypot(a, b, c, d)
    if not (low <= length <= high and math.isfinite(x + y + z)):
        return None
    return (x, y, z, a / length, b / length, c / length, d / length)


def compose(one: Rigid, other: Rigid) -> Rigid:
    """First ``other``, then ``one``: ``tx_a_c`` of ``tx_a_b`` and ``tx_b_c``."""
    x, y, z, a, b, c, d = one
    u, v, w, e, f, g, h = other
    # v' = v + 2 q x (q x v + w v), with q the vector and w the scalar of the quaternion.
    m, n, o = b * w - c * v + d * u, c * u - a * w + d * v, a * v - b * u + d * w
    return (
        x + u + 2.0 * (b * o - c * n),
        y + v + 2.0 * (c * m - a * o),
        z + w + 2.0 * (a * n - b * m),
        d * e + h * a + b * g - c * f,
        d * f + h * b + c * e - a * g,
        d * g + h * c + a * f - b * e,
        d * h - a * e - b * f - c * g,
    )


def inverse(one: Rigid) -> Rigid:
    """``tx_b_a`` of ``tx_a_b``."""
    x, y, z, a, b, c, d = one
    back = compose((0.0, 0.0, 0.0, -a, -b, -c, d), (-x, -y, -z, 0.0, 0.0, 0.0, 1.0))
    return (*back[:3], -a, -b, -c, d)


def between(one: Rigid, other: Rigid, fraction: float) -> Rigid:
    """From ``one`` (0) to ``other`` (1): linear in translation, SLERP along the shorter arc."""
    cosine = sum(p * q for p, q in zip(one[3:], other[3:], strict=True))
    sign = -1.0 if cosine < 0 else 1.0
    cosine *= sign
    if cosine > _SMALL:
        first, second = 1.0 - fraction, fraction
    else:
        angle = math.acos(cosine)
        first, second = (math.sin(part * angle) / math.sin(angle) for part in (1.0 - fraction, fraction))
    turned = [first * p + sign * second * q for p, q in zip(one[3:], other[3:], strict=True)]
    length = math.hypot(*turned)
    a, b, c, d = (value / length for value in turned)
    x, y, z = (p + fraction * (q - p) for p, q in zip(one[:3], other[:3], strict=True))
    return (x, y, z, a, b, c, d)
