"""Past hits that are copied: which, to when, and how loud."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from foley_common.session_file import MOTION_RATE, SessionData
from foley_synthesis.evaluation.windows.nearest_hit import HitCopies, known_touches
from foley_synthesis.evaluation.windows.sets import windows_of
from foley_synthesis.flow.regression.template import LENGTH, Template
from foley_synthesis.flow.window_model import EvaluationWindow

RATE = 16_000
LAG_ROWS = 0.8  # from 2 mm down to the surface at 0.3 m/s
Make = Callable[..., SessionData]


@pytest.fixture(scope="module")
def session(make_session: Make) -> SessionData:
    """20 s in which a thing on the left rings at 3 kHz and one on the right at 500 Hz; it was touched in turn."""
    return make_session("test-0", "test", 3, 20.0)


@pytest.fixture(scope="module")
def copies() -> HitCopies:
    """Whose mean contact is silent."""
    return HitCopies(Template(torch.zeros(80, LENGTH), 0.002, LAG_ROWS, 0.0, 0.0), 20.0)


def pitch_after(sound: np.ndarray, second: float) -> float:
    """The strongest frequency [Hz] of 0.05 s."""
    part = sound[round((second + 0.003) * RATE) :][: round(0.05 * RATE)]
    return float(np.abs(np.fft.rfft(part * np.hanning(len(part)))).argmax() / 0.05)


def level_after(sound: np.ndarray, second: float) -> float:
    """RMS [dB] of 0.05 s."""
    return float(10 * np.log10(np.square(sound[round(second * RATE) :][: round(0.05 * RATE)]).mean()))


def test_each_touch_sounds_as_its_surface_did(session: SessionData, copies: HitCopies) -> None:
    window = EvaluationWindow(session, 8.0)
    (made,) = copies.sounds(window, 1, 0)
    assert made.shape == (128_000,) and made.dtype == np.float32
    contacts = [k for k in window.contacts if session.contact_s[k] < 15.0]
    assert {int(session.contact_object[k]) for k in contacts} == {0, 1} and len(contacts) >= 6
    for k in contacts:
        wanted = {0: 3000.0, 1: 500.0}[int(session.contact_object[k])]
        at = float(session.contact_s[k]) - 8.0
        assert abs(pitch_after(made, at) - wanted) < 60.0
        assert level_after(made, at) > level_after(made, at - 0.3) + 10.0
    assert known_touches([window])["all"] == known_touches([window])["of_surfaces_heard_before"] >= 7
    assert known_touches([EvaluationWindow(session, 0.0)])["of_surfaces_heard_before"] == 0


def test_a_copy_is_of_the_past_alone_and_as_loud_as_the_speed_says(
    session: SessionData, copies: HitCopies
) -> None:
    window = EvaluationWindow(session, 8.0)
    (made,) = copies.sounds(window, 1, 0)
    later = session.sound.copy()
    later[8 * RATE :] = 0
    deaf = dataclasses.replace(session, sound=later)
    np.testing.assert_array_equal(copies.sounds(EvaluationWindow(deaf, 8.0), 1, 0)[0], made)

    k = int(window.contacts[2])
    at, row = float(session.contact_s[k]) - 8.0, round(float(session.contact_s[k]) * MOTION_RATE)
    pose = session.planned_pose.copy()
    near = slice(row - 40, row + 40)
    pose[near, 2] = pose[near, 2] / 10  # comes down at a tenth of the speed
    slowly = dataclasses.replace(session, planned_pose=pose)
    (slow,) = copies.sounds(EvaluationWindow(slowly, 8.0), 1, 0)
    # 20 dB softer; from 2 mm down it takes ten times as long, 0.06 s more.
    found = [np.abs(one[round((at - 0.07) * RATE) : round((at + 0.02) * RATE)]).max() for one in (made, slow)]
    assert 20 * np.log10(found[0] / found[1]) == pytest.approx(20.0, abs=2.5)
    flat = dataclasses.replace(copies, db_per_decade=0.0)
    (same,) = flat.sounds(EvaluationWindow(slowly, 8.0), 1, 0)
    loud = np.abs(same[round((at - 0.07) * RATE) : round((at + 0.02) * RATE)]).max()
    assert 20 * np.log10(found[0] / loud) == pytest.approx(0.0, abs=1.0)


def test_draws_are_other_contacts_of_the_surface(session: SessionData, copies: HitCopies) -> None:
    window = EvaluationWindow(session, 8.0)
    made = copies.sounds(window, 3, 0)
    np.testing.assert_array_equal(copies.sounds(window, 3, 0), made)
    levels = np.array(
        [[level_after(one, float(session.contact_s[k]) - 8.0) for one in made] for k in window.contacts[1:-1]]
    )
    assert np.ptp(levels, axis=1).max() > 3.0  # the fixture's touches are 24 dB apart at most


def test_how_level_follows_speed_is_learned_within_surfaces(make_session: Make) -> None:
    train = []
    for k in range(3):
        session = make_session(f"train-{k}", "train", k)
        away = np.arange(len(session.planned_pose)) / MOTION_RATE - session.contact_s[:, None]
        speeds = 0.3 * 10.0 ** (
            (20.0 * np.log10(session.contact_impulse) + 10.0) / 24.0
        )  # levels are -34 to -10 dB
        pose = session.planned_pose.copy()
        pose[:, 2] = np.minimum((np.abs(away) * speeds[:, None]).min(axis=0), 0.1)
        train += windows_of(dataclasses.replace(session, planned_pose=pose))
    assert HitCopies.fit(train).db_per_decade == pytest.approx(24.0, abs=3.0)


def test_what_was_never_heard_sounds_as_in_training(make_session: Make, session: SessionData) -> None:
    train = [window for k in range(3) for window in windows_of(make_session(f"train-{k}", "train", k))]
    fitted = HitCopies.fit(train)
    assert fitted.template.touch_m == 0.002 and fitted.template.lag_rows == pytest.approx(LAG_ROWS, abs=0.3)
    assert abs(fitted.db_per_decade) < 5.0  # all touches of the fixture are equally fast
    first = EvaluationWindow(session, 0.0)
    (made,) = fitted.sounds(first, 1, 0)
    for k in first.contacts:
        at = float(session.contact_s[k])
        if at < 7.5:
            assert level_after(made, at) > level_after(made, at - 0.3) + 6.0
