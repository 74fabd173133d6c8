"""Run by `benchmarks/export_formats.py` in TensorFlow Datasets' own environment: the steps that it reads, as arrays."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import tensorflow_datasets as tfds


def main(root: str, out: str) -> None:
    builder = tfds.builder_from_directory(root)
    rows: dict[str, list[Any]] = {}
    sessions: list[str] = []
    for split in builder.info.splits:
        for episode in tfds.as_numpy(builder.as_dataset(split=split)):
            for step in episode["steps"]:
                step["observation"]["episode_index"] = len(sessions)
                for key, value in step["observation"].items():
                    rows.setdefault(key, []).append(value)
            sessions.append(episode["episode_metadata"]["session_id"].decode())
    about = {
        "library": "tensorflow-datasets",
        "version": tfds.__version__,
        "sessions": sessions,
        "splits": {name: split.num_examples for name, split in builder.info.splits.items()},
    }
    found = {_column(key): np.stack(values) for key, values in rows.items()}
    np.savez(out, about=json.dumps(about), **found)


def _column(key: str) -> str:
    """As the format `lerobot` calls it, with which both are compared."""
    if key.startswith("image_"):
        return f"observation.images.{key.removeprefix('image_')}"
    if key == "state":
        return "observation.state"
    for end in ("_first_sample", "_stamp_ns", "_count"):
        if key.endswith(end):
            return f"{_column(key.removesuffix(end))}.{end[1:]}"
    for begin in ("sound_", "stamp_ns_"):
        if key.startswith(begin):
            return f"{begin[:-1]}.{key.removeprefix(begin)}"
    return key


if __name__ == "__main__":
    main(*sys.argv[1:3])
