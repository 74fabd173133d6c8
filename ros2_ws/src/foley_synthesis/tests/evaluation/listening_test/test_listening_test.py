"""The study's folder, its draw of trials, its answers and its statistics."""

from __future__ import annotations

import collections
import dataclasses
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.evaluation.listening_test.analyse import Answer, analyse, rate, sign_flip
from foley_synthesis.evaluation.listening_test.prepare import make_study
from foley_synthesis.evaluation.listening_test.report import markdown, plot
from foley_synthesis.evaluation.listening_test.store import AnswerRefused, StudyStore, read_answers
from foley_synthesis.evaluation.listening_test.trials import StudyError, StudySet, read_study
from foley_synthesis.vis.inference.predictor import Predictor


@pytest.fixture
def study(tmp_path: Path, make_study_folder: Callable[..., Path]) -> StudySet:
    return read_study(make_study_folder(tmp_path / "study"))


def test_a_study_is_made_from_held_out_contacts(
    tiny_dataset: ClipDataset, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    predictors = {k: Predictor.load(tiny_checkpoint, synthesis=k) for k in ("example", "parametric")}
    count = make_study(tiny_dataset, predictors, tmp_path / "s", split="test", clips=4)
    made = read_study(tmp_path / "s")
    assert made.models == ("example", "parametric", "random") and 2 <= count <= 4
    assert sum(not c.catch for c in made.clips) == count and any(c.catch for c in made.clips)
    for clip in made.clips:
        real, rate_hz = soundfile.read(clip.real)
        assert rate_hz == 48_000 and len(real) / rate_hz == pytest.approx(clip.duration_s)
        for path in clip.made.values():
            other, _ = soundfile.read(path)
            assert other.shape == real.shape and not np.array_equal(other, real)
        assert {"material", "action"} <= set(clip.facts)
    with pytest.raises(StudyError, match="is not empty"):
        make_study(tiny_dataset, predictors, tmp_path / "s")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"real": "../../etc/passwd"}, "lies outside the study's folder"),
        ({"real": "/etc/passwd"}, "lies outside the study's folder"),
        ({"pictures": "gone.jpg"}, "is not there"),
        ({"made": {}}, "made is empty"),
        ({"rate_hz": 0}, "rate_hz 0"),
        ({"rate_hz": "nan"}, "must be positive"),
        ({"id": "c1"}, "used more than once"),
    ],
)
def test_a_damaged_study_is_refused_with_the_field(
    tmp_path: Path, make_study_folder: Callable[..., Path], change: dict, words: str
) -> None:
    folder = make_study_folder(tmp_path / "study", clips=3)
    content = json.loads((folder / "study.json").read_text())
    content["clips"][0].update(change)
    (folder / "study.json").write_text(json.dumps(content))
    with pytest.raises(StudyError, match=words):
        read_study(folder)


def test_order_sides_and_models_are_drawn_evenly(study: StudySet, tmp_path: Path) -> None:
    store = StudyStore(tmp_path / "a.sqlite", study, trials=8, rng=random.Random(0))
    sides, models, firsts = collections.Counter(), collections.Counter(), set()
    for _ in range(40):
        session, code = store.consent()
        number, same = store.participant(session) or (0, "")
        trials = store.trials(number)
        assert same == code and len({t.clip for t in trials}) == len(trials) == 9
        assert sum(t.catch for t in trials) == 1 and not trials[0].catch
        sides.update(t.real_side for t in trials)
        models.update(t.model for t in trials if not t.catch)
        firsts.add(trials[0].clip)
    assert 0.4 < sides["left"] / sides.total() < 0.6 and len(firsts) > 6
    assert 0.4 < models["a"] / models.total() < 0.6


def test_answers_that_do_not_count_are_refused(study: StudySet, tmp_path: Path) -> None:
    store = StudyStore(tmp_path / "a.sqlite", study, trials=4)
    (mine, _), (other, _) = (store.participant(store.consent()[0]) or (0, "") for _ in range(2))
    now = 1000.0
    trial = store.current(mine, now)
    assert trial is not None and trial.shown_at == now
    later = store.trials(mine)[1].token
    for participant, token, choice, at, status in (
        (mine, "forged", "left", now + 9, 404),
        (other, trial.token, "left", now + 9, 404),
        (mine, trial.token, "both", now + 9, 422),
        (mine, trial.token, "left", now + 0.1, 425),
        (mine, later, "left", now + 9, 409),
    ):
        with pytest.raises(AnswerRefused) as refused:
            store.answer(participant, token, choice, at)
        assert refused.value.status == status
    store.answer(mine, trial.token, "left", now + 9)
    with pytest.raises(AnswerRefused, match="answered already"):
        store.answer(mine, trial.token, "right", now + 9)
    assert store.trials(mine)[0].choice == "left"
    after = store.current(mine, now + 10)
    assert after is not None and after.token == later
    again = StudyStore(tmp_path / "a.sqlite", study, trials=4)
    assert again.trials(mine)[0].choice == "left", "on disk at once"


def test_a_code_brings_back_and_a_wrong_file_is_refused(study: StudySet, tmp_path: Path) -> None:
    store = StudyStore(tmp_path / "a.sqlite", study)
    session, code = store.consent()
    assert store.resume(f" {code[:5].lower()} {code[5:]} ") == session and store.resume("NOSUCHCODE") is None
    (tmp_path / "text").write_text("this is no database, and long enough to look like a file of something")
    with pytest.raises(StudyError, match="is no file of answers"):
        StudyStore(tmp_path / "text", study)
    with pytest.raises(StudyError, match="there is no such file"):
        read_answers(tmp_path / "nothing")


def _live_through(study: StudySet, path: Path, chance_of_being_fooled: dict[str, float], people: int) -> None:
    rng = np.random.default_rng(1)
    store = StudyStore(path, study, trials=12, rng=random.Random(2))
    for person in range(people):
        number, _ = store.participant(store.consent()[0]) or (0, "")
        listens = person > 0  # the first one does not
        for step in range(99):
            trial = store.current(number, 10.0 * step)
            if trial is None:
                break
            fooled = rng.uniform() < chance_of_being_fooled.get(trial.model, 0.0) if listens else trial.catch
            wrong = "left" if trial.real_side == "right" else "right"
            store.answer(number, trial.token, wrong if fooled else trial.real_side, 10.0 * step + 9)


def test_figures_find_who_is_fooled_and_leave_out_who_does_not_listen(
    study: StudySet, tmp_path: Path
) -> None:
    _live_through(study, tmp_path / "a.sqlite", {"a": 0.48, "b": 0.1}, people=25)
    figures = analyse(study, read_answers(tmp_path / "a.sqlite"))
    assert figures["participants"] == 24 and figures["left_out"] == 1 and figures["answers"] == 24 * 12
    assert figures["models"]["a"]["percent"] == pytest.approx(48, abs=10)
    assert figures["models"]["b"]["percent"] == pytest.approx(10, abs=6)
    assert figures["against_half"]["b"]["p_holm"] < 0.001 < figures["against_half"]["a"]["p_holm"]
    assert figures["between_models"]["a - b"]["p_holm"] < 0.001
    assert set(figures["groups"]["material"]["a"]) == {"wood", "metal"}
    text = markdown(figures)
    assert "| a | 4" in text or "| a | 5" in text
    assert "noise" not in text, "catch trials are no model"
    plot(figures, tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 3000
    few = dataclasses.replace(study, clips=study.clips[1:])
    with pytest.raises(StudyError, match="which the study does not have"):
        analyse(few, read_answers(tmp_path / "a.sqlite"))


def test_errors_count_people_not_answers() -> None:
    """Ten people who always say the same: many answers, little evidence."""
    rng = np.random.default_rng(0)
    answers = [Answer(p, "a", p < 5, {}) for p in range(10) for _ in range(50)]
    found = rate(answers, rng)
    assert found.percent == 50 and found.standard_error == pytest.approx(100 * np.sqrt(0.25 / 10), rel=0.15)
    assert found.low < 25 and found.high > 75
    alone = rate([Answer(0, "a", i % 4 == 0, {}) for i in range(100)], rng)
    assert alone.standard_error == pytest.approx(100 * np.sqrt(0.25 * 0.75 / 100))


def test_flipping_signs_is_exact_for_few() -> None:
    rng = np.random.default_rng(0)
    assert sign_flip(np.array([0.1, 0.2, 0.3]), rng) == pytest.approx(2 / 8)
    assert sign_flip(np.array([0.1, -0.1]), rng) == 1.0
    assert sign_flip(np.full(20, 0.2), rng) < 0.001
