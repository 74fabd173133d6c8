"""A set of labelled contacts in opposite states: what differs within a pair, what is kept, and what is refused."""

import dataclasses

import numpy as np
import pytest
from scipy.io import wavfile

from foley_sim.commands import sim_states
from foley_sim.condition import NONE, OPPOSITE
from foley_sim.offline import state_set
from foley_sim.offline.state_set import (
    COLUMNS,
    LABELS,
    StateSetConfig,
    make_state_set,
    read_labels,
    taps_jobs,
)
from foley_sim.offline.state_taps import TapsJob, blows_of, item_of, record, scene_of
from foley_sim.states import STATES


def job(**changes):
    return dataclasses.replace(TapsJob("loose", "test", 2, 1, "loose", 3, 0), **changes)


@pytest.mark.parametrize("pair", STATES)
def test_a_pair_differs_in_its_state_and_in_its_blows_only(pair):
    so = job(pair=pair, state=pair)
    other = dataclasses.replace(so, state=OPPOSITE[pair])
    scene, opposite = scene_of(so), scene_of(other)
    assert scene.objects[0].condition != opposite.objects[0].condition
    bare = [dataclasses.replace(s.objects[0], condition=NONE) for s in (scene, opposite)]
    assert bare[0] == bare[1]
    assert dataclasses.replace(scene, objects=()) == dataclasses.replace(opposite, objects=())
    assert pair in scene.objects[0].condition.states and pair not in opposite.objects[0].condition.states
    assert blows_of(so, scene.objects[0]) != blows_of(other, opposite.objects[0])
    assert so.predicate[0] == other.predicate[0] and so.predicate[1] != other.predicate[1]


def test_one_thing_stands_in_several_scenes_and_no_thing_is_in_both_splits():
    first, second = scene_of(job()), scene_of(job(scene=2))
    assert first.room != second.room and first.microphone != second.microphone
    assert item_of(job()) == item_of(job(scene=2))
    part, again = (s.objects[0].condition.part for s in (first, second))
    assert dataclasses.replace(part, play=again.play) == again != part
    things = {
        split: {item_of(job(split=split, thing=n)).look_seed for n in range(20)}
        for split in ("train", "test")
    }
    assert len(things["train"]) == len(things["test"]) == 20 and not things["train"] & things["test"]


def test_blows_are_heard_where_the_labels_say():
    samples, blows = record(job())
    assert samples.dtype == np.int16 and len(samples) == round(job().duration_s * 48_000)
    assert [blow.action for blow in blows] == [
        blow.action for blow in blows_of(job(), scene_of(job()).objects[0])
    ]
    sound = np.abs(samples.astype(float))
    for blow in blows:
        at = round(blow.time_s * 48_000)
        assert sound[at : at + 2400].max() > 2 * sound[at - 4800 : at].max()
    assert np.array_equal(samples, record(job())[0])


def test_a_set_is_gone_on_with_and_keeps_the_rows_of_what_it_holds(tmp_path, monkeypatch):
    config = StateSetConfig(tmp_path, ("loose",), objects=1, test_objects=1, scenes=1, taps=2, jobs=1)
    asked = []

    def at_once(jobs, work, **more):  # no processes
        asked.append(len(jobs))
        return [work(job, lambda seconds: None) for job in jobs], 0

    monkeypatch.setattr(state_set, "work_off", at_once)
    first = make_state_set(config)
    assert first["recordings_written"] == 4 and first["contacts"] == 8
    rows = read_labels(tmp_path)
    assert tuple(rows[0]) == COLUMNS and {row["value"] for row in rows} == {"true", "false"}
    rate, samples = wavfile.read(tmp_path / rows[0]["file"])
    assert rate == 48_000 and np.array_equal(samples, record(taps_jobs(config)[0])[0])
    again = make_state_set(dataclasses.replace(config, states=("full",), test_objects=0))
    assert again["recordings_written"] == 2 and again["contacts"] == 12
    kept = read_labels(tmp_path)
    assert [row for row in kept if row["predicate"] == "lid_is_tight"] == rows
    assert make_state_set(config)["recordings_written"] == 0 and asked == [4, 2, 0]
    with pytest.raises(ValueError, match="taps"):
        make_state_set(dataclasses.replace(config, taps=3))
    (tmp_path / LABELS).write_text("contact,file\nx,y\n", encoding="utf-8")
    with pytest.raises(ValueError, match="column onset_s is missing"):
        read_labels(tmp_path)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"states": ("broken",)}, "--state is `broken`"),
        ({"states": ()}, "at least one"),
        ({"taps": 0}, "--taps is 0"),
        ({"objects": 0, "test_objects": 0}, "--objects is 0"),
        ({"jobs": 0}, "--jobs is 0"),
    ],
)
def test_impossible_sets_are_refused(tmp_path, fields, reason):
    with pytest.raises(ValueError, match=reason):
        StateSetConfig(tmp_path, **fields)


def test_the_command_s_defaults_are_the_set_s(tmp_path):
    import argparse

    parser = argparse.ArgumentParser()
    sim_states.configure(parser.add_subparsers())
    args = parser.parse_args(["states", "--out", str(tmp_path)])
    config = StateSetConfig(tmp_path)
    assert (args.objects, args.test_objects, args.scenes, args.taps, args.seed, args.jobs) == (
        config.objects, config.test_objects, config.scenes, config.taps, config.seed, config.jobs,
    )  # fmt: skip
    assert tuple(args.state) == config.states
