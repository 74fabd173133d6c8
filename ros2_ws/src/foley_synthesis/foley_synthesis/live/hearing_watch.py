"""Whether every contact is heard: sound comes, without gaps, and whoever detects contacts is there and active."""

from __future__ import annotations

from foley_common.times import NS_PER_S

SILENT_S = 1.0  # without sound, which comes a hundred times a second
GAP_S = 0.1  # of sound that is missing: a contact fits into it
QUIET_S = 3.0  # without a heartbeat of the detector: the lease that every node has


class HearingWatch:
    """Sound that comes late is late; sound that is missing, or that nobody listened to, may have had contacts in it.

    All times are [ns] of one clock. A detector that was never there is not missed: others' have no heartbeat.

    Args:
        since_ns: when the listening began.

    Attributes:
        missed_until_ns: up to when contacts may have been missed.
    """

    def __init__(self, since_ns: int) -> None:
        self.missed_until_ns = since_ns
        self._came_ns = since_ns
        self._end_ns = 0  # of the sound that came
        self._beat_ns: int | None = None
        self._active = True

    def sound(self, now_ns: int, start_ns: int, end_ns: int) -> None:
        """Sound from ``start_ns`` to ``end_ns`` came. The first may have been kept for whoever comes late."""
        if not self._end_ns:
            self.missed_until_ns = min(self.missed_until_ns, start_ns)
        elif start_ns - self._end_ns > GAP_S * NS_PER_S:
            self.missed_until_ns = max(self.missed_until_ns, start_ns)
        self._came_ns, self._end_ns = now_ns, end_ns

    def beat(self, now_ns: int, *, active: bool) -> None:
        """A heartbeat of the detector came."""
        self._beat_ns, self._active = now_ns, active

    def why_deaf(self, now_ns: int) -> str:
        """Why contacts may be missed now; empty where none are."""
        silent_s = (now_ns - self._came_ns) / NS_PER_S
        if silent_s > SILENT_S:
            return f"no sound on mic/audio for {silent_s:.1f} s: is the microphone running?"
        why = ""
        if self._beat_ns is not None:
            quiet_s = (now_ns - self._beat_ns) / NS_PER_S
            if quiet_s > QUIET_S:
                why = f"no sign of the contact detector for {quiet_s:.1f} s: is it running?"
            elif not self._active:
                why = "the contact detector is not active: activate it"
        if why:
            self.missed_until_ns = max(self.missed_until_ns, now_ns)
        return why
