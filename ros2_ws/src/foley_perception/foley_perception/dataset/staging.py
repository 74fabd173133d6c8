"""Anything that gives clips, to a dataset: each source by itself, in processes, to be resumed.

::

    sources --(one process each)--> parts/<key>.* + media --(all together)--> splits, leak check, manifest

A part is kept with the identity of its source; building again into the same folder cuts only what is new or changed,
and gives the same fingerprint for the same input.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from foley_perception import __version__
from foley_perception.dataset import manifest, splits, store
from foley_perception.dataset.rows import Rows, unique_beside
from foley_perception.dataset.schema import DatasetError
from foley_perception.dataset.workers import Spread, each
from foley_perception.episodes.tracks import EpisodeError
from foley_perception.recording.bag_name import distinct_names

if TYPE_CHECKING:
    from foley_perception.dataset.on_ray import OnRay

_TOLD = 10  # recordings that an error names
Progress = Callable[[int, int, str], None]  # sources done, sources in all, name of the one just done


@dataclasses.dataclass(frozen=True)
class Cut:
    """What one source gave, beside its rows."""

    session_id: str
    scene_id: str
    split: str  # given by the source; empty if not
    skipped: Mapping[str, int] = dataclasses.field(default_factory=dict)
    problems: tuple[str, ...] = ()


class Source(Protocol):
    """One recording. It travels to another process."""

    @property
    def path(self) -> Path:
        """Where it lies; known by its name in messages and in the manifest."""

    def key(self) -> str:
        """File name of its part."""

    def identity(self) -> str:
        """Changes with anything that its clips depend on."""

    def session_id(self) -> str:
        """Of what it will give, where that is known before it is cut; else empty."""

    def cut(self, rows: Rows) -> Cut:
        """Put its clips and windows into rows. Raises EpisodeError, ValueError or OSError where it cannot be used."""


@dataclasses.dataclass(frozen=True)
class Part:
    """What is kept of a source that was cut."""

    key: str
    identity: str
    source: str
    session_id: str
    scene_id: str
    split: str
    object_ids: tuple[str, ...]
    clips: int
    windows: int
    skipped: Mapping[str, int]
    problems: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class BuildReport:
    manifest: dict[str, Any]
    parts: tuple[Part, ...]
    cut: int  # sources that were cut now; the others were there already
    failed: Mapping[str, str]  # source -> why it was left out

    @property
    def problems(self) -> dict[str, tuple[str, ...]]:
        """What is wrong but bearable, by source."""
        return {part.source: part.problems for part in self.parts if part.problems}


def build_from(
    sources: Sequence[Source],
    folder: Path,
    *,
    shares: Mapping[str, float] = splits.DEFAULT_SHARES,
    workers: int = 0,
    skip_bad: bool = False,
    progress: Progress | None = None,
    notes: Mapping[str, Any] | None = None,
    leaks: Sequence[str] = (),
    ray: OnRay | None = None,
) -> BuildReport:
    """Build or complete the dataset in ``folder`` from exactly these sources.

    Args:
        workers: processes; 0 takes one per core, 1 stays in this process.
        ray: which cuts the sources instead of processes of this machine; entered.
        skip_bad: leave sources out that cannot be used, instead of refusing.
        notes: more entries of the manifest.
        leaks: by which the splits that the sources name are known to leak: they are taken as they are, and the manifest
            says so. Every source must name one.

    Raises:
        LeakError: the splits would leak.
        DatasetError: a source cannot be used, there is nothing to build from, or nothing is left of it.
    """
    try:
        store.make_folders(folder)
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be written ({error.strerror})") from error
    local: Spread = functools.partial(each, workers=workers or os.cpu_count() or 1)
    spread = local if ray is None else ray.over(sources, folder, _to_text, _of_text)
    parts, cut, failed = _make_parts(list(sources), folder.resolve(), spread, progress)
    if failed and not skip_bad:
        name, reason = next(iter(failed.items()))
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise DatasetError(f"{name}: {reason}{more}; correct it, or leave such out with --skip-bad")
    if not any(part.clips or part.windows for part in parts):
        raise DatasetError(_nothing_left(parts, failed))
    parts.sort(key=lambda part: (part.session_id, part.key))
    groups = [
        splits.SessionGroup(p.session_id, p.scene_id, frozenset(p.object_ids), p.split, p.source)
        for p in parts
    ]
    assigned = {group.session_id: group.split for group in groups} if leaks else splits.assign(groups, shares)
    clips = _joined(folder, parts, assigned, "clips", store.CLIP_SCHEMA)
    windows = _joined(folder, parts, assigned, "windows", store.WINDOW_SCHEMA)
    listed = [{"session_id": p.session_id, "bag": Path(p.source).name, "clips": p.clips} for p in parts]
    told = {**_notes(parts, failed), **(notes or {})}
    content = manifest.finish(folder, clips, windows, sources=listed, notes=told, leaks=leaks)
    _tidy(folder, parts, clips, windows)
    return BuildReport(content, tuple(parts), cut, failed)


def identity_of(files: Sequence[Path], salt: str) -> str:
    """Of files by name, size and time, and of how they are read."""
    digest = hashlib.sha256(salt.encode())
    for file in files:
        stat = file.stat()
        digest.update(f"{file.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _nothing_left(parts: Sequence[Part], failed: Mapping[str, str]) -> str:
    """Why a data set would be empty."""
    reasons = [f"{source}: {reason}" for source, reason in failed.items()]
    for part in parts:
        skipped = [f"{count} contacts: {reason}" for reason, count in part.skipped.items()]
        reasons.append(
            f"{part.source}: {'; '.join(skipped or part.problems) or 'there are no contacts in it'}"
        )
    more = f"\n  and {len(reasons) - _TOLD} more" if len(reasons) > _TOLD else ""
    listed = "".join(f"\n  {reason}" for reason in reasons[:_TOLD])
    return f"no clip and no window is left of {len(reasons)} recordings:{listed}{more}"


def _notes(parts: Sequence[Part], failed: Mapping[str, str]) -> dict[str, Any]:
    skipped: dict[str, int] = {}
    for part in parts:
        for reason, count in part.skipped.items():
            skipped[reason] = skipped.get(reason, 0) + count
    names = distinct_names([Path(part.source) for part in parts])
    problems = {name: list(p.problems) for name, p in zip(names, parts, strict=True) if p.problems}
    return {"skipped": skipped, "problems": problems, "left_out": dict(failed), "foley_version": __version__}


# ---- parts ---------------------------------------------------------------------------------------------
def _make_parts(
    sources: list[Source], folder: Path, spread: Spread, progress: Progress | None
) -> tuple[list[Part], int, dict[str, str]]:
    parts: list[Part] = []
    failed: dict[str, str] = {}
    todo: list[Source] = []
    for source in sources:
        ready = _load_part(folder, source)
        if ready is not None:
            parts.append(ready)
        else:
            todo.append(source)

    def done(source: Source, outcome: Part | str) -> None:
        if isinstance(outcome, Part):
            parts.append(outcome)
        else:
            failed[str(source.path)] = outcome
        if progress is not None:
            progress(len(parts) + len(failed), len(sources), source.path.name)

    if progress is not None:
        progress(len(parts), len(sources), "")
    owners = Owners(folder / "parts" / "owners")
    owners.begin({part.session_id: part.source for part in parts})
    work = functools.partial(ready_part, folder=folder, owners=owners)
    first = {source.session_id() or source.key(): source for source in reversed(todo)}
    # Of two recordings of one session the first is taken, if it can be: the other comes after it.
    for turn in (list(reversed(first.values())), [s for s in todo if s not in first.values()]):
        for source, outcome in spread(turn, work):
            done(source, outcome)
    owners.end()
    return parts, len(todo) - len(failed), failed


def ready_part(source: Source, folder: Path, owners: Owners) -> Part | str:
    """Cut one source, unless that was done: the worker that did it may have been lost before it could say so."""
    return _load_part(folder, source) or make_part(source, folder, owners)


def make_part(source: Source, folder: Path, owners: Owners) -> Part | str:
    """Cut one source; the reason as a string where it cannot be used."""
    import cv2

    cv2.setNumThreads(1)  # the sources are what runs in parallel
    key = source.key()
    tables = (_part_path(folder, key, kind) for kind in ("clips", "windows"))
    try:
        with Rows(folder, *tables, claim=functools.partial(owners.claim, source=str(source.path))) as rows:
            identity, cut = source.identity(), source.cut(rows)
            splits.check_known(cut.split)
    except (EpisodeError, ValueError) as error:
        return str(error)
    except OSError as error:
        return f"cannot be read or written ({error})"
    part = Part(
        key=key,
        identity=identity,
        source=str(source.path),
        session_id=cut.session_id,
        scene_id=cut.scene_id,
        split=cut.split,
        object_ids=tuple(sorted(rows.object_ids)),
        clips=rows.clips,
        windows=rows.windows,
        skipped=dict(cut.skipped),
        problems=cut.problems,
    )
    # Written last: without it the part does not exist.
    path = _part_path(folder, key, "json")
    temporary = unique_beside(path)
    temporary.write_text(_to_text(part))
    temporary.replace(path)
    return part


@dataclasses.dataclass(frozen=True)
class Owners:
    """Which source a session is of, while sources are cut in several processes: files are named after sessions."""

    folder: Path

    def begin(self, sources: Mapping[str, str]) -> None:
        """With the sources of sessions that are there already."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for session_id, source in sources.items():
            self.claim(session_id, source)

    def end(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def claim(self, session_id: str, source: str) -> None:
        """Raises DatasetError where the session is another source's."""
        file = self.folder / hashlib.sha256(session_id.encode()).hexdigest()
        try:
            with file.open("x") as made:
                made.write(source)
        except FileExistsError:
            if (other := file.read_text()) not in ("", source):
                raise DatasetError(
                    f"its session_id `{session_id}` is that of {other} as well: the same recording twice? give one of "
                    "them, or change the session_id in the metadata of one"
                ) from None


def _part_path(folder: Path, key: str, kind: str) -> Path:
    return folder / "parts" / (f"{key}.json" if kind == "json" else f"{key}.{kind}.parquet")


def _to_text(part: Part) -> str:
    return json.dumps(dataclasses.asdict(part), indent=1)


def _of_text(text: str) -> Part:
    content = json.loads(text)
    lists = {name: tuple(content[name]) for name in ("object_ids", "problems")}
    return Part(**{**content, **lists})


def _load_part(folder: Path, source: Source) -> Part | None:
    try:
        part = _of_text(_part_path(folder, source.key(), "json").read_text())
        splits.check_known(part.split)  # earlier releases kept such
        return part if part.identity == source.identity() else None
    except (OSError, json.JSONDecodeError, TypeError, KeyError, DatasetError):
        return None


# ---- all together --------------------------------------------------------------------------------------
def _joined(
    folder: Path, parts: Sequence[Part], assigned: Mapping[str, str], kind: str, arrow_schema: pa.Schema
) -> pa.Table:
    tables = []
    for part in parts:
        table = store.read_table(_part_path(folder, part.key, kind), arrow_schema)
        column = pa.array([assigned[part.session_id]] * table.num_rows, pa.string())
        tables.append(table.set_column(table.schema.get_field_index("split"), "split", column))
    return pa.concat_tables(tables)


def _tidy(folder: Path, parts: Sequence[Part], clips: pa.Table, windows: pa.Table) -> None:
    """Remove what sources left behind that are no longer part of the dataset."""
    kept = {path for table in (clips, windows) for files in store.media_of(folder, table) for path in files}
    for file in store.media_in(folder):
        if file not in kept:
            file.unlink()
    needed = {_part_path(folder, part.key, kind) for part in parts for kind in ("json", "clips", "windows")}
    for file in (folder / "parts").iterdir():
        if file not in needed:
            file.unlink()
