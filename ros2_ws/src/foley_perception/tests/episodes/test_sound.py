"""The streams of a microphone, noted in one pass and read in stretches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foley_perception.episodes import read_episode, sound
from foley_perception.episodes.outline import Outline, Span
from foley_perception.episodes.reader import episode_of

MakeBag = Callable[..., Path]
START = 1_800_000_000_000_000_000


def swapped_and_doubled(arrival: int, topic: str, kind: str, message: Any) -> list[Any]:
    """The chunk at 1.50 s comes 35 ms late, behind those that follow it; the one at 2.00 s comes twice."""
    if topic == "mic/audio" and message.first_sample == 72_000:
        return [(arrival + 35_000_000, topic, kind, message)]
    twice = topic == "mic/audio" and message.first_sample == 96_000
    return [(arrival, topic, kind, message)] * (2 if twice else 1)


def test_chunks_out_of_order_and_twice_are_one_stream(make_bag: MakeBag) -> None:
    options = {"plans": False, "seconds": 3.0, "contact_times": (1.0, 1.5)}
    plain = read_episode(make_bag("plain", **options)).audio
    mixed = read_episode(make_bag("mixed", edit=swapped_and_doubled, **options)).audio
    assert plain is not None and mixed is not None and len(mixed.segments) == 1 and not mixed.gaps
    assert np.array_equal(mixed.segments[0].samples, plain.segments[0].samples)


def test_a_stretch_holds_the_samples_of_the_whole(make_bag: MakeBag) -> None:
    bag = make_bag(plans=False, seconds=6.0, audio_gap=(2.0, 2.1), restart_at=4.0, audio_drift_ppm=100.0)
    whole = read_episode(bag).audio
    first, last = START + 1_500_000_000, START + 4_500_000_000
    part = episode_of(Outline(bag), Span(first, last, first, last)).audio
    assert whole is not None and part is not None
    assert [s.clock for s in part.segments] == [s.clock for s in whole.segments]
    assert sum(len(s.samples) for s in part.segments) == pytest.approx(3 * 48_000 * (1 - 100e-6), abs=4)
    stretch = (first + 1000, 140_000, 48_000)
    for ours, theirs in zip(part.slice(*stretch), whole.slice(*stretch), strict=True):
        assert np.array_equal(ours, theirs)
    assert not part.slice(START + 1_900_000_000, 9_600, 48_000)[1].all()  # of which half was never received


def test_a_clock_is_fitted_to_evenly_thinned_chunks(
    make_bag: MakeBag, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = make_bag(plans=False, seconds=12.0, audio_jitter_s=0.0002, audio_drift_ppm=200.0)
    exact = read_episode(bag).audio
    monkeypatch.setattr(sound, "MAX_HEADS", 300)
    outline = Outline(bag)
    (stream,) = next(iter(outline._sounds.values())).streams
    assert 150 <= len(stream.heads) <= 300 and set(np.diff(stream.heads[:, 0])) == {4 * 480}
    assert exact is not None
    ends = [s.clock.time_ns(12 * 48_000) for s in (exact.segments[0], stream)]
    assert abs(int(ends[0]) - int(ends[1])) < 100_000
    assert dataclasses.asdict(stream.clock) != dataclasses.asdict(exact.segments[0].clock)
