"""Messages of the recorder: recordings as they are asked for, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from foley_common import topic_map, topics
from foley_common.foreign_audio import raw_formats
from foley_common.robot_file import Sound
from foley_msgs.msg import TopicStatistics
from foley_msgs.srv import StartRecording
from foley_perception.audit.recording import RecordingAudit
from foley_perception.recording import session
from foley_perception.recording.compression import Form
from foley_perception.recording.config import RecorderConfig
from foley_perception.recording.errors import (
    BagError,
    DurationError,
    MissingTopicError,
    NoSpaceError,
    NotWritableError,
)
from foley_perception.recording.recording import (
    LatchedStore,
    RawMessage,
    Recording,
    RecordingResult,
    TopicSpec,
)
from foley_perception.recording.statistics import TopicReport
from foley_perception.recording.takes import Take, Takes
from foley_perception.recording.writer import NEVER, Split
from foley_perception.ros.raw_subscriptions import RawSubscriptions
from foley_ros.node import PATIENCE, Health

_START_ERRORS: dict[type[BagError], int] = {
    DurationError: StartRecording.Response.ERROR_BAD_DURATION,
    MissingTopicError: StartRecording.Response.ERROR_MISSING_TOPIC,
    NoSpaceError: StartRecording.Response.ERROR_NO_SPACE,
    NotWritableError: StartRecording.Response.ERROR_NOT_WRITABLE,
}


def start_error_code(error: BagError) -> int:
    """StartRecording's code for a refusal; what is wrong with no other thing is wrong with its metadata."""
    return _START_ERRORS.get(type(error), int(StartRecording.Response.ERROR_BAD_METADATA))


class Ground(NamedTuple):
    """What all recordings of a recorder have in common.

    Attributes:
        mapping: the registry's names -> topics that are recorded for them under other names.
        robot: text of the robot's file; a request's metadata may hold another one.
    """

    config: RecorderConfig
    subscriptions: RawSubscriptions
    mapping: topic_map.TopicMap
    robot: str = ""


def begin_recording(
    ground: Ground, latched: LatchedStore, request: Any, now_ns: int
) -> tuple[Recording, str]:
    """A recording as StartRecording asks for it, and its session id.

    Raises:
        BagError: refused; see :func:`start_error_code`.
    """
    config, subscriptions = ground.config, ground.subscriptions
    if not 0.0 < request.max_duration <= config.longest_recording_s:
        raise DurationError(
            f"max_duration is {request.max_duration} s, must be above 0 and at most "
            f"{config.longest_recording_s} s (parameter `longest_recording_s`)"
        )
    if wrong := subscriptions.wrong_types(ground.mapping):
        raise MissingTopicError("; ".join(wrong))
    absent = subscriptions.without_publisher()
    if absent and not config.start_without_required:
        raise MissingTopicError(f"no publisher on {', '.join(absent)}")
    plan = planned(ground, request, now_ns, request.max_duration)
    return plan.begin(latched.items(), config.split), plan.session_id


class Plan(NamedTuple):
    """A recording that can be begun, in any thread."""

    session_id: str
    folder: Path
    metadata: dict[str, str]
    start_ns: int
    config: RecorderConfig
    specs: dict[str, TopicSpec]
    forms: dict[str, Form]
    offered: dict[str, list[dict[str, object]]]
    audit: RecordingAudit

    def begin(self, latched: Iterable[tuple[str, RawMessage]], split: Split = NEVER) -> Recording:
        """Raises BagError."""
        config = self.config
        return Recording(
            self.folder,
            self.specs,
            session=self.metadata,
            start_ns=self.start_ns,
            latched=latched,
            offered_qos=self.offered,
            flush_period_s=config.flush_period_s,
            queue_bytes=round(config.queue_mb * 2**20),
            min_free_bytes=round(config.min_free_mb * 2**20),
            audit=self.audit,
            split=split,
            forms=self.forms,
        )


def planned(
    ground: Ground, request: Any, start_ns: int, max_duration_s: float, *, snapshot: bool = False
) -> Plan:
    """A recording with name and metadata as a request gives them.

    Raises:
        BagError: of a name or metadata that cannot be.
    """
    config, subscriptions, mapping = ground.config, ground.subscriptions, ground.mapping
    session_id = session.new_session_id()
    name = session.check_name(request.name or session_id)
    specs = dict(subscriptions.specs)
    forms = config.forms(specs)
    metadata = session.session_metadata(
        session_id,
        start_ns=start_ns,
        max_duration_s=max_duration_s,
        recorded_by=request.recorded_by,
        notes=request.notes,
        tags=list(request.tags),
        extra_yaml=request.metadata_yaml,
        topics=mapping,
        robot=ground.robot,
        compression={topic: str(form) for topic, form in forms.items()},
        snapshot=snapshot,
    )
    # As it is kept: what is judged is what a reader will hear.
    described, _ = session.recorded_robot(metadata)
    sound = described.sound if described is not None else {}
    audit = RecordingAudit(
        topic_map.ours(mapping),
        heard_channels(sound, subscriptions.named | dict(mapping)),
        raw_formats(sound),
    )
    offered = subscriptions.offered_qos()
    return Plan(
        session_id, folder_of(config) / name, metadata, start_ns, config, specs, forms, offered, audit
    )


def heard_channels(sound: Mapping[str, Sound], topics_of: Mapping[str, str]) -> dict[str, int]:
    """Topics of which another channel than the first is heard -> that.

    Args:
        sound: by microphone, as the robot's file has it.
        topics_of: the registry's names -> topics.
    """
    heard = {topics.topic(role).name: one.channel for role, one in sound.items() if one.channel}
    return {topics_of[name]: channel for name, channel in heard.items() if name in topics_of}


def folder_of(config: RecorderConfig) -> Path:
    """Of its bags."""
    return Path(config.output_dir).expanduser().resolve()


def recording_health(recording: Recording, now_ns: int, config: RecorderConfig, interrupted: str) -> Health:
    """A failure of the disk is an error; dropped messages and silent required topics are warnings.

    Args:
        interrupted: what became of earlier recordings, where that is still to be told.
    """
    silent = recording.silent(now_ns, config.silent_after_s)
    values = {
        "path": recording.path,
        "seconds": f"{recording.recorded_s(now_ns):.1f}",
        "bytes": recording.bytes_written,
        "queued_bytes": recording.queued_bytes,
        "dropped": recording.dropped,
        "silent": ", ".join(f"{topic} {seconds:.1f} s" for topic, seconds in silent.items()),
        "files": recording.files,
        PATIENCE: config.hang_timeout_s,
    }
    if recording.failure is not None:
        return Health.error(str(recording.failure), **values)
    if recording.dropped:
        return Health.warn(f"{recording.dropped} messages dropped: the disk is too slow", **values)
    if silent:
        return Health.warn(f"nothing arrives on {', '.join(silent)}", **values)
    if told := recording.not_encoded():
        return Health.warn("; ".join(told), **values)
    if interrupted:
        return Health.warn(f"recording; before: {interrupted}", **values)
    return Health.ok("recording" if recording.paused_ns is None else "paused", **values)


def statistics_message(report: TopicReport) -> TopicStatistics:
    return TopicStatistics(
        topic=report.topic,
        type=report.type,
        messages=report.messages,
        bytes=report.bytes,
        rate=report.rate,
        max_gap=report.max_gap,
        lost=report.lost,
        gaps=report.gaps,
        skew_median=report.skew_median,
        skew_p99=report.skew_p99,
        expected=report.expected,
    )


def fill_stop_response(response: Any, result: RecordingResult) -> Any:
    """StopRecording.Response of a finished recording: failure first, then missing topics, then success."""
    response.path = str(result.path)
    response.duration = result.duration_s
    response.bytes = result.bytes
    response.topics = [statistics_message(report) for report in result.topics]
    response.findings = list(result.findings)
    if result.failure is not None:
        response.error_code, response.error_msg = response.ERROR_WRITE_FAILED, str(result.failure)
    elif result.missing:
        response.error_code = response.ERROR_MISSING_TOPIC
        response.error_msg = (
            f"nothing was received on {', '.join(result.missing)}: is the driver running, does its topic "
            "have this name? The bag was kept"
        )
    return response


def fill_interrupted(response: Any, takes: Takes, ended: Sequence[Take], *, discard: bool) -> Any:
    """StopRecording.Response of the oldest recording whose process is gone; it is told once. It is discarded where it
    is the only one: of several nobody has said which is meant."""
    take = ended[0]
    left = take if take.finished else take.left()
    response.path, response.duration, response.bytes = take.path, left.duration_s, left.bytes
    if not take.finished:
        response.error_code, response.error_msg = response.ERROR_INTERRUPTED, take.text
    elif take.trouble:
        response.error_code, response.error_msg = response.ERROR_WRITE_FAILED, take.trouble
    else:
        response.findings = [
            f"note: it ended with its recorder's process; `foley bag check {take.path}` judges it"
        ]
    if discard and len(ended) == 1:
        takes.discard(take)
        return response
    if discard:
        kept = f"nothing was deleted: {len(ended)} recordings ended with their recorders, which of them was not said"
        response.error_code = response.error_code or response.ERROR_INTERRUPTED
        response.error_msg = "; ".join(filter(None, (response.error_msg, kept)))
    takes.told(take.path)
    return response
