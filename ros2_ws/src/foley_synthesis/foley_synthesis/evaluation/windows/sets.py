"""Windows of sets of session files: those that are asked about, and those that simple methods and probes know."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from foley_common.session_file import MOTION_RATE, SessionData, read_session
from foley_synthesis.evaluation.sound_metrics import spread
from foley_synthesis.flow.window_model import EVALUATION_ROWS, EvaluationWindow

_CONTACTS = ".contacts.npz"
"""Of files beside sessions, of which they can be rendered anew."""
Progress = Callable[[int, int], None]


def _quiet(done: int, total: int) -> None:
    """Tells nobody."""


def session_files(folder: Path) -> list[Path]:
    """Of a set, by name.

    Raises:
        ValueError: there are none.
    """
    files = sorted(path for path in folder.glob("*.npz") if not path.name.endswith(_CONTACTS))
    if not files:
        raise ValueError(f"{folder} holds no sessions; write them with `foley sim sessions --out {folder}`")
    return files


def read_windows(
    folder: Path,
    split: str = "",
    *,
    most_sessions: int = 0,
    after_s: float = 0.0,
    views: bool = True,
    progress: Progress = _quiet,
) -> list[EvaluationWindow]:
    """All windows of 8 s of a set, without overlap, from the beginning of each session on.

    Args:
        split: that its sessions must be of; empty: any.
        most_sessions: so many at most, spread evenly over the set; 0: all.
        after_s: of a session, from which on its windows are taken.
        views: whether pictures are kept; they take more room than all else.

    Raises:
        OSError: a file cannot be read.
        ValueError: there are no sessions, one is damaged, too short, or of another split.
    """
    files = session_files(folder)
    if most_sessions:
        files = [files[k] for k in spread(len(files), most_sessions)]
    found: list[EvaluationWindow] = []
    for done, path in enumerate(files, start=1):
        session = read_session(path)
        if split and session.facts["split"] != split:
            raise ValueError(f"{path} is of split `{session.facts['split']}`, must be of `{split}`")
        windows = windows_of(session if views else without_views(session))
        found += [window for window in windows if window.start_s >= after_s]
        progress(done, len(files))
    if not found:
        raise ValueError(f"{folder}: no session lasts 8 s{f' after {after_s:g} s' if after_s else ''}")
    return found


def windows_of(session: SessionData) -> list[EvaluationWindow]:
    """Of one session."""
    count = len(session.executed_pose) // EVALUATION_ROWS
    return [EvaluationWindow(session, k * EVALUATION_ROWS / MOTION_RATE) for k in range(count)]


def without_views(session: SessionData) -> SessionData:
    """The same without its pictures."""
    return dataclasses.replace(session, view_bytes=np.zeros(0, np.uint8), view_offsets=np.zeros(0, np.int64))


def check_apart(train: Sequence[EvaluationWindow], test: Sequence[EvaluationWindow]) -> None:
    """Raises ValueError where a scene is on both sides."""
    shared = {w.scene_id for w in train} & {w.scene_id for w in test}
    if shared:
        raise ValueError(
            f"{len(shared)} scenes are both in training and in test, such as {sorted(shared)[0]}; methods and probes "
            "would know what they are asked"
        )
