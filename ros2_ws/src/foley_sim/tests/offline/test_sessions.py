"""A session straight from the world, as models read it, and its sound redrawn."""

import dataclasses

import cv2
import numpy as np
import pytest

from foley_common.session_file import MOTION_RATE, VIEW_RATE
from foley_sim.editions import make_scene
from foley_sim.offline.redraw import redraw_scene, render_draw
from foley_sim.offline.session_sound import render
from foley_sim.offline.sessions import SessionJob, make_session
from foley_sim.robots import robot_of
from foley_sim.sound.noise import hum_of, sound_seed
from foley_sim.world.contact_log import SavedContacts

JOB = SessionJob("foleysim-1", "stream", 1, 0, 6.0, 16_000)


@pytest.fixture(scope="module")
def made():
    return make_session(JOB)


def test_it_holds_what_happened_on_one_clock(made):
    session = made[0]
    assert len(session.sound) == 96_000 and session.executed_pose.shape == (750, 7) and session.views == 0
    facts = session.facts
    assert (facts["scene_id"], facts["split"], JOB.name) == ("stream-00001", "train", "stream-00001-p0")
    scene = JOB.scene()
    assert [o["material"] for o in facts["objects"]] == [o.material.name for o in scene.objects]
    assert facts["duration_s"] == session.duration_s == 6.0


def test_the_hand_does_what_was_planned_until_it_touches(made):
    session = made[0]
    first = round(session.contact_s[0] * MOTION_RATE) - 1
    apart = np.abs(session.planned_pose - session.executed_pose)[:first]
    assert apart[:, :3].max() < 1e-3 and apart[:, 3:].max() < 1e-3
    scene = JOB.scene()
    place = np.array([*session.planned_pose[0, :3], 0.0])
    position, quaternion = robot_of(scene).tool_pose(robot_of(scene).posture(place))
    np.testing.assert_allclose(session.planned_pose[0], [*position, *quaternion], atol=1e-6)
    np.testing.assert_allclose(session.executed_width, session.planned_width, atol=1e-3)


def test_a_contact_is_where_its_object_is_seen_and_when_it_was_planned(made):
    session = made[0]
    assert len(session.contact_s) >= 3
    np.testing.assert_allclose(session.contact_planned_s, session.contact_s, atol=2e-3)
    points = session.points()
    for time_s, index, kind in zip(
        session.contact_s, session.contact_object, session.facts["contact_kinds"], strict=True
    ):
        row = round(time_s * MOTION_RATE)
        item = session.facts["objects"][index]
        tip = session.executed_pose[row, :3] - [0.0, 0.0, session.tool_tip[2]]
        assert np.hypot(*(tip[:2] - item["position"][:2])) < max(item["size"][:2]) / 2
        if item["shape"] != "heap" and kind == "blow":
            near = np.hypot(*(points[:, :2] - tip[:2]).T) < 0.004
            assert points[near, 2].max() == pytest.approx(tip[2], abs=0.006)
        # It presses on the tool, against the tool's z.
        assert session.wrench[row : row + 3, 2].min() < -0.2


def test_what_hits_is_heard_at_its_onset(made):
    session = made[0]
    rises = np.array(session.facts["contact_rise_db"])
    blows = np.array(session.facts["contact_kinds"]) == "blow"
    assert rises[blows].max() > 20.0
    loud = int(np.argmax(rises))
    begin = round(session.contact_s[loud] * 16_000)
    steps = np.diff(session.sound.astype(float))
    before, after = steps[begin - 160 : begin].std(), steps[begin : begin + 160].std()
    assert after > 3 * before


def test_views_change_nothing_else_and_show_the_scene_without_the_hand(made):
    short = dataclasses.replace(JOB, duration_s=4.0)
    seen, blind = make_session(dataclasses.replace(short, views=True))[0], make_session(short)[0]
    np.testing.assert_array_equal(seen.sound, blind.sound)
    np.testing.assert_array_equal(seen.executed_pose, blind.executed_pose)
    assert seen.views == 4 * VIEW_RATE
    # The tool rests until its first plan: one picture, given again.
    assert all(seen.view(0, name) == seen.view(1, name) for name in ("global", "local_right"))
    assert seen.view(0, "local_right") != seen.view(5, "local_right")
    picture = cv2.imdecode(np.frombuffer(seen.view(0, "global"), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (224, 224, 3) and picture.std() > 10


def test_noise_and_hum_are_the_scene_s_own():
    """With one policy seed, microphones of two scenes hear different noise, and mains of different pitch."""
    scenes = [make_scene(seed, "test", "foleysim-1") for seed in (0, 5)]
    sounds = []
    for scene in scenes:
        quiet = SavedContacts(scene.scene_id, scene.edition, 0, 2.0, (), np.zeros((0, 2)))
        seed = sound_seed(scene, 0)
        sounds.append(render(scene, quiet, seed=seed, hum=hum_of(scene), rate=16_000)[0].astype(float))
    assert abs(np.corrcoef(*sounds)[0, 1]) < 0.05
    hums = {hum_of(make_scene(seed, "stream", "foleysim-1")) for seed in range(20)}
    assert len({h.motor_hz for h in hums}) == 20 and {round(h.mains_hz, -1) for h in hums} == {50.0, 60.0}
    assert len({sound_seed(scenes[0], seed) for seed in range(5)} | {sound_seed(scenes[0], 0, 1)}) == 6


def test_what_is_redrawn_is_what_is_not_known():
    scene, rng = JOB.scene(), np.random.default_rng(0)
    assert redraw_scene(scene, "same", rng) is scene
    known = redraw_scene(scene, "material", rng)
    for was, now in zip(scene.objects, known.objects, strict=True):
        assert now.material.name == was.material.name and now.material != was.material
        assert (now.shape, now.size, now.position, now.look_seed) == (
            was.shape,
            was.size,
            was.position,
            was.look_seed,
        )
    assert (known.room, known.microphone, known.seed) == (scene.room, scene.microphone, scene.seed)
    many = [redraw_scene(scene, "look", rng) for _ in range(30)]
    assert any(
        a.material.name != b.material.name
        for s in many
        for a, b in zip(scene.objects, s.objects, strict=True)
    )
    assert {s.room for s in many} == {scene.room}
    everything = redraw_scene(scene, "all", rng)
    assert everything.room != scene.room and everything.microphone != scene.microphone
    judge = make_scene(0, "test", "foleysim-b")
    with pytest.raises(ValueError, match="only `same`"):
        redraw_scene(judge, "look", rng)


def test_the_same_scene_again_differs_by_its_noise_and_another_material_by_more(made):
    session, saved = made
    scene = JOB.scene()
    again = render(scene, saved, seed=session.facts["sound_seed"], hum=hum_of(scene), rate=16_000)[0]
    np.testing.assert_array_equal(again, session.sound)

    def octaves(samples):  # [dB]
        power = np.abs(np.fft.rfft(samples.astype(float))) ** 2
        edges = len(power) // 2 ** np.arange(7, -1, -1)
        return 10 * np.log10(np.add.reduceat(power, edges[:-1]))

    def apart(kind, draw):
        samples = render_draw(scene, saved, 0, kind, draw, 16_000)[0]
        return np.abs(octaves(samples) - octaves(session.sound)).mean()

    same, material = (apart(kind, 0) for kind in ("same", "material"))
    assert 0 < same < 1.0 and material > 1.5 * same
    assert apart("material", 1) != material
