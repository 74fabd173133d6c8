"""Collections written in several processes, and resumed."""

import dataclasses

import psutil
import pytest

rclpy = pytest.importorskip("rclpy")

from foley_sim.commands.progress import ProgressLines  # noqa: E402
from foley_sim.offline.collections import recordings  # noqa: E402
from foley_sim.offline.job import session  # noqa: E402
from foley_sim.ros import generate as module  # noqa: E402
from foley_sim.ros.generate import GenerateConfig, bag_jobs, generate  # noqa: E402
from foley_sim.states import with_states  # noqa: E402


@pytest.fixture
def short(monkeypatch):
    """A collection of one short recording and one short scan."""

    def few(collection, *, only="", robot=None):
        items = recordings(collection, only=only, robot=robot)
        chosen = [next(r for r in items if r.kind == kind) for kind in ("interact", "scan")]
        return tuple(dataclasses.replace(r, edition="tabletop", duration_s=1.0) for r in chosen)

    monkeypatch.setattr(module, "recordings", few)


@pytest.mark.long
def test_a_collection_is_written_and_resumed(short, tmp_path):
    config = GenerateConfig(tmp_path, collection="foleysim-1-mini", only="validation", jobs=2)
    done = []
    first = generate(config, done.append)
    assert sum(done) == pytest.approx(2.0) and first["scenes_written"] == 2
    assert {p.name for p in tmp_path.iterdir()} == {"validation-00000-p000", "scans"}
    assert first["real_time_factor"] > 0 and first["set"]["splits"]["validation"]["scans"] == 1
    second = generate(config)
    assert second["scenes_skipped"] == 2 and second["scenes_written"] == 0
    assert second["set"] == first["set"]  # of everything that is there, written now or before
    job = bag_jobs(config)[0]
    with pytest.raises(ValueError, match=r"is not this bag \(another duration or seed"):
        module_finished(dataclasses.replace(job, policy_seed=5))
    with pytest.raises(
        ValueError, match="it is of version 2 of its edition, which --edition-version 2 makes"
    ):
        module_finished(dataclasses.replace(job, edition_version=1))


def module_finished(job):
    from foley_sim.offline.job import finished

    return finished(job)


def test_collections_need_their_names():
    with pytest.raises(ValueError, match="--only is `test`"):
        GenerateConfig(module.Path("x"), only="test")
    with pytest.raises(ValueError, match="--edition is `x`"):
        GenerateConfig(module.Path("x"), edition="x")
    with pytest.raises(ValueError, match="collection is `x`"):
        bag_jobs(GenerateConfig(module.Path("x"), collection="x"))
    assert len(bag_jobs(GenerateConfig(module.Path("x"), collection="foleysim-1-mini"))) == 112


@pytest.mark.parametrize("given", [{"collection": "foleysim-1-mini"}, {"edition": "foleysim-1", "scenes": 1}])
def test_versions_of_an_edition_are_other_bags(given, tmp_path):
    """Those of the first say nothing of it, as they always did; only they are version 1's."""
    first, second = (
        bag_jobs(GenerateConfig(tmp_path, **given, **version))[0] for version in ({"edition_version": 1}, {})
    )
    assert "edition_version" not in session(first) and session(second)["edition_version"] == "2"
    assert dataclasses.replace(second, edition_version=1) == first and first.scene() == second.scene()
    with pytest.raises(ValueError, match="--edition-version is 3, known are 1, 2"):
        GenerateConfig(tmp_path, edition_version=3)


def test_the_estimate_counts_only_what_is_done_now():
    lines = ProgressLines(1000.0, every_s=10.0)
    assert lines.advance(400.0, 0.0) == ""  # was there before
    assert lines.advance(50.0, 5.0) == ""
    assert lines.advance(50.0, 20.0) == "500 of 1000 s simulated, 5.0 x real time, about 1.7 min left"


def test_a_recording_that_cannot_be_made_ends_the_command_with_its_reason(tmp_path):
    """And ends it at once: no process stays behind waiting for another."""
    config = GenerateConfig(out=tmp_path, scenes=2, duration_s=1.0, edition="foleysim-b", split="train")
    with pytest.raises(ValueError, match="has only `test`"):
        generate(config)


@pytest.mark.long
@pytest.mark.slow
def test_a_process_that_dies_costs_its_bag_only(tmp_path):
    """Killed in the middle of its work, as a fault in OpenGL would do it."""
    killed, warnings = [], []

    def progress(seconds):
        if killed:
            return
        for child in psutil.Process().children(recursive=True):
            if "spawn_main" in " ".join(child.cmdline()):
                killed.append(child.pid)
                child.kill()
                return

    config = GenerateConfig(out=tmp_path, scenes=2, duration_s=2.0, jobs=2, edition="tabletop")
    figures = generate(config, progress, warnings.append)
    assert killed and figures["processes_died"] == 1 and "a process died" in warnings[0]
    assert figures["scenes_written"] == 2 and all(module_finished(job) for job in bag_jobs(config))
    assert not list(tmp_path.rglob("*.partial/*"))


def test_interventions_change_one_thing_and_are_other_bags(tmp_path):
    plain = GenerateConfig(tmp_path, split="test", scenes=1, edition="foleysim-1", robot="gantry")
    base = bag_jobs(plain)[0]
    looks = bag_jobs(dataclasses.replace(plain, look="metal"))[0]
    fast = bag_jobs(dataclasses.replace(plain, blow_speed=2.0))[0]
    scene, retextured, hurried = (job.scene() for job in (base, looks, fast))
    assert {o.look_material for o in retextured.objects} == {"metal"}
    restored = dataclasses.replace(retextured, objects=scene.objects)
    assert restored == scene and [o.material for o in retextured.objects] == [
        o.material for o in scene.objects
    ]
    assert dataclasses.replace(hurried, blow_speed=1.0) == scene
    assert "look" not in session(base) and "blow_speed" not in session(base)
    assert session(looks)["look"] == "metal" and session(fast)["blow_speed"] == "2.0"
    rubber = bag_jobs(dataclasses.replace(plain, material="rubber"))[0]
    for item, was in zip(rubber.scene().objects, scene.objects, strict=True):
        assert item.material.name == ("rubber" if was.shape != "heap" else was.material.name)
        assert dataclasses.replace(item, material=was.material, look_material=was.look_material) == was
    assert session(rubber)["material"] == "rubber" and "material" not in session(base)
    loose = bag_jobs(dataclasses.replace(plain, state="loose", state_share=0.4))[0]
    assert loose.scene() == with_states(scene, "loose", 0.4) != scene
    assert session(loose)["state"] == "loose" and session(loose)["state_share"] == "0.4"
    assert "part: loose" in session(loose)["objects"] and "state" not in session(base)
    warned = []
    full = dataclasses.replace(plain, edition="tabletop", first_seed=2, scenes=2, state="full")
    assert [job.scene_seed for job in module._possible(bag_jobs(full), warned.append)] == [2]
    assert "test-00003 is left out: state is `full`: nothing in scene" in warned[0]
    with pytest.raises(ValueError, match="nothing in these scenes can be so"):
        module._possible(bag_jobs(full)[1:], warned.append)
    for bad, what in (
        ({"material": "jelly"}, "--material is `jelly`, known are"),
        ({"material": "wood", "edition": "foleysim-b"}, "are its own"),
        ({"look": "velvet"}, "known are"),
        ({"state": "broken"}, "--state is `broken`, known are loose"),
        ({"state": "loose", "edition": "foleysim-b"}, "frozen"),
        ({"state": "loose", "collection": "foleysim-1-mini"}, "stands as it is"),
        ({"look": "wood", "edition": "tabletop"}, "--edition foleysim-1"),
        ({"blow_speed": 2.0, "collection": "foleysim-1-mini"}, "stands as it is"),
    ):
        with pytest.raises(ValueError, match=what):
            dataclasses.replace(plain, **bad)
    with pytest.raises(ValueError, match="blow_speed is 9"):
        bag_jobs(dataclasses.replace(plain, blow_speed=9.0))[0].scene()
