"""How surprising a heard contact is: by what the checkpoint's surprise.yaml weighs, or by the predicted sound alone."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foley_perception.contact_event import Contact
from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import fuse
from foley_synthesis.live.contact import ExpectedSound
from foley_synthesis.live.contact_queue import HeardSound
from foley_synthesis.metrics import surprise
from foley_synthesis.metrics.surprise_ranks import SurpriseTest
from foley_synthesis.metrics.surprise_scores import (
    Differences,
    disagreement,
    spectrum_difference,
    spectrum_of,
)

NAN = math.nan
LOWEST_HZ = 16_000  # at which the false alarms of a fitted surprise have been measured
_MOST_OBJECTS = 256
KIND_CONTACT, KIND_MISSED = "contact", "missed"


@dataclasses.dataclass(frozen=True)
class Surprise:
    """Expected against heard, for one contact; or a contact that did not come."""

    contact: Contact
    plan_id: str
    distance_name: str  # what `distance` is: a situation of `surprise_scores`, or the cochleagrams' distance
    distance: float
    percentile: float  # NaN where nobody calibrated it: see `Comparison.unranked`
    surprised: bool
    kind: str = KIND_CONTACT


@dataclasses.dataclass(frozen=True, eq=False)
class _Spectrum:
    values: NDArray[np.float64]  # [bands]
    sample_rate: int
    time_ns: int


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """What a comparison needs of the sounds alone."""

    spectrum: NDArray[np.float64] | None = None  # [bands] of the heard one; None where it is too short
    difference: float = NAN  # of the spectra of the heard and the predicted one


class Comparison:
    """Compares contacts with what was expected of them, and remembers what each object sounded like. Not thread-safe,
    but for :meth:`prepare`.

    Args:
        calibration: distances of expected contacts, for what `test` does not tell; may be empty.
        test: fitted for the two models that see and hear; None: nobody fitted one.
        level: percentile above which a contact is surprising.
    """

    def __init__(
        self, calibration: surprise.Calibration, test: SurpriseTest | None = None, level: float = 0.95
    ) -> None:
        self._calibration, self._test, self._level = calibration, test, level
        self._sounded: collections.OrderedDict[str, dict[int, _Spectrum]] = collections.OrderedDict()
        self.unranked = ""  # why the newest surprise has no percentile; empty where it has one

    def prepare(self, sound: HeardSound, expected: ExpectedSound | None) -> Prepared:
        """What can be done before anything is known of the contact but its sound: most of the work."""
        if self._test is None or not sound.complete:
            return Prepared()
        heard = surprise.ContactSound(sound.samples, sound.onset_s, sound.sample_rate)
        frames = surprise.aligned_cochleagram(heard, sound.sample_rate)
        spectrum = None if frames is None else spectrum_of(frames)
        if expected is None or expected.model_id not in ("", self._test.sight_model):
            return Prepared(spectrum)
        predicted = surprise.ContactSound(expected.samples, expected.onset_s, expected.sample_rate)
        pair = surprise.aligned_cochleagrams(predicted, heard)
        if pair is None:
            return Prepared(spectrum)
        return Prepared(spectrum, spectrum_difference(spectrum_of(pair[0]), spectrum_of(pair[1])))

    def compare(
        self,
        sound: HeardSound,
        expected: ExpectedSound | None,
        object_id: str,
        held: Sequence[Evidence],
        belief: MaterialBelief,
        prepared: Prepared,
    ) -> Surprise | None:
        """None where nothing was expected, or where not all of the sound was received.

        Args:
            expected: what the plan was to sound like; None: nobody planned it.
            object_id: that was touched; empty: not known.
            held: what was known of that object before.
            belief: what this contact alone says.
            prepared: of these sounds.
        """
        if not sound.complete:
            return None
        plan_id = sound.contact.plan_id if expected is None else expected.plan_id
        if self._test is not None and sound.sample_rate >= LOWEST_HZ:
            differences = self._differences(sound, object_id, held, belief, prepared)
            verdict = self._test.verdict(differences, sound.contact.action_name)
            if verdict is not None:
                self.unranked = ""
                percentile = verdict.percentile
                surprised = percentile > self._level
                return Surprise(
                    sound.contact, plan_id, verdict.situation, verdict.score, percentile, surprised
                )
        if expected is None:
            return None
        heard = surprise.ContactSound(sound.samples, sound.onset_s, sound.sample_rate)
        predicted = surprise.ContactSound(expected.samples, expected.onset_s, expected.sample_rate)
        distance = surprise.cochleagram_distance(predicted, heard)
        rate = surprise.compared_rate(predicted, heard)
        percentile = surprise.conformal_percentile(distance, self._calibration.of(rate))
        self.unranked = self._calibration.why_not(rate)
        name = surprise.distance_name(rate)
        return Surprise(sound.contact, plan_id, name, distance, percentile, percentile > self._level)

    def remember(self, sound: HeardSound, object_id: str, prepared: Prepared) -> None:
        """What an object sounded like, for the contacts to come."""
        if prepared.spectrum is None or not object_id:
            return
        by_action = self._sounded.setdefault(object_id, {})
        self._sounded.move_to_end(object_id)
        contact = sound.contact
        by_action[contact.action] = _Spectrum(prepared.spectrum, sound.sample_rate, contact.time_ns)
        if len(self._sounded) > _MOST_OBJECTS:
            self._sounded.popitem(last=False)

    def _differences(
        self,
        sound: HeardSound,
        object_id: str,
        held: Sequence[Evidence],
        belief: MaterialBelief,
        prepared: Prepared,
    ) -> Differences:
        assert self._test is not None
        known = [item for item in held if item.kind in ("seen", "heard") and item.belief.probabilities]
        disagreed = disagreement(fuse(known, self._test.prior).belief.p(), belief.p()) if known else NAN
        action = sound.contact.action
        by_action = self._sounded.get(object_id, {})
        last = by_action.get(action) or max(by_action.values(), key=lambda s: s.time_ns, default=None)
        if last is None or last.sample_rate != sound.sample_rate or prepared.spectrum is None:
            return Differences(prepared.difference, disagreed)
        before = spectrum_difference(last.values, prepared.spectrum)
        return Differences(prepared.difference, disagreed, before, action in by_action)
