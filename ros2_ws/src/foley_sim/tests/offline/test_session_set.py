"""A set of sessions: which there are, resuming, and refusing other settings."""

import dataclasses

import numpy as np
import pytest

from foley_common.session_file import read_session
from foley_sim.commands.sim_sessions import _count
from foley_sim.offline.redraw import RedrawConfig, _Job, _write, redraw_set, total_s
from foley_sim.offline.session_set import (
    CONTACTS,
    SetConfig,
    _finished,
    make_set,
    read_settings,
    session_jobs,
)
from foley_sim.offline.set_folder import claimed


def test_training_has_a_scene_for_every_session_and_evaluation_has_its_scenes_in_turn(tmp_path):
    train = session_jobs(SetConfig(tmp_path, 1800, seed=5))
    assert len({job.name for job in train}) == 1800 and train[0].name == "stream-00005-p0"
    assert {job.scene_split for job in train} == {"stream"}
    test = session_jobs(SetConfig(tmp_path, 50, split="test", seed=2))
    assert [(job.scene_seed, job.policy_seed) for job in test[22:26]] == [(22, 2), (23, 2), (0, 3), (1, 3)]
    assert test[0].name == "foleysim-1-test-00-p2"
    sealed = session_jobs(SetConfig(tmp_path, 25, split="sealed"))
    assert sealed[0].name == "foleysim-1-sealed-00-p0" and sealed[24].policy_seed == 1
    judge = session_jobs(SetConfig(tmp_path, 13, split="test", edition="foleysim-b"))
    assert (judge[12].scene_seed, judge[12].policy_seed) == (0, 1)


def test_scenes_that_were_seen_are_touched_anew_and_say_so(tmp_path):
    train = session_jobs(SetConfig(tmp_path, 4, seed=5))
    seen = session_jobs(SetConfig(tmp_path, 4, seed=5, split="test_seen"))
    assert [job.name for job in seen] == [f"stream-0000{k}-p900" for k in (5, 6, 7, 8)]
    assert [a.scene() == b.scene() for a, b in zip(train, seen, strict=True)] == [True] * 4
    again = dataclasses.replace(train[0], policy_seed=900, split="test_seen")
    assert again == seen[0] and {job.split for job in train} == {""}
    with pytest.raises(ValueError, match="there are scenes 0 to 99999"):
        SetConfig(tmp_path, 2, seed=99_999, split="test_seen")


def test_a_session_s_views_do_not_depend_on_the_set(tmp_path):
    few, more = (session_jobs(SetConfig(tmp_path, 200, views=share)) for share in (0.2, 0.5))
    assert 20 <= sum(job.views for job in few) <= 60 and 80 <= sum(job.views for job in more) <= 120
    assert all(b.views for a, b in zip(few, more, strict=True) if a.views)


def test_even_taps_take_as_long_as_they_take(tmp_path):
    config = SetConfig(tmp_path, 2, split="validation", edition="tabletop", seed=7200, even_taps=8)
    jobs = session_jobs(config)
    assert [job.name for job in jobs] == ["validation-07200-p0", "validation-07201-p0"]
    assert all(job.lasts_s > 16 * 1.5 * 4 and job.lasts_s == round(job.lasts_s) for job in jobs)
    assert config.settings["even_taps"] == 8 and "even_taps" not in SetConfig(tmp_path, 1).settings
    assert session_jobs(SetConfig(tmp_path, 1))[0].lasts_s == 40.0


@pytest.mark.parametrize(
    "fields, reason",
    [
        ({"edition": "foleysim-b"}, "nothing trains"),
        ({"edition": "desk"}, "--edition"),
        ({"edition": "tabletop", "split": "sealed"}, "--split"),
        ({"even_taps": 3, "actions": ("tap",)}, "--even-taps"),
        ({"split": "other"}, "--split"),
        ({"sound_rate": 44_100}, "--sound-rate"),
        ({"sessions": 0}, "--sessions"),
        ({"seed": 99_999, "sessions": 2}, "--seed"),
        ({"duration_s": 10.001}, "--duration"),
        ({"views": 1.5}, "--views"),
        ({"actions": ("tap", "hop")}, "--actions is `hop`"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, fields, reason):
    with pytest.raises(ValueError, match=reason):
        SetConfig(**{"out": tmp_path, "sessions": 1, **fields})


def test_a_set_may_be_of_some_actions_and_says_so(tmp_path):
    config = SetConfig(tmp_path, 2, split="test", actions=("tap",))
    assert {job.actions for job in session_jobs(config)} == {("tap",)} and config.settings["actions"] == [
        "tap"
    ]
    assert "actions" not in SetConfig(tmp_path, 2).settings, "as sets that were made before say nothing of it"


def test_a_duration_of_whole_rows_can_be(tmp_path):
    for duration_s in (8.008, 40.04, 5.0, 3600.0):  # 8.008 * 125 is not 1001 in floating point
        assert SetConfig(tmp_path, 1, duration_s=duration_s).duration_s == duration_s


@pytest.mark.parametrize("hours, duration_s", [(0.001, 40.0), (1.0, 0.0), (float("nan"), 40.0), (-1.0, 40.0)])
def test_hours_that_are_no_session_are_refused(hours, duration_s):
    assert _count(2.0, 40.0) == 180
    with pytest.raises(ValueError, match="--hours"):
        _count(hours, duration_s)


def test_a_folder_is_of_one_set(tmp_path):
    settings = SetConfig(tmp_path, 1).settings
    for _ in range(2):
        with claimed(tmp_path, "one", settings):
            pass
    for schema, changes, reason in (
        ("one", {"duration_s": 20.0}, r"duration_s 40\.0 and not 20\.0"),
        ("one", {"views": 0.5}, "views"),
        ("other", {}, "schema"),
    ):
        with pytest.raises(ValueError, match=reason), claimed(tmp_path, schema, {**settings, **changes}):
            pass
    for damaged in ("{", "[]", "{}"):
        (tmp_path / "set.json").write_text(damaged)
        with pytest.raises(ValueError, match="damaged"), claimed(tmp_path, "one", settings):
            pass
        with pytest.raises(ValueError, match="holds no set"):
            read_settings(tmp_path)


def test_a_folder_is_written_by_one_process_at_a_time(tmp_path):
    settings = SetConfig(tmp_path, 1).settings
    with (
        claimed(tmp_path, "one", settings),
        pytest.raises(ValueError, match="another process is writing"),
        claimed(tmp_path, "one", settings),
    ):
        pass
    with claimed(tmp_path, "one", settings):
        pass


@pytest.mark.long
def test_a_set_is_made_once_and_redrawn_once(tmp_path):
    config = SetConfig(tmp_path / "set", 1, duration_s=5.0, split="test_seen", seed=5, jobs=1)
    told = []
    figures = make_set(config, told.append)
    assert figures["sessions_written"] == 1 and sum(told) == pytest.approx(5.0)
    name = session_jobs(config)[0].name
    made = {"set.json", f"{name}.npz", f"{name}{CONTACTS}"}
    assert {p.name for p in config.out.iterdir()} == made
    session = read_session(config.out / f"{name}.npz")
    assert session.facts["split"] == "test_seen"  # although the scene is one of training
    assert (session.facts["scene_id"], session.facts["policy_seed"]) == (
        session_jobs(config)[0].scene().scene_id,
        900,
    )
    again = make_set(config)
    assert (again["sessions_written"], again["sessions_kept"]) == (0, 1)
    redraw = RedrawConfig(config.out, tmp_path / "redrawn", kind="same", draws=1, jobs=1)
    assert total_s(redraw) == 5.0
    assert redraw_set(redraw)["rendered_s"] == 5.0
    drawn = np.load(tmp_path / "redrawn" / f"{name}-draw000.npy")
    assert drawn.dtype == np.int16 and drawn.shape == session.sound.shape and (drawn != session.sound).any()
    assert redraw_set(redraw)["sessions_kept"] == 1
    with pytest.raises(ValueError, match="kind same and not look"):
        redraw_set(dataclasses.replace(redraw, kind="look"))
    (config.out / f"{name}{CONTACTS}").unlink()
    assert not _finished((session_jobs(config)[0], config.out))  # both files belong to a session
    with pytest.raises(ValueError, match=r"contacts\.npz is missing"):
        _write(_Job(config.out / f"{name}.npz", redraw.out, "same", 2, 0), told.append)
