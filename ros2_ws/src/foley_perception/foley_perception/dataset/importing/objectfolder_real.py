"""ObjectFolder Real (Gao et al. 2023): 100 objects of a household, hit at 30 to 50 places each.

Two releases are read. The recordings::

    <number>/audio/<impact>/mic.wav               6 s
                            Force.wav             force of the hammer, in step with mic.wav (optional)
                            striking_force.yaml   [{striking_force_newtons: ...}], its largest force (optional)

and the benchmark's, which is smaller and has no force; its places serve both::

    audio/<number>/<impact>.wav
    contacts/<number>/<impact>.npy                [3] place on the object [m]
"""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from foley_perception.audio.onset import OnsetDetector
from foley_perception.audio.onset_config import OnsetConfig
from foley_perception.audio.sound_file import UnreadableSound, read_sound
from foley_perception.dataset import schema
from foley_perception.dataset.hit_times import read_text
from foley_perception.dataset.importing.impacts import Impact, Pulse, SoundMissing, force_pulse, impact_clip
from foley_perception.dataset.importing.importer import Importer, ImportOptions
from foley_perception.dataset.rows import Rows
from foley_perception.dataset.schema import DatasetError
from foley_perception.dataset.staging import BuildReport, Cut, Progress, build_from, identity_of

_VERSION = 1
_OBJECTS = range(1, 101)
# The official list of objects, by material.
_MADE_OF: dict[str, tuple[int, ...]] = {
    "ceramic": (*range(1, 5), *range(8, 11), *range(61, 66), *range(73, 80)),
    "wood": (5, *range(11, 17), *range(27, 35), 68, 80, 81),
    "glass": (6, 7, 22, 51, 59, 60, 82, *range(91, 95)),
    "iron": (*range(17, 22), *range(42, 48), 66, 67, 69, 98),
    "plastic": (*range(23, 26), *range(48, 51), *range(56, 59), 97, 99, 100),
    "polycarbonate": (26, 35, 36, *range(70, 73), 95, 96),
    "steel": (*range(37, 42), *range(52, 56), *range(83, 91)),
}
_EARLIEST_S = 0.25  # [s] an onset by ear may come no earlier: the detector listens to the background first


class Blow(NamedTuple):
    """The files of one impact; those that are optional may not be there."""

    name: str
    sound: Path
    force: Path
    largest: Path
    place: Path

    @property
    def files(self) -> list[Path]:
        return [file for file in self[1:] if isinstance(file, Path) and file.is_file()]


@dataclasses.dataclass(frozen=True)
class HitObject:
    """One object and its impacts."""

    number: int
    path: Path
    blows: tuple[Blow, ...]

    @property
    def material(self) -> str:
        return next((name for name, numbers in _MADE_OF.items() if self.number in numbers), "")


def find_objects(folder: Path) -> tuple[list[HitObject], dict[str, str]]:
    """The objects in a folder by number, and what was left out.

    Raises:
        DatasetError: there is none.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: is not a folder")
    found: dict[int, HitObject] = {}
    left_out: dict[str, str] = {}
    for inner in sorted(folder.iterdir()):
        if _number(inner.name) in _OBJECTS and (inner / "audio").is_dir():
            blows = tuple(_recorded(folder, inner, left_out))
            found[_number(inner.name)] = HitObject(_number(inner.name), inner, blows)
    for inner in sorted((folder / "audio").iterdir()) if (folder / "audio").is_dir() else ():
        if inner.is_dir() and _number(inner.name) in _OBJECTS:
            # Of the recordings, the benchmark's are copies.
            entry = HitObject(_number(inner.name), inner, tuple(_of_benchmark(folder, inner, left_out)))
            found.setdefault(entry.number, entry)
    with_blows = [entry for _, entry in sorted(found.items()) if entry.blows]
    if not with_blows:
        raise DatasetError(
            f"{folder}: holds no impact of ObjectFolder Real (<number>/audio/<impact>/mic.wav, or "
            "audio/<number>/<impact>.wav); give the folder into which its archives of audio were unpacked"
        )
    return with_blows, left_out


def _recorded(folder: Path, inner: Path, left_out: dict[str, str]) -> Iterator[Blow]:
    for blow in sorted(path for path in (inner / "audio").iterdir() if path.is_dir()):
        name = f"{inner.name}/audio/{blow.name}"
        if _number(blow.name) < 0:
            left_out[name] = "its name is no number, as of takes that were made again"
        elif not (blow / "mic.wav").is_file():
            left_out[name] = "no mic.wav"
        else:
            place = folder / "contacts" / inner.name / f"{blow.name}.npy"
            yield Blow(blow.name, blow / "mic.wav", blow / "Force.wav", blow / "striking_force.yaml", place)


def _of_benchmark(folder: Path, inner: Path, left_out: dict[str, str]) -> Iterator[Blow]:
    for sound in sorted(inner.glob("*.wav")):
        if _number(sound.stem) < 0:
            left_out[f"audio/{inner.name}/{sound.name}"] = "its name is no number"
        else:
            none = sound.with_suffix(".none")
            yield Blow(sound.stem, sound, none, none, folder / "contacts" / inner.name / f"{sound.stem}.npy")


def _number(name: str) -> int:
    return int(name) if name.isascii() and name.isdecimal() else -1


def import_objectfolder_real(
    folder: Path, out: Path, options: ImportOptions, progress: Progress | None = None
) -> BuildReport:
    """Write the data set, or complete one that was interrupted.

    Raises:
        DatasetError: nothing to import, or a file that cannot be used.
    """
    objects, left_out = find_objects(folder)
    sources = [ObjectSource(entry, options) for entry in objects[: options.limit or None]]
    notes = {
        "origin": "ObjectFolder Real",
        "incomplete": left_out,
        "unproven": list(OBJECTFOLDER_REAL.unproven),
    }
    return build_from(
        sources, out, workers=options.workers, skip_bad=options.skip_bad, progress=progress, notes=notes
    )


@dataclasses.dataclass(frozen=True)
class ObjectSource:
    """One object: a session, a scene and an object of its own."""

    entry: HitObject
    options: ImportOptions

    @property
    def path(self) -> Path:
        return self.entry.path

    def key(self) -> str:
        return f"object_{self.entry.number:03d}"

    def session_id(self) -> str:
        return f"objectfolder_real_{self.entry.number:03d}"

    def identity(self) -> str:
        files = [file for blow in self.entry.blows for file in blow.files]
        blows = [blow.name for blow in self.entry.blows]
        return identity_of(files, f"{_VERSION} {schema.SCHEMA_VERSION} {self._material} {blows}")

    @property
    def _material(self) -> str:
        return self.options.material(self.entry.material, str(self.entry.number))

    def cut(self, rows: Rows) -> Cut:
        """Raises DatasetError where a file cannot be used."""
        session = self.session_id()
        rows.claim(session)
        skipped: collections.Counter[str] = collections.Counter()
        by_ear = without_newtons = 0
        for blow in self.entry.blows:
            try:
                sound, rate = read_sound(blow.sound)
            except UnreadableSound as error:
                raise DatasetError(str(error)) from error
            pulse, newtons = _pulse(blow, rate)
            contact_s = pulse.first / rate if pulse else _heard(sound, rate)
            if contact_s is None:
                skipped["no force was recorded, and no impact is heard"] += 1
                continue
            by_ear += pulse is None
            without_newtons += pulse is not None and not newtons
            impact = Impact(
                clip_id=f"{session}_{int(blow.name):04d}",
                object_id=session,
                number=int(blow.name),
                sound=sound,
                rate=rate,
                contact_s=contact_s,
                material=self._material,
                position=_place(blow.place),
                impulse=pulse.impulse if pulse and newtons else math.nan,
                duration_s=pulse.duration_s if pulse else math.nan,
                contact_id=f"impact_{blow.name}",
            )
            try:
                rows.add_clip(impact_clip(impact))
            except SoundMissing as reason:
                skipped[str(reason)] += 1
        told = []
        if by_ear:
            told.append(f"{by_ear} impacts have no Force.wav: they were found by ear, impulse is NaN")
        if without_newtons:
            told.append(
                f"{without_newtons} impacts have no striking_force.yaml: Force.wav has no unit, impulse is NaN"
            )
        return Cut(session, session, "", skipped, tuple(told))


def _pulse(blow: Blow, rate: int) -> tuple[Pulse | None, bool]:
    """The force of an impact, and whether it is in newtons; None without a file of forces."""
    if not blow.force.is_file():
        return None, False
    try:
        force, own_rate = read_sound(blow.force)
    except UnreadableSound as error:
        raise DatasetError(str(error)) from error
    if own_rate != rate:
        raise DatasetError(
            f"{blow.force}: has {own_rate} Hz, mic.wav beside it {rate} Hz; they are of one recorder: unpack both again"
        )
    pulse = force_pulse(force, rate, str(blow.force))
    if not blow.largest.is_file():
        return pulse, False
    level = np.abs(force - np.median(force)).max()
    return pulse._replace(impulse=pulse.impulse * _newtons(blow.largest) / float(level)), True


def _newtons(path: Path) -> float:
    """The largest force [N]."""
    try:
        content: Any = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise DatasetError(f"{path}: is not YAML ({' '.join(str(error).split())})") from error
    first = content[0] if isinstance(content, list) and content else content
    value = first.get("striking_force_newtons") if isinstance(first, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < abs(value) < math.inf:
        raise DatasetError(f"{path}: striking_force_newtons is `{value}`, must be a force; unpack it again")
    return abs(float(value))


def _heard(sound: Any, rate: int) -> float | None:
    """Where the loudest onset is [s]."""
    quiet = np.zeros(rate, np.float32)  # behind the end, so that an onset near it is decided
    onsets = OnsetDetector(OnsetConfig(sample_rate=rate)).process(np.concatenate((sound, quiet)))
    late = [onset for onset in onsets if onset.sample >= _EARLIEST_S * rate]
    return max(late, key=lambda onset: onset.level_dbfs).sample / rate if late else None


def _place(path: Path) -> tuple[float, float, float]:
    """On the object [m]; NaN without a file."""
    if not path.is_file():
        return (math.nan,) * 3
    try:
        place = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}); unpack it again") from error
    if place.ndim != 1 or len(place) < 3 or not np.isfinite(place[:3]).all():
        raise DatasetError(f"{path}: holds no place [x, y, z] but {place.shape}; unpack it again")
    return float(place[0]), float(place[1]), float(place[2])


OBJECTFOLDER_REAL = Importer(
    name="objectfolder-real",
    help="ObjectFolder Real: <number>/audio/<impact>/mic.wav, or audio/<number>/<impact>.wav",
    what="impacts",
    takes=("materials",),
    licence=(
        "ObjectFolder's code and its simulated objects are CC BY 4.0; the page of the real recordings names no "
        "licence: ask the authors before commercial use"
    ),
    unproven=(
        "that striking_force_newtons is the largest force in Force.wav, by which its samples become newtons",
        "metadata.yaml of each impact is not read: no public code tells its fields",
        "the videos of impacts are not read: no public code tells their names, so that clips have no pictures",
        "that places in contacts/ are in metres",
    ),
    run=import_objectfolder_real,
)
