"""The audit of a microphone, fed chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from foley_perception.audit.finding import Finding, Severity
from foley_perception.audit.sound import SoundAudit
from foley_perception.recording.cdr import AudioHead, Header

RATE, CHUNK = 16_000, 160
T0 = 1_800_000_000_000_000_000
TOPIC = "/robot/mic/audio"
Samples = NDArray[np.floating]


def room(seconds: float = 6.0, channels: int = 1) -> Samples:
    """[n, channels]: noise of the room, and a tap each second."""
    count = round(seconds * RATE)
    sound = 1e-3 * np.random.default_rng(0).standard_normal((count, channels))
    t = np.arange(RATE // 5) / RATE
    for at in range(RATE // 2, count, RATE):
        tap = 0.5 * np.exp(-60 * t) * np.sin(2 * np.pi * 1500 * t)
        sound[at : at + t.size] += tap[: count - at, None]
    return sound


def heard(
    samples: Samples,
    *,
    counter: Callable[[int], int] = lambda chunk: chunk * CHUNK,
    stream: Callable[[int], str] = lambda chunk: "a",
    rate: Callable[[int], int] = lambda chunk: RATE,
    stamp_late_s: float = 0.0,
    measured: bool = True,
) -> list[Finding]:
    """What the audit says of ``samples`` in chunks that arrive 1 ms after they are over."""
    audit = SoundAudit()
    for k in range(len(samples) // CHUNK):
        block = samples[k * CHUNK : (k + 1) * CHUNK].astype(np.float32)
        begin = T0 + k * CHUNK * 1_000_000_000 // RATE
        header = Header(begin + round(stamp_late_s * 1e9), "microphone")
        head = AudioHead(header, stream(k), counter(k), rate(k), block.shape[1], 1, 0.0, block.size, 0)
        audit.add(head, block, begin + CHUNK * 1_000_000_000 // RATE + 1_000_000)
    return audit.findings(TOPIC, T0, measured=measured)


def only(found: list[Finding]) -> Finding:
    (one,) = found
    assert one.topic == TOPIC and TOPIC in one.text
    return one


def test_a_good_microphone_is_good() -> None:
    assert heard(room(6.0, 2)) == []
    assert heard(np.clip(room(), -0.9, 0.9)) == [], "nothing of it is as loud"


# ---- samples -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("scale", "cure"), [(32767, "divide by 32768"), (8388607, "divide by 8388608")])
def test_integers_that_were_not_scaled_are_an_error(scale: int, cure: str) -> None:
    found = only(heard(np.round(room() * scale)))
    assert (found.rule, found.severity) == ("sound_range", Severity.ERROR)
    assert cure in found.text and f"{round(np.abs(room() * scale).max()):.5g}" in found.text


def test_quiet_integers_are_told_by_being_whole() -> None:
    found = only(heard(np.round(room() * 12)))
    assert (found.rule, found.severity) == ("sound_range", Severity.ERROR)


@pytest.mark.parametrize(("peak", "severity"), [(1.05, Severity.NOTE), (1.6, Severity.PROBLEM)])
def test_slight_overs_are_told(peak: float, severity: Severity) -> None:
    sound = room()
    found = only(heard(sound * peak / np.abs(sound).max()))
    assert (found.rule, found.severity) == ("sound_range", severity) and f"{peak:.3f}" in found.text


@pytest.mark.parametrize("value", [0.0, -0.25])
def test_a_dead_channel_is_an_error_where_it_is_heard(value: float) -> None:
    sound = room(3.0, 2)
    sound[:, 0] = value
    found = only(heard(sound))
    assert (found.rule, found.severity) == ("sound_dead", Severity.ERROR) and f"holds {value:g}" in found.text
    found = only(heard(sound[:, ::-1]))
    assert found.severity == Severity.PROBLEM and "channel 1" in found.text


def test_a_channel_turned_over_is_told() -> None:
    sound = room(3.0, 2)
    sound[:, 1] = -0.6 * sound[:, 0] + 1e-4 * np.random.default_rng(1).standard_normal(len(sound))
    found = only(heard(sound))
    assert (found.rule, found.severity) == ("sound_antiphase", Severity.PROBLEM) and "-1.00" in found.text


def test_an_offset_is_told_with_its_value() -> None:
    found = only(heard(room() - 0.03))
    assert found.rule == "sound_offset" and "-0.0300" in found.text


@pytest.mark.parametrize("mains", [50.0, 60.0])
def test_hum_is_told_with_frequency_and_level(mains: float) -> None:
    sound = room(6.0)
    t = np.arange(len(sound)) / RATE
    sound[:, 0] += 0.02 * np.sin(2 * np.pi * (mains + 0.1) * t)
    found = only(heard(sound))
    assert found.rule == "sound_hum" and f"{mains:.0f} Hz" in found.text and "-37 dBFS" in found.text
    sound[:, 0] += 0.1 * np.sin(2 * np.pi * 440 * t)
    assert "-37 dBFS" in only(heard(sound)).text, "a tone of something else is no hum"


@pytest.mark.parametrize("rail", [1.0, 0.35])
def test_flat_tops_are_told_at_whatever_level(rail: float) -> None:
    sound = np.clip(3.0 * room() * rail, -rail, rail * 32767 / 32768)
    found = only(heard(sound))
    assert found.rule == "sound_clipped" and f"{rail:.3f} of full scale" in found.text
    assert "at 0.500 s" in found.text


def test_the_top_of_a_slow_wave_is_no_clipping() -> None:
    t = np.arange(6 * RATE) / RATE
    wave = np.round(0.05 * np.sin(2 * np.pi * 35 * t) * 32768) / 32768
    assert [f.rule for f in heard(wave[:, None])] == []


def test_digital_silence_is_told_with_its_time() -> None:
    sound = room()
    sound[round(2.1 * RATE) : round(4.2 * RATE)] = 0.0
    found = only(heard(sound))
    assert found.rule == "sound_silence" and "for 2.1 s from 2.100 s on" in found.text


def test_nan_is_counted() -> None:
    sound = room()
    sound[100:110] = np.nan
    assert "10 of 96000 samples" in only(heard(sound)).text
    found = only(heard(np.full((RATE, 1), np.nan)))
    assert (found.rule, found.severity) == ("sound_unknown", Severity.ERROR)


# ---- heads ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("counter", "words"),
    [
        (lambda k: 0, "never increases"),
        (lambda k: k, "increases by 1 a chunk"),
        (lambda k: 2 * k * CHUNK, "increases by 320 a chunk"),
        (lambda k: min(k, 300) * CHUNK, "never increases"),
        (lambda k: (37 * k * CHUNK) % 50_021, "first_sample"),
    ],
    ids=["zero", "chunks", "all channels", "stops", "random"],
)
def test_a_counter_that_does_not_count_is_an_error(counter: Callable[[int], int], words: str) -> None:
    found = only([f for f in heard(room(), counter=counter) if f.rule != "sound_silence"])
    assert (found.rule, found.severity) == ("sound_count", Severity.ERROR)
    assert words in found.text and "each chunk has 160 samples" in found.text


def test_lost_chunks_are_no_broken_counter() -> None:
    audit = SoundAudit()
    for k in range(0, 600, 2):
        header = Header(T0 + k * 10_000_000, "")
        block = room(0.01).astype(np.float32)
        head = AudioHead(header, "a", k * CHUNK, RATE, 1, 1, 0.0, block.size, 0)
        audit.add(head, block, T0 + (k + 1) * 10_000_000)
    assert audit.findings(TOPIC, T0) == []


@pytest.mark.parametrize("names", [("a", "b"), ("mic", "mic"), ("", "")])
@pytest.mark.parametrize("apart", [0, 3, 77_000])
def test_two_microphones_on_one_topic_are_one_error(names: tuple[str, str], apart: int) -> None:
    sound = np.repeat(room(3.0).reshape(-1, CHUNK), 2, axis=0).reshape(-1, 1)
    sound += 1e-3 * np.random.default_rng(5).standard_normal(sound.shape)
    audit = SoundAudit()
    for k in range(len(sound) // CHUNK):
        block = sound[k * CHUNK : (k + 1) * CHUNK].astype(np.float32)
        stamp = T0 + (k // 2) * 10_000_000 + (k % 2) * 3_000_000
        first = (k // 2) * CHUNK + apart * (k % 2)
        head = AudioHead(Header(stamp, ""), names[k % 2], first, RATE, 1, 1, 0.0, CHUNK, 0)
        audit.add(head, block, stamp + 12_000_000)
    found = only(audit.findings(TOPIC, T0))
    assert (found.rule, found.severity) == ("sound_streams", Severity.ERROR)


def test_a_restart_is_none_and_one_without_a_new_name_is_told() -> None:
    assert (
        heard(room(), stream=lambda k: "ab"[k >= 250], counter=lambda k: (k - 250 * (k >= 250)) * CHUNK) == []
    )
    found = only(heard(room(), counter=lambda k: k % 400 * CHUNK))
    assert (found.rule, found.severity) == ("sound_restarts", Severity.PROBLEM) and "at 4.000 s" in found.text


def test_a_rate_that_changes_within_a_stream_is_an_error() -> None:
    found = only(heard(room(), rate=lambda k: RATE if k < 300 else 44_100))
    assert (found.rule, found.severity) == ("sound_format", Severity.ERROR)
    assert "from 16000 to 44100" in found.text and "at 3.000 s" in found.text


@pytest.mark.parametrize("seconds", [3.0, 60.0])
def test_a_rate_that_is_not_what_is_said_is_an_error(seconds: float) -> None:
    audit = SoundAudit()
    block = room(0.01).astype(np.float32)
    for k in range(round(seconds * 100)):
        stamp = T0 + round(k * CHUNK / 15_000 * 1e9)
        head = AudioHead(Header(stamp, ""), "a", k * CHUNK, RATE, 1, 1, 0.0, CHUNK, 0)
        audit.add(head, block, stamp + 12_000_000)
    found = only(audit.findings(TOPIC, T0))
    assert (found.rule, found.severity) == ("sound_rate", Severity.ERROR)
    assert "sample_rate is 16000 Hz, but the stamps say 15000 Hz" in found.text


def test_stamps_of_the_end_are_told() -> None:
    found = only(heard(room(), stamp_late_s=0.01))
    assert (found.rule, found.severity) == ("sound_end_stamp", Severity.PROBLEM)
    assert "9.0 ms late" in found.text and "a chunk of 10.0 ms arrives 1.0 ms after its stamp" in found.text
    assert heard(room(), stamp_late_s=0.01, measured=False) == [], "arrival times that are copies say nothing"


def test_chunks_that_came_twice_count_once() -> None:
    audit = SoundAudit()
    for k in range(1200):
        block = room(0.01).astype(np.float32)
        stamp = T0 + (k // 2) * 10_000_000
        head = AudioHead(Header(stamp, ""), "a", k // 2 * CHUNK, RATE, 1, 1, 0.0, CHUNK, 0)
        audit.add(head, block, stamp + 10_000_000 + k % 2)
    found = only(audit.findings(TOPIC, T0))
    assert (found.rule, found.severity) == ("sound_repeated", Severity.PROBLEM) and "600 chunks" in found.text
