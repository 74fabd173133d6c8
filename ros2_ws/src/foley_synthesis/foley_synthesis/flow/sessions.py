"""Sets of session files in memory, and crops and windows of them to train and score on.

Everything lies on the grid of the latent: 4 rows of motion and 4 frames of sound, 512 samples, 32 ms. Row i of motion
is taken where frame i of sound begins.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_common.session_file import MOTION_RATE
from foley_perception.action.contact_motion import moved_up
from foley_perception.action.gripper import GripperHand
from foley_synthesis.flow.session_features import ROWS_PER_LATENT
from foley_synthesis.flow.session_items import (
    EARLIER,
    SAMPLES_PER_ROW,
    SessionItem,
    SessionsError,
    check_disjoint,
    read_item,
    session_files,
)

CROP_S = 2.56
WINDOW_S = 8.0


@dataclasses.dataclass(frozen=True)
class Place:
    """A stretch of a session, from a row on."""

    session: int
    row: int  # a multiple of 4


@dataclasses.dataclass(frozen=True)
class Jitter:
    """What plans and surfaces are not known to. Each is drawn evenly to both sides, anew for every crop."""

    time_s: float = 0.0  # of planned motion against sound
    height_m: float = 0.0  # of both motions over the surface

    def __post_init__(self) -> None:
        if not (0 <= self.time_s < 1 and 0 <= self.height_m < 0.1):
            raise ValueError(f"{self}: time_s must lie in [0, 1), height_m in [0, 0.1)")


@dataclasses.dataclass(frozen=True, eq=False)
class SessionBatch:
    """Stretches of equal length, r rows; float32."""

    sound: Tensor  # [b, 128 r] in [-1, 1]
    planned: Tensor  # [b, r, MOTION_CHANNELS]
    executed: Tensor  # [b, r, MOTION_CHANNELS]
    force: Tensor  # [b, r, force channels]
    what: Tensor  # [b, r / 4, WHAT_DIMS]
    floor: Tensor  # [b, 80] log mel of the room before the stretch; of the first part of a spliced one
    earlier: Tensor  # [b, EARLIER] int64: contacts before, of what the stretch is mostly over; -1: none
    places: tuple[Place, ...]  # of the first part of a spliced one

    def __len__(self) -> int:
        return len(self.places)


@dataclasses.dataclass(frozen=True, eq=False)
class SessionSet:
    """Sessions of one or more splits."""

    items: tuple[SessionItem, ...]

    def of(self, split: str) -> tuple[int, ...]:
        """Sessions of a split."""
        return tuple(i for i, item in enumerate(self.items) if item.split == split)

    def hours(self, split: str) -> float:
        """Of a split."""
        return sum(self.items[i].rows for i in self.of(split)) / MOTION_RATE / 3600

    def windows(self, split: str, seconds: float = WINDOW_S) -> tuple[Place, ...]:
        """Stretches of a split one after another; what is left at a session's end is left out."""
        rows = _rows(seconds)
        return tuple(
            Place(i, row) for i in self.of(split) for row in range(0, self.items[i].rows - rows + 1, rows)
        )

    def contacts_in(self, place: Place, seconds: float) -> NDArray[np.int64]:
        """Which contacts of its session lie in a stretch."""
        begin = place.row / MOTION_RATE
        times = self.items[place.session].contacts.time_s
        return np.flatnonzero((times >= begin) & (times < begin + seconds))

    def crops(
        self,
        rng: np.random.Generator,
        split: str = "train",
        batch: int = 32,
        seconds: float = CROP_S,
        *,
        spliced: float = 0.0,
        jitter: Jitter | None = None,
    ) -> SessionBatch:
        """Random stretches of a split; longer sessions come more often.

        Args:
            spliced: share of the batch that goes on, from a random latent frame, as another stretch (Hearing Hands,
                released code: something then is not always where it always was).

        Raises:
            SessionsError: no session of the split is as long.
        """
        rows = _rows(seconds)
        those = np.array(self.of(split), dtype=np.int64)
        room = np.array([self.items[i].rows - rows for i in those]) // ROWS_PER_LATENT + 1
        room = np.maximum(room, 0)
        if not room.sum():
            raise SessionsError(f"no session of split `{split}` lasts {seconds} s")

        def draw(count: int) -> list[Place]:
            chosen = rng.choice(len(those), count, p=room / room.sum())
            begins = (rng.random(count) * room[chosen]).astype(np.int64) * ROWS_PER_LATENT
            return [Place(int(those[i]), int(row)) for i, row in zip(chosen, begins, strict=True)]

        made = self.batch(draw(batch), seconds, rng=rng, jitter=jitter)
        if count := round(spliced * batch):
            other = self.batch(draw(count), seconds, rng=rng, jitter=jitter)
            _splice(made, other, rng.integers(1, rows // ROWS_PER_LATENT, count))
        return made

    def batch(
        self,
        places: Sequence[Place],
        seconds: float = WINDOW_S,
        *,
        rng: np.random.Generator | None = None,
        jitter: Jitter | None = None,
    ) -> SessionBatch:
        """Stretches as they are, or with jitter."""
        rows, count = _rows(seconds), len(places)
        sound = np.empty((count, rows * SAMPLES_PER_ROW), np.float32)
        shift, lift = np.zeros(count), np.zeros(count, np.float32)
        if jitter is not None:
            if rng is None:
                raise ValueError("jitter is drawn from rng, which is None")
            shift = rng.uniform(-jitter.time_s, jitter.time_s, count) * MOTION_RATE
            lift = rng.uniform(-jitter.height_m, jitter.height_m, count).astype(np.float32)
        planned, executed, force, what, floor = [], [], [], [], []
        earlier = np.full((count, EARLIER), -1, np.int64)
        for k, (place, by) in enumerate(zip(places, shift, strict=True)):
            item = self.items[place.session]
            inside = slice(place.row, place.row + rows)
            sound[k] = item.sound[place.row * SAMPLES_PER_ROW : inside.stop * SAMPLES_PER_ROW]
            planned.append(_shifted(item.features.planned, place.row, rows, float(by)))
            executed.append(item.features.executed[inside].astype(np.float32))
            force.append(item.features.force[inside].astype(np.float32))
            under = item.features.under[place.row // ROWS_PER_LATENT : inside.stop // ROWS_PER_LATENT]
            what.append(item.objects[under])
            start_s = place.row / MOTION_RATE
            floor.append(item.floor(start_s))
            if (under >= 0).any():
                mostly = int(np.bincount(under[under >= 0]).argmax())
                known = item.contacts.earlier(mostly, start_s)
                earlier[k, : len(known)] = known
        motions = [np.stack(planned), np.stack(executed)]
        if jitter is not None:
            motions = [moved_up(values, lift) for values in motions]
        return SessionBatch(
            sound=torch.from_numpy(sound).mul_(2.0**-15),
            planned=torch.from_numpy(motions[0]),
            executed=torch.from_numpy(motions[1]),
            force=torch.from_numpy(np.stack(force)),
            what=torch.from_numpy(np.stack(what)),
            floor=torch.from_numpy(np.stack(floor)),
            earlier=torch.from_numpy(earlier),
            places=tuple(places),
        )


def load_sessions(
    folders: Iterable[Path],
    *,
    hand: str = "parallel_gripper",
    limit: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> SessionSet:
    """Sets of sessions; features that were not computed yet are, and kept beside the set.

    Args:
        hand: the gripper as a hand; see `GripperHand`.
        limit: sessions of each folder at most, by name.

    Raises:
        SessionsError: no sessions, one twice, a scene in two splits, or a file of another split than its set says.
        OSError, ValueError: a file cannot be read.
    """
    gripper = GripperHand.from_yaml(hand)
    paths = [path for folder in folders for path in session_files(folder)[:limit]]
    items = []
    for done, path in enumerate(paths, start=1):
        items.append(read_item(path, gripper))
        progress(done, len(paths))
    check_disjoint(items)
    return SessionSet(tuple(items))


def _rows(seconds: float) -> int:
    """Of a stretch.

    Raises:
        ValueError: it is no whole number of latent frames.
    """
    rows = round(seconds * MOTION_RATE)
    if rows < ROWS_PER_LATENT or rows % ROWS_PER_LATENT or abs(rows - seconds * MOTION_RATE) > 1e-6:
        raise ValueError(f"{seconds} s is no multiple of {ROWS_PER_LATENT / MOTION_RATE} s")
    return rows


def _shifted(values: NDArray[np.float16], begin: int, rows: int, by: float) -> NDArray[np.float32]:
    """Rows of a motion that runs late by a number of rows: linear between rows, held beyond the ends."""
    if by == 0.0:
        return values[begin : begin + rows].astype(np.float32)
    whole = int(np.floor(-by))
    fraction = np.float32(-by - whole)
    index = np.clip(np.arange(begin + whole, begin + whole + rows + 1), 0, len(values) - 1)
    taken = values[index].astype(np.float32)
    return taken[:-1] * (1 - fraction) + taken[1:] * fraction


def _splice(made: SessionBatch, other: SessionBatch, cuts: NDArray[np.int64]) -> None:
    """Write others over the first of a batch, each from its cut on; cuts [len(other)] count latent frames."""
    frames = made.what.shape[1]
    for k, cut in enumerate(cuts.tolist()):
        for name in ("sound", "planned", "executed", "force", "what"):
            values: Tensor = getattr(made, name)
            begin = cut * values.shape[1] // frames
            values[k, begin:] = getattr(other, name)[k, begin:]
