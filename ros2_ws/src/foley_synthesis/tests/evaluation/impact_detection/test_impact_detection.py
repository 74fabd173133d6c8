"""Impacts on long videos: the matching rule by hand-made cases, and a network that can learn them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from foley_synthesis.commands import impacts as command
from foley_synthesis.evaluation.impact_detection.match import (
    Matched,
    average_precision,
    best_threshold,
    f1_at,
    match,
    peaks,
    precision_recall,
    rise,
)
from foley_synthesis.evaluation.impact_detection.net import (
    VideoNetConfig,
    _starts,
    fit_video_net,
    predict_video,
)
from foley_synthesis.evaluation.impact_detection.report import draw, markdown
from foley_synthesis.evaluation.impact_detection.run import detect
from foley_synthesis.evaluation.impact_detection.soundtrack import TrainingImpacts, assemble, make_track
from foley_synthesis.evaluation.impact_detection.videos import Video, audible
from foley_synthesis.vis.networks.pca import fit_pca

SMALL = VideoNetConfig(units=8, hidden=16, stretch=180, epochs=30, batch=8, dropout=0.0, passes=6.0)


def spikes(length: int, at: dict[int, float]) -> NDArray[np.float64]:
    values = np.zeros(length)
    for frame, height in at.items():
        values[frame] = height
    return values


def video(split: str, number: int, seconds: int = 12) -> Video:
    """A light that flashes with every impact in the spacetime features, and says nothing in the colour ones."""
    rng = np.random.default_rng([number, len(split)])
    steps = seconds * 90
    impacts = np.sort(rng.choice(np.arange(1, seconds - 1), size=seconds // 3, replace=False)) * 90.0 + 30
    cochleagram = np.full((steps, 42), 0.05, np.float32) + 0.005 * rng.random((steps, 42), dtype=np.float32)
    decay = np.exp(-np.arange(40) / 12.0)[:, None]
    spacetime = rng.normal(0, 0.1, (seconds * 15, 6))
    for at in impacts.astype(int):
        cochleagram[at : at + 40] += 0.4 * decay
        spacetime[at // 6] += 2.0
    rgb = rng.normal(0, 1.0, (seconds * 15, 6)).astype(np.float16)
    return Video(
        Path(f"{split}{number}"),
        f"{split}{number}", f"{split}-scene{number}", split, cochleagram, rgb, spacetime.astype(np.float16),
        np.arange(steps) // 6, np.zeros(seconds * 15, np.float32), np.zeros(steps, np.float32), impacts, impacts + 2,
        np.ones(steps, np.bool_),
        np.ones(len(impacts), np.bool_),
    )  # fmt: skip


def test_a_rule_for_every_case() -> None:
    impacts, ends = np.array([100.0, 300.0, 500.0, 700.0]), np.array([101.0, 420.0, 501.0, 701.0])
    heard = np.array([True, True, False, True])
    strength = spikes(900, {104: 0.9, 200: 0.8, 295: 0.7, 400: 0.6, 502: 0.5, 720: 0.4})
    found = match(strength, impacts, ends, heard)
    # Right; wrong; right; in the lasting touch: left out; at an impact nobody hears: left out; too late: wrong.
    assert found.right.tolist() == [True, False, True, False]
    assert found.strength.tolist() == [0.9, 0.8, 0.7, 0.4] and found.impacts == 3
    assert found.offset[[0, 2]].tolist() == [4.0, -5.0] and np.isnan(found.offset[1])
    recall, precision = precision_recall([found])
    assert recall.tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3])
    assert precision.tolist() == pytest.approx([1, 1 / 2, 2 / 3, 1 / 2])
    assert average_precision([found]) == pytest.approx(1 / 3 + 2 / 9)


def test_where_no_sound_was_recorded_nothing_counts() -> None:
    recorded = np.ones(400, np.bool_)
    recorded[190:260] = False
    strength = spikes(400, {100: 0.5, 220: 0.9})
    nowhere, heard = np.array([100.0]), np.array([True])
    assert match(strength, nowhere, nowhere, heard).right.tolist() == [False, True]
    assert match(strength, nowhere, nowhere, heard, recorded).right.tolist() == [True]


def test_a_threshold_is_chosen_on_other_videos() -> None:
    chosen = Matched(np.array([0.9, 0.5, 0.2]), np.array([True, True, False]), np.zeros(3), 2)
    asked = Matched(np.array([0.8, 0.45, 0.3]), np.array([True, False, True]), np.zeros(3), 2)
    assert best_threshold([chosen]) == 0.5 and f1_at([chosen], 0.5) == 1.0
    assert f1_at([asked], 0.5) == pytest.approx(2 / 3) and f1_at([asked], 0.0) == pytest.approx(0.8)
    nothing = Matched(np.empty(0), np.empty(0, np.bool_), np.empty(0), 1)
    assert best_threshold([nothing]) == np.inf and f1_at([nothing], np.inf) == 0.0


def test_gaps_are_not_taught_as_silence() -> None:
    with_gap = video("train", 0)
    with_gap.recorded[300:420] = False
    starts = _starts(with_gap, 180)
    assert len(starts) and not ((starts + 180 > 300) & (starts < 420)).any()
    with_gap.recorded[::100] = False
    with pytest.raises(ValueError, match="without a gap"):
        fit_video_net([with_gap], [], fit_pca(with_gap.cochleagram[None], 10), SMALL, seed=0)


def test_one_impact_is_found_once() -> None:
    strength = spikes(400, {100: 0.5, 130: 0.9})
    found = match(strength, np.array([115.0]), np.array([115.0]), np.array([True]))
    assert not found.right.any(), "both are further away than 0.1 s"
    near = match(spikes(400, {96: 0.5, 120: 0.9}), np.array([112.0]), np.array([112.0]), np.array([True]))
    assert near.right.tolist() == [True, False] and near.offset[0] == 8.0


def test_peaks_keep_their_distance_and_rise_points_at_the_onset() -> None:
    assert peaks(spikes(200, {50: 1.0, 60: 0.9, 90: 0.5})).tolist() == [50, 90]
    level = np.zeros(60)
    level[30:] = 1.0
    assert abs(int(rise(level).argmax()) - 30) <= 2 and rise(level).min() == 0.0


def test_videos_count_as_often_as_they_are_drawn() -> None:
    good = Matched(np.array([1.0]), np.array([True]), np.array([0.0]), 1)
    bad = Matched(np.array([2.0]), np.array([False]), np.array([np.nan]), 1)
    assert average_precision([good, bad]) == pytest.approx(0.25)
    assert average_precision([good, bad], np.array([2.0, 0.0])) == pytest.approx(1.0)
    assert average_precision([good, bad], np.array([0.0, 1.0])) == 0.0
    nothing = Matched(np.empty(0), np.empty(0, np.bool_), np.empty(0), 3)
    assert average_precision([nothing]) == 0.0


def test_what_does_not_rise_cannot_be_heard() -> None:
    quiet = np.full((400, 42), 0.1)
    quiet[200:230] += 0.2
    assert audible(quiet, np.array([199.0, 320.0])).tolist() == [True, False]


@pytest.mark.long
def test_motion_is_learned_where_colour_tells_nothing(tmp_path: Any) -> None:
    videos = [video("train", i) for i in range(6)] + [
        video("validation", 0),
        video("test", 1),
        video("test", 2),
    ]
    found = detect(videos, config=SMALL, seeds=1, replicates=50)
    rows = {name: row["average_precision"] for name, row in found.table.figures().items()}
    assert rows["sound itself"]["value"] > 0.95
    assert rows["RGB + spacetime"]["value"] > 0.8
    assert rows["RGB + spacetime"]["low"] > rows["RGB only"]["value"]
    assert found.table.facts["heard"] == found.table.facts["impacts"] == 8
    text = markdown(found)
    assert "| RGB only |" in text and "0.216" in text
    draw(found, tmp_path / "impacts.png")
    assert (tmp_path / "impacts.png").stat().st_size > 10_000


def test_pieces_fade_into_one_another() -> None:
    ones = np.ones(48_000, np.float32)
    track = assemble([(24_000, 0.25 * ones), (0, 0.25 * ones)], 96_000)
    assert track[2000:70_000] == pytest.approx(0.25, abs=1e-6), "where one goes the other comes"
    assert track[0] < 0.01 and track[71_999] < 0.01 and not track[72_000:].any()
    assert not assemble([], 100).any()
    edges = assemble([(-24_000, ones), (90_000, ones)], 96_000)
    assert edges[100] == pytest.approx(1.0) and edges[95_999] == pytest.approx(1.0)


def test_a_track_plays_the_sound_of_the_most_similar_impact(monkeypatch: pytest.MonkeyPatch) -> None:
    train = [video("train", 0), video("train", 1)]
    rng = np.random.default_rng(0)
    predicted = [rng.normal(size=(len(v.cochleagram), 10)).astype(np.float32) for v in train]
    bank = TrainingImpacts(train, predicted)
    asked = rng.normal(size=(900, 10)).astype(np.float32)
    at = int(train[1].impacts[1])
    asked[400 - 5 : 400 + 54] = predicted[1][at - 5 : at + 54]
    assert bank.nearest(asked, 400) == (Path("train1"), float(at)) and bank.nearest(asked, 2) is None
    played: list[tuple[Path, list[float], float]] = []

    def sounds(bag: Path, begins_s: list[float], length_s: float, naming: object) -> list[np.ndarray]:
        played.append((bag, begins_s, length_s))
        return [0.5 * np.ones(48_000, np.float32) for _ in begins_s]

    monkeypatch.setattr("foley_synthesis.evaluation.impact_detection.soundtrack.read_sounds", sounds)
    track, count = make_track(bank, asked, [400, 1], 480_000)
    assert count == 1 and played == [(Path("train1"), [at / 90 - 0.25], 1.0)]
    assert int(np.flatnonzero(track)[0]) == pytest.approx((400 / 90 - 0.25) * 48_000, abs=2)


def test_a_training_repeats() -> None:
    videos = [video("train", i) for i in range(2)]
    config = VideoNetConfig(units=4, hidden=8, stretch=90, epochs=2, batch=2)
    pca = fit_pca(np.stack([v.cochleagram for v in videos]), config.components)
    one, two = (
        predict_video(fit_video_net(videos, [], pca, config, seed=3), videos[0], config) for _ in range(2)
    )
    assert one.shape == (len(videos[0].cochleagram), 10) and np.allclose(one, two, atol=1e-5)


def test_what_cannot_be_learned_is_refused(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="0 training videos and 1 of split"):
        detect([video("test", 0)])
    leaking = [video("train", 0), video("test", 0)]
    object.__setattr__(leaking[1], "scene_id", leaking[0].scene_id)
    with pytest.raises(ValueError, match="in training and in test"):
        detect(leaking)
    with pytest.raises(ValueError, match=r"without a gap for a stretch of 20\.0 s"):
        detect([video("train", 0), video("test", 1)], config=VideoNetConfig(stretch=1800))
    parser = argparse.ArgumentParser()
    command.configure(parser)
    assert command.run(parser.parse_args([str(tmp_path)])) == 2
    assert "foley impacts: error:" in capsys.readouterr().err
