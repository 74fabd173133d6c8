"""What a session does: actions of a person and answers of the recorder in, requests and sentences out.

Nothing here knows ROS, a terminal or the time of day. Requests are carried out one after the other, in their order, so
that a label is in the bag before the take ends; only a snapshot is not waited for. Times are monotonic seconds but
where a name ends in ``_ns``: those are the recorder's.
"""

from __future__ import annotations

import dataclasses
import enum
from collections import deque
from collections.abc import Callable, Sequence

from foley_perception.collecting.commands import Command
from foley_perception.collecting.labels import Constant, TakeLabels
from foley_perception.collecting.machine import Action
from foley_perception.collecting.requests import Answer, Label, Look, Request, Snapshot, Start, Stop, Trigger
from foley_perception.collecting.status import RecorderState
from foley_perception.collecting.takes import SNAPSHOT, Names, Outcome, Take

_MOST_NAMES = 2000  # that are tried one after the other, where the folder cannot be seen
_ENDS_S = 1.0  # before a take ends by itself, which its status, 4 times a second, tells
_SETTLED_S = 0.6  # after a pause, until the recorder's status must show it


class Phase(enum.Enum):
    IDLE = "idle"
    STARTING = "starting"
    RECORDING = "recording"
    PAUSED = "paused"
    STOPPING = "ending"
    LOST = "lost"  # the recorder is gone, and it is being looked what is left


@dataclasses.dataclass(frozen=True)
class Event:
    """A sentence for the person. ``level`` is good, told, warning or error."""

    level: str
    text: str


class Session:
    """See the module's docstring.

    Args:
        names: of the takes.
        ros_ns: the recorder's time of a moment of this process.
        constants: labels that every take gets.
        segments: names of the segments of a take, in their order; further ones are numbered.
    """

    def __init__(
        self,
        names: Names,
        ros_ns: Callable[[float], int],
        *,
        constants: Sequence[Constant] = (),
        segments: Sequence[str] = (),
    ) -> None:
        self._names, self._ros_ns = names, ros_ns
        self._constants, self._segments = constants, segments
        self.phase = Phase.IDLE
        self.takes: list[Take] = []
        self.snapshots: list[Answer] = []
        self.requests: deque[Request] = deque()
        self.events: deque[Event] = deque()
        self.quitting = False
        self.labels = TakeLabels()
        self._tried = 0
        self._triggered = 0.0

    # ---- what is shown -----------------------------------------------------------------------------------
    @property
    def take(self) -> Take | None:
        """The take in progress."""
        return self.takes[-1] if self.takes and self.takes[-1].outcome is None else None

    @property
    def recording(self) -> bool:
        """A take is in progress and can be labelled, paused, ended."""
        return self.phase in (Phase.RECORDING, Phase.PAUSED)

    @property
    def done(self) -> bool:
        return self.quitting and self.phase is Phase.IDLE and not self.requests

    # ---- a person ----------------------------------------------------------------------------------------
    def act(self, action: Action, *, unheard: str = "") -> None:
        """Do what a person asked for, or say why not.

        Args:
            unheard: why no recorder could be asked yet in this session; no take is begun then, and none counts.
        """
        command, at = action.command, action.at
        if command is Command.QUIT:
            self.quitting = True
            if self.recording:
                self._stop(at)
        elif self.quitting or command is Command.HELP:
            return
        elif command is Command.TAKE:
            self._begin_or_end(at, unheard)
        elif command is Command.SNAPSHOT:
            self._tried = 0
            self.requests.append(Snapshot(self._names.next(SNAPSHOT)))
        elif not self.recording:
            busy = {Phase.STARTING: "the take is about to begin", Phase.STOPPING: "the take is being ended"}
            self._tell("warning", f"{command.value}: {busy.get(self.phase, 'no take is in progress')}")
        elif command is Command.DISCARD:
            self._ask_stop(Stop(discard=True, again=self.takes[-1].name))
        elif command is Command.PAUSE:
            self.requests.append(Trigger("resume" if self.phase is Phase.PAUSED else "pause"))
        elif command is Command.SPLIT:
            self.requests.append(Trigger("split"))
        else:
            self._ask_label(self.labels.of(command, action.text, self._ros_ns(at)))

    def _begin_or_end(self, at: float, unheard: str) -> None:
        if self.phase is Phase.IDLE and unheard:
            self._tell(
                "warning", f"take: none is begun yet, press again when the recorder is there: {unheard}"
            )
        elif self.phase is Phase.IDLE:
            self._start(self._names.next(), at)
        elif self.recording:
            self._stop(at)
        elif self.phase is Phase.LOST:
            self._tell("warning", "take: it is still being looked what is left of the last one")
        else:
            self._tell("warning", f"take: it is still {self.phase.value}; press again when that is done")

    def _start(self, name: str, at: float) -> None:
        self._tried = 0
        self.labels = TakeLabels(self._ros_ns(at), self._segments)
        self.requests.append(Start(name))
        self.phase = Phase.STARTING

    def _stop(self, at: float) -> None:
        if self.labels.open_segment is not None:
            self._ask_label(self.labels.end_segment(self._ros_ns(at)))
        self._ask_stop(Stop())

    def _ask_stop(self, stop: Stop) -> None:
        self.requests.append(stop)
        self.phase = Phase.STOPPING

    def _ask_label(self, label: Label | str) -> None:
        if isinstance(label, Label):
            self.requests.append(label)
        else:
            self._tell("told", label)

    # ---- the recorder ------------------------------------------------------------------------------------
    def answered(self, request: Request, answer: Answer, now: float) -> None:
        """What became of a request."""
        if isinstance(request, Start):
            self._started(request, answer, now)
        elif isinstance(request, Stop):
            self._stopped(request, answer, now)
        elif isinstance(request, Look):
            self._looked(answer)
        elif isinstance(request, Label):
            self._labelled(request, answer)
        elif isinstance(request, Snapshot):
            self._kept(request, answer)
        else:
            self._triggered = now
            self._switched(request, answer)

    def _started(self, request: Start, answer: Answer, now: float) -> None:
        if not answer.error:
            self.takes.append(Take(request.name, answer.path, answer.session_id))
            self.phase = Phase.RECORDING
            self.requests.extend(self.labels.constants(self._constants))
            self._tell("told", f"recording {answer.path}")
            if self.quitting:
                self._stop(now)
            return
        self.phase = Phase.IDLE
        if request.name and self._exists(answer):
            self.requests.append(Start(self._names.next()))
            self.phase = Phase.STARTING
            return
        self.takes.append(Take(request.name, path="", outcome=Outcome.FAILED, error=answer.error))
        self._tell("error", f"the take did not begin: {answer.error}")

    def _exists(self, answer: Answer) -> bool:
        """Whether another name may do; the folder need not be visible from here."""
        self._tried += 1
        exists = answer.code == "not_writable" and "exists already" in answer.error
        return exists and self._tried <= _MOST_NAMES and not self.quitting

    def _stopped(self, request: Stop, answer: Answer, now: float) -> None:
        take = self.take
        if take is None:
            return
        if answer.code in ("unanswered", "not_recording"):
            somebody = f"somebody else ended the take ({answer.error})"
            self.lost(answer.error if answer.code == "unanswered" else somebody)
            return
        take.duration_s, take.bytes = answer.duration_s, answer.bytes
        take.findings, take.topics, take.error = answer.findings, answer.topics, answer.error
        failed = answer.code not in ("", "missing_topic")
        take.outcome = Outcome.FAILED if failed else Outcome.KEPT
        if request.discard:
            take.outcome = Outcome.DISCARDED
        self.phase = Phase.IDLE
        self._tell_take(take)
        if request.again is not None and not self.quitting:
            self._start(request.again, now)

    def _tell_take(self, take: Take) -> None:
        if take.outcome is Outcome.DISCARDED:
            self._tell("told", f"{take.title}: discarded after {take.duration_s:.1f} s")
            return
        serious = take.outcome is Outcome.FAILED or take.error or take.severities["error"]
        level = "good" if take.good else "error" if serious else "warning"
        self._tell(level, f"{take.title}: {take.verdict}; {take.duration_s:.1f} s, {take.bytes / 1e6:.1f} MB")
        for sentence in filter(None, (take.error, *take.findings)):
            self._tell("told", f"  {sentence}")

    def _labelled(self, label: Label, answer: Answer) -> None:
        if answer.error:
            self.labels.refused(label)
            self._tell("error", f"label {label.key} = {label.value} is not in the bag: {answer.error}")
            return
        self._tell("told", self.labels.written(label))
        self._tell("warning", answer.text)
        if (take := self.take) is not None:
            take.labels, take.success = self.labels.count, self.labels.success

    def _kept(self, request: Snapshot, answer: Answer) -> None:
        if request.name and self._exists(answer):
            self.requests.append(Snapshot(self._names.next(SNAPSHOT)))
            return
        if answer.error:
            self._tell("error", f"snapshot: {answer.error}")
            return
        self.snapshots.append(answer)
        self._tell("good", f"the last {answer.duration_s:.1f} s are kept in {answer.path}")
        for sentence in answer.findings:
            self._tell("told", f"  {sentence}")

    def _switched(self, request: Trigger, answer: Answer) -> None:
        if answer.error:
            self._tell("error", f"{request.service}: {answer.error}")
            return
        if self.recording:
            paused = {"pause": Phase.PAUSED, "resume": Phase.RECORDING}
            self.phase = paused.get(request.service, self.phase)
        said = {"pause": "paused", "resume": "it goes on", "split": "it goes on in a new file"}
        self._tell("told", said[request.service] + (f": {answer.text}" if answer.text else ""))

    def heard(self, state: RecorderState, now: float) -> None:
        """Its status: somebody else may have paused the take, or it is about to end by itself."""
        take = self.take
        if take is None or not self.recording or state.path != take.path:
            return
        if self.labels.open_segment is not None and 0.0 < state.remaining < _ENDS_S:
            # It ends with the take; when that is over, the bag takes no label.
            self._ask_label(self.labels.end_segment(self._ros_ns(now) + round(state.remaining * 1e9)))
        if now - self._triggered > _SETTLED_S:
            self.phase = Phase.PAUSED if state.state == "paused" else Phase.RECORDING

    # ---- an end that nobody asked for ------------------------------------------------------------------------
    def ended(self, text: str, *, can_be_asked: bool, now: float) -> None:
        """The recorder does not record the take any more.

        Args:
            text: why, as the watch says it.
            can_be_asked: it lives, and may tell the result: the time of the take was over, the disk is full, ...
        """
        if can_be_asked and self.recording:
            self._stop(now)
        elif self.recording:
            self.lost(text)

    def lost(self, text: str) -> None:
        """The recorder cannot be asked for the take in progress; what is left is looked for."""
        take = self.take
        if take is None or self.phase is Phase.LOST:
            return
        take.error = text
        self.phase = Phase.LOST
        dropped = [r for r in self.requests if isinstance(r, Label)]
        self.requests.clear()
        self._tell("error", f"{take.title}: {text}")
        for label in dropped:
            self._tell("warning", f"label {label.key} = {label.value} did not come into the bag")
        if self.labels.open_segment is not None:
            self._tell("warning", f"segment {self.labels.segment_name} was not ended and is not in the bag")
        self.requests.append(Look(take.path, take.session_id))

    def _looked(self, answer: Answer) -> None:
        take = self.take
        if take is None:
            return
        take.outcome = Outcome.LOST
        take.kept, take.duration_s, take.bytes = answer.text, answer.duration_s, answer.bytes
        take.topics = answer.topics
        self.phase = Phase.IDLE
        self._tell("error", answer.text)
        if not self.quitting:
            self._tell("told", "the session goes on: the next take can begin as soon as the recorder is back")

    def _tell(self, level: str, text: str) -> None:
        if text:
            self.events.append(Event(level, text))
