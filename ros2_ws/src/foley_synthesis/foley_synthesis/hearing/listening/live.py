"""Contacts as they are heard: a worker's side of live listening.

    capture -> chunk -> louder channel -> ContactFinder -> a contact, 60 ms after it began
                              |                                  |
                              +-> the last seconds of sound -----+-> model at 60, 150 and 500 ms of it

Everything here works on chunks and counts samples; nothing looks at a clock, so that a recording played through it says
the same as a microphone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.contact_onsets import ContactFinder, ContactOnset
from foley_perception.audio_devices.mailbox import Chunk
from foley_synthesis.hearing.inference.sound_file import HeardContact, hear_contact
from foley_synthesis.hearing.listening.listener import Hearer, Listener

STAGES_S = (0.06, 0.15, 0.5)  # of sound after the onset, at which a model that can says what it hears
WHOLE_S = (0.75,)  # for a model that needs to hear a contact whole
_KEEP_S = 2.0
_LOUDER = 10.0  # times the power of the channel that is listened to, for another to take its place
_AVERAGED_S = 1.0


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What is made of a contact by now."""

    number: int  # of the contact, from 1
    contact: HeardContact  # its time counts from the first sample
    heard_s: float  # of sound after its onset
    first: bool  # nothing was said of this contact before
    last: bool  # nothing more will be


@dataclasses.dataclass
class _Open:
    """A contact of which more is to be said."""

    onset: ContactOnset
    stages: list[float]
    said: bool = False


class LouderChannel:
    """One channel out of several: the loudest, so that channels are never averaged, as they may cancel."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._power: NDArray[np.float64] | None = None
        self.channel = 0

    def take(self, samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], bool]:
        """Of [n, channels] the channel [n], and whether it is another one than before."""
        power = np.square(samples, dtype=np.float64).mean(axis=0)
        if self._power is None:
            self._power = power
            self.channel = int(power.argmax())
            return samples[:, self.channel], False
        share = min(len(samples) / (_AVERAGED_S * self._rate), 1.0)
        self._power += share * (power - self._power)
        loudest = int(self._power.argmax())
        change = bool(self._power[loudest] > _LOUDER * self._power[self.channel])
        if change:
            self.channel = loudest
        return samples[:, self.channel], change


class LiveListening:
    """Feed chunks; estimates come out."""

    def __init__(self, model: Listener, rate: int) -> None:
        self._model, self._rate = model, rate
        self._stages = STAGES_S if isinstance(model, Hearer) else WHOLE_S
        self._finder = ContactFinder(rate)
        self._channel = LouderChannel(rate)
        self._sound = np.zeros(0, np.float32)
        self._start = 0  # index of its first sample
        self._open: list[_Open] = []
        self.lost = 0  # samples
        self.overruns = 0
        self.contacts = 0

    @property
    def seen_s(self) -> float:
        """Of sound, what was lost included."""
        return (self._start + len(self._sound)) / self._rate

    def process(self, chunk: Chunk) -> Iterator[Estimate]:
        """What can be said with it that could not be said before."""
        samples, changed = self._channel.take(chunk.samples)
        if chunk.lost or changed:
            yield from self._gap(chunk.lost)
        self._sound = np.concatenate([self._sound, samples])
        for onset in self._finder.process(samples):
            yield from self._begin(onset)
        yield from self._say()
        surplus = len(self._sound) - round(_KEEP_S * self._rate)
        if surplus > 0:
            self._sound, self._start = self._sound[surplus:], self._start + surplus

    def finish(self) -> Iterator[Estimate]:
        """The source has ended: what can be said of contacts that were not heard to their end."""
        for onset in self._finder.finish():
            yield from self._begin(onset)
        yield from self._close(math.inf)

    # ---- inside ----------------------------------------------------------------------------------------
    def _gap(self, lost: int) -> Iterator[Estimate]:
        for onset in self._finder.skip(lost):
            yield from self._begin(onset)
        yield from self._close(math.inf)
        if lost:
            self.overruns += 1
            self.lost += lost
        self._start += len(self._sound) + lost
        self._sound = np.zeros(0, np.float32)

    def _begin(self, onset: ContactOnset) -> Iterator[Estimate]:
        if onset.moved and self._open:  # before anything was said of it, or else it is said anew
            self._open[-1] = _Open(onset, list(self._stages), self._open[-1].said)
            return
        if onset.moved:
            self._open.append(_Open(onset, list(self._stages), said=True))
            return
        yield from self._close(onset.sample / self._rate)
        self.contacts += 1
        self._open.append(_Open(onset, list(self._stages)))

    def _say(self) -> Iterator[Estimate]:
        for contact in list(self._open):
            began_s = contact.onset.sample / self._rate
            due = [stage for stage in contact.stages if began_s + stage <= self.seen_s]
            if not due:
                continue
            # Whoever is late leaves out what is overtaken already.
            contact.stages = contact.stages[len(due) :]
            yield self._estimate(contact, due[-1], math.inf)
            if not contact.stages:
                self._open.remove(contact)

    def _close(self, following_s: float) -> Iterator[Estimate]:
        """Say what is left to be said of contacts that another one follows, or nothing."""
        for contact in self._open:
            began_s = contact.onset.sample / self._rate
            contact.stages = []
            heard_s = min(self.seen_s - began_s, following_s - began_s, self._stages[-1])
            yield self._estimate(contact, heard_s, following_s)
        self._open.clear()

    def _estimate(self, contact: _Open, heard_s: float, following_s: float) -> Estimate:
        offset_s = self._start / self._rate
        began_s = contact.onset.sample / self._rate
        heard = hear_contact(
            self._sound, self._rate, self._model, began_s - offset_s, following_s - offset_s, heard_s
        )
        first, contact.said = not contact.said, True
        heard = dataclasses.replace(heard, time_s=began_s)
        return Estimate(contact.onset.number + 1, heard, heard_s, first, not contact.stages)
