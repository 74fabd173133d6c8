"""Contacts that somebody names to teach with: sound files, folders of them, bags, and clips of data sets.

knock.wav                          every contact that is heard in the file; the file is a group
taps/                              every sound file and bag below the folder
bags/kitchen@object_id=jar         contacts of a bag with one object; the object is a group
out/dataset@object_id=jar,action=tap    clips of a data set
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.near_names import among
from foley_synthesis.hearing.inference.sound_file import pick_onsets, read_audible
from foley_synthesis.hearing.listening.files import SUFFIXES
from foley_synthesis.teaching.example import TaughtSound, TeachingError

if TYPE_CHECKING:
    from foley_perception.contact_event import Contact

BEFORE_S, AFTER_S = 0.25, 1.2  # of sound around an onset that is kept
_LEAD_S = 0.03  # before the next contact, which may have begun by then
_SEARCHED_HZ = 48_000
_OF_CLIPS = ("object_id", "scene_id", "session_id", "clip_id", "material", "action", "split")
_OF_CONTACTS = ("object_id", "contact_id", "action")


@dataclasses.dataclass(frozen=True, eq=False)
class NamedContact:
    """A contact that was asked for."""

    contact_id: str
    group: str  # contacts of one group are not independent
    source: str
    sound: TaughtSound


def read_contacts(where: str) -> tuple[list[NamedContact], list[str]]:
    """All contacts of one argument, and what could not be used, in words.

    Raises:
        TeachingError: there is nothing of that name, or it holds no contact, or has no such field.
    """
    path, wanted = _parsed(where)
    problems: list[str] = []
    if _is_dataset(path):
        found = list(_of_dataset(path, wanted))
    elif _is_bag(path):
        found = list(_of_bag(path, wanted))
    else:
        if wanted:
            raise TeachingError(
                f"{where}: only bags and data sets know {', '.join(wanted)}; name the files themselves"
            )
        found = []
        for file in _below(path):
            try:
                found += list(_of_bag(file, {}) if _is_bag(file) else _of_file(file))
            except ValueError as error:  # of a sound file, or of a bag
                problems.append(str(error))
    if not found:
        raise TeachingError(
            f"{where}: holds no contact that can be heard{': ' if problems else ''}{'; '.join(problems)}"
        )
    return found, problems


def _parsed(where: str) -> tuple[Path, dict[str, str]]:
    """A path, and values that fields must have."""
    path = Path(where).expanduser()
    if path.exists():
        return path, {}
    before, at, after = where.rpartition("@")
    path = Path(before).expanduser()
    if not at or not path.exists():
        raise TeachingError(f"{where}: there is no such file or folder")
    wanted: dict[str, str] = {}
    for part in after.split(","):
        field, equals, value = part.partition("=")
        if not equals or not field or not value:
            raise TeachingError(f"{where}: `{part}` is no FIELD=VALUE, such as object_id=jar")
        wanted[field] = value
    return path, wanted


def _check_fields(path: Path, wanted: Mapping[str, str], known: Sequence[str]) -> None:
    for field in wanted:
        if field not in known:
            raise TeachingError(f"{path}: a contact has no field `{field}`; {among(field, known)}")


def _is_dataset(path: Path) -> bool:
    return (path / "manifest.json").is_file()


def _is_bag(path: Path) -> bool:
    from foley_perception.recording.bag_files import is_bag

    return path.suffix in (".mcap", ".db3") or (path.is_dir() and is_bag(path))


def _below(path: Path) -> Iterator[Path]:
    """Sound files and bags, in order; hidden ones not. A bag is not looked into."""
    if not path.is_dir() or _is_bag(path):
        yield path
        return
    for inner in sorted(path.iterdir()):
        if inner.name.startswith("."):
            continue
        if inner.is_dir():
            yield from _below(inner)
        elif inner.suffix.lower() in SUFFIXES:
            yield inner


def _of_file(path: Path) -> Iterator[NamedContact]:
    samples, rate = read_audible(path)
    onsets = _onsets(samples, rate)
    for onset, following in itertools.pairwise([*onsets, math.inf]):
        yield _named(
            path, str(path.absolute()), f"{path.name}@{onset:.2f}", _cut(samples, rate, onset, following)
        )


def _of_bag(path: Path, wanted: Mapping[str, str]) -> Iterator[NamedContact]:
    from foley_perception.episodes.reader import read_episode

    _check_fields(path, wanted, _OF_CONTACTS)
    episode = read_episode(path)
    if episode.audio is None:
        raise TeachingError(f"{path}: no microphone was recorded")
    contacts = episode.detected
    if not contacts and not wanted:  # nobody detected any while it was recorded
        for i, segment in enumerate(episode.audio.segments):
            onsets = _onsets(segment.samples, segment.sample_rate)
            for onset, following in itertools.pairwise([*onsets, math.inf]):
                sound = _cut(segment.samples, segment.sample_rate, onset, following)
                yield _named(path, str(path.absolute()), f"{path.name}.{i}@{onset:.2f}", sound)
        return
    rate = episode.audio.sample_rate
    ordered = sorted(contacts, key=lambda c: c.time_ns)
    for contact, until_ns in zip(ordered, [*(c.time_ns for c in ordered[1:]), math.inf], strict=True):
        if any(_field(contact, field) != value for field, value in wanted.items()):
            continue
        length_s = min(AFTER_S, (until_ns - contact.time_ns) / NS_PER_S - _LEAD_S)
        start_ns = contact.time_ns - round(BEFORE_S * NS_PER_S)
        samples, known = episode.audio.slice(start_ns, max(round((BEFORE_S + length_s) * rate), 1), rate)
        if known.mean() > 0.98:
            name = contact.contact_id or f"{path.name}@{contact.time_ns}"
            yield _named(
                path, contact.object_id or str(path.absolute()), name, TaughtSound(samples, rate, BEFORE_S)
            )


def _field(contact: Contact, field: str) -> str:
    return contact.action_name if field == "action" else str(getattr(contact, field))


def _of_dataset(path: Path, wanted: Mapping[str, str]) -> Iterator[NamedContact]:
    from foley_perception.clips.grid import SAMPLE_RATE
    from foley_perception.dataset.reader import ClipDataset

    _check_fields(path, wanted, _OF_CLIPS)
    dataset = ClipDataset(path)
    for index, clip in enumerate(dataset.clips):
        if any(str(getattr(clip, field)) != value for field, value in wanted.items()):
            continue
        onset_s = (clip.contact_ns - clip.start_ns) / NS_PER_S
        yield _named(
            path, clip.object_id, clip.clip_id, TaughtSound(dataset.audio(index), SAMPLE_RATE, onset_s)
        )


def _named(path: Path, group: str, name: str, sound: TaughtSound) -> NamedContact:
    """Named so that the same contact has the same name the next time, and no other has it."""
    of = hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:6]
    return NamedContact(f"{name}-{of}", group, str(path.absolute()), sound)


def _onsets(samples: NDArray[np.float32], rate: int) -> list[float]:
    from foley_perception.audio.resample import resampled

    searched = min(rate, _SEARCHED_HZ)
    return pick_onsets(resampled(samples, rate, searched), searched)


def _cut(samples: NDArray[np.float32], rate: int, onset_s: float, following_s: float) -> TaughtSound:
    begin = max(0, round((onset_s - BEFORE_S) * rate))
    end = round(min(onset_s + AFTER_S, following_s - _LEAD_S, len(samples) / rate) * rate)
    return TaughtSound(samples[begin:end], rate, onset_s - begin / rate)
