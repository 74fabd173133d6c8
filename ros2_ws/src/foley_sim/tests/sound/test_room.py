import numpy as np
import pytest

from foley_sim.sound.examples import RATE
from foley_sim.sound.room import RoomConvolver, impulse_responses, travel_delay_s
from foley_sim.spec import RoomSpec

MICROPHONE = (0.0, -0.35, 0.3)


def test_direct_sound_has_the_delay_and_level_of_its_distance():
    sources = ((0.0, 0.0, 0.1), (0.3, 0.8, 0.0))
    responses = impulse_responses(RoomSpec(), MICROPHONE, sources, RATE, seed=1)
    for source, response in zip(sources, responses, strict=True):
        delay = travel_delay_s(source, MICROPHONE)
        window = slice(round(delay * RATE) - 20, round(delay * RATE) + 20)
        assert abs(np.abs(response).argmax() - delay * RATE) <= 1
        level = np.sqrt(
            (response[window] ** 2).sum()
        )  # of a band-limited impulse, wherever between samples it falls
        assert level == pytest.approx(1 / (delay * 343.0), rel=0.1)


def test_tail_decays_and_ends_quietly():
    (response,) = impulse_responses(RoomSpec(), MICROPHONE, ((0.0, 0.0, 0.1),), RATE, seed=1)
    energy = [float((response[a : a + 1440] ** 2).sum()) for a in (1440, 3840, 6240, 8640)]
    assert energy == sorted(energy, reverse=True)
    assert abs(response[-1]) < 1e-6


def test_more_absorption_means_less_tail():
    live, dead = (
        impulse_responses(RoomSpec(absorption=a), MICROPHONE, ((0.0, 0.0, 0.1),), RATE, seed=1)
        for a in (0.2, 0.7)
    )
    assert (live[0, 2400:] ** 2).sum() > 3 * (dead[0, 2400:] ** 2).sum()


def test_convolution_matches_the_direct_sum():
    rng = np.random.default_rng(0)
    block, blocks = 48, 9
    responses = rng.standard_normal((2, 150))
    inputs = np.zeros((2, block * blocks))
    inputs[0, 10:90] = rng.standard_normal(80)  # falls silent for good: its ring has to run dry
    inputs[1, 200:] = rng.standard_normal(inputs.shape[1] - 200)
    expected = sum(np.convolve(x, h)[: inputs.shape[1]] for x, h in zip(inputs, responses, strict=True))
    room, heard = RoomConvolver(responses, block), []
    for part in np.split(inputs, blocks, axis=1):
        sounding = np.abs(part).max(axis=1) > 0
        half = part.copy()
        half[:, block // 2 :] = 0.0
        first = room.partial(half, sounding)[: block // 2].copy()
        whole = room.partial(part, sounding)
        np.testing.assert_allclose(first, whole[: block // 2], atol=1e-12)
        heard.append(whole)
        room.commit(part, sounding)
    np.testing.assert_allclose(np.concatenate(heard), expected, atol=1e-10)


def test_a_source_outside_the_room_is_refused():
    with pytest.raises(ValueError, match=r"source 1.*outside"):
        impulse_responses(RoomSpec(), MICROPHONE, ((0.0, 0.0, 0.1), (3.0, 0.0, 0.1)), RATE, seed=1)


def test_a_source_that_fell_silent_and_sounds_again_brings_nothing_old_along():
    rng = np.random.default_rng(0)
    block, blocks = 48, 12
    responses = rng.standard_normal((1, 150))
    inputs = np.zeros((1, block * blocks))
    inputs[0, 40:48] = rng.standard_normal(8)  # loud up to the end of its block
    inputs[0, 340:350] = rng.standard_normal(10)
    expected = np.convolve(inputs[0], responses[0])[: inputs.shape[1]]
    room, heard = RoomConvolver(responses, block), []
    for part in np.split(inputs, blocks, axis=1):
        sounding = np.abs(part).max(axis=1) > 0
        heard.append(room.partial(part, sounding))
        room.commit(part, sounding)
    np.testing.assert_allclose(np.concatenate(heard), expected, atol=1e-10)
