"""The recorder's services for a session, one request at a time (and a snapshot beside it) and without waiting, and its
status as plain data."""

from __future__ import annotations

import dataclasses
import math
import signal
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import State
from rcl_interfaces.msg import ParameterType
from std_srvs.srv import Trigger as TriggerService

from foley_msgs.msg import RecorderStatus
from foley_msgs.srv import LabelSegment, SaveSnapshot, StartRecording, StopRecording
from foley_perception.collecting.requests import Answer, Label, Look, Request, Snapshot, Start, Stop, Trigger
from foley_perception.collecting.status import Meter, RecorderClock, RecorderState
from foley_perception.recording.figures import topic_figures
from foley_perception.recording.kept import look
from foley_perception.recording.presence import Presence
from foley_perception.recording.watch import Cause, Ending
from foley_perception.ros.recorder_link import ANSWER_S, RecordClientError, RecorderLink
from foley_ros import convert

_OFFERED_S = 3.0  # after the recorder was heard, until all that it offers is known
_REASON_S = 0.7  # until the reason is heard, where a recording is over
_STATUS_S = 3.0  # without one of its own, its line in /diagnostics is shown
_STATES = {
    RecorderStatus.IDLE: "idle",
    RecorderStatus.RECORDING: "recording",
    RecorderStatus.PAUSED: "paused",
}
_SERVICES: dict[str, Any] = {
    "start": StartRecording,
    "stop": StopRecording,
    "label": LabelSegment,
    "snapshot": SaveSnapshot,
    "pause": TriggerService,
    "resume": TriggerService,
    "split": TriggerService,
}


@dataclasses.dataclass(frozen=True)
class TakeOptions:
    """What every take is begun with."""

    max_duration: float  # [s]
    recorded_by: str = ""
    notes: str = ""
    tags: Sequence[str] = ()
    metadata_yaml: str = ""


class SessionLink(RecorderLink):
    """For as long as a session lasts. SIGINT, SIGTERM and SIGHUP are counted in ``interrupts``."""

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self, recorder: str, options: TakeOptions) -> None:
        super().__init__(recorder)
        self._options = options
        self._presence = Presence(self.name)
        self._clock = RecorderClock()
        self._state: RecorderState | None = None
        self._status_at = -math.inf
        self._first_heard = math.inf
        # A snapshot takes as long as the disk; nothing else waits for it: kind -> request, answer to come, when.
        self._pending: dict[bool, tuple[Request, Any, float]] = {}
        self._silent_since: float | None = None  # an ending was seen whose reason is waited for
        self._local = False
        self.ever_answered = False

    def __enter__(self) -> SessionLink:
        super().__enter__()
        self._clients = {
            n: self._node.create_client(kind, f"{self.name}/{n}") for n, kind in _SERVICES.items()
        }
        self._looking = ThreadPoolExecutor(1, thread_name_prefix="look")
        return self

    def __exit__(self, *how: Any) -> None:
        self._looking.shutdown(wait=False, cancel_futures=True)
        super().__exit__(*how)

    # ---- what is there -------------------------------------------------------------------------------------
    def absent(self, now: float) -> str:
        """Why no recorder can be asked; empty where one can."""
        return self._presence.absent(now)

    @property
    def state(self) -> RecorderState | None:
        """What it does, as it told last; None before that."""
        return self._state

    def ros_ns(self, moment: float) -> int:
        """The recorder's time of a moment (monotonic) [ns]."""
        return self._clock.at(moment, time.time_ns(), time.monotonic())

    def folder(self) -> Path | None:
        """Of its bags, where that can be told from here."""
        try:
            value = self.parameter("output_dir")
        except RecordClientError:
            return None
        text = value.string_value if value.type == ParameterType.PARAMETER_STRING else ""
        return Path(text).expanduser() if text else None

    # ---- requests ------------------------------------------------------------------------------------------
    @property
    def busy(self) -> bool:
        """Whether a request waits for its answer; a snapshot does not count."""
        return False in self._pending

    @property
    def saving(self) -> bool:
        """Whether a snapshot is being written."""
        return True in self._pending

    def ask(self, request: Request, now: float) -> Answer | None:
        """Begin a request; an answer at once where it cannot be asked."""
        if isinstance(request, Look):
            self._pending[False] = (request, self._looking.submit(_look, request, self._local), now)
            return None
        apart = isinstance(request, Snapshot)
        if apart and self.saving:
            return Answer(error="the one before is still being written; ask again when that is done")
        service, message = self._message(request)
        # What belongs to a take is asked of a recorder that is only silent, too: it may be busy.
        if isinstance(request, (Start, Snapshot)) and (told := self.absent(now)):
            return Answer(error=told, code="unanswered")
        client = self._clients[service]
        if not client.service_is_ready():
            if isinstance(request, Stop) or now - self._first_heard < _OFFERED_S:
                return Answer(error=f"{self.name} does not offer ~/{service} now", code="unanswered")
            older = (
                f"the recorder does not offer {service}; it is older than this program, or of another kind"
            )
            return Answer(error=older, code="not_offered")
        self._pending[apart] = (request, client.call_async(message), now)
        return None

    def poll(self, now: float) -> tuple[Request, Answer] | None:
        """The request whose answer has come, or cannot come any more."""
        for apart, (request, future, asked) in self._pending.items():
            if (answer := self._answer_to(request, future, now - asked)) is not None:
                del self._pending[apart]
                self._follow(request, answer)
                return request, answer
        return None

    def _answer_to(self, request: Request, future: Any, waited_s: float) -> Answer | None:
        """None while it may still come."""
        if future.done():
            return _answer(request, future)
        if isinstance(request, Look):
            return None
        if gone := self._gone():
            return Answer(error=gone, code="unanswered")
        if waited_s > ANSWER_S:
            return Answer(error=f"{self.name} did not answer within {ANSWER_S:.0f} s", code="unanswered")
        return None

    def _follow(self, request: Request, answer: Answer) -> None:
        """Watch a take from its beginning to its end."""
        if isinstance(request, Start) and not answer.error:
            self.ever_answered = True
            self._local = Path(answer.path).is_dir()
            self._silent_since = None
            self.watch(answer.path, local=self._local)
        elif isinstance(request, (Stop, Look)):
            self._watch = None

    def _gone(self) -> str:
        """Why nobody answers any more; a recorder that finishes a bag is silent meanwhile, and is waited for."""
        if self._watch is None:
            return ""
        ending = self._watch.ending(time.monotonic())
        over = ending is not None and (self._watch.dead or ending.cause in (Cause.GONE, Cause.RESTARTED))
        return ending.text if ending is not None and over else ""

    def ending(self, now: float) -> Ending | None:
        """Why the take is over, if it is; a death is told when its reason was heard, or can wait no longer."""
        ending = self._watch.ending(now) if self._watch is not None else None
        if ending is None:
            return None
        if ending.cause is Cause.LOST:
            self._silent_since = now if self._silent_since is None else self._silent_since
            return ending if now - self._silent_since >= _REASON_S else None
        return ending

    @property
    def suspicion(self) -> str:
        """That the recorder seems to be gone, or has not been heard for a while, during a take."""
        return self._watch.suspicion or self._watch.doubt if self._watch is not None else ""

    def _message(self, request: Request) -> tuple[str, Any]:
        options = self._options
        session = {
            "recorded_by": options.recorded_by,
            "notes": options.notes,
            "tags": list(options.tags),
            "metadata_yaml": options.metadata_yaml,
        }
        if isinstance(request, Start):
            message = StartRecording.Request(name=request.name, max_duration=options.max_duration, **session)
            return "start", message
        if isinstance(request, Stop):
            return "stop", StopRecording.Request(discard=request.discard)
        if isinstance(request, Label):
            times = {"start": convert.to_stamp(request.start_ns), "end": convert.to_stamp(request.end_ns)}
            words = {"key": request.key, "value": request.value, "object_id": request.object_id}
            return "label", LabelSegment.Request(**times, **words)
        if isinstance(request, Snapshot):
            return "snapshot", SaveSnapshot.Request(name=request.name, **session)
        assert isinstance(request, Trigger)
        return request.service, TriggerService.Request()

    # ---- what comes ----------------------------------------------------------------------------------------
    def _heard(self, now: float) -> None:
        self._first_heard = min(self._first_heard, now)

    def _on_heartbeat(self, message: State, info: Mapping[str, Any]) -> None:
        now = time.monotonic()
        self._heard(now)
        self._presence.heartbeat(message.label, now)
        super()._on_heartbeat(message, info)

    def _on_status(self, message: RecorderStatus) -> None:
        super()._on_status(message)
        now = time.monotonic()
        self._heard(now)
        self._presence.sign(now)
        self._clock.heard(convert.to_ns(message.header.stamp), now)
        self._status_at = now
        self._state = _plain(message)

    def _on_line(self, message: DiagnosticArray, status: DiagnosticStatus, values: Mapping[str, str]) -> None:
        now = time.monotonic()
        if now - max(self._status_at, self._first_heard) < _STATUS_S:
            return
        self._clock.heard(convert.to_ns(message.header.stamp), now)
        path = values.get("path", "")
        self._state = RecorderState(
            state="recording" if path else "idle",
            path=path,
            duration=_number(values.get("seconds")),
            bytes=int(_number(values.get("bytes"))),
            queued_bytes=int(_number(values.get("queued_bytes"))),
            trouble=() if status.level == DiagnosticStatus.OK else (status.message,),
            full=False,
        )


def _number(text: str | None) -> float:
    try:
        return float(text or 0.0)
    except ValueError:
        return 0.0


def _plain(message: RecorderStatus) -> RecorderState:
    plain = [field.name for field in dataclasses.fields(Meter) if not field.name.endswith("_dbfs")]
    meters = tuple(
        Meter(
            **{name: getattr(topic, name) for name in plain},
            peak_dbfs=tuple(topic.peak_dbfs),
            rms_dbfs=tuple(topic.rms_dbfs),
        )
        for topic in message.topics
    )
    same = (
        "path",
        "session_id",
        "duration",
        "remaining",
        "bytes",
        "files",
        "queued_bytes",
        "write_rate",
        "disk_free",
    )
    return RecorderState(
        state=_STATES.get(message.state, "idle"),
        **{name: getattr(message, name) for name in (*same, "disk_lasts", "snapshot")},
        meters=meters,
        trouble=tuple(message.trouble),
    )


def _look(request: Look, local: bool) -> Answer:
    kept = look(Path(request.path), request.session_id, local=local)
    if (report := kept.report) is None:
        return Answer(text=kept.text, path=request.path)
    return Answer(
        text=kept.text,
        path=request.path,
        duration_s=report.duration_s,
        bytes=report.bytes,
        topics=topic_figures(report.topics),
    )


def _answer(request: Request, future: Future[Answer] | Any) -> Answer:
    try:
        result = future.result()
    except Exception as error:  # noqa: BLE001 - whatever it is, the session goes on
        return Answer(error=f"{type(error).__name__}: {error}", code="unanswered")
    if isinstance(request, Look):
        return result  # type: ignore[no-any-return]
    if isinstance(request, Trigger):
        return (
            Answer(text=result.message)
            if result.success
            else Answer(error=result.message or "it was refused")
        )
    code = _code(result)
    answer = Answer(error=result.error_msg if code else "", code=code)
    if isinstance(request, Label):
        return answer if code else Answer(text=result.error_msg)  # what is odd about it, and is kept as it is
    answer = dataclasses.replace(answer, path=result.path, error=answer.error or code.replace("_", " "))
    if isinstance(request, Start):
        return dataclasses.replace(answer, session_id=result.session_id)
    return dataclasses.replace(
        answer,
        duration_s=result.duration,
        bytes=result.bytes,
        findings=tuple(result.findings),
        topics=topic_figures(result.topics),
    )


def _code(result: Any) -> str:
    """The name of an error code, in lower case and without `ERROR_`; empty: none."""
    if not result.error_code:
        return ""
    names = [name for name in dir(type(result)) if name.startswith("ERROR_")]
    found = [name for name in names if getattr(type(result), name) == result.error_code]
    return found[0].removeprefix("ERROR_").lower() if found else f"error {result.error_code}"
