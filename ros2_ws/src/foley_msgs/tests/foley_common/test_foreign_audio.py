"""Messages of other packages, by their fields, to chunks that count."""

from __future__ import annotations

import io
from types import SimpleNamespace as Message
from typing import Any

import numpy as np
import pytest

from foley_common.audio_formats import AudioFormat
from foley_common.foreign_audio import ForeignSound, Layout, info_topics, layout_of

S = 1_000_000_000
INFO = Message(channels=1, sample_rate=16_000, sample_format="S16LE", bitrate=0, coding_format="wave")
SOUND = np.arange(-160, 160, dtype="<i2")  # two messages of 10 ms


def stamp(time_ns: int) -> Any:
    return Message(sec=time_ns // S, nanosec=time_ns % S)


def data(values: np.ndarray) -> Any:
    return Message(data=values.tobytes())


def stamped(time_ns: int, values: np.ndarray) -> Any:
    return Message(header=Message(stamp=stamp(time_ns), frame_id="capsule"), audio=data(values))


def newer(time_ns: int, **filled: np.ndarray) -> Any:
    names = ("float32_data", "int32_data", "int16_data", "int8_data", "uint8_data")
    arrays = Message(**{name: filled.get(name, np.zeros(0)) for name in names})
    info = Message(format=8, channels=2, rate=44_100, chunk=80)
    return Message(
        header=Message(stamp=stamp(time_ns), frame_id=""), audio=Message(audio_data=arrays, info=info)
    )


def test_the_two_packages_of_one_name_are_told_apart_by_their_fields() -> None:
    plain, other = data(SOUND), newer(0, int16_data=SOUND)
    assert [layout_of(m) for m in (plain, stamped(0, SOUND), INFO)] == [
        Layout.DATA,
        Layout.STAMPED,
        Layout.INFO,
    ]
    assert [layout_of(m) for m in (other, other.audio)] == [Layout.AUDIO_STAMPED, Layout.AUDIO]
    assert layout_of(other.audio.audio_data) is None and layout_of(Message(header=0, pose=0)) is None


def test_sound_waits_for_its_info_and_keeps_the_stamps() -> None:
    sound = ForeignSound("/mic/audio_stamped")
    assert sound.feed(stamped(S, SOUND[:160]), S + 10_000_000) == []
    assert not sound.trouble(2 * S) and "nobody says" in sound.trouble(4 * S)
    (first,) = sound.told(INFO)
    (second,) = sound.feed(stamped(S + 10_000_000, SOUND[160:]), S + 20_000_000)
    assert (first.time_ns, first.first_sample, second.first_sample) == (S, 0, 160)
    assert (first.frame_id, first.by_arrival, first.stream_id) == ("capsule", False, second.stream_id)
    np.testing.assert_array_equal(np.r_[first.samples, second.samples][:, 0], SOUND / 32768)
    assert not sound.trouble(10 * S)


def test_what_a_person_says_stands_in_until_an_info_comes() -> None:
    sound = ForeignSound("/mic/audio", AudioFormat("S16BE", 8_000, 1))
    (chunk,) = sound.feed(data(SOUND.astype(">i2")), S)
    assert (chunk.sample_rate, chunk.by_arrival, chunk.time_ns) == (8_000, True, S - 40_000_000)
    assert chunk.uncertainty_s >= 0.005
    np.testing.assert_array_equal(chunk.samples[:, 0], SOUND / 32768)
    sound.told(INFO)
    (after,) = sound.feed(data(SOUND), 2 * S)
    assert after.sample_rate == 16_000 and after.stream_id != chunk.stream_id and after.first_sample == 0


def test_the_newer_package_has_its_own_format_and_channels() -> None:
    (chunk,) = ForeignSound("/audio").feed(newer(5 * S, int16_data=SOUND), 6 * S)
    assert chunk.samples.shape == (160, 2) and chunk.sample_rate == 44_100 and chunk.time_ns == 5 * S
    sound = ForeignSound("/audio")
    assert not sound.feed(newer(0, int16_data=SOUND, float32_data=np.ones(4, "f4")), S)
    assert "float32_data and int16_data are filled" in sound.trouble()


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            Message(timestamp=stamp(1), data=b"12", format="opus-x", sample_rate=1, number_of_channels=1),
            "`opus-x`",
        ),
        (
            Message(
                timestamp=stamp(1), data=b"1", format="pcm-s16", sample_rate=16_000, number_of_channels=1
            ),
            "1 bytes",
        ),
        (
            Message(timestamp=stamp(1), data=b"12", format="pcm-s16", sample_rate=0, number_of_channels=1),
            "is 0 Hz",
        ),
        (Message(nothing=1), "hold no sound"),
    ],
)
def test_what_cannot_be_heard_is_told_and_the_next_message_is_heard(message: Any, said: str) -> None:
    sound = ForeignSound("/mic/audio")
    assert (
        sound.feed(message, S) == []
        and said in sound.trouble()
        and sound.trouble().startswith("/mic/audio: ")
    )
    good = Message(
        timestamp=stamp(S), data=SOUND.tobytes(), format="pcm-s16", sample_rate=16_000, number_of_channels=1
    )
    assert len(sound.feed(good, 2 * S)) == 1 and not sound.trouble()


def test_an_info_that_cannot_be_read_ends_what_the_one_before_it_said() -> None:
    sound = ForeignSound("/mic/audio")
    sound.told(INFO)
    assert len(sound.feed(data(SOUND), S)) == 1
    sound.told(Message(**{**vars(INFO), "sample_format": "", "coding_format": "aac"}))
    assert sound.feed(data(SOUND), S + 20_000_000) == [] and "`aac` cannot be decoded" in sound.trouble()
    (chunk,) = sound.told(INFO)  # the message that waited
    assert len(chunk.samples) == len(SOUND) and not sound.trouble()


def test_what_is_held_back_is_not_lost_with_a_message_of_another_format() -> None:
    def raw(number: int, late_ns: int = 0, form: str = "pcm-s16", cut: int = 0) -> Any:
        return Message(
            timestamp=stamp(S + number * 10_000_000 + late_ns),
            data=SOUND[:160].tobytes()[cut:],
            format=form,
            sample_rate=16_000,
            number_of_channels=1,
        )

    sound = ForeignSound("/mic/audio")
    chunks = [c for k in range(10) for c in sound.feed(raw(k), S)]
    assert sound.feed(raw(10, late_ns=40_000_000), S) == []  # is there a gap?
    chunks += sound.feed(raw(11, form="pcm-f32", cut=1), S)
    assert len(chunks) == 11 and "319 bytes" in sound.trouble()


@pytest.mark.parametrize("size", [60, 150, 400])
def test_compressed_messages_shorter_than_a_frame_make_no_gaps(size: int) -> None:
    soundfile = pytest.importorskip("soundfile")
    file, rate = io.BytesIO(), 16_000
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate)
    soundfile.write(file, tone, rate, format="MP3")
    coded = file.getvalue()
    sound = ForeignSound("/mic/audio", AudioFormat("mp3"))
    parts = [coded[at : at + size] for at in range(0, len(coded), size)]
    chunks = []
    for number, part in enumerate(parts, 1):
        time_ns = 10 * S + round(2 * S * number / len(parts))
        chunks += sound.feed(Message(data=part), time_ns, number)
    assert sound.lost == 0 and len({c.stream_id for c in chunks}) == 1
    assert [c.first_sample for c in chunks] == [
        sum(len(c.samples) for c in chunks[:k]) for k in range(len(chunks))
    ]


def test_an_info_is_looked_for_beside_its_topic() -> None:
    assert info_topics("/audio")[0] == "/audio_info"
    assert info_topics("/robot/mic/audio_stamped")[:1] == ("/robot/mic/audio_info",)
