"""What a sound model hears while there is nothing else to do: the room, and touches that are over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from foley_common.times import NS_PER_S
from foley_perception.contact_event import Contact
from foley_perception.ros.sensed_scene import SensedScene
from foley_ros.node import FoleyNode
from foley_ros.polling import Poller
from foley_synthesis.live.contact_queue import ContactQueue, HeardSound
from foley_synthesis.live.synthesis_core import CannotPredict
from foley_synthesis.ros.heard_room import HeardRoom
from foley_synthesis.sound_model import HeardTouch, StreamingSoundModel

_FAULT = "touches"
_LISTEN_NS = 2 * NS_PER_S  # between looks at the room
_AROUND_NS = NS_PER_S  # of motion on each side of a touch


class LiveHearing:
    """Tells a model what was heard.

    Args:
        place: a contact in the fixed frame; raises CannotPredict.

    :meth:`go_on` in the worker's thread, the rest in the executor's.
    """

    def __init__(
        self,
        node: FoleyNode[Any],
        model: StreamingSoundModel,
        scene: SensedScene,
        poller: Poller,
        place: Callable[[Contact], Contact],
    ) -> None:
        self._node, self._model, self._scene, self._place = node, model, scene, place
        self._room = HeardRoom(node, poller)
        self._heard_ns = -(2**62)
        self._touches: ContactQueue | None = None
        self._ready: list[HeardSound] = []
        self._of: object = None
        self._remembered = 0

    def add(self, contact: Contact) -> None:
        """A contact, whose sound is yet to come."""
        ring, around = self._room.ring, self._model.remembers_s
        if ring is None or around is None:
            return
        if self._touches is None or self._of is not ring:
            before_s, after_s = around
            self._touches = ContactQueue(ring, before_s=before_s, after_s=after_s)
            self._of = ring
        self._touches.add(contact)

    def due(self) -> bool:
        """Whether :meth:`go_on` has something to do."""
        now_ns = self._node.now_ns()
        if self._touches is not None:
            self._ready += self._touches.ready(now_ns)
        return bool(self._ready) or self._listens(now_ns)

    def go_on(self) -> None:
        """Tell the model of one touch, or else of the room."""
        if self._ready:
            self._remember(self._ready.pop(0))
        elif self._listens(now_ns := self._node.now_ns()):
            self._heard_ns = now_ns
            if (sound := self._room.sound()) is not None:
                self._model.hear(*sound)

    def figures(self) -> dict[str, Any]:
        """For diagnostics."""
        return {} if self._model.remembers_s is None else {"touches_remembered": self._remembered}

    def _listens(self, now_ns: int) -> bool:
        return abs(now_ns - self._heard_ns) >= _LISTEN_NS

    def _remember(self, heard: HeardSound) -> None:
        contact = heard.contact
        try:
            if not heard.complete:
                raise ValueError("its sound was not received whole")
            start_ns, end_ns = contact.time_ns - _AROUND_NS, contact.time_ns + _AROUND_NS
            if (tool := self._scene.measured_tool(start_ns, end_ns)) is None:
                raise ValueError("no poses were measured around it")
            place = np.asarray(self._place(contact).position if contact.located else contact.position)
            if not contact.located:
                nearest = int(np.abs(tool.times_ns - contact.time_ns).argmin())
                place = (tool.poses @ tool.tx_tool_tip).translation[nearest]
            begin_ns = contact.time_ns - round(heard.onset_s * NS_PER_S)
            background = self._scene.background.view()
            self._model.remember(
                HeardTouch(
                    contact.time_ns,
                    np.asarray(place, np.float64),
                    heard.samples,
                    heard.sample_rate,
                    begin_ns,
                    tool,
                    background,
                )
            )
        except (CannotPredict, ValueError) as error:
            self._node.report(_FAULT, f"contact `{contact.contact_id}` is not remembered: {error}")
            return
        self._node.faults.clear(_FAULT)
        self._remembered += 1
