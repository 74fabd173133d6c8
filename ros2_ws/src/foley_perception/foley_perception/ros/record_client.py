"""One recording by the recorder's services, and an eye on the recorder while it records."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from foley_msgs.srv import StartRecording, StopRecording
from foley_perception.recording.watch import Ending
from foley_perception.ros.recorder_link import PATIENCE_S, RecordClientError, RecorderLink

__all__ = ["RecordClientError", "RecorderClient"]

_REASON_S = 0.7  # until the reason is heard, where a recording is over
_GRAPH_KNOWN_S = 3.0  # after the start


def _lies(bag: Path) -> str:
    """What can be said at once of a bag whose recorder is gone."""
    try:
        size = sum(file.stat().st_size for file in bag.iterdir())
    except OSError:
        return "lies on its machine"
    return f"has {size / 1e6:.1f} MB on the disk"


class RecorderClient(RecorderLink):
    """For as long as one recording lasts. SIGINT ends :meth:`wait`, not the process."""

    def __init__(self, recorder: str) -> None:
        super().__init__(recorder)
        self._failed = False  # the status of this recording is an error
        self._path = ""
        self._message = ""  # of its status
        self.local = False  # its bag lies on this machine

    def start(
        self,
        *,
        name: str,
        max_duration: float,
        recorded_by: str,
        notes: str,
        tags: Sequence[str],
        metadata_yaml: str,
    ) -> StartRecording.Response:
        """Begin a recording.

        Raises:
            RecordClientError: no recorder answers, or it refuses.
        """
        request = StartRecording.Request(
            name=name,
            max_duration=max_duration,
            recorded_by=recorded_by,
            notes=notes,
            tags=list(tags),
            metadata_yaml=metadata_yaml,
        )
        response = self.call(StartRecording, "start", request)
        if response.error_code:
            raise RecordClientError(response.error_msg)
        self._path = response.path
        self.local = Path(response.path).is_dir()
        self.watch(response.path, local=self.local)
        return response

    def wait(
        self, seconds: float, progress: Callable[[float, str], None], told: Callable[[str], None]
    ) -> Ending | None:
        """Until the time is over, the recorder reports an error, or Ctrl-C.

        Args:
            progress: called several times a second with the seconds and what the recorder says.
            told: called with sentences about what is wrong and does not end the recording.

        Returns:
            Why the recording was over before, if it was.
        """
        begin = time.monotonic()
        known = doubted = False
        while not self.interrupts and not self._failed and (now := time.monotonic()) - begin < seconds:
            ending = self._look()
            if ending is not None:
                end = time.monotonic() + _REASON_S
                if self._watch is not None and (suspicion := self._watch.suspicion):
                    told(f"{suspicion}; {self._path} {_lies(Path(self._path))}")
                while ending is not None and not ending.cause.has_a_reason and time.monotonic() < end:
                    ending = self._look()
                return ending
            doubted = self._doubt(doubted, told)
            if not known and now - begin > _GRAPH_KNOWN_S:
                known = True
                for sentence in self.unpublished():
                    told(sentence)
            progress(now - begin, self._message)
        progress(min(time.monotonic() - begin, seconds), "")
        return None

    def stop(self, *, patience_s: float = PATIENCE_S) -> StopRecording.Response:
        """End the recording, or have the result of one that has ended.

        Raises:
            RecordClientError: the recorder does not answer, or dies meanwhile.
        """
        return self.call(StopRecording, "stop", StopRecording.Request(), patience_s)

    def _look(self) -> Ending | None:
        """Take what has come. Why the recording is over, if it is."""
        assert self._watch is not None
        self.spin(0.1)
        return self._watch.ending(time.monotonic())

    def _doubt(self, doubted: bool, told: Callable[[str], None]) -> bool:
        """Tell once that nothing is heard of a recorder whose process cannot be seen, and that it is heard again."""
        assert self._watch is not None
        doubt = self._watch.doubt
        if doubt and not doubted and not self._watch.lives:
            told(f"{doubt}; {self._path} holds what it had written")
            return True
        if doubted and not doubt:
            told("the recorder is heard again")
            return False
        return doubted

    def _on_line(self, message: DiagnosticArray, status: DiagnosticStatus, values: Mapping[str, str]) -> None:
        if self._path and values.get("path", "") == self._path:
            self._message = status.message
            self._failed |= status.level == DiagnosticStatus.ERROR
