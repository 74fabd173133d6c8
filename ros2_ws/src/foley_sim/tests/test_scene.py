import dataclasses
import itertools
import math
from collections import Counter

import numpy as np
import pytest

from foley_sim.physics.mjcf import camera_axes
from foley_sim.rendering.camera import intrinsics
from foley_sim.scene import (
    MATERIALS,
    MIN_CENTRE_DISTANCE,
    REACH,
    SHAPES,
    SPLITS,
    check_scene,
    describe,
    make_scene,
    outline,
)


def test_a_name_gives_the_same_scene_every_time():
    assert make_scene(7, "train") == make_scene(7, "train")
    assert make_scene(7, "train") != make_scene(8, "train")


def test_splits_share_no_object():
    instances = {
        split: {(o.material, o.size, o.look_seed) for s in range(20) for o in make_scene(s, split).objects}
        for split in SPLITS
    }
    ids = {split: {o.object_id for s in range(20) for o in make_scene(s, split).objects} for split in SPLITS}
    for first, second in itertools.combinations(SPLITS, 2):
        assert not instances[first] & instances[second]
        assert not ids[first] & ids[second]


@pytest.mark.parametrize("split", SPLITS)
def test_objects_stand_apart_within_reach(split):
    for seed in range(30):
        scene = make_scene(seed, split)
        assert 4 <= len(scene.objects) <= 6
        check_scene(scene)
        for item in scene.objects:
            assert 0.05 <= max(item.size) <= 0.16
            assert np.all(np.abs(outline(item)) <= np.array(REACH) / 2 + 1e-9)
        for first, second in itertools.combinations(scene.objects, 2):
            assert math.dist(first.position[:2], second.position[:2]) >= MIN_CENTRE_DISTANCE


def test_materials_and_shapes_are_balanced_and_mixed():
    objects = [o for seed in range(40) for o in make_scene(seed, "train").objects]
    materials = Counter(o.material.name for o in objects)
    shapes = Counter(o.shape for o in objects)
    assert set(materials) == set(MATERIALS) and len(MATERIALS) >= 6
    assert set(shapes) == set(SHAPES)
    assert max(materials.values()) - min(materials.values()) <= 1
    assert max(shapes.values()) - min(shapes.values()) <= 1
    pairs = Counter((o.material.name, o.shape) for o in objects)
    assert len(pairs) == len(MATERIALS) * len(SHAPES), "a shape must not give a material away"
    assert 0.1 < np.mean([o.wall > 0 for o in objects]) < 0.6


@pytest.mark.parametrize("split", SPLITS)
def test_the_camera_sees_every_object_whole(split):
    for seed in range(20):
        scene = make_scene(seed, split)
        k, axes = intrinsics(scene.camera), camera_axes(scene.camera)
        for item in scene.objects:
            corners = [(*c, z) for c in outline(item) for z in (0.0, item.top)]
            points = (np.array(corners) - scene.camera.eye) @ axes
            pixels = (points @ k.T)[:, :2] / points[:, 2:]
            assert np.all(pixels >= 0) and np.all(pixels <= [scene.camera.width - 1, scene.camera.height - 1])


def test_description_names_what_readers_need():
    scene = make_scene(2, "test")
    text = describe(scene)
    assert (text["scene_id"], text["split"], len(text["objects"])) == (
        "test-00002",
        "test",
        len(scene.objects),
    )
    for item, entry in zip(scene.objects, text["objects"], strict=True):
        assert entry["id"] == entry["object_id"] == item.object_id
        assert entry["material"] == item.material.name
        assert entry["log10_youngs_modulus"] == pytest.approx(
            math.log10(item.material.youngs_modulus), abs=1e-3
        )
        assert 0 <= entry["roughness"] <= 1 and 0 <= entry["hollowness"] < 1


@pytest.mark.parametrize("split", ["", "Train", "holdout"])
def test_unknown_split_is_refused(split):
    with pytest.raises(ValueError, match=r"split is .*known are train, validation, test"):
        make_scene(0, split)


@pytest.mark.parametrize("seed", [-1, 1.5, True, "3"])
def test_bad_seed_is_refused(seed):
    with pytest.raises(ValueError, match="seed is"):
        make_scene(seed, "train")


def _with_first(scene, **changes):
    first = dataclasses.replace(scene.objects[0], **changes)
    return dataclasses.replace(scene, objects=(first, *scene.objects[1:]))


def test_impossible_objects_are_refused_with_the_reason():
    scene = make_scene(0, "train")
    x, y, z = scene.objects[0].position
    cases = {
        "underside": _with_first(scene, position=(x, y, z + 0.02)),
        "reach": _with_first(scene, position=(0.9, y, z)),
        "overlap": _with_first(scene, position=(*scene.objects[1].position[:2], z)),
        "more than once": _with_first(scene, object_id=scene.objects[1].object_id),
        "belongs to the table": _with_first(scene, object_id="table"),
        "objects is empty": dataclasses.replace(scene, objects=()),
    }
    for reason, bad in cases.items():
        with pytest.raises(ValueError, match=reason):
            check_scene(bad)
    with pytest.raises(ValueError, match="wall"):
        dataclasses.replace(scene.objects[0], wall=0.2)
    with pytest.raises(ValueError, match="shape is `sphere`"):
        dataclasses.replace(scene.objects[0], shape="sphere")
