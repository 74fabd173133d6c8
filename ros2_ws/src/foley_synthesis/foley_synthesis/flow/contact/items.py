"""Sessions as the flow trains on them: latents, motion and what else is known.

Latents are made once by the codec, whole sessions at a time, in half precision; motion stays where it is mapped.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_common.session_file import MOTION_RATE
from foley_synthesis.flow.networks.motion_encoder import STRIDE
from foley_synthesis.flow.session_features import FLOOR_STEP_S
from foley_synthesis.flow.session_items import SessionItem

LATENT_RATE = MOTION_RATE / STRIDE  # [Hz]


@dataclasses.dataclass(frozen=True, eq=False)
class SeenThings:
    """What views show of the things of one session."""

    features: Tensor  # [things + 1, dims] float16, the last row for the table; NaN: nobody looked at it
    under: Tensor  # [n] int64: which of them lies under the planned tip; -1: the table

    def rows(self, start: int, frames: int) -> Tensor:
        """Of the thing under the tip [frames, dims]."""
        return self.features[self.under[start : start + frames]].float()


@dataclasses.dataclass(frozen=True, eq=False)
class ContactItem:
    """One session on the grid of the latent, n frames at 31.25 Hz."""

    session_id: str
    scene_id: str
    latent: Tensor  # [latent, n] float16: content, then level, as the codec gives them
    stands_out: Tensor  # [n] in [0, 1]: how much of a frame stands out of the room's tone
    planned: NDArray[np.float16]  # [4 n, channels without force] at 125 Hz
    executed: NDArray[np.float16]  # [4 n, channels without force]
    force: NDArray[np.float16]  # [4 n, channels of force]
    floors: Tensor  # [k, 80] of the room as heard before moments half a second apart
    objects: Tensor  # [objects + 1, what], the last row for the table
    surface: Tensor  # [n] int64: which of the objects lies under the planned tip; -1: none
    contact_frame: Tensor  # [c] int64, in order
    contact_surface: Tensor  # [c] int64
    views: SeenThings | None = None  # None: the session has no views

    def __post_init__(self) -> None:
        """Raises ValueError where lengths differ."""
        n = self.frames
        lengths = {
            "stands_out": (len(self.stands_out), n),
            "planned": (len(self.planned), STRIDE * n),
            "executed": (len(self.executed), STRIDE * n),
            "force": (len(self.force), STRIDE * n),
            "surface": (len(self.surface), n),
            "contact_surface": (len(self.contact_surface), len(self.contact_frame)),
            "views": (n if self.views is None else len(self.views.under), n),
        }
        for name, (found, needed) in lengths.items():
            if found != needed:
                raise ValueError(f"{self.session_id}: {name} has {found} rows, must have {needed}")

    @classmethod
    def of(
        cls, item: SessionItem, latent: Tensor, stands_out: Tensor, views: SeenThings | None = None
    ) -> ContactItem:
        """A session whose latent [latent, n] is known; of its views, frames beyond those are left out."""
        n = latent.shape[1]
        features, rows = item.features, slice(0, STRIDE * n)
        times = torch.from_numpy(item.contacts.time_s.astype(np.float64))
        return cls(
            item.path.stem,
            str(item.facts["scene_id"]),
            latent.half(),
            stands_out,
            features.planned[rows],
            features.executed[rows],
            features.force[rows],
            torch.from_numpy(features.floors.astype(np.float32)),
            torch.from_numpy(item.objects),
            torch.from_numpy(features.under[:n].astype(np.int64)),
            (times * LATENT_RATE).floor().long().clamp(0, n - 1),
            torch.from_numpy(item.contacts.object.astype(np.int64)),
            None if views is None else SeenThings(views.features, views.under[:n]),
        )

    @property
    def frames(self) -> int:
        """n."""
        return self.latent.shape[1]

    def motion(self, rows: NDArray[np.int64], executed: bool) -> NDArray[np.float32]:
        """Channels [r, all] at some rows; a plan knows no force: NaN."""
        if executed:
            parts = [self.executed[rows], self.force[rows]]
        else:
            parts = [self.planned[rows], np.full((len(rows), self.force.shape[1]), np.nan, np.float16)]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def what(self, start: int, frames: int) -> Tensor:
        """What lies under the tip, in truth [frames, what]."""
        return self.objects[self.surface[start : start + frames]]

    def floor(self, start: int) -> Tensor:
        """Of the room as heard before a frame [80]."""
        row = min(int(start / LATENT_RATE / FLOOR_STEP_S + 1e-6), len(self.floors) - 1)
        return self.floors[row]


@dataclasses.dataclass(frozen=True, eq=False)
class ContactItems:
    """Sessions of one side of the split."""

    sessions: tuple[ContactItem, ...]

    def __post_init__(self) -> None:
        """Raises ValueError where there are none."""
        if not self.sessions:
            raise ValueError("there are no sessions; write some with `foley sim sessions`")

    @property
    def scenes(self) -> frozenset[str]:
        """Scene ids."""
        return frozenset(item.scene_id for item in self.sessions)

    @property
    def hours(self) -> float:
        """Of sound."""
        return sum(item.frames for item in self.sessions) / LATENT_RATE / 3600.0

    @property
    def seen(self) -> int:
        """Sessions that have views."""
        return sum(item.views is not None for item in self.sessions)

    def mean_weight(self, foreground_weight: float) -> float:
        """Mean over frames of what a frame weighs before it is normalised."""
        stands = torch.cat([item.stands_out for item in self.sessions]).float()
        return float(1.0 + (foreground_weight - 1.0) * stands.mean())

    def statistics(self, most: int = 100) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Latents, floors, motions and views of some sessions, channels last, for the field's input scales."""
        some = self.sessions[:: max(1, len(self.sessions) // most)]
        motions = [
            torch.from_numpy(item.motion(np.arange(0, len(item.planned), 2), executed))
            for item in some
            for executed in (False, True)
        ]
        return (
            torch.cat([item.latent.T for item in some]).float(),
            torch.cat([item.floors for item in some]),
            torch.cat(motions),
            self.seen_features(),
        )

    def seen_features(self) -> Tensor | None:
        """What views show of all things of all sessions, for the field's input scales; None: there are no views."""
        found = [item.views.features for item in self.sessions if item.views is not None]
        return torch.cat(found).float() if found else None
