"""A set of generated recordings: a folder with `set.json` and shards of safetensors.

Every shard is drawn from (seed, split, its number) alone: neither the number of processes nor how far a set goes
changes it. A finished shard is kept, so a set is gone on with, or made longer, by the same command.

tensor         type, shape         of a clip
audio          int16 [n, 28800]    as the microphone gave it
onset_s        float32 [n]         begin of the contact [s]; NaN where there is none, as in all that follow
kind           int8 [n]            in KINDS, 0 is a contact
material       int8 [n]            in MATERIALS; -1 where there is none, as in all indices
log10_e        float32 [n]         of Young's modulus [Pa]
log10_density  float32 [n]         of the density [kg/m^3]
roughness      float32 [n]         [0, 1]
hollowness     float32 [n]         [0, 1]
action, striker, support, microphone   int8 [n]
object_id      int32 [n]           one thing, struck several times
bandwidth_hz   float32 [n]         the recording holds nothing above [Hz]
snr_db         float32 [n]         loudest 50 ms over the mean of the background [dB]
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_sim.hearing.backgrounds import Noise
from foley_sim.hearing.clips import Clip, object_clips
from foley_sim.hearing.vocabulary import (
    ACTIONS,
    KINDS,
    MICROPHONES,
    ONSET_S,
    RATE,
    SAMPLES,
    STRIKERS,
    SUPPORTS,
)
from foley_sim.materials import MATERIALS
from foley_sim.offline.pool import work_off
from foley_sim.offline.set_folder import claimed

SCHEMA = "foley-hearing-set-1"
VERSION = 1
"""Of what is drawn: the same seed gives other clips once this is raised."""
SPLITS: tuple[str, ...] = ("train", "validation")
SHARD_CLIPS = 500  # ten minutes
_STREAM = 0x4EA417
FORMAT: dict[str, Any] = {
    "rate": RATE,
    "samples": SAMPLES,
    "onset_s": ONSET_S,
    "materials": list(MATERIALS),
    "actions": list(ACTIONS),
    "strikers": list(STRIKERS),
    "supports": list(SUPPORTS),
    "microphones": list(MICROPHONES),
    "kinds": list(KINDS),
}
"""What `set.json` says of every set."""
SHARDS = "shard_*.safetensors"

_TYPES: dict[str, type] = {
    "onset_s": np.float32, "kind": np.int8, "material": np.int8, "log10_e": np.float32, "log10_density": np.float32,
    "roughness": np.float32, "hollowness": np.float32, "action": np.int8, "striker": np.int8, "support": np.int8,
    "microphone": np.int8, "object_id": np.int32, "bandwidth_hz": np.float32, "snr_db": np.float32,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class HearingSetConfig:
    """Which set to write.

    Raises:
        ValueError: naming the option that cannot be.
    """

    out: Path
    hours: float
    seed: int = 0
    split: str = "train"
    jobs: int = 2
    shard_clips: int = SHARD_CLIPS

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"--split is `{self.split}`, known are {', '.join(SPLITS)}")
        if not (math.isfinite(self.hours) and self.hours > 0):
            raise ValueError(f"--hours is {self.hours}, must be more than 0")
        if self.jobs < 1 or self.seed < 0:
            raise ValueError(
                f"--jobs is {self.jobs} and --seed {self.seed}: need at least 1 job and a seed from 0 on"
            )

    @property
    def shards(self) -> int:
        """Of `shard_clips` each; hours are rounded up."""
        return math.ceil(self.hours * 3600 * RATE / (self.shard_clips * SAMPLES) - 1e-9)

    @property
    def settings(self) -> dict[str, Any]:
        """What all shards of a set have in common."""
        return {"version": VERSION, "seed": self.seed, "split": self.split, "shard_clips": self.shard_clips}

    @property
    def facts(self) -> dict[str, Any]:
        """What a reader needs to know."""
        return {**self.settings, **FORMAT}


Job = tuple[HearingSetConfig, int]


def make_hearing_set(
    config: HearingSetConfig,
    progress: Callable[[float], None] = lambda clips: None,
    warn: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Write all shards that are not there yet and return the figures.

    Args:
        progress: called in this thread with clips done since the last call.
        warn: called with what went wrong and could be mended.

    Raises:
        ValueError: the folder holds a set of other settings, or another process is writing it.
        OSError: a file cannot be written.
    """
    with claimed(config.out, SCHEMA, config.settings, config.facts):
        jobs = [(config, shard) for shard in range(config.shards)]
        waiting = [job for job in jobs if not _finished(job)]
        progress(config.shard_clips * (len(jobs) - len(waiting)))
        started = time.monotonic()
        reports, _ = work_off(
            waiting, _write, processes=config.jobs, finished=_finished, report=lambda job: None, what="shards",
            progress=progress, warn=warn,
        )  # fmt: skip
        wall_s = time.monotonic() - started
    written = sum(clips for clips, _ in reports)
    cpu_s = sum(cpu for _, cpu in reports)
    return {
        **config.settings,
        "shards": len(jobs),
        "shards_written": len(reports),
        "clips": len(jobs) * config.shard_clips,
        "clips_written": written,
        "hours": round(len(jobs) * config.shard_clips * SAMPLES / RATE / 3600, 4),
        "wall_s": round(wall_s, 3),
        "clips_per_s": round(written / wall_s, 2) if written else None,
        "cpu_ms_per_clip": round(1e3 * cpu_s / written, 3) if written else None,
        "jobs": config.jobs,
        **counts(config.out, len(jobs)),
    }


def shard_clips(seed: int, split: str, shard: int, count: int = SHARD_CLIPS) -> list[Clip]:
    """The first `count` clips of a shard."""
    key = [_STREAM, VERSION, SPLITS.index(split), seed, shard]
    noise = Noise(np.random.default_rng(key))
    clips: list[Clip] = []
    thing = 0
    while len(clips) < count:
        rng = np.random.default_rng([*key, thing])
        clips += object_clips(shard * SHARD_CLIPS + thing, noise, rng)
        thing += 1
    return clips[:count]


def shard_tensors(clips: list[Clip]) -> dict[str, NDArray[Any]]:
    """As they stand in the file."""
    tensors: dict[str, NDArray[Any]] = {"audio": np.stack([clip.audio for clip in clips])}
    for name, kind in _TYPES.items():
        tensors[name] = np.array([getattr(clip, name) for clip in clips], dtype=kind)
    return tensors


def write_shard(path: Path, tensors: dict[str, NDArray[Any]], about: dict[str, str] | None = None) -> None:
    """Whole or not at all. about: goes into the file's header."""
    from safetensors.numpy import save_file

    partial = path.with_name(f".{path.name}.partial")
    try:
        save_file(tensors, partial, about)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def counts(folder: Path, shards: int) -> dict[str, dict[str, int]]:
    """How many clips there are of each."""
    from safetensors import safe_open

    names = {
        "material": MATERIALS, "kind": KINDS, "action": ACTIONS, "striker": STRIKERS, "support": SUPPORTS,
        "microphone": MICROPHONES,
    }  # fmt: skip
    found: dict[str, Counter[int]] = {name: Counter() for name in names}
    for shard in range(shards):
        with safe_open(folder / shard_name(shard), "numpy") as file:
            for name, counter in found.items():
                counter.update(file.get_tensor(name).tolist())
    return {name: {word: found[name][i] for i, word in enumerate(words)} for name, words in names.items()}


def shard_name(shard: int) -> str:
    return f"shard_{shard:05d}.safetensors"


# ---- in worker processes -------------------------------------------------------------------------------------
def _finished(job: Job) -> bool:
    return (job[0].out / shard_name(job[1])).is_file()


def _write(job: Job, progress: Callable[[float], None]) -> tuple[int, float]:
    """Clips, CPU seconds."""
    config, shard = job
    cpu = time.process_time()
    tensors = shard_tensors(shard_clips(config.seed, config.split, shard, config.shard_clips))
    write_shard(config.out / shard_name(shard), tensors)
    progress(config.shard_clips)
    return config.shard_clips, time.process_time() - cpu
