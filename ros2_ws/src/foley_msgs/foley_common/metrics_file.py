"""``metrics.json``: the figures of a run, where anyone can check them again later."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

METRICS_FILE = "metrics.json"


def write_metrics(folder: Path | str, figures: Mapping[str, Any], *, name: str = METRICS_FILE) -> Path:
    """Write ``folder/metrics.json``, whole or not at all, and return its path.

    JSON knows neither NaN nor infinity: a figure that is not a finite number is written as null.
    NumPy's numbers and arrays and dataclasses are written as plain ones.
    """
    path = Path(folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{name}.{os.getpid()}")
    text = json.dumps(plain(figures), indent=2, ensure_ascii=False, allow_nan=False)
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)
    return path


def plain(value: Any) -> Any:
    """The same of types that JSON has.

    Raises:
        TypeError: something that is neither a number, a text, a list nor a mapping.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # NumPy's arrays and scalars
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    raise TypeError(f"{value!r} ({type(value).__name__}) cannot stand in {METRICS_FILE}")
