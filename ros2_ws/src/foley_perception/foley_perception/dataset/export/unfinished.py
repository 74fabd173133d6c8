"""A folder that is written shard by shard, and is either whole or plainly not.

While an export to ``DIR`` is not finished its files lie in ``DIR.unfinished``, under names that end in ``.part``,
beside ``UNFINISHED.jsonl``: what is being made of what (first line), and each shard that is done. ``DIR`` comes to be
when everything is there. Run again with the same source and options, the shards that are done are kept; with others it
is refused, unless no shard was done.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from foley_perception.dataset.export.format import Facts, Shard
from foley_perception.dataset.schema import DatasetError

STATE_FILE = "UNFINISHED.jsonl"
PART = ".part"
_WRITING = "writing"
_CACHE = "cache"


def unfinished_folder(out: Path) -> Path:
    """Where an export to ``out`` lies until it is whole."""
    return out.with_name(f"{out.name}.unfinished")


class Unfinished:
    """The folder of one export, for one process at a time. Use :func:`opened`."""

    def __init__(self, out: Path, identity: Mapping[str, Any], state: IO[str]) -> None:
        self.out, self.folder = out, unfinished_folder(out)
        self._state = state
        self._done: dict[str, tuple[dict[str, int], Facts]] = {}
        self._read(identity)

    @property
    def cache(self) -> Path:
        """A folder for what need not be found out again. It is no part of the export."""
        folder = self.folder / _CACHE
        folder.mkdir(exist_ok=True)
        return folder

    def _read(self, identity: Mapping[str, Any]) -> None:
        """Raises DatasetError: it was begun from something else."""
        self._state.seek(0)
        lines = self._state.read().splitlines()
        records = [record for line in lines if isinstance(record := _parsed(line), dict)]
        if not records:
            self._state.seek(0)
            self._state.truncate()
            self._append({"identity": identity})
            return
        if wrong := difference(records[0].get("identity"), json.loads(json.dumps(identity))):
            if "identity" in records[0] and not any("shard" in record for record in records):
                self._begin_anew(identity)  # nothing was made: it was refused, or ended before
                return
            raise DatasetError(
                f"{self.folder}: was begun with {wrong}; go on with what it was begun with, remove the folder to begin "
                "anew, or name another --out"
            )
        if lines and not isinstance(_parsed(lines[-1]), dict):  # cut within a line: the next begins a new one
            self._state.write("\n")
        for record in records[1:]:
            if "shard" in record:
                self._done[record["shard"]] = record["files"], record["facts"]

    def _begin_anew(self, identity: Mapping[str, Any]) -> None:
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != STATE_FILE:
                path.unlink()
        self._state.seek(0)
        self._state.truncate()
        self._append({"identity": identity})

    def _append(self, record: Mapping[str, Any]) -> None:
        self._state.seek(0, 2)
        self._state.write(json.dumps(record, allow_nan=False) + "\n")
        self._state.flush()

    def done(self, shard: Shard) -> Facts | None:
        """Facts of a shard all of whose files are there; None where it must be written."""
        files, facts = self._done.get(shard.name, ({}, {}))
        if shard.name not in self._done or any(self._size(name) != size for name, size in files.items()):
            return None
        return facts

    def _size(self, name: str) -> int:
        for path in (self.folder / (name + PART), self.folder / name):
            if path.is_file():
                return path.stat().st_size
        return -1

    def write(self, shard: Shard, step: Callable[[], None]) -> Facts:
        """Write a shard, and note that it is done."""
        scratch = self.folder / _WRITING
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        facts = shard.write(scratch, step)
        files: dict[str, int] = {}
        for path in sorted(path for path in scratch.rglob("*") if path.is_file()):
            name = path.relative_to(scratch).as_posix()
            target = self.folder / (name + PART)
            target.parent.mkdir(parents=True, exist_ok=True)
            files[name] = path.stat().st_size
            path.replace(target)
        shutil.rmtree(scratch)
        self._append({"shard": shard.name, "files": files, "facts": facts})
        self._done[shard.name] = files, facts
        return facts

    def finish(self, shards: tuple[Shard, ...], write: Callable[[Path], None]) -> None:
        """All shards are done: their files get their names, ``write`` adds what speaks of all, ``out`` comes to be."""
        for shard in shards:
            for name in self._done[shard.name][0]:
                part = self.folder / (name + PART)
                if part.exists():
                    part.replace(self.folder / name)
        write(self.folder)
        for folder in (_CACHE, _WRITING):
            shutil.rmtree(self.folder / folder, ignore_errors=True)
        (self.folder / STATE_FILE).unlink()
        self.folder.rename(self.out)


@contextlib.contextmanager
def opened(out: Path, identity: Mapping[str, Any]) -> Iterator[Unfinished]:
    """The unfinished folder of an export, new or begun.

    Raises:
        DatasetError: ``out`` is there, another process writes it, it was begun from something else, or it cannot be
        written.
    """
    if out.exists():
        raise DatasetError(f"{out}: is there already; name a new folder, or remove it")
    folder = unfinished_folder(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / STATE_FILE, "a+", encoding="utf-8") as state:
            try:
                fcntl.flock(state, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise DatasetError(f"{folder}: another export is writing it; let it end first") from error
            yield Unfinished(out, identity, state)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        cure = "; free some space and run it again: it goes on where it was" if full else ""
        raise DatasetError(f"{out}: cannot be written ({error}){cure}") from error


def difference(begun: Any, now: Mapping[str, Any]) -> str:
    """In which a source differs from the one that an export was begun with; empty where it does not."""
    if not isinstance(begun, dict):
        return "something that this release does not know"
    for key in sorted({*begun, *now}):
        a, b = begun.get(key), now.get(key)
        if a == b:
            continue
        if isinstance(a, dict) and isinstance(b, dict):
            inner = next(name for name in sorted({*a, *b}) if a.get(name) != b.get(name))
            if inner not in b:
                return f"{key} `{inner}`, which is not given now"
            if inner not in a:
                return f"other {key}, without `{inner}`"
            return f"another content of {key} `{inner}`"
        return f"{key} `{a}`, and is `{b}` now"
    return ""


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None
