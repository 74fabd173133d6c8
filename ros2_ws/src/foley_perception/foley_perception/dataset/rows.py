"""Clips and windows of one recording on their way to disk: media at once, rows in blocks, so that none pile up."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from foley_perception.dataset import store
from foley_perception.dataset.schema import ClipData, WindowData

_BLOCK = 16  # rows of a block: 2 MB of windows


class Rows:
    """The two tables of a part. They are there once the block ends without an error, and else not at all.

    Args:
        claim: raises DatasetError where a session is another source's; to be asked before the first item.
    """

    def __init__(
        self,
        folder: Path,
        clips: Path,
        windows: Path,
        *,
        claim: Callable[[str], None] = lambda session_id: None,
    ) -> None:
        self._folder, self.claim = folder, claim
        self._clips, self._windows = _Table(clips, store.CLIP_SCHEMA), _Table(windows, store.WINDOW_SCHEMA)
        self.object_ids: set[str] = set()

    @property
    def clips(self) -> int:
        return self._clips.count

    @property
    def windows(self) -> int:
        return self._windows.count

    def add_clip(self, data: ClipData) -> None:
        self._clips.add(store.store_clip(self._folder, data))
        if data.clip.object_id:
            self.object_ids.add(data.clip.object_id)

    def add_window(self, data: WindowData) -> None:
        self._windows.add(store.store_window(self._folder, data))

    def __enter__(self) -> Rows:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for table in (self._clips, self._windows):
            table.close(keep=kind is None)


def unique_beside(path: Path) -> Path:
    """Where a file is written before it is moved to its place. A worker that was given up, on whichever machine, may
    still be writing its own."""
    return path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}.tmp")


class _Table:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._temporary = unique_beside(path)
        self._writer = pq.ParquetWriter(self._temporary, schema, compression="zstd")
        self._waiting: list[store.Row] = []
        self.count = 0

    def add(self, row: store.Row) -> None:
        self._waiting.append(row)
        self.count += 1
        if len(self._waiting) == _BLOCK:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(store.to_table(self._waiting, self._schema))
            self._waiting.clear()

    def close(self, *, keep: bool) -> None:
        if keep:
            self._flush()
        self._writer.close()
        if keep:
            self._temporary.replace(self._path)
        else:
            self._temporary.unlink(missing_ok=True)
