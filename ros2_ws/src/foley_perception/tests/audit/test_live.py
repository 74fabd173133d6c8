"""The audit of a microphone that is heard now."""

from __future__ import annotations

import numpy as np

from foley_perception.audit.live import LiveSound

RATE = 16_000
T0 = 1_800_000_000_000_000_000


def test_what_was_put_right_is_forgotten_after_a_stretch() -> None:
    sound, rng = LiveSound("mic/audio"), np.random.default_rng(0)
    told = []
    for k in range(3300):
        samples = 1e-3 * rng.standard_normal((160, 1)).astype(np.float32)
        if 1000 <= k < 1500:
            samples += np.float32(0.05)  # from 10 s to 15 s
        begin = T0 + k * 10_000_000
        sound.add(
            samples,
            first_sample=160 * k,
            time_ns=begin,
            stream_id="a",
            sample_rate=RATE,
            arrival_ns=begin + 11_000_000,
        )
        if k % 100 == 99:
            told.append([f.rule for f in sound.findings()])
    assert told[:11] == [[]] * 11, "a stretch of less than two seconds is not judged"
    assert told[12:29] == [["sound_offset"]] * 17 and told[30:] == [[]] * 3
