"""The judge: independent of FoleySim-1's sound, outside its materials, frozen, and physically sane."""

import ast
import dataclasses
import math
import statistics
from pathlib import Path

import numpy as np
import pytest

from foley_sim import materials
from foley_sim.editions import make_scene, sound_for
from foley_sim.foleysim1.scenes import MATERIALS
from foley_sim.judge import bodies, freeze, strike, substances
from foley_sim.physics import mjcf
from foley_sim.scene import check_scene
from foley_sim.sound.events import Hold, Impact, Sliding

FORBIDDEN = ("modal", "modes", "friction", "contact", "room", "microphone", "grains", "kernels", "voice")


@pytest.fixture(scope="module")
def scenes():
    return [make_scene(seed, "test", "foleysim-b") for seed in range(12)]


def hit(item, speed=0.3, time_s=0.02):
    point = (item.position[0] + 0.006, item.position[1] + 0.004, item.top)
    return Impact(time_s, item.object_id, point, (0.0, 0.0, 1.0), 0.045 * speed, speed)


def test_it_imports_nothing_of_the_other_sound():
    for path in freeze.HERE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                continue
            assert not {f"foley_sim.sound.{name}" for name in FORBIDDEN} & set(names), path.name


def test_it_is_frozen(tmp_path):
    assert freeze.digest() == freeze.frozen(), freeze.MESSAGE
    (tmp_path / "a.py").write_bytes(b"x\r\n")
    before = freeze.digest(tmp_path)
    (tmp_path / "a.py").write_bytes(b"x\n")
    assert freeze.digest(tmp_path) == before
    (tmp_path / "a.py").write_bytes(b"y\n")
    assert freeze.digest(tmp_path) != before


def test_materials_lie_outside_training():
    assert set(substances.ranges()) == set(MATERIALS)
    for name, own in substances.ranges().items():
        outside = 0
        for field in ("density", "youngs_modulus"):
            scale = math.log if field in materials.LOG_UNIFORM else float
            low, high = map(scale, getattr(own, field))
            other_low, other_high = map(scale, getattr(materials.ranges()[name], field))
            shared = max(min(high, other_high) - max(low, other_low), 0.0)
            outside += shared <= 0.5 * (high - low)
        assert outside == 2, name


def test_scenes_stand_and_hold_every_material(scenes):
    for scene in scenes:
        check_scene(scene)
        assert scene.edition == "foleysim-b" and scene.striker.has_pad and scene.contact_microphone is None
    assert {o.material.name for s in scenes for o in s.objects} == set(MATERIALS)
    for seed, split in ((0, "train"), (12, "test"), (-1, "test")):
        with pytest.raises(ValueError):
            make_scene(seed, split, "foleysim-b")


@pytest.mark.parametrize("e", [0.3, 0.6, 0.9])
def test_a_blow_loses_energy(e):
    _, striker, surface = strike.integrate(1e8, 0.03, 0.1, (1 - e) / 0.5, 0.5, 1e-6)
    assert 0.03 * striker**2 + 0.1 * surface**2 < 0.03 * 0.5**2
    assert 0.03 * striker + 0.1 * surface == pytest.approx(0.03 * 0.5, rel=1e-6)


def test_hard_things_ring_longer_than_soft_ones(scenes):
    medians = {}
    for name in ("metal", "stone", "plastic", "foam"):
        found = [(s, o) for s in scenes for o in s.objects if o.material.name == name]
        banks = [bodies.body(o, s.microphone.position, s.seed) for s, o in found]
        medians[name] = statistics.median(float(np.median(b.t60())) for b in banks if b.omega.size)
    assert medians["metal"] > medians["stone"] > medians["plastic"] > medians["foam"]


def test_faster_is_louder(scenes):
    scene = scenes[0]
    for item in scene.objects:
        levels = []
        for speed in (0.1, 0.4):
            sound = sound_for(scene, seed=1)
            sound.add(hit(item, speed))
            levels.append(float(np.abs(sound.render(0.1)).max()))
        assert levels[1] > levels[0]


def test_samples_do_not_depend_on_the_cuts(scenes):
    scene = scenes[1]
    item = scene.objects[0]
    point = hit(item).point
    heard = []
    for cuts in ((0.3,), (0.0131, 0.05, 0.0773, 0.2, 0.3)):
        sound = sound_for(scene, seed=3)
        sound.set_joint_speed(0.01, 0.5)
        sound.add(hit(item))
        sound.add(Sliding(0.05, 0.09, item.object_id, point, 0.1, 2.0))
        sound.add(Hold(0.1, 0.15, item.object_id, point, 3.0, head="pad"))
        heard.append(np.concatenate([sound.render(until) for until in cuts]))
    np.testing.assert_allclose(heard[0], heard[1], atol=2e-6)


def test_everything_is_heard_within_full_scale(scenes):
    for scene in scenes:
        sound = sound_for(scene, seed=2)
        for i, item in enumerate(scene.objects):
            sound.add(hit(item, 0.6, 0.01 + 0.03 * i))
            sound.add(Sliding(0.02 + 0.03 * i, 0.03 + 0.03 * i, item.object_id, hit(item).point, 0.15, 4.0))
        samples = sound.render(0.2)
        assert np.all(np.isfinite(samples)) and 0.0 < np.abs(samples).max() < 1.0


def test_sources_are_short():
    assert all(len(Path(p).read_text().splitlines()) < 300 for p in freeze.HERE.glob("*.py"))


def test_the_world_can_be_built_in_its_own_look(scenes):
    _, files = mjcf.build(scenes[0])
    plain, other = mjcf.build(dataclasses.replace(scenes[0], edition="tabletop"))
    assert files["table.png"] != other["table.png"] and plain
