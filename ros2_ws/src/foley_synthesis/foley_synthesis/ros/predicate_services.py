"""What planners ask of the `material` node, and what they tell it.

`~/list_predicates` and `~/get_predicates` only read. `~/retract_evidence` and `~/update_object` write: once for each
`write_id`, and a snapshot that shows it is published before they answer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable
from typing import Any

from foley_msgs.srv import GetPredicates, ListPredicates, RetractEvidence, UpdateObject
from foley_perception.near_names import among
from foley_ros.convert import ConversionError, checked_name
from foley_ros.node import FoleyNode
from foley_synthesis.beliefs.store import BeliefStore, Changed
from foley_synthesis.beliefs.write_log import ReusedId
from foley_synthesis.live.known_objects import KnownObjects
from foley_synthesis.live.material_core import MaterialCore
from foley_synthesis.ros.convert import place_of, point_of
from foley_synthesis.ros.predicate_messages import description_message, predicates_message

_NOT_ACTIVE = "the node is not active: activate it first"


class _UnknownObject(ValueError):
    """Nothing is known of what is to be changed."""


def request_text(what: str, **fields: Any) -> str:
    """A request as a write log keeps it: short, readable, and another for every other request."""
    text = f"{what} {json.dumps(fields, sort_keys=True)}"
    return f"{text[:80]} #{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _now_called(store: BeliefStore, name: str) -> str:
    """That an object is another one, or several, since it was merged or split; empty where it was not."""
    now = " and ".join(f"`{other}`" for other in store.became(name))
    return f"`{name}` is {now} now: name that" if now else ""


class PredicateServices:
    """The services, of a node that is configured. Callbacks run in the executor's thread.

    Args:
        sequence: of the newest snapshot.
        written: has a snapshot and the beliefs about these objects published, and the beliefs kept.
    """

    def __init__(
        self,
        node: FoleyNode[Any],
        core: MaterialCore,
        *,
        lease_s: float,
        sequence: Callable[[], int],
        written: Callable[[Collection[str]], None],
    ) -> None:
        self._node, self._core = node, core
        self._lease_s, self._sequence, self._written = lease_s, sequence, written
        service = node.entities.service
        service(ListPredicates, "~/list_predicates", self._list)
        service(GetPredicates, "~/get_predicates", self._get)
        service(RetractEvidence, "~/retract_evidence", self._retract)
        service(UpdateObject, "~/update_object", self._update)

    # ---- reading -----------------------------------------------------------------------------------------
    def _list(
        self, request: ListPredicates.Request, response: ListPredicates.Response
    ) -> ListPredicates.Response:
        if not self._may(request.names, response):
            return response
        calibrations = self._core.calibrations
        response.predicates = [
            description_message(spec, calibrations)
            for spec in self._core.specs
            if not request.names or spec.name in request.names
        ]
        return response

    def _get(
        self, request: GetPredicates.Request, response: GetPredicates.Response
    ) -> GetPredicates.Response:
        if not self._may(request.names, response):
            return response
        least, oldest_s = float(request.least_confidence), float(request.greatest_age)
        if not 0.0 <= least <= 1.0 or not oldest_s >= 0.0:
            response.error_code = GetPredicates.Response.ERROR_BAD_BOUND
            response.error_msg = (
                f"least_confidence is {least:g} and greatest_age {oldest_s:g}: the one must be in [0, 1], the other "
                "0 s or more (0: any)"
            )
            return response
        now_ns, names, arguments = self._node.now_ns(), set(request.names), set(request.arguments)
        values = [
            value.as_sure_as(least, oldest_s, now_ns)
            for value in self._core.predicates(now_ns)
            if (not names or value.name in names) and (not arguments or arguments & set(value.arguments))
        ]
        response.predicates = predicates_message(values, self._sequence(), now_ns, self._lease_s)
        return response

    def _may(self, names: Iterable[str], response: Any) -> bool:
        """Whether these predicates can be told of; the response says why not."""
        if not self._node.active:
            response.error_code, response.error_msg = type(response).ERROR_NOT_ACTIVE, _NOT_ACTIVE
            return False
        known = self._core.predicate_names
        unknown = [name for name in names if name not in known]
        if unknown:
            response.error_code = type(response).ERROR_UNKNOWN_NAME
            response.error_msg = "; ".join(
                f"no predicate is called `{name[:60]}`: {among(name[:60], known)}" for name in unknown[:3]
            )
        return not unknown

    # ---- writing -----------------------------------------------------------------------------------------
    def _retract(
        self, request: RetractEvidence.Request, response: RetractEvidence.Response
    ) -> RetractEvidence.Response:
        kind = RetractEvidence.Response
        contacts, objects = set(request.contact_ids), set(request.object_ids)
        if self._node.active and not contacts | objects:
            response.error_code = kind.ERROR_NOTHING_NAMED
            response.error_msg = "contact_ids and object_ids are both empty: name what is to be taken back"
            return response

        def change(store: BeliefStore, known: KnownObjects) -> dict[str, Any]:
            changed = store.retract(contacts, objects)
            known.took_back(contacts)
            return {
                "retracted": changed.pieces,
                "object_ids": [*changed.holding, *changed.emptied],
                "error_msg": "; ".join(filter(None, (_now_called(store, name) for name in sorted(objects)))),
            }

        text = request_text("retract", contacts=sorted(contacts), objects=sorted(objects))
        if self._write(request.write_id, text, change, response, refused=kind.ERROR_NOTHING_NAMED):
            why = request.reason[:200] or "nobody says why"
            self._node.get_logger().info(
                f"{response.retracted} pieces of evidence taken back ({text}): {why}"
            )
        return response

    def _update(
        self, request: UpdateObject.Request, response: UpdateObject.Response
    ) -> UpdateObject.Response:
        positions = [point_of(point) for point in request.positions]
        others = list(request.others)
        asked = UpdateObject.Request
        now_ns = self._node.now_ns()

        def change(store: BeliefStore, known: KnownObjects) -> dict[str, Any]:
            name = checked_name(request.object_id, "object_id")
            for other in others:
                checked_name(other, "one of others")
            if not name:
                raise ValueError("object_id is empty: name the object")
            there = [object_id for object_id in (name, *others) if object_id in store.objects]
            if not (there if request.change == asked.MERGED else name in there):
                said = _now_called(store, name) or among(name, store.objects)
                raise _UnknownObject(f"nothing is known of `{name}`: {said}")
            done: Changed
            for point in request.positions:
                place_of(point, "one of positions")
            if request.change == asked.MOVED:
                if len(positions) != 1:
                    raise ValueError(f"positions has {len(positions)} places: one that moved needs one")
                done = store.moved(name, positions[0])
            elif request.change == asked.MERGED:
                if not set(others) - {name}:
                    raise ValueError(
                        f"others is {others}: name at least one other object that turned out to be `{name}`"
                    )
                done = store.merged(name, others)
            elif request.change == asked.SPLIT:
                done = store.split(name, others, positions)
            elif request.change == asked.GONE:
                done = store.gone(name)
                known.gone(name, now_ns)
            else:
                raise ValueError(f"change is {request.change}, known are 1 MOVED, 2 MERGED, 3 SPLIT, 4 GONE")
            return {"object_ids": list(done.holding)}

        text = request_text(
            "update", change=int(request.change), object=request.object_id, others=others, positions=positions
        )
        if self._write(
            request.write_id, text, change, response, refused=UpdateObject.Response.ERROR_BAD_CHANGE
        ):
            self._node.get_logger().info(f"told what became of an object: {text}")
        return response

    def _write(
        self,
        write_id: str,
        text: str,
        change: Callable[[BeliefStore, KnownObjects], dict[str, Any]],
        response: Any,
        *,
        refused: int,
    ) -> bool:
        """Fill in the response from what the change answers; False where nothing was written."""
        kind = type(response)
        if not self._node.active:
            response.error_code, response.error_msg = kind.ERROR_NOT_ACTIVE, _NOT_ACTIVE
            return False
        try:
            answer = self._core.write(checked_name(write_id, "write_id"), text, change)
        except ReusedId as error:
            response.error_code, response.error_msg = kind.ERROR_WRITE_ID_USED, str(error)
            return False
        except _UnknownObject as error:
            response.error_code, response.error_msg = kind.ERROR_UNKNOWN_OBJECT, str(error)
            return False
        except (ConversionError, ValueError) as error:
            response.error_code, response.error_msg = refused, str(error)
            return False
        for field, value in answer.items():
            setattr(response, field, value)
        self._written(answer["object_ids"])
        return True
