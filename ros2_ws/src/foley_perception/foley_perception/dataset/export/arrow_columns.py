"""Columns of Parquet that the library `datasets` reads as what they are: arrays, sound, images.

What a column is stands in the schema's metadata under ``huggingface``, as that library writes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_BYTES = pa.struct({"bytes": pa.binary(), "path": pa.string()})
_KINDS = {
    "float32": pa.float32(), "float64": pa.float64(), "int64": pa.int64(), "bool": pa.bool_(), "string": pa.string()
}  # fmt: skip


def schema_of(features: Mapping[str, Any]) -> pa.Schema:
    """Of features as LeRobot names them: `dtype` and `shape`. Those that are video have no column."""
    fields, told = [], {}
    for name, feature in features.items():
        if feature["dtype"] == "video":
            continue
        fields.append(pa.field(name, arrow_type(feature["dtype"], feature["shape"])))
        told[name] = hf_feature(feature["dtype"], feature["shape"])
    return with_features(pa.schema(fields), told)


def with_features(schema: pa.Schema, told: Mapping[str, Any]) -> pa.Schema:
    """The same with what the library `datasets` is to know of its columns."""
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": told}})})


def arrow_type(kind: str, shape: Sequence[int]) -> pa.DataType:
    """Of one value of a column."""
    if kind == "image":
        return _BYTES
    found = _KINDS[kind]
    if tuple(shape) == (1,) or not shape:
        return found
    if len(shape) == 1:
        return pa.list_(found, shape[0])
    for _ in shape:
        found = pa.list_(found)
    return found


def hf_feature(kind: str, shape: Sequence[int]) -> dict[str, Any]:
    """The same as `datasets` says it."""
    if kind == "image":
        return {"_type": "Image"}
    if tuple(shape) == (1,) or not shape:
        return {"dtype": kind, "_type": "Value"}
    if len(shape) == 1:
        return {"feature": {"dtype": kind, "_type": "Value"}, "length": shape[0], "_type": "List"}
    return {"shape": list(shape), "dtype": kind, "_type": f"Array{len(shape)}D"}


def table_of(schema: pa.Schema, features: Mapping[str, Any], values: Mapping[str, Any]) -> pa.Table:
    """Columns of values [n, ...]; of images their bytes."""
    columns = [
        media(values[field.name])
        if features[field.name]["dtype"] == "image"
        else numbers(np.asarray(values[field.name]), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def media(contents: Sequence[bytes | None], names: Sequence[str] | None = None) -> pa.Array:
    """Files in a column: their bytes, and names where they have some; null for None."""
    rows = [
        None if content is None else {"bytes": content, "path": names[i] if names else None}
        for i, content in enumerate(contents)
    ]
    return pa.array(rows, _BYTES)


def numbers(values: NDArray[Any], kind: pa.DataType) -> pa.Array:
    """Numbers [n, ...] as nested lists."""
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    shape = values.shape[1:]
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(flat.cast(kind.value_type), kind.list_size)
    if not pa.types.is_list(kind):
        return flat.cast(kind)
    inner = kind
    while pa.types.is_list(inner):
        inner = inner.value_type
    nested = flat.cast(inner)
    for depth in range(len(shape) - 1, -1, -1):
        count = len(values) * int(np.prod(shape[:depth], dtype=np.int64))
        offsets = np.arange(count + 1, dtype=np.int32) * shape[depth]
        nested = pa.ListArray.from_arrays(pa.array(offsets), nested)
    return nested
