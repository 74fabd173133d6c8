"""Parquet for the library `datasets` (https://github.com/huggingface/datasets), with sound and images inside.

``clips/<split>-00000-of-00001.parquet`` and, where the data set has windows, ``windows/...``: the columns of its rows,
``audio`` (FLAC) and ``frames`` (JPEG, one under the other; of a clip the still comes last), byte by byte as they are
in the data set, the arrays of its rows, and ``audio.<device>``, ``frames.<device>``, ``action.<device>`` of further
devices. What is not there is null. The schema says which columns are sound, images and arrays, so that they load as
such; `README.md` is the card of the data set.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

from foley_common.topics import MAIN_CAMERA, MAIN_MICROPHONE
from foley_perception.clips.grid import SAMPLE_RATE
from foley_perception.dataset import store
from foley_perception.dataset.export import arrow_columns as columns
from foley_perception.dataset.export.format import Facts, Plan, Shard, ShardedFormat, Step
from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.schema import CLIP_ARRAYS, SPLITS, WINDOW_ARRAYS, Clip, Window

SHARD_ROWS = 1000
"""In one file at most: some 0.4 GB of clips."""
GROUP_ROWS = {"clips": 100, "windows": 16}
"""Rows that are in memory at a time, and that a reader reads at a time."""
_AUDIO = {"sampling_rate": SAMPLE_RATE, "_type": "Audio"}
_IMAGE = {"_type": "Image"}
_BYTES = pa.struct({"bytes": pa.binary(), "path": pa.string()})
Item = Clip | Window
Arrays = Callable[[str, int], NDArray[np.float32]]


@dataclasses.dataclass(frozen=True)
class _Table:
    """One kind of item."""

    kind: str  # `clips` or `windows`
    items: Sequence[Item]
    rows: pa.Schema  # as the data set stores them
    arrays: Mapping[str, tuple[int, ...]]
    read: Arrays

    @functools.cached_property
    def schema(self) -> pa.Schema:
        """Columns, and what each is."""
        fields: list[pa.Field] = []
        told: dict[str, Any] = {}
        for field in self.rows:
            if field.name not in self.arrays:
                fields.append(field)
                told[field.name] = _feature(field.type)
        for name, shape in self.arrays.items():
            fields.append(pa.field(name, columns.arrow_type("float32", shape)))
            told[name] = columns.hf_feature("float32", shape)
        for name, feature in (("audio", _AUDIO), ("frames", _IMAGE)):
            fields.append(pa.field(name, _BYTES))
            told[name] = feature
        for kind, prefix, feature in (("microphones", "audio", _AUDIO), ("cameras", "frames", _IMAGE)):
            for device in self.further(kind):
                fields.append(pa.field(f"{prefix}.{device}", _BYTES))
                told[f"{prefix}.{device}"] = feature
        for device in self.further("arms"):
            shape = self.arrays["action_executed"]
            fields.append(pa.field(f"action.{device}", columns.arrow_type("float32", shape)))
            told[f"action.{device}"] = columns.hf_feature("float32", shape)
        return columns.with_features(pa.schema(fields), told)

    def further(self, kind: str) -> list[str]:
        return sorted({device for item in self.items for device in getattr(item, kind)})


def _plan(dataset: ClipDataset) -> Plan:
    windows = functools.cache(dataset.window_array)
    tables = [
        _Table("clips", dataset.clips, store.CLIP_SCHEMA, CLIP_ARRAYS, lambda n, i: getattr(dataset, n)(i))
    ]
    if dataset.windows:
        read: Arrays = lambda name, index: windows(name)[index]  # noqa: E731
        tables.append(_Table("windows", dataset.windows, store.WINDOW_SCHEMA, WINDOW_ARRAYS, read))
    tables = [table for table in tables if table.items] or tables  # imported hands have no clips
    shards = tuple(
        shard for table in tables for split in SPLITS for shard in _shards_of(dataset, table, split)
    )

    def finish(folder: Path, facts: Mapping[str, Facts]) -> Facts:
        (folder / "README.md").write_text(_card(dataset, tables), encoding="utf-8")
        return {}

    return Plan(shards, {}, finish)


def _shards_of(dataset: ClipDataset, table: _Table, split: str) -> list[Shard]:
    items = [i for i, item in enumerate(table.items) if item.split == split]
    starts = range(0, len(items), SHARD_ROWS)
    found = []
    for number, start in enumerate(starts):
        few = items[start : start + SHARD_ROWS]
        name = f"{table.kind}/{split}-{number:05d}-of-{len(starts):05d}.parquet"
        found.append(Shard(name, len(few), functools.partial(_write, dataset, table, name, few)))
    return found


def _write(
    dataset: ClipDataset, table: _Table, name: str, items: Sequence[int], folder: Path, step: Step
) -> Facts:
    path = folder / name
    path.parent.mkdir(parents=True)
    size = GROUP_ROWS[table.kind]
    with pq.ParquetWriter(path, table.schema, compression="zstd") as file:
        for start in range(0, len(items), size):
            group = items[start : start + size]
            file.write_table(_group(dataset, table, group))
            for _ in group:
                step()
    return {"rows": len(items)}


def _group(dataset: ClipDataset, table: _Table, items: Sequence[int]) -> pa.Table:
    given = [table.items[i] for i in items]
    rows = [dataclasses.asdict(item) for item in given]
    found = []
    for field in table.schema:
        name, _, device = field.name.partition(".")
        if field.name in table.arrays:
            values = np.stack([table.read(field.name, i) for i in items])
            found.append(columns.numbers(values, field.type))
        elif name == "audio" and field.type == _BYTES:
            found.append(_files(dataset, given, "flac", MAIN_MICROPHONE, device, store.audio_path))
        elif name == "frames" and field.type == _BYTES:
            found.append(_files(dataset, given, "jpg", MAIN_CAMERA, device, store.frames_path))
        elif name == "action" and device:
            shape = table.arrays["action_executed"]
            found.append(_actions(dataset, given, device, shape, field.type))
        else:
            found.append(pa.array([row[field.name] for row in rows], field.type))
    return pa.Table.from_arrays(found, schema=table.schema)


def _files(
    dataset: ClipDataset,
    items: Sequence[Item],
    ending: str,
    main: str,
    device: str,
    path_of: Callable[[Path, str, str], Path],
) -> pa.Array:
    contents: list[bytes | None] = []
    for item in items:
        there = device in (*item.microphones, *item.cameras) if device else main not in item.without
        path = path_of(dataset.path, _id(item), device or main)
        contents.append(store.read_media(path) if there else None)
    return columns.media(contents, [f"{_id(item)}.{ending}" for item in items])


def _actions(
    dataset: ClipDataset, items: Sequence[Item], device: str, shape: tuple[int, ...], kind: pa.DataType
) -> pa.Array:
    rows = [
        store.read_action(store.action_path(dataset.path, _id(item), device), shape).tolist()
        if device in item.arms
        else None
        for item in items
    ]
    return pa.array(rows, kind)


def _id(item: Item) -> str:
    return item.clip_id if isinstance(item, Clip) else item.window_id


def _feature(kind: pa.DataType) -> dict[str, Any]:
    """What `datasets` calls a column of rows."""
    if pa.types.is_fixed_size_list(kind):
        return {"feature": _feature(kind.value_type), "length": kind.list_size, "_type": "List"}
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    return {"dtype": "float64" if kind == pa.float64() else str(kind), "_type": "Value"}


def _card(dataset: ClipDataset, tables: Sequence[_Table]) -> str:
    """README.md: what the hub and `load_dataset` read of it, and what people do."""
    configs = [
        {
            "config_name": table.kind,
            **({"default": True} if number == 0 else {}),
            "data_files": [
                {"split": split, "path": f"{table.kind}/{split}-*.parquet"}
                for split in SPLITS
                if any(item.split == split for item in table.items)
            ],
        }
        for number, table in enumerate(tables)
    ]
    head = {
        "license": "other",
        "license_name": "to-be-named",
        "pretty_name": "Contact sounds",
        "task_categories": ["audio-classification", "robotics"],
        "configs": configs,
    }
    counts = "\n".join(
        f"| {table.kind} | {split} | {sum(item.split == split for item in table.items)} |"
        for table in tables
        for split in SPLITS
    )
    return f"""---
{yaml.safe_dump(head, sort_keys=False)}---
# Contact sounds

Clips of 1 s around contacts (windows are 8 s of a recording), exported by Foley. Name the licence of your data above.

| | split | rows |
| --- | --- | --- |
{counts}

`audio` is 48 kHz, 24 bit; sample 0 was captured at `start_ns`, in nanoseconds, and the contact began at `contact_ns`.
`frames` holds the pictures of a row one under the other (of a clip 30 at 30 Hz and then the still, of a window 32 at
4 Hz). Fingerprint of the data set: `{dataset.fingerprint}`.
"""


HUGGINGFACE = ShardedFormat(
    "huggingface", "of a data set: Parquet with sound and images inside, for the library `datasets`", _plan
)
