"""The contacts of a set of sessions as a set of recordings for hearing: what a robot does, in the format of the others.

A clip is one onset that stands by itself: nothing begins shortly before it, and some time after it. Its sound ends
before the next onset; what is unknown is digital zeros. Pieces in which nothing is touched are clips of no contact.

A session's file says what was touched, not all of what that is made of: its scene is made again from its seed.
Every shard says of which sessions and onsets it is made. So a set that still grows can be read: sessions that came
are added, and only shards that hold others than before are written again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from foley_common.session_file import read_arrays
from foley_sim.editions import make_scene
from foley_sim.hearing.clips import Clip
from foley_sim.hearing.hearing_set import (
    FORMAT,
    SCHEMA,
    SHARDS,
    counts,
    shard_name,
    shard_tensors,
    write_shard,
)
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
from foley_sim.judge.scenes import EDITION as JUDGE
from foley_sim.materials import MATERIALS
from foley_sim.offline.pool import work_off
from foley_sim.offline.session_set import CONTACTS, read_settings
from foley_sim.offline.set_folder import claimed
from foley_sim.robots.actions import PAD_ACTIONS
from foley_sim.sound.events import Impact
from foley_sim.spec import ObjectSpec
from foley_sim.world import contact_log
from foley_sim.world.contact_log import SavedContacts

VERSION = 1
"""Of what becomes a clip."""
SHARD_CLIPS = 2048
LEAST_RISE_DB = 6.0
"""What rises less over the sound before it is not to be heard."""
ALONE_BEFORE_S, ALONE_AFTER_S = 0.12, 0.30
ENDS_BEFORE_S = 0.03
"""A clip's sound ends this long before the next onset, as that is heard a little early."""
NO_CONTACT = 0.08
"""Largest share of clips without one."""
UNTOUCHED_S = 0.3
"""Before a clip without contact nothing is touched for this long."""
SILENCE_DBFS = -60.0
"""RMS below which a piece without contact is `silence`, and above it `noise`."""

_CLIP_S = SAMPLES / RATE
_RINGS_DB = 6.0  # a piece that falls by more from its first tenth of a second to its last still rings
_END_S = 0.1
_NAN = math.nan
_OBJECTS = 32  # more than a scene has
_ARRAYS = ("sound", "contact_s", "contact_object")

Samples = NDArray[np.int16]


@dataclasses.dataclass(frozen=True)
class FromSessionsConfig:
    """Which set to write, of which sessions.

    Raises:
        ValueError: the folder holds no set of sessions, or one that nothing trains on; naming the option.
    """

    sessions: Path
    out: Path
    jobs: int = 2
    shard_clips: int = SHARD_CLIPS

    def __post_init__(self) -> None:
        if read_settings(self.sessions)["edition"] == JUDGE:
            raise ValueError(f"--sessions: {self.sessions} is of {JUDGE}, a judge: nothing trains on it")
        if self.jobs < 1:
            raise ValueError(f"--jobs is {self.jobs}: need at least 1 job")

    def settings(self) -> dict[str, Any]:
        """What all shards of a set have in common."""
        return {
            "version": VERSION,
            "shard_clips": self.shard_clips,
            "sessions": read_settings(self.sessions),
        }


@dataclasses.dataclass(frozen=True)
class Place:
    """Where in a session a clip lies. contact: among its onsets, at `time_s`; -1: none, and the clip begins there."""

    session: Path
    contact: int
    time_s: float


@dataclasses.dataclass(frozen=True)
class ClipPlan:
    """All clips of a set, in order, and what of its sessions they are."""

    places: tuple[Place, ...]
    figures: dict[str, int]


def whole_sessions(folder: Path) -> list[Path]:
    """Files of the sessions that are there with their contacts, in the order of their names."""
    files = sorted(p for p in folder.glob("*.npz") if not p.name.endswith(CONTACTS))
    return [p for p in files if _contacts(p).is_file()]


def plan_clips(
    sessions: Sequence[Path], progress: Callable[[float], None] = lambda sessions: None
) -> ClipPlan:
    """Look through sessions for clips.

    Args:
        progress: called with sessions looked through since the last call.

    Raises:
        ValueError, OSError: a file is damaged or cannot be read; the message names it.
    """
    places: list[Place] = []
    told: Counter[str] = Counter(sessions=len(sessions))
    without = 0
    for path in sessions:
        facts, arrays = read_arrays(path, *_ARRAYS)
        found = _alone(facts, arrays, told)
        places += [Place(path, i, float(arrays["contact_s"][i])) for i in found]
        told["contacts"] += len(found)
        allowed = math.floor(told["contacts"] * NO_CONTACT / (1 - NO_CONTACT)) - without
        if allowed > 0:
            rng = np.random.default_rng([0x5E55, facts["scene_seed"], facts["policy_seed"]])
            begins = untouched(contact_log.read(_contacts(path)), rng)
            begins = [b for b in begins if not _rings(_piece(arrays["sound"], facts["sound_rate"], b))]
            places += [Place(path, -1, begin) for begin in begins[:allowed]]
            without += len(begins[:allowed])
        progress(1)
    return ClipPlan(tuple(places), {**told, "no_contact": without})


def _alone(facts: dict[str, Any], arrays: dict[str, NDArray[Any]], told: Counter[str]) -> list[int]:
    """Onsets that become clips."""
    times = arrays["contact_s"].astype(np.float64)
    gaps = np.diff(times, prepend=-np.inf, append=np.inf)
    heard = np.array(facts["contact_rise_db"], dtype=np.float64) >= LEAST_RISE_DB
    on_object = arrays["contact_object"] >= 0
    alone = (gaps[:-1] >= ALONE_BEFORE_S) & (gaps[1:] >= ALONE_AFTER_S)
    alone &= times + ALONE_AFTER_S <= len(arrays["sound"]) / facts["sound_rate"]
    told["onsets"] += times.size
    told["onsets_of_the_table"] += int((~on_object).sum())
    told["onsets_too_quiet"] += int((on_object & ~heard).sum())
    told["onsets_not_alone"] += int((on_object & heard & ~alone).sum())
    return [int(i) for i in np.flatnonzero(on_object & heard & alone)]


def untouched(saved: SavedContacts, rng: np.random.Generator) -> list[float]:
    """Begins [s] of pieces of 1.2 s in which nothing is touched, nor for a while before; one of each gap, shuffled."""
    spans = sorted(
        (e.time_s, e.time_s) if isinstance(e, Impact) else (e.start_s, e.end_s) for e in saved.events
    )
    begins, end = [], 0.0
    for start, stop in [*spans, (saved.duration_s, saved.duration_s)]:
        first, last = end + UNTOUCHED_S, start - _CLIP_S
        if last >= first:
            begins.append(float(rng.uniform(first, last)))
        end = max(end, stop)
    return [begins[i] for i in rng.permutation(len(begins))]


def _piece(sound: Samples, rate: int, begin_s: float) -> NDArray[np.float64]:
    begin = round(begin_s * rate)
    return sound[begin : begin + round(_CLIP_S * rate)].astype(np.float64) / 2**15


def _rings(piece: NDArray[np.float64]) -> bool:
    """Whether what was touched before is still to be heard: hum lies low, so differences are looked at."""
    power = np.diff(piece) ** 2
    end = round(_END_S / _CLIP_S * power.size)
    return bool(power[:end].mean() > 10 ** (_RINGS_DB / 10) * max(power[-end:].mean(), 1e-14))


# ---- writing -------------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class _Shard:
    path: Path
    places: tuple[Place, ...]

    @property
    def made_of(self) -> str:
        """A digest of what it holds."""
        text = "".join(f"{p.session.name} {p.contact} {p.time_s!r}\n" for p in self.places)
        return hashlib.sha256(f"{VERSION}\n{text}".encode()).hexdigest()


def make_from_sessions(
    config: FromSessionsConfig,
    plan: ClipPlan,
    progress: Callable[[float], None] = lambda clips: None,
    warn: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Write all shards that are not there yet, or hold other clips than are planned, and return the figures.

    Args:
        progress: called in this thread with clips done since the last call.
        warn: called with what went wrong and could be mended.

    Raises:
        ValueError: there are no clips, the folder holds a set of other settings, another process is writing it, or a
            session is of other scenes than there are now.
        OSError: a file cannot be read or written.
    """
    if not plan.places:
        raise ValueError(f"--sessions: {config.sessions} holds no contact that stands by itself yet")
    settings, step = config.settings(), config.shard_clips
    said = settings["sessions"]
    facts = {"version": VERSION, "seed": said["seed"], "split": said["split"], **FORMAT}
    with claimed(config.out, SCHEMA, settings, facts):
        shards = [
            _Shard(config.out / shard_name(i), plan.places[i * step : (i + 1) * step])
            for i in range(math.ceil(len(plan.places) / step))
        ]
        for stale in {*config.out.glob(SHARDS)} - {shard.path for shard in shards}:
            stale.unlink()
        waiting = [shard for shard in shards if not _finished(shard)]
        progress(sum(len(s.places) for s in shards) - sum(len(s.places) for s in waiting))
        reports, _ = work_off(
            waiting, _write, processes=config.jobs, finished=_finished, report=lambda shard: len(shard.places),
            what="shards", progress=progress, warn=warn,
        )  # fmt: skip
        clips = len(plan.places)
        return {
            **settings,
            "sessions_set": said,
            **plan.figures,
            "shards": len(shards),
            "shards_written": len(waiting),
            "clips": clips,
            "clips_written": sum(reports),
            "no_contact_share": round(plan.figures["no_contact"] / clips, 4),
            "hours": round(clips * _CLIP_S / 3600, 4),
            **counts(config.out, len(shards)),
        }


def _contacts(session: Path) -> Path:
    return session.with_name(session.stem + CONTACTS)


# ---- in worker processes -------------------------------------------------------------------------------------
def _finished(shard: _Shard) -> bool:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(shard.path, "numpy") as file:
            return (file.metadata() or {}).get("made_of") == shard.made_of
    except (FileNotFoundError, SafetensorError):
        return False


def _write(shard: _Shard, progress: Callable[[float], None]) -> int:
    clips: list[Clip] = []
    begin = 0
    while begin < len(shard.places):
        session = shard.places[begin].session
        end = begin + 1
        while end < len(shard.places) and shard.places[end].session == session:
            end += 1
        clips += session_clips(session, shard.places[begin:end])
        progress(end - begin)
        begin = end
    write_shard(shard.path, shard_tensors(clips), {"made_of": shard.made_of})
    return len(clips)


def session_clips(path: Path, places: Sequence[Place]) -> list[Clip]:
    """Clips of one session.

    Raises:
        ValueError: the file is damaged, or its objects are not those of its scene as it is now.
    """
    facts, arrays = read_arrays(path, *_ARRAYS)
    rate, scene_seed = facts["sound_rate"], facts["scene_seed"]
    objects = make_scene(scene_seed, facts["scene_split"], facts["edition"]).objects
    held = [(o["object_id"], o["material"], o["shape"], tuple(o["size"])) for o in facts["objects"]]
    if held != [(o.object_id, o.material.name, o.shape, o.size) for o in objects]:
        raise ValueError(f"{path}: its objects are not those of its scene, which has changed; write it again")
    common = math.gcd(RATE, rate)
    sound = signal.resample_poly(arrays["sound"].astype(np.float64), RATE // common, rate // common)
    times = [*arrays["contact_s"].astype(np.float64).tolist(), math.inf]
    bandwidth_hz = min(rate, RATE) / 2
    clips = []
    for place in places:
        i = place.contact
        if i < 0:
            clips.append(_no_contact(_cut(sound, place.time_s, math.inf), bandwidth_hz))
            continue
        thing = int(arrays["contact_object"][i])
        audio = _cut(sound, times[i] - ONSET_S, times[i + 1] - ENDS_BEFORE_S)
        clips.append(
            _contact(
                audio, objects[thing], facts["contact_actions"][i], scene_seed * _OBJECTS + thing, bandwidth_hz,
                facts["contact_rise_db"][i],
            )
        )  # fmt: skip
    return clips


def _cut(sound: NDArray[np.float64], begin_s: float, end_s: float) -> Samples:
    """A clip's samples from a time on; zeros where the session has none, and from `end_s` on."""
    audio = np.zeros(SAMPLES, dtype=np.int16)
    begin = round(begin_s * RATE)
    stop = min(begin + SAMPLES, len(sound), round(min(end_s, begin_s + 2 * _CLIP_S) * RATE))
    first = max(begin, 0)
    audio[first - begin : stop - begin] = np.clip(np.round(sound[first:stop]), -(2**15), 2**15 - 1)
    return audio


def _contact(
    audio: Samples, item: ObjectSpec, action: str, object_id: int, bandwidth_hz: float, rise_db: float
) -> Clip:
    m = item.material
    return Clip(
        audio, ONSET_S, 0, MATERIALS.index(m.name), math.log10(m.youngs_modulus), math.log10(m.density), m.roughness,
        item.hollowness, ACTIONS.index(action) if action else -1,
        STRIKERS.index("rubber" if action in PAD_ACTIONS else "plastic") if action else -1,
        SUPPORTS.index("clamped" if item.grasp > 0 else "table"), MICROPHONES.index("flat"), object_id, bandwidth_hz,
        rise_db,
    )  # fmt: skip


def _no_contact(audio: Samples, bandwidth_hz: float) -> Clip:
    power = float((audio.astype(np.float64) ** 2).mean()) / 2**30
    kind = "silence" if power < 10 ** (SILENCE_DBFS / 10) else "noise"
    return Clip(
        audio, _NAN, KINDS.index(kind), -1, _NAN, _NAN, _NAN, _NAN, -1, -1, -1, MICROPHONES.index("flat"), -1,
        bandwidth_hz, _NAN,
    )  # fmt: skip
