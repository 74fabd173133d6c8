"""Writes that were done, so that the same one sent again changes nothing and is answered as it was the first time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

MOST = 256
Entry = tuple[str, str, dict[str, Any]]


class ReusedId(ValueError):
    """A write id that another request had; the message says which."""


class WriteLog:
    """Answers by write id, bounded; the oldest goes first. Plain data, for JSON. Not thread-safe.

    Args:
        entries: of an earlier log, oldest first.
    """

    def __init__(self, entries: Iterable[Entry] = (), *, most: int = MOST) -> None:
        self._most = most
        self._done = {write_id: (request, answer) for write_id, request, answer in entries}

    def __len__(self) -> int:
        return len(self._done)

    def answer(self, write_id: str, request: str) -> dict[str, Any] | None:
        """What the write was answered; None where it was not done, or has no id.

        Args:
            request: what is to be written, as one text.

        Raises:
            ReusedId: another request had this id.
        """
        if not write_id or write_id not in self._done:
            return None
        done, answer = self._done[write_id]
        if done != request:
            raise ReusedId(
                f"write_id `{write_id}` was that of another write ({done[:120]}): give every write an id of its own"
            )
        return dict(answer)

    def keep(self, write_id: str, request: str, answer: Mapping[str, Any]) -> None:
        """Remember a write that was done; one without an id is not remembered."""
        if write_id:
            self._done[write_id] = (request, dict(answer))
            while len(self._done) > self._most:
                del self._done[next(iter(self._done))]

    def entries(self) -> list[Entry]:
        """Oldest first."""
        return [(write_id, request, dict(answer)) for write_id, (request, answer) in self._done.items()]
