"""Labelled recordings that a hearing model is calibrated on. No head is fitted to their labels."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.resample import resampled
from foley_perception.audio.sound_file import UnreadableSound, read_sound
from foley_synthesis.hearing.frozen_pair import FrozenPair, Heard, PairFeatures
from foley_synthesis.hearing.inference.calibration import STAGES_S
from foley_synthesis.hearing.inference.families import material_of
from foley_synthesis.hearing.inference.onset_search import clearest_onset
from foley_synthesis.hearing.inference.variants import fingerprint, variant_groups

LABELS_FILE = "labels.csv"
_COLUMNS = ("file", "material", "source_package")
_SEARCHED_HZ = 24_000


class RecordingsError(ValueError):
    """A folder of labelled recordings cannot be used; the message names it and the cure."""


@dataclasses.dataclass(frozen=True, eq=False)
class Recordings:
    """Of known materials alone, n of them."""

    features: dict[float, NDArray[np.float32]]  # seconds heard -> [n, f]
    material: NDArray[np.int64]  # [n], index into the labels
    source: NDArray[np.str_]  # [n]
    group: NDArray[np.int64]  # [n], variants of one recording have one number

    def __len__(self) -> int:
        return len(self.material)


def read_labelled(
    folder: Path,
    labels: tuple[str, ...],
    pair: FrozenPair,
    progress: Callable[[float], None] = lambda done: None,
) -> Recordings:
    """Recordings that `labels.csv` of a folder names (columns file, material, source_package).

    Raises:
        RecordingsError: the table or a recording cannot be read, or none is of a known material.
    """
    rows = [row for row in _rows(folder / LABELS_FILE) if _index(row["material"], labels) >= 0]
    if not rows:
        raise RecordingsError(f"{folder / LABELS_FILE}: no recording of {', '.join(labels)}")
    sounds: list[Heard] = []
    prints = []
    for row in rows:
        if not row["file"] or not row["source_package"]:
            raise RecordingsError(
                f"{folder / LABELS_FILE}: a row of {row['material']} has no file or source_package"
            )
        try:
            samples, rate = read_sound(folder / row["file"])
        except UnreadableSound as error:
            raise RecordingsError(str(error)) from error
        searched = min(rate, _SEARCHED_HZ)
        sounds.append(Heard(samples, rate, clearest_onset(resampled(samples, rate, searched), searched)))
        prints.append(fingerprint(samples, rate))
    features: dict[float, list[PairFeatures]] = {heard_s: [] for heard_s in STAGES_S}
    for done, sound in enumerate(sounds, 1):
        for heard_s in STAGES_S:
            features[heard_s].append(pair.hear([dataclasses.replace(sound, heard_s=heard_s)]))
        progress(done / len(sounds))
    return Recordings(
        {heard_s: np.concatenate([f.features for f in found]) for heard_s, found in features.items()},
        np.array([_index(row["material"], labels) for row in rows], np.int64),
        np.array([row["source_package"] for row in rows]),
        variant_groups(prints),
    )


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            rows, columns = list(reader), reader.fieldnames or ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordingsError(f"{table}: {error}; columns {', '.join(_COLUMNS)} are needed") from error
    if missing := [name for name in _COLUMNS if name not in columns]:
        raise RecordingsError(f"{table}: no column {', '.join(missing)}")
    return rows


def _index(label: str | None, labels: tuple[str, ...]) -> int:
    if not label:
        return -1
    try:
        name = material_of(label)
    except ValueError:
        return -1
    return labels.index(name) if name in labels else -1
