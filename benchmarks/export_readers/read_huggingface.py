"""Run by `benchmarks/export_formats.py` in the environment of `datasets`: the rows that it reads, as arrays."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import datasets
import numpy as np
import soundfile

PICKED = ("clip_id", "split", "contact_ns", "start_ns", "material", "action", "speed")


def main(root: str, out: str) -> None:
    data = datasets.load_dataset(root)
    found: dict[str, Any] = {}
    rows = []
    kinds = {}
    for split, part in data.items():
        kinds = {name: type(feature).__name__ for name, feature in part.features.items()}
        # Bytes as they lie there: sound is decoded by soundfile, which needs no FFmpeg.
        part = part.cast_column("audio", datasets.Audio(sampling_rate=48_000, decode=False))
        part = part.cast_column("frames", datasets.Image(decode=False))
        for row in part:
            name = f"{len(rows):05d}"
            rows.append({key: row[key] for key in PICKED} | {"loaded_split": split})
            found[f"{name}.audio"] = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="float32")[0]
            found[f"{name}.frames"] = np.frombuffer(row["frames"]["bytes"], np.uint8)
            for key in ("action_executed", "action_planned", "keypoints"):
                found[f"{name}.{key}"] = np.asarray(row[key], np.float32)
    first = next(iter(data.values()))
    about = {
        "library": "datasets",
        "version": datasets.__version__,
        "rows": rows,
        "kinds": kinds,
        "image_size": list(first.select_columns(["frames"])[0]["frames"].size),  # as the library decodes it
    }
    np.savez(out, about=json.dumps(about), **found)


if __name__ == "__main__":
    main(*sys.argv[1:3])
