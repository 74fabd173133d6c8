import numpy as np
import pytest

from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer, TransformUnavailable

S = 1_000_000_000


@pytest.fixture
def buffer() -> TransformBuffer:
    b = TransformBuffer(cache_s=10.0, tolerance_s=0.05)
    b.add("world", "camera", 0, SE3.from_translation([0.0, -0.7, 0.6]), static=True)
    b.add("tool", "tip", 0, SE3.from_translation([0.0, 0.0, 0.16]), static=True)
    for i in range(101):
        pose = SE3.from_rotation_vector([0, 0, 0.01 * i], [0.01 * i, 0.0, 0.5])
        b.add("world", "tool", i * S // 100, pose, static=False)
    return b


def test_looks_up_along_the_tree_with_interpolation(buffer: TransformBuffer) -> None:
    tip = buffer.lookup("world", "tip", S // 2 + S // 200)
    np.testing.assert_allclose(tip.translation, [0.505, 0.0, 0.66], atol=1e-12)
    seen = buffer.lookup("camera", "tip", S // 2)
    np.testing.assert_allclose(seen.translation, [0.5, 0.7, 0.06], atol=1e-12)
    back = buffer.lookup("tip", "camera", S // 2)
    np.testing.assert_allclose((seen @ back).matrix, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(buffer.lookup("world", "world").matrix, np.eye(4))


def test_newest_and_tolerance_at_the_ends(buffer: TransformBuffer) -> None:
    assert buffer.lookup("world", "tool").translation[0] == pytest.approx(1.0)
    assert buffer.lookup("world", "tool", S + S // 50).translation[0] == pytest.approx(1.0)
    with pytest.raises(TransformUnavailable, match="asked for"):
        buffer.lookup("world", "tool", 2 * S)
    # Nothing that moves is between these two.
    assert buffer.lookup("tool", "tip", 2 * S).translation[2] == pytest.approx(0.16)


@pytest.mark.parametrize(
    ("target", "source"), [("world", "tip"), ("camera", "tip"), ("tip", "camera"), ("tool", "tip")]
)
def test_many_times_at_once_are_as_one_by_one(buffer: TransformBuffer, target: str, source: str) -> None:
    times = np.array([-S, -S // 50, 0, S // 3, S // 2, S // 2 + 1, S, S + S // 50, 2 * S])
    poses, known = buffer.lookup_all(target, source, times)
    for index, time_ns in enumerate(times.tolist()):
        if not known[index]:
            with pytest.raises(TransformUnavailable):
                buffer.lookup(target, source, time_ns)
            continue
        alone = buffer.lookup(target, source, time_ns)
        np.testing.assert_allclose(poses[index].matrix, alone.matrix, atol=1e-12)
    assert known.sum() == (9 if target == "tool" else 7)
    with pytest.raises(TransformUnavailable, match="microphone"):
        buffer.lookup_all("world", "microphone", times)


def test_unknown_frames_are_named_with_the_known_ones(buffer: TransformBuffer) -> None:
    with pytest.raises(TransformUnavailable, match=r"microphone.*camera, tip, tool, world"):
        buffer.lookup("world", "microphone")
    with pytest.raises(TransformUnavailable):
        buffer.lookup("world", "microphone")
    with pytest.raises(TransformUnavailable, match="empty"):
        buffer.lookup("world", "")
    assert buffer.missed == 3


def test_refuses_what_is_no_transform(buffer: TransformBuffer) -> None:
    buffer.add("world", "tool", 3 * S, SE3(np.full(4, np.nan), np.zeros(3)), static=False)
    buffer.add("a", "a", 0, SE3.identity(), static=True)
    assert buffer.refused == 2
    assert buffer.lookup("/world", "/tool", S).translation[0] == pytest.approx(1.0)


def test_time_set_back_starts_anew_and_old_entries_are_forgotten() -> None:
    b = TransformBuffer(cache_s=1.0)
    for i in range(500):
        b.add("world", "tool", (100 + i) * S // 100, SE3.from_translation([i, 0, 0]), static=False)
    with pytest.raises(TransformUnavailable):
        b.lookup("world", "tool", S)
    b.add("world", "tool", S // 10, SE3.from_translation([7.0, 0, 0]), static=False)
    assert b.lookup("world", "tool", S // 10).translation[0] == 7.0


def test_a_loop_ends() -> None:
    b = TransformBuffer()
    b.add("a", "b", 0, SE3.identity(), static=True)
    b.add("b", "a", 0, SE3.identity(), static=True)
    with pytest.raises(TransformUnavailable):
        b.lookup("a", "c")


def test_what_moves_between_two_frames(buffer: TransformBuffer) -> None:
    buffer.add("tool", "wrist_camera", 0, SE3.identity(), static=True)
    assert buffer.fixed("world", "camera") and buffer.fixed("wrist_camera", "tip")
    assert not buffer.fixed("world", "wrist_camera")
    assert not buffer.fixed("world", "nowhere")  # nobody knows
    assert buffer.known_until_ns("world", "wrist_camera") == S
    assert buffer.known_until_ns("world", "camera") is None
    assert buffer.known_until_ns("world", "nowhere") is None
