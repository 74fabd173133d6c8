"""Scenes of FoleySim-1: what each split holds and what it must not see."""

import collections
import itertools

import pytest

from foley_sim.editions import make_scene as by_edition
from foley_sim.foleysim1.scenes import (
    DISGUISES,
    HELD_OUT_FAMILIES,
    MATERIALS,
    SCENES,
    SEALED,
    STREAM,
    families,
    make_scene,
)
from foley_sim.scene import check_scene


@pytest.fixture(scope="module")
def scenes():
    return {split: [make_scene(seed, split) for seed in range(count)] for split, count in SCENES.items()}


def objects(scenes, split):
    return [o for scene in scenes[split] for o in scene.objects]


def test_a_scene_follows_from_its_name(scenes):
    assert make_scene(3, "test") == scenes["test"][3] == by_edition(3, "test", "foleysim-1")
    assert make_scene(4, "test") != scenes["test"][3]


def test_the_whole_set_can_stand_on_the_table(scenes):
    for scene in itertools.chain(*scenes.values()):
        check_scene(scene)
        assert 6 <= len(scene.objects) <= 7 and scene.striker.has_pad and scene.contact_microphone is not None


@pytest.mark.parametrize("split", SCENES)
def test_materials_are_equally_frequent(scenes, split):
    counts = collections.Counter(o.material.name for o in objects(scenes, split))
    assert set(counts) == set(MATERIALS) and max(counts.values()) - min(counts.values()) <= 1


def test_splits_share_no_object_and_no_scene(scenes):
    for first, second in itertools.combinations(SCENES, 2):
        for key in (lambda o: o.object_id, lambda o: o.material, lambda o: (o.look_seed, o.size)):
            assert not {key(o) for o in objects(scenes, first)} & {key(o) for o in objects(scenes, second)}
    seeds = [scene.seed for scene in itertools.chain(*scenes.values())]
    assert len(set(seeds)) == len(seeds)


def test_held_out_families_are_unseen_in_training(scenes):
    seen = {o.shape for o in objects(scenes, "train")}
    assert seen == {"plate", "box", "bar", "cylinder", "dome", "heap"}
    for split, held_out in HELD_OUT_FAMILIES.items():
        assert {o.shape for o in objects(scenes, split)} - seen == set(held_out)
        assert all(o.family_held_out == (o.shape in ("disc", "rod")) for o in objects(scenes, split))


def test_one_object_of_each_training_scene_is_held_out(scenes):
    assert all(sum(o.held_out for o in scene.objects) == 1 for scene in scenes["train"])
    assert not any(o.held_out for split in ("validation", "test") for o in objects(scenes, split))
    assert len({o.material.name for o in objects(scenes, "train") if o.held_out}) >= 6


def test_shapes_do_not_name_solids(scenes):
    """Of every shape but the heap no material has more than a third."""
    by_shape = collections.defaultdict(list)
    for o in objects(scenes, "train") + objects(scenes, "test"):
        by_shape[o.shape].append(o.material.name)
    for shape, names in by_shape.items():
        if shape != "heap":
            assert max(collections.Counter(names).values()) <= len(names) / 3, shape


def test_about_a_quarter_is_disguised_and_only_as_what_it_may_be(scenes):
    every = [o for split in SCENES for o in objects(scenes, split)]
    disguised = [o for o in every if o.look_material]
    assert 0.17 < len(disguised) / len(every) < 0.33
    assert all(o.look_material in DISGUISES[o.material.name] for o in disguised)


def test_reactions_and_grasps_occur(scenes):
    test = objects(scenes, "test")
    assert {o.reaction for o in test} == {"static", "deforms", "rolls", "scatters"}
    assert 0.15 < sum(o.grasp > 0 for o in test) / len(test) < 0.5


def test_clutter_keeps_out_of_reach(scenes):
    for scene in itertools.chain(*scenes.values()):
        for thing in scene.clutter:
            assert abs(thing.position[0]) > 0.39 or thing.position[1] > 0.30
    assert len({len(scene.clutter) for scene in scenes["test"]}) >= 4


@pytest.mark.parametrize(("seed", "split"), [(16, "train"), (-1, "test"), (True, "test"), (0, "nowhere")])
def test_scenes_that_do_not_exist_are_refused(seed, split):
    with pytest.raises(ValueError, match=r"seed is|split is"):
        make_scene(seed, split)


def test_every_material_has_shapes():
    for material in MATERIALS:
        assert families(material, "train")


def test_the_stream_is_training_scenes_that_no_split_has(scenes):
    stream = [make_scene(seed, STREAM) for seed in (*range(39), 299, 300, 1799)]
    things = [o for scene in stream for o in scene.objects]
    assert {scene.split for scene in stream} == {"train"} and stream[0].scene_id == "stream-00000"
    assert {o.shape for o in things} <= {"plate", "box", "bar", "cylinder", "dome", "heap"}
    assert not any(o.held_out or o.family_held_out for o in things)
    counts = collections.Counter(o.material.name for scene in stream[:39] for o in scene.objects)
    assert set(counts) == set(MATERIALS) and set(counts.values()) == {19}  # 39 scenes are 19 whole decks
    others = [o for split in SCENES for o in objects(scenes, split)]
    assert len({o.material for o in (*things, *others)}) == len(things) + len(others)
    seeds = [scene.seed for scene in (*stream, *itertools.chain(*scenes.values()))]
    assert len(set(seeds)) == len(seeds)
    assert make_scene(1799, STREAM) == stream[-1] == by_edition(1799, STREAM, "foleysim-1")
    for scene in stream:
        check_scene(scene)


def test_scenes_beyond_the_stream_are_refused():
    with pytest.raises(ValueError, match="stream scenes 0 to 99999"):
        make_scene(100_000, STREAM)


def test_sealed_scenes_are_of_the_test_s_rules_and_no_other_has_their_things(scenes):
    sealed = [make_scene(seed, SEALED) for seed in range(24)]
    things = [o for scene in sealed for o in scene.objects]
    assert {scene.split for scene in sealed} == {"test"} and sealed[0].scene_id == "foleysim-1-sealed-00"
    assert {o.shape for o in things} >= {"disc", "rod"}
    others = [o for split in SCENES for o in objects(scenes, split)]
    others += [o for seed in range(300) for o in make_scene(seed, STREAM).objects]
    assert len({o.material for o in (*things, *others)}) == len(things) + len(others)
    seeds = [scene.seed for scene in (*sealed, *itertools.chain(*scenes.values()))]
    assert len(set(seeds)) == len(seeds)
    for scene in sealed:
        check_scene(scene)
    with pytest.raises(ValueError, match="sealed scenes 0 to 23"):
        make_scene(24, SEALED)
