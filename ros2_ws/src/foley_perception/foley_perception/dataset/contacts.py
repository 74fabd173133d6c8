"""Which contacts of a recording become clips."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.audio.clock_fit import SampleClock
from foley_perception.audio.onset import OnsetDetector
from foley_perception.audio.onset_config import OnsetConfig
from foley_perception.contact_event import Contact
from foley_perception.own_noise.mask import NoiseSource


class MergedContact(NamedTuple):
    """A contact, and how many it stands for."""

    contact: Contact
    merged: int


def merge_contacts(contacts: Iterable[Contact], merge_s: float) -> list[MergedContact]:
    """Contacts that follow the one before within ``merge_s`` join it; the first one stands for them."""
    result: list[MergedContact] = []
    newest = -(2**62)
    for contact in sorted(contacts, key=lambda c: c.time_ns):
        if result and contact.time_ns - newest < merge_s * NS_PER_S:
            last = result[-1]
            result[-1] = MergedContact(last.contact, last.merged + 1)
        else:
            result.append(MergedContact(contact, 1))
        newest = contact.time_ns
    return result


def heard(
    blocks: Iterable[NDArray[np.float32]],  # [n] each, one behind the other
    first_sample: int,
    clock: SampleClock,
    sample_rate: int,
    own_noise: NoiseSource | None = None,
) -> Iterator[Contact]:
    """Contacts by ear in one stream of a microphone; with own noise those that stand out of it."""

    def times_ns(samples: NDArray[np.float64]) -> NDArray[np.int64]:
        return clock.time_ns(first_sample + samples)

    expected = own_noise.mask(times_ns) if own_noise is not None else None
    detector = OnsetDetector(OnsetConfig(sample_rate=sample_rate), expected)
    for samples in blocks:
        for onset in detector.process(samples):
            if not onset.clear:
                continue
            yield Contact(int(clock.time_ns(first_sample + onset.sample)))
