"""What a session asks of the recorder, and what comes back: services as plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

OPEN_NS = 86_400 * 10**9
"""A label that holds until it is told anew ends so much later: behind any take's end, however long it is paused."""


@dataclasses.dataclass(frozen=True)
class Start:
    """`~/start`."""

    name: str


@dataclasses.dataclass(frozen=True)
class Stop:
    """`~/stop`. ``again``: the name of a take that is to be begun after it was discarded; empty: none."""

    discard: bool = False
    again: str | None = None


@dataclasses.dataclass(frozen=True)
class Label:
    """`~/label`. Times are the recorder's [ns]."""

    key: str
    value: str
    start_ns: int
    end_ns: int
    object_id: str = ""
    quiet: bool = False  # one that nobody asked for now, such as of `--label`


@dataclasses.dataclass(frozen=True)
class Trigger:
    """`~/pause`, `~/resume` or `~/split`."""

    service: str


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """`~/snapshot`."""

    name: str


@dataclasses.dataclass(frozen=True)
class Look:
    """What is left on the disk of a take whose recorder cannot be asked."""

    path: str
    session_id: str


Request = Start | Stop | Label | Trigger | Snapshot | Look


@dataclasses.dataclass(frozen=True)
class Answer:
    """What became of a request.

    Attributes:
        error: why it was refused or came to nothing; empty where it did not.
        code: of the recorder, in lower case and without `ERROR_`, such as `not_writable`; `unanswered` where none came.
        path, session_id, duration_s, bytes: of the bag that it is about.
        findings: of its audit, as `error: ...`, `problem: ...` or `note: ...`.
        topics: figures of each topic.
        text: what else is to be told.
    """

    error: str = ""
    code: str = ""
    path: str = ""
    session_id: str = ""
    duration_s: float = 0.0
    bytes: int = 0
    findings: tuple[str, ...] = ()
    topics: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    text: str = ""
