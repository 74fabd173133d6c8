"""The enumerations of Foley's messages, for code that knows no messages. A test holds them against foley_msgs."""

from __future__ import annotations

import enum


class Action(enum.IntEnum):
    """What was done in a contact: ``ContactEvent.ACTION_*``."""

    UNKNOWN = 0
    TAP = 1
    HIT = 2
    KNOCK = 3
    SCRATCH = 4
    RUB = 5
    PAT = 6
    PRESS = 7

    @property
    def label(self) -> str:
        """As data sets, vocabularies and predicates write it: `tap`."""
        return self.name.lower()


ACTIONS: tuple[str, ...] = tuple(action.label for action in Action)
"""By their number in a ContactEvent, `unknown` first."""
UNKNOWN = Action.UNKNOWN.label
KNOWN_ACTIONS: tuple[str, ...] = ACTIONS[1:]


def action_label(number: int) -> str:
    """The action of a ContactEvent; `unknown` for a number of a later version too."""
    return ACTIONS[number] if 0 <= number < len(ACTIONS) else UNKNOWN


class Gate(enum.IntFlag):
    """Evidence for a contact: ``ContactEvent.GATE_*``."""

    AUDIO = 1
    WRENCH = 2
    MOTION = 4
    PROXIMITY = 8


class PredictionMode(enum.IntEnum):
    """What a prediction knew: ``PredictedAudio.MODE_*``."""

    PLANNED = 0
    EXECUTED = 1

    @property
    def label(self) -> str:
        """`planned` or `executed`."""
        return self.name.lower()
