"""Plain numbers against SE3, the reference."""

import numpy as np
import pytest

from foley_perception.geometry import rigid
from foley_perception.geometry.rigid import Rigid
from foley_perception.geometry.se3 import SE3


def se3(pose: Rigid) -> SE3:
    return SE3(np.array(pose[3:]), np.array(pose[:3]))


def near(one: Rigid, other: SE3) -> None:
    far, turned = se3(one).distance_to(other)
    assert far < 1e-12 and turned < 1e-7
    assert np.linalg.norm(one[3:]) == pytest.approx(1.0, abs=1e-12)


def test_the_same_as_se3() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        a, b = (rigid.rigid(rng.normal(size=7), 0.0, 10.0) for _ in range(2))
        assert a is not None and b is not None
        fraction = float(rng.uniform())
        near(rigid.compose(a, b), se3(a) @ se3(b))
        near(rigid.inverse(a), se3(a).inverse())
        near(rigid.between(a, b, fraction), se3(a).interpolate(se3(b), fraction))
        near(rigid.between(a, a, fraction), se3(a))
        near(rigid.compose(a, rigid.IDENTITY), se3(a))


@pytest.mark.parametrize("length", [0.0, 1e-12, 0.5, 1e308, np.inf, np.nan])
def test_what_is_no_rotation_is_none(length: float) -> None:
    assert rigid.rigid((0, 0, 0, 0, 0, 0, length), 0.9, 1.1) is None
    assert rigid.rigid((0, np.nan, 0, 0, 0, 0, 1), 0.9, 1.1) is None
    assert rigid.rigid((0, 0, 0, 0, 0, 0, 1.05), 0.9, 1.1) == rigid.IDENTITY
