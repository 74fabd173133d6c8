"""Sessions in which a tip comes down now and then, and a latent that says so: what a small flow learns in seconds."""

from __future__ import annotations

import numpy as np
import torch

from foley_perception.action.contact_motion import GROUPS, MOTION_CHANNELS, NAMES
from foley_synthesis.flow.contact.items import ContactItem, ContactItems, SeenThings
from foley_synthesis.flow.networks.contact_field import ContactField, tiny
from foley_synthesis.flow.networks.motion_encoder import MotionConfig
from foley_synthesis.flow.what import MATERIAL_COLUMNS, PRESENCE_COLUMN, SHAPE_COLUMNS, WHAT_DIMS

CONTENT = 4


def synthetic_item(index: int, frames: int = 120, views: int = 0) -> ContactItem:
    """Of two things, one after the other, each with a content of its own."""
    generator = torch.Generator().manual_seed(index)
    surface = (torch.arange(frames) >= frames // 2).long()
    contacts = torch.randperm(frames // 12, generator=generator)[:6].sort().values * 12 + 4
    latent = 0.1 * torch.randn(CONTENT + 1, frames, generator=generator)
    objects = torch.zeros(3, WHAT_DIMS)
    for thing in range(2):
        objects[thing, [MATERIAL_COLUMNS.start + thing, SHAPE_COLUMNS.start, PRESENCE_COLUMN]] = 1.0
    motion = np.zeros((4 * frames, MOTION_CHANNELS), np.float16)
    height = GROUPS["height"].start
    motion[:, [height, GROUPS["height"].stop - 1]] = 1.0
    stands = torch.zeros(frames)
    for contact in contacts.tolist():
        motion[4 * contact - 4 : 4 * contact + 6, height] = 0.0
        latent[surface[contact], contact : contact + 3] += 3.0
        latent[CONTENT, contact : contact + 3] += 2.0
        stands[contact : contact + 3] = 1.0
    force = np.zeros((4 * frames, len(NAMES) - MOTION_CHANNELS), np.float16)
    force[:, 0] = 1.0 - motion[:, height]
    return ContactItem(
        f"scene-{index}-p0",
        f"scene-{index}",
        latent.half(),
        stands,
        motion,
        motion,
        force,
        torch.randn(frames // 15, 80, generator=generator),
        objects,
        surface,
        contacts,
        surface[contacts],
        _seen(views, surface, generator) if views else None,
    )


def _seen(views: int, surface: torch.Tensor, generator: torch.Generator) -> SeenThings:
    shown = torch.randn(3, views, generator=generator)
    shown[-1] = torch.nan  # the table
    return SeenThings(shown.half(), surface)


def synthetic_items(count: int = 6, frames: int = 120, first: int = 0, views: int = 0) -> ContactItems:
    """So many sessions."""
    return ContactItems(tuple(synthetic_item(first + index, frames, views) for index in range(count)))


def synthetic_field(views: int = 0, seed: int = 0) -> ContactField:
    """The tiny one, with scales of such sessions."""
    torch.manual_seed(seed)
    made = ContactField(tiny(MotionConfig.of(GROUPS), WHAT_DIMS, views, CONTENT))
    made.set_statistics(*synthetic_items(views=views).statistics())
    return made
