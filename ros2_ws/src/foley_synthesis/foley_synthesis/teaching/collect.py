"""From named contacts to examples: heard once each, without copies of one sound."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from foley_synthesis.teaching.embedding import CannotEmbed, embed
from foley_synthesis.teaching.example import Example, TeachingError
from foley_synthesis.teaching.sources import NamedContact, read_contacts

Progress = Callable[[int, int], None]
"""So many contacts of so many are heard."""


def collect(
    model: object,
    positive: Sequence[str],
    negative: Sequence[str],
    progress: Progress = lambda done, total: None,
) -> tuple[list[Example], list[str]]:
    """Examples of arguments as :func:`read_contacts` takes them, and notes on what was left out.

    Raises:
        TeachingError: an argument holds no contact, or one sound is under both labels.
    """
    named: list[tuple[NamedContact, bool]] = []
    notes: list[str] = []
    for label, arguments in ((True, positive), (False, negative)):
        for where in arguments:
            found, problems = read_contacts(where)
            named += [(contact, label) for contact in found]
            notes += problems
    examples: list[Example] = []
    for done, (contact, label) in enumerate(named, 1):
        sound = contact.sound
        try:
            embedding = embed(model, sound.samples, sound.rate, sound.onset_s)
        except CannotEmbed as error:
            notes.append(f"{contact.contact_id}: {error}")
        else:
            examples.append(
                Example(contact.contact_id, label, embedding, contact.group, contact.source, sound=sound)
            )
        progress(done, len(named))
    return _once(examples, notes), notes


def _once(examples: list[Example], notes: list[str]) -> list[Example]:
    """Each sound once: a copy of what was taught would be told rightly whatever was learned.

    Only copies sample by sample: taps on one thing may be as alike as variants of one recording are.
    """
    first: dict[bytes, Example] = {}
    for example in examples:
        assert example.sound is not None
        other = first.setdefault(np.round(example.sound.samples * 2.0**15).tobytes(), example)
        if other.label is not example.label:
            raise TeachingError(
                f"{other.contact_id} and {example.contact_id} are one sound under both labels; name it once"
            )
        if other is not example:
            notes.append(f"{example.contact_id}: the same sound as {other.contact_id}, left out")
    return list(first.values())
