import dataclasses
import math

import numpy as np
import torch

from foley_synthesis.hearing.front_end import FrontEndConfig, normalised
from foley_synthesis.hearing.training.augment import (
    AugmentConfig,
    augmented,
    cropped,
    features_of,
    heard_until,
)
from foley_synthesis.hearing.training.features import MARGIN

CONFIG = FrontEndConfig()
NOTHING = AugmentConfig(
    heard_share=0.0, tilt_share=0.0, floor_share=0.0, mixed_share=0.0, low_pass_share=0.0, high_pass_share=0.0,
    cut_before_share=0.0, masked_share=0.0, jitter=0,
)  # fmt: skip
NO_OTHERS = torch.zeros(0, CONFIG.frames + 2 * MARGIN, CONFIG.bands)


def levels(n: int = 4) -> torch.Tensor:
    """Falling in time, other in each band, from -10 dB on."""
    time = torch.arange(CONFIG.frames + 2 * MARGIN)[:, None]
    one = -10.0 - 0.2 * time - 0.1 * torch.arange(CONFIG.bands)[None]
    return one.float().expand(n, -1, -1).clone()


def seeded(how: AugmentConfig, n: int = 64, others: torch.Tensor = NO_OTHERS) -> torch.Tensor:
    return augmented(levels(n), others, CONFIG, how, torch.Generator().manual_seed(0))


def test_without_any_it_is_the_clip_at_its_peak() -> None:
    made = augmented(levels(), NO_OTHERS, CONFIG, NOTHING, torch.Generator().manual_seed(0))
    expected = cropped(levels(), CONFIG)
    torch.testing.assert_close(made, expected - expected.amax(dim=(1, 2), keepdim=True), atol=1e-4, rtol=0)


def test_features_are_those_of_the_front_end() -> None:
    level = cropped(levels(2), CONFIG)
    level[1, 50:] = math.nan
    made = features_of(level, CONFIG)
    for i in range(2):
        np.testing.assert_allclose(made[i].numpy(), normalised(level[i].numpy(), CONFIG), atol=1e-5)


def test_a_shift_is_one_of_frames() -> None:
    shifted = cropped(levels(3), CONFIG, torch.tensor([-4, 0, 2]))
    torch.testing.assert_close(shifted[:, 0, 0], torch.tensor([-10.0, -10.8, -11.2]))


def test_the_onset_is_off_by_what_is_asked_for() -> None:
    known = levels(1).clone()
    known[:, : MARGIN + 3] = math.nan
    begun = augmented(known.expand(64, -1, -1), NO_OTHERS, CONFIG, dataclasses.replace(NOTHING, jitter=4),
                      torch.Generator().manual_seed(0))  # fmt: skip
    starts = (~begun.isfinite()).all(dim=2).sum(dim=1)
    assert int(starts.min()) == 0 and int(starts.max()) == 7 and abs(float(starts.float().mean()) - 3.0) < 0.6


def test_what_is_heard_ends_as_the_front_end_ends_it() -> None:
    part = heard_until(cropped(levels(1), CONFIG), CONFIG, 0.15)
    frames = CONFIG.heard_frames(0.15)
    assert part[0, :frames].isfinite().all() and not part[0, frames:].isfinite().any()
    made = seeded(dataclasses.replace(NOTHING, heard_share=1.0))
    ends = set(made.isfinite().all(dim=2).sum(dim=1).tolist())
    assert ends == {CONFIG.heard_frames(s) for s in (0.06, 0.15, 0.5)}


def test_colour_is_the_same_at_all_times() -> None:
    made = seeded(dataclasses.replace(NOTHING, tilt_share=1.0)) - seeded(NOTHING)
    torch.testing.assert_close(made, made[:, :1].expand_as(made), atol=1e-3, rtol=0)
    assert 3.0 < float(made.abs().amax()) <= 8.01 and float(made.std(dim=0).mean()) > 1.0


def test_noise_hides_what_is_softer_and_leaves_what_is_louder() -> None:
    made = seeded(dataclasses.replace(NOTHING, floor_share=1.0, floor_db=(-20.0, -20.0), tilt_db=0.0))
    clean = seeded(NOTHING)
    assert float((made - clean)[clean > -5].abs().max()) < 1.0
    assert -24.0 < float(made[clean < -28].mean()) < -15.0
    assert (made >= clean - 1e-3).all()


def test_another_sound_is_mixed_in_where_it_is_known() -> None:
    other = torch.full((1, CONFIG.frames + 2 * MARGIN, CONFIG.bands), math.nan)
    other[:, :, 30] = 0.0
    made = seeded(dataclasses.replace(NOTHING, mixed_share=1.0, mixed_db=(-3.0, -3.0)), others=other)
    clean = seeded(NOTHING)
    assert (made[:, 60:, 30] > clean[:, 60:, 30] + 3.0).all()
    rest = torch.arange(CONFIG.bands) != 30
    torch.testing.assert_close(made[:, :, rest], clean[:, :, rest], atol=1e-3, rtol=0)


def test_what_was_unknown_stays_so() -> None:
    level = levels(8)
    level[:, :, 50:] = math.nan
    made = augmented(level, levels(2), CONFIG, AugmentConfig(), torch.Generator().manual_seed(0))
    assert not made[:, :, 50:].isfinite().any() and made[:, 12:15, 10].isfinite().any()


def test_the_same_seed_draws_the_same() -> None:
    torch.testing.assert_close(seeded(AugmentConfig()), seeded(AugmentConfig()), equal_nan=True)
