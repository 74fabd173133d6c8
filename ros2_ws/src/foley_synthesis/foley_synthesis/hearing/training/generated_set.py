"""A generated set of single contacts, and of what is no contact: a folder of shards as `foley sim hearing` writes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SET_FILE = "set.json"
SHARDS = "shard_*.safetensors"
CONTACT = 0  # among the kinds
LABELS = (
    *("onset_s", "kind", "material", "log10_e", "log10_density", "roughness", "hollowness", "action", "striker"),
    *("support", "microphone", "object_id", "bandwidth_hz", "snr_db"),
)  # fmt: skip
_CURE = "write it again with `foley sim hearing --out DIR`"


class SetError(ValueError):
    """A folder is no generated set, or a damaged one. The message names file and cure."""


@dataclasses.dataclass(frozen=True, eq=False)
class GeneratedSet:
    """What a set says of its clips; their sound stays on the disk."""

    path: Path
    rate: int
    seed: int
    split: str
    materials: tuple[str, ...]
    actions: tuple[str, ...]
    kinds: tuple[str, ...]
    shards: tuple[Path, ...]
    counts: tuple[int, ...]  # clips of each shard
    labels: dict[str, NDArray[Any]]  # each [n], by the names of LABELS
    fingerprint: str

    @classmethod
    def open(cls, path: Path) -> GeneratedSet:
        """Raises SetError."""
        about = _about(path)
        shards = tuple(sorted(path.glob(SHARDS)))
        if not shards:
            raise SetError(f"{path}: holds no {SHARDS}; {_CURE}")
        parts = [_labels_of(shard) for shard in shards]
        labels = {name: np.concatenate([part[name] for part in parts]) for name in LABELS}
        digest = hashlib.sha256((path / SET_FILE).read_bytes())
        for shard in shards:
            digest.update(f"{shard.name} {shard.stat().st_size}".encode())
        for values in labels.values():
            digest.update(np.ascontiguousarray(values).tobytes())
        try:
            return cls(
                path, int(about["rate"]), int(about["seed"]), str(about["split"]), tuple(about["materials"]),
                tuple(about["actions"]), tuple(about["kinds"]), shards, tuple(len(p["kind"]) for p in parts), labels,
                digest.hexdigest(),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise SetError(f"{path / SET_FILE}: lacks {error}; {_CURE}") from error

    def __len__(self) -> int:
        return sum(self.counts)

    @property
    def contacts(self) -> NDArray[np.int64]:
        """Rows that are contacts."""
        return np.flatnonzero(self.labels["kind"] == CONTACT)


def shard_audio(shard: Path) -> NDArray[np.float32]:
    """Sound [n, samples] in [-1, 1]."""
    from safetensors.numpy import load_file

    audio: NDArray[np.int16] = load_file(shard)["audio"]
    return audio.astype(np.float32) / 32768.0


def _about(path: Path) -> dict[str, Any]:
    file = path / SET_FILE
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SetError(f"{file}: not readable as JSON ({error}); {_CURE}") from error
    if not isinstance(about, dict):
        raise SetError(f"{file}: not a JSON mapping; {_CURE}")
    return about


def _labels_of(shard: Path) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(shard, framework="np") as file:
            return {name: file.get_tensor(name) for name in LABELS}
    except (SafetensorError, OSError) as error:
        raise SetError(f"{shard}: damaged ({error}); {_CURE}") from error
