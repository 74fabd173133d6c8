"""Sessions in which a tip comes down now and then, and a latent that says so: what a small flow learns in seconds."""

from __future__ import annotations

import torch

from foley_perception.action.contact_motion import GROUPS, NAMES
from foley_synthesis.flow.contact.items import ContactItem, ContactItems
from foley_synthesis.flow.contact.what import WhatLayout
from foley_synthesis.flow.networks.contact_field import ContactField, tiny
from foley_synthesis.flow.networks.motion_encoder import MotionConfig

SYNTHETIC_LAYOUT = WhatLayout(materials=3, shapes=2, sizes=1)
SYNTHETIC_CONTENT = 4


def synthetic_item(index: int, frames: int = 120, views: int = 0) -> ContactItem:
    """Of two surfaces, one after the other, each with a content of its own."""
    generator = torch.Generator().manual_seed(index)
    surface = (torch.arange(frames) >= frames // 2).long()
    contacts = torch.randperm(frames // 12, generator=generator)[:6].sort().values * 12 + 4
    latent = 0.1 * torch.randn(SYNTHETIC_CONTENT + 1, frames, generator=generator)
    what = torch.zeros(frames, SYNTHETIC_LAYOUT.dims)
    what[torch.arange(frames), surface] = 1.0
    what[:, 3] = 1.0
    height = torch.ones(4 * frames)
    stands = torch.zeros(frames)
    for contact in contacts.tolist():
        height[4 * contact - 4 : 4 * contact + 6] = 0.0
        latent[surface[contact], contact : contact + 3] += 3.0
        latent[SYNTHETIC_CONTENT, contact : contact + 3] += 2.0
        stands[contact : contact + 3] = 1.0
    motion = torch.zeros(4 * frames, len(NAMES))
    motion[:, GROUPS["height"].start] = height
    motion[:, GROUPS["height"].stop - 1] = 1.0
    planned = motion.clone()
    planned[:, GROUPS["force"]] = torch.nan
    motion[:, GROUPS["force"].start] = 1.0 - height
    return ContactItem(
        f"scene-{index}-p0",
        f"scene-{index}",
        latent.half(),
        stands,
        planned.half(),
        motion.half(),
        torch.randn(80, generator=generator),
        what,
        surface,
        contacts,
        surface[contacts],
        torch.randn(frames // 8, views, generator=generator) if views else None,
    )


def synthetic_items(count: int = 6, frames: int = 120, first: int = 0, views: int = 0) -> ContactItems:
    """So many sessions."""
    return ContactItems(tuple(synthetic_item(first + index, frames, views) for index in range(count)))


def synthetic_field(views: int = 0, seed: int = 0) -> ContactField:
    """The tiny one, with scales of the sessions."""
    torch.manual_seed(seed)
    made = ContactField(tiny(MotionConfig.of(GROUPS), SYNTHETIC_LAYOUT.dims, views, SYNTHETIC_CONTENT))
    made.set_statistics(*synthetic_items(views=views).statistics())
    return made
