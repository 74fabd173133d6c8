"""Keeps a core's beliefs in a file; what goes wrong is said and never stops the work."""

from __future__ import annotations

from pathlib import Path

from foley_synthesis.beliefs.store_file import StateError
from foley_synthesis.live.material_core import MaterialCore


class BeliefFile:
    """The parameter `state_file`: a path, or empty for none."""

    def __init__(self, path: str) -> None:
        self.path = Path(path).expanduser() if path else None

    def restore(self, core: MaterialCore, model_id: str) -> tuple[bool, str]:
        """Whether all is well, and a sentence for the log (empty: nothing to say).

        A file that is damaged, or of another vocabulary, leaves the core without beliefs.
        """
        if self.path is None or not self.path.exists():
            return True, ""
        try:
            count = core.restore(self.path, model_id=model_id)
        except (StateError, OSError) as error:
            return False, f"beliefs are not restored, starting without any: {error}"
        return True, f"beliefs about {count} objects restored from {self.path}"

    def save(self, core: MaterialCore, model_id: str) -> str:
        """Write atomically. Returns what went wrong, empty if nothing did."""
        if self.path is None:
            return ""
        try:
            core.save(self.path, model_id=model_id)
        except OSError as error:
            return f"{error}: beliefs will be lost at the next restart"
        return ""
