"""What the flow is told of a window of a session."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from foley_perception.action.gripper import GripperHand
from foley_synthesis.flow.codec.network import Codec
from foley_synthesis.flow.contact.batches import earlier_hits, hits_of, motion_rows
from foley_synthesis.flow.contact.items import ContactItem
from foley_synthesis.flow.contact.latents import latent_of
from foley_synthesis.flow.networks.contact_field import MAX_HITS, ContactCondition
from foley_synthesis.flow.networks.motion_encoder import STRIDE
from foley_synthesis.flow.session_features import at_16_khz, session_features
from foley_synthesis.flow.session_items import Contacts, SessionItem
from foley_synthesis.flow.sight.windows import SeenWindows
from foley_synthesis.flow.what import WHAT_DIMS, what_of
from foley_synthesis.flow.window_model import EVALUATION_ROWS, EvaluationWindow

Told = Literal["nothing", "true"]


@dataclasses.dataclass(eq=False)
class WindowConditions:
    """Conditions of windows; of the session that was asked for last, features are kept.

    Raises:
        ValueError: a field has a value that cannot work; the message names it.
    """

    executed: bool = False  # motion and force as measured, else the plan
    told: Told = "nothing"  # of what lies under the tip; `true`: what the session's facts say
    context: int = 0  # earlier sounds of each surface that may be heard
    hand: str = "parallel_gripper"
    views: SeenWindows | None = None  # sight that looks at what is touched
    handless: bool = False  # motion is taken away, of the plan too

    def __post_init__(self) -> None:
        if self.told not in ("nothing", "true"):
            raise ValueError(f"told is `{self.told}`, must be nothing or true")
        if not 0 <= self.context <= MAX_HITS:
            raise ValueError(f"context is {self.context}, must be in [0, {MAX_HITS}]")
        if self.executed and self.handless:
            raise ValueError("executed and handless are both true, must be one of them at most")
        self._item: ContactItem | None = None
        self._of: object = None

    @property
    def follows_tip(self) -> bool:
        """Whether anything but motion is told of what lies under the tip, which tells where the hand is."""
        return self.told == "true" or self.context > 0 or self.views is not None

    def of(self, window: EvaluationWindow, codec: Codec) -> ContactCondition:
        """Of one window, with a batch of 1. Of sound, only what was over before the window is looked at."""
        item = self._session(window, codec)
        start, frames = window.first_row // STRIDE, EVALUATION_ROWS // STRIDE
        executed = torch.tensor([self.executed])
        chosen = earlier_hits(item, start, self.context)
        surfaces = item.surface[None, start : start + frames]
        return ContactCondition(
            motion_rows(item, start, frames, self.executed)[None],
            executed,
            item.floor(start)[None],
            item.what(start, frames)[None] if self.told == "true" else None,
            hits_of([item], [chosen], surfaces, executed),
            None if self.views is None else torch.from_numpy(self.views.features(window))[None],
        )

    def motion(self, window: EvaluationWindow, codec: Codec, begin: int, end: int) -> torch.Tensor:
        """Rows [1, end - begin, channels] of the motion around a window, counted from its first; it rests beyond the
        session's ends."""
        item = self._session(window, codec)
        rows = np.arange(window.first_row + begin, window.first_row + end)
        return torch.from_numpy(item.motion(rows.clip(0, len(item.planned) - 1), self.executed))[None]

    def _session(self, window: EvaluationWindow, codec: Codec) -> ContactItem:
        session = window.session
        if self._item is None or self._of is not session:
            features = session_features(session, GripperHand.from_yaml(self.hand))
            sound = at_16_khz(session.sound, session.sound_rate)
            objects = [what_of(item) for item in session.facts["objects"]]
            item = SessionItem(
                path=Path(f"{window.session_id}.npz"),
                facts=session.facts,
                sound=sound,
                features=features,
                contacts=Contacts(
                    session.contact_s,
                    session.contact_planned_s,
                    session.contact_object,
                    session.contact_impulse,
                ),
                objects=np.stack([*objects, np.zeros(WHAT_DIMS, np.float32)]),
            )
            frames = len(features.channels) // STRIDE
            latent = torch.zeros(codec.config.latent + 1, frames)
            if self.context:
                latent = latent_of(torch.from_numpy(sound.astype(np.float32))[None] / 2**15, codec)[
                    0, :, :frames
                ]
            self._item, self._of = ContactItem.of(item, latent, torch.zeros(frames)), session
        return self._item
