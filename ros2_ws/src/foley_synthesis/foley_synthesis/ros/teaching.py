"""The service `~/teach_predicate` and the folder of taught predicates, of the `material` node.

A label is kept before it is answered. The folder is looked at once a second, in the worker's thread, for what
`foley predicate` changed there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from foley_msgs.msg import Predicate
from foley_msgs.srv import TeachPredicate
from foley_ros.convert import ConversionError, checked_name
from foley_ros.node import FoleyNode
from foley_synthesis.beliefs.store import BeliefStore
from foley_synthesis.beliefs.write_log import ReusedId
from foley_synthesis.live.config import MaterialConfig
from foley_synthesis.live.contact_queue import HeardSound
from foley_synthesis.live.known_objects import KnownObjects
from foley_synthesis.live.material_core import ContactOutcome, MaterialCore
from foley_synthesis.live.teaching import LiveTeaching, UnknownContact, answer_of
from foley_synthesis.ros.predicate_services import request_text
from foley_synthesis.teaching.embedding import CannotEmbed, embed, embedding_id
from foley_synthesis.teaching.example import TeachingError
from foley_synthesis.teaching.library import TaughtLibrary

_LABELS = {Predicate.TRUE: True, Predicate.FALSE: False, Predicate.UNKNOWN: None}
_LOOK_S = 1.0
_FAULT = "taught_predicates"


class Teaching:
    """Of a node that is configured.

    Args:
        model: that hears.
        written: has a snapshot published and the beliefs kept.

    :meth:`heard` and :meth:`keep` in the worker's thread, the service's callback in the executor's.
    """

    def __init__(
        self,
        node: FoleyNode[Any],
        core: MaterialCore,
        model: Any,
        config: MaterialConfig,
        written: Callable[[], None],
    ) -> None:
        self._node, self._core, self._written = node, core, written
        self._live: LiveTeaching | None = None
        self._put: dict[str, str] = {}  # names of taught predicates that the core has -> what they are
        node.entities.service(TeachPredicate, "~/teach_predicate", self._on_teach)
        self._why_not = (
            "taught_predicates is empty, so that nothing could be kept: set it to a folder, such as "
            "~/.local/share/foley/predicates"
        )
        if not config.taught_predicates:
            return
        try:
            self._features_id = embedding_id(model, config.after_s)
        except CannotEmbed as error:
            self._why_not = str(error)
            node.report(_FAULT, self._why_not)
            return
        library = TaughtLibrary(
            Path(config.taught_predicates).expanduser(),
            self._features_id,
            lambda sound: embed(model, sound.samples, sound.rate, sound.onset_s, config.after_s),
        )
        self._live = LiveTeaching(library, model.vocabulary.labels, core.predicate_names)
        state = Path(config.state_file).expanduser() if config.state_file else None
        self._file = None if state is None else state.with_name(f"{state.name}.contacts.safetensors")
        if self._file is not None and (problem := self._live.restore(self._file, self._features_id)):
            node.get_logger().warning(problem)
        core.known.taught_of = self._live.said_of
        self._apply()
        node.entities.timer(_LOOK_S, self._look)

    def heard(self, sound: HeardSound, outcome: ContactOutcome) -> None:
        """A contact, before the predicates after it are told."""
        if self._live is not None:
            self._live.remember(sound, outcome)

    def keep(self) -> None:
        """What a restart shall not lose."""
        if self._live is None or self._file is None:
            return
        try:
            self._live.save(self._file, self._features_id)
        except OSError as error:
            self._node.report(
                _FAULT, f"{error}: what taught predicates say of objects will be lost at a restart"
            )

    def _look(self) -> None:
        if self._node.active and self._live is not None and self._node.pending_jobs == 0:
            self._node.put(self._reload)

    def _reload(self) -> None:
        assert self._live is not None
        if self._live.library.reload():
            self._apply()
            self._written()

    def _apply(self) -> None:
        """What the library holds now is what the core knows."""
        assert self._live is not None
        specs, calibrations = self._live.specs(), self._live.calibrations()
        what = {s.name: f"{s.thresholds} {s.text} {calibrations.get(f'taught:{s.name}')}" for s in specs}
        self._core.remove_predicates(set(self._put) - set(what))
        self._core.known.calibrations |= calibrations
        # Others keep their states: one that is put again forgets what it was.
        self._core.put_predicates([spec for spec in specs if self._put.get(spec.name) != what[spec.name]])
        self._put = what
        if problems := self._live.problems():
            self._node.report(_FAULT, "; ".join(problems[:3]))
        else:
            self._node.faults.clear(_FAULT)

    def _on_teach(
        self, request: TeachPredicate.Request, response: TeachPredicate.Response
    ) -> TeachPredicate.Response:
        kind = TeachPredicate.Response
        response.left_out_accuracy = response.left_out_log_loss = math.nan

        def refuse(code: int, why: str) -> TeachPredicate.Response:
            response.error_code, response.error_msg = code, why
            return response

        if not self._node.active:
            return refuse(kind.ERROR_NOT_ACTIVE, "the node is not active: activate it first")
        live = self._live
        if live is None:
            return refuse(kind.ERROR_NOT_KEPT, self._why_not)
        if request.state not in _LABELS:
            known = "0 UNKNOWN (takes the label back), 1 TRUE, 2 FALSE"
            return refuse(kind.ERROR_BAD_STATE, f"state is {request.state}, known are {known}")

        def change(store: BeliefStore, known: KnownObjects) -> dict[str, Any]:
            label = _LABELS[request.state]
            return dict(answer_of(*live.label(request.name, request.contact_id, label, request.write_id)))

        text = request_text(
            "teach", name=request.name[:80], contact=request.contact_id[:80], state=int(request.state)
        )
        try:
            answer = self._core.write(checked_name(request.write_id, "write_id"), text, change)
        except ReusedId as error:
            return refuse(kind.ERROR_WRITE_ID_USED, str(error))
        except UnknownContact as error:
            return refuse(kind.ERROR_UNKNOWN_CONTACT, str(error))
        except (TeachingError, ConversionError) as error:
            return refuse(kind.ERROR_BAD_NAME, str(error))
        except OSError as error:
            return refuse(kind.ERROR_NOT_KEPT, f"{error}: nothing is labelled")
        for field, value in answer.items():
            setattr(response, field, math.nan if value is None else value)
        self._apply()
        self._written()
        self._node.get_logger().info(f"{request.name}: {response.contact_id} is labelled {request.state}")
        return response
