"""Rooms, microphones, files and backgrounds."""

from __future__ import annotations

import numpy as np
import pytest

from foley_sim.hearing.backgrounds import BEHIND, MAKERS, Noise, behind, coloured
from foley_sim.hearing.microphones import FFT, draw_microphone, store
from foley_sim.hearing.rooms import draw_room
from foley_sim.hearing.vocabulary import KINDS, MICROPHONES, RATE, SAMPLES


@pytest.fixture(scope="module")
def noise() -> Noise:
    return Noise(np.random.default_rng(0))


def test_a_room_begins_with_the_direct_sound_and_dies_away(noise: Noise) -> None:
    rng = np.random.default_rng(1)
    rooms = [draw_room(noise, rng) for _ in range(60)]
    heard = [room for room in rooms if room is not None]
    assert 10 < len(heard) < 55
    for room in heard:
        assert room[0] > 0.5
        quarter = room.size // 4
        assert (room[-quarter:] ** 2).sum() < 0.1 * (room**2).sum()


def test_a_microphone_gives_nothing_above_its_bandwidth() -> None:
    rng = np.random.default_rng(2)
    hz = np.fft.rfftfreq(FFT, 1 / RATE)
    seen = set()
    for _ in range(100):
        microphone = draw_microphone(rng)
        seen.add(microphone.kind)
        assert np.isfinite(microphone.response).all()
        assert not microphone.response[hz > microphone.bandwidth_hz + 1].any()
        assert np.abs(microphone.response[hz < microphone.bandwidth_hz]).max() > 0.05
    assert seen == set(MICROPHONES)


def test_files_are_cut_where_the_contact_begins_but_never_later() -> None:
    rng = np.random.default_rng(3)
    onset = 4800
    x = np.ones(SAMPLES, np.float32)
    cut = 0
    for _ in range(60):
        audio = store(x.copy(), "flat", onset, True, rng)
        assert audio.dtype == np.int16
        assert audio.shape == (SAMPLES,)
        assert audio[onset + 100] != 0
        cut += not audio[: onset - 800].any()
    assert 10 < cut < 40


@pytest.mark.parametrize("kind", MAKERS)
def test_backgrounds_are_as_loud_as_they_say(noise: Noise, kind: str) -> None:
    rng = np.random.default_rng(4)
    for _ in range(3):
        x = MAKERS[kind](noise, rng)
        assert x.shape == (SAMPLES,)
        assert x.dtype == np.float32
        assert float(np.mean(x**2)) == pytest.approx(1.0, rel=1e-3)


def test_there_is_a_maker_for_every_kind_but_a_contact(noise: Noise) -> None:
    assert tuple(MAKERS) == KINDS[1:]
    assert sum(chance for _, chance in BEHIND) == pytest.approx(1.0)
    assert behind(noise, np.random.default_rng(0)).shape == (SAMPLES,)


def test_brown_noise_falls_by_six_decibels_an_octave(noise: Noise) -> None:
    class NoBumps(np.random.Generator):
        def integers(self, *args, **kwargs):  # type: ignore[no-untyped-def]
            return 0 if args == (0, 4) else super().integers(*args, **kwargs)

    power = np.abs(np.fft.rfft(coloured(noise, NoBumps(np.random.PCG64(5)), 2.0))) ** 2
    octave = [power[int(hz * 1.2) : int(2 * hz * 1.2)].mean() for hz in (500, 1000)]
    assert 10 * np.log10(octave[0] / octave[1]) == pytest.approx(6.0, abs=1.0)
