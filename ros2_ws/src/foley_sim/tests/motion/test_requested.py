import dataclasses

import numpy as np
import pytest

from foley_sim.editions import make_scene as scene_of
from foley_sim.motion.policy import Policy
from foley_sim.motion.requested import ContactRefused, ContactRequest, Refusal, target_of
from foley_sim.physics.surfaces import surface, to_local, to_world, usable_half
from foley_sim.robots.actions import ACTIONS, SPEEDS
from foley_sim.scene import make_scene

SCENE = make_scene(3, "train")
POLICY = Policy(SCENE, 1)
ITEM = SCENE.objects[0]


def _on(item, local=(0.0, 0.0)):
    place = np.array(local)
    return (*to_world(item, place), surface(item, place)[0])


def _refused(request, scene=SCENE, policy=POLICY):
    with pytest.raises(ContactRefused) as refused:
        target_of(scene, policy, request)
    return refused.value.refusal, str(refused.value)


def test_an_object_by_name_is_touched_in_the_middle_of_its_face_at_the_middle_speed():
    target = target_of(SCENE, POLICY, ContactRequest("tap", ITEM.object_id))
    assert target.object_id == ITEM.object_id and target.action == "tap"
    assert target.point == pytest.approx((*ITEM.position[:2], ITEM.top))
    assert target.speed == pytest.approx(sum(SPEEDS["tap"]) / 2)


@pytest.mark.parametrize("item", SCENE.objects, ids=lambda o: o.shape)
def test_a_position_alone_finds_the_object_whatever_others_call_it(item):
    asked = _on(item, usable_half(item, SCENE.striker.tip_radius) * (0.5, -0.4))
    target = target_of(SCENE, POLICY, ContactRequest("hit", "object_4711_2", asked, speed=0.5))
    assert target.object_id == item.object_id
    assert target.point == pytest.approx(asked, abs=1e-9) and target.speed == 0.5


def test_a_place_near_the_edge_is_touched_where_the_tip_still_fits():
    half = np.array(ITEM.size[:2]) / 2
    target = target_of(SCENE, POLICY, ContactRequest("tap", "", _on(ITEM, half)))
    local = to_local(ITEM, np.array(target.point[:2]))
    usable = usable_half(ITEM, SCENE.striker.tip_radius)
    if ITEM.shape == "cylinder":
        assert np.hypot(*local) == pytest.approx(usable[0])
    else:
        assert local == pytest.approx(usable)


def test_every_action_that_a_striker_with_a_pad_has_can_be_asked_for():
    scene = scene_of(3, "train", "foleysim-1")
    assert scene.striker.has_pad
    policy = Policy(scene, 1)
    flat = max((o for o in scene.objects if o.shape in ("plate", "box", "disc")), key=lambda o: o.size[1])
    for action in ACTIONS:
        target = target_of(scene, policy, ContactRequest(action, flat.object_id))
        assert (target.object_id, target.action) == (flat.object_id, action)
        policy.plan(0, policy.home(), target)


def test_what_is_far_away_is_out_of_reach():
    refusal, said = _refused(ContactRequest("tap", "", (0.8, 0.0, 0.02)))
    assert refusal is Refusal.OUT_OF_REACH and said.startswith("position.x is 0.800 m, the arm reaches from")


def test_a_face_that_looks_aside_is_out_of_reach():
    refusal, said = _refused(ContactRequest("tap", "", _on(ITEM), normal=(0.0, -1.0, 0.1)))
    assert refusal is Refusal.OUT_OF_REACH and "the tool comes from above" in said


@pytest.mark.parametrize(
    "request_, said",
    [
        (ContactRequest("stroke", ITEM.object_id), "action is `stroke`, this robot knows tap, hit"),
        (ContactRequest("pat", ITEM.object_id), "needs a soft pad; this robot has none and can tap, hit"),
        (ContactRequest("tap", "object_4711_2"), "none of this scene's, and no position is given"),
        (ContactRequest("tap", "", (np.nan, 0.0, 0.0)), "every value must be finite"),
        (ContactRequest("tap", "", (*_on(ITEM)[:2], 0.9)), "position.z is 0.900 m"),
        (
            ContactRequest("tap", ITEM.object_id, speed=2.0),
            "speed is 2.000 m/s, a tap is made with 0.080 to 0.250",
        ),
        (ContactRequest("tap", ITEM.object_id, speed=float("nan")), "speed is nan m/s"),
        (ContactRequest("tap", SCENE.objects[1].object_id, _on(ITEM)), "m beside it"),
    ],
    ids=["action", "pad", "nobody", "nan", "above", "speed", "nan speed", "another"],
)
def test_a_bad_contact_is_refused_with_its_field_and_the_cure(request_, said):
    refusal, told = _refused(request_)
    assert refusal is Refusal.BAD_CONTACT and said in told


def test_nothing_stands_between_two_objects():
    free = next(
        (x, y, 0.01)
        for x in np.linspace(-0.25, 0.25, 26)
        for y in np.linspace(-0.2, 0.2, 21)
        if min(np.hypot(x - o.position[0], y - o.position[1]) - max(o.size[:2]) for o in SCENE.objects) > 0.0
    )
    assert "m beside it" in _refused(ContactRequest("tap", "", free))[1]


def test_a_speed_that_was_a_float32_is_no_excess():
    target = target_of(SCENE, POLICY, ContactRequest("tap", ITEM.object_id, speed=float(np.float32(0.08))))
    assert target.speed == 0.08


def test_a_robot_that_cannot_bend_there_refuses():
    scene = dataclasses.replace(SCENE, robot="ur5e")
    policy = Policy(scene, 1)
    assert target_of(scene, policy, ContactRequest("tap", ITEM.object_id)).object_id == ITEM.object_id
    refusal, said = _refused(ContactRequest("tap", "", (0.40, 0.0, 0.02)), scene, policy)
    assert refusal is Refusal.OUT_OF_REACH and "reaches from -0.36 to 0.36" in said
