"""Cut piece by piece, a bag gives what it gives when it is read whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from foley_perception.dataset import store
from foley_perception.dataset.contacts import MergedContact
from foley_perception.dataset.cut import CutConfig, Cutter
from foley_perception.dataset.further import absent_problems
from foley_perception.dataset.pieces import cut_bag, pieces
from foley_perception.dataset.rows import Rows
from foley_perception.dataset.survey import survey_episode
from foley_perception.episodes import read_episode
from foley_perception.episodes.outline import Outline

MakeBag = Callable[..., Path]
SECONDS = 9.5
CONTACTS = (0.3, 1.0, 3.02, 3.98, 6.5, 7.99, 8.0, 8.6)
LONG = 10**12  # [ns] between two clocks


def later(arrival: int, topic: str, kind: str, message: Any) -> list[Any]:
    """Arrival by another clock that runs half as fast, and pictures 1.5 s late."""
    late = 100_000_000 if topic == "camera/image_raw" else 0
    return [(LONG + arrival // 2 + late, topic, kind, message)]


def second_of(message: Any) -> float:
    """Of its stamp, from the beginning of the recording."""
    stamp = message.header.stamp
    return float(stamp.sec % 1000 + stamp.nanosec / 1e9)


def two_publishers(arrival: int, topic: str, kind: str, message: Any) -> list[Any]:
    """The gripper tells its joint apart, once at the beginning and once at the end."""
    if topic != "joint_states":
        return [(arrival, topic, kind, message)]
    second, height = second_of(message), message.position[:1]
    make, empty = type(message), np.zeros(0)
    found = [(arrival, topic, kind, make(message.header, ["z"], height, empty, empty))]
    if second in (1.0, 9.0):
        stamp = type(message.header.stamp)(message.header.stamp.sec, message.header.stamp.nanosec + 1000)
        apart = make(
            type(message.header)(stamp, ""), ["gripper_width"], np.array([0.01 * second]), empty, empty
        )
        found.append((arrival, topic, kind, apart))
    return found


def holes(arrival: int, topic: str, kind: str, message: Any) -> list[Any]:
    """Nothing of the arm for 3 s, and NaN in its wrench for another 2 s."""
    if topic in ("ee_pose", "joint_states") and 2.5 < second_of(message) < 5.5:
        return []
    if topic == "wrench" and 5.5 < second_of(message) < 7.7:
        message.wrench.force.x = float("nan")
    return [(arrival, topic, kind, message)]


BAGS: dict[str, dict[str, Any]] = {
    "plans": {},
    "tool_plans": {"tool_plans": True},
    "gap and restart": {"audio_gap": (3.5, 3.7), "restart_at": 9.001, "plans": False},
    "jitter, moving base": {
        "audio_jitter_s": 0.003,
        "audio_drift_ppm": 150.0,
        "base": "moving",
        "plans": False,
    },
    "44100, compressed": {"sample_rate": 44_100, "compression": True, "plans": False},
    "by ear": {"truth": False, "scene": False, "plans": False},
    "a person": {"person": True, "plans": False},
    "other clocks": {"edit": later, "plans": False},
    "two publishers": {"edit": two_publishers},
    "holes": {"edit": holes, "plans": False},
    "NaN poses": {"nan_poses": 20, "plans": False},
}


def tables(folder: Path) -> list[pa.Table]:
    return [
        store.read_table(folder / "clips", store.CLIP_SCHEMA),
        store.read_table(folder / "windows", store.WINDOW_SCHEMA),
    ]


def rows_in(folder: Path) -> Rows:
    store.make_folders(folder)
    return Rows(folder, folder / "clips", folder / "windows")


@pytest.mark.parametrize("options", BAGS.values(), ids=BAGS.keys())
def test_pieces_give_what_the_whole_gives(options: dict[str, Any], make_bag: MakeBag, tmp_path: Path) -> None:
    if options.get("plans", True):
        pytest.importorskip("pinocchio")
    bag = make_bag(**{"seconds": SECONDS, "contact_times": CONTACTS, **options})
    config = CutConfig(windows=True)
    whole = Cutter(read_episode(bag), config)
    with rows_in(tmp_path / "whole") as rows:
        clips = list(whole.clips())
        for clip in clips:
            rows.add_clip(clip)
        for window in whole.windows([data.clip for data in clips]):
            rows.add_window(window)
        assert rows.clips >= 3 and rows.windows + whole.tally.skipped["window: sound is missing"] == 1
    told = sorted([*whole.problems, *absent_problems(whole.tally.devices)])
    folder = tmp_path / "pieces"
    with rows_in(folder) as rows:
        cut = cut_bag(Outline(bag), config, rows, piece_s=2.0)
    for ours, theirs in zip(tables(folder), tables(tmp_path / "whole"), strict=True):
        for name in theirs.column_names:
            assert repr(ours.column(name).to_pylist()) == repr(theirs.column(name).to_pylist()), name
        for files in store.media_of(tmp_path / "whole", theirs):
            for file in files:
                other = folder / file.relative_to(tmp_path / "whole")
                assert other.read_bytes() == file.read_bytes(), file
    assert dict(cut.skipped) == dict(whole.tally.skipped)
    assert sorted(cut.problems) == told
    assert (cut.session_id, cut.scene_id, cut.split) == ("s1", whole.scene_id, whole.episode.split)


def test_every_contact_and_window_belongs_to_one_piece(make_bag: MakeBag) -> None:
    episode = read_episode(make_bag(seconds=17.0, contact_times=CONTACTS, plans=False))
    survey = survey_episode(episode, merge_s=0.0, onsets=False)
    found = list(pieces(survey, 2_000_000_000, windows=True))
    assert [i for piece in found for i, _ in piece.contacts] == list(range(len(CONTACTS)))
    assert [start for piece in found for start in piece.windows] == list(survey.windows)
    assert len(survey.windows) == 2 and all(p.contacts or p.windows for p in found)
    assert max(piece.span.last_ns - piece.span.first_ns for piece in found) < 15 * 10**9


def test_a_wrong_stamp_makes_no_more_pieces(make_bag: MakeBag) -> None:
    """A contact that nobody stamped is years before the others."""
    episode = read_episode(make_bag(seconds=4.0, plans=False))
    survey = survey_episode(episode, merge_s=0.0, onsets=False)
    unstamped = dataclasses.replace(survey.contacts[0].contact, time_ns=0)
    survey = dataclasses.replace(survey, contacts=(MergedContact(unstamped, 1), *survey.contacts))
    found = list(pieces(survey, 2_000_000_000, windows=False))
    assert [[i for i, _ in piece.contacts] for piece in found] == [[0], [1, 2], [3]]
