"""Planned contacts of a data set: the sound that was predicted, what was seen before and what was heard."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from foley_perception.clips.action import motion_known
from foley_perception.clips.grid import CLIP_BEFORE_S, SAMPLE_RATE
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FusionConfig, fuse
from foley_synthesis.hearing.inference.opened import HearsMaterial
from foley_synthesis.metrics import surprise
from foley_synthesis.metrics.surprise_scores import (
    Differences,
    disagreement,
    spectrum_difference,
    spectrum_of,
)
from foley_synthesis.vis.inference.predictor import PredictionInput, Predictor

Frames = NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False)
class HeardContact:
    """One contact, and what was expected of it."""

    scene: str
    object_id: str
    material: str
    action: str
    state: str  # of the object: `tight`, `loose`, ...; empty where it has none
    predicted: Mapping[int, Frames]  # rate [Hz] -> cochleagram [t, bands]; none of a contact nobody planned
    heard: Mapping[int, Frames]  # rate [Hz] -> cochleagram [t, bands]
    seen: Evidence | None
    told: Evidence  # what hearing says of it

    @property
    def time_ns(self) -> int:
        return self.told.time_ns


def planned_contacts(
    predictor: Predictor,
    hears: HearsMaterial,
    dataset: ClipDataset,
    split: str,
    *,
    rates: Sequence[int] = (surprise.CALIBRATION_RATE,),
    heard_hz: int = SAMPLE_RATE,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[HeardContact]:
    """Of one split, in file order.

    Args:
        rates: at which sounds are compared [Hz].
        heard_hz: of the microphone that what hears hears with.
    """
    rows = [
        row
        for row, clip in enumerate(dataset.clips)
        if clip.split == split and motion_known(dataset.action_planned(row))
    ]
    found = []
    for done, row in enumerate(rows, start=1):
        clip = dataset.clips[row]
        sound = surprise.ContactSound(dataset.audio(row), CLIP_BEFORE_S, SAMPLE_RATE)
        made = predictor.predict(PredictionInput(dataset.still(row), None, dataset.action_planned(row)))
        expected = surprise.ContactSound(made.waveform, made.onset_s, made.sample_rate)
        pairs = {
            rate: surprise.aligned_cochleagrams(expected, surprise.at_rate(sound, rate)) for rate in rates
        }
        if not all(pairs.values()):
            continue
        for_model = surprise.at_rate(sound, heard_hz)
        told = hears.predict(for_model.samples, heard_hz, onset_s=CLIP_BEFORE_S)
        seen = None if made.belief is None else Evidence("seen", clip.clip_id, clip.contact_ns, made.belief)
        found.append(
            HeardContact(
                clip.scene_id, clip.object_id, clip.material, clip.action, "",
                {rate: pair[0] for rate, pair in pairs.items() if pair},
                {rate: pair[1] for rate, pair in pairs.items() if pair},
                seen, Evidence("heard", clip.clip_id, clip.contact_ns, told, position=clip.position),
            )
        )  # fmt: skip
        progress(done, len(rows))
    return found


@dataclasses.dataclass(frozen=True, eq=False)
class Expectation:
    """A planned contact, and what had been heard of its object by then."""

    contact: HeardContact
    earlier: tuple[HeardContact, ...]  # in time

    def differences(
        self,
        heard: HeardContact,
        prior: FusionConfig,
        *,
        rate: int = surprise.CALIBRATION_RATE,
        planned: bool = True,
    ) -> Differences:
        """Of what was heard from what was expected.

        Args:
            planned: otherwise there is neither a predicted sound nor sight, but only what was heard before.
        """
        spectrum = before = belief = math.nan
        if planned and rate in self.contact.predicted:
            spectrum = spectrum_difference(
                spectrum_of(self.contact.predicted[rate]), spectrum_of(heard.heard[rate])
            )
        last = newest(self.earlier, heard.action)
        if last is not None:
            before = spectrum_difference(spectrum_of(last.heard[rate]), spectrum_of(heard.heard[rate]))
        held = [contact.told for contact in self.earlier]
        if planned and self.contact.seen is not None:
            held.append(self.contact.seen)
        if held:
            belief = disagreement(fuse(held, prior).belief.p(), heard.told.belief.p())
        return Differences(spectrum, belief, before, last is not None and last.action == heard.action)


def newest(earlier: Sequence[HeardContact], action: str) -> HeardContact | None:
    """The newest contact of this action, or else the newest; None of none."""
    return next((c for c in reversed(earlier) if c.action == action), earlier[-1] if earlier else None)


def expectations(contacts: Sequence[HeardContact]) -> list[Expectation]:
    """Of all contacts, each with those before it with the same object."""
    objects: dict[tuple[str, str], list[HeardContact]] = collections.defaultdict(list)
    for contact in contacts:
        objects[contact.scene, contact.object_id].append(contact)
    found = []
    for things in objects.values():
        things.sort(key=lambda contact: contact.time_ns)
        found += [Expectation(contact, tuple(things[:i])) for i, contact in enumerate(things)]
    return found
