"""Touched objects of a data set or of sessions: what sight says before each contact, and what hearing says of it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from foley_common.session_file import MOTION_RATE, read_arrays
from foley_perception.clips.grid import CLIP_BEFORE_S, SAMPLE_RATE
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.beliefs.decode import belief_of
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.head_output import HeadOutput
from foley_synthesis.checkpoint import Checkpoint
from foley_synthesis.evaluation.windows.kept import kept, key_of
from foley_synthesis.evaluation.windows.sets import session_files
from foley_synthesis.hearing.inference.opened import HearsMaterial
from foley_synthesis.vis.inference.loaded import open_session
from foley_synthesis.vis.training.batches import Tensors, inputs_for
from foley_synthesis.vis.training.features import load_features
from foley_synthesis.vision.encoders import load_encoder

_BEFORE_S, _AFTER_S = 0.25, 0.65  # of sound around an onset, as the material node hears it
_APART_S = 0.3  # a contact is left out that another one follows sooner
KEPT = 1  # version of what is kept
_AUDIBLE_DB = 3.0  # above what was before, as the simulator's own check has it


@dataclasses.dataclass(frozen=True)
class TouchedObject:
    """Contacts with one thing, in time."""

    scene: str
    object_id: str
    label: int  # of its material
    heard: tuple[Evidence, ...]  # [n]
    seen: tuple[Evidence | None, ...]  # [n], of the plan that led to each contact; None where there was none
    there: tuple[
        bool, ...
    ] = ()  # [n] whether it is one of those at the object's one place; empty: there is no such
    vision: Evidence | None = None  # what a user's image model says of it

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "scene": self.scene,
            "object_id": self.object_id,
            "label": self.label,
            "heard": [item.to_dict() for item in self.heard],
            "seen": [None if look is None else look.to_dict() for look in self.seen],
            "there": list(self.there),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TouchedObject:
        """Inverse of :meth:`to_dict`."""
        heard = tuple(Evidence.from_dict(item) for item in values["heard"])
        seen = tuple(None if look is None else Evidence.from_dict(look) for look in values["seen"])
        return cls(values["scene"], values["object_id"], values["label"], heard, seen, tuple(values["there"]))

    @property
    def apart(self) -> TouchedObject:
        """The same, without contacts at its one place."""
        return self._only([not there for there in self.there]) if self.there else self

    @property
    def at_one_place(self) -> TouchedObject:
        """The same, with contacts at its one place alone."""
        return self._only(list(self.there) or [False] * len(self.heard))

    def _only(self, kept: Sequence[bool]) -> TouchedObject:
        rows = [i for i, keep in enumerate(kept) if keep]
        return dataclasses.replace(
            self,
            heard=tuple(self.heard[i] for i in rows),
            seen=tuple(self.seen[i] for i in rows),
            there=tuple(self.there[i] for i in rows) if self.there else (),
        )

    def evidence(
        self, rows: NDArray[np.int64], *, heard: bool = True, seen: bool = True, vision: bool = False
    ) -> list[Evidence]:
        """What these contacts leave: all that was heard, all that was seen; and what an image model says."""
        kept = sorted(rows.tolist())
        looks = [look for i in kept if (look := self.seen[i]) is not None]
        pictures = [self.vision] if vision and self.vision is not None else []
        return [*([self.heard[i] for i in kept] if heard else []), *(looks if seen else []), *pictures]


def touched_objects(
    hears: HearsMaterial,
    checkpoint: Checkpoint,
    dataset: ClipDataset,
    split: str,
    *,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[TouchedObject]:
    """Of all contacts with a known material.

    Args:
        hears: hears each contact as the live node would.
        checkpoint: sees the place of each planned contact.

    Raises:
        ValueError: the two have different vocabularies, or the split holds no contacts.
    """
    labels = checkpoint.vocabulary.labels
    if hears.vocabulary.labels != labels:
        raise ValueError(
            f"hearing is over the labels {', '.join(hears.vocabulary.labels)}, sight over {', '.join(labels)}: "
            "beliefs can be fused over one vocabulary alone"
        )
    torch.set_num_threads(threads)
    session = open_session(checkpoint)
    features = load_features(
        dataset, load_encoder(session.config.encoder, threads=threads), session.config, progress
    )
    materials = features.labels(labels)
    rows = [int(i) for i in features.indices(split) if materials[i] >= 0]
    if not rows:
        raise ValueError(f"split `{split}` of {dataset.path} holds no contacts with a material of {labels}")
    tensors = Tensors.of(features, session.networks, session.pca, labels)
    with torch.no_grad():
        session.networks.eval()
        looks = session.networks.predict(inputs_for(tensors, torch.tensor(rows), executed=False))[1]
    groups: dict[tuple[str, str], list[tuple[Evidence, Evidence | None]]] = {}
    label_of: dict[tuple[str, str], int] = {}
    for k, i in enumerate(rows):
        clip = features.clips[i]
        told = hears.predict(dataset.audio(i), SAMPLE_RATE, onset_s=CLIP_BEFORE_S)
        heard = Evidence("heard", clip.clip_id, clip.contact_ns, told, clip.action, position=clip.position)
        seen = None
        if features.has_plan[i]:
            look = belief_of(
                HeadOutput(*(v[k : k + 1] for v in looks)), session.calibrations["planned"], labels
            )
            seen = Evidence("seen", clip.clip_id, clip.contact_ns, look)
        key = (clip.scene_id, clip.object_id)
        groups.setdefault(key, []).append((heard, seen))
        label_of[key] = int(materials[i])
    found = []
    for (scene, thing), contacts in groups.items():
        contacts.sort(key=lambda pair: pair[0].time_ns)
        sounds, sights = tuple(pair[0] for pair in contacts), tuple(pair[1] for pair in contacts)
        found.append(TouchedObject(scene, thing, label_of[scene, thing], sounds, sights))
    return found


def objects_of_sessions(
    hears: HearsMaterial,
    folder: Path,
    keep: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    most: int = 0,
) -> list[TouchedObject]:
    """Of a set of `foley sim sessions`: all objects with a material that hearing knows.

    A contact counts where it can be heard and no other one follows at once, and lies where the tip was. Those that were
    planned where another one was as well (`--even-taps`) are at the object's one place.

    Args:
        keep: folder in which what was heard of each session is kept, so that it is not heard again; None: nowhere.
        most: sessions that are heard, the first ones; 0: all.

    Raises:
        ValueError: the folder holds no sessions.
        OSError: a file cannot be read or kept.
    """
    files = session_files(folder)[: most or None]
    found: list[TouchedObject] = []
    for done, path in enumerate(files, start=1):
        key = key_of(KEPT, hears.model_id, hears.vocabulary.labels, str(path.resolve()), path.stat().st_size)
        found += kept_objects(keep, key, lambda path=path: list(_of_session(hears, path)))  # type: ignore[misc]
        if progress is not None:
            progress(done, len(files))
    return found


def kept_objects(keep: Path | None, key: str, find: Callable[[], list[TouchedObject]]) -> list[TouchedObject]:
    """What was found under this key, or what is found now and kept; None: it is not kept."""
    if keep is None:
        return find()
    keep.mkdir(parents=True, exist_ok=True)
    file = keep / f"{key[:16]}.json"
    row = kept(file, key, lambda: {"objects": [thing.to_dict() for thing in find()]}, resume=True)
    return [TouchedObject.from_dict(thing) for thing in row["objects"]]


def _of_session(hears: HearsMaterial, path: Path) -> Iterator[TouchedObject]:
    labels = hears.vocabulary.labels
    names = ("sound", "contact_s", "contact_object", "executed_pose", "tool_tip")
    facts, arrays = read_arrays(path, *names)
    points = facts.get("contact_points") or [None] * len(arrays["contact_s"])
    heard: dict[int, list[Evidence]] = {}
    planned: dict[int, list[tuple[float, ...] | None]] = {}
    for k, sound, rate, onset_s in contact_sounds(facts, arrays):
        thing, time_s = int(arrays["contact_object"][k]), float(arrays["contact_s"][k])
        if facts["objects"][thing]["material"] not in labels:
            continue
        told = hears.predict(sound, rate, onset_s=onset_s)
        action = str(facts["contact_actions"][k])
        item = Evidence(
            "heard", f"{path.stem}:{k}", round(time_s * 1e9), told, action, position=_tip(arrays, time_s)
        )
        heard.setdefault(thing, []).append(item)
        planned.setdefault(thing, []).append(None if points[k] is None else tuple(points[k]))
    for thing, items in sorted(heard.items()):
        facts_of, often = facts["objects"][thing], Counter(planned[thing])
        there = tuple(point is not None and often[point] > 1 for point in planned[thing])
        yield TouchedObject(
            str(facts["scene_id"]), str(facts_of["object_id"]), labels.index(facts_of["material"]), tuple(items),
            (None,) * len(items), there if any(there) else (),
        )  # fmt: skip


def _tip(arrays: Mapping[str, NDArray[Any]], time_s: float) -> tuple[float, float, float]:
    """Where the tip of the tool was [m]."""
    row = min(round(time_s * MOTION_RATE), len(arrays["executed_pose"]) - 1)
    pose = arrays["executed_pose"][row].astype(np.float64)
    x, y, z = (pose[:3] + Rotation.from_quat(pose[3:]).apply(arrays["tool_tip"][:3])).tolist()
    return (x, y, z)


def contact_sounds(
    facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> Iterator[tuple[int, NDArray[np.float32], int, float]]:
    """Contacts of a session with objects that can be heard and that no other one follows at once: their number, sound
    as the live node cuts it, its rate [Hz] and the onset in it [s].
    """
    rate, times = int(facts["sound_rate"]), arrays["contact_s"].astype(np.float64)
    sound = arrays["sound"].astype(np.float32) / np.float32(2**15)
    after = np.append(times[1:], np.inf) - times
    for k in np.flatnonzero(after >= _APART_S):
        if arrays["contact_object"][k] < 0 or facts["contact_rise_db"][k] < _AUDIBLE_DB:
            continue
        begin = max(round((times[k] - _BEFORE_S) * rate), 0)
        end = round((times[k] + min(_AFTER_S, after[k] - 0.03)) * rate)
        yield int(k), sound[begin:end], rate, times[k] - begin / rate
