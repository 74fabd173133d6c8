"""Labels that people give while something is recorded: `~/label`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.serialization import deserialize_message

from foley_common.topics import VOCABULARY
from foley_msgs.msg import SegmentLabel, VocabularyInfo
from foley_perception.recording import label_rules
from foley_perception.recording.cdr import CdrError, Header
from foley_perception.recording.label_rules import SEGMENT, Segment
from foley_perception.recording.labels import Label, read_label
from foley_perception.recording.recording import LatchedStore, Recording
from foley_ros import convert

Publish = Callable[[SegmentLabel], None]


class Labels:
    """Of one recorder; :meth:`begin` with each recording.

    Args:
        publish: a label, for whoever listens.
    """

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._own: set[Label] = set()
        self._open: Segment | None = None

    def begin(self) -> None:
        """A recording has begun."""
        self._own.clear()
        self._open = None

    def is_own(self, data: bytes) -> bool:
        """Whether a message that arrived is the echo of a label that was written already."""
        try:
            return read_label(data) in self._own
        except CdrError:
            return False

    def give(
        self,
        request: Any,
        response: Any,
        now_ns: int,
        recording: Recording | None,
        latched: LatchedStore,
    ) -> Any:
        """Answer LabelSegment: written when this returns.

        Args:
            latched: where the newest vocabulary is, if there is one.
        """
        start = convert.to_ns(request.start) or now_ns
        end = convert.to_ns(request.end) or start
        if recording is None:
            response.error_code = response.ERROR_NOT_RECORDING
            response.error_msg = "nothing is being recorded"
        elif recording.failure is not None:
            response.error_code = response.ERROR_NOT_RECORDING
            response.error_msg = f"nothing is being recorded any more: {recording.failure}"
        elif wrong := label_rules.refusal(request.key):
            response.error_code, response.error_msg = response.ERROR_EMPTY_KEY, wrong
        elif end < start:
            response.error_code = response.ERROR_BAD_INTERVAL
            response.error_msg = f"end is {(start - end) * 1e-9:.3f} s before start"
        elif request.key == SEGMENT and not convert.to_ns(request.end):
            response.error_msg = self._segment(request, start, now_ns, recording)
        else:
            value, told = label_rules.check(request.key, request.value, _materials(latched))
            self._write(recording, request.object_id, request.key, value, now_ns, start, end)
            response.error_msg = told
        return response

    def _segment(self, request: Any, start: int, now_ns: int, recording: Recording) -> str:
        """A segment without an end: the one before it ends, and it begins where it has a name."""
        ended = self.end_segment(recording, start, now_ns)
        told = f"segment `{ended.value}` ended; " if ended is not None else ""
        if not request.value.strip():
            return (
                f"{told}none has begun" if told else "no segment had begun, and this one has no name (value)"
            )
        self._open = Segment(start, request.object_id, request.value)
        self._write(recording, request.object_id, SEGMENT, request.value, now_ns, start, start)
        return f"{told}segment `{request.value}` has begun; the next one, or one without a value, ends it"

    def end_segment(self, recording: Recording, end_ns: int, now_ns: int) -> Segment | None:
        """Write the segment that has begun, if there is one, with its end."""
        segment, self._open = self._open, None
        if segment is not None:
            end_ns = max(end_ns, segment.start_ns)
            at = now_ns, segment.start_ns, end_ns
            self._write(recording, segment.object_id, SEGMENT, segment.value, *at)
        return segment

    def _write(
        self,
        recording: Recording,
        object_id: str,
        key: str,
        value: str,
        now_ns: int,
        start_ns: int,
        end_ns: int,
    ) -> None:
        label = Label(Header(now_ns, ""), start_ns, end_ns, object_id, key, value)
        # Written here, so that it is in the bag when the call returns; its echo is not written again. An echo is told
        # by what it says: serialised messages differ in the bytes between their fields.
        self._own.add(label)
        recording.add_label(label)
        self._publish(
            SegmentLabel(
                header=convert.header(now_ns, ""),
                start=convert.to_stamp(start_ns),
                end=convert.to_stamp(end_ns),
                object_id=object_id,
                key=key,
                value=value,
            )
        )


def _materials(latched: LatchedStore) -> list[str]:
    """Labels of the vocabulary in force; empty where none was told."""
    for topic, message in latched.items():
        if f"/{topic}".endswith(f"/{VOCABULARY.name}"):
            return list(deserialize_message(message.data, VocabularyInfo).labels)
    return []
