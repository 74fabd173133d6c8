"""Participants, their trials and answers in one SQLite file. What is answered is on disk before it is confirmed."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from foley_synthesis.evaluation.listening_test.trials import StudyError, StudySet

CATCH_EVERY = 8
"""One catch trial in about so many."""
_CODE_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # none that looks like another
_TABLES = """
create table if not exists participants (
  id integer primary key, session text unique not null, code text unique not null, consented_at real not null
);
create table if not exists trials (
  token text primary key, participant integer not null references participants (id), position integer not null,
  clip text not null, model text not null, catch integer not null, real_side text not null
    check (real_side in ('left', 'right')),
  shown_at real, answered_at real, choice text check (choice in ('left', 'right')),
  unique (participant, position)
);
"""


@dataclasses.dataclass(frozen=True)
class Trial:
    """Two videos for one participant, of which one has its own sound."""

    token: str
    position: int  # from 0
    clip: str
    model: str
    catch: bool
    real_side: str  # `left` or `right`
    shown_at: float | None
    answered_at: float | None
    choice: str | None  # the side that was said to be real

    @property
    def fooled(self) -> bool:
        """Whether the made sound was said to be the real one."""
        return self.choice is not None and self.choice != self.real_side


class AnswerRefused(Exception):
    """An answer that does not count; `status` is HTTP's."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class StudyStore:
    """The file of one study.

    Args:
        path: made if it is not there.
        study: what is shown.
        trials: of every participant, catches not counted; fewer where there are fewer clips.
        rng: draws order and sides; a seeded one in tests.

    Raises:
        StudyError: the file is no database of a study.
    """

    def __init__(
        self, path: Path, study: StudySet, *, trials: int = 32, rng: random.Random | None = None
    ) -> None:
        if trials < 1:
            raise StudyError(f"--trials is {trials}, must be at least 1")
        self._study, self._count = study, trials
        self._rng = rng or random.SystemRandom()
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            self._db.executescript(_TABLES)
        except (sqlite3.Error, OSError) as error:
            raise StudyError(f"{path}: is no file of answers that can be written ({error})") from error

    def close(self) -> None:
        self._db.close()

    # ---- participants --------------------------------------------------------------------------------------
    def consent(self, now: float | None = None) -> tuple[str, str]:
        """A new participant with all trials drawn. Returns the session's secret and the code to come back with."""
        session = secrets.token_urlsafe(32)
        code = "".join(secrets.choice(_CODE_LETTERS) for _ in range(10))
        with self._change():
            cursor = self._db.execute(
                "insert into participants (session, code, consented_at) values (?, ?, ?)",
                (session, code, time.time() if now is None else now),
            )
            participant = int(cursor.lastrowid or 0)
            for position, (clip, model, catch) in enumerate(self._draw(participant)):
                self._db.execute(
                    "insert into trials (token, participant, position, clip, model, catch, real_side) "
                    "values (?, ?, ?, ?, ?, ?, ?)",
                    (secrets.token_urlsafe(18), participant, position, clip, model, int(catch),
                     self._rng.choice(("left", "right"))),
                )  # fmt: skip
        return session, code

    def resume(self, code: str) -> str | None:
        """The session of a participant's code, in any case and with spaces; None if there is no such code."""
        cleaned = "".join(code.split()).upper()
        row = self._one("select session from participants where code = ?", cleaned)
        return None if row is None else str(row[0])

    def participant(self, session: str) -> tuple[int, str] | None:
        """Number and code of a session."""
        row = self._one("select id, code from participants where session = ?", session)
        return None if row is None else (int(row[0]), str(row[1]))

    # ---- trials --------------------------------------------------------------------------------------------
    def trials(self, participant: int) -> list[Trial]:
        """All trials of a participant in order."""
        with self._lock:
            rows = self._db.execute(
                "select token, position, clip, model, catch, real_side, shown_at, answered_at, choice from trials "
                "where participant = ? order by position",
                (participant,),
            ).fetchall()
        return [_trial(row) for row in rows]

    def current(self, participant: int, now: float | None = None) -> Trial | None:
        """The first trial without an answer, which counts as shown from now on; None when all are done."""
        trial = next((t for t in self.trials(participant) if t.answered_at is None), None)
        if trial is not None and trial.shown_at is None:
            shown = time.time() if now is None else now
            with self._change():
                self._db.execute("update trials set shown_at = ? where token = ?", (shown, trial.token))
            trial = dataclasses.replace(trial, shown_at=shown)
        return trial

    def answer(self, participant: int, token: str, choice: str, now: float | None = None) -> None:
        """
        Raises:
            AnswerRefused: another's, an old or a future trial, no such side, or sooner than both clips last.
        """
        now = time.time() if now is None else now
        trial = next((t for t in self.trials(participant) if t.token == token), None)
        if trial is None:
            raise AnswerRefused(404, "there is no such trial")
        if choice not in ("left", "right"):
            raise AnswerRefused(422, "the choice must be `left` or `right`")
        if trial.answered_at is not None:
            raise AnswerRefused(409, "this trial is answered already")
        if trial.shown_at is None:
            raise AnswerRefused(409, "this trial was not shown yet")
        if now - trial.shown_at < 2 * self._study.clip(trial.clip).duration_s:
            raise AnswerRefused(425, "please watch both videos first")
        with self._change():
            done = self._db.execute(
                "update trials set choice = ?, answered_at = ? where token = ? and answered_at is null",
                (choice, now, token),
            )
            if done.rowcount != 1:
                raise AnswerRefused(409, "this trial is answered already")

    # ---- internals -----------------------------------------------------------------------------------------
    def _draw(self, participant: int) -> list[tuple[str, str, bool]]:
        """Clips in random order, each with one model; models take turns over clips and participants."""
        clips = [c for c in self._study.clips if not c.catch]
        chosen = self._rng.sample(clips, min(self._count, len(clips)))
        number = {clip.clip_id: i for i, clip in enumerate(clips)}
        drawn = []
        for clip in chosen:
            models = sorted(clip.made)
            drawn.append((clip.clip_id, models[(number[clip.clip_id] + participant) % len(models)], False))
        catches = [c for c in self._study.clips if c.catch]
        for clip in self._rng.sample(catches, min(len(catches), -(-len(drawn) // CATCH_EVERY))):
            place = self._rng.randrange(1, len(drawn) + 1)
            drawn.insert(place, (clip.clip_id, sorted(clip.made)[0], True))
        return drawn

    @contextlib.contextmanager
    def _change(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._db.execute("rollback")
                raise
            self._db.execute("commit")

    def _one(self, query: str, value: str) -> tuple[Any, ...] | None:
        with self._lock:
            row: tuple[Any, ...] | None = self._db.execute(query, (value,)).fetchone()
        return row


def read_answers(path: Path) -> list[tuple[int, Trial]]:
    """Every answered trial with its participant.

    Raises:
        StudyError: no such file, or it holds no answers.
    """
    if not path.is_file():
        raise StudyError(f"{path}: there is no such file; `foley study serve` writes it")
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            rows = db.execute(
                "select participant, token, position, clip, model, catch, real_side, shown_at, answered_at, choice "
                "from trials where answered_at is not null order by participant, position"
            ).fetchall()
    except sqlite3.Error as error:
        raise StudyError(f"{path}: is no file of answers ({error})") from error
    return [(int(row[0]), _trial(row[1:])) for row in rows]


def _trial(row: Sequence[Any]) -> Trial:
    token, position, clip, model, catch, real_side, shown_at, answered_at, choice = row
    return Trial(token, position, clip, model, bool(catch), real_side, shown_at, answered_at, choice)
