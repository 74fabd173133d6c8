"""Onsets keep their time whatever the driver of the microphone says of its own, and what is wrong is told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from foley_perception.audio.onset_config import OnsetConfig
from foley_perception.contact.listener import Listener

S = 1_000_000_000
RATE, CHUNK = 48_000, 480
T0 = 1_763_000_000 * S
LENGTH = CHUNK * S // RATE
CLICKS_S = (1.2037, 2.6041)
WAY_NS = 2_000_000  # from the end of a chunk to its arrival

Time = Callable[[int], tuple[int, int]]  # chunk -> first_sample, stamp

WRONG: dict[str, tuple[Time, float, str]] = {  # by how much onsets may be late [s], what is said
    "right": (lambda i: (i * CHUNK, T0 + i * LENGTH), 0.0, ""),
    "stamps are 0": (lambda i: (i * CHUNK, 0), 0.003, "header.stamp is 0"),
    "stamps are 300 ms late": (
        lambda i: (i * CHUNK, T0 + i * LENGTH + 3 * S // 10),
        0.003,
        "stamps are at least 298.0 ms late",
    ),
    "first_sample is always 0": (lambda i: (0, T0 + i * LENGTH), 0.0, "first_sample never increases"),
    "counts all channels": (lambda i: (2 * i * CHUNK, T0 + i * LENGTH), 0.0, "increases by 960 a chunk"),
    "counts nanoseconds since the epoch": (
        lambda i: (T0 + i * LENGTH, T0 + i * LENGTH),
        0.0,
        "increases by 10000000 a chunk",
    ),
    "no count and no stamps": (lambda i: (0, 0), 0.003, "header.stamp is 0"),
}


@pytest.mark.parametrize(("time", "late_s", "said"), WRONG.values(), ids=WRONG)
def test_onsets_keep_their_time_and_what_is_wrong_is_told(time: Time, late_s: float, said: str) -> None:
    rng, listener, found = np.random.default_rng(0), Listener(OnsetConfig(sample_rate=RATE)), []
    for i in range(400):
        t = i * CHUNK / RATE + np.arange(CHUNK) / RATE
        sound = 3e-4 * rng.standard_normal(CHUNK)
        for at in CLICKS_S:
            after = np.maximum(t - at, 0.0)
            sound += np.where(t >= at, 0.2 * np.exp(-60 * after) * np.sin(15700 * after), 0.0)
        first_sample, stamp_ns = time(i)
        arrival_ns = T0 + (i + 1) * LENGTH + WAY_NS
        found += listener.hear(
            sound.astype(np.float32)[:, None],
            first_sample=first_sample,
            time_ns=stamp_ns,
            stream_id="mic",
            sample_rate=RATE,
            arrival_ns=arrival_ns,
        )
    times = [(onset.time_ns - T0) / S for onset in found]
    assert len(times) == len(CLICKS_S), times
    for heard, true in zip(times, CLICKS_S, strict=True):
        assert -0.002 < heard - true < 0.002 + late_s
    trouble = listener.trouble(arrival_ns)
    if not said:
        assert trouble is None
    else:
        assert trouble is not None and said in trouble.message
