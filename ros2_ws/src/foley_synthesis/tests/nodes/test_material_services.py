"""What planners ask of the material node and tell it, over real middleware."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.nodes


def _material() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "test_material", Path(__file__).with_name("test_material.py")
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_shared = _material()
checkpoint, ears, node = _shared.checkpoint, _shared.ears, _shared.node


def call(ears: Any, name: str, **request: Any) -> Any:
    from foley_msgs import srv

    kind = getattr(srv, name)
    service = {"UpdateObject": "update_object", "RetractEvidence": "retract_evidence"}.get(name) or (
        "list_predicates" if name == "ListPredicates" else "get_predicates"
    )
    return ears.context.call(kind, f"material/{service}", kind.Request(**request))


def touched(ears: Any, *contacts: tuple[str, str]) -> None:
    """Contacts, one after the other, each with its object."""
    for contact_id, object_id in contacts:
        before = len(ears.estimates)
        ears.touch(contact_id, object_id=object_id)

        def told(contact_id: str = contact_id, before: int = before) -> bool:
            ids = [estimate.contact_id for estimate in ears.estimates[before:]]
            return contact_id in ids and "" in ids[ids.index(contact_id) :]

        ears.until(told, f"estimates of {contact_id}")


def known(ears: Any) -> dict[str, int]:
    """Of each object in the newest snapshot, on how many heard contacts its material rests."""
    return {p.arguments[0]: p.contacts for p in ears.snapshots[-1].predicates if p.name == "is_hard"}


def test_list_predicates(ears: Any, node: Any) -> None:
    from foley_msgs.srv import ListPredicates

    told = {p.name: p for p in call(ears, "ListPredicates").predicates}
    assert set(told) == set(node._core.predicate_names) and len(told) >= 10
    assert list(told["is_harder_than"].parameters) == ["x", "y"]
    assert set(told["was_scratched"].observed_by) == {"scratch", "rub"}
    assert [p.name for p in call(ears, "ListPredicates", names=["is_hard"]).predicates] == ["is_hard"]
    unknown = call(ears, "ListPredicates", names=["is_hart"])
    assert unknown.error_code == ListPredicates.Response.ERROR_UNKNOWN_NAME
    assert "did you mean `is_hard`" in unknown.error_msg and not unknown.predicates


def test_predicates_of_two_objects_and_of_least_confidence_and_greatest_age(ears: Any, node: Any) -> None:
    from foley_msgs.srv import GetPredicates

    touched(ears, ("c1", "mug"), ("c2", "cup"))
    pairs = call(ears, "GetPredicates", names=["is_same_material"], arguments=["cup"]).predicates.predicates
    assert {tuple(p.arguments) for p in pairs} == {("mug", "cup"), ("cup", "mug")}

    def was_hit(**bounds: float) -> int:
        asked = call(ears, "GetPredicates", names=["was_hit"], arguments=["mug"], **bounds)
        (predicate,) = asked.predicates.predicates
        return int(predicate.state)

    assert (was_hit(), was_hit(greatest_age=600.0), was_hit(greatest_age=1e-3)) == (1, 1, 0)
    (held,) = call(ears, "GetPredicates", names=["was_hit"], arguments=["mug"]).predicates.predicates
    assert (held.evidence, held.contacts, held.calibration_id) == ("heard", 1, "")
    surest = min(1.0, held.probability + 1e-3)
    assert was_hit(least_confidence=held.probability - 1e-3) == 1
    assert was_hit(least_confidence=surest) == int(held.probability >= surest)
    for bounds in ({"least_confidence": 1.5}, {"least_confidence": float("nan")}, {"greatest_age": -1.0}):
        refused = call(ears, "GetPredicates", **bounds)
        assert refused.error_code == GetPredicates.Response.ERROR_BAD_BOUND and "[0, 1]" in refused.error_msg


def test_evidence_is_taken_back_once(ears: Any, node: Any) -> None:
    from foley_msgs.srv import RetractEvidence

    touched(ears, ("c1", "mug"), ("c2", "mug"), ("c3", "cup"))
    before = ears.snapshots[-1].sequence
    answer = call(ears, "RetractEvidence", write_id="w1", contact_ids=["c2", "c9"], reason="the cable fell")
    assert (answer.error_code, answer.retracted, list(answer.object_ids)) == (0, 1, ["mug"])
    ears.until(
        lambda: ears.snapshots[-1].sequence > before and known(ears) == {"mug": 1, "cup": 1}, "a snapshot"
    )
    again = call(ears, "RetractEvidence", write_id="w1", contact_ids=["c9", "c2"])
    assert (again.retracted, list(again.object_ids)) == (1, ["mug"]), "as it was answered the first time"
    other = call(ears, "RetractEvidence", write_id="w1", contact_ids=["c1"])
    assert other.error_code == RetractEvidence.Response.ERROR_WRITE_ID_USED and "w1" in other.error_msg
    nothing = call(ears, "RetractEvidence", write_id="w2")
    assert nothing.error_code == RetractEvidence.Response.ERROR_NOTHING_NAMED
    assert call(ears, "RetractEvidence", object_ids=["mug"]).retracted == 1
    ears.until(lambda: known(ears) == {"cup": 1}, "nothing of the mug")
    assert call(ears, "RetractEvidence", object_ids=["mug"]).retracted == 0, (
        "without an id it is another write"
    )
    touched(ears, ("c4", "cup"))
    ears.touch("c9", object_id="mug")
    ears.until(lambda: any(e.contact_id == "c9" for e in ears.estimates), "the sound of the contact")
    ears.until(lambda: known(ears) == {"cup": 2}, "it had been taken back before it was heard")


def test_beliefs_follow_what_becomes_of_objects(ears: Any, node: Any) -> None:
    from geometry_msgs.msg import Point

    from foley_msgs.srv import UpdateObject

    request, response = UpdateObject.Request, UpdateObject.Response
    touched(ears, ("c1", "mug"), ("c2", "cup"), ("c3", "lid"))

    def told(change: int, object_id: str, **more: Any) -> Any:
        return call(ears, "UpdateObject", change=change, object_id=object_id, **more)

    assert list(told(request.MOVED, "mug", positions=[Point(x=0.4, y=0.1, z=0.2)]).object_ids) == ["mug"]
    assert node._core.belief("mug").position == pytest.approx((0.4, 0.1, 0.2))
    for _ in range(2):
        merged = told(request.MERGED, "mug", others=["lid"], write_id="w1")
        assert (merged.error_code, list(merged.object_ids)) == (0, ["mug"])
    ears.until(lambda: known(ears) == {"mug": 2, "cup": 1}, "both contacts")
    ears.until(  # who keeps beliefs, as the contact advisor does, is told as well
        lambda: (ears.estimates[-1].object_id, ears.estimates[-1].contacts_heard) == ("mug", 2), "its belief"
    )
    assert ears.estimates[-1].header.frame_id == "world"
    gone = told(request.GONE, "cup", write_id="w2")
    assert (gone.error_code, list(gone.object_ids)) == (0, [])
    ears.until(lambda: known(ears) == {"mug": 2}, "nothing of the cup")
    assert told(request.GONE, "cup", write_id="w2").error_code == 0, "the same write again"
    refused = [
        (told(request.GONE, "cup"), response.ERROR_UNKNOWN_OBJECT, "nothing is known of `cup`"),
        (told(request.GONE, "lid"), response.ERROR_UNKNOWN_OBJECT, "`lid` is `mug` now"),
        (call(ears, "RetractEvidence", object_ids=["lid"]), 0, "`lid` is `mug` now"),
        (told(request.MOVED, "mug"), response.ERROR_BAD_CHANGE, "positions has 0 places"),
        (told(request.MOVED, "mug", positions=[Point(x=float("nan"))]), response.ERROR_BAD_CHANGE, "finite"),
        (told(request.MOVED, "mug", positions=[Point(x=1e9)]), response.ERROR_BAD_CHANGE, "in metres"),
        (told(request.MERGED, "mug"), response.ERROR_BAD_CHANGE, "others is []"),
        (told(request.MERGED, "mug", others=["mug"]), response.ERROR_BAD_CHANGE, "at least one other"),
        (told(request.SPLIT, "mug", others=["a"]), response.ERROR_BAD_CHANGE, "two or more"),
        (told(9, "mug"), response.ERROR_BAD_CHANGE, "change is 9"),
        (told(request.GONE, ""), response.ERROR_BAD_CHANGE, "object_id is empty"),
    ]
    for answer, code, said in refused:
        assert answer.error_code == code and said in answer.error_msg
    node.trigger_deactivate()
    assert told(request.GONE, "mug").error_code == response.ERROR_NOT_ACTIVE


def test_a_write_sent_again_after_a_restart_changes_nothing(
    ears: Any, checkpoint: Path, tmp_path: Path, start_node: Any
) -> None:
    parameters = {"checkpoint": checkpoint, "state_file": tmp_path / "beliefs.json"}
    first = start_node("foley_synthesis.nodes.material", parameters=parameters)
    ears.context.transition("material", "configure", "activate")
    ears.matched()
    touched(ears, ("c1", "mug"), ("c2", "lid"))
    from foley_msgs.srv import UpdateObject

    merge = {"change": UpdateObject.Request.MERGED, "object_id": "mug", "others": ["lid"], "write_id": "w1"}
    assert list(call(ears, "UpdateObject", **merge).object_ids) == ["mug"]
    first.kill()
    ears.snapshots.clear()
    start_node("foley_synthesis.nodes.material", parameters=parameters)
    ears.context.transition("material", "configure", "activate")
    ears.until(lambda: ears.snapshots and known(ears) == {"mug": 2}, "restored beliefs")
    assert list(call(ears, "UpdateObject", **merge).object_ids) == ["mug"]
    other = call(ears, "UpdateObject", **{**merge, "object_id": "lid", "others": ["mug"]})
    assert other.error_code == UpdateObject.Response.ERROR_WRITE_ID_USED
    assert known(ears) == {"mug": 2}


def test_the_newest_contact_is_not_told_of_while_contacts_may_be_missed(ears: Any, node: Any) -> None:
    """What was heard stays so; what is true only while every contact is heard is not said when none may be."""
    from lifecycle_msgs.msg import State

    from foley_ros import qos

    def told(name: str) -> set[int]:
        return {p.state for snapshot in ears.snapshots for p in snapshot.predicates if p.name == name}

    beats = ears.observer.create_publisher(State, "contact_detector/heartbeat", qos.HEARTBEAT)
    ears.context.spin_until(lambda: beats.get_subscription_count(), what="matching")
    onset_ns = ears.world.now_ns() - 550_000_000 + 30_000_000
    ears.predicted_audio.publish(_shared.expected_message(ears, onset_ns, ears.world.ping()))
    ears.until(lambda: len(node._core.expectations) == 1, "the prediction is kept")
    ears.touch("c1", object_id="mug")
    ears.until(lambda: told("sounds_as_expected") >= {1} and told("was_scratched") >= {2}, "what is heard")
    ears.until(lambda: any("no sound on mic/audio" in d for d in ears.diagnoses), "the end of the sound")
    ears.until(lambda: ears.states("mug")["sounds_as_expected"] == 0, "nothing is said of the newest contact")
    assert ears.states("mug")["was_hit"] == 1 and ears.states("mug")["was_scratched"] == 0
    ears.touch("c2", object_id="mug")
    ears.until(lambda: known(ears) == {"mug": 2}, "it hears again")
    assert ears.states("mug")["was_scratched"] == 0, "who knows what happened meanwhile"
    beats.publish(State(id=State.PRIMARY_STATE_INACTIVE, label="inactive"))
    ears.until(lambda: node._hearing._watch._active is False, "the detector's state")
