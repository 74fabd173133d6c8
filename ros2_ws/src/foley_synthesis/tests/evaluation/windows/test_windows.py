"""Windows of sessions and the table of them: what must come out first, and what it is refused."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from foley_common.session_file import VIEW_RATE, SessionData, write_session
from foley_synthesis.commands import flow as command
from foley_synthesis.commands.flow_table import heading
from foley_synthesis.evaluation.measure import Item, Table
from foley_synthesis.evaluation.windows import models as registry
from foley_synthesis.evaluation.windows.judges import judge_metrics
from foley_synthesis.evaluation.windows.metrics import firsts, levels_after
from foley_synthesis.evaluation.windows.probes import WindowProbes, heard_of, inception_score, touches_of
from foley_synthesis.evaluation.windows.rows import (
    codec_of,
    model_row,
    redrawn_row,
    simple_rows,
    through,
    true_rows,
    views_of,
)
from foley_synthesis.evaluation.windows.sets import check_apart, windows_of
from foley_synthesis.evaluation.windows.sounds import CANDIDATES, WindowOutput, WindowTruth, window_items
from foley_synthesis.evaluation.windows.table import Known, learn, score_table
from foley_synthesis.flow.codec.config import CodecConfig
from foley_synthesis.flow.codec.model_file import save_codec
from foley_synthesis.flow.codec.network import Codec
from foley_synthesis.flow.window_model import EVALUATION_SAMPLES, EvaluationWindow

Make = Callable[..., SessionData]
RATE = 16_000


@pytest.fixture(scope="module")
def train(make_session: Make) -> list[EvaluationWindow]:
    return [w for k in range(6) for w in windows_of(make_session(f"train-{k}", "train", k))]


@pytest.fixture(scope="module")
def test(make_session: Make) -> list[EvaluationWindow]:
    return [w for k in range(2) for w in windows_of(make_session(f"test-{k}", "test", 100 + k))]


@pytest.fixture(scope="module")
def items(test: list[EvaluationWindow]) -> list[Item]:
    return window_items(test)


@pytest.fixture(scope="module")
def known(train: list[EvaluationWindow]) -> Known:
    return learn(train)


class Model:
    """Makes the true sound with noise over it, so many dB louder, and finds the sounds that it made likeliest."""

    model_id, train_scenes, given = "f00", frozenset({"train-0"}), "plan"

    def __init__(self, gain_db: float = 0.0) -> None:
        self._gain = 10.0 ** (gain_db / 20.0)

    def draw(
        self,
        windows: Sequence[EvaluationWindow],
        draws: int,
        seed: int,
        step: Callable[[], None] = lambda: None,
    ) -> np.ndarray:
        rng = np.random.default_rng(seed)
        found = []
        for window in windows:
            noise = 1e-4 * rng.normal(size=(draws, EVALUATION_SAMPLES))
            found.append(self._gain * window.sound() + noise)
            step()
        return np.stack(found).astype(np.float32)

    def score(self, window: EvaluationWindow, candidates: np.ndarray) -> np.ndarray:
        return -np.abs(candidates - window.sound()).mean(axis=1).astype(np.float64)


@pytest.fixture(scope="module")
def table(
    items: list[Item], known: Known, train: list[EvaluationWindow], test: list[EvaluationWindow]
) -> Table:
    methods = [
        *true_rows(),
        model_row("near", [Model(), Model(1.0)], 2, 0),
        model_row("loud", [Model(8.0)], 2, 0),
        *simple_rows(train, known.mean_above, test, 2, 0),
    ]
    return score_table(items[::2], methods, known, replicates=20)  # one window of each scene


def value(table: Table, method: str, metric: str) -> float:
    return table.cells[method][metric].found.value


def test_windows_lie_on_the_grid_of_motion_and_do_not_overlap(test: list[EvaluationWindow]) -> None:
    assert [w.start_s for w in test] == [0.0, 8.0] * 2, "a rest of 4 s is left out"
    second = test[1]
    assert (second.window_id, second.rows) == ("test-0-p0-008000", slice(1000, 2000))
    np.testing.assert_array_equal(second.sound(), second.session.sound[128_000:256_000] / np.float32(2**15))
    at = second.session.contact_s[second.contacts]
    assert len(at) == 8 and at.min() >= 8.0 and at.max() < 16.0
    with pytest.raises(ValueError, match=r"start_s is 12\.008, must leave 8 of 20 s"):
        EvaluationWindow(second.session, 12.008)
    with pytest.raises(ValueError, match=r"start_s is 0\.001, must be a multiple of 0\.008"):
        EvaluationWindow(second.session, 0.001)


def test_candidates_are_the_window_its_scene_and_itself_at_other_times(items: list[Item]) -> None:
    for item in items:
        own, *others = item.truth.candidates
        assert own is item.truth.window and len(others) == CANDIDATES - 1
        same = [w for w in others if abs(w.start_s - own.start_s) < 8.0]
        assert len(same) == 6, "the scene has one other window"
        assert all(w.session is own.session and 0.3 <= abs(w.start_s - own.start_s) <= 2.0 for w in same)
        assert len({w.start_s for w in others}) == CANDIDATES - 1
        np.testing.assert_allclose(
            item.truth.candidates_above[0].astype(np.float32), item.truth.above, atol=0.05
        )


def test_the_true_sound_wins_every_column_and_silence_none(table: Table) -> None:
    for metric in table.metrics:
        cells = {
            method: row[metric.key].found.value for method, row in table.cells.items() if metric.key in row
        }
        if metric.better == "none" or "real sound" not in cells:
            continue
        best = min(cells.values()) if metric.better == "lower" else max(cells.values())
        if metric.key != "inception_score":  # which does not know what is true
            assert cells["real sound"] == pytest.approx(best), metric.key
        if metric.key not in ("room tone", "floor_db"):
            assert cells["silence"] != pytest.approx(best), metric.key


def test_figures_of_rows_whose_fault_is_known(table: Table) -> None:
    assert value(table, "real sound, 50 ms late", "lag_ms") == 48.0
    assert value(table, "silence", "lag_ms") == 1000.0 and value(table, "silence", "in_sync") == 0.0
    assert value(table, "loud", "level_db") == pytest.approx(8.0, abs=0.3)
    assert value(table, "loud", "level_bias_db") == pytest.approx(8.0, abs=0.3)
    assert value(table, "loud", "level_r") > 0.99 < value(table, "loud", "level_rank_r")
    assert value(table, "loud", "level_within_6db") == 0.0
    assert value(table, "near", "first") == value(table, "near", "first_by_draws") == 1.0
    assert table.cells["near"]["foreground_db"].seeds == 2
    assert value(table, "silence", "foreground_db") > value(table, "real sound, 50 ms late", "foreground_db")
    assert value(table, "random", "energy_proper_db") < value(table, "mean", "energy_proper_db")
    assert "level_db" not in table.cells["mean"] and "onset_f1" not in table.cells["mean"]
    assert value(table, "random", "onset_f1") < value(table, "real sound, Griffin-Lim 512/128", "onset_f1")
    assert table.given["near"] == "plan" and table.given["silence"] == "nothing"
    assert "near > silence" in table.facts["differences"] and table.facts["touches"] == 16


def test_probes_read_material_and_action_of_true_sounds_and_of_none_in_silence(table: Table) -> None:
    assert value(table, "real sound", "material_accuracy") > 0.95
    assert value(table, "real sound", "action_accuracy") > 0.9
    assert value(table, "silence", "material_accuracy") == pytest.approx(0.5, abs=0.1)
    assert value(table, "silence", "inception_score") == pytest.approx(1.0, abs=0.01)
    assert value(table, "real sound", "frechet_touch") < 1e-6 < value(table, "silence", "frechet_touch")


def test_a_played_sound_is_read_by_a_probe_that_did_not_hear_its_scene(
    train: list[EvaluationWindow], items: list[Item]
) -> None:
    truths = [WindowTruth(waveform=w.sound(), rate=RATE, window=w) for w in train]
    probes = WindowProbes(heard_of(truths))
    asked: list[int] = []

    class Spy:
        def __init__(self, fold: int) -> None:
            self.fold, self.classes_ = fold, np.array([0, 1])

        def predict_proba(self, features: np.ndarray) -> np.ndarray:
            asked.append(self.fold)
            return np.full((len(features), 2), 0.5)

    probes._probes = {target: [Spy(k) for k in range(5)] for target in probes._probes}
    scene = train[0].scene_id
    played = WindowOutput(
        np.stack([item.truth.waveform for item in items])[:, None], scenes=[[scene]] * len(items)
    )
    probes.read(played, touches_of([item.truth for item in items]))
    assert set(asked) == {probes._fold_of[scene]}, "the one that was trained without it"


class Ear:
    """A judge that hears level and peak of clips of 0.6 s."""

    name = "ear"

    def embed(self, sounds: Sequence[np.ndarray], rate: int) -> np.ndarray:
        assert rate == RATE and {len(sound) for sound in sounds} == {9600}
        return np.array([[np.sqrt(np.square(s).mean()), np.abs(s).max()] for s in sounds], np.float32)

    def distances(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.abs(a - b).sum(axis=1)


def test_supplied_judges_hear_clips_around_touches(items: list[Item]) -> None:
    cdpam, frechet = judge_metrics(items, Ear(), Ear(), most=10)
    real = WindowOutput(np.stack([item.truth.waveform for item in items])[:, None])
    silence = WindowOutput(np.zeros((len(items), 1, EVALUATION_SAMPLES), np.float32))
    assert cdpam.fn(real, items).shape == (10,)
    for metric in (cdpam, frechet):
        at_best, at_worst = (metric.statistic(metric.fn(o, items), None) for o in (real, silence))
        assert at_best == pytest.approx(0.0, abs=1e-6) and at_worst > 0.01
        assert metric.fn(WindowOutput(mel_above=np.zeros((4, 1, 80, 1000), np.float32)), items) is None
    once = cdpam.statistic(cdpam.fn(silence, items), np.array([1.0, 0, 0, 0]))
    assert once == pytest.approx(cdpam.fn(silence, items)[touches_rows(items, 10) == 0].mean())
    assert judge_metrics(items, None, None) == ()


def touches_rows(items: list[Item], most: int) -> np.ndarray:
    """Windows of the touches that judges hear."""
    windows = touches_of([item.truth for item in items]).windows
    return windows[np.linspace(0, len(windows) - 1, most).round().astype(int)]


def test_probes_need_more_than_one_scene(train: list[EvaluationWindow]) -> None:
    alone = learn(train[:2])
    assert alone.probes is None and "1 training scenes" in alone.why_no_probes


def test_levels_are_those_of_a_quarter_second() -> None:
    sound = np.zeros(RATE)
    sound[4000:8000] = 0.1
    found = levels_after(sound, np.array([0.25, 0.375, 0.75]), RATE)
    np.testing.assert_allclose(found, [-20.0, -23.01, -90.0], atol=0.01)


def test_a_tie_is_shared_and_the_inception_score_counts_kinds() -> None:
    scores = np.array([[3.0, 1, 2, 0], [1, 1, 0, 0], [0, 1, 0, 0], [np.nan] * 4])
    np.testing.assert_array_equal(firsts(scores), [1.0, 0.5, 0.0, np.nan])
    assert inception_score(np.eye(4)) == pytest.approx(4.0)
    assert inception_score(np.full((5, 4), 0.25)) == pytest.approx(1.0)


def test_nearest_motion_finds_the_same_plan(train: list[EvaluationWindow], known: Known) -> None:
    row = next(m for m in simple_rows(train, known.mean_above, train[3:5], 1, 0) if m.key == "nearest motion")
    (output,) = row.predict(window_items(train[3:5]), lambda: None)
    np.testing.assert_array_equal(output.sounds[0, 0], train[3].sound())
    assert output.scenes == [[train[3].scene_id], [train[4].scene_id]]


def coloured(session: SessionData, value: int) -> SessionData:
    """With pictures of one colour at 4 Hz, but for a first that could not be rendered."""
    moments = round(session.duration_s * VIEW_RATE)
    made, encoded = cv2.imencode(".jpg", np.full((32, 32, 3), value, np.uint8))
    assert made
    offsets = np.concatenate([[0, 0], np.arange(1, moments) * len(encoded)])
    return dataclasses.replace(
        session,
        facts={**session.facts, "view_names": ["left"]},
        view_bytes=np.tile(encoded, moments - 1),
        view_offsets=offsets.astype(np.int64),
    )


def test_nearest_views_is_there_where_both_sets_have_views(make_session: Make, known: Known) -> None:
    dark = windows_of(coloured(make_session("train-0"), 20))
    bright = windows_of(coloured(make_session("train-1", seed=1), 230))
    asked = windows_of(coloured(make_session("test-0", "test", 3), 215))[:1]
    rows = {m.key: m for m in simple_rows([*dark, *bright], known.mean_above, asked, 1, 0)}
    apart = np.abs(views_of([*dark, *bright]) - views_of(asked)).mean(axis=1)
    assert apart[2] == apart[3] < 0.2 < apart[0]
    (output,) = rows["nearest views"].predict(window_items(asked), lambda: None)
    np.testing.assert_array_equal(output.sounds[0, 0], bright[0].sound())
    mute = simple_rows([*dark, *bright], known.mean_above, windows_of(make_session("test-0"))[:1], 1, 0)
    assert "nearest views" not in {m.key for m in mute}


def test_a_codec_is_a_row_of_what_comes_back() -> None:
    class Half:
        def encode(self, sound: Any) -> Any:
            return sound * 0.5

        def decode(self, coded: Any) -> Any:
            return coded

    np.testing.assert_array_equal(through(Half())(np.ones(8, np.float32)), np.full(8, 0.5))


@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_a_codec_of_another_rate_than_windows_is_refused(rate: int, tmp_path: Path) -> None:
    small = {
        "width": 16,
        "hidden": 16,
        "blocks": 1,
        "fine_width": 16,
        "fine_hidden": 16,
        "fine_blocks": 1,
        "latent": 4,
    }
    save_codec(Codec(CodecConfig(rate=rate, **small)), {}, tmp_path / "codec", {})
    if rate == RATE:
        assert through(codec_of(tmp_path / "codec"))(np.zeros(2048, np.float32)).shape == (2048,)
    else:
        with pytest.raises(ValueError, match="codec of 48000 Hz, windows have 16000"):
            codec_of(tmp_path / "codec")


def test_redrawn_sessions_are_draws_of_their_windows(
    test: list[EvaluationWindow], items: list[Item], make_session: Make, tmp_path: Path
) -> None:
    made = {}
    for draw in range(2):
        for scene in range(2):
            session = made[draw, scene] = make_session(f"test-{scene}", "test", 500 + 10 * draw + scene)
            np.save(tmp_path / f"test-{scene}-p0-draw{draw:03d}.npy", session.sound)
    row = redrawn_row("material known", tmp_path, test, 6)
    (output,) = row.predict(items, lambda: None)
    assert row.key == "redrawn, material known" and output.sounds.shape == (4, 2, EVALUATION_SAMPLES)
    np.testing.assert_array_equal(output.sounds[1, 1], EvaluationWindow(made[1, 0], 8.0).sound())
    np.testing.assert_array_equal(output.sounds[2, 0], EvaluationWindow(made[0, 1], 0.0).sound())
    np.save(tmp_path / "test-1-p0-draw000.npy", np.zeros(5, np.int16))
    with pytest.raises(ValueError, match="draws of test-1-p0 are not as long as the session"):
        redrawn_row("material known", tmp_path, test, 1).predict(items, lambda: None)
    for draw in range(2):
        (tmp_path / f"test-1-p0-draw{draw:03d}.npy").unlink()
    with pytest.raises(ValueError, match="no draws of session test-1-p0"):
        redrawn_row("material known", tmp_path, test, 6)


def test_models_that_saw_the_test_and_sets_that_share_scenes_are_refused(
    train: list[EvaluationWindow], test: list[EvaluationWindow]
) -> None:
    registry.check_unseen("near", Model(), test)
    registry.check_seen("near", Model(), [w for w in train if w.scene_id == "train-0"])
    with pytest.raises(ValueError, match="near was not trained in 5 of the scenes that are asked"):
        registry.check_seen("near", Model(), train)
    with pytest.raises(ValueError, match="near was trained in 1 of the scenes"):
        registry.check_unseen("near", Model(), train)
    with pytest.raises(ValueError, match="6 scenes are both in training and in test, such as train-0"):
        check_apart(train, train)
    measured = Model()
    measured.given = "motion"
    with pytest.raises(ValueError, match="given motion and plan: name them apart"):
        model_row("near", [Model(), measured], 2, 0)


@pytest.mark.long
def test_the_command_writes_its_table(
    make_session: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for split, scenes in (("train", 3), ("test", 1)):
        (tmp_path / split).mkdir()
        for k in range(scenes):
            session = make_session(f"{split}-{k}", split, k + 100 * (split == "test"), 12.0)
            write_session(tmp_path / split / f"{split}-{k}-p0.npz", session)
    (tmp_path / "test" / "test-0-p0.contacts.npz").write_bytes(b"")
    monkeypatch.setattr("foley_synthesis.evaluation.windows.models.load_window_model", lambda folder: Model())
    sets = ["--test", tmp_path / "test", "--train", tmp_path / "train"]
    out = tmp_path / "out"
    pairs = ("--compare", "mine > random", "--compare", "real sound, 50 ms late > real sound")
    assert call("table", *sets, "--model", "mine=x", "--draws", 2, "--out", out, "--threads", 1, *pairs) == 0
    figures = json.loads((out / "metrics.json").read_text("utf-8"))
    assert figures["windows"] == 1 and figures["models"] == {"mine": ["f00"]}
    assert figures["methods"]["real sound"]["foreground_db"]["value"] == 0.0
    assert "trained in these scenes" in heading(figures, {**figures, "seen_scenes": True})
    assert figures["methods"]["mine"]["first"]["value"] == 1.0
    assert figures["differences"]["mine > silence"]["energy_db"]["high"] < 0.0
    text = (out / "table.md").read_text("utf-8")
    assert "| mine | plan |" in text
    late = figures["differences"]["real sound, 50 ms late > real sound"]["energy_db"]
    assert late["value"] == figures["methods"]["real sound, 50 ms late"]["energy_db"]["value"] > 1.0
    line = next(line for line in text.splitlines() if line.startswith("| mine > random | "))
    apart = figures["differences"]["mine > random"]["foreground_db"]
    assert "trained in these scenes" not in text
    assert f"| {apart['value']:+.2f} [{apart['low']:+.2f}, {apart['high']:+.2f}] |" in line
    for name in ("bars.png", "windows.png", "test-0-p0-000000_mine.flac"):
        assert (out / name).stat().st_size > 1000
    capsys.readouterr()
    swapped = ["--test", tmp_path / "train", "--train", tmp_path / "test"]
    assert call("table", *swapped) == 2
    assert "is of split `train`, must be of `test`" in capsys.readouterr().err
    (tmp_path / "seen").mkdir()
    again = make_session("train-0", "test_seen", 50, 12.0)
    write_session(tmp_path / "seen" / "train-0-p900.npz", again)
    seen = ["--test", tmp_path / "seen", "--train", tmp_path / "train", "--threads", 1]
    assert call("table", *seen, "--model", "mine=x") == 2
    assert "is of split `test_seen`, must be of `test`" in capsys.readouterr().err
    assert call("table", *seen, "--any-split") == 2
    assert "1 scenes are both in training and in test" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr("foley_synthesis.evaluation.windows.sounds.window_items", _stop)
        assert call("table", *seen, "--model", "mine=x", "--seen-scenes", "--out", out) == 2
    assert "all is well with the sets" in capsys.readouterr().err
    assert call("table", *sets, "--seen-scenes") == 2
    assert "is of split `test`, must be of `test_seen`" in capsys.readouterr().err
    assert call("table", *sets, "--compare", "mine > random") == 2
    assert "must be `ROW > ROW` of rows that are real sound" in capsys.readouterr().err
    assert call("table", *sets, "--model", "mine") == 2
    assert call("table", "--test", tmp_path, "--train", tmp_path) == 2
    assert "holds no sessions" in capsys.readouterr().err


def _stop(*given: object) -> None:
    raise ValueError("all is well with the sets")


def call(*words: object) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args([str(word) for word in words]))
