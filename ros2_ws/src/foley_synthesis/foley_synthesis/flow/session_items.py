"""Session files as models train on them: each with its features, and sets whose splits share no scene."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from foley_common.session_file import MOTION_RATE, read_arrays
from foley_perception.action.gripper import GripperHand
from foley_perception.dataset.schema import SEEN, SPLITS
from foley_synthesis.flow.networks.mel import RATE
from foley_synthesis.flow.session_features import FLOOR_STEP_S, SessionFeatures, at_16_khz, cached_features
from foley_synthesis.flow.what import WHAT_DIMS, what_of

SAMPLES_PER_ROW = RATE // MOTION_RATE
EARLIER = 5  # contacts of the same object that are told at most
_SET_FILE = "set.json"
_CONTACTS_END = (
    ".contacts.npz"  # beside a session, from which its sound can be rendered again; no session itself
)


class SessionsError(ValueError):
    """A set cannot be used; the message names file and cure."""


@dataclasses.dataclass(frozen=True, eq=False)
class Contacts:
    """True contacts of a session, in order; see `SessionData`."""

    time_s: NDArray[np.float32]  # [c]
    planned_s: NDArray[np.float32]
    object: NDArray[np.int16]  # index into the facts' objects; -1: the table
    impulse: NDArray[np.float32]

    def earlier(self, item: int, before_s: float, count: int = EARLIER) -> NDArray[np.int64]:
        """Which were on an object before a moment, newest first."""
        rows = np.flatnonzero((self.object == item) & (self.time_s < before_s))
        return rows[::-1][:count]


@dataclasses.dataclass(frozen=True, eq=False)
class SessionItem:
    """One session; motion in rows of 8 ms, n of them."""

    path: Path
    facts: dict[str, Any]
    sound: NDArray[np.int16]  # [128 n] at 16 kHz
    features: SessionFeatures
    contacts: Contacts
    objects: NDArray[np.float32]  # [objects + 1, WHAT_DIMS], the last one for nothing

    @property
    def split(self) -> str:
        """`train`, `validation`, `test` or `test_seen`."""
        return str(self.facts["split"])

    @property
    def rows(self) -> int:
        """Of motion."""
        return len(self.features.channels)

    @property
    def what(self) -> NDArray[np.float32]:
        """What lies under the planned tip, in truth [n / 4, WHAT_DIMS]."""
        return np.asarray(self.objects[self.features.under])

    def floor(self, start_s: float) -> NDArray[np.float32]:
        """The room's log mel [80] as heard before a moment, to the half second before it; see `noise_floors`."""
        row = min(int(start_s / FLOOR_STEP_S + 1e-6), len(self.features.floors) - 1)
        return np.asarray(self.features.floors[row], np.float32)


def check_disjoint(items: Sequence[SessionItem]) -> None:
    """Raises SessionsError: a session is there twice, or a scene in two splits; `test_seen` is of training scenes."""
    names: dict[tuple[Any, ...], SessionItem] = {}
    scenes: dict[str, SessionItem] = {}
    for item in items:
        facts = item.facts
        if item.split not in SPLITS:
            raise SessionsError(f"{item.path}: split is `{item.split}`, known are {', '.join(SPLITS)}")
        key = (facts["scene_id"], facts.get("policy_seed", item.path.name))
        if (same := names.setdefault(key, item)) is not item:
            raise SessionsError(f"{item.path} is the same session as {same.path}; remove one")
        other = scenes.setdefault(str(facts["scene_id"]), item)
        if other.split != item.split and {other.split, item.split} != {"train", SEEN}:
            raise SessionsError(
                f"scene `{facts['scene_id']}` is in split `{item.split}` ({item.path}) and in `{other.split}` "
                f"({other.path}); leave one of them out"
            )


def session_files(folder: Path) -> list[Path]:
    """Of a set, by name. Raises SessionsError where there are none."""
    found = sorted(p for p in folder.glob("*.npz") if not p.name.endswith(_CONTACTS_END) and p.name[0] != ".")
    if not found:
        raise SessionsError(f"{folder} holds no sessions; make some with `foley sim sessions`")
    return found


def read_item(path: Path, hand: GripperHand) -> SessionItem:
    """One session with its features, which are computed where they were not yet.

    Raises:
        SessionsError: its split is not what its set says.
        OSError, ValueError: it cannot be read, or its features not be kept.
    """
    features = _without_open_file(cached_features(path, hand))
    names = ("contact_s", "contact_planned_s", "contact_object", "contact_impulse")
    facts, arrays = read_arrays(path, "sound", *names)
    said = _said(path.parent)
    if said is not None and said != facts["split"]:
        raise SessionsError(f"{path}: split is `{facts['split']}`, its set's is `{said}`; remove the file")
    try:
        objects = [what_of(item) for item in facts["objects"]]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SessionsError(
            f"{path}: an object of its facts lacks its size ({error!r}); write it again"
        ) from None
    return SessionItem(
        path,
        facts,
        at_16_khz(arrays["sound"], int(facts["sound_rate"]))[: len(features.channels) * SAMPLES_PER_ROW],
        features,
        Contacts(*(arrays[name] for name in names)),
        np.stack([*objects, np.zeros(WHAT_DIMS, np.float32)]),
    )


def _without_open_file(features: SessionFeatures) -> SessionFeatures:
    """The same, mapped in a way that holds no file open: a set has more sessions than a process may open files."""
    mapped = features.channels
    if not isinstance(mapped, np.memmap):
        return features
    begin = mapped.offset // mapped.itemsize
    whole = torch.from_file(str(mapped.filename), False, begin + mapped.size, dtype=torch.float16)
    channels: NDArray[np.float16] = whole.numpy()[begin:].reshape(mapped.shape)
    return dataclasses.replace(features, channels=channels)


def _said(folder: Path) -> str | None:
    """The split that a set's own file says; None where it says none."""
    try:
        split = json.loads((folder / _SET_FILE).read_text(encoding="utf-8")).get("settings", {}).get("split")
    except FileNotFoundError:
        return None
    except (ValueError, AttributeError):
        raise SessionsError(f"{folder / _SET_FILE} is damaged; make the set again") from None
    return None if split is None else str(split)
