"""Clips and windows to and from disk: FLAC, JPEG strips and Parquet rows.

Layout of a dataset folder::

    manifest.json            schema version, rates, vocabulary, counts, sources, fingerprint
    clips.parquet            one row per clip: the fields of `Clip` and the arrays of CLIP_ARRAYS
    windows.parquet          one row per window
    audio/<id>.flac          mono, 48 kHz, 24 bit
    frames/<id>.jpg          the frames one under the other; for a clip the still comes last
                             (neither for an item that is `without` a microphone or a camera)
    audio/<device>/<id>.flac, frames/<device>/<id>.jpg, action/<device>/<id>.npy
                             of further microphones, cameras and arms, where they gave something
    parts/<session>.parquet  what one bag gave (so that a build can be resumed)
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from numpy.typing import NDArray

from foley_common.topics import MAIN_CAMERA, MAIN_DEVICES, MAIN_MICROPHONE
from foley_perception.clips.grid import SAMPLE_RATE
from foley_perception.dataset.schema import (
    CLIP_ARRAYS,
    DEVICES,
    NAMES_LATER,
    WINDOW_ARRAYS,
    Clip,
    ClipData,
    DatasetError,
    Further,
    Window,
    WindowData,
)

JPEG_QUALITY = 95
Row = dict[str, Any]


def audio_path(folder: Path, item_id: str, microphone: str = MAIN_MICROPHONE) -> Path:
    return folder / "audio" / _below(microphone) / f"{item_id}.flac"


def frames_path(folder: Path, item_id: str, camera: str = MAIN_CAMERA) -> Path:
    return folder / "frames" / _below(camera) / f"{item_id}.jpg"


def action_path(folder: Path, item_id: str, arm: str) -> Path:
    """Executed action of a further arm; that of the main one is in the tables."""
    return folder / "action" / _below(arm) / f"{item_id}.npy"


def _below(device: str) -> str:
    return "" if device in MAIN_DEVICES else device


def media_of(folder: Path, table: pa.Table) -> Iterator[list[Path]]:
    """The files of each row, the main ones first."""
    names = (table.column_names[0], "without", *DEVICES)
    columns = (table.column(name).to_pylist() for name in names)
    for item, without, microphones, cameras, arms in zip(*columns, strict=True):
        yield [
            *(audio_path(folder, item) for _ in (0,) if MAIN_MICROPHONE not in without),
            *(frames_path(folder, item) for _ in (0,) if MAIN_CAMERA not in without),
            *(audio_path(folder, item, device) for device in microphones),
            *(frames_path(folder, item, device) for device in cameras),
            *(action_path(folder, item, device) for device in arms),
        ]


def media_in(folder: Path) -> list[Path]:
    """All files that may belong to rows, whether they do or not."""
    places = (folder / name for name in ("audio", "frames", "action"))
    return [file for place in places for file in place.rglob("*") if file.is_file()]


def write_audio(path: Path, samples: NDArray[np.float32]) -> None:
    # Not to the file at once: of the last bytes that a full disk does not take the library tells nothing.
    content = io.BytesIO()
    soundfile.write(content, np.clip(samples, -1.0, 1.0), SAMPLE_RATE, format="FLAC", subtype="PCM_24")
    path.write_bytes(content.getvalue())


def read_audio(path: Path, length: int) -> NDArray[np.float32]:
    """Mono samples [length] float32.

    Raises:
        DatasetError: missing or unreadable file, wrong rate or length.
    """
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=False)
    except (OSError, soundfile.LibsndfileError) as error:
        raise DatasetError(f"{path}: cannot read audio ({error}); build the dataset again") from error
    if rate != SAMPLE_RATE or samples.shape != (length,):
        raise DatasetError(f"{path}: {samples.shape} at {rate} Hz, expected {length} at {SAMPLE_RATE} Hz")
    return np.asarray(samples, dtype=np.float32)


def write_strip(path: Path, frames: NDArray[np.uint8]) -> None:
    """RGB frames [n, H, W, 3] as one JPEG of size [n H, W]."""
    strip = frames.reshape(-1, frames.shape[2], 3)
    encoded, data = cv2.imencode(
        ".jpg", cv2.cvtColor(strip, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    if not encoded:
        raise DatasetError(f"{path}: strip of shape {strip.shape} cannot be stored as JPEG")
    path.write_bytes(data.tobytes())


def read_strip(path: Path, count: int) -> NDArray[np.uint8]:
    """RGB frames [count, H, W, 3] of a strip.

    Raises:
        DatasetError: missing file, or a height that ``count`` does not divide.
    """
    try:
        data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    except OSError as error:
        raise DatasetError(f"{path}: cannot read frames ({error}); build the dataset again") from error
    strip = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if strip is None or strip.shape[0] % count:
        raise DatasetError(f"{path}: not a strip of {count} frames; build the dataset again")
    rgb = cv2.cvtColor(strip, cv2.COLOR_BGR2RGB)
    return np.asarray(rgb, dtype=np.uint8).reshape(count, -1, rgb.shape[1], 3)


def clip_row(data: ClipData) -> Row:
    """The Parquet row of a clip (position as three numbers, arrays flat)."""
    row = dataclasses.asdict(data.clip)
    row["position"] = [float(v) for v in data.clip.position]
    row |= {kind: list(getattr(data.further, kind)) for kind in DEVICES}
    row["without"] = list(data.clip.without)
    for name in CLIP_ARRAYS:
        row[name] = np.ascontiguousarray(getattr(data, name), dtype=np.float32).ravel()
    return row


def window_row(data: WindowData) -> Row:
    row = dataclasses.asdict(data.window)
    row["contacts"], row["object_ids"] = list(data.window.contacts), list(data.window.object_ids)
    row |= {kind: list(getattr(data.further, kind)) for kind in DEVICES}
    row["without"] = list(data.window.without)
    for name in WINDOW_ARRAYS:
        row[name] = np.ascontiguousarray(getattr(data, name), dtype=np.float32).ravel()
    return row


def store_clip(folder: Path, data: ClipData) -> Row:
    """Write a clip's media below ``folder`` and return its row."""
    if data.audio is not None:
        write_audio(audio_path(folder, data.clip.clip_id), data.audio)
    if data.frames is not None and data.still is not None:
        strip = np.concatenate([data.frames, data.still[None]])
        write_strip(frames_path(folder, data.clip.clip_id), strip)
    _store_further(folder, data.clip.clip_id, data.further)
    return clip_row(data)


def store_window(folder: Path, data: WindowData) -> Row:
    if data.audio is not None:
        write_audio(audio_path(folder, data.window.window_id), data.audio)
    if data.frames is not None:
        write_strip(frames_path(folder, data.window.window_id), data.frames)
    _store_further(folder, data.window.window_id, data.further)
    return window_row(data)


def _store_further(folder: Path, item_id: str, further: Further) -> None:
    for device, sound in further.audio.items():
        write_audio(_made(audio_path(folder, item_id, device)), sound)
    for device, frames in further.frames.items():
        write_strip(_made(frames_path(folder, item_id, device)), frames)
    for device, action in further.action.items():
        np.save(_made(action_path(folder, item_id, device)), np.asarray(action, dtype="<f4"))


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def read_action(path: Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Executed action of a further arm.

    Raises:
        DatasetError: missing or unreadable file, wrong shape.
    """
    try:
        action = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot read action ({error}); build the dataset again") from error
    if action.shape != shape:
        raise DatasetError(f"{path}: action has shape {action.shape}, expected {shape}")
    return np.asarray(action, dtype=np.float32)


def make_folders(folder: Path) -> None:
    for name in ("audio", "frames", "parts"):
        (folder / name).mkdir(parents=True, exist_ok=True)


# ---- Parquet -----------------------------------------------------------------------------------------------
_TYPES = {"int": pa.int64(), "float": pa.float64(), "str": pa.string()}


def _arrow_schema(item: type[Clip] | type[Window], arrays: Mapping[str, tuple[int, ...]]) -> pa.Schema:
    fields = []
    for field in dataclasses.fields(item):
        annotation = str(field.type)
        if annotation.startswith("tuple[float"):
            kind = pa.list_(pa.float64(), 3)
        elif annotation.startswith("tuple[str"):
            kind = pa.list_(pa.string())
        else:
            kind = _TYPES[annotation]
        fields.append(pa.field(field.name, kind))
    fields += [pa.field(n, pa.list_(pa.float32(), int(np.prod(shape)))) for n, shape in arrays.items()]
    return pa.schema(fields)


CLIP_SCHEMA = _arrow_schema(Clip, CLIP_ARRAYS)
WINDOW_SCHEMA = _arrow_schema(Window, WINDOW_ARRAYS)


def to_table(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    columns = []
    for field in schema:
        values = [row[field.name] for row in rows]
        if pa.types.is_fixed_size_list(field.type) and field.type.value_type == pa.float32():
            flat = np.concatenate(values) if values else np.empty(0, dtype=np.float32)
            column = pa.FixedSizeListArray.from_arrays(pa.array(flat, pa.float32()), field.type.list_size)
        else:
            column = pa.array(values, field.type)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)


def write_table(path: Path, table: pa.Table) -> None:
    """Whole or not at all: written beside and renamed."""
    temporary = path.with_suffix(".tmp")
    pq.write_table(table, temporary, compression="zstd")
    temporary.replace(path)


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """A table with the columns of a schema. Those that came later are empty where a dataset is older than they."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DatasetError(f"{path}: cannot be read ({error}); build the dataset again") from error
    missing = [name for name in schema.names if name not in table.column_names]
    for name in set(NAMES_LATER).intersection(missing):
        kind = schema.field(name).type
        empty: Any = "" if kind == pa.string() else []
        table = table.append_column(name, pa.array([empty] * table.num_rows, kind))
        missing.remove(name)
    if missing:
        raise DatasetError(f"{path}: columns {', '.join(missing)} are missing; build the dataset again")
    return table.select(schema.names)


def table_array(table: pa.Table, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """An array column as [rows, *shape]."""
    flat = table.column(name).combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, dtype=np.float32).reshape(table.num_rows, *shape)


def table_clips(table: pa.Table) -> list[Clip]:
    names = [field.name for field in dataclasses.fields(Clip)]
    return [Clip(**_tuples(row)) for row in table.select(names).to_pylist()]


def table_windows(table: pa.Table) -> list[Window]:
    names = [field.name for field in dataclasses.fields(Window)]
    return [Window(**_tuples(row)) for row in table.select(names).to_pylist()]


def _tuples(row: Row) -> Row:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}


# ---- fingerprint -------------------------------------------------------------------------------------------
def fingerprint(folder: Path, tables: Iterable[pa.Table]) -> str:
    """sha256 over what the dataset says: every row (canonically, not Parquet's bytes) and all media."""
    digest = hashlib.sha256()
    for table in tables:
        id_column = table.column_names[0]
        table = table.sort_by(id_column)
        for field in table.schema:
            column = table.column(field.name).combine_chunks()
            if field.name in NAMES_LATER and not any(column.to_pylist()):
                continue  # says nothing, as in a dataset older than the column
            digest.update(field.name.encode())
            if pa.types.is_fixed_size_list(field.type) and field.type.value_type == pa.float32():
                digest.update(column.flatten().to_numpy(zero_copy_only=False).astype("<f4").tobytes())
            else:
                digest.update(json.dumps(column.to_pylist()).encode())
        for path in itertools.chain.from_iterable(media_of(folder, table)):
            digest.update(hashlib.sha256(read_media(path)).digest())
    return digest.hexdigest()


def read_media(path: Path) -> bytes:
    """The bytes of a file of the dataset. Raises DatasetError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error}); build the dataset again") from error
