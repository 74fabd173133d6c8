"""Contacts that wait for their sound.

A contact is announced within a tenth of a second of its onset; what the model listens to lasts longer. So a
contact waits until the ring holds the sound up to ``after_s`` past its onset, or until that sound is overdue.
"""

from __future__ import annotations

import collections
import dataclasses
import threading

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.audio.ring import AudioRing
from foley_perception.contact_event import Contact


@dataclasses.dataclass(frozen=True, eq=False)
class HeardSound:
    """A contact with the sound around it."""

    contact: Contact
    samples: NDArray[np.float32]  # [n] mono
    onset_s: float  # of the contact within the samples
    sample_rate: int
    known: float  # share of the samples that was received

    @property
    def complete(self) -> bool:
        return self.known >= 0.98


class ContactQueue:
    """Pairs contacts with their sound. May be used from several threads.

    Args:
        ring: where the sound is; another one from when its rate changes.
        before_s, after_s: sound around the onset that is handed on.
        patience_s: how long after that a contact waits for sound that does not come.
        capacity: contacts that wait at most; the oldest goes first.
    """

    def __init__(
        self,
        ring: AudioRing,
        *,
        before_s: float = 0.25,
        after_s: float = 0.65,
        patience_s: float = 1.0,
        capacity: int = 32,
    ) -> None:
        self.ring = ring
        self._before_s, self._after_s, self._patience_s = before_s, after_s, patience_s
        self._waiting: collections.deque[Contact] = collections.deque(maxlen=capacity)
        self._seen: collections.deque[str] = collections.deque(maxlen=256)
        self._lock = threading.Lock()

    def add(self, contact: Contact) -> bool:
        """Have a contact wait. False if it is known already: an event sent again does not count twice."""
        with self._lock:
            if contact.contact_id in self._seen:
                return False
            self._seen.append(contact.contact_id)
            self._waiting.append(contact)
            return True

    def __len__(self) -> int:
        with self._lock:
            return len(self._waiting)

    def due_ns(self) -> int | None:
        """When the sound of the next contact ends; None where none waits."""
        with self._lock:
            first = min((contact.time_ns for contact in self._waiting), default=None)
        return None if first is None else first + round(self._after_s * NS_PER_S)

    def ready(self, now_ns: int) -> list[HeardSound]:
        """Contacts whose sound is there, or overdue (then ``known`` says how much of it is missing)."""
        end_ns = self.ring.end_ns
        with self._lock:
            due = [
                contact
                for contact in self._waiting
                if (end_ns is not None and end_ns >= contact.time_ns + self._after_s * NS_PER_S)
                or now_ns > contact.time_ns + (self._after_s + self._patience_s) * NS_PER_S
            ]
            for contact in due:
                self._waiting.remove(contact)
        return [self._cut(contact) for contact in due]

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def _cut(self, contact: Contact) -> HeardSound:
        start_ns = contact.time_ns - round(self._before_s * NS_PER_S)
        count = round((self._before_s + self._after_s) * self.ring.sample_rate)
        samples, known = self.ring.slice(start_ns, count)
        return HeardSound(contact, samples, self._before_s, self.ring.sample_rate, float(known.mean()))
