"""Which pictures a model is shown of a contact."""

import numpy as np
import pytest

from foley_perception.clips.grid import CLIP_FRAMES, FRAME_RATE, frame_times_ns
from foley_perception.clips.pictures import NoPicture, frame_indices, still_index

S = 1_000_000_000
T0 = 1_763_000_000 * S


def frames(first_s: float, count: int) -> np.ndarray:
    return T0 + np.round((first_s + np.arange(count) / 30.0) * 1e9).astype(np.int64)


@pytest.mark.parametrize(
    ("blocked_after_s", "expected"),
    [(9.0, 12), (0.35, 10), (-1.0, 12)],  # all blocked: the one nearest in time is still the best there is
)
def test_still_is_taken_with_the_tool_out_of_the_way(blocked_after_s: float, expected: int) -> None:
    assert still_index(frames(0.0, 30), T0 + S, lambda t: t < T0 + blocked_after_s * S) == expected


def test_the_newest_frame_that_is_old_enough_is_taken_where_the_camera_began_late_or_stopped() -> None:
    assert still_index(frames(-1.0, 25), T0 + S) == 24
    assert still_index(frames(0.5, 30), T0 + S) == 0
    with pytest.raises(NoPicture, match="before the contact"):
        still_index(frames(0.51, 30), T0 + S)
    with pytest.raises(NoPicture):
        still_index([], T0 + S)


def test_an_earlier_still_is_looked_for_over_as_long_as_live_nodes_keep_pictures() -> None:
    times, contact = frames(0.0, 600), T0 + 17 * S  # the tip comes near at 8 s and waits

    def clear(time_ns: int) -> bool:
        return time_ns < T0 + 8 * S

    kept = times[(times > contact - 7 * S) & (times < contact + S)]
    assert times[still_index(times, contact, clear)] == kept[still_index(kept, contact, clear)]
    assert times[still_index(times, contact, clear)] == T0 + 16_400_000_000
    # 4.5 s of waiting are within it, and the search goes on from the frame, not from a contact still to come.
    assert times[still_index(times, T0 + 13 * S, clear)] == times[239]
    assert still_index(times[:300], T0 + 40 * S) == 299
    with pytest.raises(NoPicture, match="from the 5 s before"):
        still_index(np.array([T0, T0 + 40 * S]), T0 + 40 * S)


def test_frame_of_the_grid_is_the_newest_until_its_time() -> None:
    grid = frame_times_ns(T0 + S // 2, CLIP_FRAMES, FRAME_RATE)
    chosen = frame_indices(frames(0.0, 60), grid)
    assert chosen.tolist() == pytest.approx(list(range(16, 46)), abs=1)
    assert (frames(0.0, 60)[chosen] <= grid).all()


@pytest.mark.parametrize("times", [frames(1.0, 30), frames(0.0, 20), frames(0.0, 0)])
def test_frames_that_are_absent_or_stand_still_are_refused(times: np.ndarray) -> None:
    with pytest.raises(NoPicture, match="missing"):
        frame_indices(times, frame_times_ns(T0 + S // 2, CLIP_FRAMES, FRAME_RATE))
