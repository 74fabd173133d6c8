"""Crops of sessions: that all of a crop is of the same moments, and what each is told."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
import torch

from foley_perception.action.contact_motion import GROUPS
from foley_synthesis.flow.contact.batches import (
    CropDraw,
    draw_crops,
    drawn_hits,
    earlier_hits,
    hits_of,
    make_batch,
    views_of,
)
from foley_synthesis.flow.contact.blur import Blur, as_seen
from foley_synthesis.flow.contact.config import ContactTrainConfig
from foley_synthesis.flow.contact.items import ContactItems
from foley_synthesis.flow.contact.synthetic import CONTENT, synthetic_field, synthetic_item, synthetic_items
from foley_synthesis.flow.networks.contact_field import CONDITIONS, HIT_LEAD
from foley_synthesis.flow.networks.motion_encoder import MotionEncoder
from foley_synthesis.flow.what import HOLLOW_COLUMN, MATERIAL_COLUMNS, PRESENCE_COLUMN, WHAT_DIMS

CONFIG = ContactTrainConfig(size="tiny", batch=400, frames=40)
HEIGHT = GROUPS["height"].start


@functools.cache
def encoder() -> MotionEncoder:
    return synthetic_field().motion


def drawn(items: ContactItems, config: ContactTrainConfig = CONFIG, seed: int = 0) -> CropDraw:
    generator = torch.Generator().manual_seed(seed)
    return draw_crops(items, config, encoder(), generator)


def test_sound_motion_and_what_is_under_the_tip_are_of_the_same_moments() -> None:
    items = synthetic_items()
    config = dataclasses.replace(CONFIG, shift_s=0.0, lift_m=0.0, what_true=1.0, what_blurred=0.0)
    batch = make_batch(items, drawn(items, config), config, 1.0)
    down = batch.condition.motion[..., HEIGHT].reshape(400, 40, 4)[..., 1] < 0.5
    sounds = batch.latent[:, CONTENT] > 1.0
    # The tip is down in the frame before its sound and the first of the sound itself.
    begins = sounds[:, 1:] & ~sounds[:, :-1]
    assert int(begins.sum()) > 400
    assert bool(down[:, 1:][begins].all())
    assert batch.condition.what is not None
    thing = batch.condition.what[..., MATERIAL_COLUMNS].argmax(-1)
    sounding = torch.nonzero(batch.latent[:, :2].amax(1) > 1.5)
    for row, frame in sounding.tolist():
        assert int(batch.latent[row, :2, frame].argmax()) == int(thing[row, frame])
    assert float(batch.weight.max()) == config.foreground_weight
    torch.testing.assert_close(batch.weight > 1.0, sounds)


def test_plans_come_early_or_late_within_bounds_and_measured_motion_never() -> None:
    draw = drawn(synthetic_items())
    assert set(draw.shift[~draw.executed].tolist()) == {-4, -3, -2, -1, 0, 1, 2, 3, 4}  # 30 ms are 3.75 rows
    assert not draw.shift[draw.executed].any()
    assert 0.4 < float(draw.executed.float().mean()) < 0.6


def test_force_is_known_of_measured_motion_alone() -> None:
    items = synthetic_items()
    draw = drawn(items)
    force = make_batch(items, draw, CONFIG, 1.0).condition.motion[..., GROUPS["force"]]
    assert bool(force[draw.executed].isfinite().all())
    assert bool(force[~draw.executed].isnan().all())


def test_shares_of_what_is_told_and_left_out() -> None:
    config = dataclasses.replace(CONFIG, batch=8000)
    draw = drawn(synthetic_items(), config)
    shares = torch.bincount(draw.told, minlength=3) / len(draw.told)
    torch.testing.assert_close(shares, torch.tensor([0.4, 0.3, 0.3]), atol=0.02, rtol=0)
    joint = 0.15 + 0.85 * 0.15**4  # the room's tone stays
    others = [index for index, name in enumerate(CONDITIONS) if name != "floor"]
    assert float((draw.given[:, others] == 0).all(1).float().mean()) == pytest.approx(joint, abs=0.02)
    assert float(draw.given[:, CONDITIONS.index("floor")].mean()) == pytest.approx(0.85, abs=0.02)
    ablated = drawn(synthetic_items(), dataclasses.replace(CONFIG, without=("what", "motion")))
    assert not ablated.given[:, [CONDITIONS.index("what"), CONDITIONS.index("motion")]].any()


def test_crops_near_a_contact_hold_one() -> None:
    items = synthetic_items(1)
    draw = drawn(items, dataclasses.replace(CONFIG, near_contact=1.0))
    contacts = items.sessions[0].contact_frame
    held = (contacts >= draw.start[:, None]) & (contacts < draw.start[:, None] + 40)
    assert bool(held.any(1).all())


def test_hits_are_of_the_surface_and_do_not_sound_in_the_crop() -> None:
    item = synthetic_item(3)
    for start in range(0, 80, 7):
        for index in drawn_hits(item, start, 40, 5, seed=start):
            begin = int(item.contact_frame[index]) - HIT_LEAD
            # What is coded of it is of 12 frames more on both sides, as when it is asked.
            assert begin + 16 + 12 <= start or begin - 12 >= start + 40
            assert int(item.contact_surface[index]) in set(item.surface[start : start + 40].tolist())
    assert drawn_hits(item, 0, 40, 0, seed=0) == []


def test_earlier_hits_are_over_before_and_the_last_of_each_surface() -> None:
    item = synthetic_item(3)
    frames = item.contact_frame.tolist()
    over = [index for index, frame in enumerate(frames) if frame + 24 <= 100]
    for count in (0, 1, 2):
        found = earlier_hits(item, 100, count)
        for surface in (0, 1):
            of_it = [index for index in over if int(item.contact_surface[index]) == surface]
            assert [i for i in found if i in of_it] == (of_it[-count:] if count else [])
    assert earlier_hits(item, int(item.contact_frame[0]) + 23, 5) == []


def test_a_hit_begins_before_its_contact_and_is_used_over_its_surface() -> None:
    item = synthetic_item(3)
    hits = hits_of(
        [item, item], [[1], []], item.surface[None, :40].expand(2, -1), torch.tensor([True, False])
    )
    assert hits is not None
    begin = int(item.contact_frame[1]) - HIT_LEAD
    torch.testing.assert_close(hits.latent[0, 0], item.latent[:, begin : begin + 16].float())
    np.testing.assert_array_equal(
        hits.motion[0, 0, :, HEIGHT], item.executed[4 * begin : 4 * begin + 64, HEIGHT]
    )
    torch.testing.assert_close(hits.use[0, :, 0], item.surface[:40] == item.contact_surface[1])
    assert not hits.use[1].any()
    assert hits_of([item], [[]], item.surface[None], torch.tensor([True])) is None


def test_views_are_of_the_thing_under_the_tip_and_nan_where_there_are_none() -> None:
    seen, blind = synthetic_item(0, views=2), synthetic_item(1)
    assert seen.views is not None
    seen.views.under[60:62] = -1  # the table
    found = views_of([(seen, 52), (blind, 0)], 16)
    assert found is not None
    first, second = seen.views.features[:2].float()
    torch.testing.assert_close(found[0, :8], first.expand(8, 2))
    assert bool(found[0, 8:10].isnan().all())
    torch.testing.assert_close(found[0, 10:], second.expand(6, 2))
    assert bool(found[1].isnan().all())
    assert views_of([(blind, 0)], 16) is None


def test_sight_is_calibrated_and_the_table_stays_as_it_is() -> None:
    count = 20_000
    generator = torch.Generator().manual_seed(0)
    materials = MATERIAL_COLUMNS.stop - MATERIAL_COLUMNS.start
    truth = torch.randint(materials, (count,), generator=generator)
    hollow = torch.randint(2, (count,), generator=generator)
    what = torch.zeros(count, 2, WHAT_DIMS)
    what[torch.arange(count), 0, truth] = 1.0
    what[:, 0, HOLLOW_COLUMN] = 0.71 * hollow.float()  # the share that is empty
    what[:, 0, PRESENCE_COLUMN] = 1.0
    seen = as_seen(what, Blur.draw(count, generator))
    assert not seen[:, 1].any()
    chances, best = seen[:, 0, MATERIAL_COLUMNS].max(-1)
    for low, high in ((0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.0)):
        here = (chances > low) & (chances <= high)
        assert int(here.sum()) > 500
        assert float((best == truth)[here].float().mean()) == pytest.approx(
            float(chances[here].mean()), abs=0.04
        )
    chance = seen[:, 0, HOLLOW_COLUMN] / 0.71
    here = (chance > 0.6) & (chance < 0.8)
    assert float(hollow[here].float().mean()) == pytest.approx(float(chance[here].mean()), abs=0.04)


def test_a_crop_longer_than_any_session_is_refused() -> None:
    with pytest.raises(ValueError, match="the longest session has 120 frames, a crop has 121"):
        drawn(synthetic_items(), dataclasses.replace(CONFIG, frames=121))


def test_groups_that_are_left_out_change_nothing_of_a_draw_but_themselves() -> None:
    part = dataclasses.replace(encoder().config, without=("height", "velocity", "keypoints", "force"))
    whole, some = (
        draw_crops(synthetic_items(), CONFIG, one, torch.Generator().manual_seed(0))
        for one in (encoder(), MotionEncoder(part))
    )
    for name in ("session", "start", "executed", "shift", "told", "given"):
        torch.testing.assert_close(getattr(some, name), getattr(whole, name))
    assert not some.groups[:, [0, 1, 4, 5]].any()
    assert bool(some.groups[:, [2, 3]].any(1).all())  # of none all is dropped
    both = some.groups[:, [2, 3]].bool().all(1)
    assert 0.55 < float(both.float().mean()) < 0.72  # .8 squared
