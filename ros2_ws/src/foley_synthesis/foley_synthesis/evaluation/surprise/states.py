"""Contacts with things in opposite states, of a set of `foley sim states`: tight or loose, empty or full, whole or not.

Nobody planned them and there are no pictures, so what is expected of a thing is what it sounded like before: in the
state in which it was touched first.
"""

from __future__ import annotations

import collections
import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from foley_perception.audio.resample import resampled
from foley_perception.audio.sound_file import read_sound
from foley_perception.clips.grid import CLIP_BEFORE_S, SAMPLE_RATE
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.evaluation.surprise.cases import Case, case_of
from foley_synthesis.evaluation.surprise.contacts import Expectation, HeardContact
from foley_synthesis.hearing.inference.opened import HearsMaterial
from foley_synthesis.metrics import surprise

LABELS = "labels.csv"
_AFTER_S = 0.65  # of sound that is heard


def state_contacts(
    hears: HearsMaterial,
    folder: Path,
    split: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[HeardContact]:
    """Of one split, in the order of the table. A thing in another scene counts as another thing.

    Raises:
        ValueError: no such set, or a column is missing.
        OSError: a sound cannot be read.
    """
    path = folder / LABELS
    if not path.is_file():
        raise ValueError(f"{folder}: has no {LABELS}: is it a set of `foley sim states`?")
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("split") == split]
    if not rows:
        raise ValueError(f"{path}: no contacts of split `{split}`")
    found, sounds, last = [], np.zeros(0, np.float32), ""
    for number, row in enumerate(rows, start=1):
        if row["file"] != last:
            last = row["file"]
            sounds = resampled(*read_sound(folder / last), SAMPLE_RATE)
        start = round((float(row["onset_s"]) - CLIP_BEFORE_S) * SAMPLE_RATE)
        cut = sounds[max(start, 0) : start + round((CLIP_BEFORE_S + _AFTER_S) * SAMPLE_RATE)]
        sound = surprise.ContactSound(cut, CLIP_BEFORE_S, SAMPLE_RATE)
        pair = surprise.aligned_cochleagrams(sound, sound)
        if start < 0 or pair is None:
            continue
        told = hears.predict(cut, SAMPLE_RATE, onset_s=CLIP_BEFORE_S)
        found.append(
            HeardContact(
                row["object"], f"{row['object']}/{row['scene']}", row["material"], row["action"], row["state"],
                {}, {SAMPLE_RATE: pair[1]}, None, Evidence("heard", row["contact"], number, told),
            )
        )  # fmt: skip
        progress(number, len(rows))
    return found


def changed_cases(
    contacts: Sequence[HeardContact], prior: FusionConfig, first: str, then: str
) -> tuple[list[Case], list[Case]]:
    """Contacts with things in the state ``first`` after others in that state, and with the same in ``then``.

    Each has as many contacts before it as there are of its thing in ``first``, but for itself.
    """
    things: dict[str, dict[str, list[HeardContact]]] = collections.defaultdict(dict)
    for contact in contacts:
        if contact.state in (first, then):
            things[contact.object_id].setdefault(contact.state, []).append(contact)
    same, changed = [], []
    for states in things.values():
        before = states.get(first, [])
        for k, contact in enumerate(before):
            others = (*before[:k], *before[k + 1 :])
            if others:
                same.append(case_of(Expectation(contact, others), contact, prior, planned=False))
        for contact in states.get(then, []) if len(before) > 1 else []:
            changed.append(case_of(Expectation(contact, tuple(before[1:])), contact, prior, planned=False))
    return same, changed
