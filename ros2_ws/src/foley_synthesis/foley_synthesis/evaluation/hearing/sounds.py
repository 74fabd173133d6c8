"""Sounds that are asked about, each of at most one contact, wherever they come from."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_common.session_file import read_arrays
from foley_perception.audio.sound_file import UnreadableSound, read_sound
from foley_synthesis.evaluation.measure import Item
from foley_synthesis.flow.session_items import session_files
from foley_synthesis.flow.what import MATERIALS
from foley_synthesis.hearing.inference.families import material_of

LABELS_FILE = "labels.csv"
_COLUMNS = ("file", "material", "source_package", "action")

BEFORE_S, AFTER_S = 0.2, 1.0  # of a session around a contact
APART_S = 0.3  # a contact is left out that another one follows sooner
AUDIBLE_DB = 3.0  # above what was before, as in the simulator's own check


class SoundsError(ValueError):
    """A folder of recordings or sessions cannot be used; the message names it and what is wrong."""


@dataclasses.dataclass(frozen=True, eq=False)
class Sound:
    """One sound, and what is known of it."""

    name: str
    samples: NDArray[np.float32]  # [n] mono
    rate: int
    scene: str  # source of a recording, scene of a simulated contact: nothing is shared between two of them
    group: str  # in it, of which sounds are alike: versions of one recording, contacts of one thing
    label: str  # as it was labelled
    action: str = ""
    onset_s: float | None = None  # None: not known, to be searched
    log10_e: float = math.nan  # of Young's modulus [Pa]

    @property
    def material(self) -> int:
        """Index into MATERIALS; -1: of none of them, or nobody has said what its label means."""
        try:
            name = material_of(self.label)
        except ValueError:
            return -1
        return -1 if name is None else MATERIALS.index(name)

    @property
    def outside(self) -> bool:
        """Its material is known to be none of MATERIALS."""
        try:
            return material_of(self.label) is None
        except ValueError:
            return False


def read_recordings(
    folder: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Sound]:
    """Recordings that `labels.csv` of a folder names, in its order. Each is a group of its own.

    Raises:
        SoundsError: no such file, a column is missing, it names nothing, or a recording cannot be read.
    """
    table = folder / LABELS_FILE
    try:
        with table.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
            columns = reader.fieldnames or ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SoundsError(f"{table}: {error}; columns {', '.join(_COLUMNS)} are needed") from error
    if missing := [name for name in _COLUMNS if name not in columns]:
        raise SoundsError(f"{table}: no column {', '.join(missing)}; it has {', '.join(columns) or 'none'}")
    if not rows:
        raise SoundsError(f"{table} names no recordings")
    found = []
    for done, row in enumerate(rows, start=1):
        try:
            samples, rate = read_sound(folder / row["file"])
        except UnreadableSound as error:
            raise SoundsError(str(error)) from error
        name, source = row["file"], row["source_package"]
        found.append(Sound(name, samples, rate, source, name, row["material"], row["action"]))
        progress(done, len(rows))
    return found


def read_contacts(
    folder: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Sound]:
    """Every contact of a set of sessions with an object that can be heard and that no other one follows at once.

    Raises:
        SessionsError: the folder holds no sessions.
        SoundsError: they hold no such contact.
    """
    found, files = [], session_files(folder)
    for done, path in enumerate(files, start=1):
        facts, arrays = read_arrays(path, "sound", "contact_s", "contact_object")
        rate, times = int(facts["sound_rate"]), arrays["contact_s"].astype(np.float64)
        sound = arrays["sound"].astype(np.float32) / np.float32(2**15)
        after = np.append(times[1:], np.inf) - times
        for k in np.flatnonzero(after >= APART_S):
            thing = int(arrays["contact_object"][k])
            if thing < 0 or facts["contact_rise_db"][k] < AUDIBLE_DB:
                continue
            item = facts["objects"][thing]
            begin = max(round((times[k] - BEFORE_S) * rate), 0)
            # What the next contact adds is not of this thing.
            end = round((times[k] + min(AFTER_S, after[k] - 0.03)) * rate)
            found.append(
                Sound(
                    f"{path.stem}:{k}", sound[begin:end], rate, str(facts["scene_id"]), str(item["object_id"]),
                    str(item["material"]), str(facts["contact_actions"][k]), times[k] - begin / rate,
                    math.log10(item["youngs_modulus"]) if "youngs_modulus" in item else math.nan,
                )
            )  # fmt: skip
        progress(done, len(files))
    if not found:
        raise SoundsError(f"{folder}: no contact of its sessions can be heard alone")
    return found


def grouped(sounds: Sequence[Sound], groups: Sequence[int]) -> list[Sound]:
    """The same, versions of one recording in one group."""
    return [dataclasses.replace(s, group=f"recording {k}") for s, k in zip(sounds, groups, strict=True)]


def items_of(sounds: Sequence[Sound], truth: Iterable[object]) -> list[Item]:
    """The same as items to be measured, with a truth each."""
    return [
        Item(row, sound.scene, sound.group, value)
        for row, (sound, value) in enumerate(zip(sounds, truth, strict=True))
    ]


def digest(sounds: Sequence[Sound]) -> str:
    """Of all samples and onsets, so that what was said of them can be kept."""
    sha = hashlib.sha256()
    for sound in sounds:
        sha.update(f"{sound.name}\n{sound.rate}\n{sound.onset_s}\n".encode())
        sha.update(np.ascontiguousarray(sound.samples).tobytes())
    return sha.hexdigest()
