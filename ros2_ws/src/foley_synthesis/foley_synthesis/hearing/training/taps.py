"""Labelled taps of one robot: recordings in folders named by material, and the contacts in each.

FOLDER/glass/first.wav      a sound file, or a bag; one or more taps
FOLDER/glass/second.wav     another recording: another object, place or striker is worth most
FOLDER/cork/bag_1/          a material that the model does not know is added to it
FOLDER/labels.csv           instead of folders: columns `file` and `material`
"""

from __future__ import annotations

import csv
import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.resample import resampled
from foley_perception.audio.sound_file import UnreadableSound
from foley_synthesis.hearing.inference.families import material_of
from foley_synthesis.hearing.inference.sound_file import pick_onsets, read_audible
from foley_synthesis.hearing.inference.variants import are_variants, fingerprint

LABELS_FILE = "labels.csv"
_SEARCHED_HZ = 48_000
_BEFORE_S, _AFTER_S, _LEAD_S = 0.25, 1.2, 0.03
_SOUNDS = frozenset(
    (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64")
)


class NoTaps(ValueError):
    """A folder holds nothing to adapt to; the message names it and what it should hold."""


@dataclasses.dataclass(frozen=True)
class Recording:
    """A file or a bag."""

    material: str
    path: Path


@dataclasses.dataclass(frozen=True, eq=False)
class Tap:
    """One labelled contact."""

    recording: Recording
    samples: NDArray[np.float32]  # [n]
    rate: int
    onset_s: float  # within `samples`


def find_recordings(folder: Path) -> list[Recording]:
    """Of a folder with labels.csv, or with one folder for each material.

    Raises:
        NoTaps: there are none.
    """
    if (folder / LABELS_FILE).is_file():
        found = _listed(folder)
    else:
        places = sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
        found = [Recording(_material(place.name), path) for place in places for path in _inside(place)]
    if not found:
        raise NoTaps(
            f"{folder}: holds no taps; make a folder for each material, named by it, with sound files or bags in it"
        )
    return found


def _listed(folder: Path) -> list[Recording]:
    table = folder / LABELS_FILE
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    if rows and not {"file", "material"} <= rows[0].keys():
        raise NoTaps(
            f"{table}: its columns are {', '.join(map(str, rows[0]))}, `file` and `material` are needed"
        )
    return [Recording(_material(row["material"]), folder / row["file"]) for row in rows]


def _material(label: str) -> str:
    """By its name in the model's vocabulary; a word that nobody knows is a material of its own."""
    try:
        return material_of(label) or label.strip().lower()
    except ValueError:
        return label.strip().lower()


def _inside(place: Path) -> Iterator[Path]:
    from foley_perception.recording.bag_files import is_bag, loose_files

    if is_bag(place):
        yield place
        return
    bags = {*loose_files(place)}
    for path in sorted(place.iterdir()):
        if (
            path in bags
            or (path.is_file() and path.suffix.lower() in _SOUNDS)
            or (path.is_dir() and is_bag(path))
        ):
            yield path


def read_taps(recordings: Sequence[Recording]) -> tuple[list[Tap], list[str]]:
    """Every contact in them, and what could not be used, in words."""
    taps: list[Tap] = []
    problems: list[str] = []
    for recording in recordings:
        try:
            own = [tap for samples, rate in _sounds(recording.path) for tap in _cut(recording, samples, rate)]
        except ValueError as error:  # of a sound file, or of a bag
            problems.append(str(error))
            continue
        taps += own
        if not own:
            problems.append(f"{recording.path}: no contact stands out from what is heard throughout")
    return taps, problems


def _sounds(path: Path) -> list[tuple[NDArray[np.float32], int]]:
    """Samples [n] and rate; of a bag, of each stream of its microphone.

    Raises:
        UnreadableSound: it cannot be read, or is silent.
        EpisodeError: a bag cannot be read.
    """
    if path.suffix.lower() in _SOUNDS:
        return [read_audible(path)]
    from foley_perception.episodes.reader import read_episode

    audio = read_episode(path).audio
    if audio is None:
        raise UnreadableSound(f"{path}: no microphone was recorded")
    return [(segment.samples, segment.sample_rate) for segment in audio.segments]


def _cut(recording: Recording, samples: NDArray[np.float32], rate: int) -> Iterator[Tap]:
    searched = min(rate, _SEARCHED_HZ)
    onsets = pick_onsets(resampled(samples, rate, searched), searched)
    for onset, following in itertools.pairwise([*onsets, math.inf]):
        begin = max(0, round((onset - _BEFORE_S) * rate))
        end = round(min(onset + _AFTER_S, following - _LEAD_S, len(samples) / rate) * rate)
        yield Tap(recording, samples[begin:end], rate, onset - begin / rate)


@dataclasses.dataclass(frozen=True, eq=False)
class Grouped:
    """Taps, which of them are judged together, and what a reader should know of that."""

    taps: list[Tap]
    groups: NDArray[np.int64]  # [n]
    notes: list[str]


def grouped(taps: Sequence[Tap]) -> Grouped:
    """Taps of one recording, and those whose sounds are variants of one another, are one group.

    Of a material with a single recording each tap is a group of its own, because otherwise nothing could be judged:
    it is then known only whether that very thing is recognised again. Variants under two materials are left out.
    """
    from scipy.sparse.csgraph import connected_components

    same_sound = are_variants([fingerprint(tap.samples, tap.rate) for tap in taps])
    of_variants = connected_components(same_sound, directed=False)[1]
    sounds: dict[int, list[Tap]] = {}
    for tap, own in zip(taps, of_variants.tolist(), strict=True):
        sounds.setdefault(own, []).append(tap)
    mixed = {own: some for own, some in sounds.items() if len({tap.recording.material for tap in some}) > 1}
    good = np.array([own not in mixed for own in of_variants.tolist()], bool)
    notes = [f"left out, one sound under different materials: {_paths(some)}" for some in mixed.values()]
    kept = [tap for tap, is_good in zip(taps, good, strict=True) if is_good]
    recordings = Counter(material for material, _ in {(t.recording.material, t.recording.path) for t in kept})
    alone = [material for material, count in recordings.items() if count == 1]
    notes += [
        f"{material}: one recording, so that its taps are judged by one another; whether another thing of {material} "
        "is recognised is not known"
        for material in alone
    ]
    paths = np.array([str(tap.recording.path) for tap in kept])
    free = np.array([tap.recording.material in alone for tap in kept], bool)
    joined = same_sound[np.ix_(good, good)] | ((paths[:, None] == paths[None]) & ~free[:, None])
    groups = connected_components(joined, directed=False)[1].astype(np.int64)
    variants = len(kept) - len(np.unique(of_variants[good]))
    if variants:
        notes.append(f"{variants} taps are variants of others, which they are judged together with")
    return Grouped(kept, groups, notes)


def _paths(taps: Sequence[Tap]) -> str:
    return ", ".join(sorted({str(tap.recording.path) for tap in taps}))
