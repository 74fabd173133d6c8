"""Contacts of session files as clips: what VIS is trained on where there are no bags.

The clip around each contact is what the data set builder makes of a bag of the same session: 1 s from 0.25 s before it,
the motion by the same function, contacts closer together than 0.3 s as one. Two things differ. Sound has the session's
rate, and its cochleagram reaches as high as that lets it. And there are no pictures: views of sessions stand where the
hand is about to be, crops of clips where it touched, so that the features of either would not do for the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.session_file import MOTION_RATE, read_arrays
from foley_common.times import NS_PER_S
from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.clips.action import clip_action
from foley_perception.clips.grid import CLIP_BEFORE_S, CLIP_S, clip_start_ns
from foley_perception.dataset.reader import Clip
from foley_perception.geometry.se3 import SE3
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.training.aligned import AlignedSounds, aligned_sound
from foley_synthesis.vis.training.features import STILL_VARIANTS, FeatureSet

MERGE_S = 0.3  # as `foley dataset build` does by default
_AROUND = 2 * MOTION_RATE  # rows on each side of a contact that its action is made of
_NAMES = (
    *("sound", "planned_pose", "executed_pose", "planned_width", "executed_width", "wrench", "tool_tip"),
    *("contact_s", "contact_planned_s", "contact_object", "contact_impulse"),
)
_CONTACTS_END = ".contacts.npz"  # beside a session; no session itself

BLIND: dict[str, Any] = {"encoder": "none", "encoder_dims": 1, "still_views": 1}
"""Fields of a model that is shown no pictures: stills and frames are one zero each."""


def session_clips(
    folders: Sequence[Path],
    config: ModelConfig,
    *,
    limit: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[FeatureSet, int]:
    """All contacts of sets of sessions, and the rate [Hz] of their sound.

    Args:
        limit: sessions of each folder at most, by name.

    Raises:
        ValueError: no sessions, none with a contact, sound of several rates, or a scene in two splits.
        OSError, ValueError: a file cannot be read.
    """
    paths = [path for folder in folders for path in _files(folder)[:limit]]
    clips: list[Clip] = []
    rows: dict[str, list[NDArray[Any]]] = {"frames": [], "planned": [], "executed": [], "aligned": []}
    lags: list[float] = []
    rates: set[int] = set()
    splits: dict[str, str] = {}
    for done, path in enumerate(paths, start=1):
        facts, arrays = read_arrays(path, *_NAMES)
        rates.add(int(facts["sound_rate"]))
        if len(rates) > 1:
            raise ValueError(f"{path}: sound of {min(rates)} and of {max(rates)} Hz; use sets of one rate")
        scene, split = str(facts["scene_id"]), str(facts["split"])
        if splits.setdefault(scene, split) != split:
            raise ValueError(
                f"{path}: scene `{scene}` is in splits `{split}` and `{splits[scene]}`; leave one out"
            )
        cochlea = Cochleagram(int(facts["sound_rate"]))
        for clip, sound, planned, executed in _cut(path, facts, arrays):
            lag_s, aligned = aligned_sound(sound, cochlea)
            clips.append(clip)
            lags.append(lag_s)
            for name, values in (
                ("frames", cochlea(sound)),
                ("planned", planned),
                ("executed", executed),
                ("aligned", aligned),
            ):
                rows[name].append(values[: config.sound_frames].astype(np.float32))
        progress(done, len(paths))
    if not clips:
        raise ValueError(f"{', '.join(map(str, folders))}: no contact with a second of sound around it")
    n = len(clips)
    features = FeatureSet(
        cochleagram=np.stack(rows["frames"]),
        still=np.zeros((n, STILL_VARIANTS, config.still_dims), np.float16),
        frames=np.zeros((n, config.encoded_frames, config.encoder_dims), np.float16),
        planned=np.stack(rows["planned"]),
        executed=np.stack(rows["executed"]),
        clips=tuple(clips),
        aligned=AlignedSounds(np.asarray(lags, np.float32), np.stack(rows["aligned"])),
    )
    return features, rates.pop()


def _files(folder: Path) -> list[Path]:
    found = sorted(p for p in folder.glob("*.npz") if not p.name.endswith(_CONTACTS_END) and p.name[0] != ".")
    if not found:
        raise ValueError(f"{folder} holds no sessions; make some with `foley sim sessions`")
    return found


def _cut(
    path: Path, facts: dict[str, Any], arrays: dict[str, NDArray[Any]]
) -> Iterator[tuple[Clip, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]:
    """Clip, sound [samples], and the action as it was planned and executed, of each contact of a session."""
    rate = int(facts["sound_rate"])
    tip = _pose(arrays["tool_tip"])
    paths = {mode: (_pose(arrays[f"{mode}_pose"]) @ tip).translation for mode in ("planned", "executed")}
    force = np.linalg.norm(arrays["wrench"][:, :3], axis=1)
    times = np.arange(len(force)) * (NS_PER_S // MOTION_RATE)
    contacts = arrays["contact_s"].astype(np.float64)
    before = np.concatenate([[-math.inf], contacts[:-1]])
    for index in np.flatnonzero(contacts - before >= MERGE_S):
        begin = round((contacts[index] - CLIP_BEFORE_S) * rate)
        sound = arrays["sound"][max(begin, 0) : begin + round(CLIP_S * rate)]
        if (
            begin < 0
            or len(sound) < round(CLIP_S * rate)
            or not np.isfinite(arrays["contact_planned_s"][index])
        ):
            continue
        contact_ns = round(contacts[index] * NS_PER_S)
        row = min(round(contacts[index] * MOTION_RATE), len(times) - 1)
        near = slice(max(row - _AROUND, 0), row + _AROUND)
        point = paths["executed"][row]
        actions = [
            clip_action(
                contact_ns,
                point,
                times[near],
                paths[mode][near],
                width=(times[near], arrays[f"{mode}_width"][near]),
                force=None if mode == "planned" else (times[near], force[near]),
                planned=mode == "planned",
            )
            for mode in ("planned", "executed")
        ]
        touched = int(arrays["contact_object"][index])
        thing = facts["objects"][touched] if touched >= 0 else {}
        clip = Clip(
            clip_id=f"{path.stem}_{index:04d}",
            session_id=path.stem,
            scene_id=str(facts["scene_id"]),
            object_id=str(thing.get("object_id", f"{facts['scene_id']}-table")),
            split=str(facts["split"]),
            domain="sim",
            contact_ns=contact_ns,
            start_ns=clip_start_ns(contact_ns),
            action=str(facts["contact_actions"][index]),
            material=str(thing.get("material", "")),
            log10_youngs_modulus=math.nan,
            roughness=math.nan,
            hollowness=float(thing.get("hollowness", math.nan)),
            impulse=float(arrays["contact_impulse"][index]),
            speed=float(np.linalg.norm(actions[1][21, 3:6])),
            position=(float(point[0]), float(point[1]), float(point[2])),
        )
        yield clip, sound.astype(np.float32) / np.float32(2**15), actions[0], actions[1]


def _pose(values: NDArray[np.float32]) -> SE3:
    """Of poses [..., 7]: x y z, quaternion x y z w."""
    poses = values.astype(np.float64)
    return SE3(poses[..., 3:], poses[..., :3])
