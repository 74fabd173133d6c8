"""Whether a recorder still records what it was asked to, told from what it publishes.

The recorder's client feeds in heartbeats, its own status, its lines of ``/diagnostics`` and how many publishers of
heartbeats the graph has; :meth:`RecorderWatch.ending` says when the recording is over, and why. Times are monotonic
seconds.

A process of this machine that has ended is seen as such within a moment. Of a recorder elsewhere, silence alone tells:
it is said after ``UNHEARD_S`` (:meth:`RecorderWatch.doubt`), and believed after ``SILENT_S``, as a busy machine or
network is silent for a while, too.
"""

from __future__ import annotations

import dataclasses
import enum
from pathlib import Path

SILENT_S = 3.0  # without a heartbeat (the lease of its liveliness): lost
HANGING_S = (
    40.0  # the same while its process lives, on this machine: until then its manager has ended what hangs
)
UNHEARD_S = 1.5  # without a heartbeat, which come every 0.5 s: said
SETTLED_S = 1.5  # after the start nothing older than it is on its way any more
_STEP_S = 0.5  # a client that was itself stopped for longer heard nothing because of that
_ACTIVE = "active"


class Cause(enum.Enum):
    """Why a recording is over."""

    LOST = "lost"  # no heartbeat: it died, hangs, or cannot be reached
    GONE = "gone"  # its node has left the graph
    RESTARTED = "restarted"  # another process bears its name
    DEACTIVATED = "deactivated"  # its life cycle left `active`
    OVER = "over"  # it lives, and does not record this any more

    @property
    def can_be_asked(self) -> bool:
        """Whether the recorder may still tell the result."""
        return self in (Cause.DEACTIVATED, Cause.OVER)

    @property
    def has_a_reason(self) -> bool:
        """Whether it says how it came about, and not only that nothing is recorded any more."""
        return self not in (Cause.LOST, Cause.OVER)


@dataclasses.dataclass(frozen=True)
class Ending:
    """Why a recording is over, in words."""

    cause: Cause
    text: str


class RecorderWatch:
    """One recording that has been started.

    Args:
        path: of the bag, as the recorder said it.
        local: the recorder runs on this machine, so that its process can be looked for.
        pid: its process, where it is known already; 0: not yet.
    """

    def __init__(self, path: str, now: float, *, local: bool, pid: int = 0) -> None:
        self._path, self._local = path, local
        self._begun = self._stepped = now
        self._silent_s = 0.0
        self._active = False  # heard so since the start
        self._sequence = 0
        self._pid = pid
        # That process was seen on this machine, and not in a container with numbers of its own.
        self._lived = local and process_lives(pid)
        self._recording = False  # its status has named the path
        self._others = 0  # statuses since the start that do not
        self._absent = 0  # looks at the graph that found no publisher, after one that did
        self._present = False
        self._ending: Ending | None = None

    # ---- what is seen ----------------------------------------------------------------------------------
    def heartbeat(self, state: str, sequence: int, now: float) -> None:
        """One arrived. ``sequence`` counts the publisher's messages from 1; 0 is unknown."""
        self._silent_s, self._stepped = 0.0, now
        anew = 0 < sequence < self._sequence
        self._sequence = sequence
        if anew:
            self._end(Cause.RESTARTED, "the recorder died and was started anew")
        elif state == _ACTIVE:
            self._active = True
        elif self._active or now - self._begun > SETTLED_S:
            if state == "unconfigured":
                self._end(Cause.RESTARTED, "the recorder was started anew, or cleaned up")
            else:
                self._end(Cause.DEACTIVATED, "the recorder was deactivated")

    def status(self, pid: int, path: str, now: float) -> None:
        """Its line of /diagnostics: its process, and the bag that it records (empty: none)."""
        if self._pid and pid and pid != self._pid:
            self._end(
                Cause.RESTARTED, f"the recorder died and was started anew (pid {pid} after {self._pid})"
            )
        self._pid = pid or self._pid
        self._lived |= self._local and process_lives(self._pid)
        if path == self._path:
            self._recording = True
            return
        self._others += 1
        if self._recording or (self._others > 1 and now - self._begun > SETTLED_S):
            other = f"; it records {path} now" if path else ""
            self._end(Cause.OVER, f"the recorder does not record this any more{other}")

    def own_status(self, path: str, now: float) -> None:
        """Its `~/status`, several times a second: a sign of life, and the bag that it records (empty: none).

        Right after the start one from before it may still be on its way.
        """
        self._silent_s, self._stepped = 0.0, now
        if path == self._path or now - self._begun > SETTLED_S:
            self.status(0, path, now)

    def publishers(self, count: int) -> None:
        """How many publishers of its heartbeat the graph has."""
        self._present |= count > 0
        self._absent = self._absent + 1 if self._present and not count else 0
        if self._absent > 1:
            self._end(Cause.GONE, "the recorder was ended")

    # ---- what follows ----------------------------------------------------------------------------------
    def ending(self, now: float) -> Ending | None:
        """Why the recording is over; None while it goes on. To be asked several times a second."""
        self._silent_s += min(max(now - self._stepped, 0.0), _STEP_S)
        self._stepped = now
        if self.dead:
            self._end(Cause.LOST, f"the recorder died: its process ({self._pid}) is not there any more")
        elif self._silent_s > (HANGING_S if self._lived else SILENT_S):
            lives = f"; its process ({self._pid}) lives and hangs" if self._lived else ""
            told = lives or ": it died, hangs, or cannot be reached"
            self._end(Cause.LOST, f"nothing was heard of the recorder for {self._silent_s:.0f} s{told}")
        return self._ending

    @property
    def suspicion(self) -> str:
        """What is known of an ending whose reason may still be heard: a process that was ended well is gone, too."""
        if self._ending is None or self._ending.cause is not Cause.LOST:
            return ""
        return (
            f"the recorder's process ({self._pid}) is not there any more" if self.dead else self._ending.text
        )

    @property
    def doubt(self) -> str:
        """That nothing has been heard of it for a while, in words; empty while it is heard."""
        if self._silent_s <= UNHEARD_S:
            return ""
        lives = f"its process ({self._pid}) lives" if self._lived else "it died, hangs, or cannot be reached"
        return f"nothing has been heard of the recorder for {self._silent_s:.1f} s: {lives}"

    @property
    def lives(self) -> bool:
        """Its process, on this machine, is known to live."""
        return self._lived and process_lives(self._pid)

    @property
    def dead(self) -> bool:
        """Its process, on this machine, is known not to live any more."""
        return self._lived and not process_lives(self._pid)

    def _end(self, cause: Cause, text: str) -> None:
        # Silence, or that it does not record any more, is often the first that is heard of the reason why.
        if self._ending is None or (cause.has_a_reason and not self._ending.cause.has_a_reason):
            self._ending = Ending(cause, text)


def process_lives(pid: int) -> bool:
    """Whether a process of this machine runs; one that has ended and waits for its parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in ("Z", "X")
