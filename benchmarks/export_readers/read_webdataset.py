"""Run by `benchmarks/export_formats.py` in WebDataset's own environment: the samples that it reads, as arrays."""

from __future__ import annotations

import glob
import io
import json
import sys
from typing import Any

import numpy as np
import soundfile
import webdataset


def main(root: str, out: str) -> None:
    shards = sorted(glob.glob(f"{root}/*.tar"))  # noqa: PTH207
    found: dict[str, Any] = {}
    rows = []
    for sample in webdataset.WebDataset(shards, shardshuffle=False).decode():
        row, name = sample["json"], f"{len(rows):05d}"
        rows.append(row)
        for key, value in sample.items():
            if key == "flac":
                found[f"{name}.audio"] = soundfile.read(io.BytesIO(value), dtype="float32")[0]
            elif key == "jpg":
                found[f"{name}.frames"] = np.frombuffer(value, np.uint8)
            elif key.endswith(".npy") or isinstance(value, np.ndarray):
                found[f"{name}.{key.removesuffix('.npy')}"] = np.asarray(value)
    about = {"library": "webdataset", "version": webdataset.__version__, "rows": rows}
    np.savez(out, about=json.dumps(about), **found)


if __name__ == "__main__":
    main(*sys.argv[1:3])
