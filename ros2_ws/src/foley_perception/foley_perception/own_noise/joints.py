"""Positions of joints as they come live, by name; several publishers may each tell of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.own_noise.motion import Times
from foley_perception.stamped_history import History

Array = NDArray[np.float64]


class JointHistory:
    """The last seconds of joint states. May be used from several threads.

    Args:
        decode: makes positions [joints] of what is added, in the order of the names it was added with; None where it
            carries none. It is asked only when positions are.
        keep_s: how far back.
    """

    def __init__(self, decode: Callable[[Any], Array | None] | None = None, *, keep_s: float = 8.0) -> None:
        self._decode, self._keep_s = decode, keep_s
        self._told: dict[tuple[str, ...], History[Array]] = {}
        self._read: tuple[tuple[Any, ...], Times, Array] = (
            (),
            np.empty(0, np.int64),
            np.empty((0, 0)),
        )

    def add(self, time_ns: int, names: tuple[str, ...], item: Any) -> None:
        """One message that names these joints."""
        if names not in self._told:
            self._told = {**self._told, names: History(self._decode, keep_s=self._keep_s)}
        self._told[names].add(time_ns, item)

    @property
    def names(self) -> tuple[str, ...]:
        """Joints that were ever told."""
        return tuple(dict.fromkeys(name for names in self._told for name in names))

    def positions(self, name: str, start_ns: int, end_ns: int) -> tuple[Times, Array]:
        """See :data:`foley_perception.own_noise.motion.JointPositions`."""
        for names, history in self._told.items():
            if name not in names:
                continue
            times, rows = self._rows(names, history, start_ns, end_ns)
            if len(times):
                return times, rows[:, names.index(name)]
        return np.empty(0, np.int64), np.empty(0)

    def _rows(
        self, names: tuple[str, ...], history: History[Array], start_ns: int, end_ns: int
    ) -> tuple[Times, Array]:
        """Of one publisher; joints are asked for one after the other, and all of a message are read at once."""
        key = (names, history.received, start_ns, end_ns)
        read = self._read
        if read[0] != key:
            times, values = history.between(start_ns, end_ns)
            whole = [i for i, row in enumerate(values) if len(row) == len(names)]
            rows = np.stack([values[i] for i in whole]) if whole else np.empty((0, len(names)))
            self._read = read = (key, times[whole], rows)
        return read[1], read[2]
