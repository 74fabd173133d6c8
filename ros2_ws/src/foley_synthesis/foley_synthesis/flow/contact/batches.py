"""Crops of sessions, and everything random about them.

All that is random of a step is drawn for the whole batch from one generator; each process then makes its own part of
the batch. So any number of processes takes the same step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from foley_common.session_file import MOTION_RATE
from foley_perception.action.contact_motion import moved_up
from foley_synthesis.flow.contact.blur import Blur, as_seen
from foley_synthesis.flow.contact.config import ContactTrainConfig
from foley_synthesis.flow.contact.items import ContactItem, ContactItems
from foley_synthesis.flow.networks.contact_field import (
    CONDITIONS,
    HIT_FRAMES,
    HIT_LEAD,
    MAX_HITS,
    ContactCondition,
    Hits,
)
from foley_synthesis.flow.networks.motion_encoder import STRIDE, MotionEncoder

CODED_AHEAD = 12
"""Frames that an encoder looks ahead at most, and back."""
WHAT_TRUE, WHAT_BLURRED, WHAT_NOTHING = 0, 1, 2


@dataclasses.dataclass(frozen=True, eq=False)
class CropDraw:
    """Which crops, and how each is told of."""

    session: Tensor  # [b] int64
    start: Tensor  # [b] int64, frame
    executed: Tensor  # [b] bool
    shift: Tensor  # [b] int64, rows by which a planned motion is late
    lift_m: Tensor  # [b]
    told: Tensor  # [b] int64: what lies under the tip, truly, as seen or not
    blur: Blur
    hits: Tensor  # [b] int64, at most so many
    hit_order: Tensor  # [b] int64 seeds of which
    given: Tensor  # [b, 5]
    groups: Tensor  # [b, groups]

    def __getitem__(self, rows: slice) -> CropDraw:
        """Some of them."""
        return CropDraw(*(getattr(self, field.name)[rows] for field in dataclasses.fields(self)))


@dataclasses.dataclass(frozen=True, eq=False)
class ContactBatch:
    """What one step learns from."""

    latent: Tensor  # [b, latent, n] as the codec gives it
    weight: Tensor  # [b, n] of each frame
    condition: ContactCondition
    given: Tensor  # [b, 5]
    groups: Tensor  # [b, groups of motion]

    def to(self, device: torch.device) -> ContactBatch:
        """The same on a device."""
        return ContactBatch(
            self.latent.to(device),
            self.weight.to(device),
            self.condition.to(device),
            self.given.to(device),
            self.groups.to(device),
        )


def draw_crops(
    items: ContactItems,
    config: ContactTrainConfig,
    encoder: MotionEncoder,
    generator: torch.Generator,
) -> CropDraw:
    """A batch of crops, sessions by their length, a share of them around a contact.

    Raises:
        ValueError: no session is as long as a crop.
    """
    b, n = config.batch, config.frames
    lengths = torch.tensor([item.frames for item in items.sessions])
    if int(lengths.max()) < n:
        raise ValueError(f"the longest session has {int(lengths.max())} frames, a crop has {n}")
    session = torch.multinomial(
        torch.where(lengths >= n, lengths, 0).double(), b, replacement=True, generator=generator
    )
    room = lengths[session] - n
    start = (torch.rand(b, generator=generator) * (room + 1)).long()
    near = torch.rand(b, generator=generator) < config.near_contact
    which, place = torch.rand(b, generator=generator), torch.rand(b, generator=generator)
    for row in torch.nonzero(near).flatten().tolist():
        contacts = items.sessions[int(session[row])].contact_frame
        if len(contacts):
            contact = int(contacts[int(which[row] * len(contacts))])
            start[row] = min(max(contact - int(place[row] * n), 0), int(room[row]))
    executed = torch.rand(b, generator=generator) < config.executed
    rows = config.shift_s * MOTION_RATE
    shift = ((2.0 * torch.rand(b, generator=generator) - 1.0) * rows).round().long() * ~executed
    lift_m = (2.0 * torch.rand(b, generator=generator) - 1.0) * config.lift_m
    share = torch.rand(b, generator=generator)
    told = (share >= config.what_true).long() + (share >= config.what_true + config.what_blurred)
    blur = Blur.draw(b, generator)
    hits = torch.randint(MAX_HITS + 1, (b,), generator=generator)
    order = torch.randint(2**31, (b,), generator=generator)
    given = _given(b, config, generator)
    return CropDraw(
        session,
        start,
        executed,
        shift,
        lift_m,
        told,
        blur,
        hits,
        order,
        given,
        encoder.groups_kept(b, generator),
    )


def _given(batch: int, config: ContactTrainConfig, generator: torch.Generator) -> Tensor:
    """Which conditions each crop has [b, 5]: each is dropped alone, or all but the room's tone together.

    Guidance moves away from the sound of the same room under no other condition.
    """
    given = torch.rand(batch, len(CONDITIONS), generator=generator) >= config.dropout
    joint = torch.rand(batch, generator=generator) < config.joint_dropout
    given = torch.where(joint[:, None], null_given(given.float()), given.float())
    return left_out(given, config.conditions_left_out)


def left_out(given: Tensor, without: Sequence[str]) -> Tensor:
    """The same, without some conditions."""
    for name in without:
        given[:, CONDITIONS.index(name)] = 0.0
    return given


def null_given(given: Tensor) -> Tensor:
    """Nothing but the room's tone: what guidance moves away from."""
    return given * (torch.arange(len(CONDITIONS), device=given.device) == CONDITIONS.index("floor"))


def make_batch(
    items: ContactItems, draw: CropDraw, config: ContactTrainConfig, mean_weight: float
) -> ContactBatch:
    """The crops of a draw."""
    n = config.frames
    crops = [
        (items.sessions[index], start)
        for index, start in zip(draw.session.tolist(), draw.start.tolist(), strict=True)
    ]
    stands = torch.stack([item.stands_out[start : start + n] for item, start in crops]).float()
    weight = (1.0 + (config.foreground_weight - 1.0) * stands) / mean_weight
    motion = torch.stack(
        [
            motion_rows(item, start, n, bool(executed), int(shift))
            for (item, start), executed, shift in zip(crops, draw.executed, draw.shift, strict=True)
        ]
    )
    if config.lift_m:
        motion = torch.from_numpy(moved_up(motion.numpy(), draw.lift_m.numpy()))
    truth = torch.stack([item.what(start, n) for item, start in crops])
    what = torch.where((draw.told == WHAT_BLURRED)[:, None, None], as_seen(truth, draw.blur), truth)
    what = torch.where((draw.told == WHAT_NOTHING)[:, None, None], torch.nan, what)
    chosen = [
        drawn_hits(item, start, n, int(count), int(seed))
        for (item, start), count, seed in zip(crops, draw.hits, draw.hit_order, strict=True)
    ]
    surfaces = torch.stack([item.surface[start : start + n] for item, start in crops])
    condition = ContactCondition(
        motion,
        draw.executed,
        torch.stack([item.floor(start) for item, start in crops]),
        what,
        hits_of([item for item, _ in crops], chosen, surfaces, draw.executed),
        views_of(crops, n),
    )
    latent = torch.stack([item.latent[:, start : start + n] for item, start in crops]).float()
    return ContactBatch(latent, weight, condition, draw.given, draw.groups)


def motion_rows(item: ContactItem, start: int, frames: int, executed: bool, shift: int = 0) -> Tensor:
    """Motion [4 n, channels] of a crop; beyond the session's ends it rests.

    Args:
        shift: rows by which the motion comes too late.
    """
    rows = np.arange(STRIDE * start - shift, STRIDE * (start + frames) - shift)
    return torch.from_numpy(item.motion(rows.clip(0, len(item.planned) - 1), executed))


def drawn_hits(item: ContactItem, start: int, frames: int, count: int, seed: int) -> list[int]:
    """Contacts [at most count] of the session's that do not sound in the crop, any of them, nor does its code know it.

    In training a later contact of a surface says as much about it as an earlier one.
    """
    begins = item.contact_frame - HIT_LEAD
    apart = (begins + HIT_FRAMES + CODED_AHEAD <= start) | (begins - CODED_AHEAD >= start + frames)
    touched = torch.isin(item.contact_surface, item.surface[start : start + frames])
    known = torch.nonzero(apart & touched).flatten().numpy()
    return sorted(np.random.default_rng(seed).permutation(known)[:count].tolist())


def earlier_hits(item: ContactItem, start: int, count: int) -> list[int]:
    """The last contacts [at most count] on each surface that are over before a frame, with all that a codec saw."""
    over = torch.nonzero(item.contact_frame - HIT_LEAD + HIT_FRAMES + CODED_AHEAD <= start).flatten().tolist()
    kept: list[int] = []
    for surface in {int(item.contact_surface[index]) for index in over}:
        kept += (
            [index for index in over if int(item.contact_surface[index]) == surface][-count:] if count else []
        )
    return sorted(kept)


def hits_of(
    items: Sequence[ContactItem], chosen: Sequence[Sequence[int]], surfaces: Tensor, executed: Tensor
) -> Hits | None:
    """Sounds and motions of the chosen contacts of each crop, and which frames [b, n] they are about; None: no hits."""
    most = max(map(len, chosen))
    if not most:
        return None
    first = items[0]
    latent = torch.zeros(len(items), most, len(first.latent), HIT_FRAMES)
    motion = torch.full(
        (len(items), most, STRIDE * HIT_FRAMES, first.planned.shape[1] + first.force.shape[1]), torch.nan
    )
    use = torch.zeros(*surfaces.shape, most, dtype=torch.bool)
    for row, (item, indices) in enumerate(zip(items, chosen, strict=True)):
        for place, index in enumerate(indices):
            begin = int(item.contact_frame[index]) - HIT_LEAD
            frames = torch.arange(begin, begin + HIT_FRAMES).clamp(0, item.frames - 1)
            latent[row, place] = item.latent[:, frames].float()
            # A robot has moved in the past: its motion is known as measured, but for a model of plans alone.
            motion[row, place] = motion_rows(item, begin, HIT_FRAMES, bool(executed[row]))
            use[row, :, place] = surfaces[row] == item.contact_surface[index]
    return Hits(latent, motion, use)


def views_of(crops: Sequence[tuple[ContactItem, int]], frames: int) -> Tensor | None:
    """What views show of the thing under the tip [b, n, dims], NaN where nothing; None: of no crop anything."""
    dims = {item.views.features.shape[1] for item, _ in crops if item.views is not None}
    if not dims:
        return None
    seen = torch.full((len(crops), frames, dims.pop()), torch.nan)
    for row, (item, start) in enumerate(crops):
        if item.views is not None:
            seen[row] = item.views.rows(start, frames)
    return seen
