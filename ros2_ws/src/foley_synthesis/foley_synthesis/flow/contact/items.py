"""Sessions as the flow trains on them: latents, motion and what else is known, all in memory.

Latents are made once by the codec, whole sessions at a time, and kept in half precision.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from foley_synthesis.flow.networks.motion_encoder import STRIDE

NO_SURFACE = -2  # the tip is over nothing that is known; -1 is the table


@dataclasses.dataclass(frozen=True, eq=False)
class ContactItem:
    """One session on the grid of the latent, n frames at 31.25 Hz."""

    session_id: str
    scene_id: str
    latent: Tensor  # [latent, n] float16: content, then level, as the codec gives them
    stands_out: Tensor  # [n] in [0, 1]: how much of a frame stands out of the room's tone
    planned: Tensor  # [4 n, channels] float16 at 125 Hz, NaN where not known
    executed: Tensor  # [4 n, channels]
    floor: Tensor  # [80] of the room before anything moves [dB]
    what: Tensor  # [n, what], NaN where not known
    surface: Tensor  # [n] int64: which of the scene's objects lies under the tip
    contact_frame: Tensor  # [c] int64, in order
    contact_surface: Tensor  # [c] int64
    views: Tensor | None = None  # [m, dims] at 4 Hz, NaN where not rendered

    def __post_init__(self) -> None:
        """Raises ValueError where lengths differ."""
        n = self.frames
        lengths = {
            "stands_out": (len(self.stands_out), n),
            "planned": (len(self.planned), STRIDE * n),
            "executed": (len(self.executed), STRIDE * n),
            "what": (len(self.what), n),
            "surface": (len(self.surface), n),
            "contact_surface": (len(self.contact_surface), len(self.contact_frame)),
        }
        for name, (found, needed) in lengths.items():
            if found != needed:
                raise ValueError(f"{self.session_id}: {name} has {found} rows, must have {needed}")

    @property
    def frames(self) -> int:
        """n."""
        return self.latent.shape[1]


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
        return sum(item.frames for item in self.sessions) / 31.25 / 3600.0

    def mean_weight(self, foreground_weight: float) -> float:
        """Mean over frames of what a frame weighs before it is normalised."""
        stands = torch.cat([item.stands_out for item in self.sessions]).float()
        return float(1.0 + (foreground_weight - 1.0) * stands.mean())

    def statistics(self, most: int = 200) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Latents, floors, motions and views of some sessions, channels last, for the field's input scales."""
        some = self.sessions[:: max(1, len(self.sessions) // most)]
        views = [item.views for item in some if item.views is not None]
        return (
            torch.cat([item.latent.T for item in some]).float(),
            torch.stack([item.floor for item in some]),
            torch.cat([motion for item in some for motion in (item.planned, item.executed)]).float(),
            torch.cat(views).float() if views else None,
        )
