"""The seven actions, the pad and the reactions, in physics."""

import dataclasses

import numpy as np
import pytest

from foley_common.times import NS_PER_S
from foley_sim.editions import EDITIONS
from foley_sim.materials import draw_material
from foley_sim.motion.policy import Policy
from foley_sim.physics import bodies, mjcf
from foley_sim.robots.actions import ACTIONS
from foley_sim.robots.gantry import Gantry
from foley_sim.robots.tool import PAD_TRAVEL
from foley_sim.sound.events import Hold, Impact, Sliding
from foley_sim.spec import ObjectSpec, SceneSpec, StrikerSpec
from foley_sim.world.world import World

GANTRY_JOINTS = len(Gantry(StrikerSpec()).joints)


def _body(name, material, shape, size, x, y, *, fixed=True, wall=0.0):
    sample = draw_material(material, np.random.default_rng(3))
    return ObjectSpec(name, shape, size, wall, sample, (x, y, size[2] / 2), 0.4, 1, fixed=fixed)


PLATE = _body("plate", "metal", "plate", (0.14, 0.10, 0.010), -0.2, -0.1)
SOFT = _body("soft", "rubber", "box", (0.09, 0.08, 0.05), 0.2, 0.1)
ROD = _body("rod", "wood", "rod", (0.14, 0.03, 0.03), 0.2, -0.1, fixed=False)
DOME = _body("dome", "ceramic", "dome", (0.11, 0.11, 0.035), -0.2, 0.1, wall=0.004)
HEAP = _body("heap", "gravel", "heap", (0.12, 0.12, 0.03), 0.0, 0.1)
SCENE = SceneSpec(
    "a-scene", 7, "train", (PLATE, SOFT, ROD, DOME, HEAP), striker=StrikerSpec(has_pad=True), edition="rich"
)


@pytest.fixture(scope="module", autouse=True)
def rich():
    """An edition with everything, heard by the ordinary renderer."""
    EDITIONS["rich"] = EDITIONS["tabletop"]
    yield
    del EDITIONS["rich"]


@dataclasses.dataclass
class Run:
    plans: dict  # by plan_id
    contacts: list
    states: list
    events: list
    world: World

    def during(self, contact, kind):
        return [
            e
            for e in self.events
            if isinstance(e, kind)
            and e.object_id == contact.object_id
            and contact.onset_ns - 1000
            <= (e.time_s if isinstance(e, Impact) else e.start_s) * NS_PER_S
            <= contact.end_ns
        ]

    def of(self, action, object_id="plate"):
        return [c for c in self.contacts if c.action == action and c.object_id == object_id]


def _run(item, actions, *, seed=0, change=lambda target: target):
    """Carry out one of each action on the object."""
    world = World(SCENE, seed, explore=False, audio_block=50, camera_rate_hz=0, depth_rate_hz=0)
    events, add = [], world.sound.add
    world.sound.add = lambda event: (events.append(event), add(event))
    for action in actions:
        world.request(change(Policy(SCENE, seed, {action: 1.0}, touch=lambda o: o is item).target()))
    batch = world.advance(round(3.9 * len(actions) * NS_PER_S))
    assert world.done
    plans = {p.plan_id: p for p in batch.plans}
    return Run(plans, batch.contacts + world.finish().contacts, batch.states, events, world)


@pytest.fixture(scope="module")
def plate(rich):
    return _run(PLATE, ACTIONS)


def test_a_world_may_be_told_what_is_done() -> None:
    world = World(SCENE, 0, actions=("knock",), camera_rate_hz=0, depth_rate_hz=0)
    assert {world.policy.target().action for _ in range(12)} == {"knock"}


def test_each_action_makes_one_contact_in_time(plate):
    assert [c.action for c in plate.contacts] == list(ACTIONS)
    for contact in plate.contacts:
        plan = plate.plans[contact.plan_id]
        assert abs(contact.onset_ns - plan.contact_ns) < 20e6
        assert plan.contact_ns - plan.published_ns > 0.9 * NS_PER_S
        assert contact.speed == pytest.approx(plan.target.approach, rel=0.15, abs=0.005)
        assert np.linalg.norm(np.subtract(contact.point, plan.target.point)) < 2e-3
        assert contact.reaction == "static"
    assert plate.world.sound.late_events == 0


def test_contacts_last_as_their_action_asks(plate):
    lasted = {c.action: c.duration_s for c in plate.contacts}
    target = {p.target.action: p.target for p in plate.plans.values()}
    assert lasted["tap"] < 0.1 and lasted["hit"] < 0.1
    blows = target["knock"].repeats - 1
    assert lasted["knock"] == pytest.approx(blows * target["knock"].interval_s, abs=0.06)
    assert lasted["pat"] > target["pat"].repeats * target["pat"].hold_s
    assert 0.35 < lasted["press"] < 1.1 and lasted["rub"] > 0.5


def test_the_blows_of_a_knock_or_pat_are_one_contact(plate):
    for action in ("knock", "pat"):
        (contact,) = plate.of(action)
        plan = plate.plans[contact.plan_id]
        assert contact.touches >= plan.target.repeats >= 2
        impacts = plate.during(contact, Impact)
        assert len(impacts) == contact.touches
        assert {e.head for e in impacts} == {plan.target.head}


def test_a_press_goes_deep_into_the_spring_and_is_told_as_holding(plate):
    (contact,) = plate.of("press")
    holds = plate.during(contact, Hold)
    assert 3.0 < max(h.normal_force for h in holds) < 10.0
    assert sum(h.end_s - h.start_s for h in holds) == pytest.approx(contact.duration_s, abs=0.01)
    assert all(h.head == "pad" and h.end_s - h.start_s <= 0.0041 for h in holds)
    assert contact.slip_m < 1e-3


def test_a_rub_slides_as_far_as_its_strokes_together_with_the_pad(plate):
    (contact,) = plate.of("rub")
    target = plate.plans[contact.plan_id].target
    assert contact.slip_m == pytest.approx(target.repeats * np.hypot(*target.stroke), rel=0.1)
    assert {s.head for s in plate.during(contact, Sliding)} == {"pad"}
    assert max(s.normal_force for s in plate.during(contact, Sliding)) < 3.0


def test_the_pad_is_down_for_its_actions_and_up_for_the_others(plate):
    times = np.array([s.time_ns for s in plate.states])
    pad = np.array([s.positions[GANTRY_JOINTS] for s in plate.states])
    for contact in plate.contacts:
        expected = PAD_TRAVEL if plate.plans[contact.plan_id].target.head == "pad" else 0.0
        inside = (times >= contact.onset_ns - 50e6) & (times <= contact.end_ns)
        assert pad[inside] == pytest.approx(expected, abs=1e-3), contact.action
    assert pad[-1] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("item", [DOME, HEAP, SOFT], ids=lambda o: o.object_id)
def test_impulses_lie_between_the_bounds_of_a_rebound_on_every_shape(item):
    run = _run(item, ("hit", "press", "scratch"))
    assert [c.action for c in run.contacts] == ["hit", "press", "scratch"]
    mass = SCENE.striker.tip_mass
    for contact in run.contacts:
        plan = run.plans[contact.plan_id]
        assert abs(contact.onset_ns - plan.contact_ns) < 20e6 and contact.object_id == item.object_id
        assert mass * contact.speed <= contact.impulse * (1 + 1e-9) <= 2 * mass * contact.speed * (1 + 1e-6)
        assert contact.reaction == item.reaction
        for impact in run.during(contact, Impact):
            assert impact.normal == pytest.approx(plan.target.normal, abs=0.02) or contact.action == "scratch"
    if item.reaction in ("deforms", "scatters"):
        (press,) = (c for c in run.contacts if c.action == "press")
        low = min(s.tool_position[2] for s in run.states if press.onset_ns < s.time_ns < press.end_ns)
        sink = run.plans[press.plan_id].target.point[2] - (low - SCENE.striker.length)
        assert 0.002 < sink < 0.008, "it visibly gives way"


def _off_centre(target):
    c, s = np.cos(ROD.yaw), np.sin(ROD.yaw)
    radius, sine = ROD.size[1] / 2, 0.42
    up = np.sqrt(1 - sine**2)
    point = (ROD.position[0] - s * radius * sine, ROD.position[1] + c * radius * sine, radius * (1 + up))
    return dataclasses.replace(target, point=point, normal=(-s * sine, c * sine, up), speed=0.3)


def _on_top(target):
    return dataclasses.replace(target, point=(*ROD.position[:2], ROD.top), normal=(0.0, 0.0, 1.0), speed=0.1)


def test_a_rod_rolls_away_from_a_blow_beside_its_top_and_is_heard():
    run = _run(ROD, ("tap",), change=_off_centre)
    (contact,) = run.contacts
    assert contact.reaction == "rolls"
    rolling = [e for e in run.events if isinstance(e, Sliding) and e.start_s * NS_PER_S > contact.end_ns]
    assert rolling and all(e.object_id == "rod" and e.normal_force <= 0.2 for e in rolling)
    q = run.world.configuration()
    count = GANTRY_JOINTS + 1
    assert len(q) == count + 2 + bodies.GRAINS, "its joints come after the arm's"
    assert q[count + 1] == pytest.approx(-q[count] / (ROD.size[1] / 2), abs=0.05), "it turns as it travels"
    still = _run(ROD, ("tap",), change=_on_top)
    assert still.contacts[0].reaction == "static"


def test_loose_pieces_of_a_heap_are_pushed_by_touches_and_come_to_rest():
    first = GANTRY_JOINTS + 1 + 2
    run = _run(HEAP, ("hit", "scratch"))
    moved = run.world.configuration()[first:]
    assert len(moved) == bodies.GRAINS
    assert 0.001 < moved.max() < 0.016 and moved.min() > -1e-6, "down the slope, and not off the heap"
    assert _run(PLATE, ("hit",)).world.configuration()[first:] == pytest.approx(0, abs=1e-9)


def test_runs_repeat_bit_for_bit():
    first, second = (
        World(SCENE, 5, audio_block=20, camera_rate_hz=0, depth_rate_hz=0).advance(5 * NS_PER_S)
        for _ in range(2)
    )
    assert len(first.contacts) == len(second.contacts) >= 1
    assert first.contacts == second.contacts
    for a, b in zip(first.states, second.states, strict=True):
        assert np.array_equal(a.positions, b.positions) and np.array_equal(a.wrench, b.wrench)


def test_a_time_step_too_long_for_the_contact_is_refused():
    mjcf.check_timestep(mjcf.TIMESTEP_S, mjcf.CONTACT_S)
    with pytest.raises(
        ValueError, match=r"timestep_s is 0\.002: a contact of 0\.008 s needs steps of at most"
    ):
        mjcf.build(SCENE, timestep_s=0.002)


def test_bodies_that_cannot_be_are_refused_with_the_reason():
    for changed, message in (
        (dataclasses.replace(PLATE, position=(-0.2, -0.1, -0.01)), "object `plate`: position z is -0.01"),
        (dataclasses.replace(ROD, position=(-0.2, -0.1, 0.015)), "`plate` and `rod` overlap"),
        (dataclasses.replace(ROD, size=(0.14, 0.04, 0.03)), "a rod's width and height are both its diameter"),
        (
            dataclasses.replace(DOME, size=(0.07, 0.07, 0.04), position=(-0.2, 0.1, 0.02)),
            "half as high as wide",
        ),
    ):
        objects = tuple(changed if o.object_id == changed.object_id else o for o in SCENE.objects)
        with pytest.raises(ValueError, match=message):
            World(dataclasses.replace(SCENE, objects=objects), 0)
    with pytest.raises(ValueError, match="material is `unobtainium`, known are"):
        draw_material("unobtainium", np.random.default_rng(0))
