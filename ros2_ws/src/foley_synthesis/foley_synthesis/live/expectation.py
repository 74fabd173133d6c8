"""What is expected of planned contacts: which contact a predicted sound belongs to, and which contact did not come.

A planned contact is missed when `TOLD_AFTER_S` past its time no contact was announced near it in time and place, and
nothing sounded around it either. What is not known is not told: no sound that came, a contact detector that is not
there, a plan that was replaced before. Where something sounded and nobody announces a contact for `PATIENCE_S`, it is
the detector that is in doubt: this is said, and until it announces one again nothing is missed.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import threading

from foley_common.times import NS_PER_S
from foley_perception.audio.onset import OnsetDetector
from foley_perception.audio.onset_config import OnsetConfig
from foley_perception.audio.ring import AudioRing
from foley_perception.contact_event import Contact
from foley_synthesis.live.contact import ExpectedSound, distance_m

MATCH_S = 0.25  # a prediction belongs to a contact this near in time ...
MATCH_M = 0.15  # ... and, where both places are known, in space
TOLD_AFTER_S = 0.25  # past the expected contact; a contact is announced some 0.14 s after its onset
_SOUND_BEFORE_S = 0.25  # around the expected contact, in which nothing may sound
_SOUND_AFTER_S = 0.18
_BACKGROUND_S = 0.35  # of sound before that, over which an onset rises
_KNOWN = 0.98  # share of the sound that must have been received
PATIENCE_S = 1.0  # past the expected contact, for sound that comes late, and for the contact that sounded
_MOST = 32


class Fate(enum.Enum):
    """What became of a planned contact."""

    CAME = "came"
    MISSED = "missed"  # it did not come
    UNDETECTED = "undetected"  # something sounded and nobody announced a contact
    NOT_KNOWN = "not known"  # the sound is missing, or nobody may have detected it


@dataclasses.dataclass(eq=False)
class _Awaited:
    sound: ExpectedSound
    watched: bool  # it may still be missed
    sounded: bool = False  # something did, around its time


class Expectations:
    """Predicted sounds until their contacts are heard. May be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._awaited: collections.deque[_Awaited] = collections.deque(maxlen=_MOST)
        self._came: collections.deque[Contact] = collections.deque(maxlen=_MOST)
        self._plans: collections.deque[tuple[str, int]] = collections.deque(maxlen=_MOST)  # id, start [ns]
        self._doubted = False  # whether somebody detects contacts

    def __len__(self) -> int:
        with self._lock:
            return len(self._awaited)

    def expect(self, sound: ExpectedSound, now_ns: int) -> None:
        """Keep a predicted sound until its contact is heard; a newer one of the same plan replaces it.

        One that comes after its time is not missed: its contact may have gone by unwatched.
        """
        with self._lock:
            if sound.plan_id:
                self._keep([a for a in self._awaited if a.sound.plan_id != sound.plan_id])
            watched = now_ns < sound.contact_ns and not self._replaced(sound)
            self._awaited.append(_Awaited(sound, watched))

    def planned(self, plan_id: str, start_ns: int) -> None:
        """A plan was told. What earlier plans expected after it begins is not going to happen."""
        with self._lock:
            self._plans.append((plan_id, start_ns))
            for awaited in self._awaited:
                awaited.watched = awaited.watched and not self._replaced(awaited.sound)

    def announced(self, contact: Contact) -> None:
        """A contact was detected, whose sound is not there yet."""
        with self._lock:
            self._came.append(contact)
            self._doubted = False

    def take(self, contact: Contact) -> ExpectedSound | None:
        """The sound that was expected of a contact; it is not given twice."""
        with self._lock:
            candidates = [awaited for awaited in self._awaited if _fits(awaited.sound, contact)]
            if not candidates:
                return None
            best = min(
                candidates,
                key=lambda a: (
                    not (contact.plan_id and a.sound.plan_id == contact.plan_id),
                    abs(a.sound.contact_ns - contact.time_ns),
                ),
            )
            self._awaited.remove(best)
            return best.sound

    def due(self, now_ns: int) -> bool:
        """Whether a contact should have come by now of which it is not known yet whether it did."""
        return bool(self._waiting(now_ns))

    def overdue(self, now_ns: int, ring: AudioRing, *, deaf: bool) -> list[tuple[ExpectedSound, Fate]]:
        """Contacts that should have come by now, each once.

        Args:
            ring: the sound that was heard.
            deaf: whether contacts may be missed, for want of sound or of a contact detector.
        """
        found = []
        for awaited in self._waiting(now_ns):
            fate = self._fate(awaited, now_ns, ring, deaf)
            if fate is not None:
                awaited.watched = False
                found.append((awaited.sound, fate))
        return [(sound, fate) for sound, fate in found if fate is not Fate.CAME]

    def clear(self) -> None:
        """Nothing is expected any more."""
        with self._lock:
            self._awaited.clear()
            self._came.clear()
            self._plans.clear()

    def _replaced(self, sound: ExpectedSound) -> bool:
        """Whether a plan that came after its own begins before its contact."""
        own = [i for i, (plan_id, _) in enumerate(self._plans) if plan_id == sound.plan_id]
        later = list(self._plans)[own[-1] + 1 if own else 0 :]
        return any(plan_id != sound.plan_id and start_ns <= sound.contact_ns for plan_id, start_ns in later)

    def _waiting(self, now_ns: int) -> list[_Awaited]:
        due_ns = now_ns - round(TOLD_AFTER_S * NS_PER_S)
        with self._lock:
            return [a for a in self._awaited if a.watched and a.sound.contact_ns <= due_ns]

    def _keep(self, awaited: list[_Awaited]) -> None:
        self._awaited.clear()
        self._awaited.extend(awaited)

    def _fate(self, awaited: _Awaited, now_ns: int, ring: AudioRing, deaf: bool) -> Fate | None:
        """None: its sound, or the contact that sounded, is still to come."""
        sound = awaited.sound
        with self._lock:
            if any(_fits(sound, contact) for contact in self._came):
                return Fate.CAME
        if deaf:
            return Fate.NOT_KNOWN
        late = now_ns > sound.contact_ns + PATIENCE_S * NS_PER_S
        if not awaited.sounded:
            end_ns = ring.end_ns
            if end_ns is None or end_ns < sound.contact_ns + _SOUND_AFTER_S * NS_PER_S:
                return Fate.NOT_KNOWN if late else None
            sounded = something_sounded(ring, sound.contact_ns)
            if sounded is None:
                return Fate.NOT_KNOWN
            awaited.sounded = sounded
        with self._lock:
            if awaited.sounded:
                self._doubted |= late
                return Fate.UNDETECTED if late else None
            return Fate.NOT_KNOWN if self._doubted else Fate.MISSED


def something_sounded(ring: AudioRing, contact_ns: int) -> bool | None:
    """Whether there was an onset around an expected contact; None where the sound was not received, or is none.

    Sound without any noise in it is that of a microphone which is off.
    """
    start_ns = contact_ns - round((_SOUND_BEFORE_S + _BACKGROUND_S) * NS_PER_S)
    samples, known = ring.between(start_ns, contact_ns + round(_SOUND_AFTER_S * NS_PER_S))
    if known.mean() < _KNOWN or not samples.any():
        return None
    background = round(_BACKGROUND_S * ring.sample_rate)
    detector = OnsetDetector(OnsetConfig(sample_rate=ring.sample_rate))
    detector.expect(samples[:background])
    return any(onset.sample >= background for onset in detector.process(samples))


def _fits(sound: ExpectedSound, contact: Contact) -> bool:
    apart = distance_m(sound.position, contact.position)
    return abs(sound.contact_ns - contact.time_ns) <= MATCH_S * NS_PER_S and not apart > MATCH_M
