"""Whether a recorder is there to be asked, between two recordings, told from what it publishes."""

from __future__ import annotations

from foley_perception.recording.watch import UNHEARD_S

_ACTIVE = "active"
_STEP_S = 0.5  # as in the watch: who slept for longer heard nothing because of that


class Presence:
    """Times are monotonic seconds.

    Args:
        name: of the recorder's node.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._state = ""
        self._ever = False
        self._silent_s = 0.0
        self._stepped = 0.0

    def heartbeat(self, state: str, now: float) -> None:
        """One arrived, with the state of its life cycle."""
        self._state = state
        self.sign(now)

    def sign(self, now: float) -> None:
        """Something else of it arrived."""
        self._ever, self._silent_s, self._stepped = True, 0.0, now

    def absent(self, now: float) -> str:
        """Why it cannot be asked, and what to do; empty where it can. To be asked several times a second."""
        if not self._ever:
            return (
                f"no recorder answers at {self._name}: start the system (`foley up`) or check ROS_DOMAIN_ID, "
                "--namespace and --recorder"
            )
        self._silent_s += min(max(now - self._stepped, 0.0), _STEP_S)
        self._stepped = now
        if self._silent_s > UNHEARD_S:
            return (
                f"nothing has been heard of the recorder for {self._silent_s:.0f} s; `foley up` starts it anew, and "
                "the session waits for it"
            )
        if self._state and self._state != _ACTIVE:
            return f"the recorder is {self._state}, not active; `foley up` activates it, and the session waits for it"
        return ""
