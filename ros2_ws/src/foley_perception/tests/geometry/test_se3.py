import numpy as np
import pytest

from foley_perception.geometry.se3 import SE3, interpolate_at, stack


def random_poses(n: int, seed: int = 0) -> SE3:
    rng = np.random.default_rng(seed)
    return SE3(rng.standard_normal((n, 4)), rng.uniform(-2, 2, (n, 3)))


def assert_same(a: SE3, b: SE3, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(a.matrix, b.matrix, atol=tolerance)


def test_group_axioms() -> None:
    a, b, c = (random_poses(50, seed) for seed in range(3))
    assert_same((a @ b) @ c, a @ (b @ c))
    assert_same(a @ SE3.identity(), a)
    assert_same(SE3.identity() @ a, a)
    assert_same(a @ a.inverse(), SE3.identity(50))
    assert_same(a.inverse() @ a, SE3.identity(50))
    assert_same((a @ b).inverse(), b.inverse() @ a.inverse())


def test_agrees_with_matrices() -> None:
    a, b = random_poses(20, 3), random_poses(20, 4)
    np.testing.assert_allclose((a @ b).matrix, a.matrix @ b.matrix, atol=1e-12)
    point = np.array([0.3, -0.2, 0.9, 1.0])
    np.testing.assert_allclose(a.apply(point[:3]), (a.matrix @ point)[:, :3], atol=1e-12)
    np.testing.assert_allclose(a.rotate(point[:3]), a.rotation @ point[:3], atol=1e-12)
    assert_same(SE3.from_matrix(a.matrix), a)


@pytest.mark.parametrize("axis", [*np.eye(3).tolist(), [-1.0, 0.0, 0.0], [0.6, 0.0, -0.8]])
@pytest.mark.parametrize("angle", [0.0, 1e-9, 1.0, np.pi - 1e-7, np.pi])
def test_rotation_matrix_and_back_also_at_half_turns(axis: list[float], angle: float) -> None:
    pose = SE3.from_rotation_vector(np.array(axis) * angle)
    np.testing.assert_allclose(SE3.from_rotation(pose.rotation).rotation, pose.rotation, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(pose.rotation), 1.0)


def test_apply_turns_the_right_way() -> None:
    quarter = SE3.from_rotation_vector([0, 0, np.pi / 2], [1.0, 0.0, 0.0])
    np.testing.assert_allclose(quarter.apply([1.0, 0.0, 0.0]), [1.0, 1.0, 0.0], atol=1e-15)


def test_interpolation_is_even_and_takes_the_shorter_arc() -> None:
    start = SE3.from_rotation_vector([0, 0, 0.2])
    end = SE3.from_rotation_vector([0, 0, 1.4], [3.0, 0.0, 0.0])
    minus = SE3(-end.quaternion, end.translation)  # the same rotation
    fractions = np.linspace(0, 1, 7)
    for goal in (end, minus):
        path = SE3.identity(7).compose(start).interpolate(goal, fractions)
        angles = np.arctan2(path.rotation[:, 1, 0], path.rotation[:, 0, 0])
        np.testing.assert_allclose(angles, 0.2 + 1.2 * fractions, atol=1e-12)
        np.testing.assert_allclose(path.translation[:, 0], 3.0 * fractions, atol=1e-12)


def test_interpolation_of_nearly_equal_rotations_keeps_its_digits() -> None:
    start, end = SE3.identity(), SE3.from_rotation_vector([1e-8, 0, 0])
    half = start.interpolate(end, 0.5)
    np.testing.assert_allclose(half.quaternion[0], 0.25e-8, rtol=1e-6)


def test_interpolate_at_marks_what_it_does_not_know() -> None:
    times = np.array([0, 10, 20, 1000], dtype=np.int64) * 1_000_000
    poses = SE3.from_translation(np.stack([times / 1e9, np.zeros(4), np.zeros(4)], axis=1))
    query = np.array([-1, 0, 5, 20, 500, 1000, 1001], dtype=np.int64) * 1_000_000
    result = interpolate_at(times, poses, query, max_gap_s=0.1)
    assert result.finite.tolist() == [False, True, True, True, False, True, False]
    np.testing.assert_allclose(result.translation[2, 0], 0.005)
    with pytest.raises(ValueError, match="does not increase"):
        interpolate_at(times[::-1].copy(), poses, query)


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="length 0"):
        SE3(np.zeros(4), np.zeros(3))
    with pytest.raises(ValueError, match=r"expected \[..., 4\]"):
        SE3(np.zeros(3), np.zeros(3))
    assert not SE3(np.full(4, np.nan), np.zeros(3)).finite


def test_stack_and_indexing() -> None:
    poses = random_poses(5)
    again = stack([poses[i] for i in range(5)])
    assert_same(again, poses)
    assert len(poses[1:3]) == 2
    assert poses[:, None].apply(np.zeros((1, 4, 3))).shape == (5, 4, 3)
    distance, angle = poses[0].distance_to(poses[0] @ SE3.from_rotation_vector([0.3, 0, 0], [0.1, 0, 0]))
    np.testing.assert_allclose([distance, angle], [0.1, 0.3], atol=1e-12)
