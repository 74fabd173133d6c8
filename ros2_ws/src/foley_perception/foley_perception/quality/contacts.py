"""The contacts of a recording, and what somebody said of them."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from foley_common import topics
from foley_common.enumerations import UNKNOWN
from foley_common.topics import MAIN_ARM, MAIN_MICROPHONE
from foley_perception.contact_event import Contact
from foley_perception.dataset.contacts import MergedContact, merge_contacts
from foley_perception.dataset.survey import recorded_contacts
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.outline import Outline
from foley_perception.episodes.sound import Stream
from foley_perception.episodes.tracks import EpisodeError
from foley_perception.quality.sound_meter import Heard, SoundMeter
from foley_perception.recording.labels import PAUSE

MERGE_S = 0.3  # closer contacts count as one, as in a data set
LABEL_KEYS: tuple[str, ...] = ("segment", "action", "material", "success")
_NEAR_NS = 100_000_000  # an onset this near to a recorded contact is of it
_VALUES = 12  # of a label's key that are told


@dataclasses.dataclass(frozen=True)
class Found:
    """The contacts of a recording."""

    contacts: tuple[MergedContact, ...]  # as a data set has them: recorded ones, else those that are heard
    source: str  # the topic they are from; `heard` where they were found in the sound; empty: nowhere
    heard: tuple[
        tuple[int, float], ...
    ]  # onsets in the sound of the main microphone: time [ns], level [dBFS]


def found_contacts(outline: Outline, sounds: Mapping[str, SoundMeter]) -> Found:
    """By the rule of `foley dataset build`: true ones, else detected ones, else by ear."""
    heard = _heard(outline, sounds)
    recorded = recorded_contacts(outline)
    topic = outline.topic("contacts", MAIN_ARM) or topics.CONTACTS
    source = outline.names.get(topic.role, topic.name) if recorded else "heard" if heard else ""
    contacts = recorded or [Contact(time_ns) for time_ns, _ in heard]
    return Found(tuple(merge_contacts(contacts, MERGE_S)), source, heard)


def margins_db(found: Found, floor_dbfs: float) -> list[float]:
    """By how much the peak of each contact that is heard lies over the noise floor."""
    if not math.isfinite(floor_dbfs) or not found.heard:
        return []
    times = np.array([time_ns for time_ns, _ in found.heard], np.int64)
    levels = [level for _, level in found.heard]
    margins = []
    for merged in found.contacts:
        nearest = int(np.argmin(np.abs(times - merged.contact.time_ns)))
        if abs(int(times[nearest]) - merged.contact.time_ns) <= _NEAR_NS:
            margins.append(levels[nearest] - floor_dbfs)
    return margins


def label_figures(episode: Episode | None, contacts: Sequence[MergedContact]) -> dict[str, Any]:
    """Which labels there are, and of which share of the contacts somebody said what.

    A contact is labelled where a label, the session's `objects`, the simulated scene or the contact itself tells its
    material or its action.
    """
    labels = [label for label in episode.labels if label.key != PAUSE] if episode is not None else []
    counts = collections.Counter(label.key for label in labels)
    values: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for label in labels:
        values[label.key][label.value] += 1
    told = [_told_of(episode, merged.contact) for merged in contacts] if episode is not None else []
    shares = {key: _share(key in keys for keys in told) for key in LABEL_KEYS}
    return {
        "labels": len(labels),
        "keys": {key: counts.get(key, 0) for key in dict.fromkeys([*LABEL_KEYS, *sorted(counts)])},
        "values": {key: dict(found.most_common(_VALUES)) for key, found in sorted(values.items())},
        "contacts_by_key": shares,
        "coverage": _share(bool(keys & {"material", "action"}) for keys in told),
    }


def said_of(episode: Episode, contact: Contact) -> dict[str, str]:
    """What is known of one contact in words: `action`, `material`, `object`; empty where nobody said it."""
    properties = episode.object_properties(contact.object_id, contact.time_ns)
    action = (
        contact.action_name if contact.action_name != UNKNOWN else str(properties.get("action", "") or "")
    )
    return {
        "action": action,
        "material": str(properties.get("material", "") or ""),
        "object": contact.object_id,
    }


# ---- inside --------------------------------------------------------------------------------------------
def _told_of(episode: Episode, contact: Contact) -> set[str]:
    properties = episode.object_properties(contact.object_id, contact.time_ns)
    keys = {str(key) for key, value in properties.items() if value not in ("", None)}
    return keys | ({"action"} if contact.action_name != UNKNOWN else set())


def _share(true: Iterable[bool]) -> float:
    known = list(true)
    return sum(known) / len(known) if known else math.nan


def _heard(outline: Outline, sounds: Mapping[str, SoundMeter]) -> tuple[tuple[int, float], ...]:
    """Onsets by the clock of their stream, which does not jitter; by the stamps of their blocks where it has none."""
    topic = outline.topic("audio", MAIN_MICROPHONE)
    meter = sounds.get(outline.names[topic.role]) if topic is not None else None
    if topic is None or meter is None:
        return ()
    try:
        streams: tuple[Stream, ...] = outline.sound(topic).streams
    except EpisodeError:  # told by the audit
        streams = ()
    return tuple(sorted((_time_of(onset, streams), onset.level_dbfs) for onset in meter.heard))


def _time_of(onset: Heard, streams: Sequence[Stream]) -> int:
    for stream in streams:
        if stream.stream_id == onset.stream_id and stream.first_sample <= onset.sample < stream.stop_sample:
            time_ns = int(stream.clock.time_ns(onset.sample))
            if abs(time_ns - onset.about_ns) < 2_000_000_000:  # of a source that restarted and kept its name
                return time_ns
    return onset.about_ns
