"""The contact advisor over real middleware: suggestions, questions, and observing with a robot that makes contacts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.nodes

PLACES = {"mug": (0.1, 0.0, 0.05), "bowl": (-0.2, 0.1, 0.08)}
FRAME = "world"


class Material:
    """What `material` publishes, of contacts that say what they are told to say; and a robot that makes them."""

    def __init__(self, context: Any) -> None:
        from rclpy.action import ActionServer, CancelResponse
        from rclpy.callback_groups import ReentrantCallbackGroup

        from foley_common import topics as registry
        from foley_msgs.action import MakeContact
        from foley_ros import topics
        from foley_synthesis.beliefs import predicates_file
        from foley_synthesis.beliefs.fitted import load_fitted
        from foley_synthesis.beliefs.predicates import PredicateTable
        from foley_synthesis.checkpoint import default_path, load_checkpoint

        content = load_checkpoint(None, exemplars=False)
        self.vocabulary = content.vocabulary
        self.fusion = load_fitted(default_path())[-1].config
        self.table = PredicateTable(
            predicates_file.load(predicates_file.default_path(), self.vocabulary.labels)
        )
        self.context, self.node = context, context.create_node("material")

        def publisher(topic: Any) -> Any:
            return self.node.create_publisher(topics.message_type(topic), topic.name, topics.profile(topic))

        self.estimates = publisher(registry.MATERIAL_ESTIMATES)
        self.predicates = publisher(registry.PREDICATES)
        self.contacts = publisher(registry.CONTACTS)
        self.evidence: dict[str, list[Any]] = {}
        self.sequence = self.made = 0
        self.says: dict[str, float] = {}  # object -> probability of metal in each of its contacts
        self.deaf = self.clumsy = False
        self.hold: list[Any] = []  # where it is not empty, contacts wait until they are cancelled
        self.asked: list[Any] = []
        self.server: Any = ActionServer(
            self.node,
            MakeContact,
            "make_contact",
            self._make,
            callback_group=ReentrantCallbackGroup(),
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )

    def leave(self) -> None:
        """No robot any more."""
        server, self.server = self.server, None
        if server is not None:
            server.destroy()

    def now_ns(self) -> int:
        return int(self.node.get_clock().now().nanoseconds)

    async def _make(self, handle: Any) -> Any:
        from rclpy.task import Future

        from foley_msgs.action import MakeContact
        from foley_ros import convert

        self.asked.append(handle.request.contact)
        if self.hold:
            cancelled: Future = Future(executor=self.context.executor)

            def look() -> None:
                if handle.is_cancel_requested and not cancelled.done():
                    cancelled.set_result(None)

            timer = self.node.create_timer(0.02, look)
            await cancelled
            self.node.destroy_timer(timer)
            handle.canceled()
            return MakeContact.Result(error_code=MakeContact.Result.ERROR_CANCELLED)
        if self.clumsy:
            handle.abort()
            return MakeContact.Result(
                error_code=MakeContact.Result.ERROR_OUT_OF_REACH, error_msg="too far away"
            )
        self.made += 1
        time_ns = self.now_ns()
        handle.succeed()
        if not self.deaf:
            self.hear(handle.request.contact.object_id, time_ns=time_ns)
        return MakeContact.Result(contact_time=convert.to_stamp(time_ns), plan_id="p")

    def hear(self, name: str, metal: float | None = None, *, time_ns: int = 0) -> None:
        """One contact with an object, its beliefs, and the snapshot after it."""
        from foley_msgs.msg import ContactEvent
        from foley_ros import convert
        from foley_synthesis.beliefs.belief import MaterialBelief
        from foley_synthesis.beliefs.evidence import Evidence
        from foley_synthesis.beliefs.fusion import fuse

        labels = self.vocabulary.labels
        metal = self.says.get(name, 0.3) if metal is None else metal
        rest = (1 - metal) / (len(labels) - 1)
        belief = MaterialBelief(
            tuple(metal if label == "metal" else rest for label in labels),
            log10_e_mean=11.0,
            log10_e_std=0.5,
            roughness=0.2,
            hollowness=0.1,
            calibrated_for="sim",
        )
        items = self.evidence.setdefault(name, [])
        item = Evidence(
            "heard",
            f"{name}_{len(items)}",
            time_ns or self.now_ns(),
            belief,
            "tap",
            position=PLACES[name],
        )
        items.append(item)
        event = ContactEvent(contact_id=item.key, object_id=name, action=ContactEvent.ACTION_TAP)
        event.header = convert.header(item.time_ns, FRAME)
        self.contacts.publish(event)
        self._estimate(name, belief, item.key)
        self._estimate(name, fuse(items, self.fusion).belief, "")
        self.snapshot()

    def _estimate(self, name: str, belief: Any, contact_id: str) -> None:
        from foley_synthesis.ros.convert import estimate_message

        items = self.evidence[name]
        self.estimates.publish(
            estimate_message(
                belief,
                self.vocabulary,
                time_ns=items[-1].time_ns,
                frame_id=FRAME,
                position=PLACES[name],
                object_id=name,
                contact_id=contact_id,
                contacts=(1 if contact_id else len(items), 0),
                model_id="m",
                model_domain="sim",
                latency_s=0.5,
            )
        )

    def snapshot(self) -> None:
        from foley_msgs.msg import Predicate, PredicateArray
        from foley_ros import convert
        from foley_synthesis.beliefs.expressions import Facts
        from foley_synthesis.beliefs.fusion import fuse
        from foley_synthesis.beliefs.predicates import Known

        known = []
        for name, items in self.evidence.items():
            belief = fuse(items, self.fusion).belief
            numbers = {
                "log10_youngs_modulus_pa_mean": belief.log10_e_mean,
                "log10_youngs_modulus_pa_std": belief.log10_e_std,
                "roughness": belief.roughness,
                "hollowness": belief.hollowness,
                "abstain": float(belief.abstain),
            }
            facts = Facts(
                numbers, dict(zip(self.vocabulary.labels, belief.probabilities, strict=True)), {"tap": 1.0}
            )
            known.append(Known(name, facts, {"heard": items[-1].time_ns}, len(items)))
        self.sequence += 1
        now_ns = self.now_ns()
        self.predicates.publish(
            PredicateArray(
                header=convert.header(now_ns, ""),
                sequence=self.sequence,
                predicates=[
                    Predicate(
                        name=value.name,
                        arguments=list(value.arguments),
                        probability=float(value.probability),
                        state=int(value.state),
                        newest_evidence=convert.to_stamp(value.newest_evidence_ns),
                        valid_until=convert.to_stamp(now_ns + 60 * 10**9),
                        contacts=value.contacts,
                    )
                    for value in self.table.evaluate(known, now_ns)
                ],
            )
        )


@dataclasses.dataclass
class Rig:
    context: Any
    material: Material
    node: Any
    observer: Any
    clients: dict[Any, Any]
    feedback: list[Any]

    def told(self, objects: int) -> None:
        self.context.spin_until(
            lambda: (
                len(self.node._core.objects) == objects
                and self.node._core.view.snapshot is not None
                and len(self.node._core.view.snapshot.objects) == objects
            ),
            what="beliefs to arrive",
        )

    def send(self, kind: Any, name: str, **goal: Any) -> tuple[Any, Any]:
        from rclpy.action import ActionClient

        if kind not in self.clients:
            self.clients[kind] = ActionClient(self.observer, kind, f"contact_advisor/{name}")
        client = self.clients[kind]
        self.context.spin_until(client.server_is_ready, what=name)
        sent = client.send_goal_async(
            kind.Goal(**goal), lambda message: self.feedback.append(message.feedback)
        )
        self.context.spin_until(sent.done, what="acceptance")
        handle = sent.result()
        return handle, handle.get_result_async() if handle.accepted else None

    def ask(self, kind: Any, name: str, **goal: Any) -> Any:
        handle, result = self.send(kind, name, **goal)
        assert handle.accepted
        self.context.spin_until(result.done, 20.0, f"a result of {name}")
        return result.result().result

    def observe(self, predicate: str, *arguments: str, **goal: Any) -> Any:
        from foley_msgs.action import Observe

        return self.ask(Observe, "observe", predicate=predicate, arguments=list(arguments), **goal)

    def query(self, *, predicate: str = "", deadline: float = 20.0, **contact: Any) -> Any:
        from foley_msgs.action import QueryContact
        from foley_msgs.msg import ContactSuggestion

        asked = ContactSuggestion(**contact)
        return self.ask(QueryContact, "query_contact", contact=asked, predicate=predicate, deadline=deadline)

    def suggest(self, **request: Any) -> Any:
        from foley_msgs.srv import SuggestContacts

        return self.context.call(
            SuggestContacts, "contact_advisor/suggest_contacts", SuggestContacts.Request(**request)
        )


@pytest.fixture
def rig(ros_context: Any) -> Iterator[Rig]:
    from rclpy.lifecycle import TransitionCallbackReturn
    from rclpy.parameter import Parameter

    from foley_synthesis.nodes.contact_advisor import ContactAdvisorNode

    material = Material(ros_context)
    node = ros_context.add(ContactAdvisorNode(parameter_overrides=[Parameter("listen_s", value=1.5)]))
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS, node._failure
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    rig = Rig(ros_context, material, node, ros_context.create_node(), {}, [])
    publishers = (material.estimates, material.predicates, material.contacts)
    ros_context.spin_until(lambda: all(p.get_subscription_count() for p in publishers), what="matching")
    ros_context.spin_until(node._observations._robot.server_is_ready, what="the robot's server")
    yield rig
    for client in rig.clients.values():
        client.destroy()
    material.leave()
    node._quietly(node._release)


def test_contacts_are_suggested_where_objects_are_known_to_be(rig: Rig) -> None:
    from foley_msgs.srv import SuggestContacts

    nothing = rig.suggest()
    assert nothing.error_code == SuggestContacts.Response.ERROR_NO_BELIEFS
    for _ in range(2):
        rig.material.hear("mug", 0.99)
    rig.material.hear("bowl", 0.3)
    rig.told(2)
    answer = rig.suggest(most=4)
    assert answer.error_code == SuggestContacts.Response.ERROR_NONE, answer.error_msg
    first = answer.contacts[0]
    assert first.object_id == "bowl", "the mug is known"
    assert (first.position.x, first.position.y, first.position.z) == pytest.approx(PLACES["bowl"])
    assert (first.normal.x, first.normal.y, first.normal.z) == (0.0, 0.0, 1.0)
    assert first.header.frame_id == FRAME and first.action == 1 and first.speed == pytest.approx(0.2)
    assert 0.0 < first.expected_information_gain < math.log(8) and first.cost >= 2.0
    assert rig.suggest(budget=1.0).contacts == []
    refused = rig.suggest(budget=-1.0)
    assert (
        refused.error_code == SuggestContacts.Response.ERROR_BAD_REQUEST
        and "budget is -1" in refused.error_msg
    )
    hard = rig.suggest(predicate="is_made_of_glass", object_ids=["bowl"], actions=[1, 2])
    assert hard.error_code == SuggestContacts.Response.ERROR_NONE and hard.contacts
    assert {c.object_id for c in hard.contacts} == {"bowl"} and {c.action for c in hard.contacts} <= {1, 2}


def test_what_cannot_be_suggested_has_its_code(rig: Rig) -> None:
    from foley_msgs.srv import SuggestContacts

    rig.material.hear("mug", 0.5)
    rig.told(1)
    unknown = rig.suggest(predicate="is_made_of_cheese")
    assert unknown.error_code == SuggestContacts.Response.ERROR_UNKNOWN_NAME
    assert "is_made_of_cheese" in unknown.error_msg and "is_made_of_metal" in unknown.error_msg
    nowhere = rig.suggest(object_ids=["cup"])
    assert (
        nowhere.error_code == SuggestContacts.Response.ERROR_UNKNOWN_OBJECT and "`cup`" in nowhere.error_msg
    )
    rig.node.trigger_deactivate()
    assert rig.suggest().error_code == SuggestContacts.Response.ERROR_NOT_ACTIVE


def test_a_question_is_weighed_without_a_synthesizer(rig: Rig) -> None:
    from foley_msgs.action import QueryContact

    rig.material.hear("mug", 0.5)
    rig.told(1)
    answer = rig.query(object_id="mug", action=1, predicate="is_made_of_metal")
    assert answer.error_code == QueryContact.Result.ERROR_NONE, answer.error_msg
    assert "no synthesizer" in answer.error_msg and not answer.predicted.audio.samples
    assert answer.contact.expected_information_gain > 0 and answer.contact.cost >= 2.0
    assert answer.believed.object_id == "mug" and len(answer.believed.probabilities) == 8
    metal = rig.material.vocabulary.labels.index("metal")
    assert answer.probability == pytest.approx(answer.believed.probabilities[metal], abs=1e-4)
    assert sum(answer.outcome_weights) == pytest.approx(1.0, abs=1e-4)
    expected = sum(w * p for w, p in zip(answer.outcome_weights, answer.outcomes, strict=True))
    assert expected == pytest.approx(answer.probability, abs=0.15)
    assert [f.stage for f in rig.feedback] == ["predicting", "weighing"]
    bad = rig.query(object_id="cup", action=1)
    assert bad.error_code == QueryContact.Result.ERROR_BAD_CONTACT and "`cup`" in bad.error_msg
    nowhere = rig.query(action=1)
    assert nowhere.error_code == QueryContact.Result.ERROR_BAD_CONTACT, "not a contact with the origin"
    assert "object_id and position are both empty" in nowhere.error_msg
    unbound = rig.query(object_id="mug", action=1, deadline=math.inf)
    assert unbound.error_code == QueryContact.Result.ERROR_NONE and unbound.believed.object_id == "mug"
    assert math.isnan(bad.contact.expected_information_gain), "not 0, which would be: it tells nothing"
    name = rig.query(object_id="mug", predicate="is_made_of_cheese")
    assert name.error_code == QueryContact.Result.ERROR_UNKNOWN_NAME


def test_a_question_has_the_sound_that_the_synthesizer_predicts(rig: Rig) -> None:
    from rclpy.action import ActionServer

    from foley_common import topics as registry
    from foley_msgs.action import PredictContact, QueryContact
    from foley_msgs.msg import PredictedAudio
    from foley_perception.action.gripper import GripperHand
    from foley_perception.geometry.se3 import SE3
    from foley_ros import convert, topics

    tx_tool_tip = SE3.from_translation((0.0, 0.0, 0.07))
    trajectories: list[Any] = []
    refuse: list[int] = []

    def predict(handle: Any) -> Any:
        trajectories.append(handle.request.trajectory)
        if refuse:
            handle.abort()
            return PredictContact.Result(error_code=refuse[0], error_msg="no image yet")
        handle.succeed()
        audio = PredictedAudio(plan_id=handle.request.trajectory.plan_id, model_id="sound")
        return PredictContact.Result(predicted=audio)

    server = ActionServer(rig.observer, PredictContact, "synthesizer/predict_contact", predict)
    static = rig.observer.create_publisher(
        topics.message_type(registry.TF_STATIC), registry.TF_STATIC.name, topics.profile(registry.TF_STATIC)
    )
    message = topics.message_type(registry.TF_STATIC)(
        transforms=[
            convert.arrays_to_transform(
                tx_tool_tip.translation, tx_tool_tip.quaternion, parent="tool", child="tip", time_ns=0
            )
        ]
    )
    try:
        rig.context.spin_until(rig.node._queries._synthesizer.server_is_ready, what="the synthesizer")
        rig.material.hear("mug", 0.5)
        rig.told(1)
        early = rig.query(object_id="mug", action=1)
        assert early.error_code == QueryContact.Result.ERROR_BAD_CONTACT and "tip" in early.error_msg
        static.publish(message)
        rig.context.spin_until(lambda: rig.node._tx_tool_tip() is not None, what="the tip in tf")
        answer = rig.query(object_id="mug", action=1, speed=0.3)
        assert answer.error_code == QueryContact.Result.ERROR_NONE, answer.error_msg
        assert answer.predicted.model_id == "sound" and answer.contact.expected_information_gain > 0
        times_ns, keypoints = convert.trajectory_to_arrays(trajectories[-1])
        assert trajectories[-1].header.frame_id == FRAME
        poses, _ = GripperHand.from_yaml("parallel_gripper").recover(keypoints)
        tip = (poses @ tx_tool_tip).translation
        below = PLACES["mug"][2]
        assert np.allclose(tip[:, :2], PLACES["mug"][:2], atol=1e-4)
        assert tip[0, 2] > below + 0.1 and tip[-1, 2] < below, "from above, through the surface"
        speed = (tip[0, 2] - tip[-1, 2]) / ((times_ns[-1] - times_ns[0]) / 1e9)
        assert speed == pytest.approx(0.3, rel=0.02)
        refuse.append(PredictContact.Result.ERROR_NO_IMAGE)
        blind = rig.query(object_id="mug", action=1)
        assert blind.error_code == QueryContact.Result.ERROR_NO_IMAGE and "no image yet" in blind.error_msg
        assert blind.contact.expected_information_gain > 0, "what would be learned is told all the same"
    finally:
        server.destroy()


def test_what_is_known_is_not_touched_again(rig: Rig) -> None:
    from foley_msgs.action import Observe
    from foley_msgs.msg import Predicate

    for _ in range(2):
        rig.material.hear("mug", 0.99)
    rig.told(1)
    answer = rig.observe("is_made_of_metal", "mug")
    assert answer.error_code == Observe.Result.ERROR_NONE, answer.error_msg
    assert answer.contacts == 0 and rig.material.made == 0
    assert answer.predicate.state == Predicate.TRUE and answer.predicate.probability > 0.7


def test_contacts_are_made_until_it_is_known(rig: Rig) -> None:
    from foley_msgs.action import Observe
    from foley_msgs.msg import Predicate

    rig.material.hear("mug", 0.35)
    rig.material.hear("bowl", 0.35)
    rig.told(2)
    rig.material.says["mug"] = 0.9
    answer = rig.observe("is_made_of_metal", "mug", least_confidence=0.9)
    assert answer.error_code == Observe.Result.ERROR_NONE, answer.error_msg
    assert 1 <= answer.contacts == rig.material.made <= 8
    assert answer.predicate.state == Predicate.TRUE and answer.predicate.probability >= 0.9
    assert answer.predicate.contacts == 1 + answer.contacts, "the belief with every contact was waited for"
    assert {c.object_id for c in rig.material.asked} == {"mug"} and answer.duration > 0
    stages = [f.stage for f in rig.feedback]
    assert stages == ["asking", "touching", "listening"] * answer.contacts


def test_a_budget_ends_it_with_what_is_known(rig: Rig) -> None:
    from foley_msgs.action import Observe
    from foley_msgs.msg import Predicate

    rig.material.hear("mug", 0.4)
    rig.told(1)
    rig.material.says["mug"] = 0.4
    answer = rig.observe("is_made_of_metal", "mug", least_confidence=0.99, most_contacts=2)
    assert answer.error_code == Observe.Result.ERROR_BUDGET and answer.contacts == 2
    assert answer.predicate.state == Predicate.UNKNOWN and 0.2 < answer.predicate.probability < 0.99
    short = rig.observe("is_made_of_metal", "mug", least_confidence=0.99, budget=0.5)
    assert short.error_code == Observe.Result.ERROR_BUDGET and short.contacts == 0


def test_goals_that_cannot_be_have_their_code(rig: Rig) -> None:
    from foley_msgs.action import Observe

    rig.material.hear("mug", 0.4)
    rig.told(1)
    assert rig.observe("is_made_of_cheese", "mug").error_code == Observe.Result.ERROR_UNKNOWN_NAME
    assert rig.observe("is_made_of_metal", "cup").error_code == Observe.Result.ERROR_UNKNOWN_OBJECT
    assert rig.observe("is_made_of_metal", "mug", "mug").error_code == Observe.Result.ERROR_BAD_GOAL
    bad = rig.observe("is_made_of_metal", "mug", least_confidence=0.3)
    assert bad.error_code == Observe.Result.ERROR_BAD_GOAL and "0.5" in bad.error_msg
    rig.material.clumsy = True
    clumsy = rig.observe("is_made_of_metal", "mug", least_confidence=0.99)
    assert clumsy.error_code == Observe.Result.ERROR_NOT_TOUCHED and "too far away" in clumsy.error_msg
    rig.material.clumsy, rig.material.deaf = False, True
    deaf = rig.observe("is_made_of_metal", "mug", least_confidence=0.99)
    assert deaf.error_code == Observe.Result.ERROR_NOT_TOUCHED and deaf.contacts == 2
    assert "not heard" in deaf.error_msg
    rig.material.leave()
    rig.context.spin_until(lambda: not rig.node._observations._robot.server_is_ready(), what="no robot")
    alone = rig.observe("is_made_of_metal", "mug", least_confidence=0.99)
    assert alone.error_code == Observe.Result.ERROR_NO_ROBOT and "make_contact" in alone.error_msg


def test_it_can_be_cancelled_and_one_at_a_time_moves_the_robot(rig: Rig) -> None:
    from foley_msgs.action import Observe

    rig.material.hear("mug", 0.4)
    rig.told(1)
    rig.material.hold.append(True)
    goal = {"predicate": "is_made_of_metal", "arguments": ["mug"], "least_confidence": 0.99}
    handle, result = rig.send(Observe, "observe", **goal)
    rig.context.spin_until(lambda: rig.material.asked, what="a contact")
    assert not rig.send(Observe, "observe", **goal)[0].accepted, "the robot is busy"
    assert rig.suggest().contacts, "others are answered meanwhile"
    handle.cancel_goal_async()
    rig.context.spin_until(result.done, 10.0, "the end")
    assert result.result().result.error_code == Observe.Result.ERROR_CANCELLED
    rig.material.hold.clear()
    again = rig.observe("was_hit", "mug")
    assert again.error_code == Observe.Result.ERROR_NONE and again.contacts == 0


def test_beliefs_of_another_vocabulary_are_refused_and_told(rig: Rig) -> None:
    from foley_msgs.msg import MaterialEstimate

    rig.material.estimates.publish(MaterialEstimate(object_id="mug", vocabulary="other@1"))
    rig.context.spin_until(lambda: rig.node.health().message != "ok", what="a diagnosis")
    assert "other@1" in rig.node.health().message and rig.node._core.objects == ()
