"""RealImpact (Clarke et al. 2023): 50 objects, 5 places on each, heard by 600 microphones each.

A user's copy, unpacked, holds for every object, as the authors' scripts write it::

    <object>/preprocessed/deconvolved_0db.npy   [rows, samples] response to a unit impulse, 48 kHz
                          vertexID.npy, angle.npy, distance.npy, micID.npy    [rows]
                          vertexXYZ.npy, listenerXYZ.npy                      [rows, 3] metres
    and, where somebody made them of the raw recordings:
                          sounds_0db.npy        [rows, samples] what was recorded
                          hammer_newtons.npy    [rows / 15, samples] force of the hammer [N]
"""

from __future__ import annotations

import collections
import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.dataset import schema
from foley_perception.dataset.importing.impacts import Impact, SoundMissing, force_pulse, impact_clip
from foley_perception.dataset.importing.importer import Importer, ImportOptions
from foley_perception.dataset.rows import Rows
from foley_perception.dataset.schema import DatasetError
from foley_perception.dataset.staging import BuildReport, Cut, Progress, build_from, identity_of

_VERSION = 1
_RATE = 48_000  # of all arrays, as the paper says; no file tells it
_MICROPHONES = 15  # that heard one blow
_LOUDEST = 0.99
_FOLDER = "preprocessed"
_RESPONSE, _SOUND, _FORCE = "deconvolved_0db.npy", "sounds_0db.npy", "hammer_newtons.npy"
_COLUMNS = {"vertexID.npy": 1, "angle.npy": 1, "distance.npy": 1, "micID.npy": 1, "vertexXYZ.npy": 2}
_NAMED = ("ceramic", "wood", "iron", "metal", "plastic", "glass")


@dataclasses.dataclass(frozen=True)
class ImpactObject:
    """The folder of one object."""

    name: str  # such as `17_IronSkillet`
    folder: Path
    recorded: bool  # with the force, and not as a response alone

    @property
    def files(self) -> tuple[Path, ...]:
        names = (_SOUND, _FORCE) if self.recorded else (_RESPONSE,)
        return tuple(self.folder / name for name in (*names, *_COLUMNS))


def find_objects(folder: Path) -> list[ImpactObject]:
    """The objects below a folder, by name.

    Raises:
        DatasetError: there is none, or one lacks a file.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: is not a folder")
    found: list[ImpactObject] = []
    for inner in sorted(folder.rglob(_FOLDER)):
        recorded = all((inner / name).is_file() for name in (_SOUND, _FORCE))
        if not recorded and not (inner / _RESPONSE).is_file():
            continue
        entry = ImpactObject(inner.parent.name, inner, recorded)
        lacking = [file.name for file in entry.files if not file.is_file()]
        if lacking:
            raise DatasetError(f"{inner}: {lacking[0]} is missing; unpack {entry.name}.zip once more")
        if any(other.name == entry.name for other in found):
            raise DatasetError(f"{inner}: `{entry.name}` is there twice; give a folder that holds one copy")
        found.append(entry)
    if not found:
        packed = sum(1 for _ in folder.glob("*.zip"))
        cure = f"; unpack its {packed} .zip files" if packed else ""
        raise DatasetError(f"{folder}: holds no object of RealImpact (<object>/{_FOLDER}/{_RESPONSE}){cure}")
    return found


def named_material(name: str) -> str:
    """What an object's name says that it is made of: `iron` of `17_IronSkillet`; empty if it says nothing."""
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+", name)]
    return next((word for word in words if word in _NAMED), "")


def import_realimpact(
    folder: Path, out: Path, options: ImportOptions, progress: Progress | None = None
) -> BuildReport:
    """Write the data set, or complete one that was interrupted.

    Raises:
        DatasetError: nothing to import, or a file that cannot be used.
    """
    sources = [ObjectSource(entry, options) for entry in find_objects(folder)[: options.limit or None]]
    return build_from(
        sources, out, workers=options.workers, skip_bad=options.skip_bad, progress=progress,
        notes={"origin": "RealImpact", "listeners": options.listeners, "unproven": list(REALIMPACT.unproven)},
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class ObjectSource:
    """One object: a session, a scene and an object of its own."""

    entry: ImpactObject
    options: ImportOptions

    @property
    def path(self) -> Path:
        return self.entry.folder.parent

    def key(self) -> str:
        return self.entry.name

    def session_id(self) -> str:
        return f"realimpact_{self.entry.name}"

    def identity(self) -> str:
        told = f"{_VERSION} {schema.SCHEMA_VERSION} {self.options.listeners} {self._material}"
        return identity_of(self.entry.files, told)

    @property
    def _material(self) -> str:
        return self.options.material(named_material(self.entry.name), self.entry.name)

    def cut(self, rows: Rows) -> Cut:
        """Raises DatasetError where a file cannot be used."""
        session = self.session_id()
        rows.claim(session)
        columns = {name: _load(self.entry.folder / name, dims) for name, dims in _COLUMNS.items()}
        sounds = _load(self.entry.folder / (_SOUND if self.entry.recorded else _RESPONSE), 2)
        _check_lengths(self.entry, columns, sounds)
        forces = _forces(self.entry, len(sounds)) if self.entry.recorded else None
        chosen = _chosen(columns, self.options.listeners)
        blow = _blows(columns)
        peaks = [float(np.abs(_finite(sounds[row], f"{self.path}: row {row}")).max()) for row in chosen]
        scale = np.float32(_LOUDEST / max(*peaks, 1e-30))
        skipped: collections.Counter[str] = collections.Counter()
        for row in chosen:
            place = columns["vertexXYZ.npy"][row]
            impact = Impact(
                clip_id=f"{session}_{row:04d}",
                object_id=session,
                number=int(blow[row]),
                sound=np.asarray(sounds[row], np.float32) * scale,
                rate=_RATE,
                contact_s=0.0,
                material=self._material,
                position=(float(place[0]), float(place[1]), float(place[2])),
                contact_id=f"vertex_{int(columns['vertexID.npy'][row])}",
            )
            if forces is not None:
                force = np.asarray(forces[row // _MICROPHONES])
                pulse = force_pulse(force, _RATE, f"{self.entry.folder / _FORCE}, row {row // _MICROPHONES}")
                impact = dataclasses.replace(
                    impact,
                    contact_s=pulse.first / _RATE,
                    impulse=pulse.impulse,
                    duration_s=pulse.duration_s,
                )
            try:
                rows.add_clip(impact_clip(impact))
            except SoundMissing as reason:
                skipped[str(reason)] += 1
        told = [] if self._material else ["its name says no material; --materials FILE gives one"]
        if forces is None:
            told.append(
                "sounds are responses to a unit impulse, not what was recorded: the force is not in the "
                "release, so that impulse is NaN, and levels compare within one object only"
            )
        return Cut(session, session, "", skipped, tuple(told))


def _load(path: Path, dims: int) -> NDArray[Any]:
    """An array that stays on disk.

    Raises:
        DatasetError: it cannot be read, or has another number of dimensions.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}); unpack it once more") from error
    if array.ndim != dims or array.dtype.kind not in "fiu":
        raise DatasetError(
            f"{path}: is {array.dtype} of shape {array.shape}, expected numbers in {dims} dimensions; unpack it again"
        )
    return array


def _check_lengths(entry: ImpactObject, columns: dict[str, NDArray[Any]], sounds: NDArray[Any]) -> None:
    for name, column in columns.items():
        if len(column) != len(sounds):
            raise DatasetError(
                f"{entry.folder / name}: has {len(column)} rows, the sounds have {len(sounds)}; the files are of two "
                f"downloads: unpack {entry.name}.zip once more"
            )
    if columns["vertexXYZ.npy"].shape[1] != 3:
        raise DatasetError(f"{entry.folder / 'vertexXYZ.npy'}: rows have no 3 numbers; unpack it again")


def _forces(entry: ImpactObject, count: int) -> NDArray[Any]:
    forces = _load(entry.folder / _FORCE, 2)
    if len(forces) * _MICROPHONES != count:
        raise DatasetError(
            f"{entry.folder / _FORCE}: has {len(forces)} forces, {count} sounds need {count / _MICROPHONES:g} "
            f"({_MICROPHONES} microphones heard each); make both of the same recordings"
        )
    return forces


def _blows(columns: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
    """Which blow each row [n] is of: each stand of the microphones at a place had one of its own."""
    names = ("vertexID.npy", "angle.npy", "distance.npy")
    stands = np.stack([np.asarray(columns[name]) for name in names], axis=1)
    return np.asarray(np.unique(stands, axis=0, return_inverse=True)[1], np.int64).reshape(-1)


def _chosen(columns: dict[str, NDArray[Any]], listeners: int) -> list[int]:
    """Rows, in order: at each place on the object so many, the first the nearest and straight in front."""
    vertices = np.asarray(columns["vertexID.npy"])
    middle = np.abs(np.asarray(columns["micID.npy"]) - _MICROPHONES // 2)
    order = np.lexsort((middle, np.asarray(columns["distance.npy"]), np.asarray(columns["angle.npy"])))
    chosen: list[int] = []
    for vertex in np.unique(vertices):
        rows = order[vertices[order] == vertex]
        picked = np.unique(np.linspace(0, len(rows) - 1, min(listeners, len(rows))).round().astype(int))
        chosen += [int(row) for row in rows[picked]]
    return sorted(chosen)


def _finite(sound: NDArray[Any], what: str) -> NDArray[np.float32]:
    samples = np.asarray(sound, np.float32)
    if not samples.size or not np.isfinite(samples).all():
        raise DatasetError(f"{what}: its sound holds NaN, or nothing; get the file once more")
    return samples


REALIMPACT = Importer(
    name="realimpact",
    help="RealImpact: <object>/preprocessed/*.npy, impacts on 50 objects",
    what="impacts",
    takes=("listeners", "materials"),
    licence="the authors' code is MIT; the release of the data names no licence: ask the authors before commercial use",
    unproven=(
        "no file tells the sample rate, 48 kHz are taken from the paper",
        "what an object is made of is read from its name; the release has no file of materials",
        "that responses begin with the blow follows from the authors' script, not from the data",
    ),
    run=import_realimpact,
)
