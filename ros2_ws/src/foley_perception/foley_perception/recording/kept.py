"""What is left of a recording that ended otherwise than it was meant to."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from foley_perception.recording.errors import BagError
from foley_perception.recording.inspect import BagReport, inspect_bag


@dataclasses.dataclass(frozen=True)
class Kept:
    """A bag whose recorder cannot be asked any more."""

    path: Path  # as the recorder said it
    report: BagReport | None  # None: it cannot be read here
    finished: bool = False
    trouble: str = ""  # why it cannot be read

    @property
    def text(self) -> str:
        """What is kept, where, and how to recover it."""
        if self.report is None:
            return f"{self.path}: {self.trouble}"
        held = (
            f"{self.path} holds {self.report.messages} messages of {self.report.duration_s:.1f} s, "
            f"{self.report.bytes / 1e6:.1f} MB"
        )
        if self.finished:
            return f"{held}, and is finished"
        return f"{held}, and is not finished: `foley bag recover {self.path}` finishes it"


def look(path: Path, session_id: str, *, local: bool) -> Kept:
    """What a bag holds now.

    Args:
        session_id: another bag may lie there, where the recorder runs on another machine.
        local: it was seen here when the recording began.
    """
    if not path.is_dir():
        if local:
            return Kept(path, None, trouble="it is not there any more; nothing was kept")
        return Kept(path, None, trouble=_elsewhere(path))
    try:
        report = inspect_bag(path)
    except BagError as error:
        return Kept(path, None, trouble=f"nothing of it can be read ({error})")
    if report.session.get("session_id") not in (session_id, None):
        return Kept(path, None, trouble=_elsewhere(path))
    cut = [
        problem for problem in report.problems if "foley bag recover" in problem
    ]  # as Bag says it of a file
    return Kept(path, report, finished=not cut)


def _elsewhere(path: Path) -> str:
    return (
        f"it lies on the recorder's machine; `foley bag info {path}` there says what it holds, and "
        f"`foley bag recover {path}` finishes it"
    )
