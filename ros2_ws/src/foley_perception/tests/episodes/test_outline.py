"""Stretches of a bag are read with all that places them in the world."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foley_perception.dataset.survey import survey_outline
from foley_perception.episodes import EpisodeError, read_episode
from foley_perception.episodes.outline import Outline, Span
from foley_perception.episodes.reader import episode_of

MakeBag = Callable[..., Path]
START_NS, S = 1_800_000_000_000_000_000, 1_000_000_000


def seldom(arrival: int, topic: str, kind: str, message: Any) -> list[tuple[int, str, str, Any]]:
    """/tf at 1 Hz of the 20 Hz that are written, as long as the recording."""
    if topic == "/tf" and round((arrival - START_NS) / S * 20) % 20:
        return []
    return [(arrival, topic, kind, message)]


def outline_of(make_bag: MakeBag) -> Outline:
    return Outline(make_bag(seconds=6.0, contact_times=(1.0, 2.5, 4.0), base="moving", edit=seldom))


def test_moving_frames_are_read_beyond_the_edges_of_a_stretch(make_bag: MakeBag) -> None:
    outline = outline_of(make_bag)
    for start_s, length_s in itertools.product((0.0, 0.9, 1.0, 2.49, 3.95, 5.5), (0.0, 0.02, 1.2)):
        first = START_NS + round(start_s * S)
        last = min(first + round(length_s * S), START_NS + 5_990_000_000)
        episode = episode_of(outline, Span(first, last, first, last))
        assert not episode.findings and not episode.unplaced and episode.ee_pose is not None
        np.testing.assert_allclose(episode.ee_pose.poses.translation[:, 0], 0.05, atol=1e-6)
        assert episode.ee_pose.times_ns[0] <= first and last <= episode.ee_pose.times_ns[-1]


def test_no_contact_is_lost_at_an_edge(make_bag: MakeBag) -> None:
    survey = survey_outline(outline_of(make_bag), merge_s=0.1, onsets=True)
    assert len(survey.contacts) == 3 and survey.problems == ()


def test_moving_frames_without_stamps_are_named_where_poses_cannot_be_placed(make_bag: MakeBag) -> None:
    def edit(arrival: int, topic: str, kind: str, message: Any) -> list[tuple[int, str, str, Any]]:
        for moved in message.transforms if topic == "/tf" else ():
            moved.header.stamp.sec = moved.header.stamp.nanosec = 0
        return [(arrival, topic, kind, message)]

    bag = make_bag(base="moving", edit=edit)
    with pytest.raises(
        EpisodeError, match=r"its poses are in `base_link`.*/tf: \d+ of \d+ messages have header\.stamp 0"
    ):
        read_episode(bag)
    with pytest.raises(EpisodeError, match=r"header\.stamp 0"):
        survey_outline(Outline(bag), merge_s=0.1, onsets=True)
