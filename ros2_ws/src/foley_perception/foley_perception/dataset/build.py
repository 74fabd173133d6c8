"""Bags to a dataset.

::

    bags --(one process each)--> parts/<session>.* + media --(all together)--> splits, leak check, manifest

A part is kept with the identity of its bag and of the configuration; building again into the same folder
cuts only what is new or changed, and gives the same fingerprint for the same input.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from foley_perception import __version__
from foley_perception.dataset import manifest, schema, splits, store
from foley_perception.dataset.cut import NEEDED, CutConfig, Cutter
from foley_perception.dataset.schema import DatasetError
from foley_perception.episodes.reader import read_episode
from foley_perception.episodes.tracks import EpisodeError

Progress = Callable[[int, int, str], None]  # bags done, bags in all, name of the one just done


@dataclasses.dataclass(frozen=True)
class Part:
    """What one bag gave."""

    key: str  # file name of the part
    identity: str  # of bag and configuration
    source: str
    session_id: str
    scene_id: str
    split: str  # given by the recording; empty if not
    object_ids: tuple[str, ...]
    clips: int
    windows: int
    skipped: Mapping[str, int]
    problems: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class BuildReport:
    manifest: dict[str, Any]
    parts: tuple[Part, ...]
    cut: int  # bags that were cut now; the others were there already
    failed: Mapping[str, str]  # bag -> why it was left out


def find_bags(paths: Iterable[str | Path]) -> list[Path]:
    """Bags among the given folders and files; a folder of bags stands for the bags in it.

    Raises:
        DatasetError: a path does not exist or holds no bag.
    """
    bags: list[Path] = []
    for given in map(Path, paths):
        if not given.exists():
            raise DatasetError(f"{given}: does not exist")
        if given.is_file() or _is_bag(given):
            bags.append(given)
            continue
        inside = sorted(child for child in given.iterdir() if child.is_dir() and _is_bag(child))
        inside += sorted(child for child in given.iterdir() if child.suffix in (".mcap", ".db3"))
        if not inside:
            raise DatasetError(f"{given}: neither a bag nor a folder of bags")
        bags += inside
    unique = {bag.resolve(): bag for bag in bags}
    return list(unique.values())


def _is_bag(folder: Path) -> bool:
    return (folder / "metadata.yaml").is_file() or any(folder.glob("*_0.mcap"))


def build_dataset(
    bags: Sequence[Path],
    folder: Path,
    *,
    config: CutConfig | None = None,
    shares: Mapping[str, float] = splits.DEFAULT_SHARES,
    workers: int = 0,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> BuildReport:
    """Build or complete the dataset in ``folder`` from exactly these bags.

    Args:
        workers: processes; 0 takes one per core, 1 stays in this process.
        skip_bad: leave bags out that cannot be read, instead of refusing.

    Raises:
        LeakError: the splits would leak.
        DatasetError: a bag cannot be used, or there is nothing to build from.
    """
    if not bags:
        raise DatasetError("no bags were given")
    config = config or CutConfig()
    try:
        store.make_folders(folder)
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be written ({error.strerror})") from error
    parts, cut, failed = _make_parts(list(bags), folder, config, workers, progress)
    if failed and not skip_bad:
        name, reason = next(iter(failed.items()))
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise DatasetError(f"{name}: {reason}{more}; correct it, or leave such bags out with --skip-bad")
    if not parts:
        raise DatasetError("none of the bags could be used")
    parts.sort(key=lambda part: part.session_id)
    sides = splits.assign(
        [splits.SessionGroup(p.session_id, p.scene_id, frozenset(p.object_ids), p.split) for p in parts],
        shares,
    )
    clips = _joined(folder, parts, sides, "clips", store.CLIP_SCHEMA)
    windows = _joined(folder, parts, sides, "windows", store.WINDOW_SCHEMA)
    sources = [{"session_id": p.session_id, "bag": Path(p.source).name, "clips": p.clips} for p in parts]
    content = manifest.finish(folder, clips, windows, sources=sources, notes=_notes(parts, failed))
    _tidy(folder, parts, clips, windows)
    return BuildReport(content, tuple(parts), cut, failed)


def _notes(parts: Sequence[Part], failed: Mapping[str, str]) -> dict[str, Any]:
    skipped: dict[str, int] = {}
    for part in parts:
        for reason, count in part.skipped.items():
            skipped[reason] = skipped.get(reason, 0) + count
    problems = {Path(p.source).name: list(p.problems) for p in parts if p.problems}
    return {"skipped": skipped, "problems": problems, "left_out": dict(failed), "foley_version": __version__}


# ---- parts ---------------------------------------------------------------------------------------------
def _make_parts(
    bags: list[Path], folder: Path, config: CutConfig, workers: int, progress: Progress | None
) -> tuple[list[Part], int, dict[str, str]]:
    parts: list[Part] = []
    failed: dict[str, str] = {}
    todo: list[Path] = []
    for bag in bags:
        ready = _load_part(folder, bag, config)
        if ready is not None:
            parts.append(ready)
        else:
            todo.append(bag)

    def done(bag: Path, outcome: Part | str) -> None:
        if isinstance(outcome, Part):
            parts.append(outcome)
        else:
            failed[str(bag)] = outcome
        if progress is not None:
            progress(len(parts) + len(failed), len(bags), bag.name)

    if progress is not None:
        progress(len(parts), len(bags), "")
    count = min(workers or os.cpu_count() or 1, len(todo))
    if count <= 1:
        for bag in todo:
            done(bag, make_part(bag, folder, config))
    else:
        # Spawned, not forked: the caller may hold threads and middleware.
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(count, mp_context=context) as pool:
            futures = {pool.submit(make_part, bag, folder, config): bag for bag in todo}
            for future in concurrent.futures.as_completed(futures):
                done(futures[future], future.result())
    return parts, len(todo) - len(failed), failed


def make_part(bag: Path, folder: Path, config: CutConfig) -> Part | str:
    """Cut one bag; the reason as a string where it cannot be used."""
    import cv2

    cv2.setNumThreads(1)  # the bags are what runs in parallel
    try:
        cutter = Cutter(read_episode(bag, require=NEEDED), config)
        clip_rows, clips = [], []
        for data in cutter.clips():
            clip_rows.append(store.store_clip(folder, data))
            clips.append(data.clip)
        windows = cutter.windows(clips) if config.windows else iter(())
        window_rows = [store.store_window(folder, data) for data in windows]
    except (EpisodeError, ValueError) as error:
        return str(error)
    except OSError as error:
        return f"cannot be read or written ({error})"
    episode, identity = cutter.episode, _identity(bag, config)
    part = Part(
        key=_key(bag),
        identity=identity,
        source=str(bag),
        session_id=episode.session_id,
        scene_id=cutter.scene_id,
        split=episode.split,
        object_ids=tuple(sorted({clip.object_id for clip in clips if clip.object_id})),
        clips=len(clip_rows),
        windows=len(window_rows),
        skipped=dict(cutter.skipped),
        problems=episode.problems,
    )
    store.write_table(_part_path(folder, part.key, "clips"), store.to_table(clip_rows, store.CLIP_SCHEMA))
    store.write_table(
        _part_path(folder, part.key, "windows"), store.to_table(window_rows, store.WINDOW_SCHEMA)
    )
    # Written last: without it the part does not exist.
    _part_path(folder, part.key, "json").write_text(json.dumps(dataclasses.asdict(part), indent=1))
    return part


def _key(bag: Path) -> str:
    return f"{bag.stem}-{hashlib.sha256(str(bag.resolve()).encode()).hexdigest()[:8]}"


def _part_path(folder: Path, key: str, kind: str) -> Path:
    return folder / "parts" / (f"{key}.json" if kind == "json" else f"{key}.{kind}.parquet")


def _identity(bag: Path, config: CutConfig) -> str:
    digest = hashlib.sha256(f"{schema.SCHEMA_VERSION} {config!r}".encode())
    for file in sorted(bag.iterdir()) if bag.is_dir() else [bag]:
        if file.is_file():
            stat = file.stat()
            digest.update(f"{file.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _load_part(folder: Path, bag: Path, config: CutConfig) -> Part | None:
    try:
        content = json.loads(_part_path(folder, _key(bag), "json").read_text())
        part = Part(
            **{**content, "object_ids": tuple(content["object_ids"]), "problems": tuple(content["problems"])}
        )
    except (OSError, json.JSONDecodeError, TypeError, KeyError):
        return None
    return part if part.identity == _identity(bag, config) else None


# ---- all together --------------------------------------------------------------------------------------
def _joined(
    folder: Path, parts: Sequence[Part], sides: Mapping[str, str], kind: str, arrow_schema: pa.Schema
) -> pa.Table:
    tables = []
    for part in parts:
        table = store.read_table(_part_path(folder, part.key, kind), arrow_schema)
        column = pa.array([sides[part.session_id]] * table.num_rows, pa.string())
        tables.append(table.set_column(table.schema.get_field_index("split"), "split", column))
    return pa.concat_tables(tables)


def _tidy(folder: Path, parts: Sequence[Part], clips: pa.Table, windows: pa.Table) -> None:
    """Remove what bags left behind that are no longer part of the dataset."""
    items = set(clips.column("clip_id").to_pylist()) | set(windows.column("window_id").to_pylist())
    for place in ("audio", "frames"):
        for file in (folder / place).iterdir():
            if file.stem not in items:
                file.unlink()
    keys = {part.key for part in parts}
    for file in (folder / "parts").iterdir():
        if file.name.split(".json")[0].split(".clips.")[0].split(".windows.")[0] not in keys:
            file.unlink()
