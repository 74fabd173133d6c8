"""Which recordings a collection has."""

import itertools
from collections import Counter

import pytest

from foley_sim.editions import make_scene
from foley_sim.foleysim1.scenes import SCENES
from foley_sim.motion.policy import Policy
from foley_sim.offline.collections import COLLECTIONS, interaction_s, recordings


def test_whole_and_mini_are_as_long_as_they_say():
    assert interaction_s(recordings("foleysim-1")) == 6 * 3600
    assert interaction_s(recordings("foleysim-1-mini")) == 40 * 60


def test_whole_and_mini_show_the_same_scenes():
    def scenes(name):
        return {(r.scene_split, r.scene_seed, r.split) for r in recordings(name)}

    assert scenes("foleysim-1") == scenes("foleysim-1-mini")
    counts = Counter(split for _, _, split in scenes("foleysim-1"))
    assert counts == {**SCENES, "test_seen": SCENES["train"]}


@pytest.mark.parametrize("name", COLLECTIONS)
def test_recordings_are_apart(name):
    items = recordings(name)
    assert len({r.name for r in items}) == len(items)
    spans = sorted((r.start_s, r.start_s + r.duration_s) for r in items)
    assert all(end < begin for (_, end), (begin, _) in itertools.pairwise(spans))
    assert spans[-1][1] < 2**31  # a stamp's seconds


def test_collections_do_not_overlap_in_time():
    spans = []
    for name in COLLECTIONS:
        items = recordings(name)
        spans.append((min(r.start_s for r in items), max(r.start_s + r.duration_s for r in items)))
    spans.sort()
    assert all(end < begin for (_, end), (begin, _) in itertools.pairwise(spans))


def test_held_out_objects_are_touched_outside_of_training_only():
    items = recordings("foleysim-1")
    assert {r.split for r in items if not r.held_out} == {"train"}
    assert all(r.held_out for r in items if r.split != "train")
    seen = {(r.scene_seed, r.policy_seed) for r in items if r.split == "test_seen"}
    train = {(r.scene_seed, r.policy_seed) for r in items if r.split == "train" and r.kind == "interact"}
    assert {scene for scene, _ in seen} == {scene for scene, _ in train} and not seen & train


def test_scans_show_scenes_of_the_edition():
    for r in recordings("foleysim-1"):
        if r.kind == "scan":
            assert make_scene(r.scene_seed, r.scene_split, r.edition).edition == "foleysim-1"


def test_held_out_objects_stand_in_training_scenes_and_are_left_alone():
    for seed in range(SCENES["train"]):
        scene = make_scene(seed, "train", "foleysim-1")
        held = {o.object_id for o in scene.objects if o.held_out}
        policy = Policy(scene, 0, touch=lambda item: not item.held_out)
        assert held and not held & {policy.target().object_id for _ in range(12)}


def test_the_judge_is_for_tests_only():
    items = recordings("foleysim-b")
    assert {r.split for r in items} == {"test"} and {r.edition for r in items} == {"foleysim-b"}


def test_every_scene_is_scanned_once():
    scans = [(r.scene_split, r.scene_seed) for r in recordings("foleysim-1") if r.kind == "scan"]
    assert len(scans) == len(set(scans)) == sum(SCENES.values())


def test_parts_and_robots():
    items = recordings("foleysim-1", only="validation", robot="ur5e")
    assert {r.split for r in items} == {"validation"} and {r.robot for r in items} == {"ur5e"}
    whole = {r.name: r.start_s for r in recordings("foleysim-1")}
    assert all(whole[r.name] == r.start_s for r in items)  # a part is what it is in the whole
    with pytest.raises(ValueError, match="collection is `x`"):
        recordings("x")
    with pytest.raises(ValueError, match="only is `train`, `foleysim-b` has test"):
        recordings("foleysim-b", only="train")
